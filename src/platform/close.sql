-- Each kind of elevation is the admin's, finds nothing in a schema of the project's, and may be
-- called by the owner.
do $leakproof$
declare
    routine regprocedure;
begin
    for routine in
        select p.oid from pg_catalog.pg_proc p
        where p.pronamespace = 'leakproof'::regnamespace
        and 'session_replication_role=replica' = any (p.proconfig)
    loop
        execute pg_catalog.format(
            'alter function %s security definer set search_path = pg_catalog, pg_temp', routine);
        execute pg_catalog.format('alter function %s owner to @admin@', routine);
        execute pg_catalog.format('revoke execute on function %s from public', routine);
        execute pg_catalog.format('grant execute on function %s to @owner@', routine);
    end loop;
end
$leakproof$;

grant select on leakproof.extensions to @owner@;

-- The script of a trusted extension runs as a superuser, and so would event triggers of the
-- project. Here it is made by a function of ours, in which none fires; in a block of a file not.
create function leakproof.guard_extensions() returns event_trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $body$
begin
    if exists (
        select
        from pg_catalog.pg_event_trigger e
        join pg_catalog.pg_proc p on p.oid = e.evtfoid
        join pg_catalog.pg_roles r on r.oid = p.proowner
        where e.evtenabled <> 'D' and not r.rolsuper
    ) and pg_catalog.current_setting('session_replication_role') <> 'replica' then
        raise insufficient_privilege using
            message = 'an extension cannot be made in a block while there are event triggers';
    end if;
end
$body$;
revoke execute on function leakproof.guard_extensions() from public;

-- A project that has made one in a block owns it, and could put functions of its own among its
-- members. What is allowed is done by functions of ours; whoever is asked here is who does it.
create function leakproof.guard_members() returns event_trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $body$
begin
    if not exists (
        select
        from pg_catalog.pg_roles r
        where r.rolname = current_user and r.rolsuper
    ) then
        raise insufficient_privilege using
            message = 'an extension cannot be altered by a file itself';
    end if;
end
$body$;
revoke execute on function leakproof.guard_members() from public;

create event trigger leakproof_members on ddl_command_start
    when tag in ('alter extension')
    execute function leakproof.guard_members();
alter event trigger leakproof_members enable always;

create event trigger leakproof_guard on ddl_command_start
    when tag in ('create extension')
    execute function leakproof.guard_extensions();
alter event trigger leakproof_guard enable always;
