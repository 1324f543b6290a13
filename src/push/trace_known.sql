-- The relations that people make, with their files; of an index, the table that it is on.
select c.oid::bigint as oid, n.nspname::text as schema, c.relname::text as name,
    i.indrelid::bigint as index_of, c.relkind in ('r', 'm') as has_rows,
    pg_catalog.pg_relation_filenode(c.oid)::bigint as file
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
left join pg_catalog.pg_index i on i.indexrelid = c.oid
where c.relkind in ('r', 'p', 'm', 'v', 'f', 'i', 'I')
    and n.nspname not in ('information_schema', 'leakproof')
    and not pg_catalog.starts_with(n.nspname, 'pg_')
