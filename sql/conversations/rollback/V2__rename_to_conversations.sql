-- `conversations` is `chat_sessions` again, in all its names.

drop view public.chat_sessions;

alter index public.conversations_tenant_id_updated_at_idx
    rename to chat_sessions_tenant_id_updated_at_idx;
alter index public.conversations_user_id_updated_at_idx
    rename to chat_sessions_user_id_updated_at_idx;

alter table public.conversations
    rename constraint conversations_user_id_fkey to chat_sessions_user_id_fkey;
alter table public.conversations
    rename constraint conversations_tenant_id_fkey to chat_sessions_tenant_id_fkey;
alter table public.conversations rename constraint conversations_pkey to chat_sessions_pkey;
alter table public.conversations rename to chat_sessions;


comment on table public.chat_sessions is 'A chat between a user and the assistant.';
comment on column public.chat_sessions.id is 'Names the chat.';
comment on column public.chat_sessions.tenant_id is 'The tenant in whose name the user chats.';
comment on column public.chat_sessions.user_id is 'The user whose chat it is.';
comment on column public.chat_sessions.created_at is 'When the chat began.';

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

comment on index public.chat_sessions_tenant_id_updated_at_idx is
    'The chats of a tenant, last used first; serves the policies on tenant_id.';
comment on index public.chat_sessions_user_id_updated_at_idx is
    'The chats of a user, last used first; serves the policies on user_id.';
