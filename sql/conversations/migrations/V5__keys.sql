-- Keys and indexes, now that the rows are there: built at once over all of them, which costs a
-- fraction of keeping them through the load.

alter table public.messages add constraint messages_pkey primary key (id);

-- What the composite keys refer to. It says nothing new of conversations, where id alone is unique.
alter table public.conversations
    add constraint conversations_tenant_id_id_key unique (tenant_id, id);

-- The reference the guide asks for, and that the tenant is the conversation's.
-- * on delete cascade: the array, too, went with its row.
-- * on update cascade: a user may carry a conversation to another tenant of his; messages follow.
-- * not valid: rows are checked from here on; those from before in one pass, before the cut over.
-- NOTE: there is no second key on conversation_id alone. It would check the same again, and the API
-- refuses to embed messages in conversations where two keys connect them.
alter table public.messages
    add constraint messages_tenant_id_conversation_id_fkey
    foreign key (tenant_id, conversation_id)
    references public.conversations (tenant_id, id)
    on update cascade on delete cascade
    not valid;

alter table public.message_rejects
    add constraint message_rejects_tenant_id_conversation_id_fkey
    foreign key (tenant_id, conversation_id)
    references public.conversations (tenant_id, id)
    on update cascade on delete cascade
    not valid;

-- NOTE: no index on conversation_id: unique (conversation_id, ordinal) begins with it.
-- NOTE: no index on created_at alone: it would be walked through all other tenants first.
create index messages_tenant_id_created_at_idx on public.messages (tenant_id, created_at desc);
create index message_rejects_tenant_id_idx on public.message_rejects (tenant_id);

-- The policies that follow are planned by these numbers.
analyze public.conversations, public.messages, public.message_rejects;


comment on constraint messages_pkey on public.messages is 'No two messages share an id.';
comment on constraint conversations_tenant_id_id_key on public.conversations is
    'What messages refer to, so that their tenant is that of their conversation.';
comment on constraint messages_tenant_id_conversation_id_fkey on public.messages is
    'A message belongs to a conversation of its own tenant, and goes where that goes.';
comment on constraint message_rejects_tenant_id_conversation_id_fkey on public.message_rejects is
    'A reject belongs to a conversation of its own tenant, and goes where that goes.';
comment on index public.messages_tenant_id_created_at_idx is
    'The messages of a tenant, newest first; serves the policies on tenant_id.';
comment on index public.message_rejects_tenant_id_idx is 'Serves the policies on tenant_id.';
