-- Queues, each a table with an archive beside it. They work; only what is fast is not.

create type @extschema@.message_record as (
    msg_id bigint,
    read_ct integer,
    enqueued_at timestamptz,
    vt timestamptz,
    message jsonb
);
create type @extschema@.queue_record as (
    queue_name varchar,
    is_partitioned boolean,
    is_unlogged boolean,
    created_at timestamptz
);

create table @extschema@.meta (
    queue_name varchar unique not null,
    is_partitioned boolean not null,
    is_unlogged boolean not null,
    created_at timestamptz not null default now()
);

create function @extschema@.create(queue_name text) returns void language plpgsql
as $$
begin
    execute format(
        'create table if not exists @extschema@.%I (
            msg_id bigint generated always as identity primary key,
            read_ct integer not null default 0,
            enqueued_at timestamptz not null default now(),
            vt timestamptz not null,
            message jsonb
        )', 'q_' || lower(queue_name)
    );
    execute format(
        'create table if not exists @extschema@.%I (
            msg_id bigint primary key,
            read_ct integer not null default 0,
            enqueued_at timestamptz not null default now(),
            archived_at timestamptz not null default now(),
            vt timestamptz not null,
            message jsonb
        )', 'a_' || lower(queue_name)
    );
    insert into @extschema@.meta (queue_name, is_partitioned, is_unlogged)
    values (queue_name, false, false)
    on conflict do nothing;
end
$$;

create function @extschema@.create_non_partitioned(queue_name text) returns void language sql
as $$
    select @extschema@.create(queue_name)
$$;

create function @extschema@.create_unlogged(queue_name text) returns void language sql
as $$
    select @extschema@.create(queue_name)
$$;

create function @extschema@.create_partitioned(
    queue_name text,
    partition_interval text default '10000',
    retention_interval text default '100000'
) returns void language sql
as $$
    select @extschema@.create(queue_name)
$$;

create function @extschema@.drop_queue(queue_name text, partitioned boolean default false)
returns boolean language plpgsql
as $$
begin
    execute format('drop table if exists @extschema@.%I', 'q_' || lower(queue_name));
    execute format('drop table if exists @extschema@.%I', 'a_' || lower(queue_name));
    delete from @extschema@.meta m where m.queue_name = drop_queue.queue_name;
    return found;
end
$$;

create function @extschema@.list_queues() returns setof @extschema@.queue_record language sql
as $$
    select queue_name, is_partitioned, is_unlogged, created_at from @extschema@.meta
$$;

create function @extschema@.send(queue_name text, msg jsonb, delay integer default 0)
returns setof bigint language plpgsql
as $$
begin
    return query execute format(
        'insert into @extschema@.%I (vt, message)
        values (clock_timestamp() + make_interval(secs => $2), $1)
        returning msg_id', 'q_' || lower(queue_name)
    ) using msg, delay;
end
$$;

create function @extschema@.send_batch(queue_name text, msgs jsonb[], delay integer default 0)
returns setof bigint language sql
as $$
    select @extschema@.send(queue_name, m, delay) from unnest(msgs) as m
$$;

create function @extschema@.read(
    queue_name text,
    vt integer,
    qty integer,
    conditional jsonb default '{}'
) returns setof @extschema@.message_record language plpgsql
as $$
begin
    return query execute format(
        'update @extschema@.%1$I q
        set vt = clock_timestamp() + make_interval(secs => $1), read_ct = q.read_ct + 1
        where q.msg_id in (
            select m.msg_id
            from @extschema@.%1$I m
            where m.vt <= clock_timestamp()
            and m.message @> $3
            order by m.msg_id
            limit $2
            for update skip locked
        )
        returning q.msg_id, q.read_ct, q.enqueued_at, q.vt, q.message', 'q_' || lower(queue_name)
    ) using vt, qty, conditional;
end
$$;

create function @extschema@.pop(queue_name text) returns setof @extschema@.message_record
language plpgsql
as $$
begin
    return query execute format(
        'delete from @extschema@.%1$I q
        where q.msg_id = (
            select m.msg_id
            from @extschema@.%1$I m
            where m.vt <= clock_timestamp()
            order by m.msg_id
            limit 1
            for update skip locked
        )
        returning q.msg_id, q.read_ct, q.enqueued_at, q.vt, q.message', 'q_' || lower(queue_name)
    );
end
$$;

create function @extschema@.delete(queue_name text, msg_id bigint) returns boolean
language plpgsql
as $$
declare
    reached integer;
begin
    execute format('delete from @extschema@.%I q where q.msg_id = $1', 'q_' || lower(queue_name))
        using msg_id;
    get diagnostics reached = row_count;
    return reached > 0;
end
$$;

create function @extschema@.delete(queue_name text, msg_ids bigint[]) returns setof bigint
language sql
as $$
    select id from unnest(msg_ids) as id where @extschema@.delete(queue_name, id)
$$;

create function @extschema@.archive(queue_name text, msg_id bigint) returns boolean
language plpgsql
as $$
declare
    reached integer;
begin
    execute format(
        'with gone as (
            delete from @extschema@.%I q
            where q.msg_id = $1
            returning q.msg_id, q.read_ct, q.enqueued_at, q.vt, q.message
        )
        insert into @extschema@.%I (msg_id, read_ct, enqueued_at, vt, message)
        select * from gone', 'q_' || lower(queue_name), 'a_' || lower(queue_name)
    ) using msg_id;
    get diagnostics reached = row_count;
    return reached > 0;
end
$$;

create function @extschema@.archive(queue_name text, msg_ids bigint[]) returns setof bigint
language sql
as $$
    select id from unnest(msg_ids) as id where @extschema@.archive(queue_name, id)
$$;

create function @extschema@.set_vt(queue_name text, msg_id bigint, vt integer)
returns setof @extschema@.message_record language plpgsql
as $$
begin
    return query execute format(
        'update @extschema@.%I q
        set vt = clock_timestamp() + make_interval(secs => $2)
        where q.msg_id = $1
        returning q.msg_id, q.read_ct, q.enqueued_at, q.vt, q.message', 'q_' || lower(queue_name)
    ) using msg_id, vt;
end
$$;

create function @extschema@.purge_queue(queue_name text) returns bigint language plpgsql
as $$
declare
    reached bigint;
begin
    execute format('delete from @extschema@.%I', 'q_' || lower(queue_name));
    get diagnostics reached = row_count;
    return reached;
end
$$;

grant all on schema @extschema@ to @owner@ with grant option;
grant all on @extschema@.meta to @owner@ with grant option;
