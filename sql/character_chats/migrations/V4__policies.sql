-- Who reads and writes chats and rejects: each user his own.
-- Reading is granted here, writing only with the cut over: until then the array is the truth, and a
-- chat written beside it would be lost with the next write of the array.

create policy select_own on public.chat_histories for select to app_user
    using (user_id = (select private.my_id()));

create policy insert_own on public.chat_histories for insert to app_user
    with check (user_id = (select private.my_id()));

create policy update_own on public.chat_histories for update to app_user
    using (user_id = (select private.my_id()))
    with check (user_id = (select private.my_id()));

create policy delete_own on public.chat_histories for delete to app_user
    using (user_id = (select private.my_id()));

-- NOTE: none updates rejects: they are what they were, or gone.

create policy select_own on public.chat_history_rejects for select to app_user
    using (user_id = (select private.my_id()));

create policy insert_own on public.chat_history_rejects for insert to app_user
    with check (user_id = (select private.my_id()));

create policy delete_own on public.chat_history_rejects for delete to app_user
    using (user_id = (select private.my_id()));

grant select on table public.chat_histories, public.chat_history_rejects to app_user, app_service;
grant execute on function private.chat_element(public.chat_histories) to app_user, app_service;


comment on policy select_own on public.chat_histories is 'A user reads his own chats.';
comment on policy insert_own on public.chat_histories is 'A user begins chats of his own.';
comment on policy update_own on public.chat_histories is
    'A user changes his own chats; they stay his.';
comment on policy delete_own on public.chat_histories is 'A user deletes his own chats.';
comment on policy select_own on public.chat_history_rejects is
    'A user reads what his array held and is no chat.';
comment on policy insert_own on public.chat_history_rejects is
    'What was no array becomes the first element of one, which may be no chat either.';
comment on policy delete_own on public.chat_history_rejects is
    'A user deletes a chat with its duplicates.';
