-- The messages are loose again, once each is seen to name the mentor of its chat.
-- NOTE: loose messages have no place for a chat that grouping them would not make again: one that
-- was begun since, was renamed, was deleted, has metadata. While there is one, this stops. The old
-- application does not need it: it works as soon as V6 is taken back.

lock table public.messages, public.chats, public.message_rejects in share row exclusive mode;

do $$
declare
    lost record;
begin
    select c.id, c.user_id, c.title
    into lost
    from public.chats c
    left join public.mentors r on r.id = c.mentor_id
    where c.grouped_by is null
    or not c.is_active
    or c.metadata is not null
    or (r.id is not null and c.title is distinct from 'Chat with ' || r.name)
    order by c.id
    limit 1;

    if found then
        raise exception 'chat % of user % (%) would be lost', lost.id, lost.user_id, lost.title
            using hint = 'Take back no more than V6, or keep a copy of such chats and delete them.';
    end if;

    select m.id, m.user_id, c.grouped_by
    into lost
    from public.messages m
    left join public.chats c on c.user_id = m.user_id and c.id = m.chat_id
    left join public.message_rejects r on r.message_id = m.id
    where m.mentor_id is distinct from coalesce(c.grouped_by, r.mentor_id, m.mentor_id)
    order by m.id
    limit 1;

    if found then
        raise exception 'message % of user % does not name the mentor %',
            lost.id, lost.user_id, lost.grouped_by;
    end if;
end
$$;

update public.messages set chat_id = null where chat_id is not null;
delete from public.message_rejects;
delete from public.chats;
