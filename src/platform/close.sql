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

-- Whoever a guard runs as is asked: a superuser does what is allowed.
create function leakproof.is_superuser() returns boolean
language sql stable set search_path = pg_catalog, pg_temp
as $body$
    select exists (
        select from pg_catalog.pg_roles r where r.rolname = current_user and r.rolsuper
    )
$body$;

-- A project that has made one in a block owns it, and could put functions of its own among its
-- members. What is allowed is done by functions of ours; whoever is asked here is who does it.
create function leakproof.guard_members() returns event_trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $body$
begin
    if not leakproof.is_superuser() then
        raise insufficient_privilege using
            message = 'an extension cannot be altered by a file itself';
    end if;
end
$body$;
revoke execute on function leakproof.guard_members() from public;

-- What is ours belongs to the steward where it has to run as one who is no superuser, and whatever
-- runs as the steward could change it. An operator between types of the server's would answer for
-- the server's own in what we ask.
create function leakproof.guard_ours() returns event_trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $body$
declare
    made record;
begin
    if leakproof.is_superuser() then
        return;
    end if;
    for made in
        select c.command_tag, c.object_identity, c.schema_name, c.objid
        from pg_catalog.pg_event_trigger_ddl_commands() c
        where not c.in_extension
    loop
        if made.schema_name = 'leakproof' then
            raise insufficient_privilege using
                message = pg_catalog.format('must be owner of %s', made.object_identity);
        end if;
        if pg_catalog.lower(made.command_tag) = 'create operator' and exists (
            select
            from pg_catalog.pg_operator o
            where o.oid = made.objid
            and exists (
                select from pg_catalog.pg_operator own
                where own.oprname = o.oprname and own.oprnamespace = 'pg_catalog'::regnamespace
            )
            -- What we never ask of.
            and not exists (
                select
                from pg_catalog.pg_type t
                where t.oid in (o.oprleft, o.oprright) and (
                    t.oid in ('pg_catalog.json'::regtype, 'pg_catalog.jsonb'::regtype)
                    or t.typnamespace <> 'pg_catalog'::regnamespace
                    and t.typtype in ('b', 'c', 'r', 'm') and t.typcategory <> 'A'
                )
            )
        ) then
            raise feature_not_supported using
                message = pg_catalog.format(
                    'operator %s has the name of one of the server''s', made.object_identity),
                hint = 'It could answer what is asked to check the project. Give it another name.';
        end if;
        -- What is read of rows, is read as text.
        if pg_catalog.lower(made.command_tag) = 'create cast' and exists (
            select
            from pg_catalog.pg_cast c
            where c.oid = made.objid
            and c.castfunc <> 0
            and c.casttarget = 'pg_catalog.text'::regtype
        ) then
            raise feature_not_supported using
                message = pg_catalog.format(
                    'cast %s has a function of the project''s', made.object_identity),
                hint = 'It could answer what is asked to check the project. Cast `with inout`.';
        end if;
    end loop;
end
$body$;
revoke execute on function leakproof.guard_ours() from public;

create function leakproof.guard_drops() returns event_trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $body$
begin
    if exists (
        select from pg_catalog.pg_event_trigger_dropped_objects() d
        where d.schema_name = 'leakproof'
    ) and not leakproof.is_superuser() then
        raise insufficient_privilege using
            message = 'what is in the schema leakproof is not the project''s';
    end if;
end
$body$;
revoke execute on function leakproof.guard_drops() from public;

create event trigger leakproof_ours on ddl_command_end
    execute function leakproof.guard_ours();
alter event trigger leakproof_ours enable always;

create event trigger leakproof_drops on sql_drop
    execute function leakproof.guard_drops();
alter event trigger leakproof_drops enable always;

create event trigger leakproof_members on ddl_command_start
    when tag in ('alter extension')
    execute function leakproof.guard_members();
alter event trigger leakproof_members enable always;

create event trigger leakproof_guard on ddl_command_start
    when tag in ('create extension')
    execute function leakproof.guard_extensions();
alter event trigger leakproof_guard enable always;
