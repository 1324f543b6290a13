-- chat_sessions becomes the truth: the service functions, under the same names and with the same
-- answers, read and write it. chat_history stays as it is, out of reach, until the clean-up.

-- From here on nobody saves until the new function does.
lock table public.chat_history in share row exclusive mode;

drop trigger sync_history on public.chat_history;
revoke all on table public.chat_history from app_user;
grant insert, update on table public.chat_sessions to app_user;
grant execute on function private.read_time(text) to app_user;


-- A new message is the last of an ordinary chat, and is appended. Where a chat has one from the
-- future, the new one is put before that, as it was when rows were sorted.
-- `message` is an array of one: a document that is no array becomes the first element beside it.
create function private.add_message(messages jsonb, message jsonb) returns jsonb
language sql stable set search_path = ''
as $$
    select case
        when private.read_time(messages -> -1 ->> 'timestamp')
            >= private.read_time(message -> 0 ->> 'timestamp')
            then (
                select jsonb_agg(
                    e.value
                    order by
                        private.read_time(e.value ->> 'timestamp') nulls first,
                        e.value ->> 'id' collate "C",
                        e.ordinality
                )
                from jsonb_array_elements(messages || message) with ordinality e
            )
        else coalesce(messages, '[]') || message
    end
$$;

create or replace function public.get_chat_history(for_user uuid, topic varchar, subtopic varchar)
returns jsonb
language sql stable set search_path = ''
as $$
    select coalesce(
        jsonb_agg(
            case when jsonb_typeof(e.value) = 'object' then e.value - 'id' else e.value end
            order by e.ordinality
        ),
        '[]'
    )
    from (
        select c.*
        from public.chat_sessions c
        where c.user_id = for_user
        union all
        select c.*
        from public.chat_sessions c
        where for_user is null
        and c.user_id is null
        and (c.topic_id = topic or (topic is null and c.topic_id is null))
    ) s
    cross join lateral jsonb_array_elements(
        case when jsonb_typeof(s.messages) = 'array' then s.messages else '[]' end
    ) with ordinality e
    where s.topic_id is not distinct from topic
    and s.subtopic_id is not distinct from subtopic
$$;

-- The variables are as strict as the columns were: what was too long for them still is. Two who
-- save to one chat take turns at its row.
create or replace function public.save_chat_message(
    for_user uuid, topic varchar, subtopic varchar, role varchar, content text, phase varchar
) returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
    said_by constant varchar(20) := role;
    said_in constant varchar(50) := phase;
    moment constant timestamp := clock_timestamp() at time zone 'UTC';
    message constant jsonb := private.write_message(said_by, content, moment, said_in);
begin
    insert into public.chat_sessions as s (
        id, user_id, topic_id, subtopic_id, messages, phase, created_at, updated_at
    ) values (
        gen_random_uuid(), for_user, topic, subtopic,
        jsonb_build_array(message || jsonb_build_object('id', gen_random_uuid())),
        said_in, moment, moment
    )
    on conflict (user_id, topic_id, subtopic_id) do update set
        messages = private.add_message(s.messages, excluded.messages),
        phase = coalesce(excluded.phase, s.phase),
        created_at = least(s.created_at, excluded.created_at),
        updated_at = greatest(s.updated_at, excluded.updated_at);
    return message;
end
$$;

revoke all on function private.add_message(jsonb, jsonb) from public;
grant execute on function private.add_message(jsonb, jsonb) to app_user;


comment on function private.add_message(jsonb, jsonb) is
    'The messages with one more, in the order of their times.';
