-- Every table that keeps rows, with its partitions as one; system and bookkeeping schemas aside.
-- Of the tables of an extension only those that it declares to hold a project's rows.
-- A row's name is its primary key, or else the first unique index over columns that are never NULL.
select
    c.oid::bigint as oid,
    n.nspname as schema,
    c.relname as name,
    c.relkind::text as kind,
    c.relpersistence = 'u' as is_unlogged,
    c.relispopulated as is_populated,
    nullif(x.condition, '') as condition,
    coalesce(key.numbers, '{}') as key,
    leaves.list as leaves,
    coalesce(columns.list, '[]') as columns
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
left join lateral (
    select d.objid as oid, x.condition
    from pg_catalog.pg_depend d
    join pg_catalog.pg_extension e on e.oid = d.refobjid
    left join lateral (
        select e.extcondition[i] as condition
        from pg_catalog.generate_subscripts(e.extconfig, 1) as i
        where e.extconfig[i] = d.objid
    ) as x on true
    where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = c.oid and d.objsubid = 0
        and d.deptype = 'e'
    limit 1
) as x on true
left join lateral (
    -- Without what an index only carries along.
    select (i.indkey::int2[])[0:i.indnkeyatts - 1] as numbers
    from pg_catalog.pg_index i
    where i.indrelid = c.oid and i.indisunique and i.indisvalid and i.indpred is null
        and i.indexprs is null
        and not exists (
            select
            from pg_catalog.pg_attribute k
            where k.attrelid = c.oid and not k.attnotnull
                and k.attnum = any((i.indkey::int2[])[0:i.indnkeyatts - 1])
        )
    order by i.indisprimary desc, i.indexrelid
    limit 1
) as key on true
cross join lateral (
    select coalesce(pg_catalog.json_agg(
        pg_catalog.json_build_object(
            'oid', l.oid::bigint,
            -- A partition that is a foreign table has none.
            'file', coalesce(pg_catalog.pg_relation_filenode(l.oid), 0)::bigint,
            'bytes', pg_catalog.pg_relation_size(l.oid),
            'bytes_with_long', pg_catalog.pg_table_size(l.oid),
            'written', pg_catalog.pg_stat_get_xact_tuples_updated(l.oid)
                + pg_catalog.pg_stat_get_xact_tuples_deleted(l.oid)
        ) order by l.oid
    ), '[]') as list
    from (
        select c.oid
        where c.relkind <> 'p'
        union all
        select p.relid::oid
        from pg_catalog.pg_partition_tree(c.oid) p
        where c.relkind = 'p' and p.isleaf and p.relid <> c.oid
    ) as l
) as leaves
left join lateral (
    select pg_catalog.json_agg(
        pg_catalog.json_build_object(
            'number', a.attnum,
            'name', a.attname,
            'type', pg_catalog.format_type(a.atttypid, a.atttypmod),
            'base', pg_catalog.format_type(b.oid, -1),
            'base_oid', b.oid::bigint,
            'is_written', a.attgenerated = '' and a.attidentity <> 'a',
            'is_generated', a.attgenerated <> '',
            'equality', case
                when b.oid = any('{text, varchar, bpchar, name, text[], varchar[]}'::regtype[])
                    then 'bytes'
                when b.oid = 'json'::regtype then 'json'
                when b.oid = any('{
                    bool, int2, int4, int8, float4, float8, numeric, uuid, date, time, timetz,
                    timestamp, timestamptz, bytea, jsonb, inet, cidr, macaddr, macaddr8, oid, bit,
                    varbit, money, regclass, regproc, regprocedure, regtype, regrole,
                    regnamespace, bool[], int2[], int4[], int8[], float4[], float8[], numeric[],
                    uuid[], date[], timestamp[], timestamptz[], jsonb[]
                }'::regtype[]) then 'own'
                else 'text'
            end
        ) order by a.attnum
    ) as list
    from pg_catalog.pg_attribute a
    join pg_catalog.pg_type t on t.oid = a.atttypid
    cross join lateral (
        select case when t.typtype <> 'd' then t.oid else (
            with recursive bases (oid, kind, base) as (
                select d.oid, d.typtype, d.typbasetype
                from pg_catalog.pg_type d
                where d.oid = t.typbasetype
                union all
                select d.oid, d.typtype, d.typbasetype
                from bases b
                join pg_catalog.pg_type d on d.oid = b.base
                where b.kind = 'd'
            )
            select bases.oid from bases where bases.kind <> 'd'
        ) end as oid
        -- Else it is worked out anew wherever it is used.
        offset 0
    ) as b
    where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated <> 'v'
) as columns on true
where c.relkind in ('r', 'p', 'm')
    and not c.relispartition
    and c.relpersistence <> 't'
    and n.nspname not in ('pg_catalog', 'information_schema', 'leakproof')
    and not pg_catalog.starts_with(n.nspname, 'pg_')
    and (x.oid is null or x.condition is not null)
    and :those
order by c.oid
