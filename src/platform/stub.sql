-- Makes an extension of its stub: its row, and the objects of its stub as its members, so that
-- dropping it, commenting on it and asking for it are the server's own business.
create function leakproof.create_stub(name text, place text) returns void
language plpgsql set session_replication_role = replica
as $body$
declare
    stub leakproof.stubs;
    definition text;
    extension constant oid := pg_catalog.pg_nextoid(
        'pg_catalog.pg_extension', 'oid', 'pg_catalog.pg_extension_oid_index'
    );
    -- Everything that an extension can have and that was made here, one line each.
    inventory constant text := $inventory$
        select coalesce(pg_catalog.array_agg(pg_catalog.concat(class, ' ', oid)), '{}')
        from (
            select 'pg_catalog.pg_namespace'::regclass::oid as class, oid
            from pg_catalog.pg_namespace
            union all
            select 'pg_catalog.pg_class'::regclass::oid, oid from pg_catalog.pg_class
            where relkind in ('r', 'p', 'v', 'm', 'f', 'S')
            union all
            select 'pg_catalog.pg_type'::regclass::oid, t.oid
            from pg_catalog.pg_type t
            left join pg_catalog.pg_class c on c.oid = t.typrelid
            where t.typcategory <> 'A' and t.typtype <> 'm' and coalesce(c.relkind, 'c') = 'c'
            union all
            select 'pg_catalog.pg_proc'::regclass::oid, oid from pg_catalog.pg_proc
            union all
            select 'pg_catalog.pg_operator'::regclass::oid, oid from pg_catalog.pg_operator
            union all
            select 'pg_catalog.pg_opclass'::regclass::oid, oid from pg_catalog.pg_opclass
            union all
            select 'pg_catalog.pg_opfamily'::regclass::oid, oid from pg_catalog.pg_opfamily
            union all
            select 'pg_catalog.pg_am'::regclass::oid, oid from pg_catalog.pg_am
            union all
            select 'pg_catalog.pg_cast'::regclass::oid, oid from pg_catalog.pg_cast
            union all
            select 'pg_catalog.pg_foreign_data_wrapper'::regclass::oid, oid
            from pg_catalog.pg_foreign_data_wrapper
        ) as all_objects
        -- Below are those of the server itself.
        where oid >= 16384
    $inventory$;
    before text[];
    after text[];
    made text;
begin
    select s.* into stub from leakproof.stubs s where s.name = create_stub.name;
    -- One that a migration has registered with `pg_tle`, of which nothing is known.
    definition := coalesce(stub.definition, '');
    place := coalesce(stub.place, place);
    perform leakproof.refuse_place(place);
    -- One of the server's own is made as the server has it.
    if exists (
        select from pg_catalog.pg_available_extensions a where a.name = create_stub.name
    ) and (stub.name is null or exists (
        select from leakproof.extensions e where e.name = create_stub.name
    )) then
        raise insufficient_privilege using
            message = pg_catalog.format(
                'permission denied to create extension "%s"', create_stub.name);
    end if;
    if stub.required is not null then
        if not exists (select from pg_catalog.pg_extension where extname = stub.required) then
            perform leakproof.create_extension(stub.required, null, null, false, place);
        end if;
        definition := pg_catalog.replace(definition, '@extschema:' || stub.required || '@', (
            select extnamespace::regnamespace::text
            from pg_catalog.pg_extension
            where extname = stub.required
        ));
    end if;
    if stub.place is not null then
        -- Its functions name what is in it.
        if exists (
            select
            from pg_catalog.pg_namespace n
            join pg_catalog.pg_roles r on r.oid = n.nspowner
            where n.nspname = place and not r.rolsuper
        ) then
            raise duplicate_schema using
                message = pg_catalog.format('schema "%s" already exists', place);
        end if;
        execute pg_catalog.format('create schema if not exists %I', place);
    end if;

    insert into pg_catalog.pg_extension
        (oid, extname, extowner, extnamespace, extrelocatable, extversion)
    values (
        extension, create_stub.name, current_user::regrole,
        -- It fails here where there is no such schema, as it would on the server.
        pg_catalog.quote_ident(place)::regnamespace, true, coalesce(stub.version, '1.0')
    );
    insert into pg_catalog.pg_depend
        (classid, objid, objsubid, refclassid, refobjid, refobjsubid, deptype)
    values (
        'pg_catalog.pg_extension'::regclass, extension, 0,
        'pg_catalog.pg_namespace'::regclass, pg_catalog.quote_ident(place)::regnamespace, 0, 'n'
    );

    execute inventory into before;
    perform pg_catalog.set_config(
        'search_path', pg_catalog.quote_ident(place) || ', pg_temp', true);
    execute pg_catalog.replace(definition, '@extschema@', pg_catalog.quote_ident(place));
    perform pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    execute inventory into after;

    insert into pg_catalog.pg_depend
        (classid, objid, objsubid, refclassid, refobjid, refobjsubid, deptype)
    select
        pg_catalog.split_part(one.made, ' ', 1)::oid,
        pg_catalog.split_part(one.made, ' ', 2)::oid, 0,
        'pg_catalog.pg_extension'::regclass, extension, 0, 'e'
    from pg_catalog.unnest(after) as one (made)
    where one.made <> all (before);

    -- What rows its tables have are the project's.
    update pg_catalog.pg_extension e
    set extconfig = own.tables, extcondition = own.conditions
    from (
        select pg_catalog.array_agg(c.oid), pg_catalog.array_agg(''::text)
        from pg_catalog.pg_class c
        where c.relkind = 'r'
            and pg_catalog.concat('pg_class'::regclass::oid, ' ', c.oid) = any (after)
            and pg_catalog.concat('pg_class'::regclass::oid, ' ', c.oid) <> all (before)
    ) as own (tables, conditions)
    where e.oid = extension;

    -- Triggers and foreign keys of the project run as the owner of a table, and what a definer
    -- calls as that one: neither may be a superuser.
    for made in
        select pg_catalog.format('alter routine %s owner to leakproof_steward', p.oid::regprocedure)
        from pg_catalog.pg_proc p
        where p.prosecdef and pg_catalog.concat('pg_proc'::regclass::oid, ' ', p.oid) = any (after)
        and pg_catalog.concat('pg_proc'::regclass::oid, ' ', p.oid) <> all (before)
        union all
        select pg_catalog.format('alter table %s owner to leakproof_steward', c.oid::regclass)
        from pg_catalog.pg_class c
        where (c.relkind in ('r', 'p', 'v', 'm', 'f') or c.relkind = 'S' and not exists (
            select
            from pg_catalog.pg_depend d
            where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype in ('a', 'i')
        ))
        and pg_catalog.concat('pg_class'::regclass::oid, ' ', c.oid) = any (after)
        and pg_catalog.concat('pg_class'::regclass::oid, ' ', c.oid) <> all (before)
    loop
        execute made;
    end loop;
end
$body$;

