-- A conversation with the shop's assistant, of a user or of a browser without one.
-- Columns, types, defaults and the names of constraints are the guide's. A chat belongs
-- * to its user, if it has one: then the token alone opens nothing, so that whoever uses the
--   browser after him does not read it;
-- * else to whoever has its token.
-- With his account a user's chats are without one (`set null`, as the guide has it), and again open
-- to the browser they were written in, and to nobody else.
-- NOTE: the unique token tells whoever tries one whether there is a chat with it. Who has a token
-- may know; the application must make tokens that nobody guesses.

create table public.chat_sessions (
    id text primary key not null,
    user_id text,
    session_token text not null,
    started_at timestamp default now() not null,
    ended_at timestamp,
    last_message_at timestamp default now() not null,
    message_count integer default 0 not null,
    user_agent text,
    ip_address text,
    constraint chat_sessions_session_token_unique unique (session_token)
);

alter table public.chat_sessions
    add constraint chat_sessions_user_id_users_id_fk
    foreign key (user_id) references public.users (id) on delete set null on update no action;

alter table public.chat_sessions enable row level security;


create function private.my_token() returns text
language sql stable
return nullif(current_setting('app.session_token', true), '');


-- NOTE: none for delete, which is not granted: a chat ends, it does not go.

create policy select_own on public.chat_sessions for select to shop_app
    using (user_id = (select private.my_id()));

create policy select_visitor on public.chat_sessions for select to shop_app
    using (user_id is null and session_token = (select private.my_token()));

create policy insert_own on public.chat_sessions for insert to shop_app
    with check (user_id = (select private.my_id()));

create policy insert_visitor on public.chat_sessions for insert to shop_app
    with check (user_id is null and session_token = (select private.my_token()));

create policy update_own on public.chat_sessions for update to shop_app
    using (user_id = (select private.my_id()))
    with check (user_id = (select private.my_id()));

-- A visitor who logs in takes his chat with him: the row is nobody's before and his afterwards.
create policy update_visitor on public.chat_sessions for update to shop_app
    using (user_id is null and session_token = (select private.my_token()))
    with check (
        session_token = (select private.my_token())
        and (user_id is null or user_id = (select private.my_id()))
    );


-- NOTE: update names its columns: a chat keeps its id, its token, and what its beginning was.
-- NOTE: select does not: the application finds a chat by its token, and reads whole rows.

revoke all on table public.chat_sessions from public, shop_app, shop_service;
grant select, insert on table public.chat_sessions to shop_app;
grant update (user_id, ended_at, last_message_at, message_count)
    on table public.chat_sessions to shop_app;
grant select, insert, update, delete on table public.chat_sessions to shop_service;

revoke all on function private.my_token() from public;
grant execute on function private.my_token() to shop_app;


-- NOTE: no index on session_token: its unique constraint has one.

create index chat_sessions_user_id_last_message_at_idx
    on public.chat_sessions (user_id, last_message_at desc);


comment on table public.chat_sessions is 'A conversation with the assistant of the shop.';
comment on column public.chat_sessions.id is 'Names the chat.';
comment on column public.chat_sessions.user_id is
    'The user whose chat it is; NULL for a visitor who is not logged in.';
comment on column public.chat_sessions.session_token is
    'The secret of the browser it was begun in.';
comment on column public.chat_sessions.started_at is 'When it began.';
comment on column public.chat_sessions.ended_at is 'When it ended; NULL as long as it goes on.';
comment on column public.chat_sessions.last_message_at is
    'When something was last said. The application keeps it.';
comment on column public.chat_sessions.message_count is
    'How much was said. The application keeps it.';
comment on column public.chat_sessions.user_agent is 'What the browser says it is.';
comment on column public.chat_sessions.ip_address is 'Where it was begun from.';
comment on constraint chat_sessions_pkey on public.chat_sessions is 'No two chats share an id.';
comment on constraint chat_sessions_session_token_unique on public.chat_sessions is
    'A token opens one chat.';
comment on constraint chat_sessions_user_id_users_id_fk on public.chat_sessions is
    'With its user a chat loses its owner and is again its browser''s.';
comment on function private.my_token() is
    'The session token the shop asks with; NULL where the browser has none.';
comment on policy select_own on public.chat_sessions is 'A user reads his own chats.';
comment on policy select_visitor on public.chat_sessions is
    'A visitor reads the chat of his browser, as long as it is no user''s.';
comment on policy insert_own on public.chat_sessions is 'A user begins chats of his own.';
comment on policy insert_visitor on public.chat_sessions is
    'A visitor begins the chat of his browser.';
comment on policy update_own on public.chat_sessions is
    'A user goes on with his own chats; they stay his.';
comment on policy update_visitor on public.chat_sessions is
    'A visitor goes on with the chat of his browser, and makes it his own when he logs in.';
comment on index public.chat_sessions_user_id_last_message_at_idx is
    'The chats of a user, last used first; serves the policies on user_id.';
