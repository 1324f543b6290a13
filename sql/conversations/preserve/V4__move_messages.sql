-- preserve: every element of every array is a message or a reject, in its place and unaltered
-- before
select c.id as conversation_id, e.ordinal, e.element
from public.conversations c
cross join lateral (
    select a.ordinality as ordinal, a.value as element
    from jsonb_array_elements(
        case when jsonb_typeof(c.messages) = 'array' then c.messages else '[]' end
    ) with ordinality a
    union all
    select 0, c.messages
    where jsonb_typeof(c.messages) is distinct from 'array'
) e;
-- after
select
    m.conversation_id,
    m.ordinal,
    private.message_element(m.id, m.role, m.content, m.metadata, m.created_at) as element
from public.messages m
union all
select r.conversation_id, r.ordinal, r.element
from public.message_rejects r;

-- preserve: an element with a known role and a text is a message and says the same
-- before
select
    c.id as conversation_id,
    c.tenant_id,
    e.ordinality as ordinal,
    e.value ->> 'role' as role,
    e.value ->> 'content' as content
from public.conversations c
cross join lateral jsonb_array_elements(
    case when jsonb_typeof(c.messages) = 'array' then c.messages else '[]' end
) with ordinality e
where e.value ->> 'role' in ('user', 'assistant', 'system')
and jsonb_typeof(e.value -> 'role') = 'string'
and jsonb_typeof(e.value -> 'content') = 'string';
-- after
select m.conversation_id, m.tenant_id, m.ordinal, m.role, m.content
from public.messages m;

-- preserve: where all times of an array are written out and increase, its messages have these
-- before
select c.id as conversation_id, e.ordinality as ordinal, e.value ->> 'timestamp' as created_at
from public.conversations c
cross join lateral jsonb_array_elements(
    case when jsonb_typeof(c.messages) = 'array' then c.messages else '[]' end
) with ordinality e
where c.id in (
    select n.id
    from (
        select
            d.id,
            f.value ->> 'timestamp' as said_at,
            lag(f.value ->> 'timestamp') over (partition by d.id order by f.ordinality)
                as said_before
        from public.conversations d
        cross join lateral jsonb_array_elements(
            case when jsonb_typeof(d.messages) = 'array' then d.messages else '[]' end
        ) with ordinality f
    ) n
    group by n.id
    having bool_and(coalesce(
        -- Only days that every month has: that one is none is the migration's to know.
        n.said_at ~ (
            '^20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])'
            'T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{3}Z$'
        )
        and (n.said_before is null or n.said_before < n.said_at),
        false
    ))
)
and e.value ->> 'role' in ('user', 'assistant', 'system')
and jsonb_typeof(e.value -> 'content') = 'string';
-- after
select
    m.conversation_id,
    m.ordinal,
    to_char(m.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as created_at
from public.messages m
where m.conversation_id in (
    select n.id
    from (
        select
            d.id,
            f.value ->> 'timestamp' as said_at,
            lag(f.value ->> 'timestamp') over (partition by d.id order by f.ordinality)
                as said_before
        from public.conversations d
        cross join lateral jsonb_array_elements(
            case when jsonb_typeof(d.messages) = 'array' then d.messages else '[]' end
        ) with ordinality f
    ) n
    group by n.id
    having bool_and(coalesce(
        n.said_at ~ (
            '^20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])'
            'T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{3}Z$'
        )
        and (n.said_before is null or n.said_before < n.said_at),
        false
    ))
);

-- preserve: no message is earlier than the one before it
-- before
select c.id as conversation_id, null::integer as ordinal, null::timestamptz as created_at
from public.conversations c
where false;
-- after
select m.conversation_id, m.ordinal, m.created_at
from (
    select
        b.conversation_id,
        b.ordinal,
        b.created_at,
        lag(b.created_at) over (partition by b.conversation_id order by b.ordinal) as said_before
    from public.messages b
) m
where m.said_before >= m.created_at;
