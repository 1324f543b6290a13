-- Groups the loose messages: those of one user with one mentor become a chat. Messages without a
-- mentor stand alone. No message changes but for its chat_id, and run again it changes nothing.
-- NOTE: nothing is locked but the messages that are grouped. Those written meanwhile are grouped by
-- the trigger, into the same chats; nobody updates messages.

insert into public.chats (
    id, user_id, mentor_id, grouped_by, title, created_at, updated_at
)
select
    private.chat_id_of(m.user_id, m.mentor_id),
    m.user_id,
    r.id,
    m.mentor_id,
    'Chat with ' || r.name,
    min(m.created_at),
    max(m.created_at)
from public.messages m
left join public.mentors r on r.id = m.mentor_id
where m.mentor_id is not null
and m.chat_id is null
and private.why_loose(m.user_id, m.mentor_id) is null
group by m.user_id, m.mentor_id, r.id, r.name
order by m.user_id, m.mentor_id
on conflict (user_id, grouped_by) do update set
    created_at = least(chats.created_at, excluded.created_at),
    updated_at = greatest(chats.updated_at, excluded.updated_at);

update public.messages m
set chat_id = c.id
from public.chats c
where c.user_id = m.user_id
and c.grouped_by = m.mentor_id
and m.chat_id is null;

insert into public.message_rejects (message_id, user_id, mentor_id, reason)
select m.id, m.user_id, m.mentor_id, private.why_loose(m.user_id, m.mentor_id)
from public.messages m
where m.mentor_id is not null
and m.chat_id is null
and private.why_loose(m.user_id, m.mentor_id) is not null
on conflict (message_id) do nothing;

-- The policies that follow are planned by these numbers.
analyze public.chats, public.messages, public.message_rejects;
