-- Constraints of tables and domains, but for those that come with a parent. NOT NULL, which is one
-- since PostgreSQL 18, is the column's.
select 'constraint' as kind, pg_catalog.format('%I on %s', c.conname, o.title) as key,
    o.nspname as schema, o.name, pg_catalog.format('%s %s', o.kind, o.title) as parent,
    'pg_catalog.pg_constraint'::regclass::oid::bigint as class, c.oid::bigint as oid, 0 as sub,
    pg_catalog.format(
        'alter %s %s add constraint %I %s', o.word, o.title, c.conname,
        pg_catalog.pg_get_constraintdef(c.oid)
    ) as create,
    pg_catalog.format('alter %s %s drop constraint %I', o.word, o.title, c.conname) as drop,
    pg_catalog.format(
        'constraint %I on %s%s', c.conname, case o.word when 'domain' then 'domain ' else '' end,
        o.title
    ) as phrase,
    c.conname as own_name,
    pg_catalog.format('alter %s %s rename constraint %I to ', o.word, o.title, c.conname) as rename,
    pg_catalog.json_build_array(
        pg_catalog.json_build_object(
            'name', 'definition',
            'value', pg_catalog.regexp_replace(
                pg_catalog.pg_get_constraintdef(c.oid), ' NOT VALID$', ''
            )
        ),
        pg_catalog.json_build_object(
            'name', 'validation', 'value', case when c.convalidated then 'done' else 'not done' end,
            'set', case when c.convalidated then pg_catalog.format(
                'alter %s %s validate constraint %I', o.word, o.title, c.conname
            ) end
        )
    ) as parts
from pg_catalog.pg_constraint c
join (
    select r.oid, 0::oid as type, r.title, r.nspname, r.relname as name, 'table' as kind,
        'table' as word
    from relations r
    where r.relkind in ('r', 'p') and not r.is_platform
    union all
    select 0, t.oid, pg_catalog.format('%I.%I', s.nspname, t.typname), s.nspname, t.typname, 'type',
        'domain'
    from pg_catalog.pg_type t
    join schemas s on s.oid = t.typnamespace and not s.is_platform
    where t.typtype = 'd'
) o on (o.oid, o.type) = (c.conrelid, c.contypid)
where c.contype in ('c', 'p', 'u', 'f', 'x') and c.conparentid = 0
    and (c.conislocal or c.coninhcount = 0)
