-- Takes away the tables, the reference to them, the triggers, and what these called.

drop trigger group_message on public.messages;
drop trigger reject_message on public.messages;
drop trigger leave_chat on public.messages;
drop function private.group_message();
drop function private.reject_message();
drop function private.leave_chat();
drop function private.why_loose(text, text);
drop function private.chat_id_of(text, text);

drop index public.messages_chat_id_created_at_idx;
alter table public.messages drop constraint messages_user_id_chat_id_fkey, drop column chat_id;

drop table public.message_rejects;
drop table public.chats;
