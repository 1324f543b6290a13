-- Policies, and what they ask.
select
    p.oid::bigint as oid,
    p.polrelid::bigint as relation,
    c.relname as "table",
    p.polname as name,
    case p.polcmd
        when 'r' then 'select'
        when 'a' then 'insert'
        when 'w' then 'update'
        when 'd' then 'delete'
        else 'all'
    end as command,
    p.polpermissive as is_permissive,
    (
        select pg_catalog.array_agg(
            case role when 0 then 'public' else pg_catalog.pg_get_userbyid(role) end
        )
        from pg_catalog.unnest(p.polroles) as role
    )::text[] as roles,
    pg_catalog.pg_get_expr(p.polqual, p.polrelid) as "using",
    pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid) as "check"
from pg_catalog.pg_policy p
join pg_catalog.pg_class c on c.oid = p.polrelid
order by relation, name
