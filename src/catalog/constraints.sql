-- Keys, foreign keys and checks, each with its columns in order.
with recursive domains as (
    select t.oid as domain, t.oid as below, t.typbasetype as base
    from pg_catalog.pg_type t
    where t.typtype = 'd'
    union all
    select d.domain, t.oid, t.typbasetype
    from domains d
    join pg_catalog.pg_type t on t.oid = d.base
    where t.typtype = 'd'
)
select
    c.oid::bigint as oid,
    c.conname::text collate "C" as name,
    c.conrelid::bigint as relation,
    c.contype::text as kind,
    coalesce((
        select pg_catalog.json_agg(a.attname order by k.ordinal)
        from pg_catalog.unnest(c.conkey) with ordinality as k (attnum, ordinal)
        join pg_catalog.pg_attribute a on a.attrelid = c.conrelid and a.attnum = k.attnum
    ), '[]'::json) as columns,
    nullif(c.confrelid, 0)::bigint as target,
    coalesce((
        select pg_catalog.json_agg(a.attname order by k.ordinal)
        from pg_catalog.unnest(c.confkey) with ordinality as k (attnum, ordinal)
        join pg_catalog.pg_attribute a on a.attrelid = c.confrelid and a.attnum = k.attnum
    ), '[]'::json) as target_columns,
    pg_catalog.pg_get_constraintdef(c.oid) as definition,
    pg_catalog.pg_get_expr(c.conbin, c.conrelid) as expression,
    c.condeferrable as is_deferrable,
    c.confmatchtype = 'f' as is_full
from pg_catalog.pg_constraint c
join pg_catalog.pg_namespace n on n.oid = c.connamespace
where c.contype in ('p', 'u', 'f', 'c')
    and c.conrelid <> 0
    and n.nspname not in ('pg_catalog', 'information_schema', 'leakproof')
union all
-- The checks of a domain, and of those below it, hold for each column of it.
select
    c.oid::bigint,
    c.conname::text collate "C",
    a.attrelid::bigint,
    'c',
    pg_catalog.json_build_array(a.attname),
    null,
    '[]'::json,
    pg_catalog.pg_get_constraintdef(c.oid),
    null,
    false,
    false
from pg_catalog.pg_constraint c
join domains d on d.below = c.contypid
join pg_catalog.pg_attribute a on a.atttypid = d.domain
join pg_catalog.pg_class r on r.oid = a.attrelid
where c.contype = 'c'
    and c.contypid <> 0
    and r.relkind in ('r', 'p')
    and not a.attisdropped
order by 3, 4, 2
