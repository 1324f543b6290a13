-- Chats are what tells with whom a message was said: all is verified once more, the old functions
-- answer from the chats, and `mentor_id` goes from the messages.

-- From here on nobody writes, and what is compared is what is dropped.
lock table public.mentors, public.messages, public.chats, public.message_rejects
    in share row exclusive mode;

-- The messages of users who were deleted since have no chat any more.
insert into public.message_rejects (message_id, user_id, mentor_id, reason)
select m.id, m.user_id, m.mentor_id, private.why_loose(m.user_id, m.mentor_id)
from public.messages m
where m.mentor_id is not null
and m.chat_id is null
and private.why_loose(m.user_id, m.mentor_id) is not null
on conflict (message_id) do nothing;

-- Verify. A chat without `grouped_by` was made after a cut over that was taken back.
do $$
declare
    lost record;
begin
    select m.id, m.user_id, m.mentor_id, c.grouped_by, r.mentor_id as rejected
    into lost
    from public.messages m
    left join public.chats c on c.user_id = m.user_id and c.id = m.chat_id
    left join public.message_rejects r on r.message_id = m.id
    where m.mentor_id is distinct from coalesce(c.grouped_by, c.mentor_id, r.mentor_id)
    or (m.chat_id is not null and r.message_id is not null)
    order by m.id
    limit 1;

    if found then
        raise exception 'message % of user % names mentor %, but its chat %, and its reject %',
            lost.id, lost.user_id, lost.mentor_id, lost.grouped_by, lost.rejected
            using hint = 'Run V3__group_messages.sql again; it groups what is loose.';
    end if;
end
$$;


-- GET /mentor/messages: only those that stand alone, as the guide has it.
create or replace function public.get_messages(
    for_user text, max_rows integer, skipped integer default 0
) returns jsonb
language sql stable set search_path = ''
as $$
    select coalesce(
        jsonb_agg(
            private.loose_message(p, r.mentor_id) order by p.created_at desc, p.id desc
        ),
        '[]'
    )
    from (
        select m.id
        from public.messages m
        where m.user_id = for_user
        and m.chat_id is null
        order by m.created_at desc, m.id desc
        limit max_rows
        offset skipped
    ) m
    join public.messages p on p.id = m.id
    left join public.message_rejects r on r.message_id = p.id
$$;

-- Of all chats with the mentor that are not deleted, and what stands alone and names him.
create or replace function public.get_mentor_messages(for_user text, for_mentor text) returns jsonb
language sql stable set search_path = ''
as $$
    select coalesce(
        jsonb_agg(private.loose_message(m, for_mentor) order by m.created_at, m.id), '[]'
    )
    from public.messages m
    where m.user_id = for_user
    and (
        m.chat_id in (
            select c.id
            from public.chats c
            where c.user_id = for_user
            and coalesce(c.grouped_by, c.mentor_id) = for_mentor
            and c.is_active
        )
        or m.id in (
            select r.message_id
            from public.message_rejects r
            where r.user_id = for_user
            and r.mentor_id = for_mentor
        )
    )
$$;

-- POST /mentor/chat: into the chat with the mentor, and says which. A mentor that does not exist,
-- or is blank, is an error now: there would be no chat for it.
create or replace function public.save_message(for_user text, for_mentor text, message jsonb)
returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
    chat text;
begin
    if not exists (select from public.users u where u.id = for_user) then
        return null;
    end if;
    if for_mentor is not null then
        chat := public.get_or_create_mentor_chat(for_user, for_mentor) ->> 'id';
        if chat is null then
            raise exception 'there is no mentor %', for_mentor;
        end if;
        perform private.use_chat(for_user, chat);
    end if;
    return private.loose_message(m, for_mentor) || jsonb_build_object('chatId', m.chat_id)
    from private.add_message(for_user, chat, message) m;
end
$$;


-- Grants.
-- NOTE: `id` and `grouped_by` are not among the columns: nobody chooses the id of a row, nor claims
-- a place that the grouping takes. `user_id` of a chat cannot be changed.

grant insert (user_id, mentor_id, title, is_active, created_at, updated_at, metadata),
    update (mentor_id, title, is_active, updated_at, metadata)
    on table public.chats to app_user;
grant insert (chat_id) on table public.messages to app_user;
grant insert, update, delete on table public.chats to app_service;
grant execute on function
    private.chat_json(public.chats),
    private.message_json(public.messages),
    private.add_message(text, text, jsonb),
    private.use_chat(text, text),
    public.create_chat(text, text, text, jsonb),
    public.get_user_chats(text, text, boolean, integer, integer),
    public.get_chat_messages(text, text),
    public.get_chat(text, text),
    public.update_chat(text, text, jsonb),
    public.delete_chat(text, text),
    public.create_message(text, text, jsonb),
    public.create_standalone_message(text, jsonb),
    public.save_conversation(text, text, jsonb, jsonb),
    public.get_or_create_mentor_chat(text, text),
    public.get_chat_stats(text)
    to app_user, app_service;


-- The column goes, last of all.
-- NOTE: the functions of the triggers stay, for the way back.

drop trigger group_message on public.messages;
drop trigger reject_message on public.messages;
alter table public.messages drop column mentor_id;


comment on function public.get_messages(text, integer, integer) is
    'The messages of a user that stand alone, newest first, page by page.';
