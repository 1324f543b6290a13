-- The backup goes. It is not needed: nothing has been moved, or all has been moved back.

drop table public.chat_history_backup;
