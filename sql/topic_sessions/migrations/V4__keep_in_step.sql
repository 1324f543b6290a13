-- From here to the cut over, what is written to chat_history is at once in chat_sessions, too. The
-- old code goes on working meanwhile.

-- An id from what the chat is about, so that moving back and forth gives the same: the version is
-- 8, for ids made from a hash of one's own. uuid v5 would need an extension.
create function private.session_id(of_user uuid, topic text, subtopic text) returns uuid
language sql stable
return overlay(
    overlay(
        left(
            encode(
                sha256(convert_to(jsonb_build_array(of_user, topic, subtopic)::text, 'UTF8')),
                'hex'
            ),
            32
        ) placing '8' from 13
    ) placing '8' from 17
)::uuid;

-- The chats as they should be, from the rows.
-- NOTE: messages of nobody (user_id NULL) are one chat per subtopic, as get_chat_history had them.
-- NOTE: a chat beyond 255 MB is more than one jsonb holds: the server refuses, nothing is moved.
create view private.history_as_sessions as
select
    private.session_id(h.user_id, h.topic_id, h.subtopic_id) as id,
    h.user_id,
    h.topic_id,
    h.subtopic_id,
    jsonb_agg(
        private.write_message(h.role, h.content, h.created_at, h.phase)
        || jsonb_build_object('id', h.id)
        order by h.created_at nulls first, h.id
    ) as messages,
    (
        array_agg(h.phase order by h.created_at desc nulls last, h.id desc)
        filter (where h.phase is not null)
    )[1] as phase,
    min(h.created_at) as created_at,
    max(h.created_at) as updated_at
from public.chat_history h
group by h.user_id, h.topic_id, h.subtopic_id;

-- The time a message states, if it is one that we wrote: a cast alone would take 'now' and read
-- '01.02.2024' by the session's date style.
create function private.read_time(stamp text) returns timestamp
language plpgsql stable set search_path = ''
as $$
declare
    moment timestamp;
begin
    moment := rtrim(stamp, 'Z')::timestamp;
    return case when private.write_time(moment) = stamp then moment end;
exception
    when invalid_datetime_format or datetime_field_overflow or invalid_parameter_value then
        return null;
end
$$;

-- The id a message states, if it is written as the server writes one.
create function private.read_id(stated text) returns uuid
language plpgsql immutable set search_path = ''
as $$
declare
    id uuid;
begin
    id := stated::uuid;
    return case when id::text = stated then id end;
exception
    when invalid_text_representation then
        return null;
end
$$;

-- The rows as they were, from the chats. `is_row` is false for what chat_history cannot hold: an
-- element that is no message, or a document that is no array (place 0). The functions write none.
create view private.sessions_as_history as
select
    p.session_id,
    p.ordinal,
    p.id,
    p.user_id,
    p.topic_id,
    p.subtopic_id,
    p.role,
    p.content,
    p.phase,
    p.created_at,
    p.element,
    p.id is not null
        and count(*) over (partition by p.id) = 1
        and length(coalesce(p.role, '')) <= 20
        and length(coalesce(p.phase, '')) <= 50
        and p.element = private.write_message(p.role, p.content, p.created_at, p.phase)
            || jsonb_build_object('id', p.id)
        as is_row
from (
    select
        s.id as session_id,
        s.user_id,
        s.topic_id,
        s.subtopic_id,
        e.ordinal,
        private.read_id(e.element ->> 'id') as id,
        e.element ->> 'role' as role,
        e.element ->> 'content' as content,
        e.element ->> 'phase' as phase,
        private.read_time(e.element ->> 'timestamp') as created_at,
        e.element
    from public.chat_sessions s
    cross join lateral (
        select a.ordinality as ordinal, a.value as element
        from jsonb_array_elements(
            case when jsonb_typeof(s.messages) = 'array' then s.messages else '[]' end
        ) with ordinality a
        union all
        select 0, s.messages
        where jsonb_typeof(s.messages) <> 'array'
    ) e
) p;

-- Two who write to one chat take turns, so that the second sees what the first wrote.
create function private.sync_session(of_user uuid, topic varchar, subtopic varchar) returns void
language plpgsql volatile set search_path = ''
as $$
begin
    perform pg_advisory_xact_lock(
        hashtextextended(private.session_id(of_user, topic, subtopic)::text, 0));

    delete from public.chat_sessions s
    where (s.user_id = of_user or (of_user is null and s.user_id is null))
    and s.topic_id is not distinct from topic
    and s.subtopic_id is not distinct from subtopic
    and not exists (
        select
        from public.chat_history h
        where (h.user_id = of_user or (of_user is null and h.user_id is null))
        and h.topic_id is not distinct from topic
        and h.subtopic_id is not distinct from subtopic
    );

    insert into public.chat_sessions (
        id, user_id, topic_id, subtopic_id, messages, phase, created_at, updated_at
    )
    select
        h.id, h.user_id, h.topic_id, h.subtopic_id, h.messages, h.phase, h.created_at, h.updated_at
    from private.history_as_sessions h
    where (h.user_id = of_user or (of_user is null and h.user_id is null))
    and h.topic_id is not distinct from topic
    and h.subtopic_id is not distinct from subtopic
    on conflict (user_id, topic_id, subtopic_id) do update set
        messages = excluded.messages,
        phase = excluded.phase,
        created_at = excluded.created_at,
        updated_at = excluded.updated_at;
end
$$;

-- A definer function: until the cut over nobody may write chat_sessions himself.
create function private.sync_history() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
begin
    if tg_op <> 'INSERT' then
        perform private.sync_session(old.user_id, old.topic_id, old.subtopic_id);
    end if;
    if tg_op <> 'DELETE' then
        perform private.sync_session(new.user_id, new.topic_id, new.subtopic_id);
    end if;
    return null;
end
$$;

create trigger sync_history after insert or update or delete on public.chat_history
    for each row execute function private.sync_history();

revoke all on function
    private.session_id(uuid, text, text),
    private.read_time(text),
    private.read_id(text),
    private.sync_session(uuid, varchar, varchar),
    private.sync_history()
    from public;


comment on function private.session_id(uuid, text, text) is
    'The id of a chat that was moved: always the same for the same chat.';
comment on view private.history_as_sessions is 'The rows of chat_history, put together to chats.';
comment on function private.read_time(text) is
    'The time that private.write_time() wrote; NULL for everything else.';
comment on function private.read_id(text) is
    'The id of a message; NULL for what is none.';
comment on view private.sessions_as_history is
    'The messages of chat_sessions as rows of chat_history: for verification and the way back.';
comment on function private.sync_session(uuid, varchar, varchar) is
    'Puts a chat together from its rows again.';
comment on function private.sync_history() is 'Puts the chat of a changed row together again.';
comment on trigger sync_history on public.chat_history is
    'Keeps chat_sessions in step with the rows until the cut over.';
