-- preserve: the backup has every row of chat_history, column by column
-- before
select
    h.id, h.user_id, h.topic_id, h.subtopic_id, h.role, h.content, h.phase, h.created_at
from public.chat_history h;
-- after
select
    b.id, b.user_id, b.topic_id, b.subtopic_id, b.role, b.content, b.phase, b.created_at
from public.chat_history_backup b;
