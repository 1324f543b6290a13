-- The table that rows of a dump are for: what of it can be loaded, as who asks.
select c.oid::bigint as oid, n.nspname as schema, c.relname as name,
    c.relkind in ('r', 'p') as is_table,
    pg_catalog.has_table_privilege(c.oid, 'insert') as may_insert,
    pg_catalog.row_security_active(c.oid) as is_bound,
    coalesce((
        select pg_catalog.json_agg(pg_catalog.json_build_object(
            'name', a.attname,
            'type_name', pg_catalog.format_type(a.atttypid, a.atttypmod),
            'is_generated', a.attgenerated <> ''
        ) order by a.attnum)
        from pg_catalog.pg_attribute a
        where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    ), '[]'::json) as columns
from pg_catalog.pg_class c
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.oid = pg_catalog.to_regclass(@name@)
