-- Views, and the query behind each.
select c.oid::bigint as view, pg_catalog.pg_get_viewdef(c.oid) as definition
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('v', 'm')
    and n.nspname not in ('pg_catalog', 'information_schema', 'leakproof')
order by 1
