-- Empties the rows, once every one of them is seen to be in its array. Each array is taken apart
-- once: to look into it for one element after the other would unpack all of it each time.

-- NOTE: no `limit 1`: the plan would bet on finding something soon, and pair each with all.

lock table public.conversations in share row exclusive mode;

do $$
declare
    missing record;
begin
    select w.conversation_id, w.ordinal, w.element
    into missing
    from (
        select
            m.conversation_id,
            m.ordinal,
            private.message_element(m.id, m.role, m.content, m.metadata, m.created_at) as element
        from public.messages m
        union all
        select r.conversation_id, r.ordinal, r.element
        from public.message_rejects r
    ) w
    left join (
        select c.id as conversation_id, a.ordinality as ordinal, a.value as element
        from public.conversations c
        cross join lateral jsonb_array_elements(
            case when jsonb_typeof(c.messages) = 'array' then c.messages else '[]' end
        ) with ordinality a
        union all
        select c.id, 0, c.messages
        from public.conversations c
        where jsonb_typeof(c.messages) is distinct from 'array'
    ) e on e.conversation_id = w.conversation_id and e.ordinal = w.ordinal
    where e.ordinal is null
    or e.element::text is distinct from w.element::text
    order by w.conversation_id, w.ordinal;

    if found then
        raise exception 'element % of conversation % is not in its array: %',
            missing.ordinal, missing.conversation_id, missing.element;
    end if;
end
$$;

delete from public.messages;
delete from public.message_rejects;
