-- Which columns of which relations a view reads, from its rewrite rule.
select distinct
    r.ev_class::bigint as view,
    d.refobjid::bigint as source,
    a.attname as column
from pg_catalog.pg_rewrite r
join pg_catalog.pg_depend d
    on d.classid = 'pg_catalog.pg_rewrite'::regclass
    and d.objid = r.oid
    and d.refclassid = 'pg_catalog.pg_class'::regclass
    and d.refobjsubid > 0
    and d.refobjid <> r.ev_class
join pg_catalog.pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
join pg_catalog.pg_class c on c.oid = r.ev_class
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where n.nspname not in ('pg_catalog', 'information_schema', 'leakproof')
order by 1, 2, 3
