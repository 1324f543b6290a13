-- What each role may read in the exposed schemas: the relations, and the columns that it may name.
select
    role.name as role,
    c.oid::bigint as relation,
    n.nspname as schema,
    c.relname as name,
    c.relkind in ('r', 'p')
        and pg_catalog.has_table_privilege(role.name, c.oid, 'select') as is_placed,
    c.relkind in ('r', 'p') and not c.relrowsecurity as is_open,
    array(
        select a.attname
        from pg_catalog.pg_attribute a
        where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
            and pg_catalog.has_column_privilege(role.name, c.oid, a.attnum, 'select')
        order by a.attnum
    ) as columns,
    array(
        select a.attname
        from pg_catalog.pg_index i
        join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum = any(i.indkey)
        where i.indrelid = c.oid and i.indisprimary
        order by a.attnum
    ) as key
from pg_catalog.unnest(
    pg_catalog.string_to_array(pg_catalog.current_setting('leakproof.roles'), E'\n')
) as role (name)
join pg_catalog.pg_namespace n
    on n.nspname = any(
        pg_catalog.string_to_array(pg_catalog.current_setting('leakproof.schemas'), E'\n')
    )
    and pg_catalog.has_schema_privilege(role.name, n.oid, 'usage')
join pg_catalog.pg_class c
    on c.relnamespace = n.oid and c.relkind in ('r', 'p', 'v', 'm', 'f')
where pg_catalog.has_any_column_privilege(role.name, c.oid, 'select')
order by role.name, n.nspname, c.relname
