-- The columns of a table in their order, and what else has a say in what is written to it.
select a.attname || ' ' || pg_catalog.format_type(a.atttypid, a.atttypmod)
from pg_catalog.pg_attribute a
where a.attrelid = pg_catalog.to_regclass(@table@) and a.attnum > 0 and not a.attisdropped
union all
select x.what
from pg_catalog.pg_class c
cross join lateral (
    select 'kind ' || c.relkind::text as what
    where c.relkind <> 'r'
    union all
    select 'policies'
    where c.relrowsecurity
    union all
    select 'trigger ' || t.tgname
    from pg_catalog.pg_trigger t
    where t.tgrelid = c.oid and not t.tgisinternal
    union all
    select 'rule ' || r.rulename
    from pg_catalog.pg_rewrite r
    where r.ev_class = c.oid
) as x
where c.oid = pg_catalog.to_regclass(@table@)
