-- Closes what was just made of ours to everybody but its owner, whatever default privileges say.
do $close$
declare
    item record;
begin
    for item in
        select c.oid::regclass as name, g.who
        from pg_catalog.pg_class c
        cross join lateral (
            select distinct case a.grantee
                when 0 then 'public'
                else pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(a.grantee))
            end as who
            from pg_catalog.aclexplode(c.relacl) a
            where a.grantee <> c.relowner
        ) g
        where c.oid in (@made@)
    loop
        execute pg_catalog.format('revoke all on table %s from %s', item.name, item.who);
    end loop;
end
$close$
