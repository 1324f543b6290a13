-- chat_history and its backup come back, with every message that is in a chat now. The backup is
-- that of today: the one that was dropped is gone.
-- What cannot be a row stops the way back before anything is changed. The service functions write
-- nothing of the kind; who writes chat_sessions himself may.

lock table public.chat_sessions in share row exclusive mode;

do $$
declare
    odd record;
begin
    select s.session_id, s.ordinal, s.element
    into odd
    from private.sessions_as_history s
    where not s.is_row
    order by s.session_id, s.ordinal
    limit 1;

    if found then
        raise exception 'element % of the chat % is no row of chat_history: %',
            odd.ordinal, odd.session_id, odd.element
            using hint = 'Mend the element, or keep it elsewhere; then go back again.';
    end if;
end
$$;

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

create policy select_own on public.chat_history for select to app_user
    using (user_id = (select private.my_id()));

create policy insert_own on public.chat_history for insert to app_user
    with check (user_id = (select private.my_id()));

revoke all on table public.chat_history from public, app_user;

insert into public.chat_history (
    id, user_id, topic_id, subtopic_id, role, content, phase, created_at
)
select
    s.id, s.user_id, s.topic_id, s.subtopic_id, s.role, s.content, s.phase, s.created_at
from private.sessions_as_history s
order by s.id;

create index chat_history_user_id_topic_id_subtopic_id_idx
    on public.chat_history (user_id, topic_id, subtopic_id);

create view private.history_as_sessions as
select
    private.session_id(h.user_id, h.topic_id, h.subtopic_id) as id,
    h.user_id,
    h.topic_id,
    h.subtopic_id,
    jsonb_agg(
        private.write_message(h.role, h.content, h.created_at, h.phase)
        || jsonb_build_object('id', h.id)
        order by h.created_at nulls first, h.id
    ) as messages,
    (
        array_agg(h.phase order by h.created_at desc nulls last, h.id desc)
        filter (where h.phase is not null)
    )[1] as phase,
    min(h.created_at) as created_at,
    max(h.created_at) as updated_at
from public.chat_history h
group by h.user_id, h.topic_id, h.subtopic_id;


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
comment on view private.history_as_sessions is 'The rows of chat_history, put together to chats.';


create table public.chat_history_backup (
    like public.chat_history including comments,
    primary key (id),
    foreign key (user_id) references public.users (id) on delete cascade
);

alter table public.chat_history_backup enable row level security;

revoke all on table public.chat_history_backup from public, app_user;

insert into public.chat_history_backup
select h.*
from public.chat_history h
order by h.id;

create index chat_history_backup_user_id_idx on public.chat_history_backup (user_id);

comment on table public.chat_history_backup is
    'chat_history as it was before its rows were moved, until the clean-up.';
comment on constraint chat_history_backup_pkey on public.chat_history_backup is
    'No two messages share an id.';
comment on constraint chat_history_backup_user_id_fkey on public.chat_history_backup is
    'With its user it is deleted.';
comment on index public.chat_history_backup_user_id_idx is 'Serves the deletion of users.';
