-- Who may do what with each object, whether somebody has said so or it is so by default. The owner
-- itself is empty.
with objects as (
    select 'pg_catalog.pg_namespace'::regclass::oid as class, n.oid, null::text as column_name,
        n.nspowner as owner,
        coalesce(n.nspacl, pg_catalog.acldefault('n', n.nspowner)) as acl
    from pg_catalog.pg_namespace n
    union all
    select 'pg_catalog.pg_class'::regclass, c.oid, null, c.relowner, coalesce(
        c.relacl,
        pg_catalog.acldefault(case c.relkind when 'S' then 's' else 'r' end::"char", c.relowner)
    )
    from relations c
    where c.relkind in ('r', 'p', 'v', 'm', 'S') and not c.is_platform
    union all
    select 'pg_catalog.pg_class'::regclass, c.oid, pg_catalog.quote_ident(a.attname), c.relowner,
        a.attacl
    from relations c
    join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attacl is not null
        and not a.attisdropped
    where not c.is_platform
    union all
    select 'pg_catalog.pg_proc'::regclass, p.oid, null, p.proowner,
        coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner))
    from pg_catalog.pg_proc p
    join schemas s on s.oid = p.pronamespace and not s.is_platform
    union all
    select 'pg_catalog.pg_type'::regclass, t.oid, null, t.typowner,
        coalesce(t.typacl, pg_catalog.acldefault('T', t.typowner))
    from pg_catalog.pg_type t
    join schemas s on s.oid = t.typnamespace and not s.is_platform
)
select o.class::bigint, o.oid::bigint, o.column_name as column,
    case
        when g.grantee = o.owner then ''
        when g.grantee = 0 then 'public'
        else pg_catalog.quote_ident(coalesce(r.name, g.grantee::text))
    end as grantee,
    pg_catalog.lower(g.privilege_type) as privilege,
    pg_catalog.bool_or(g.is_grantable and g.grantee <> o.owner) as is_grantable
from objects o
cross join lateral pg_catalog.aclexplode(o.acl) g
left join roles r on r.oid = g.grantee
group by 1, 2, 3, 4, 5
