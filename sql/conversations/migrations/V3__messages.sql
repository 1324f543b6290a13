-- One row per message, a place for what cannot be a message, and a trigger that keeps both in step
-- with the array, which stays the truth until the cut over.
-- Both tables have row level security on before their first row, no policy and no grant: nobody
-- reads them before the data, keys and policies are complete.
--
-- Beyond the guide's columns, messages has:
-- * `ordinal`: times of a chat may be equal, missing or wrong, so only a number keeps the order of
--   the array. unique (conversation_id, ordinal) is the one index the load needs.
-- * `tenant_id`: a policy that asks for it can be served by an index of this table, and a key over
--   (tenant_id, conversation_id) cannot refer to a conversation of another tenant.
-- NOTE: primary key and foreign keys come after the load, where they cost a fraction (V5__keys).
-- NOTE: `role` and `created_at` may be NULL, as the guide has it. The move leaves neither NULL.
-- The guide asks for uuid-ossp, and here is what needs it: ids made from conversation and ordinal.

create extension if not exists "uuid-ossp" with schema extensions;

create table public.messages (
    id uuid not null default gen_random_uuid(),
    conversation_id uuid not null,
    tenant_id uuid not null,
    ordinal integer not null constraint ordinal_is_positive check (ordinal >= 1),
    role varchar(20) constraint role_is_known check (role in ('user', 'assistant', 'system')),
    content text not null,
    metadata jsonb default '{}',
    created_at timestamptz default now(),
    constraint messages_conversation_id_ordinal_key unique (conversation_id, ordinal)
);

create table public.message_rejects (
    conversation_id uuid not null,
    tenant_id uuid not null,
    ordinal integer not null constraint ordinal_is_not_negative check (ordinal >= 0),
    reason text not null constraint reason_is_known check (
        reason in (
            'document is null',
            'document is no array',
            'element is no object',
            'role is missing',
            'role is unknown',
            'content is missing',
            'content is null',
            'content is no text'
        )
    ),
    element jsonb,
    constraint message_rejects_pkey primary key (conversation_id, ordinal)
);

alter table public.messages enable row level security;
alter table public.message_rejects enable row level security;

revoke all on table public.messages, public.message_rejects
    from public, anon, authenticated, service_role;


-- From an element to a row. The functions that follow compute and read no table; nor do they depend
-- on the session's time zone or date style.

-- Text is cast only where it is a strict ISO form with a zone: the cast alone would take 'now',
-- 'infinity', '20240102', and read zone-less text in the session's zone. The day is checked against
-- its month, since the cast raises on the 30th of February. Numbers are seconds since 1970, or
-- milliseconds where seconds would be past 2099; neither zero nor a year past 2099 is believed, for
-- one such time would push all later messages behind it. Rounding comes first: numeric has numbers
-- too small for a double, and the cast raises. `[0-9]` and not `\d`, which in some locales is more
-- digits than a cast takes.
create function private.read_time(stamp jsonb) returns timestamptz
language sql stable
return case jsonb_typeof(stamp)
    when 'number' then case
        when round(stamp::numeric, 6) <= 0 then null
        when stamp::numeric < 4102444800 then
            to_timestamp(round(stamp::numeric, 6)::double precision)
        when stamp::numeric < 4102444800000 then
            to_timestamp(round(stamp::numeric / 1000, 6)::double precision)
    end
    when 'string' then case
        when stamp #>> '{}' ~ (
            '^(19[789][0-9]|20[0-9]{2})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])'
            'T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?'
            '(Z|[+-](0[0-9]|1[0-4]):[0-5][0-9])$'
        ) then case
            when substr(stamp #>> '{}', 9, 2)::integer <= extract(
                day from make_date(
                    substr(stamp #>> '{}', 1, 4)::integer, substr(stamp #>> '{}', 6, 2)::integer, 1
                ) + interval '1 month - 1 day'
            ) then (stamp #>> '{}')::timestamptz
        end
    end
end;

-- The element as the old application would have written it, from the row alone. What the columns
-- cannot say is in metadata.legacy and then stands in for id and timestamp.
-- An id of version 5 is one we made, so it was not in the element.
create function private.message_element(
    id uuid, role text, content text, metadata jsonb, created_at timestamptz
) returns jsonb
language sql stable
return case
    when jsonb_typeof(metadata) = 'object' and jsonb_typeof(metadata -> 'legacy') = 'object'
        then metadata -> 'legacy'
    else jsonb_strip_nulls(jsonb_build_object(
        'id', case when substr(id::text, 15, 1) <> '5' then id end,
        'timestamp', to_char(
            created_at at time zone 'UTC',
            case
                when extract(microseconds from created_at)::integer % 1000 = 0
                    then 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'
                else 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'
            end
        )
    ))
end || jsonb_strip_nulls(jsonb_build_object('role', role, 'content', content)) || case
    when metadata is null or metadata = '{}' then '{}'
    when jsonb_typeof(metadata) <> 'object' then jsonb_build_object('metadata', metadata)
    when jsonb_typeof(metadata -> 'legacy') is distinct from 'object'
        then jsonb_build_object('metadata', metadata)
    when metadata - 'legacy' = '{}' then '{}'
    else jsonb_build_object('metadata', metadata - 'legacy')
end;

-- What the row keeps beside its columns: the element's own `metadata`, and where the element could
-- not be rebuilt to the letter, all of it but role and content under `legacy`. A regular element
-- costs nothing, and a later edit of role, content or metadata shows in the rebuilt one.
create function private.message_metadata(id uuid, element jsonb, created_at timestamptz)
returns jsonb
language plpgsql stable set search_path = ''
as $$
declare
    own constant jsonb := case
        when jsonb_typeof(element -> 'metadata') = 'object' and not element -> 'metadata' ? 'legacy'
            then element -> 'metadata'
        else '{}'
    end;
begin
    if element::text = private.message_element(
        id, element ->> 'role', element ->> 'content', own, created_at
    )::text then
        return own;
    end if;
    return own || jsonb_build_object('legacy', case own
        when '{}' then element - 'role' - 'content'
        else element - 'role' - 'content' - 'metadata'
    end);
end
$$;

-- Every element of a document with its place, and either why it is no message, or its parts. A
-- document that is no array is one element, in place 0.
-- * own_id: what the element gives as its id, if that is a uuid. Version 5 is left to ids of ours.
-- * said_at: the time the element gives, if it is to be believed.
-- * created_at: a time for every element. It never runs backwards, and times that increase by
--   themselves stay as they are: the latest so far, each reduced by its place in microseconds, plus
--   its own place. Before the first time given, it counts down from that; without any, up from when
--   the conversation began.
-- * began_at is not believed where it has no end, or is so late that nothing can come after it.
-- * from live_from on an element without a time was written just now.
create function private.read_elements(
    document jsonb, began_at timestamptz, live_from integer default null
) returns table (
    ordinal integer,
    element jsonb,
    reason text,
    own_id uuid,
    said_at timestamptz,
    created_at timestamptz
)
language sql stable set search_path = ''
as $$
    with elements as (
        select e.ordinality::integer as ordinal, e.value as element
        from jsonb_array_elements(
            case when jsonb_typeof(document) = 'array' then document else '[]' end
        ) with ordinality e
        union all
        select 0, document
        where jsonb_typeof(document) is distinct from 'array'
    ), judged as (
        select
            e.ordinal,
            e.element,
            case
                when e.element is null then 'document is null'
                when e.ordinal = 0 then 'document is no array'
                when jsonb_typeof(e.element) <> 'object' then 'element is no object'
                when not e.element ? 'role' then 'role is missing'
                when jsonb_typeof(e.element -> 'role') <> 'string'
                    or e.element ->> 'role' not in ('user', 'assistant', 'system')
                    then 'role is unknown'
                when not e.element ? 'content' then 'content is missing'
                when jsonb_typeof(e.element -> 'content') = 'null' then 'content is null'
                when jsonb_typeof(e.element -> 'content') <> 'string' then 'content is no text'
            end as reason,
            case
                when e.element ->> 'id' ~*
                    '^[0-9a-f]{8}-[0-9a-f]{4}-[0-46-9a-f][0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$'
                    then (e.element ->> 'id')::uuid
            end as own_id,
            coalesce(
                private.read_time(e.element -> 'timestamp'),
                private.read_time(e.element -> 'created_at')
            ) as said_at
        from elements e
    ), timed as (
        select
            j.*,
            j.said_at - j.ordinal * interval '1 microsecond' as said_start,
            case when j.ordinal >= live_from then now() - j.ordinal * interval '1 microsecond' end
                as live_start
        from judged j
    )
    select
        t.ordinal,
        t.element,
        t.reason,
        t.own_id,
        t.said_at,
        coalesce(
            max(coalesce(t.said_start, t.live_start)) over (order by t.ordinal),
            first_value(t.said_start) over (order by t.said_start is null, t.ordinal),
            case
                when isfinite(began_at) and began_at < '294276-01-01T00:00:00Z' then began_at
            end,
            'epoch'
        ) + t.ordinal * interval '1 microsecond'
    from timed t
    order by t.ordinal
$$;


-- Writing a whole array into the rows of a conversation, merging by place: an element that is still
-- the same keeps its row; one that changed keeps the row's id unless it names another one of this
-- conversation; what was appended is inserted, what is gone is deleted.

create type private.planned_message as (
    ordinal integer,
    is_kept boolean,
    reason text,
    id uuid,
    element jsonb,
    created_at timestamptz
);

-- NOTE: an id which the client chose is taken over only where this conversation has it already.
-- Whether it is free elsewhere is not the caller's to learn; it stays in metadata.legacy.
create function private.plan_messages(
    conversation uuid, began_at timestamptz, document jsonb, live_from integer
) returns setof private.planned_message
language sql stable set search_path = ''
as $$
    with present as (
        select
            p.ordinal,
            row_number() over (order by p.ordinal) as place,
            p.id,
            p.element,
            p.created_at
        from (
            select
                m.ordinal,
                m.id,
                private.message_element(m.id, m.role, m.content, m.metadata, m.created_at)
                    as element,
                m.created_at
            from public.messages m
            where m.conversation_id = conversation
            union all
            select r.ordinal, null, r.element, null
            from public.message_rejects r
            where r.conversation_id = conversation
        ) p
    ), placed as (
        select
            case
                when e.ordinal = 0 then 0
                else coalesce(p.ordinal, last.ordinal + e.ordinal - last.place)
            end::integer as ordinal,
            coalesce(p.element::text = e.element::text, false) as is_kept,
            case when p.element::text = e.element::text and p.id is not null then null
                else e.reason
            end as reason,
            p.id as present_id,
            case
                when e.reason is null
                    and count(*) over (partition by e.own_id) = 1
                    and e.own_id in (select q.id from present q)
                    then e.own_id
            end as own_id,
            e.element,
            case when e.said_at is null then coalesce(p.created_at, e.created_at)
                else e.created_at
            end as created_at
        from private.read_elements(document, began_at, live_from) e
        left join present p on p.place = e.ordinal
        cross join (
            select coalesce(max(q.ordinal), 0) as ordinal, count(*) as place from present q
        ) last
    )
    select
        w.ordinal,
        w.is_kept,
        w.reason,
        case
            when w.reason is not null then null
            when w.is_kept then w.present_id
            when w.own_id is not null then w.own_id
            when w.present_id is not null
                and w.present_id not in (select o.own_id from placed o where o.own_id is not null)
                then w.present_id
            when derived.id not in (select q.id from present q where q.id is not null)
                then derived.id
            else gen_random_uuid()
        end,
        w.element,
        w.created_at
    from placed w
    cross join lateral (
        select extensions.uuid_generate_v5(conversation, w.ordinal::text) as id
    ) derived
$$;

-- The caller holds the lock on the conversation's row, so two writers of one array take turns.
create function private.write_messages(
    conversation uuid, tenant uuid, began_at timestamptz, document jsonb, document_before jsonb
) returns void
language plpgsql volatile set search_path = ''
as $$
declare
    live_from constant integer := 1 + case jsonb_typeof(document_before)
        when 'array' then jsonb_array_length(document_before)
        else 0
    end;
    plan private.planned_message[];
begin
    -- Merging needs rows in places of their own. Where there are none, as after a document that was
    -- no array, all is written anew.
    if (
        select count(*) <> count(distinct p.ordinal) or min(p.ordinal) = 0
        from (
            select m.ordinal from public.messages m where m.conversation_id = conversation
            union all
            select r.ordinal from public.message_rejects r where r.conversation_id = conversation
        ) p
    ) then
        delete from public.messages m where m.conversation_id = conversation;
        delete from public.message_rejects r where r.conversation_id = conversation;
    end if;

    plan := array(
        select p from private.plan_messages(conversation, began_at, document, live_from) p
    );

    delete from public.messages m
    where m.conversation_id = conversation
    and not exists (
        select
        from unnest(plan) p
        where p.ordinal = m.ordinal
        and p.id = m.id
    );

    delete from public.message_rejects r
    where r.conversation_id = conversation
    and not exists (
        select
        from unnest(plan) p
        where p.ordinal = r.ordinal
        and p.reason is not null
        and p.is_kept
    );

    insert into public.messages as m (
        id, conversation_id, tenant_id, ordinal, role, content, metadata, created_at
    )
    select
        p.id,
        conversation,
        tenant,
        p.ordinal,
        p.element ->> 'role',
        p.element ->> 'content',
        private.message_metadata(p.id, p.element, p.created_at),
        p.created_at
    from unnest(plan) p
    where p.reason is null
    and not p.is_kept
    on conflict (conversation_id, ordinal) do update set
        role = excluded.role,
        content = excluded.content,
        metadata = excluded.metadata,
        created_at = excluded.created_at;

    insert into public.message_rejects (conversation_id, tenant_id, ordinal, reason, element)
    select conversation, tenant, p.ordinal, p.reason, p.element
    from unnest(plan) p
    where p.reason is not null
    and not p.is_kept;
end
$$;

-- While the array is the truth, whoever writes it writes the rows and needs no right on them: hence
-- the definer. Deletes are carried too, since there is no foreign key yet.
create function private.sync_messages() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
begin
    if tg_op = 'DELETE' then
        delete from public.messages m where m.conversation_id = old.id;
        delete from public.message_rejects r where r.conversation_id = old.id;
        return null;
    end if;

    if tg_op = 'INSERT' then
        perform private.write_messages(
            new.id, new.tenant_id, coalesce(new.created_at, new.updated_at), new.messages, null);
        return null;
    end if;

    if (new.id, new.tenant_id) is distinct from (old.id, old.tenant_id) then
        update public.messages m
        set conversation_id = new.id, tenant_id = new.tenant_id
        where m.conversation_id = old.id;
        update public.message_rejects r
        set conversation_id = new.id, tenant_id = new.tenant_id
        where r.conversation_id = old.id;
    end if;

    -- As text, since jsonb holds 1.0 and 1.00 to be equal and prints them differently.
    if new.messages::text is distinct from old.messages::text then
        perform private.write_messages(
            new.id, new.tenant_id, coalesce(new.created_at, new.updated_at),
            new.messages, old.messages);
    end if;
    return null;
end
$$;

create trigger sync_messages
    after insert or delete or update of id, tenant_id, messages on public.conversations
    for each row execute function private.sync_messages();

revoke all on function
    private.read_time(jsonb),
    private.message_element(uuid, text, text, jsonb, timestamptz),
    private.message_metadata(uuid, jsonb, timestamptz),
    private.read_elements(jsonb, timestamptz, integer),
    private.plan_messages(uuid, timestamptz, jsonb, integer),
    private.write_messages(uuid, uuid, timestamptz, jsonb, jsonb),
    private.sync_messages()
    from public, anon, authenticated, service_role;
revoke all on type private.planned_message from public, anon, authenticated, service_role;


comment on table public.messages is 'What was said in a conversation, one row per message.';
comment on column public.messages.id is
    'The id the element had, if it was a uuid and nobody else''s; else made from conversation and '
    'ordinal, so that moving the data twice makes it once.';
comment on column public.messages.conversation_id is 'The conversation it belongs to.';
comment on column public.messages.tenant_id is 'The tenant of that conversation.';
comment on column public.messages.ordinal is 'Its place in the conversation, from 1.';
comment on column public.messages.role is 'Who said it.';
comment on column public.messages.content is 'What was said; empty where nothing was.';
comment on column public.messages.metadata is
    'What the application wants to remember of it. `legacy` holds what an element of the old array '
    'had beyond these columns.';
comment on column public.messages.created_at is
    'When it was said. Order by ordinal, not by this: a time the element did not give was made up.';
comment on constraint ordinal_is_positive on public.messages is 'Messages count from one.';
comment on constraint role_is_known on public.messages is 'Three can speak.';
comment on constraint messages_conversation_id_ordinal_key on public.messages is
    'One message per place; also serves every look-up by conversation.';

comment on table public.message_rejects is
    'What the old arrays held and cannot be a message, so that nothing is lost.';
comment on column public.message_rejects.conversation_id is 'The conversation it belongs to.';
comment on column public.message_rejects.tenant_id is 'The tenant of that conversation.';
comment on column public.message_rejects.ordinal is
    'Its place among the messages; 0 where the whole document was no array.';
comment on column public.message_rejects.reason is 'Why it cannot be a message.';
comment on column public.message_rejects.element is
    'The element itself, or the whole document. NULL where the document was.';
comment on constraint ordinal_is_not_negative on public.message_rejects is
    'Elements count from one; 0 is the whole document.';
comment on constraint message_rejects_pkey on public.message_rejects is
    'One reject per place, so that moving the data twice makes it once.';
comment on constraint reason_is_known on public.message_rejects is 'One of the known reasons.';

comment on type private.planned_message is
    'One element of an array about to be written, and the row it goes to.';
comment on function private.read_time(jsonb) is
    'A time in strict ISO form with a zone, or in seconds or milliseconds since 1970; else NULL.';
comment on function private.message_element(uuid, text, text, jsonb, timestamptz) is
    'The element of the old array which a message stands for.';
comment on function private.message_metadata(uuid, jsonb, timestamptz) is
    'What a message must keep in metadata so that its element can be rebuilt to the letter.';
comment on function private.read_elements(jsonb, timestamptz, integer) is
    'The elements of an old array: place, parts and time of each, or why it is no message.';
comment on function private.plan_messages(uuid, timestamptz, jsonb, integer) is
    'Which row each element of an array goes to, compared with the rows that are there.';
comment on function private.write_messages(uuid, uuid, timestamptz, jsonb, jsonb) is
    'Makes the rows of a conversation say what the array says, with the rights of the caller.';
comment on function private.sync_messages() is
    'Carries a write of the array to the rows, while the array is the truth.';
comment on trigger sync_messages on public.conversations is
    'Keeps messages and rejects in step with the array until the cut over.';
