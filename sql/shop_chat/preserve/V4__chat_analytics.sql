-- The census sums each column by itself; these see what changes places between rows.

-- preserve: every user stays who he is
-- before
select u.id, u.email, u.name, u.created_at
from public.users u;
-- after
select u.id, u.email, u.name, u.created_at
from public.users u;

-- preserve: every chat stays whose it is, column by column
-- before
select
    s.id, s.user_id, s.session_token, s.started_at, s.ended_at, s.last_message_at, s.message_count,
    s.user_agent, s.ip_address
from public.chat_sessions s;
-- after
select
    s.id, s.user_id, s.session_token, s.started_at, s.ended_at, s.last_message_at, s.message_count,
    s.user_agent, s.ip_address
from public.chat_sessions s;

-- preserve: every message stays in its chat and says the same, column by column
-- before
select
    m.id, m.session_id, m.role, m.content, m.function_name, m.function_args, m.function_result,
    m."timestamp"
from public.chat_messages m;
-- after
select
    m.id, m.session_id, m.role, m.content, m.function_name, m.function_args, m.function_result,
    m."timestamp"
from public.chat_messages m;
