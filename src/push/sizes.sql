-- How large relations are, as the statistics have it: asking for the files would wait for who has
-- locked them.
select n.nspname::text as schema, c.relname::text as name,
    (
        (c.relpages + coalesce(t.relpages, 0))::bigint
        * pg_catalog.current_setting('block_size')::bigint
    )::bigint as bytes,
    greatest(c.reltuples, 0)::bigint as rows
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
left join pg_catalog.pg_class t on t.oid = c.reltoastrelid
where c.relkind in ('r', 'm') and c.relpages > 0
    and n.nspname <> 'information_schema' and not pg_catalog.starts_with(n.nspname, 'pg_')
