-- Who reads and writes chats and rejects: each user his own.
-- Reading is granted here, writing only with the cut over.
-- NOTE: none deletes chats. `delete_chat` hides them; they go with their user.
-- NOTE: none writes rejects: there are no new ones once the cut over is done.

create policy select_own on public.chats for select to app_user
    using (user_id = (select private.my_id()));

create policy insert_own on public.chats for insert to app_user
    with check (user_id = (select private.my_id()));

create policy update_own on public.chats for update to app_user
    using (user_id = (select private.my_id()))
    with check (user_id = (select private.my_id()));

create policy select_own on public.message_rejects for select to app_user
    using (user_id = (select private.my_id()));

grant select on table public.chats, public.message_rejects to app_user, app_service;


comment on policy select_own on public.chats is 'A user reads his own chats.';
comment on policy insert_own on public.chats is 'A user begins chats of his own.';
comment on policy update_own on public.chats is 'A user changes his own chats; they stay his.';
comment on policy select_own on public.message_rejects is
    'A user reads what his messages said of mentors that are none.';
