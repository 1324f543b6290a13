-- Every column of every table that holds rows of its own, system and bookkeeping schemas aside.
select
    c.oid::bigint as table_oid,
    n.nspname as schema,
    c.relname as "table",
    a.attnum::int as attnum,
    a.attname as "column"
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
where c.relkind = 'r'
    and n.nspname not in ('pg_catalog', 'information_schema', 'leakproof')
    and n.nspname not like 'pg\_%'
order by c.oid, a.attnum
