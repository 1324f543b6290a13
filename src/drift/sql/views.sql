-- Views and materialized views.
select r.word as kind, r.title as key, r.nspname as schema, r.relname as name,
    'schema ' || pg_catalog.quote_ident(r.nspname) as parent,
    'pg_catalog.pg_class'::regclass::oid::bigint as class, r.oid::bigint as oid, 0 as sub,
    pg_catalog.concat_ws(
        ' ', 'create', r.word, r.title, 'with (' || options.text || ')', E'as\n' || source.text
    ) as create,
    pg_catalog.format('drop %s %s', r.word, r.title) as drop,
    pg_catalog.format('%s %s', r.word, r.title) as phrase, owner.name as owner,
    pg_catalog.json_build_array(
        pg_catalog.json_build_object('name', 'columns', 'value', columns.text),
        pg_catalog.json_build_object(
            'name', 'definition', 'value', source.text,
            'set', case r.relkind when 'v' then pg_catalog.concat_ws(
                ' ', 'create or replace view', r.title, 'with (' || options.text || ')',
                E'as\n' || source.text
            ) end,
            'covers', 'options'
        ),
        pg_catalog.json_build_object(
            'name', 'options', 'value', options.text,
            'set', pg_catalog.format('alter %s %s set (%s)', r.word, r.title, options.text),
            'clear', pg_catalog.format('alter %s %s reset (%s)', r.word, r.title, options.names),
            'is_cleared_first', true
        )
    ) as parts
from relations r
join roles owner on owner.oid = r.relowner
left join lateral (
    select pg_catalog.rtrim(pg_catalog.pg_get_viewdef(r.oid), ';') as text
) source on true
left join lateral (
    select pg_catalog.string_agg(
        pg_catalog.format('%I %s', a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod)),
        ', ' order by a.attnum
    ) as text
    from pg_catalog.pg_attribute a
    where a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped
) columns on true
left join lateral (
    select pg_catalog.string_agg(o.text, ', ' order by o.text) as text,
        pg_catalog.string_agg(pg_catalog.split_part(o.text, '=', 1), ', ' order by o.text) as names
    from pg_catalog.unnest(r.reloptions) as o (text)
) options on true
where r.relkind in ('v', 'm') and not r.is_platform
