-- Only the key of the load stays: unique (conversation_id, ordinal).
-- A primary key leaves NOT NULL behind, which the column had before it.

alter table public.messages drop constraint messages_tenant_id_conversation_id_fkey;
alter table public.message_rejects drop constraint message_rejects_tenant_id_conversation_id_fkey;
alter table public.conversations drop constraint conversations_tenant_id_id_key;
alter table public.messages drop constraint messages_pkey;

drop index public.messages_tenant_id_created_at_idx;
drop index public.message_rejects_tenant_id_idx;
