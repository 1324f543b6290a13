-- Keys, foreign keys and checks, each with its columns in order.
select
    c.oid::bigint as oid,
    c.conname as name,
    c.conrelid::bigint as relation,
    c.contype::text as kind,
    coalesce((
        select json_agg(a.attname order by k.ordinal)
        from unnest(c.conkey) with ordinality as k (attnum, ordinal)
        join pg_catalog.pg_attribute a on a.attrelid = c.conrelid and a.attnum = k.attnum
    ), '[]'::json) as columns,
    nullif(c.confrelid, 0)::bigint as target,
    coalesce((
        select json_agg(a.attname order by k.ordinal)
        from unnest(c.confkey) with ordinality as k (attnum, ordinal)
        join pg_catalog.pg_attribute a on a.attrelid = c.confrelid and a.attnum = k.attnum
    ), '[]'::json) as target_columns,
    pg_catalog.pg_get_constraintdef(c.oid) as definition
from pg_catalog.pg_constraint c
join pg_catalog.pg_namespace n on n.oid = c.connamespace
where c.contype in ('p', 'u', 'f', 'c')
    and c.conrelid <> 0
    and n.nspname not in ('pg_catalog', 'information_schema', 'leakproof')
order by c.conrelid, c.contype, c.conname collate "C"
