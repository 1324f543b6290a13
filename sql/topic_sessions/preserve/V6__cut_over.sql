-- preserve: get_chat_history answers every question as before
-- before
select
    k.user_id,
    k.topic_id,
    k.subtopic_id,
    public.get_chat_history(k.user_id, k.topic_id, k.subtopic_id) as answer
from (
    select h.user_id, h.topic_id, h.subtopic_id
    from public.chat_history h
    union
    select u.id, 'no such topic', null
    from public.users u
) k;
-- after
select
    k.user_id,
    k.topic_id,
    k.subtopic_id,
    public.get_chat_history(k.user_id, k.topic_id, k.subtopic_id) as answer
from (
    select h.user_id, h.topic_id, h.subtopic_id
    from public.chat_history h
    union
    select u.id, 'no such topic', null
    from public.users u
) k;
