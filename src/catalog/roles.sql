-- The roles to whom rows of the project are granted, whom a policy names, or whom the application
-- may become; not who runs the files, nor anybody of the server's own.
with tables as (
    select c.oid, c.relowner, c.relacl
    from pg_catalog.pg_class c
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p', 'v', 'm', 'f')
        and n.nspname not in ('information_schema', 'leakproof')
        and not pg_catalog.starts_with(n.nspname, 'pg_')
), granted as (
    select t.oid, g.grantee, g.privilege_type
    from tables t
    cross join pg_catalog.aclexplode(coalesce(
        t.relacl, pg_catalog.acldefault('r', t.relowner)
    )) g
    union all
    select t.oid, g.grantee, g.privilege_type
    from tables t
    join pg_catalog.pg_attribute a on a.attrelid = t.oid and not a.attisdropped
    cross join pg_catalog.aclexplode(a.attacl) g
), roles as (
    select
        r.rolname::text collate "C" as name,
        r.rolbypassrls as bypasses,
        pg_catalog.pg_has_role('@login@', r.oid, 'member') as may_ask,
        (
            select pg_catalog.count(*) from pg_catalog.pg_policy p where r.oid = any (p.polroles)
        ) as policies,
        pg_catalog.count(distinct g.oid) as tables,
        pg_catalog.count(distinct g.oid) filter (
            where g.privilege_type in ('INSERT', 'UPDATE', 'DELETE')
        ) as written
    from pg_catalog.pg_roles r
    left join granted g on g.grantee = r.oid
    where not r.rolsuper
        and r.rolname <> 'postgres'
        and not pg_catalog.starts_with(r.rolname, 'pg_')
        and not pg_catalog.starts_with(r.rolname, 'leakproof_')
    group by r.oid, r.rolname, r.rolbypassrls
)
select name, bypasses, may_ask, policies, tables, written
from roles
where policies > 0 or tables > 0 or may_ask
order by name
