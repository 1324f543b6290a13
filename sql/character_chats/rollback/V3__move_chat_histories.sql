-- Empties the rows, once every one of them is seen to be in its array. Each array is taken apart
-- once: to look into it for one element after the other would unpack all of it each time.

-- NOTE: no `limit 1`: the plan would bet on finding something soon, and pair each with all.

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
    left join (
        select u.id as user_id, a.ordinality as ordinal, a.value as element
        from public.users u
        cross join lateral jsonb_array_elements(
            case when jsonb_typeof(u.chat_history) = 'array' then u.chat_history else '[]' end
        ) with ordinality a
        union all
        select u.id, 0, u.chat_history
        from public.users u
        where jsonb_typeof(u.chat_history) is distinct from 'array'
    ) e on e.user_id = w.user_id and e.ordinal = w.ordinal
    where e.ordinal is null
    or e.element::text is distinct from w.element::text
    order by w.user_id, w.ordinal;

    if found then
        raise exception 'element % of user % is not in his array: %',
            missing.ordinal, missing.user_id, missing.element;
    end if;
end
$$;

delete from public.chat_histories;
delete from public.chat_history_rejects;
