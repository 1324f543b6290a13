-- Moves every element of every array into a row of its own, in one statement. It changes no
-- conversation, and run again it changes nothing.
-- The rows of the conversations are locked against edits of their arrays, not against readers nor
-- new conversations: without the lock an edit that commits meanwhile leaves rows of its old array.
-- Edits before and after are carried by the trigger; where it was first, its rows stay.

with source as materialized (
    select
        c.id,
        c.tenant_id,
        coalesce(c.created_at, c.updated_at) as began_at,
        c.messages
    from public.conversations c
    for no key update
), elements as materialized (
    select s.id as conversation_id, s.tenant_id, e.*
    from source s
    cross join lateral private.read_elements(s.messages, s.began_at) e
), free_ids as (
    -- An element's own id is taken over if no other message of all conversations claims it.
    select e.own_id
    from elements e
    where e.reason is null
    and e.own_id is not null
    group by e.own_id
    having count(*) = 1
), rejected as (
    insert into public.message_rejects (conversation_id, tenant_id, ordinal, reason, element)
    select e.conversation_id, e.tenant_id, e.ordinal, e.reason, e.element
    from elements e
    where e.reason is not null
    on conflict (conversation_id, ordinal) do nothing
), identified as (
    select
        e.*,
        coalesce(
            f.own_id, extensions.uuid_generate_v5(e.conversation_id, e.ordinal::text)
        ) as id
    from elements e
    left join free_ids f on f.own_id = e.own_id
    where e.reason is null
)
insert into public.messages (
    id, conversation_id, tenant_id, ordinal, role, content, metadata, created_at
)
select
    i.id,
    i.conversation_id,
    i.tenant_id,
    i.ordinal,
    i.element ->> 'role',
    i.element ->> 'content',
    private.message_metadata(i.id, i.element, i.created_at),
    i.created_at
from identified i
on conflict (conversation_id, ordinal) do nothing;
