-- preserve: every message is what it was, and its chat or a reject says which mentor it named
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
    coalesce(c.grouped_by, r.mentor_id) as mentor_id,
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

-- preserve: there is one chat for each user and mentor, with all they said, from first to last
-- before
select
    m.user_id,
    m.mentor_id,
    count(*) as messages,
    string_agg(m.id, ' ' order by m.created_at, m.id) as ids,
    min(m.created_at) as first_at,
    max(m.created_at) as last_at
from public.messages m
where m.user_id is not null
and btrim(m.mentor_id) <> ''
and length(m.mentor_id) <= 255
group by m.user_id, m.mentor_id;
-- after
select
    c.user_id,
    c.grouped_by as mentor_id,
    count(*) as messages,
    string_agg(m.id, ' ' order by m.created_at, m.id) as ids,
    c.created_at as first_at,
    c.updated_at as last_at
from public.chats c
left join public.messages m on m.chat_id = c.id
group by c.id;

-- preserve: a chat is with the mentor that its messages named, where there still is one
-- before
select distinct m.user_id, r.id as mentor_id, 'Chat with ' || r.name as title, true as is_active
from public.messages m
join public.mentors r on r.id = m.mentor_id
where m.user_id is not null
and btrim(m.mentor_id) <> ''
and length(m.mentor_id) <= 255;
-- after
select c.user_id, c.mentor_id, c.title, c.is_active
from public.chats c
where c.mentor_id is not null;

-- preserve: what names no mentor stands alone
-- before
select m.id
from public.messages m
where m.user_id is null
or m.mentor_id is null
or btrim(m.mentor_id) = ''
or length(m.mentor_id) > 255;
-- after
select m.id
from public.messages m
where m.chat_id is null;
