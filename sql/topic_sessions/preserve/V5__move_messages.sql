-- preserve: every row is a message of its chat, in its place and unaltered
-- before
select
    h.user_id,
    h.topic_id,
    h.subtopic_id,
    row_number() over (
        partition by h.user_id, h.topic_id, h.subtopic_id
        order by h.created_at nulls first, h.id
    ) as ordinal,
    h.id,
    h.role,
    h.content,
    h.phase,
    h.created_at
from public.chat_history h;
-- after
select
    s.user_id,
    s.topic_id,
    s.subtopic_id,
    e.ordinality as ordinal,
    (e.value ->> 'id')::uuid as id,
    e.value ->> 'role' as role,
    e.value ->> 'content' as content,
    e.value ->> 'phase' as phase,
    rtrim(e.value ->> 'timestamp', 'Z')::timestamp as created_at
from public.chat_sessions s
cross join lateral jsonb_array_elements(s.messages) with ordinality e;

-- preserve: there is one chat for each user, topic and subtopic, from its first message to its last
-- before
select
    h.user_id,
    h.topic_id,
    h.subtopic_id,
    min(h.created_at) as created_at,
    max(h.created_at) as updated_at,
    max(h.phase) filter (where h.nth = 1) as phase
from (
    select
        m.*,
        row_number() over (
            partition by m.user_id, m.topic_id, m.subtopic_id, m.phase is null
            order by m.created_at desc nulls last, m.id desc
        ) as nth
    from public.chat_history m
) h
group by h.user_id, h.topic_id, h.subtopic_id;
-- after
select s.user_id, s.topic_id, s.subtopic_id, s.created_at, s.updated_at, s.phase
from public.chat_sessions s;

-- preserve: every message has the four keys of the guide, and its id
-- before
select h.id, array['content', 'id', 'phase', 'role', 'timestamp'] as keys
from public.chat_history h;
-- after
select
    (e.value ->> 'id')::uuid as id,
    array(select k from jsonb_object_keys(e.value) k order by k collate "C") as keys
from public.chat_sessions s
cross join lateral jsonb_array_elements(s.messages) e;

-- preserve: a time is written as in the guide, in UTC and with no more digits than it has
-- before
select h.id, to_json(h.created_at) #>> '{}' || 'Z' as timestamp
from public.chat_history h
where isfinite(h.created_at);
-- after
select (e.value ->> 'id')::uuid as id, e.value ->> 'timestamp' as timestamp
from public.chat_sessions s
cross join lateral jsonb_array_elements(s.messages) e
where e.value ->> 'timestamp' like '%Z';
