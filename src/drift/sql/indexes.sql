-- Indexes, but for those of constraints and of partitions, which come with what they belong to.
select 'index' as kind, r.title as key, owning.nspname as schema, owning.relname as name,
    pg_catalog.format('%s %s', owning.word, owning.title) as parent,
    'pg_catalog.pg_class'::regclass::oid::bigint as class, r.oid::bigint as oid, 0 as sub,
    pg_catalog.pg_get_indexdef(r.oid) as create, 'drop index ' || r.title as drop,
    'index ' || r.title as phrase, r.relname as own_name,
    pg_catalog.format('alter index %s rename to ', r.title) as rename,
    pg_catalog.json_build_array(
        pg_catalog.json_build_object(
            'name', 'definition', 'value', pg_catalog.replace(
                pg_catalog.pg_get_indexdef(r.oid),
                ' INDEX ' || pg_catalog.quote_ident(r.relname) || ' ON ', ' INDEX ON '
            )
        ),
        pg_catalog.json_build_object(
            'name', 'state', 'value', case when i.indisvalid then 'valid' else 'INVALID' end,
            'set', 'reindex index ' || r.title
        )
    ) as parts
from relations r
join pg_catalog.pg_index i on i.indexrelid = r.oid
join relations owning on owning.oid = i.indrelid
where not owning.is_platform and owning.relpersistence <> 't'
    and not exists (select from pg_catalog.pg_constraint c where c.conindid = r.oid
        and c.contype in ('p', 'u', 'x'))
    and not exists (select from pg_catalog.pg_inherits h where h.inhrelid = r.oid)
