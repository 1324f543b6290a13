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

-- preserve: what a mentor remembers of a user is the same, in the same order
-- before
select p.user_id, p.mentor_id, public.get_mentor_messages(p.user_id, p.mentor_id)::text as messages
from (
    select
        m.user_id,
        m.mentor_id,
        row_number() over (partition by m.user_id order by m.mentor_id) as nth
    from public.messages m
    where m.user_id is not null
    and m.mentor_id is not null
    group by m.user_id, m.mentor_id
) p
-- For each mentor all that the user ever said is looked at: not for more than that.
where p.nth <= 100;
-- after
select p.user_id, p.mentor_id, public.get_mentor_messages(p.user_id, p.mentor_id)::text as messages
from (
    select
        o.user_id,
        o.mentor_id,
        row_number() over (partition by o.user_id order by o.mentor_id) as nth
    from (
        select c.user_id, coalesce(c.grouped_by, c.mentor_id) as mentor_id
        from public.chats c
        where exists (select from public.messages m where m.chat_id = c.id)
        union
        select r.user_id, r.mentor_id
        from public.message_rejects r
    ) o
    where o.user_id is not null
    and o.mentor_id is not null
) p
where p.nth <= 100;

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
