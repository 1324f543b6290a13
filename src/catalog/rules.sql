-- What policies and views ask of a relation's rows, and what they say, from where the values that
-- decide are taken.
select
    p.polrelid::bigint as relation,
    true as is_policy,
    p.polcmd in ('a', '*') as is_for_insert,
    p.polcmd in ('w', '*') as is_for_update,
    (
        select array_agg(case role when 0 then 'public' else pg_catalog.pg_get_userbyid(role) end)
        from unnest(p.polroles) as role
    )::text[] as roles,
    concat_ws(
        ' ',
        pg_catalog.pg_get_expr(p.polqual, p.polrelid),
        pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid)
    ) as asks,
    -- What it hands a value to may be what compares it.
    (
        select string_agg(f.prosrc, ' ' order by f.oid)
        from pg_catalog.pg_depend d
        join pg_catalog.pg_proc f on f.oid = d.refobjid
        where d.classid = 'pg_catalog.pg_policy'::regclass
            and d.objid = p.oid
            and d.refclassid = 'pg_catalog.pg_proc'::regclass
            and f.pronamespace <> all (array[
                'pg_catalog'::regnamespace, coalesce(to_regnamespace('auth'), 0::regnamespace)
            ])
    ) as calls
from pg_catalog.pg_policy p
union all
select distinct
    d.refobjid::bigint,
    false,
    false,
    false,
    '{}'::text[],
    -- What a view shows decides nothing; its own WHERE is the one that is indented by two.
    coalesce(substring(pg_catalog.pg_get_viewdef(r.ev_class) from E'\n  WHERE .*'), ''),
    null
from pg_catalog.pg_rewrite r
join pg_catalog.pg_class c on c.oid = r.ev_class
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
join pg_catalog.pg_depend d
    on d.classid = 'pg_catalog.pg_rewrite'::regclass
    and d.objid = r.oid
    and d.refclassid = 'pg_catalog.pg_class'::regclass
    and d.refobjsubid > 0
    and d.refobjid <> r.ev_class
where c.relkind in ('v', 'm')
    and n.nspname not in ('pg_catalog', 'information_schema', 'leakproof')
order by relation, asks, calls
