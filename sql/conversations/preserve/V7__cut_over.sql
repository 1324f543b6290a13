-- preserve: the old name shows every element of every array, in its place and unaltered
-- covers: public.conversations.messages
-- before
select c.id, e.ordinality as ordinal, e.value as element
from public.conversations c
cross join lateral jsonb_array_elements(
    case when jsonb_typeof(c.messages) = 'array' then c.messages else '[]' end
) with ordinality e;
-- after
select s.id, e.ordinality as ordinal, e.value as element
from (
    -- Rebuilt once a chat, however often it is named.
    select v.id, v.messages from public.chat_sessions v offset 0
) s
cross join lateral jsonb_array_elements(
    case when jsonb_typeof(s.messages) = 'array' then s.messages else '[]' end
) with ordinality e;

-- preserve: an empty array, NULL, and a document that is no array stay what they are
-- covers: public.conversations.messages
-- before
select
    c.id,
    jsonb_typeof(c.messages) as kind,
    case when jsonb_typeof(c.messages) = 'array' then null else c.messages end as document
from public.conversations c;
-- after
select
    s.id,
    jsonb_typeof(s.messages) as kind,
    case when jsonb_typeof(s.messages) = 'array' then null else s.messages end as document
from (
    select v.id, v.messages from public.chat_sessions v offset 0
) s;

-- preserve: every other column of a chat is the same under the old name
-- before
select s.id, s.tenant_id, s.user_id, s.title, s.metadata, s.created_at, s.updated_at
from public.chat_sessions s;
-- after
select s.id, s.tenant_id, s.user_id, s.title, s.metadata, s.created_at, s.updated_at
from public.chat_sessions s;
