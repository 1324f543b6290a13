-- The rows become the truth: all is verified once more, the array goes, and the old name becomes a
-- view that rebuilds it from the rows and takes it apart again.

-- Verify. The keys first, whose pass over all rows holds up no reader and no writer.

alter table public.messages validate constraint messages_tenant_id_conversation_id_fkey;
alter table public.message_rejects
    validate constraint message_rejects_tenant_id_conversation_id_fkey;

-- From here on nobody writes, and what is counted is what is dropped.
lock table public.conversations in share row exclusive mode;

do $$
declare
    lost record;
begin
    select
        c.id,
        case when jsonb_typeof(c.messages) = 'array' then jsonb_array_length(c.messages) else 1 end
            as elements,
        coalesce(m.n, 0) as messages,
        coalesce(r.n, 0) as rejects
    into lost
    from public.conversations c
    left join (
        select m.conversation_id, count(*) as n from public.messages m group by m.conversation_id
    ) m on m.conversation_id = c.id
    left join (
        select r.conversation_id, count(*) as n
        from public.message_rejects r
        group by r.conversation_id
    ) r on r.conversation_id = c.id
    where coalesce(m.n, 0) + coalesce(r.n, 0) <>
        case when jsonb_typeof(c.messages) = 'array' then jsonb_array_length(c.messages) else 1 end
    order by c.id
    limit 1;

    if found then
        raise exception 'conversation % has % elements, but % messages and % rejects',
            lost.id, lost.elements, lost.messages, lost.rejects
            using hint = 'Run V4__move_messages.sql again; it adds what is missing.';
    end if;
end
$$;


-- Cut over.

drop view public.chat_sessions;
-- NOTE: private.sync_messages() itself stays, for the way back.
drop trigger sync_messages on public.conversations;
alter table public.conversations drop column messages;

-- The array is a sub-select of its own, so that a query which does not ask for it does not pay.
-- Place 0 is the whole document. Alone it is shown as it was; beside messages written since, a
-- document that held something is the first element of their array.
create view public.chat_sessions with (security_invoker = true) as
select
    c.id,
    c.tenant_id,
    c.user_id,
    c.title,
    (
        select case
            when count(*) = 1 and max(e.ordinal) = 0 then (array_agg(e.element))[1]
            else coalesce(
                jsonb_agg(e.element order by e.ordinal)
                    filter (where e.ordinal > 0 or jsonb_typeof(e.element) <> 'null'),
                '[]'
            )
        end
        from (
            select
                m.ordinal,
                private.message_element(m.id, m.role, m.content, m.metadata, m.created_at)
                    as element
            from public.messages m
            where m.conversation_id = c.id
            union all
            select r.ordinal, r.element
            from public.message_rejects r
            where r.conversation_id = c.id
        ) e
    ) as messages,
    c.metadata,
    c.created_at,
    c.updated_at
from public.conversations c;

alter view public.chat_sessions alter column id set default gen_random_uuid();
alter view public.chat_sessions alter column title set default 'New Conversation';
alter view public.chat_sessions alter column messages set default '[]';
alter view public.chat_sessions alter column metadata set default '{}';
alter view public.chat_sessions alter column created_at set default now();
alter view public.chat_sessions alter column updated_at set default now();

-- The triggers write with the rights of whoever writes the view, under the policies of the tables.
-- NOTE: `on conflict` with a target needs a unique index, which a view with such triggers has not:
-- an old application that upserts chats must be moved to conversations before this migration.

create function private.insert_chat_session() returns trigger
language plpgsql volatile set search_path = ''
as $$
begin
    insert into public.conversations (
        id, tenant_id, user_id, title, metadata, created_at, updated_at
    ) values (
        new.id, new.tenant_id, new.user_id, new.title, new.metadata, new.created_at, new.updated_at
    );
    perform private.write_messages(
        new.id, new.tenant_id, coalesce(new.created_at, new.updated_at), new.messages, null);
    return new;
end
$$;

-- Only what the statement changes is written, so that two that change different columns at once
-- both count, as they did on the table.
create function private.update_chat_session() returns trigger
language plpgsql volatile set search_path = ''
as $$
begin
    update public.conversations c
    set
        id = new.id,
        tenant_id =
            case when new.tenant_id = old.tenant_id then c.tenant_id else new.tenant_id end,
        user_id = case when new.user_id = old.user_id then c.user_id else new.user_id end,
        title = case when new.title = old.title then c.title else new.title end,
        metadata = case
            when new.metadata::text is not distinct from old.metadata::text then c.metadata
            else new.metadata
        end,
        created_at = case
            when new.created_at is not distinct from old.created_at then c.created_at
            else new.created_at
        end,
        updated_at = case
            when new.updated_at is not distinct from old.updated_at then c.updated_at
            else new.updated_at
        end
    where c.id = old.id;

    -- The row is visible and not the caller's own (an admin reads it), or it is gone by now.
    if not found then
        return null;
    end if;

    if new.messages::text is distinct from old.messages::text then
        perform private.write_messages(
            new.id, new.tenant_id, coalesce(new.created_at, new.updated_at),
            new.messages, old.messages);
    end if;
    return new;
end
$$;

create function private.delete_chat_session() returns trigger
language plpgsql volatile set search_path = ''
as $$
begin
    delete from public.conversations c where c.id = old.id;
    if not found then
        return null;
    end if;
    return old;
end
$$;

create trigger insert_chat_session instead of insert on public.chat_sessions
    for each row execute function private.insert_chat_session();
create trigger update_chat_session instead of update on public.chat_sessions
    for each row execute function private.update_chat_session();
create trigger delete_chat_session instead of delete on public.chat_sessions
    for each row execute function private.delete_chat_session();

-- A new message needs to say neither its place nor its tenant: the guide's columns are enough.
-- The conversation's row is locked, so that two who write at once get one place each. Whoever does
-- not see the conversation gets no tenant, and the policy refuses the row.
create function private.place_message() returns trigger
language plpgsql volatile set search_path = ''
as $$
declare
    tenant uuid;
begin
    select c.tenant_id
    into tenant
    from public.conversations c
    where c.id = new.conversation_id
    for no key update;

    new.tenant_id := coalesce(new.tenant_id, tenant);
    new.ordinal := coalesce(new.ordinal, 1 + greatest(
        (
            select max(m.ordinal)
            from public.messages m
            where m.conversation_id = new.conversation_id
        ),
        (
            select max(r.ordinal)
            from public.message_rejects r
            where r.conversation_id = new.conversation_id
        ),
        0
    ));
    return new;
end
$$;

create trigger place_message before insert on public.messages
    for each row when (new.ordinal is null or new.tenant_id is null)
    execute function private.place_message();


-- Grants. The view runs what it calls with the rights of whoever reads or writes it; none of these
-- functions may do what the caller may not. The policy helpers are not among them.

revoke all on function
    private.insert_chat_session(),
    private.update_chat_session(),
    private.delete_chat_session(),
    private.place_message()
    from public, anon, authenticated, service_role;
revoke all on table public.chat_sessions from public, anon, authenticated, service_role;

grant select, insert, update, delete on table public.chat_sessions to authenticated, service_role;
grant insert, update, delete
    on table public.messages, public.message_rejects to authenticated, service_role;
grant usage on type private.planned_message to authenticated, service_role;
grant execute on function
    private.read_time(jsonb),
    private.message_element(uuid, text, text, jsonb, timestamptz),
    private.message_metadata(uuid, jsonb, timestamptz),
    private.read_elements(jsonb, timestamptz, integer),
    private.plan_messages(uuid, timestamptz, jsonb, integer),
    private.write_messages(uuid, uuid, timestamptz, jsonb, jsonb)
    to authenticated, service_role;


comment on view public.chat_sessions is
    'The old name and shape of conversations, for the old application, for the time of the '
    'change-over.';
comment on column public.chat_sessions.messages is
    'The array as the old application knows it, rebuilt from messages and message_rejects.';
comment on function private.insert_chat_session() is
    'Writes a new chat as a conversation and its messages.';
comment on function private.update_chat_session() is
    'Writes what changed of a chat to the conversation, and what changed of its array to the rows.';
comment on function private.delete_chat_session() is 'Deletes a chat as a conversation.';
comment on function private.place_message() is
    'Gives a new message the next place in its conversation, and that conversation''s tenant.';
comment on trigger insert_chat_session on public.chat_sessions is 'Takes the array apart.';
comment on trigger update_chat_session on public.chat_sessions is 'Merges the array by place.';
comment on trigger delete_chat_session on public.chat_sessions is 'Deletes the conversation.';
comment on trigger place_message on public.messages is
    'Fills in what a new message did not say of itself.';
