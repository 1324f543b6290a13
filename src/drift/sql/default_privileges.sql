-- What the default privileges say beyond the server's own: what they give, and what they take.
with entries as (
    select d.defaclrole, d.defaclnamespace, d.defaclobjtype, d.defaclacl,
        case
            when d.defaclnamespace = 0 then pg_catalog.acldefault(
                case d.defaclobjtype when 'S' then 's' else d.defaclobjtype end, d.defaclrole
            )
        end as usual
    from pg_catalog.pg_default_acl d
), given as (
    select e.*, 'granted' as state, a.grantee, a.privilege_type, a.is_grantable
    from entries e
    cross join lateral pg_catalog.aclexplode(e.defaclacl) a
    where not exists (
        select
        from pg_catalog.aclexplode(e.usual) u
        where (u.grantee, u.privilege_type) = (a.grantee, a.privilege_type)
    )
    union all
    select e.*, 'revoked', u.grantee, u.privilege_type, false
    from entries e
    cross join lateral pg_catalog.aclexplode(e.usual) u
    where not exists (
        select
        from pg_catalog.aclexplode(e.defaclacl) a
        where (u.grantee, u.privilege_type) = (a.grantee, a.privilege_type)
    )
)
select pg_catalog.quote_ident(owner.name) as role, s.title as schema,
    case g.defaclobjtype
        when 'r' then 'tables'
        when 'S' then 'sequences'
        when 'f' then 'functions'
        when 'T' then 'types'
        else 'schemas'
    end as objects,
    case g.grantee
        when 0 then 'public'
        else pg_catalog.quote_ident(coalesce(grantee.name, g.grantee::text))
    end as grantee,
    pg_catalog.lower(g.privilege_type) as privilege, g.state = 'granted' as is_granted,
    g.is_grantable
from given g
join roles owner on owner.oid = g.defaclrole
left join schemas s on s.oid = g.defaclnamespace
left join roles grantee on grantee.oid = g.grantee
where (g.defaclnamespace = 0 or s.oid is not null and not s.is_platform)
    and not (@is_supabase@ and owner.name in (
        'supabase_admin', 'supabase_auth_admin', 'supabase_storage_admin',
        'supabase_functions_admin', 'supabase_realtime_admin', 'supabase_replication_admin',
        'supabase_etl_admin',
        'supabase_read_only_user', 'dashboard_user', 'pgbouncer'
    ))
    and g.defaclobjtype in ('r', 'S', 'f', 'T', 'n')
