-- Takes away the tables, the trigger, and what the trigger called.

drop trigger sync_chat_history on public.users;

drop function private.sync_chat_history();
drop function private.write_chat_history(varchar, jsonb);
drop function private.read_chat(varchar, integer, jsonb);
drop function private.chat_element(public.chat_histories);
drop function private.read_id(jsonb);
drop function private.read_text(jsonb);

drop table public.chat_history_rejects;
drop table public.chat_histories;
drop function private.keep_reference();

alter table public.personas drop constraint personas_user_id_id_key;
