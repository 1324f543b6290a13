-- Sequences, but for those of identity columns, which are the column's.
select 'sequence' as kind, q.title as key, q.nspname as schema, q.relname as name,
    coalesce(
        'column ' || q.owned_by_title, 'schema ' || pg_catalog.quote_ident(q.nspname)
    ) as parent,
    q.owned_by is not null as is_in_parent,
    'pg_catalog.pg_class'::regclass::oid::bigint as class, q.oid::bigint as oid, 0 as sub,
    pg_catalog.format('create sequence %s as %s %s', q.title, q.type, q.options) as create,
    'drop sequence ' || q.title as drop, 'sequence ' || q.title as phrase, owner.name as owner,
    pg_catalog.json_build_array(
        pg_catalog.json_build_object(
            'name', 'options', 'value', q.type || ' ' || q.options,
            'set', pg_catalog.format('alter sequence %s as %s %s', q.title, q.type, q.options)
        ),
        pg_catalog.json_build_object(
            'name', 'owning column', 'value', q.owned_by_title,
            'set', pg_catalog.format('alter sequence %s owned by %s', q.title, q.owned_by_title),
            'clear', pg_catalog.format('alter sequence %s owned by none', q.title),
            'is_after', q.owned_by is not null
        )
    ) as parts
from sequences q
join roles owner on owner.oid = q.relowner
where not q.is_platform and q.deptype is distinct from 'i'
