-- Empties the rows, once every one of them is seen to be in its array.

lock table public.users in share row exclusive mode;

do $$
declare
    missing record;
begin
    select w.user_id, w.ordinal, w.element
    into missing
    from (
        select h.user_id, h.ordinal, private.chat_element(h) as element
        from public.chat_histories h
        union all
        select j.user_id, j.ordinal, j.element
        from public.chat_history_rejects j
    ) w
    join public.users u on u.id = w.user_id
    where w.element::text is distinct from (
        case w.ordinal when 0 then u.chat_history else u.chat_history -> (w.ordinal - 1) end
    )::text
    order by w.user_id, w.ordinal
    limit 1;

    if found then
        raise exception 'element % of user % is not in his array: %',
            missing.ordinal, missing.user_id, missing.element;
    end if;
end
$$;

delete from public.chat_histories;
delete from public.chat_history_rejects;
