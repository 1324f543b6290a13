-- Takes the table away; it is empty, or V5 would not have been taken back.

drop table public.chat_sessions;
