-- Functions and procedures that policies, views, defaults and triggers may call. Those of
-- extensions and of the server itself say nothing about who asks.
with operators as materialized (
    select
        o.oprcode,
        pg_catalog.array_agg(
            pg_catalog.replace(pg_catalog.lower(pg_catalog.quote_ident(s.nspname)), ' ', '')
                || '.' || o.oprname
            order by o.oid
        ) as names
    from pg_catalog.pg_operator o
    join pg_catalog.pg_namespace s on s.oid = o.oprnamespace
    where s.nspname <> 'pg_catalog'
    group by o.oprcode
)
select
    p.oid::bigint as oid,
    n.nspname as schema,
    p.proname as name,
    l.lanname as language,
    p.prosecdef as is_definer,
    p.provolatile::text as volatility,
    coalesce(p.proconfig, '{}') as config,
    -- The names of what it takes, empty where there is none.
    case
        when p.proargmodes is null then array(
            select coalesce(p.proargnames[at], '')
            from pg_catalog.generate_series(1, p.pronargs) as at
        )
        else array(
            select coalesce(p.proargnames[at], '')
            from pg_catalog.generate_subscripts(p.proargmodes, 1) as at
            where p.proargmodes[at] in ('i', 'b', 'v')
            order by at
        )
    end as arguments,
    coalesce(o.names, '{}') as operators,
    p.pronargdefaults as defaults,
    -- Those of its last parameters.
    pg_catalog.pg_get_expr(p.proargdefaults, 0) as default_values,
    p.provariadic <> 0 as is_variadic,
    p.prosrc as text,
    -- `begin atomic ... end` is no text.
    case
        when l.lanname = 'sql' and p.prosrc = '' then pg_catalog.pg_get_functiondef(p.oid)
    end as definition
from pg_catalog.pg_proc p
join pg_catalog.pg_namespace n on n.oid = p.pronamespace
join pg_catalog.pg_language l on l.oid = p.prolang
left join operators o on o.oprcode = p.oid
where p.prokind in ('f', 'p')
    and l.lanname not in ('internal', 'c')
    and n.nspname not in ('pg_catalog', 'information_schema', 'leakproof')
    and not pg_catalog.starts_with(n.nspname, 'pg_')
    and not exists (
        select
        from pg_catalog.pg_depend d
        where d.classid = 'pg_catalog.pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e'
    )
order by p.oid
