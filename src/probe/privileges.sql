-- What each role may do with each relation and column, as the server itself would answer: nothing
-- where it may not use the schema.
select
    r.rolname as role,
    c.oid::bigint as relation,
    s.is_usable and pg_catalog.has_table_privilege(r.oid, c.oid, 'SELECT') as "select",
    s.is_usable and pg_catalog.has_table_privilege(r.oid, c.oid, 'INSERT') as "insert",
    s.is_usable and pg_catalog.has_table_privilege(r.oid, c.oid, 'UPDATE') as "update",
    s.is_usable and pg_catalog.has_table_privilege(r.oid, c.oid, 'DELETE') as "delete",
    s.is_usable and pg_catalog.has_table_privilege(r.oid, c.oid, 'TRUNCATE') as "truncate",
    coalesce((
        select pg_catalog.json_object_agg(a.attname, pg_catalog.json_build_object(
            'select', s.is_usable
                and pg_catalog.has_column_privilege(r.oid, c.oid, a.attnum, 'SELECT'),
            'insert', s.is_usable
                and pg_catalog.has_column_privilege(r.oid, c.oid, a.attnum, 'INSERT'),
            'update', s.is_usable
                and pg_catalog.has_column_privilege(r.oid, c.oid, a.attnum, 'UPDATE'),
            'settable', c.relkind <> 'v'
                or pg_catalog.pg_column_is_updatable(c.oid, a.attnum, true)
        ))
        from pg_catalog.pg_attribute a
        where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    ), '{}'::json) as columns,
    case
        when c.relkind in ('v', 'm') then pg_catalog.pg_relation_is_updatable(c.oid, true)
        else 28
    end as updatable
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
cross join pg_catalog.pg_roles r
cross join lateral (
    select pg_catalog.has_schema_privilege(r.oid, n.oid, 'USAGE') as is_usable
) as s
where c.relkind in ('r', 'p', 'v', 'm', 'f')
    and n.nspname in (
        select named.schema
        from pg_catalog.json_array_elements_text(@schemas@) as named (schema)
    )
    and r.rolname in (
        select named.role
        from pg_catalog.json_array_elements_text(@roles@) as named (role)
    )
