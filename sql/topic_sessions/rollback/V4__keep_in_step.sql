-- Nothing follows chat_history any more.

drop trigger sync_history on public.chat_history;

drop function private.sync_history();
drop function private.sync_session(uuid, varchar, varchar);
drop view private.sessions_as_history;
drop view private.history_as_sessions;
drop function private.read_id(text);
drop function private.read_time(text);
drop function private.session_id(uuid, text, text);
