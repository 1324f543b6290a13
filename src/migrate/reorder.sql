-- For each table with rows, a statement that writes them anew from the last to the first, so that
-- they are read in another order where nothing asks for one.
select pg_catalog.format(
    'update only %1$I.%2$I as t set %3$I = t.%3$I '
    'from (select s.ctid as place from only %1$I.%2$I as s order by s.ctid desc) as o '
    'where t.ctid = o.place',
    n.nspname, c.relname, a.attname
)
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
cross join lateral (
    select a.attname
    from pg_catalog.pg_attribute a
    where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        and a.attgenerated = '' and a.attidentity <> 'a'
    order by a.attnum
    limit 1
) as a
where c.relkind = 'r'
    and c.relpersistence <> 't'
    and pg_catalog.pg_relation_size(c.oid) > 0
    and n.nspname not in ('pg_catalog', 'information_schema', 'leakproof')
    and not pg_catalog.starts_with(n.nspname, 'pg_')
order by c.oid
