-- Tables, with what is theirs as a whole.
select 'table' as kind, r.title as key, r.nspname as schema, r.relname as name,
    'schema ' || pg_catalog.quote_ident(r.nspname) as parent,
    'pg_catalog.pg_class'::regclass::oid::bigint as class, r.oid::bigint as oid, 0 as sub,
    pg_catalog.concat_ws(
        '; ',
        (
            select pg_catalog.string_agg(c.create_serial, '; ' order by c.attnum)
            from columns c
            where c.attrelid = r.oid and c.serial is not null
        ),
        pg_catalog.concat_ws(
            ' ', 'create', case r.relpersistence when 'u' then 'unlogged' end, 'table', r.title,
            case
                when r.relispartition then pg_catalog.concat_ws(
                    ' ', 'partition of', parents.titles,
                    pg_catalog.pg_get_expr(r.relpartbound, r.oid)
                )
                else '(' || coalesce((
                    select pg_catalog.string_agg(
                        E'\n    ' || c.definition, ',' order by c.attnum
                    ) || E'\n'
                    from columns_as_written c
                    where c.attrelid = r.oid and c.is_own
                ), '') || ')'
            end,
            case when not r.relispartition then 'inherits (' || parents.titles || ')' end,
            'partition by ' || pg_catalog.pg_get_partkeydef(r.oid),
            'with (' || options.text || ')'
        ),
        (
            select pg_catalog.string_agg(
                pg_catalog.format(
                    'alter sequence %s owned by %s.%s', c.serial, r.title, c.quoted
                ), '; ' order by c.attnum
            )
            from columns c
            where c.attrelid = r.oid and c.serial is not null
        )
    ) as create,
    'drop table ' || r.title as drop,
    'table ' || r.title as phrase, owner.name as owner, true as holds_rows,
    pg_catalog.json_build_array(
        pg_catalog.json_build_object(
            'name', 'row level security',
            'value', case when r.relrowsecurity then 'enabled' else 'disabled' end,
            'set', pg_catalog.format(
                'alter table %s %s row level security', r.title,
                case when r.relrowsecurity then 'enable' else 'disable' end
            ),
            'is_after', r.relrowsecurity
        ),
        pg_catalog.json_build_object(
            'name', 'row level security of its owner',
            'value', case when r.relforcerowsecurity then 'forced' else 'not forced' end,
            'set', pg_catalog.format(
                'alter table %s %s row level security', r.title,
                case when r.relforcerowsecurity then 'force' else 'no force' end
            ),
            'is_after', r.relforcerowsecurity
        ),
        pg_catalog.json_build_object(
            'name', 'persistence',
            'value', case r.relpersistence when 'u' then 'unlogged' else 'logged' end,
            'set', pg_catalog.format(
                'alter table %s set %s', r.title,
                case r.relpersistence when 'u' then 'unlogged' else 'logged' end
            )
        ),
        pg_catalog.json_build_object(
            'name', 'storage parameters', 'value', options.text,
            'set', 'alter table ' || r.title || ' set (' || options.text || ')',
            'clear', 'alter table ' || r.title || ' reset (' || options.names || ')',
            'is_cleared_first', true
        ),
        pg_catalog.json_build_object(
            'name', 'replica identity', 'value', identity.text,
            'set', pg_catalog.format('alter table %s replica identity %s', r.title, identity.text),
            'is_after', r.relreplident <> 'd'
        ),
        pg_catalog.json_build_object(
            'name', 'partition key', 'value', pg_catalog.pg_get_partkeydef(r.oid)
        ),
        pg_catalog.json_build_object(
            'name', 'parent',
            'value', parents.titles
                || coalesce(' ' || pg_catalog.pg_get_expr(r.relpartbound, r.oid), ''),
            'set', case
                when r.relispartition then pg_catalog.format(
                    'alter table %s attach partition %s %s', parents.titles, r.title,
                    pg_catalog.pg_get_expr(r.relpartbound, r.oid)
                )
                else pg_catalog.format('alter table %s inherit %s', r.title, parents.titles)
            end,
            'clear', case
                when r.relispartition then pg_catalog.format(
                    'alter table %s detach partition %s', parents.titles, r.title
                )
                else pg_catalog.format('alter table %s no inherit %s', r.title, parents.titles)
            end,
            'is_cleared_first', true
        )
    ) as parts
from relations r
join roles owner on owner.oid = r.relowner
left join lateral (
    select pg_catalog.string_agg(p.oid::regclass::text, ', ' order by h.inhseqno) as titles
    from pg_catalog.pg_inherits h
    join pg_catalog.pg_class p on p.oid = h.inhparent
    where h.inhrelid = r.oid
) parents on true
left join lateral (
    select pg_catalog.string_agg(o.text, ', ' order by o.text) as text,
        pg_catalog.string_agg(pg_catalog.split_part(o.text, '=', 1), ', ' order by o.text) as names
    from pg_catalog.unnest(r.reloptions) as o (text)
) options on true
left join lateral (
    select case r.relreplident
        when 'f' then 'full'
        when 'n' then 'nothing'
        when 'i' then coalesce((
            select 'using index ' || pg_catalog.quote_ident(c.relname)
            from pg_catalog.pg_index i
            join pg_catalog.pg_class c on c.oid = i.indexrelid
            where i.indrelid = r.oid and i.indisreplident
        ), 'nothing')
        else 'default'
    end as text
) identity on true
where r.relkind in ('r', 'p') and not r.is_platform and r.relpersistence <> 't'
