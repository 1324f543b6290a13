-- Takes the chats away, once each of their messages is seen to be a row.

lock table public.chat_history, public.chat_sessions in share row exclusive mode;

do $$
declare
    missing record;
begin
    select s.session_id, s.ordinal, s.element
    into missing
    from private.sessions_as_history s
    left join public.chat_history h
        on h.id = s.id
        and h.user_id is not distinct from s.user_id
        and h.topic_id is not distinct from s.topic_id
        and h.subtopic_id is not distinct from s.subtopic_id
    where h.id is null
    or s.element is distinct from
        private.write_message(h.role, h.content, h.created_at, h.phase)
        || jsonb_build_object('id', h.id)
    order by s.session_id, s.ordinal
    limit 1;

    if found then
        raise exception 'element % of the chat % is no row of chat_history: %',
            missing.ordinal, missing.session_id, missing.element;
    end if;
end
$$;

delete from public.chat_sessions;
