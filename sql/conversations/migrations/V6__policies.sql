-- Who reads and writes messages and rejects, and what Realtime sends.
-- Reading is granted here, writing only with the cut over: until then the array is the truth, and a
-- message written beside it would be lost with the next write of the array.

-- Ids of the caller's own conversations, whether or not he still is a member: whose a message is
-- and whether he may touch it are two questions. A definer function, so that the policies of
-- messages do not pull in those of conversations.
create function private.my_conversations() returns setof uuid
language sql stable security definer set search_path = ''
as $$
    select c.id
    from public.conversations c
    where c.user_id = (select auth.uid())
$$;

revoke all on function private.my_conversations() from public, anon, authenticated, service_role;
grant execute on function private.my_conversations() to authenticated;


-- NOTE: none for anon, who has no grant either.
-- NOTE: an admin reads what was rejected, too; else the old view would show him shorter chats.

create policy select_own on public.messages for select to authenticated
    using (
        conversation_id = any(array(select private.my_conversations()))
        and tenant_id = any(array(select private.my_tenants()))
    );

create policy select_admin on public.messages for select to authenticated
    using (tenant_id = any(array(select private.my_admin_tenants())));

create policy insert_own on public.messages for insert to authenticated
    with check (
        conversation_id = any(array(select private.my_conversations()))
        and tenant_id = any(array(select private.my_tenants()))
    );

create policy update_own on public.messages for update to authenticated
    using (conversation_id = any(array(select private.my_conversations())))
    with check (
        conversation_id = any(array(select private.my_conversations()))
        and tenant_id = any(array(select private.my_tenants()))
    );

create policy delete_own on public.messages for delete to authenticated
    using (
        conversation_id = any(array(select private.my_conversations()))
        and tenant_id = any(array(select private.my_tenants()))
    );

create policy select_own on public.message_rejects for select to authenticated
    using (
        conversation_id = any(array(select private.my_conversations()))
        and tenant_id = any(array(select private.my_tenants()))
    );

create policy select_admin on public.message_rejects for select to authenticated
    using (tenant_id = any(array(select private.my_admin_tenants())));

create policy insert_own on public.message_rejects for insert to authenticated
    with check (
        conversation_id = any(array(select private.my_conversations()))
        and tenant_id = any(array(select private.my_tenants()))
    );

create policy update_own on public.message_rejects for update to authenticated
    using (conversation_id = any(array(select private.my_conversations())))
    with check (
        conversation_id = any(array(select private.my_conversations()))
        and tenant_id = any(array(select private.my_tenants()))
    );

create policy delete_own on public.message_rejects for delete to authenticated
    using (
        conversation_id = any(array(select private.my_conversations()))
        and tenant_id = any(array(select private.my_tenants()))
    );

grant select on table public.messages, public.message_rejects to authenticated, service_role;


-- Realtime asks the select policies before it sends an insert or update to a subscriber.
-- NOTE: replica identity stays the primary key. Of a deleted row no policy can be asked any more,
-- and under `full` every subscriber would be sent what was in it; so he is sent its id.
-- NOTE: message_rejects is not published: nothing in it is news.
alter publication supabase_realtime add table public.conversations, public.messages;


comment on function private.my_conversations() is
    'The conversations that are the caller''s own, in whichever tenant.';

comment on policy select_own on public.messages is
    'A member reads the messages of his own conversations in tenants he still belongs to.';
comment on policy select_admin on public.messages is
    'An owner or admin reads all messages of the tenant.';
comment on policy insert_own on public.messages is
    'A member adds messages to his own conversations in tenants he still belongs to.';
comment on policy update_own on public.messages is
    'A user changes messages of his own conversations; they stay there, in a tenant he belongs to.';
comment on policy delete_own on public.messages is
    'A member deletes messages of his own conversations in tenants he still belongs to.';

comment on policy select_own on public.message_rejects is
    'A member reads the rejects of his own conversations in tenants he still belongs to.';
comment on policy select_admin on public.message_rejects is
    'An owner or admin reads all rejects of the tenant.';
comment on policy insert_own on public.message_rejects is
    'A member adds rejects to his own conversations: the old view may write what is no message.';
comment on policy update_own on public.message_rejects is
    'A user changes rejects of his own conversations; they stay there, in a tenant he belongs to.';
comment on policy delete_own on public.message_rejects is
    'A member deletes rejects of his own conversations in tenants he still belongs to.';
