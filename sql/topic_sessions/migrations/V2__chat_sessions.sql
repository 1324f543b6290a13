-- One row per user, topic and subtopic, with all of its messages in it.
-- Columns and types are the guide's. What it leaves open is decided here:
-- * the key counts NULLs as equal. By the standard they are not, and a chat about a whole topic
--   (subtopic NULL) would be begun anew with each message; with `nulls not distinct` it is one row,
--   as get_chat_history sees it, and `on conflict` finds it.
-- * each message has the guide's four keys, and `id`: what the old row was called must not be lost,
--   and running again recognises it by that. The answers of the service leave it out.
-- NOTE: nothing checks what is in the array. save_chat_message writes what belongs there.

create table public.chat_sessions (
    id uuid primary key,
    user_id uuid references public.users (id) on delete cascade,
    topic_id varchar(100),
    subtopic_id varchar(100),
    messages jsonb,
    phase varchar(50),
    created_at timestamp,
    updated_at timestamp,
    unique nulls not distinct (user_id, topic_id, subtopic_id)
);

alter table public.chat_sessions enable row level security;


-- NOTE: none for delete, which is not granted: the service saves and reads.

create policy select_own on public.chat_sessions for select to app_user
    using (user_id = (select private.my_id()));

create policy insert_own on public.chat_sessions for insert to app_user
    with check (user_id = (select private.my_id()));

create policy update_own on public.chat_sessions for update to app_user
    using (user_id = (select private.my_id()))
    with check (user_id = (select private.my_id()));


-- NOTE: insert and update are granted with the cut over. Until then the rows of chat_history are
-- the truth, and what is written beside them would be lost with the next message.

revoke all on table public.chat_sessions from public, app_user;
grant select on table public.chat_sessions to app_user;


-- NOTE: no index on user_id alone: the unique key begins with it.

create index chat_sessions_user_id_updated_at_idx
    on public.chat_sessions (user_id, updated_at desc);


comment on table public.chat_sessions is
    'A chat of a user about a subtopic, with all of its messages.';
comment on column public.chat_sessions.id is 'Names the chat.';
comment on column public.chat_sessions.user_id is 'The user whose chat it is.';
comment on column public.chat_sessions.topic_id is 'What the chat is about.';
comment on column public.chat_sessions.subtopic_id is
    'Which part of the topic; NULL for the topic as a whole.';
comment on column public.chat_sessions.messages is
    'All messages, first one first, each with role, content, timestamp, phase and id.';
comment on column public.chat_sessions.phase is
    'Where in the lesson the chat is: the phase of its last message that has one.';
comment on column public.chat_sessions.created_at is 'When the first message was said, in UTC.';
comment on column public.chat_sessions.updated_at is 'When the last message was said, in UTC.';
comment on constraint chat_sessions_pkey on public.chat_sessions is 'No two chats share an id.';
comment on constraint chat_sessions_user_id_fkey on public.chat_sessions is
    'With its user it is deleted.';
comment on constraint chat_sessions_user_id_topic_id_subtopic_id_key on public.chat_sessions is
    'A user has one chat about a subtopic, and one about a topic as a whole.';
comment on policy select_own on public.chat_sessions is 'A user reads his own chats.';
comment on policy insert_own on public.chat_sessions is 'A user begins chats of his own.';
comment on policy update_own on public.chat_sessions is
    'A user continues his own chats; they stay his.';
comment on index public.chat_sessions_user_id_updated_at_idx is
    'The chats of a user, last used first.';
