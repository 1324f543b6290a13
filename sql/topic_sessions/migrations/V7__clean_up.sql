-- Drops what the rows were in, and their backup, once every one of them is seen in its chat.
-- NOTE: messages saved since the cut over are in chat_sessions only, so it may have more; it must
-- not have fewer.

lock table public.chat_history, public.chat_history_backup, public.chat_sessions
    in share row exclusive mode;

do $$
declare
    lost record;
begin
    select o.place, o.user_id, o.topic_id, o.subtopic_id, count(*) as rows, sum(m.n) as messages
    into lost
    from (
        select 'chat_history' as place, h.id, h.user_id, h.topic_id, h.subtopic_id
        from public.chat_history h
        union all
        select 'chat_history_backup', b.id, b.user_id, b.topic_id, b.subtopic_id
        from public.chat_history_backup b
    ) o
    left join (
        select s.id, s.user_id, s.topic_id, s.subtopic_id, count(*) as n
        from private.sessions_as_history s
        group by s.id, s.user_id, s.topic_id, s.subtopic_id
    ) m
        on m.id = o.id
        and m.user_id is not distinct from o.user_id
        and m.topic_id is not distinct from o.topic_id
        and m.subtopic_id is not distinct from o.subtopic_id
    group by o.place, o.user_id, o.topic_id, o.subtopic_id
    having count(*) <> coalesce(sum(m.n), 0)
    order by o.place, o.user_id, o.topic_id, o.subtopic_id
    limit 1;

    if found then
        raise exception
            'the chat of user %, topic %, subtopic % has % rows in %, % of them in chat_sessions',
            lost.user_id, lost.topic_id, lost.subtopic_id, lost.rows, lost.place,
            coalesce(lost.messages, 0)
            using hint = 'Mend the chat in chat_sessions; or delete from both old tables what may '
                'really go.';
    end if;
end
$$;

drop view private.history_as_sessions;
drop table public.chat_history_backup;
drop table public.chat_history;

-- NOTE: private.sync_session(), sync_history(), session_id() and sessions_as_history stay, for the
-- way back.
