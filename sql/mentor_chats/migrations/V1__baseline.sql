-- The application before the change: every message lies loose in `messages` and names its user and,
-- perhaps, the mentor it was said to.
-- The back end connects as `app_user` and says in the setting `app.user_id` who is asking. Before
-- anybody is known (registration, login by e-mail) it connects as `app_service`.
-- The guide gives Prisma models. Here their columns are in the spelling of SQL (`@map`), and what
-- the functions answer is in that of the API. What the guide leaves open is decided here:
-- * ids are made by the server and look like cuids. Nobody chooses one, so that the key on it tells
--   nobody which ids there are.
-- * times are `timestamptz(3)`: the milliseconds of Prisma, and no doubt about the zone.
-- * a message outlives its user, since tokens are accounted by it. It is nobody's then.

create schema private;

comment on schema private is 'What policies, triggers and the functions of the back end call.';

revoke all on schema private from public;
grant usage on schema private to app_user, app_service;

create function private.new_id() returns text
language sql volatile set search_path = ''
return 'c' || left(md5(gen_random_uuid()::text), 24);

revoke all on function private.new_id() from public;
grant execute on function private.new_id() to app_user, app_service;


-- users

create table public.users (
    id text primary key default private.new_id()
        constraint id_is_usable check (length(id) between 1 and 255),
    email text not null constraint users_email_key unique,
    name text,
    created_at timestamptz(3) not null default now()
);

alter table public.users enable row level security;


-- mentors

create table public.mentors (
    id text primary key default private.new_id(),
    name text not null,
    created_at timestamptz(3) not null default now()
);

alter table public.mentors enable row level security;


-- messages
-- NOTE: mentor_id refers to nothing. Nobody checked it, and mentors were deleted.

create table public.messages (
    id text primary key default private.new_id(),
    user_id text references public.users (id) on delete set null,
    role text not null,
    content text not null,
    prompt text,
    model text,
    tokens integer,
    metadata jsonb,
    created_at timestamptz(3) not null default now(),
    task_id text,
    mentor_id text
);

alter table public.messages enable row level security;


-- Who is asking; NULL where nobody said so, which equals no id.

create function private.my_id() returns text
language sql stable set search_path = ''
return nullif(current_setting('app.user_id', true), '');

revoke all on function private.my_id() from public;
grant execute on function private.my_id() to app_user;


-- Policies.
-- NOTE: none inserts or deletes users, none writes mentors: app_service does.
-- NOTE: none updates or deletes messages: what was said was said.

create policy select_own on public.users for select to app_user
    using (id = (select private.my_id()));

create policy update_own on public.users for update to app_user
    using (id = (select private.my_id()))
    with check (id = (select private.my_id()));

create policy select_all on public.mentors for select to app_user
    using (true);

create policy select_own on public.messages for select to app_user
    using (user_id = (select private.my_id()));

create policy insert_own on public.messages for insert to app_user
    with check (user_id = (select private.my_id()));


-- Grants.
-- NOTE: update of users names its column. Who could change his e-mail address would learn from the
-- key on it which addresses others have.

revoke all on table public.users, public.mentors, public.messages from public;
grant select on table public.users, public.mentors, public.messages to app_user;
grant update (name) on table public.users to app_user;
grant insert (
    user_id, role, content, prompt, model, tokens, metadata, created_at, task_id, mentor_id
) on table public.messages to app_user;
grant select, insert, update, delete
    on table public.users, public.mentors, public.messages to app_service;


-- Indexes.

create index messages_user_id_created_at_idx on public.messages (user_id, created_at desc, id desc);


-- What the back end calls. All of it runs with the rights of whoever calls, under his policies: to
-- ask for somebody else's messages is to ask for none.

-- As JavaScript's `toISOString()` has it; NULL for what has no end. Rounded to milliseconds, a time
-- may be past the last one that there is: the server keeps it, but does not compute with it.
create function private.write_time(moment timestamptz) returns text
language sql stable
return to_char(
    case when moment < '294276-12-31T23:59:59.9995Z' then moment end at time zone 'UTC',
    'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'
);

create function private.loose_message(message public.messages, mentor text) returns jsonb
language sql stable set search_path = ''
as $$
    select jsonb_build_object(
        'id', message.id,
        'userId', message.user_id,
        'mentorId', mentor,
        'role', message.role,
        'content', message.content,
        'prompt', message.prompt,
        'model', message.model,
        'tokens', message.tokens,
        'metadata', message.metadata,
        'taskId', message.task_id,
        'createdAt', private.write_time(message.created_at)
    )
$$;

-- GET /mentor/messages: newest first.
create function public.get_messages(for_user text, max_rows integer, skipped integer default 0)
returns jsonb
language sql stable set search_path = ''
as $$
    select coalesce(
        jsonb_agg(private.loose_message(p, p.mentor_id) order by p.created_at desc, p.id desc), '[]'
    )
    from (
        select m.*
        from public.messages m
        where m.user_id = for_user
        order by m.created_at desc, m.id desc
        limit max_rows
        offset skipped
    ) m
    join public.messages p on p.id = m.id
$$;

-- What a mentor is to remember of a user: oldest first.
create function public.get_mentor_messages(for_user text, for_mentor text) returns jsonb
language sql stable set search_path = ''
as $$
    select coalesce(
        jsonb_agg(private.loose_message(m, m.mentor_id) order by m.created_at, m.id), '[]'
    )
    from public.messages m
    where m.user_id = for_user
    and m.mentor_id = for_mentor
$$;

-- POST /mentor/chat keeps what was said; without a mentor it is said to nobody in particular.
-- `message` has the keys of the API: role, content, prompt, model, tokens, metadata, taskId.
create function public.save_message(for_user text, for_mentor text, message jsonb) returns jsonb
language sql volatile set search_path = ''
as $$
    insert into public.messages as m (
        user_id, mentor_id, role, content, prompt, model, tokens, metadata, task_id, created_at
    )
    select
        u.id,
        for_mentor,
        message ->> 'role',
        message ->> 'content',
        message ->> 'prompt',
        message ->> 'model',
        (message ->> 'tokens')::integer,
        message -> 'metadata',
        message ->> 'taskId',
        clock_timestamp()
    from public.users u
    where u.id = for_user
    returning private.loose_message(m, m.mentor_id)
$$;

revoke all on function
    private.write_time(timestamptz),
    private.loose_message(public.messages, text),
    public.get_messages(text, integer, integer),
    public.get_mentor_messages(text, text),
    public.save_message(text, text, jsonb)
    from public;
grant execute on function
    private.write_time(timestamptz),
    private.loose_message(public.messages, text),
    public.get_messages(text, integer, integer),
    public.get_mentor_messages(text, text),
    public.save_message(text, text, jsonb)
    to app_user, app_service;


comment on table public.users is 'Who has an account.';
comment on column public.users.id is 'Names the user.';
comment on column public.users.email is 'Where he is reached, and what he logs in with.';
comment on column public.users.name is 'What he calls himself.';
comment on column public.users.created_at is 'When the account began.';
comment on constraint users_pkey on public.users is 'No two users share an id.';
comment on constraint id_is_usable on public.users is
    'An id is no longer than an index can hold, beside whatever is named in it.';
comment on constraint users_email_key on public.users is 'An address has one account.';

comment on table public.mentors is 'Whom one can ask for advice.';
comment on column public.mentors.id is 'Names the mentor.';
comment on column public.mentors.name is 'What the mentor is called.';
comment on column public.mentors.created_at is 'When it was made.';
comment on constraint mentors_pkey on public.mentors is 'No two mentors share an id.';

comment on table public.messages is 'What was said.';
comment on column public.messages.id is 'Names the message.';
comment on column public.messages.user_id is 'The user whose it is; NULL once he is deleted.';
comment on column public.messages.mentor_id is
    'The mentor it was said to or by. Nothing checks that there is one.';
comment on column public.messages.role is 'Who said it: user, assistant, system.';
comment on column public.messages.content is 'What was said.';
comment on column public.messages.prompt is 'What it answers.';
comment on column public.messages.model is 'Which model said it.';
comment on column public.messages.tokens is 'What it cost.';
comment on column public.messages.metadata is 'What the application wants to remember of it.';
comment on column public.messages.created_at is 'When it was said.';
comment on column public.messages.task_id is 'The task it belongs to.';
comment on constraint messages_pkey on public.messages is 'No two messages share an id.';
comment on constraint messages_user_id_fkey on public.messages is 'A message outlives its user.';

comment on policy select_own on public.users is 'A user sees himself.';
comment on policy update_own on public.users is 'A user changes what he is called.';
comment on policy select_all on public.mentors is 'Mentors are everybody''s.';
comment on policy select_own on public.messages is 'A user reads his own messages.';
comment on policy insert_own on public.messages is 'A user adds messages of his own.';

comment on index public.messages_user_id_created_at_idx is
    'The messages of a user, newest first; serves the policies on user_id.';

comment on function private.new_id() is 'A new id in the form of a cuid.';
comment on function private.my_id() is 'The user who is asking; NULL for nobody.';
comment on function private.write_time(timestamptz) is 'A time as the API writes it.';
comment on function private.loose_message(public.messages, text) is
    'A message as the API answered it before there were chats.';
comment on function public.get_messages(text, integer, integer) is
    'The messages of a user, newest first, page by page.';
comment on function public.get_mentor_messages(text, text) is
    'What a user and a mentor said to each other, oldest first.';
comment on function public.save_message(text, text, jsonb) is 'Keeps a message of a user.';
