-- The operations of the chat service, by the names it has for them. Nobody may call them before the
-- cut over.
-- All of it runs with the rights of whoever calls, under his policies: somebody else's chat is one
-- that does not exist. A chat that was deleted is hidden here, not there any more for the user;
-- only update_chat() finds it, to bring it back.

create function private.chat_json(chat public.chats) returns jsonb
language sql stable set search_path = ''
as $$
    select jsonb_build_object(
        'id', chat.id,
        'userId', chat.user_id,
        'mentorId', chat.mentor_id,
        'title', chat.title,
        'isActive', chat.is_active,
        'createdAt', private.write_time(chat.created_at),
        'updatedAt', private.write_time(chat.updated_at),
        'metadata', chat.metadata
    )
$$;

create function private.message_json(message public.messages) returns jsonb
language sql stable set search_path = ''
as $$
    select jsonb_build_object(
        'id', message.id,
        'chatId', message.chat_id,
        'role', message.role,
        'content', message.content,
        'prompt', message.prompt,
        'model', message.model,
        'tokens', message.tokens,
        'metadata', message.metadata,
        'taskId', message.task_id,
        'createdAt', private.write_time(message.created_at)
    )
$$;

-- A message of the API as a row. In a chat it is later than all that was said, by a millisecond if
-- need be, so that a question comes before its answer; but not later than what an import has put
-- into the far future. The caller holds the lock on the chat's row.
create function private.add_message(for_user text, for_chat text, message jsonb)
returns public.messages
language sql volatile set search_path = ''
as $$
    insert into public.messages as m (
        user_id, chat_id, role, content, prompt, model, tokens, metadata, task_id, created_at
    ) values (
        for_user,
        for_chat,
        message ->> 'role',
        message ->> 'content',
        message ->> 'prompt',
        message ->> 'model',
        (message ->> 'tokens')::integer,
        message -> 'metadata',
        message ->> 'taskId',
        greatest(clock_timestamp(), (
            select max(b.created_at) + interval '1 millisecond'
            from public.messages b
            where b.user_id = for_user
            and b.chat_id = for_chat
            and b.created_at < clock_timestamp() + interval '1 minute'
        ))
    )
    returning m
$$;

-- A user's chat that is not deleted, used just now and locked; else nothing.
create function private.use_chat(for_user text, for_chat text) returns boolean
language plpgsql volatile set search_path = ''
as $$
begin
    update public.chats c
    set updated_at = greatest(c.updated_at, clock_timestamp())
    where c.user_id = for_user
    and c.id = for_chat
    and c.is_active;
    return found;
end
$$;


-- POST /chat/chats. A mentor that does not exist is an error of the foreign key.
create function public.create_chat(
    for_user text, for_mentor text default null, title text default null,
    metadata jsonb default null
) returns jsonb
language sql volatile set search_path = ''
as $$
    insert into public.chats as c (user_id, mentor_id, title, metadata)
    select u.id, for_mentor, create_chat.title, create_chat.metadata
    from public.users u
    where u.id = for_user
    returning private.chat_json(c)
$$;

-- GET /chat/chats: last used first; of one mentor if one is given, the deleted ones if asked for.
create function public.get_user_chats(
    for_user text, for_mentor text default null, with_deleted boolean default false,
    max_rows integer default 50, skipped integer default 0
) returns jsonb
language sql stable set search_path = ''
as $$
    select coalesce(
        jsonb_agg(private.chat_json(c) order by c.updated_at desc, c.id), '[]'
    )
    from public.chats c
    where c.id in (
        select f.id
        from public.chats f
        where f.user_id = for_user
        and (for_mentor is null or f.mentor_id = for_mentor)
        and (f.is_active or with_deleted)
        order by f.updated_at desc, f.id
        limit max_rows
        offset skipped
    )
$$;

-- GET /chat/chats/:id/messages: oldest first; NULL where there is no such chat.
create function public.get_chat_messages(for_user text, for_chat text) returns jsonb
language sql stable set search_path = ''
as $$
    select (
        select coalesce(jsonb_agg(private.message_json(m) order by m.created_at, m.id), '[]')
        from public.messages m
        where m.user_id = c.user_id
        and m.chat_id = c.id
    )
    from public.chats c
    where c.user_id = for_user
    and c.id = for_chat
    and c.is_active
$$;

-- GET /chat/chats/:id: the chat with all its messages.
create function public.get_chat(for_user text, for_chat text) returns jsonb
language sql stable set search_path = ''
as $$
    select private.chat_json(c)
        || jsonb_build_object('messages', public.get_chat_messages(c.user_id, c.id))
    from public.chats c
    where c.user_id = for_user
    and c.id = for_chat
    and c.is_active
$$;

-- PUT /chat/chats/:id: what `changes` names of title, isActive and metadata.
create function public.update_chat(for_user text, for_chat text, changes jsonb) returns jsonb
language sql volatile set search_path = ''
as $$
    update public.chats c
    set
        title = case when changes ? 'title' then changes ->> 'title' else c.title end,
        is_active = case
            when changes ? 'isActive' then (changes ->> 'isActive')::boolean
            else c.is_active
        end,
        metadata = case
            when changes ? 'metadata' then changes -> 'metadata'
            else c.metadata
        end,
        updated_at = clock_timestamp()
    where c.user_id = for_user
    and c.id = for_chat
    returning private.chat_json(c)
$$;

-- DELETE /chat/chats/:id: whether there was one. Its messages stay where they are.
create function public.delete_chat(for_user text, for_chat text) returns boolean
language plpgsql volatile set search_path = ''
as $$
begin
    update public.chats c
    set is_active = false
    where c.user_id = for_user
    and c.id = for_chat
    and c.is_active;
    return found;
end
$$;

-- POST /chat/chats/:id/messages; NULL where there is no such chat.
create function public.create_message(for_user text, for_chat text, message jsonb) returns jsonb
language plpgsql volatile set search_path = ''
as $$
begin
    if not private.use_chat(for_user, for_chat) then
        return null;
    end if;
    return private.message_json(private.add_message(for_user, for_chat, message));
end
$$;

create function public.create_standalone_message(for_user text, message jsonb) returns jsonb
language sql volatile set search_path = ''
as $$
    select private.message_json(private.add_message(u.id, null, message))
    from public.users u
    where u.id = for_user
$$;

-- What the user said and what was answered, in this order; NULL where there is no such chat.
create function public.save_conversation(
    for_user text, for_chat text, user_message jsonb, assistant_message jsonb
) returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
    asked jsonb;
    answered jsonb;
begin
    asked := public.create_message(for_user, for_chat, user_message || '{"role": "user"}');
    if asked is null then
        return null;
    end if;
    answered := public.create_message(
        for_user, for_chat, assistant_message || '{"role": "assistant"}');
    return jsonb_build_object('userMessage', asked, 'assistantMessage', answered);
end
$$;

-- The chat with the mentor that was used last, or a new one. The user's row is locked, so that two
-- who ask at once get the same.
create function public.get_or_create_mentor_chat(for_user text, for_mentor text) returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
    chat jsonb;
begin
    perform from public.users u where u.id = for_user for no key update;

    select private.chat_json(c)
    into chat
    from public.chats c
    where c.user_id = for_user
    and c.mentor_id = for_mentor
    and c.is_active
    order by c.updated_at desc, c.id
    limit 1;
    if found then
        return chat;
    end if;
    return public.create_chat(for_user, r.id, 'Chat with ' || r.name)
    from public.mentors r
    where r.id = for_mentor;
end
$$;

-- GET /chat/chats/stats. Messages of deleted chats count: they were said and paid for.
create function public.get_chat_stats(for_user text) returns jsonb
language sql stable set search_path = ''
as $$
    select jsonb_build_object(
        'totalChats', (select count(*) from public.chats c where c.user_id = u.id),
        'activeChats',
            (select count(*) from public.chats c where c.user_id = u.id and c.is_active),
        'mentorChats',
            (
                select count(*)
                from public.chats c
                where c.user_id = u.id
                and c.mentor_id is not null
            ),
        'totalMessages', count(m.id),
        'standaloneMessages', count(m.id) filter (where m.chat_id is null),
        'totalTokens', coalesce(sum(m.tokens), 0)
    )
    from public.users u
    left join public.messages m on m.user_id = u.id
    where u.id = for_user
    group by u.id
$$;

revoke all on function
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
    from public;


comment on function private.chat_json(public.chats) is 'A chat as the API answers it.';
comment on function private.message_json(public.messages) is 'A message as the API answers it.';
comment on function private.add_message(text, text, jsonb) is
    'Adds a message to a chat, later than all that was said in it, or one that stands alone.';
comment on function private.use_chat(text, text) is
    'Marks a chat as used and locks it; false where there is no such chat.';
comment on function public.create_chat(text, text, text, jsonb) is 'Begins a chat.';
comment on function public.get_user_chats(text, text, boolean, integer, integer) is
    'The chats of a user, last used first, page by page.';
comment on function public.get_chat_messages(text, text) is
    'The messages of a chat, oldest first.';
comment on function public.get_chat(text, text) is 'A chat with all its messages.';
comment on function public.update_chat(text, text, jsonb) is
    'Changes title, metadata or state of a chat.';
comment on function public.delete_chat(text, text) is
    'Hides a chat with its messages; nothing is deleted.';
comment on function public.create_message(text, text, jsonb) is 'Adds a message to a chat.';
comment on function public.create_standalone_message(text, jsonb) is
    'Keeps a message that is in no chat.';
comment on function public.save_conversation(text, text, jsonb, jsonb) is
    'Adds a question and its answer to a chat.';
comment on function public.get_or_create_mentor_chat(text, text) is
    'The chat of a user with a mentor.';
comment on function public.get_chat_stats(text) is 'How much a user chatted.';
