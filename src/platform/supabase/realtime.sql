-- Supabase's Realtime: the messages that clients send each other, on whose table a project puts its
-- policies; the functions that send one; and the publication it listens to for changes.

set role supabase_realtime_admin;

create table realtime.messages (
    topic text not null,
    extension text not null,
    payload jsonb,
    event text,
    private boolean default false,
    updated_at timestamp not null default now(),
    inserted_at timestamp not null default now(),
    id uuid not null default gen_random_uuid(),
    primary key (id, inserted_at)
) partition by range (inserted_at);

-- NOTE: the service makes a partition for each day; here one takes them all.
create table realtime.messages_default partition of realtime.messages default;

-- NOTE: no policy: who may join a channel is the project's to say.
alter table realtime.messages enable row level security;

grant all on realtime.messages to postgres, dashboard_user;
grant select, insert, update on realtime.messages to anon, authenticated, service_role;

create function realtime.topic() returns text language sql stable
as $$
    select nullif(current_setting('realtime.topic', true), '')
$$;
comment on function realtime.topic() is 'The channel that a policy is asked about.';

reset role;
set role supabase_admin;

create function realtime.send(
    payload jsonb,
    event text,
    topic text,
    private boolean default true
) returns void language plpgsql
as $$
begin
    perform set_config('realtime.topic', topic, true);
    insert into realtime.messages (payload, event, topic, private, extension)
    values (payload, event, topic, private, 'broadcast');
exception
    -- A message that cannot be sent does not stop who sends it.
    when others then raise warning 'realtime.send: %', sqlerrm;
end
$$;

create function realtime.broadcast_changes(
    topic_name text,
    event_name text,
    operation text,
    table_name text,
    table_schema text,
    new record,
    old record,
    level text default 'ROW'
) returns void language plpgsql
as $$
begin
    if level = 'STATEMENT' then
        raise exception 'realtime.broadcast_changes can only be called for each row';
    end if;
    perform realtime.send(
        jsonb_build_object(
            'schema', table_schema,
            'table', table_name,
            'operation', operation,
            'record', to_jsonb(new),
            'old_record', to_jsonb(old)
        ),
        event_name,
        topic_name
    );
end
$$;

reset role;

-- It is postgres's, so that a migration may add its tables.
-- NOTE: it starts empty, as on Supabase: a table is published only where a migration says so.
create publication supabase_realtime;
alter publication supabase_realtime owner to postgres;
comment on publication supabase_realtime is 'Tables whose changes Realtime sends to subscribers.';
