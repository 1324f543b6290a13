-- `chat_sessions` becomes `conversations`. The old application must not see a gap, so in the same
-- transaction the old name comes back as a view which passes everything through.
-- The rename needs its exclusive lock only for an instant, but queues behind the longest reader and
-- everybody queues behind it: apply it with a short lock_timeout and retries.

alter table public.chat_sessions rename to conversations;
alter table public.conversations rename constraint chat_sessions_pkey to conversations_pkey;
alter table public.conversations
    rename constraint chat_sessions_tenant_id_fkey to conversations_tenant_id_fkey;
alter table public.conversations
    rename constraint chat_sessions_user_id_fkey to conversations_user_id_fkey;

-- The policies move with the table: their names say who and not what, their texts name no table.
-- security_invoker makes them hold for those who come through the view, too.
-- NOTE: what a view cannot serve: `on conflict on constraint`, `copy from`, truncate, new foreign
-- keys to the old name. `on conflict (id)` works, as long as this view passes through.

create view public.chat_sessions with (security_invoker = true) as
select
    c.id,
    c.tenant_id,
    c.user_id,
    c.title,
    c.messages,
    c.metadata,
    c.created_at,
    c.updated_at
from public.conversations c;

revoke all on table public.chat_sessions from public, anon, authenticated, service_role;
grant select, insert, update, delete on table public.chat_sessions to authenticated, service_role;

alter index public.chat_sessions_tenant_id_updated_at_idx
    rename to conversations_tenant_id_updated_at_idx;
alter index public.chat_sessions_user_id_updated_at_idx
    rename to conversations_user_id_updated_at_idx;


comment on table public.conversations is 'A conversation between a user and the assistant.';
comment on column public.conversations.id is 'Names the conversation.';
comment on column public.conversations.tenant_id is
    'The tenant in whose name the user converses.';
comment on column public.conversations.user_id is 'The user whose conversation it is.';
comment on column public.conversations.created_at is 'When the conversation began.';

comment on view public.chat_sessions is
    'The old name of conversations, for the old application, for the time of the change-over.';

comment on policy select_own on public.conversations is
    'A member reads his own conversations in tenants he still belongs to.';
comment on policy select_admin on public.conversations is
    'An owner or admin reads all conversations of the tenant.';
comment on policy insert_own on public.conversations is
    'A member begins conversations of his own, in a tenant he belongs to.';
comment on policy update_own on public.conversations is
    'A user changes his own conversations; they stay his, in a tenant he belongs to.';
comment on policy delete_own on public.conversations is
    'A member deletes his own conversations in tenants he still belongs to.';

comment on index public.conversations_tenant_id_updated_at_idx is
    'The conversations of a tenant, last used first; serves the policies on tenant_id.';
comment on index public.conversations_user_id_updated_at_idx is
    'The conversations of a user, last used first; serves the policies on user_id.';
