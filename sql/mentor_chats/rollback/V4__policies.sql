-- Nobody reads chats and rejects any more.

drop policy select_own on public.chats;
drop policy insert_own on public.chats;
drop policy update_own on public.chats;
drop policy select_own on public.message_rejects;

revoke all on table public.chats, public.message_rejects from app_user, app_service;
