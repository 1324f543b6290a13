-- The application before the change: each message is a row of `chat_history`.
-- Columns and types are those of the migration guide, nothing is NOT NULL but the id, and nothing
-- checks role or phase. What the guide leaves open is decided here:
-- * who deletes his account deletes his messages (`cascade`).
-- * the platform is plain Postgres: the guide runs `psql` against a database of its own. Who asks
--   is in the setting `app.user_id`; the role is always app_user.
-- * created_at has no zone; the guide writes `2024-01-01T10:00:00Z`, so it is read as UTC.
-- * messages are ordered by created_at, then id: of two rows of one instant nothing tells which was
--   first, and the id is the only thing that gives the same answer every time. Rows without a time
--   come first: whatever is saved next has a time and must be last.

create schema private;

comment on schema private is
    'What policies and functions call. The application never names it.';

revoke all on schema private from public;
grant usage on schema private to app_user;


-- users

create table public.users (
    id uuid primary key,
    name text not null,
    created_at timestamptz not null default now()
);

alter table public.users enable row level security;


-- chat_history

create table public.chat_history (
    id uuid primary key,
    user_id uuid references public.users (id) on delete cascade,
    topic_id varchar(100),
    subtopic_id varchar(100),
    role varchar(20),
    content text,
    phase varchar(50),
    created_at timestamp
);

alter table public.chat_history enable row level security;


-- Who asks. A setting that was set for one transaction is an empty string afterwards, not NULL.
-- NOTE: text that is no uuid raises. Nobody is better than the wrong one.

create function private.my_id() returns uuid
language sql stable
return nullif(current_setting('app.user_id', true), '')::uuid;


-- Policies.
-- NOTE: none for update and delete, which are not granted: the service saves and reads.

create policy select_own on public.users for select to app_user
    using (id = (select private.my_id()));

create policy select_own on public.chat_history for select to app_user
    using (user_id = (select private.my_id()));

create policy insert_own on public.chat_history for insert to app_user
    with check (user_id = (select private.my_id()));


-- The service functions. They run with the caller's rights, so the policies hold in them: whoever
-- asks for somebody else's messages gets none, whoever saves in his name is refused.

-- As JSON writes a timestamp, in the guide's form: no fraction where there is none, and Z, since it
-- is UTC. `infinity` has no zone.
create function private.write_time(moment timestamp) returns text
language sql stable
return (to_jsonb(moment) #>> '{}') || case when isfinite(moment) then 'Z' else '' end;

-- A message in the guide's format. What is NULL is null there, so that all four keys are always
-- there.
create function private.write_message(role text, content text, moment timestamp, phase text)
returns jsonb
language sql stable
return jsonb_build_object(
    'role', role, 'content', content, 'timestamp', private.write_time(moment), 'phase', phase
);

-- The messages of nobody apart from the others: no index serves `is not distinct from`.
create function public.get_chat_history(for_user uuid, topic varchar, subtopic varchar)
returns jsonb
language sql stable set search_path = ''
as $$
    select coalesce(
        jsonb_agg(
            private.write_message(h.role, h.content, h.created_at, h.phase)
            order by h.created_at nulls first, h.id
        ),
        '[]'
    )
    from (
        select m.*
        from public.chat_history m
        where m.user_id = for_user
        union all
        select m.*
        from public.chat_history m
        where for_user is null
        and m.user_id is null
        and (m.topic_id = topic or (topic is null and m.topic_id is null))
    ) h
    where h.topic_id is not distinct from topic
    and h.subtopic_id is not distinct from subtopic
$$;

-- clock_timestamp() and not now(): two messages saved in one transaction keep their order.
create function public.save_chat_message(
    for_user uuid, topic varchar, subtopic varchar, role varchar, content text, phase varchar
) returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
    saved public.chat_history;
begin
    insert into public.chat_history (
        id, user_id, topic_id, subtopic_id, role, content, phase, created_at
    ) values (
        gen_random_uuid(), for_user, topic, subtopic, role, content, phase,
        clock_timestamp() at time zone 'UTC'
    ) returning * into saved;
    return private.write_message(saved.role, saved.content, saved.created_at, saved.phase);
end
$$;


-- Grants.

revoke all on table public.users, public.chat_history from public, app_user;
grant select on table public.users to app_user;
grant select, insert on table public.chat_history to app_user;

revoke all on function
    private.my_id(),
    private.write_time(timestamp),
    private.write_message(text, text, timestamp, text),
    public.get_chat_history(uuid, varchar, varchar),
    public.save_chat_message(uuid, varchar, varchar, varchar, text, varchar)
    from public;
grant execute on function
    private.my_id(),
    private.write_time(timestamp),
    private.write_message(text, text, timestamp, text),
    public.get_chat_history(uuid, varchar, varchar),
    public.save_chat_message(uuid, varchar, varchar, varchar, text, varchar)
    to app_user;


create index chat_history_user_id_topic_id_subtopic_id_idx
    on public.chat_history (user_id, topic_id, subtopic_id);


comment on table public.users is 'Who uses the application.';
comment on column public.users.id is 'Names the user.';
comment on column public.users.name is 'What he calls himself.';
comment on column public.users.created_at is 'When he signed up.';
comment on constraint users_pkey on public.users is 'No two users share an id.';
comment on policy select_own on public.users is 'A user sees himself.';

comment on table public.chat_history is 'A row for each message of each chat.';
comment on column public.chat_history.id is 'Names the message.';
comment on column public.chat_history.user_id is 'The user whose chat it is in.';
comment on column public.chat_history.topic_id is 'What the chat is about.';
comment on column public.chat_history.subtopic_id is
    'Which part of the topic; NULL for the topic as a whole.';
comment on column public.chat_history.role is 'Who speaks: user or assistant. Nothing checks it.';
comment on column public.chat_history.content is 'What is said.';
comment on column public.chat_history.phase is
    'When in the lesson it is said: session, playtime, assignment or feedback, unchecked.';
comment on column public.chat_history.created_at is 'When it is said, in UTC.';
comment on constraint chat_history_pkey on public.chat_history is 'No two messages share an id.';
comment on constraint chat_history_user_id_fkey on public.chat_history is
    'With its user it is deleted.';
comment on policy select_own on public.chat_history is 'A user reads his own messages.';
comment on policy insert_own on public.chat_history is 'A user says what is said in his chats.';
comment on index public.chat_history_user_id_topic_id_subtopic_id_idx is
    'The messages of a chat; serves the policies on user_id.';

comment on function private.my_id() is 'The user the application asks for; NULL for nobody.';
comment on function private.write_time(timestamp) is 'A time as a message has it.';
comment on function private.write_message(text, text, timestamp, text) is
    'A message as the application gets it.';
comment on function public.get_chat_history(uuid, varchar, varchar) is
    'The messages of a chat, first one first; an empty array where there is none.';
comment on function public.save_chat_message(uuid, varchar, varchar, varchar, text, varchar) is
    'Adds a message to a chat, and gives it as get_chat_history will.';
