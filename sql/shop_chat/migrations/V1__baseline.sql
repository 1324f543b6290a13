-- The shop before it could chat: of it, only what chats refer to.
-- The platform is plain Postgres: the guide has a database at Neon, a schema by drizzle and
-- accounts in a table of the shop's own, whose ids are text. There is no auth schema.
-- Who asks is in two settings: `app.user_id`, the account of a visitor who is logged in, and
-- `app.session_token`, the secret that his browser keeps whether he is or not. Either may be empty.

create schema private;

comment on schema private is
    'What policies call. The application never names it.';

revoke all on schema private from public;
grant usage on schema private to shop_app;


create table public.users (
    id text primary key,
    email text not null,
    name text,
    created_at timestamp not null default now()
);

alter table public.users enable row level security;


-- A setting that was set for one transaction is an empty string afterwards, not NULL.

create function private.my_id() returns text
language sql stable
return nullif(current_setting('app.user_id', true), '');


create policy select_own on public.users for select to shop_app
    using (id = (select private.my_id()));


revoke all on table public.users from public, shop_app, shop_service;
grant select on table public.users to shop_app;
grant select, insert, update, delete on table public.users to shop_service;

revoke all on function private.my_id() from public;
grant execute on function private.my_id() to shop_app;


create unique index users_email_key on public.users (email);


comment on table public.users is 'Who has an account with the shop.';
comment on column public.users.id is 'Names the user.';
comment on column public.users.email is 'Where he is reached.';
comment on column public.users.name is 'What he calls himself.';
comment on column public.users.created_at is 'When he signed up.';
comment on constraint users_pkey on public.users is 'No two users share an id.';
comment on function private.my_id() is
    'The account the shop asks for; NULL for a visitor who is not logged in.';
comment on policy select_own on public.users is 'A user sees himself.';
comment on index public.users_email_key is 'An address has one account.';
