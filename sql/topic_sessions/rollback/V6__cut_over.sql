-- The rows become the truth again: what was saved, edited and taken away since the cut over is so
-- in chat_history, too, and the old functions read and write it.
-- NOTE: a chat without messages has no row, so it goes. The old functions answer the same for it.

lock table public.chat_history, public.chat_sessions in share row exclusive mode;

do $$
declare
    odd record;
begin
    select s.session_id, s.ordinal, s.element
    into odd
    from private.sessions_as_history s
    where not s.is_row
    order by s.session_id, s.ordinal
    limit 1;

    if found then
        raise exception 'element % of the chat % is no row of chat_history: %',
            odd.ordinal, odd.session_id, odd.element
            using hint = 'Mend the element, or keep it elsewhere; then go back again.';
    end if;
end
$$;

insert into public.chat_history as h (
    id, user_id, topic_id, subtopic_id, role, content, phase, created_at
)
select
    s.id, s.user_id, s.topic_id, s.subtopic_id, s.role, s.content, s.phase, s.created_at
from private.sessions_as_history s
order by s.id
on conflict (id) do update set
    user_id = excluded.user_id,
    topic_id = excluded.topic_id,
    subtopic_id = excluded.subtopic_id,
    role = excluded.role,
    content = excluded.content,
    phase = excluded.phase,
    created_at = excluded.created_at
where row(
    h.user_id, h.topic_id, h.subtopic_id, h.role, h.content, h.phase, h.created_at
) is distinct from row(
    excluded.user_id, excluded.topic_id, excluded.subtopic_id, excluded.role, excluded.content,
    excluded.phase, excluded.created_at
);

delete from public.chat_history h
where not exists (select from private.sessions_as_history s where s.id = h.id);

-- Chats are again what their rows make them. They are matched by the id that both sides would be
-- given: to match NULLs by `is not distinct from` is to try each chat with each other one.
delete from public.chat_sessions s
where not exists (
    select
    from private.history_as_sessions h
    where h.id = private.session_id(s.user_id, s.topic_id, s.subtopic_id)
);

update public.chat_sessions s
set
    messages = h.messages,
    phase = h.phase,
    created_at = h.created_at,
    updated_at = h.updated_at
from private.history_as_sessions h
where h.id = private.session_id(s.user_id, s.topic_id, s.subtopic_id)
and row(s.messages, s.phase, s.created_at, s.updated_at)
    is distinct from row(h.messages, h.phase, h.created_at, h.updated_at);


create or replace function public.get_chat_history(for_user uuid, topic varchar, subtopic varchar)
returns jsonb
language sql stable set search_path = ''
as $$
    select coalesce(
        jsonb_agg(
            private.write_message(h.role, h.content, h.created_at, h.phase)
            order by h.created_at nulls first, h.id
        ),
        '[]'
    )
    from (
        select m.*
        from public.chat_history m
        where m.user_id = for_user
        union all
        select m.*
        from public.chat_history m
        where for_user is null
        and m.user_id is null
        and (m.topic_id = topic or (topic is null and m.topic_id is null))
    ) h
    where h.topic_id is not distinct from topic
    and h.subtopic_id is not distinct from subtopic
$$;

create or replace function public.save_chat_message(
    for_user uuid, topic varchar, subtopic varchar, role varchar, content text, phase varchar
) returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
    saved public.chat_history;
begin
    insert into public.chat_history (
        id, user_id, topic_id, subtopic_id, role, content, phase, created_at
    ) values (
        gen_random_uuid(), for_user, topic, subtopic, role, content, phase,
        clock_timestamp() at time zone 'UTC'
    ) returning * into saved;
    return private.write_message(saved.role, saved.content, saved.created_at, saved.phase);
end
$$;

drop function private.add_message(jsonb, jsonb);

create trigger sync_history after insert or update or delete on public.chat_history
    for each row execute function private.sync_history();

revoke execute on function private.read_time(text) from app_user;
revoke insert, update on table public.chat_sessions from app_user;
grant select, insert on table public.chat_history to app_user;


comment on trigger sync_history on public.chat_history is
    'Keeps chat_sessions in step with the rows until the cut over.';
