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
