-- Puts the rows of each chat together. It changes no row of chat_history, and run again it changes
-- nothing.
-- Readers go on meanwhile. Who saves waits, so that no row is changed between being read here and
-- its chat being there for the trigger. A chat that the trigger was first to put together is whole.

lock table public.chat_history in share row exclusive mode;

insert into public.chat_sessions (
    id, user_id, topic_id, subtopic_id, messages, phase, created_at, updated_at
)
select
    h.id, h.user_id, h.topic_id, h.subtopic_id, h.messages, h.phase, h.created_at, h.updated_at
from private.history_as_sessions h
order by h.id
on conflict (user_id, topic_id, subtopic_id) do nothing;

analyze public.chat_sessions;
