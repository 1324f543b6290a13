-- What is said in a chat, by the visitor, the assistant, and the functions it calls.
-- Columns, types, defaults and the names of constraints are the guide's. Messages are whose their
-- chat is.

create table public.chat_messages (
    id text primary key not null,
    session_id text not null,
    role text not null,
    content text not null,
    function_name text,
    function_args text,
    function_result text,
    "timestamp" timestamp default now() not null
);

alter table public.chat_messages
    add constraint chat_messages_session_id_chat_sessions_id_fk
    foreign key (session_id) references public.chat_sessions (id)
    on delete cascade on update no action;

alter table public.chat_messages enable row level security;


-- The chats a visitor may open, by account or by token. A definer function, so that the policies of
-- messages do not pull in those of chats; called as `array(select ...)` it runs once a statement.
create function private.my_chats() returns setof text
language sql stable security definer set search_path = ''
as $$
    select s.id
    from public.chat_sessions s
    where s.user_id = (select private.my_id())
    union all
    select s.id
    from public.chat_sessions s
    where s.user_id is null
    and s.session_token = (select private.my_token())
$$;


-- NOTE: none for update and delete, which are not granted: what was said stays said.

create policy select_own on public.chat_messages for select to shop_app
    using (session_id = any(array(select private.my_chats())));

create policy insert_own on public.chat_messages for insert to shop_app
    with check (session_id = any(array(select private.my_chats())));


revoke all on table public.chat_messages from public, shop_app, shop_service;
grant select, insert on table public.chat_messages to shop_app;
grant select, insert, update, delete on table public.chat_messages to shop_service;

revoke all on function private.my_chats() from public;
grant execute on function private.my_chats() to shop_app;


create index chat_messages_session_id_timestamp_idx
    on public.chat_messages (session_id, "timestamp");


comment on table public.chat_messages is 'What is said in a chat.';
comment on column public.chat_messages.id is 'Names the message.';
comment on column public.chat_messages.session_id is 'The chat it is said in.';
comment on column public.chat_messages.role is 'Who speaks: user, assistant, function or system.';
comment on column public.chat_messages.content is 'What is said.';
comment on column public.chat_messages.function_name is
    'The function the assistant called, if any.';
comment on column public.chat_messages.function_args is 'With what it was called, as JSON text.';
comment on column public.chat_messages.function_result is 'What it gave, as JSON text.';
comment on column public.chat_messages."timestamp" is 'When it was said.';
comment on constraint chat_messages_pkey on public.chat_messages is 'No two messages share an id.';
comment on constraint chat_messages_session_id_chat_sessions_id_fk on public.chat_messages is
    'With its chat a message is deleted.';
comment on function private.my_chats() is
    'The chats of the caller''s account, and of his browser as long as they are no user''s.';
comment on policy select_own on public.chat_messages is
    'A visitor reads what is said in his chats.';
comment on policy insert_own on public.chat_messages is 'A visitor says what is said in his chats.';
comment on index public.chat_messages_session_id_timestamp_idx is
    'The messages of a chat in order; serves the policies on session_id.';
