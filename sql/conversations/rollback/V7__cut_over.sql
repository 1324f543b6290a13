-- The array becomes the truth again: it is rebuilt from the rows, with what was edited, added and
-- deleted since, and kept in step with them as before the cut over.
-- NOTE: the column comes back as the last of the table; the view has it in its old place. Who reads
-- `select *` from the table itself must name his columns.

revoke insert, update, delete on table public.messages, public.message_rejects
    from authenticated, service_role;

-- From here on nobody writes, so what is read is what stays.
lock table public.conversations, public.messages, public.message_rejects
    in share row exclusive mode;

alter table public.conversations add column messages jsonb default '[]';

update public.conversations c
set messages = s.messages
from public.chat_sessions s
where s.id = c.id
and s.messages::text is distinct from c.messages::text;

drop view public.chat_sessions;
drop function private.insert_chat_session();
drop function private.update_chat_session();
drop function private.delete_chat_session();
drop trigger place_message on public.messages;
drop function private.place_message();

-- Where messages were deleted in between, or written beside a document that was no array, places no
-- longer count from one without a gap, as they do in an array. Those are written anew from it; an
-- id their elements state stays in metadata.legacy, until V4 is run again and takes it over.
with ragged as materialized (
    select p.conversation_id
    from (
        select m.conversation_id, m.ordinal from public.messages m
        union all
        select r.conversation_id, r.ordinal from public.message_rejects r
    ) p
    group by p.conversation_id
    having count(*) <> count(distinct p.ordinal)
    or count(*) <> max(p.ordinal) - min(p.ordinal) + 1
    or min(p.ordinal) > 1
    or (min(p.ordinal) = 0 and count(*) > 1)
), gone as (
    delete from public.messages m
    using ragged g
    where m.conversation_id = g.conversation_id
)
delete from public.message_rejects r
using ragged g
where r.conversation_id = g.conversation_id;

do $$
begin
    perform private.write_messages(
        c.id, c.tenant_id, coalesce(c.created_at, c.updated_at), c.messages, c.messages)
    from public.conversations c
    where c.messages::text is distinct from '[]'
    and not exists (select from public.messages m where m.conversation_id = c.id)
    and not exists (select from public.message_rejects r where r.conversation_id = c.id);
end
$$;

-- As before the cut over, rows from before the keys count as unchecked.
alter table public.messages
    drop constraint messages_tenant_id_conversation_id_fkey,
    add constraint messages_tenant_id_conversation_id_fkey
    foreign key (tenant_id, conversation_id)
    references public.conversations (tenant_id, id)
    on update cascade on delete cascade
    not valid;

alter table public.message_rejects
    drop constraint message_rejects_tenant_id_conversation_id_fkey,
    add constraint message_rejects_tenant_id_conversation_id_fkey
    foreign key (tenant_id, conversation_id)
    references public.conversations (tenant_id, id)
    on update cascade on delete cascade
    not valid;

create view public.chat_sessions with (security_invoker = true) as
select
    c.id,
    c.tenant_id,
    c.user_id,
    c.title,
    c.messages,
    c.metadata,
    c.created_at,
    c.updated_at
from public.conversations c;

create trigger sync_messages
    after insert or delete or update of id, tenant_id, messages on public.conversations
    for each row execute function private.sync_messages();

revoke all on table public.chat_sessions from public, anon, authenticated, service_role;
grant select, insert, update, delete on table public.chat_sessions to authenticated, service_role;
revoke usage on type private.planned_message from authenticated, service_role;
revoke execute on function
    private.read_time(jsonb),
    private.message_element(uuid, text, text, jsonb, timestamptz),
    private.message_metadata(uuid, jsonb, timestamptz),
    private.read_elements(jsonb, timestamptz, integer),
    private.plan_messages(uuid, timestamptz, jsonb, integer),
    private.write_messages(uuid, uuid, timestamptz, jsonb, jsonb)
    from authenticated, service_role;


comment on column public.conversations.messages is
    'All messages, first one first. Nothing checks what is in it.';
comment on view public.chat_sessions is
    'The old name of conversations, for the old application, for the time of the change-over.';
comment on trigger sync_messages on public.conversations is
    'Keeps messages and rejects in step with the array until the cut over.';
comment on constraint messages_tenant_id_conversation_id_fkey on public.messages is
    'A message belongs to a conversation of its own tenant, and goes where that goes.';
comment on constraint message_rejects_tenant_id_conversation_id_fkey on public.message_rejects is
    'A reject belongs to a conversation of its own tenant, and goes where that goes.';
