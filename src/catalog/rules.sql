-- What policies and views say about a relation, from where the values that decide are taken.
select
    p.polrelid::bigint as relation,
    concat_ws(
        ' ',
        pg_catalog.pg_get_expr(p.polqual, p.polrelid),
        pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid)
    ) as definition,
    true as is_policy
from pg_catalog.pg_policy p
union all
-- What a policy hands a value to may be what compares it.
select distinct p.polrelid::bigint, f.prosrc, false
from pg_catalog.pg_policy p
join pg_catalog.pg_depend d
    on d.classid = 'pg_catalog.pg_policy'::regclass
    and d.objid = p.oid
    and d.refclassid = 'pg_catalog.pg_proc'::regclass
join pg_catalog.pg_proc f on f.oid = d.refobjid
where f.pronamespace <> all (array[
        'pg_catalog'::regnamespace, coalesce(to_regnamespace('auth'), 0::regnamespace)
    ])
union all
select distinct
    d.refobjid::bigint,
    -- What it shows decides nothing, what it asks for does.
    coalesce(substring(pg_catalog.pg_get_viewdef(r.ev_class) from '(?i)\mwhere\M.*'), ''),
    false
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
order by relation, definition
