-- Messages saved since the cut over are on either side: `union` counts what is in both places once.

-- preserve: every row of chat_history is a message of its chat, column by column
-- covers: public.chat_history
-- before
select
    h.id, h.user_id, h.topic_id, h.subtopic_id, h.role, h.content, h.phase, h.created_at
from public.chat_history h
union
select
    (e.value ->> 'id')::uuid,
    s.user_id,
    s.topic_id,
    s.subtopic_id,
    e.value ->> 'role',
    e.value ->> 'content',
    e.value ->> 'phase',
    rtrim(e.value ->> 'timestamp', 'Z')::timestamp
from public.chat_sessions s
cross join lateral jsonb_array_elements(s.messages) e;
-- after
select
    (e.value ->> 'id')::uuid as id,
    s.user_id,
    s.topic_id,
    s.subtopic_id,
    e.value ->> 'role' as role,
    e.value ->> 'content' as content,
    e.value ->> 'phase' as phase,
    rtrim(e.value ->> 'timestamp', 'Z')::timestamp as created_at
from public.chat_sessions s
cross join lateral jsonb_array_elements(s.messages) e;

-- preserve: every row of the backup is a message of its chat, column by column
-- covers: public.chat_history_backup
-- before
select
    b.id, b.user_id, b.topic_id, b.subtopic_id, b.role, b.content, b.phase, b.created_at
from public.chat_history_backup b
union
select
    (e.value ->> 'id')::uuid,
    s.user_id,
    s.topic_id,
    s.subtopic_id,
    e.value ->> 'role',
    e.value ->> 'content',
    e.value ->> 'phase',
    rtrim(e.value ->> 'timestamp', 'Z')::timestamp
from public.chat_sessions s
cross join lateral jsonb_array_elements(s.messages) e;
-- after
select
    (e.value ->> 'id')::uuid as id,
    s.user_id,
    s.topic_id,
    s.subtopic_id,
    e.value ->> 'role' as role,
    e.value ->> 'content' as content,
    e.value ->> 'phase' as phase,
    rtrim(e.value ->> 'timestamp', 'Z')::timestamp as created_at
from public.chat_sessions s
cross join lateral jsonb_array_elements(s.messages) e;
