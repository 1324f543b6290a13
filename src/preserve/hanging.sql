-- What hangs on a table and could go with something else that is dropped, an item a row: with the
-- columns that it is about, and the table it leads to.
select h.oid::bigint as oid, h.relation::bigint as relation, h.name, h.item,
    coalesce(h.columns, '{}') as columns, h.target::bigint as target
from (
    select c.oid, c.conrelid as relation, c.conname as name,
        pg_catalog.pg_get_constraintdef(c.oid) as item,
        (c.conkey::int[]) as columns, nullif(c.confrelid, 0) as target
    from pg_catalog.pg_constraint c
    where c.contype in ('f', 'x', 'c', 'u') and c.conparentid = 0 and c.conrelid <> 0
    union all
    select i.indexrelid, i.indrelid, c.relname, pg_catalog.regexp_replace(
        pg_catalog.pg_get_indexdef(i.indexrelid), '^.*? using ', 'unique index ', 'i'
    ), (i.indkey::int[]), null
    from pg_catalog.pg_index i
    join pg_catalog.pg_class c on c.oid = i.indexrelid
    where i.indisunique
        and not exists (
            select from pg_catalog.pg_constraint c where c.conindid = i.indexrelid
        )
    union all
    select t.oid, t.tgrelid, t.tgname, pg_catalog.regexp_replace(
        pg_catalog.pg_get_triggerdef(t.oid), '^create ', '', 'i'
    ), null, null
    from pg_catalog.pg_trigger t
    where not t.tgisinternal and t.tgparentid = 0
    union all
    -- A default is known by its column: an ALTER makes it anew.
    select a.attnum, d.adrelid, null, pg_catalog.concat(
        'default ', a.attname, ' ', pg_catalog.pg_get_expr(d.adbin, d.adrelid)
    ), array[a.attnum], null
    from pg_catalog.pg_attrdef d
    join pg_catalog.pg_attribute a on a.attrelid = d.adrelid and a.attnum = d.adnum
    where a.attgenerated = ''
) as h
join pg_catalog.pg_class c on c.oid = h.relation and c.relkind in ('r', 'p')
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    and n.nspname <> 'information_schema' and not pg_catalog.starts_with(n.nspname, 'pg_')
order by h.relation, h.item, h.oid
