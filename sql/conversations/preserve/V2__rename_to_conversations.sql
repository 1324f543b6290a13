-- preserve: the old application sees every chat under the old name, column by column
-- before
select s.id, s.tenant_id, s.user_id, s.title, s.messages, s.metadata, s.created_at, s.updated_at
from public.chat_sessions s;
-- after
select s.id, s.tenant_id, s.user_id, s.title, s.messages, s.metadata, s.created_at, s.updated_at
from public.chat_sessions s;
