-- preserve: every message is what it was, and still says which mentor it named
-- covers: public.messages.mentor_id
-- before
select
    m.id,
    m.user_id,
    m.mentor_id,
    m.role,
    m.content,
    m.prompt,
    m.model,
    m.tokens,
    m.metadata,
    m.created_at,
    m.task_id
from public.messages m;
-- after
select
    m.id,
    m.user_id,
    coalesce(c.grouped_by, c.mentor_id, r.mentor_id) as mentor_id,
    m.role,
    m.content,
    m.prompt,
    m.model,
    m.tokens,
    m.metadata,
    m.created_at,
    m.task_id
from public.messages m
left join public.chats c on c.id = m.chat_id
left join public.message_rejects r on r.message_id = m.id;

-- preserve: the old listing answers what stands alone as it did, in the same order
-- before
select
    u.id as user_id,
    row_number() over (partition by u.id order by e.ordinality) as place,
    e.value
from public.users u
cross join lateral jsonb_array_elements(public.get_messages(u.id, 1000000, 0))
    with ordinality e
join public.messages m on m.id = e.value ->> 'id'
where m.chat_id is null;
-- after
select u.id as user_id, e.ordinality as place, e.value
from public.users u
cross join lateral jsonb_array_elements(public.get_messages(u.id, 1000000, 0))
    with ordinality e;

-- preserve: what the old listing leaves out is in a chat, so that a user finds all he ever said
-- before
select u.id as user_id, e.value ->> 'id' as id, e.value ->> 'content' as content
from public.users u
cross join lateral jsonb_array_elements(public.get_messages(u.id, 1000000, 0)) e;
-- after
select u.id as user_id, e.value ->> 'id' as id, e.value ->> 'content' as content
from public.users u
cross join lateral jsonb_array_elements(public.get_messages(u.id, 1000000, 0)) e
union all
select c.user_id, e.value ->> 'id', e.value ->> 'content'
from public.chats c
cross join lateral jsonb_array_elements(
    coalesce(public.get_chat_messages(c.user_id, c.id), '[]')
) e;
