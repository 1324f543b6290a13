-- Nobody reads chats and rejects any more.

drop policy select_own on public.chat_histories;
drop policy insert_own on public.chat_histories;
drop policy update_own on public.chat_histories;
drop policy delete_own on public.chat_histories;

drop policy select_own on public.chat_history_rejects;
drop policy insert_own on public.chat_history_rejects;
drop policy delete_own on public.chat_history_rejects;

revoke all on table public.chat_histories, public.chat_history_rejects from app_user, app_service;
revoke execute on function private.chat_element(public.chat_histories) from app_user, app_service;
