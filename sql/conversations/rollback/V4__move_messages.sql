-- Empties the rows, once every one of them is seen to be in its array.

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
    left join public.conversations c on c.id = w.conversation_id
    where w.element::text is distinct from
        case w.ordinal when 0 then c.messages else c.messages -> (w.ordinal - 1) end::text
    order by w.conversation_id, w.ordinal
    limit 1;

    if found then
        raise exception 'element % of conversation % is not in its array: %',
            missing.ordinal, missing.conversation_id, missing.element;
    end if;
end
$$;

delete from public.messages;
delete from public.message_rejects;
