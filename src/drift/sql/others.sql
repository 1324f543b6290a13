-- What stands by itself: schemas, extensions, publications, statistics and event triggers.
select 'schema' as kind, s.title as key, s.nspname as schema, '' as name, null as parent,
    'pg_catalog.pg_namespace'::regclass::oid::bigint as class, s.oid::bigint as oid, 0 as sub,
    'create schema ' || s.title as create, 'drop schema ' || s.title as drop,
    'schema ' || s.title as phrase, owner.name as owner, '[]'::json as parts
from schemas s
join roles owner on owner.oid = s.nspowner
where not s.is_platform
union all
select 'extension', pg_catalog.quote_ident(e.extname), n.nspname, e.extname, null,
    'pg_catalog.pg_extension'::regclass::oid::bigint, e.oid::bigint, 0,
    pg_catalog.format('create extension %I schema %I', e.extname, n.nspname),
    pg_catalog.format('drop extension %I', e.extname),
    null, null,
    pg_catalog.json_build_array(
        pg_catalog.json_build_object(
            'name', 'schema', 'value', n.nspname,
            'set', pg_catalog.format('alter extension %I set schema %I', e.extname, n.nspname)
        )
    )
from pg_catalog.pg_extension e
join pg_catalog.pg_namespace n on n.oid = e.extnamespace
where e.extname <> 'plpgsql' and e.extname <> all(@preinstalled@)
union all
select 'publication', pg_catalog.quote_ident(p.pubname), '', p.pubname, null,
    'pg_catalog.pg_publication'::regclass::oid::bigint, p.oid::bigint, 0,
    pg_catalog.concat_ws(
        ' ', pg_catalog.format('create publication %I', p.pubname),
        case when p.puballtables then 'for all tables' end,
        pg_catalog.format('with (publish = %L)', operations.text)
    ),
    pg_catalog.format('drop publication %I', p.pubname),
    pg_catalog.format('publication %I', p.pubname), owner.name,
    pg_catalog.json_build_array(
        pg_catalog.json_build_object(
            'name', 'tables', 'value', case when p.puballtables then 'all' else 'some' end
        ),
        pg_catalog.json_build_object(
            'name', 'operations', 'value', operations.text,
            'set', pg_catalog.format(
                'alter publication %I set (publish = %L)', p.pubname, operations.text
            )
        )
    )
from pg_catalog.pg_publication p
join roles owner on owner.oid = p.pubowner
left join lateral (
    select pg_catalog.concat_ws(
        ', ', case when p.pubinsert then 'insert' end, case when p.pubupdate then 'update' end,
        case when p.pubdelete then 'delete' end, case when p.pubtruncate then 'truncate' end
    ) as text
) operations on true
where not (@is_supabase@ and pg_catalog.starts_with(p.pubname, 'supabase_realtime'))
union all
select 'published table', pg_catalog.format('%s in %I', r.title, p.pubname), r.nspname, r.relname,
    'publication ' || pg_catalog.quote_ident(p.pubname),
    'pg_catalog.pg_publication_rel'::regclass::oid::bigint, m.oid::bigint, 0,
    pg_catalog.concat_ws(
        ' ', pg_catalog.format('alter publication %I add table %s', p.pubname, r.title),
        '(' || columns.names || ')', 'where ' || (columns.row ->> 'rowfilter')
    ),
    pg_catalog.format('alter publication %I drop table %s', p.pubname, r.title),
    null, null,
    pg_catalog.json_build_array(
        pg_catalog.json_build_object('name', 'columns', 'value', columns.names),
        pg_catalog.json_build_object('name', 'filter', 'value', columns.row ->> 'rowfilter')
    )
from pg_catalog.pg_publication_rel m
join pg_catalog.pg_publication p on p.oid = m.prpubid
join relations r on r.oid = m.prrelid and not r.is_platform
left join lateral (
    -- What it says of columns and rows came with PostgreSQL 15.
    select pg_catalog.to_jsonb(t) as row, case
        when pg_catalog.to_jsonb(m) ->> 'prattrs' is not null then (
            select pg_catalog.string_agg(pg_catalog.quote_ident(name), ', ')
            from pg_catalog.jsonb_array_elements_text(pg_catalog.to_jsonb(t) -> 'attnames') as name
        )
    end as names
    from pg_catalog.pg_publication_tables t
    where (t.pubname, t.schemaname, t.tablename) = (p.pubname, r.nspname, r.relname)
) columns on true
union all
select 'statistics', pg_catalog.format('%I.%I', s.nspname, x.stxname), r.nspname, r.relname,
    pg_catalog.format('%s %s', r.word, r.title),
    'pg_catalog.pg_statistic_ext'::regclass::oid::bigint, x.oid::bigint, 0,
    pg_catalog.pg_get_statisticsobjdef(x.oid),
    pg_catalog.format('drop statistics %I.%I', s.nspname, x.stxname),
    pg_catalog.format('statistics %I.%I', s.nspname, x.stxname), owner.name,
    pg_catalog.json_build_array(
        pg_catalog.json_build_object(
            'name', 'definition', 'value', pg_catalog.pg_get_statisticsobjdef(x.oid)
        )
    )
from pg_catalog.pg_statistic_ext x
join schemas s on s.oid = x.stxnamespace
join relations r on r.oid = x.stxrelid and not r.is_platform
join roles owner on owner.oid = x.stxowner
union all
select 'event trigger', pg_catalog.quote_ident(v.evtname), '', v.evtname, null,
    'pg_catalog.pg_event_trigger'::regclass::oid::bigint, v.oid::bigint, 0,
    made.text, pg_catalog.format('drop event trigger %I', v.evtname),
    pg_catalog.format('event trigger %I', v.evtname), owner.name,
    pg_catalog.json_build_array(
        pg_catalog.json_build_object('name', 'definition', 'value', made.text),
        pg_catalog.json_build_object(
            'name', 'state',
            'value', case v.evtenabled when 'D' then 'disabled' else 'enabled' end,
            'set', pg_catalog.format(
                'alter event trigger %I %s', v.evtname,
                case v.evtenabled when 'D' then 'disable' else 'enable' end
            ),
            'is_after', v.evtenabled = 'D'
        )
    )
from pg_catalog.pg_event_trigger v
join pg_catalog.pg_proc f on f.oid = v.evtfoid
join schemas s on s.oid = f.pronamespace and not s.is_platform
join roles owner on owner.oid = v.evtowner
left join lateral (
    select pg_catalog.concat_ws(
        ' ', pg_catalog.format('create event trigger %I on %s', v.evtname, v.evtevent),
        'when tag in (' || (
            select pg_catalog.string_agg(pg_catalog.quote_literal(tag), ', ')
            from pg_catalog.unnest(v.evttags) as tag
        ) || ')',
        pg_catalog.format('execute function %I.%I()', s.nspname, f.proname)
    ) as text
) made on true
where not exists (
    select
    from members m
    where m.classid = 'pg_catalog.pg_event_trigger'::regclass and m.objid = v.oid
)
