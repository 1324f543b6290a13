-- The application before the change: a chat is a row of `chat_sessions`, and all of its messages
-- are one JSONB array in it.
-- Columns, types, defaults and references are those the migration guide gives for the table under
-- its later name. What it leaves open is decided here:
-- * `id` has a default: the guide asks for a uuid extension which nothing else in it needs, so ids
--   are made by the server. gen_random_uuid() is built in.
-- * a tenant cannot be deleted while it has chats (`restrict`); who deletes his account deletes his
--   chats (`cascade`).
-- NOTE: there is no trigger on updated_at: this application sets it itself.

create schema private;

comment on schema private is
    'What policies and triggers call. The API does not expose it: `public` is what it serves.';

revoke all on schema private from public, anon, authenticated, service_role;
grant usage on schema private to authenticated, service_role;


-- tenants

create table public.tenants (
    id uuid primary key default gen_random_uuid(),
    name text not null,
    created_at timestamptz not null default now()
);

alter table public.tenants enable row level security;


-- tenant_users

create table public.tenant_users (
    tenant_id uuid not null references public.tenants (id) on delete cascade,
    user_id uuid not null references auth.users (id) on delete cascade,
    role text not null default 'member'
        constraint role_is_known check (role in ('owner', 'admin', 'member')),
    created_at timestamptz not null default now(),
    primary key (tenant_id, user_id)
);

alter table public.tenant_users enable row level security;


-- chat_sessions

create table public.chat_sessions (
    id uuid primary key default gen_random_uuid(),
    tenant_id uuid not null references public.tenants (id) on delete restrict,
    user_id uuid not null references auth.users (id) on delete cascade,
    title varchar(255) not null default 'New Conversation',
    messages jsonb default '[]',
    metadata jsonb default '{}',
    created_at timestamptz default now(),
    updated_at timestamptz default now()
);

alter table public.chat_sessions enable row level security;


-- Whom a policy asks. A definer function reads tenant_users past its policies, so those may ask the
-- same function without asking themselves. Called as `array(select ...)` it runs once a statement,
-- and `= any(array)` is a condition an index can serve.

create function private.my_tenants() returns setof uuid
language sql stable security definer set search_path = ''
as $$
    select m.tenant_id
    from public.tenant_users m
    where m.user_id = (select auth.uid())
$$;

create function private.my_admin_tenants() returns setof uuid
language sql stable security definer set search_path = ''
as $$
    select m.tenant_id
    from public.tenant_users m
    where m.user_id = (select auth.uid())
    and m.role in ('owner', 'admin')
$$;

revoke all on function private.my_tenants(), private.my_admin_tenants()
    from public, anon, authenticated, service_role;
grant execute on function private.my_tenants(), private.my_admin_tenants() to authenticated;


-- Policies.
-- NOTE: there is none for anon, who has no grant either.
-- NOTE: there is none that writes tenants or tenant_users: whoever could write a membership could
-- make himself a member. The service does that.

create policy select_member on public.tenants for select to authenticated
    using (id = any(array(select private.my_tenants())));

create policy select_own on public.tenant_users for select to authenticated
    using (user_id = (select auth.uid()));

create policy select_admin on public.tenant_users for select to authenticated
    using (tenant_id = any(array(select private.my_admin_tenants())));

create policy select_own on public.chat_sessions for select to authenticated
    using (
        user_id = (select auth.uid())
        and tenant_id = any(array(select private.my_tenants()))
    );

create policy select_admin on public.chat_sessions for select to authenticated
    using (tenant_id = any(array(select private.my_admin_tenants())));

create policy insert_own on public.chat_sessions for insert to authenticated
    with check (
        user_id = (select auth.uid())
        and tenant_id = any(array(select private.my_tenants()))
    );

-- `using` says whose row it is, `with check` what it must be afterwards. Were both the same, the
-- check would say nothing: `using` alone is applied to the new row too.
create policy update_own on public.chat_sessions for update to authenticated
    using (user_id = (select auth.uid()))
    with check (
        user_id = (select auth.uid())
        and tenant_id = any(array(select private.my_tenants()))
    );

create policy delete_own on public.chat_sessions for delete to authenticated
    using (
        user_id = (select auth.uid())
        and tenant_id = any(array(select private.my_tenants()))
    );


-- Grants: all is taken away first, so that what remains does not depend on the default privileges
-- of the project, which leave TRUNCATE to everybody under either profile.

revoke all on table public.tenants, public.tenant_users, public.chat_sessions
    from public, anon, authenticated, service_role;
grant select on table public.tenants, public.tenant_users to authenticated;
grant select, insert, update, delete on table public.chat_sessions to authenticated;
grant select, insert, update, delete
    on table public.tenants, public.tenant_users, public.chat_sessions to service_role;


-- Indexes: every column a policy reads.
-- NOTE: none is on a time alone: asked for the newest chats of a small tenant, such an index is
-- walked through everybody else's first.

create index tenant_users_user_id_idx on public.tenant_users (user_id);
create index chat_sessions_tenant_id_updated_at_idx
    on public.chat_sessions (tenant_id, updated_at desc);
create index chat_sessions_user_id_updated_at_idx
    on public.chat_sessions (user_id, updated_at desc);


comment on table public.tenants is 'The companies that use the application.';
comment on column public.tenants.id is 'Names the tenant.';
comment on column public.tenants.name is 'What the company calls itself.';
comment on column public.tenants.created_at is 'When the tenant signed up.';

comment on table public.tenant_users is 'Who belongs to which tenant, and as what.';
comment on column public.tenant_users.tenant_id is 'The tenant that has the member.';
comment on column public.tenant_users.user_id is 'The member.';
comment on column public.tenant_users.role is
    'An owner or admin reads everything of the tenant, a member only what is his own.';
comment on column public.tenant_users.created_at is 'When the membership began.';
comment on constraint tenants_pkey on public.tenants is 'No two tenants share an id.';
comment on constraint role_is_known on public.tenant_users is 'There are three kinds of members.';
comment on constraint tenant_users_pkey on public.tenant_users is
    'A user is a member of a tenant once, with one role.';
comment on constraint tenant_users_tenant_id_fkey on public.tenant_users is
    'With its tenant a membership ends.';
comment on constraint tenant_users_user_id_fkey on public.tenant_users is
    'With its user a membership ends.';

comment on table public.chat_sessions is 'A chat between a user and the assistant.';
comment on column public.chat_sessions.id is 'Names the chat.';
comment on column public.chat_sessions.tenant_id is 'The tenant in whose name the user chats.';
comment on column public.chat_sessions.user_id is 'The user whose chat it is.';
comment on column public.chat_sessions.title is 'What the sidebar shows.';
comment on column public.chat_sessions.messages is
    'All messages, first one first. Nothing checks what is in it.';
comment on column public.chat_sessions.metadata is 'What the application wants to remember of it.';
comment on column public.chat_sessions.created_at is 'When the chat began.';
comment on column public.chat_sessions.updated_at is 'When it was last used.';

comment on constraint chat_sessions_pkey on public.chat_sessions is 'No two share an id.';
comment on constraint chat_sessions_tenant_id_fkey on public.chat_sessions is
    'A tenant cannot be deleted while this is its.';
comment on constraint chat_sessions_user_id_fkey on public.chat_sessions is
    'With its user it is deleted.';

comment on function private.my_tenants() is 'The tenants the caller is a member of.';
comment on function private.my_admin_tenants() is 'The tenants the caller is an owner or admin of.';

comment on policy select_member on public.tenants is 'A member sees his tenants.';
comment on policy select_own on public.tenant_users is 'A user sees where he belongs.';
comment on policy select_admin on public.tenant_users is
    'An owner or admin sees all members of the tenant.';
comment on policy select_own on public.chat_sessions is
    'A member reads his own chats in tenants he still belongs to.';
comment on policy select_admin on public.chat_sessions is
    'An owner or admin reads all chats of the tenant.';
comment on policy insert_own on public.chat_sessions is
    'A member begins chats of his own, in a tenant he belongs to.';
comment on policy update_own on public.chat_sessions is
    'A user changes his own chats; they stay his, in a tenant he belongs to.';
comment on policy delete_own on public.chat_sessions is
    'A member deletes his own chats in tenants he still belongs to.';

comment on index public.tenant_users_user_id_idx is 'Serves private.my_tenants().';
comment on index public.chat_sessions_tenant_id_updated_at_idx is
    'The chats of a tenant, last used first; serves the policies on tenant_id.';
comment on index public.chat_sessions_user_id_updated_at_idx is
    'The chats of a user, last used first; serves the policies on user_id.';
