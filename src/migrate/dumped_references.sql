-- The foreign keys of these tables that have to hold, and what each refers to.
select k.conname as name, k.conrelid::bigint as child, k.confrelid::bigint as parent,
    n.nspname as schema, c.relname as table, pn.nspname as parent_schema, p.relname as parent_table,
    (
        select pg_catalog.json_agg(pg_catalog.json_build_array(a.attname, pa.attname) order by u.at)
        from rows from (pg_catalog.unnest(k.conkey), pg_catalog.unnest(k.confkey))
                with ordinality as u (own, other, at)
            join pg_catalog.pg_attribute a on a.attrelid = k.conrelid and a.attnum = u.own
            join pg_catalog.pg_attribute pa on pa.attrelid = k.confrelid and pa.attnum = u.other
    ) as columns
from pg_catalog.pg_constraint k
    join pg_catalog.pg_class c on c.oid = k.conrelid
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    join pg_catalog.pg_class p on p.oid = k.confrelid
    join pg_catalog.pg_namespace pn on pn.oid = p.relnamespace
where k.contype = 'f' and k.convalidated and k.conrelid = any (@tables@::oid[])
order by n.nspname, c.relname, k.conname
