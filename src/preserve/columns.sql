-- Every column of every table that has room for rows of its own, or that `leakproof.tables` names
-- by its oid or its name; system and bookkeeping schemas and what belongs to an extension aside.
-- A row's name is its primary key, or else the first unique index over columns that are never NULL.
select
    c.oid::bigint as table_oid,
    n.nspname as schema,
    c.relname as "table",
    a.attnum::int as attnum,
    a.attname as "column",
    pg_catalog.format_type(a.atttypid, a.atttypmod) as type,
    coalesce(a.attnum = any(key.attnums), false) as in_key,
    pg_catalog.pg_relation_size(c.oid) > 0 as has_pages
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
left join lateral (
    select i.indkey::int2[] as attnums
    from pg_catalog.pg_index i
    where i.indrelid = c.oid and i.indisunique and i.indisvalid and i.indpred is null
        and i.indexprs is null
        and not exists (
            select
            from pg_catalog.pg_attribute k
            where k.attrelid = c.oid and k.attnum = any(i.indkey) and not k.attnotnull
        )
    order by i.indisprimary desc, i.indexrelid
    limit 1
) as key on true
where c.relkind = 'r'
    and n.nspname not in ('pg_catalog', 'information_schema', 'leakproof')
    and not pg_catalog.starts_with(n.nspname, 'pg_')
    and (
        pg_catalog.pg_relation_size(c.oid) > 0
        or array[c.oid::text, pg_catalog.concat(n.nspname, '.', c.relname)]
            && pg_catalog.string_to_array(
                pg_catalog.current_setting('leakproof.tables', true), pg_catalog.chr(10)
            )
    )
    and not exists (
        select
        from pg_catalog.pg_depend d
        where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = c.oid and d.deptype = 'e'
    )
order by c.oid, a.attnum
