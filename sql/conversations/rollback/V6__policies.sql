-- Nobody reads messages and rejects any more, and Realtime sends nothing.

alter publication supabase_realtime drop table public.conversations, public.messages;

drop policy select_own on public.messages;
drop policy select_admin on public.messages;
drop policy insert_own on public.messages;
drop policy update_own on public.messages;
drop policy delete_own on public.messages;

drop policy select_own on public.message_rejects;
drop policy select_admin on public.message_rejects;
drop policy insert_own on public.message_rejects;
drop policy update_own on public.message_rejects;
drop policy delete_own on public.message_rejects;

drop function private.my_conversations();

revoke all on table public.messages, public.message_rejects
    from public, anon, authenticated, service_role;
