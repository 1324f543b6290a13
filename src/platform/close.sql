-- Each kind is the admin's, and the owner may call it. What it looks things up in is open to both.
do $leakproof$
declare
    routine regprocedure;
begin
    for routine in
        select p.oid from pg_catalog.pg_proc p
        where p.pronamespace = 'leakproof'::regnamespace
        and 'session_replication_role=replica' = any (p.proconfig)
    loop
        execute pg_catalog.format('alter function %s owner to @admin@', routine);
        execute pg_catalog.format('revoke execute on function %s from public', routine);
        execute pg_catalog.format('grant execute on function %s to @owner@', routine);
    end loop;
end
$leakproof$;

grant select on leakproof.extensions, leakproof.stubs to @owner@, @admin@;
