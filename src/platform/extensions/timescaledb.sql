-- NOTE: a hypertable is an ordinary table here; policies on its chunks are not kept.

create function @extschema@.create_hypertable(
    relation regclass,
    time_column_name name,
    partitioning_column name default null,
    number_partitions integer default null,
    associated_schema_name name default null,
    associated_table_prefix name default null,
    chunk_time_interval anyelement default null::bigint,
    create_default_indexes boolean default true,
    if_not_exists boolean default false,
    partitioning_func regproc default null,
    migrate_data boolean default false
) returns table (
    hypertable_id integer,
    schema_name name,
    table_name name,
    created boolean
) language sql
as $$
    select 1, n.nspname, c.relname, true
    from pg_catalog.pg_class c
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where c.oid = relation
$$;

create function @extschema@.add_retention_policy(
    relation regclass,
    drop_after anyelement,
    if_not_exists boolean default false
) returns integer language sql
as $$
    select 1
$$;

create function @extschema@.add_compression_policy(
    hypertable regclass,
    compress_after anyelement,
    if_not_exists boolean default false
) returns integer language sql
as $$
    select 1
$$;

create function @extschema@.time_bucket(bucket_width interval, ts timestamptz)
returns timestamptz language sql immutable strict parallel safe
as $$
    select date_bin(bucket_width, ts, timestamptz '2000-01-03 00:00:00+00')
$$;

create function @extschema@.time_bucket(bucket_width interval, ts timestamp)
returns timestamp language sql immutable strict parallel safe
as $$
    select date_bin(bucket_width, ts, timestamp '2000-01-03 00:00:00')
$$;

create function @extschema@.time_bucket(bucket_width interval, ts date)
returns date language sql immutable strict parallel safe
as $$
    select date_bin(bucket_width, ts::timestamp, timestamp '2000-01-03 00:00:00')::date
$$;
