-- What takes long to ask, asked only across the cut over, which exchanges the functions.

-- call: every chat is found by its id
-- as: service_role
select u.id, e.value ->> 'chat_id', fetch_chat_history_entry(u.id, e.value ->> 'chat_id')
from (
    select u.id, fetch_user_chat_history(u.id) as history
    from public.users u
    offset 0
) u
-- For longer arrays the promise of the cut over answers: the old function looks up each in all.
cross join lateral jsonb_path_query(u.history, 'strict $ ? (@.size() <= 100)') d (document)
cross join lateral jsonb_array_elements(
    case when jsonb_typeof(d.document) = 'array' then d.document else '[]' end
) with ordinality e
where jsonb_typeof(e.value -> 'chat_id') = 'string'
and (u.id !~ 'many' or e.ordinality in (5, 35))
order by u.id collate "C", e.ordinality;

-- call: characters are recommended to everybody
-- as: service_role
select u.id, c.id, c.name, c.picture
from public.users u
cross join lateral fetch_recommended_characters(u.id) c
order by u.id collate "C", c.id;
