-- preserve: the API answers every user the identical array
-- covers: public.users.chat_history
-- before
select u.id, u.chat_history::text as chat_history
from public.users u;
-- after
select u.id, (public.build_user_response(u.id) -> 'chat_history')::text as chat_history
from public.users u
where public.fetch_user_chat_history(u.id) is not null
union all
select u.id, null
from public.users u
where public.fetch_user_chat_history(u.id) is null;

-- preserve: every field that the API answers of a user is the same
-- before
select u.id, public.build_user_response(u.id) as response
from public.users u;
-- after
select u.id, public.build_user_response(u.id) as response
from public.users u;

-- preserve: every chat is found by its id, and answers the same, in arrays of up to 100
-- before
select u.id, e.value ->> 'chat_id' as chat_id,
    public.fetch_chat_history_entry(u.id, e.value ->> 'chat_id') as entry
-- For longer arrays the first pair answers: here the old function looks up each in all of its own.
from public.users u
cross join lateral jsonb_path_query(u.chat_history, 'strict $ ? (@.size() <= 100)') d (document)
cross join lateral jsonb_array_elements(
    case when jsonb_typeof(d.document) = 'array' then d.document else '[]' end
) e
where jsonb_typeof(e.value -> 'chat_id') = 'string';
-- after
select u.id, e.value ->> 'chat_id' as chat_id,
    public.fetch_chat_history_entry(u.id, e.value ->> 'chat_id') as entry
from public.users u
cross join lateral jsonb_path_query(
    public.fetch_user_chat_history(u.id), 'strict $ ? (@.size() <= 100)'
) d (document)
cross join lateral jsonb_array_elements(
    case when jsonb_typeof(d.document) = 'array' then d.document else '[]' end
) e
where jsonb_typeof(e.value -> 'chat_id') = 'string';

-- preserve: the characters recommended to every user are the same
-- before
select u.id, c.id as character_id
from public.users u
cross join lateral public.fetch_recommended_characters(u.id) c;
-- after
select u.id, c.id as character_id
from public.users u
cross join lateral public.fetch_recommended_characters(u.id) c;
