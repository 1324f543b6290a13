-- preserve: every element of every array is a chat or a reject, in its place and unaltered
-- before
select u.id as user_id, e.ordinal, e.element
from public.users u
cross join lateral (
    select a.ordinality as ordinal, a.value as element
    from jsonb_array_elements(
        case when jsonb_typeof(u.chat_history) = 'array' then u.chat_history else '[]' end
    ) with ordinality a
    union all
    select 0, u.chat_history
    where jsonb_typeof(u.chat_history) is distinct from 'array'
) e;
-- after
select h.user_id, h.ordinal, private.chat_element(h) as element
from public.chat_histories h
union all
select j.user_id, j.ordinal, j.element
from public.chat_history_rejects j;

-- preserve: an object with an id of its own is a chat, and its columns say the same
-- before
select
    e.user_id,
    e.ordinal,
    e.element ->> 'chat_id' as chat_id,
    case jsonb_typeof(e.element -> 'character_name')
        when 'string' then e.element ->> 'character_name'
    end as character_name,
    case jsonb_typeof(e.element -> 'character_picture')
        when 'string' then e.element ->> 'character_picture'
    end as character_picture,
    case jsonb_typeof(e.element -> 'scene_name')
        when 'string' then e.element ->> 'scene_name'
    end as scene_name,
    case jsonb_typeof(e.element -> 'scene_picture')
        when 'string' then e.element ->> 'scene_picture'
    end as scene_picture,
    case jsonb_typeof(e.element -> 'title')
        when 'string' then left(e.element ->> 'title', 255)
        else ''
    end as title,
    e.element -> 'messages' as messages
from (
    select
        u.id as user_id,
        a.ordinality as ordinal,
        a.value as element,
        row_number() over (partition by u.id, a.value ->> 'chat_id' order by a.ordinality) as nth
    from public.users u
    cross join lateral jsonb_array_elements(
        case when jsonb_typeof(u.chat_history) = 'array' then u.chat_history else '[]' end
    ) with ordinality a
    where jsonb_typeof(a.value -> 'chat_id') = 'string'
    and length(a.value ->> 'chat_id') between 1 and 255
) e
where e.nth = 1;
-- after
select
    h.user_id,
    h.ordinal,
    h.chat_id,
    h.character_name,
    h.character_picture,
    h.scene_name,
    h.scene_picture,
    h.title,
    h.messages
from public.chat_histories h;

-- preserve: a chat refers to the character and scene of its element, and to a persona of its user
-- before
select e.user_id, e.element ->> 'chat_id' as chat_id, r.what, r.id
from (
    select
        u.id as user_id,
        a.ordinality as ordinal,
        a.value as element,
        row_number() over (partition by u.id, a.value ->> 'chat_id' order by a.ordinality) as nth
    from public.users u
    cross join lateral jsonb_array_elements(
        case when jsonb_typeof(u.chat_history) = 'array' then u.chat_history else '[]' end
    ) with ordinality a
    where jsonb_typeof(a.value -> 'chat_id') = 'string'
    and length(a.value ->> 'chat_id') between 1 and 255
) e
cross join lateral (
    select 'character' as what, c.id
    from public.characters c
    where e.element -> 'character_id' = to_jsonb(c.id)
    union all
    select 'scene', s.id
    from public.scenes s
    where e.element -> 'scene_id' = to_jsonb(s.id)
    union all
    select 'persona', p.id
    from public.personas p
    where e.element -> 'persona_id' = to_jsonb(p.id)
    and p.user_id = e.user_id
) r
where e.nth = 1;
-- after
select h.user_id, h.chat_id, r.what, r.id
from public.chat_histories h
cross join lateral (
    values ('character', h.character_id), ('scene', h.scene_id), ('persona', h.persona_id)
) r (what, id)
where r.id is not null;

-- preserve: a time as the back end writes it is the time of the chat, to the microsecond
-- before
select e.user_id, e.element ->> 'chat_id' as chat_id, t.what, e.element ->> t.what as moment
from (
    select
        u.id as user_id,
        a.ordinality as ordinal,
        a.value as element,
        row_number() over (partition by u.id, a.value ->> 'chat_id' order by a.ordinality) as nth
    from public.users u
    cross join lateral jsonb_array_elements(
        case when jsonb_typeof(u.chat_history) = 'array' then u.chat_history else '[]' end
    ) with ordinality a
    where jsonb_typeof(a.value -> 'chat_id') = 'string'
    and length(a.value ->> 'chat_id') between 1 and 255
) e
cross join (values ('last_updated'), ('created_at')) t (what)
-- Only days that every month has: that one is none is the migration's to know.
where e.element ->> t.what ~ (
    '^202[0-9]-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])'
    'T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{6}\+00:00$'
)
and e.nth = 1;
-- after
select h.user_id, h.chat_id, t.what, t.moment
from public.users u
cross join lateral jsonb_array_elements(
    case when jsonb_typeof(u.chat_history) = 'array' then u.chat_history else '[]' end
) with ordinality e
join public.chat_histories h on h.user_id = u.id and h.ordinal = e.ordinality
cross join lateral (
    values
        (
            'last_updated',
            to_char(h.last_updated at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"')
        ),
        (
            'created_at',
            to_char(h.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"')
        )
) t (what, moment)
where e.value ->> t.what ~ (
    '^202[0-9]-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])'
    'T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{6}\+00:00$'
);
