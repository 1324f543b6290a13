-- Enums, domains, composite types and ranges.
select 'type' as kind, t.title as key, t.nspname as schema, t.typname as name,
    'schema ' || pg_catalog.quote_ident(t.nspname) as parent,
    'pg_catalog.pg_type'::regclass::oid::bigint as class, t.oid::bigint as oid, 0 as sub,
    case t.typtype
        when 'e' then pg_catalog.format('create type %s as enum (%s)', t.title, labels.quoted)
        when 'c' then pg_catalog.format('create type %s as (%s)', t.title, attributes.text)
        when 'r' then pg_catalog.format('create type %s as range (%s)', t.title, span.text)
        else pg_catalog.concat_ws(
            ' ', 'create domain', t.title, 'as', base.text, 'default ' || t.typdefault,
            case when t.typnotnull then 'not null' end
        )
    end as create,
    pg_catalog.format('drop %s %s', t.word, t.title) as drop,
    pg_catalog.format('%s %s', t.word, t.title) as phrase, owner.name as owner,
    pg_catalog.json_build_array(
        pg_catalog.json_build_object(
            'name', 'definition',
            'value', case t.typtype
                when 'e' then 'enum'
                when 'c' then 'composite ' || attributes.text
                when 'r' then 'range ' || span.text
                else 'domain ' || base.text
            end
        ),
        pg_catalog.json_build_object(
            'name', 'default', 'value', case t.typtype when 'd' then t.typdefault end,
            'set', pg_catalog.format('alter domain %s set default %s', t.title, t.typdefault),
            'clear', pg_catalog.format('alter domain %s drop default', t.title)
        ),
        pg_catalog.json_build_object(
            'name', 'null',
            'value', case when t.typnotnull then 'not allowed' else 'allowed' end,
            'set', pg_catalog.format(
                'alter domain %s %s not null', t.title,
                case when t.typnotnull then 'set' else 'drop' end
            )
        )
    ) as parts,
    labels.list as labels
from (
    select y.*, s.nspname, pg_catalog.format('%I.%I', s.nspname, y.typname) as title,
        case y.typtype when 'd' then 'domain' else 'type' end as word
    from pg_catalog.pg_type y
    join schemas s on s.oid = y.typnamespace and not s.is_platform
    left join pg_catalog.pg_class c on c.oid = y.typrelid
    where (y.typtype in ('e', 'd', 'r') or y.typtype = 'c' and c.relkind = 'c')
        and not exists (
            select
            from members m
            where m.classid = 'pg_catalog.pg_type'::regclass and m.objid = y.oid
        )
) t
join roles owner on owner.oid = t.typowner
left join lateral (
    select pg_catalog.json_agg(e.enumlabel order by e.enumsortorder) as list,
        pg_catalog.string_agg(
            pg_catalog.quote_literal(e.enumlabel), ', ' order by e.enumsortorder
        ) as quoted
    from pg_catalog.pg_enum e
    where e.enumtypid = t.oid
) labels on true
left join lateral (
    select pg_catalog.string_agg(
        pg_catalog.format('%I %s', a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod)),
        ', ' order by a.attnum
    ) as text
    from pg_catalog.pg_attribute a
    where a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped
) attributes on true
left join lateral (
    select pg_catalog.concat_ws(
        ', ', 'subtype = ' || pg_catalog.format_type(g.rngsubtype, null),
        'canonical = ' || nullif(g.rngcanonical::oid, 0)::regproc::text,
        'subtype_diff = ' || nullif(g.rngsubdiff::oid, 0)::regproc::text
    ) as text
    from pg_catalog.pg_range g
    where g.rngtypid = t.oid
) span on true
left join lateral (
    select pg_catalog.format_type(nullif(t.typbasetype, 0), t.typtypmod) as text
) base on true
