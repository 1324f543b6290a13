-- What a project's owner may do on a hosted server although they are no superuser there: one
-- function a kind. Each takes names, never SQL, and is called in the file's own transaction in
-- place of a statement.
--
-- Each function here that sets `session_replication_role` runs as the admin, a superuser; what
-- makes it so is at the end, for all alike. Event triggers of the project would fire in them as
-- that one, so none does: no function here lets an event trigger fire in the mode `replica`. A
-- project may call them itself: they do nothing beyond this list.

-- The extensions that may be made as the server has them. What reaches out of the database, runs
-- programs or brings an untrusted language is not among them; some of those have a stub.
create table leakproof.extensions (name text primary key);
insert into leakproof.extensions values
    ('amcheck'), ('autoinc'), ('bloom'), ('btree_gin'), ('btree_gist'), ('citext'), ('cube'),
    ('dict_int'), ('dict_xsyn'), ('earthdistance'), ('fuzzystrmatch'), ('hstore'), ('hypopg'),
    ('index_advisor'), ('insert_username'), ('intagg'), ('intarray'), ('isn'), ('lo'), ('ltree'),
    ('moddatetime'), ('pg_buffercache'), ('pg_freespacemap'), ('pg_graphql'), ('pg_hashids'),
    ('pg_ivm'), ('pg_jsonschema'), ('pg_partman'), ('pg_stat_monitor'),
    ('pg_stat_statements'), ('pg_trgm'), ('pg_uuidv7'), ('pg_visibility'), ('pg_walinspect'),
    ('pgaudit'), ('pgcrypto'), ('pgjwt'), ('pgmq'), ('pgroonga'), ('pgrouting'), ('pgrowlocks'),
    ('pgsodium'), ('pgstattuple'), ('pgtap'), ('plpgsql'), ('plpgsql_check'), ('plv8'), ('postgis'),
    ('postgis_topology'), ('refint'), ('rum'), ('seg'), ('semver'), ('sslinfo'), ('supabase_vault'),
    ('tablefunc'), ('tcn'), ('timescaledb'), ('tsm_system_rows'), ('tsm_system_time'), ('unaccent'),
    ('uuid-ossp'), ('vector'), ('xml2');

-- What the server lacks, or has and may not be made: its objects as SQL.
create table leakproof.stubs (
    name text primary key,
    version text not null,
    place text,
    required text,
    definition text not null
);

-- Where no extension is made. Scripts put the name of a schema into quotes of their own.
create function leakproof.refuse_place(place text) returns void
language plpgsql
as $body$
begin
    if place is null then
        raise invalid_schema_name using message = 'no schema has been selected to create in';
    end if;
    -- What runs as a superuser finds its functions and operators in the server's own schemas.
    if place in ('leakproof', 'information_schema') or pg_catalog.starts_with(place, 'pg_')
    or place ~ E'["$''\\\\]' then
        raise insufficient_privilege using
            message = pg_catalog.format('permission denied for schema %s', place);
    end if;
end
$body$;

-- The script of an extension that is not trusted may take what is in its schema for what it means:
-- it runs where a project can make nothing, and the extension is moved when it is done. One that
-- cannot be moved is not made among objects of a project.
create function leakproof.runs_apart(name text, version text, place text) returns boolean
language plpgsql
as $body$
declare
    wanted record;
begin
    select v.* into wanted
    from pg_catalog.pg_available_extension_versions v
    join pg_catalog.pg_available_extensions a on a.name = v.name
    where v.name = runs_apart.name and v.version = coalesce(runs_apart.version, a.default_version);
    if not found or wanted.trusted then
        return false;
    end if;
    if (wanted.schema is not null or not wanted.relocatable) and exists (
        select
        from (
            select t.typnamespace, t.typowner from pg_catalog.pg_type t
            union all
            select p.pronamespace, p.proowner from pg_catalog.pg_proc p
            union all
            select o.oprnamespace, o.oprowner from pg_catalog.pg_operator o
        ) as made (schema, owner)
        join pg_catalog.pg_namespace n on n.oid = made.schema
        join pg_catalog.pg_roles r on r.oid = made.owner
        where n.nspname = coalesce(wanted.schema, place) and not r.rolsuper
    ) then
        raise insufficient_privilege using message = pg_catalog.format(
            'extension "%s" must be created before anything else is in its schema', name);
    end if;
    return wanted.relocatable and wanted.schema is null;
end
$body$;

create function leakproof.create_extension(
    name text, place text, version text, is_cascading boolean, usual_place text
) returns void
language plpgsql set session_replication_role = replica
as $body$
declare
    wanted_place constant text := coalesce(place, usual_place);
    is_apart constant boolean := leakproof.runs_apart(name, version, wanted_place);
    command text;
    made name;
    required name;
begin
    if exists (
        select from pg_catalog.pg_available_extensions a where a.name = create_extension.name
    ) and not exists (
        select from leakproof.extensions e where e.name = create_extension.name
    ) then
        raise insufficient_privilege using
            message = pg_catalog.format('permission denied to create extension "%s"', name);
    end if;
    perform leakproof.refuse_place(wanted_place);
    -- What it needs is on the list, too, and made as that is.
    for required in
        select pg_catalog.unnest(v.requires)
        from pg_catalog.pg_available_extension_versions v
        join pg_catalog.pg_available_extensions a on a.name = v.name
        where is_cascading
        and v.name = create_extension.name
        and v.version = coalesce(create_extension.version, a.default_version)
    loop
        if not exists (select from pg_catalog.pg_extension e where e.extname = required) then
            perform leakproof.create_extension(required, place, null, true, usual_place);
        end if;
    end loop;
    if is_apart then
        create schema leakproof_apart;
        place := 'leakproof_apart';
    end if;
    command := pg_catalog.format('create extension %I', name)
        || coalesce(' schema ' || pg_catalog.quote_ident(place), '')
        || coalesce(' version ' || pg_catalog.quote_ident(version), '');
    -- Nothing of ours is read while names may be the project's, operators not either.
    perform pg_catalog.set_config(
        'search_path', pg_catalog.quote_ident(coalesce(usual_place, place)) || ', pg_temp', true);
    execute command;
    perform pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    if is_apart then
        for made in
            select e.extname from pg_catalog.pg_extension e
            where e.extnamespace = 'leakproof_apart'::regnamespace::oid
        loop
            execute pg_catalog.format('alter extension %I set schema %I', made, wanted_place);
        end loop;
        drop schema leakproof_apart;
    end if;
end
$body$;

-- One that a project has made may have members of the project's.
create function leakproof.refuse_extension(name text) returns void
language plpgsql
as $body$
begin
    if exists (
        select
        from pg_catalog.pg_extension e
        join pg_catalog.pg_roles r on r.oid = e.extowner
        where e.extname = name and not r.rolsuper
    ) then
        raise insufficient_privilege using
            message = pg_catalog.format('must be owner of extension %s', name);
    end if;
end
$body$;

create function leakproof.update_extension(name text, version text) returns void
language plpgsql set session_replication_role = replica
as $body$
declare
    place name;
    is_apart boolean;
begin
    perform leakproof.refuse_extension(name);
    if not exists (select from leakproof.extensions e where e.name = update_extension.name) then
        raise insufficient_privilege using
            message = pg_catalog.format('permission denied to update extension "%s"', name);
    end if;
    select n.nspname into place
    from pg_catalog.pg_extension e
    join pg_catalog.pg_namespace n on n.oid = e.extnamespace
    where e.extname = name;
    is_apart := leakproof.runs_apart(name, version, place);
    if is_apart then
        create schema leakproof_apart;
        execute pg_catalog.format('alter extension %I set schema leakproof_apart', name);
    end if;
    execute pg_catalog.format('alter extension %I update', name)
        || coalesce(' to ' || pg_catalog.quote_ident(version), '');
    if is_apart then
        execute pg_catalog.format('alter extension %I set schema %I', name, place);
        drop schema leakproof_apart;
    end if;
end
$body$;

create function leakproof.move_extension(name text, place text) returns void
language plpgsql set session_replication_role = replica
as $body$
begin
    perform leakproof.refuse_extension(name);
    perform leakproof.refuse_place(place);
    execute pg_catalog.format('alter extension %I set schema %I', name, place);
end
$body$;

create function leakproof.create_event_trigger(
    name text, event text, tags text[], routine regprocedure
) returns void
language plpgsql set session_replication_role = replica
as $body$
begin
    perform leakproof.refuse_object('event trigger', name);
    -- Not `login`: it would fire where a superuser comes.
    if event not in ('ddl_command_start', 'ddl_command_end', 'sql_drop', 'table_rewrite') then
        raise insufficient_privilege using
            message = pg_catalog.format(
                'permission denied to create an event trigger on %s', event);
    end if;
    execute pg_catalog.format('create event trigger %I on %I', name, event)
        || coalesce(' when tag in (' || (
            select pg_catalog.string_agg(pg_catalog.quote_literal(t), ', ')
            from pg_catalog.unnest(tags) t
        ) || ')', '')
        || pg_catalog.format(' execute function %s()', routine::oid::regproc);
end
$body$;

create function leakproof.switch_event_trigger(name text, is_on boolean) returns void
language plpgsql set session_replication_role = replica
as $body$
begin
    perform leakproof.refuse_object('event trigger', name);
    -- Never `enable always`, see above.
    execute pg_catalog.format('alter event trigger %I %s', name,
        case when is_on then 'enable' else 'disable' end);
end
$body$;

-- Of all tables, or of those of some schemas: what else is published its owner may publish.
create function leakproof.create_publication(name text, schemas text[], published text)
returns void
language plpgsql set session_replication_role = replica
as $body$
begin
    execute pg_catalog.format('create publication %I for ', name)
        || coalesce('tables in schema ' || (
            select pg_catalog.string_agg(pg_catalog.quote_ident(s), ', ')
            from pg_catalog.unnest(schemas) s
        ), 'all tables')
        || coalesce(' with (publish = ' || pg_catalog.quote_literal(published) || ')', '');
end
$body$;

-- Its functions are an extension's or a stub's: the server calls a validator at once, and as us.
create function leakproof.create_foreign_data_wrapper(
    name text, handler regproc, validator regproc
) returns void
language plpgsql set session_replication_role = replica
as $body$
begin
    -- What the server looks up by these names, whatever else has them.
    if exists (
        select
        from pg_catalog.pg_proc p
        join pg_catalog.pg_roles r on r.oid = p.proowner
        where p.oid in (
            pg_catalog.to_regprocedure(handler::text || '()'),
            pg_catalog.to_regprocedure(validator::text || '(pg_catalog.text[],pg_catalog.oid)')
        ) and not r.rolsuper
    ) then
        raise insufficient_privilege using
            message = pg_catalog.format(
                'permission denied to create foreign-data wrapper "%s"', name);
    end if;
    execute pg_catalog.format('create foreign data wrapper %I', name)
        || coalesce(' handler ' || handler::text, '')
        || coalesce(' validator ' || validator::text, '');
    execute pg_catalog.format('grant usage on foreign data wrapper %I to @owner@', name);
end
$body$;

-- What may be dropped and commented on, but for what is ours.
create function leakproof.refuse_object(kind text, name text) returns void
language plpgsql
as $body$
begin
    if kind is null or name is null
    or kind <> all (array['extension', 'event trigger', 'publication', 'foreign data wrapper'])
    or pg_catalog.starts_with(name, 'leakproof')
    -- What ours is written in.
    or kind = 'extension' and name = 'plpgsql' then
        raise insufficient_privilege using
            message = pg_catalog.format('must be owner of %s %s', kind, name);
    end if;
end
$body$;

create function leakproof.drop_objects(
    kind text, names text[], is_lenient boolean, is_cascading boolean
) returns void
language plpgsql set session_replication_role = replica
as $body$
begin
    perform leakproof.refuse_object(kind, n) from pg_catalog.unnest(names) n;
    execute pg_catalog.format('drop %s %s%s%s', kind,
        case when is_lenient then 'if exists ' else '' end,
        (
            select pg_catalog.string_agg(pg_catalog.quote_ident(n), ', ')
            from pg_catalog.unnest(names) n
        ),
        case when is_cascading then ' cascade' else '' end);
    if (
        select pg_catalog.count(*) from pg_catalog.pg_event_trigger e
        where e.evtenabled = 'A' and e.evtname in (
            'leakproof_members', 'leakproof_guard', 'leakproof_ours', 'leakproof_drops'
        )
    ) <> 4 then
        raise insufficient_privilege using message = 'what keeps files in would be dropped, too';
    end if;
end
$body$;

create function leakproof.comment_on(kind text, name text, said text) returns void
language plpgsql set session_replication_role = replica
as $body$
begin
    perform leakproof.refuse_object(kind, name);
    execute pg_catalog.format('comment on %s %I is %L', kind, name, said);
end
$body$;

-- What everybody may set for themselves may be set for a role that is no superuser: in this
-- database.
create function leakproof.set_for_role(role regrole, name text, settings text[]) returns void
language plpgsql set session_replication_role = replica
as $body$
begin
    if (
        select r.rolsuper or pg_catalog.starts_with(r.rolname, 'leakproof')
        from pg_catalog.pg_roles r
        where r.oid = role
    )
    or pg_catalog.lower(name) = 'local_preload_libraries'
    or exists (
        select
        from pg_catalog.pg_settings s
        where s.name = pg_catalog.lower(set_for_role.name) and s.context <> 'user'
    )
    or name not like '%.%' and not exists (
        select
        from pg_catalog.pg_settings s
        where s.name = pg_catalog.lower(set_for_role.name)
    ) then
        raise insufficient_privilege using
            message = pg_catalog.format(
                'permission denied to set parameter "%s" for %s', name, role);
    end if;
    execute pg_catalog.format('alter role %s in database %I ', role, pg_catalog.current_database())
        || case
            when name is null then 'reset all'
            when settings is null then pg_catalog.format('reset %I', name)
            else pg_catalog.format('set %I to ', name) || (
                select pg_catalog.string_agg(pg_catalog.quote_literal(v), ', ')
                from pg_catalog.unnest(settings) v
            )
        end;
end
$body$;

-- To a role that the owner may become, and that may not create where it is. That takes a superuser,
-- and on a plain server some let one run their files; a hosted server has none to let.
create function leakproof.set_owner(relation regclass, role regrole) returns void
language plpgsql set session_replication_role = replica
as $body$
begin
    if @is_hosted@
    or not pg_catalog.pg_has_role('@owner@', role::oid, 'member')
    or not exists (
        select
        from pg_catalog.pg_class c
        where c.oid = relation and pg_catalog.pg_has_role('@owner@', c.relowner, 'usage')
    ) or exists (
        select
        from pg_catalog.pg_roles r
        where r.oid = role and r.rolsuper
    ) then
        raise insufficient_privilege using
            message = pg_catalog.format('must be able to give %s to %s', relation, role);
    end if;
    execute pg_catalog.format('alter table %s owner to %s', relation, role);
end
$body$;

-- Roles, for an owner who may make none: beside a URL, where they are the whole server's. Nobody
-- logs in as one of them. Who asks for one may administer it, and give it what they may give to
-- anybody.
create function leakproof.create_role(name text, inherits boolean, groups text[]) returns void
language plpgsql set session_replication_role = replica
as $body$
declare
    member_of text;
begin
    if pg_catalog.starts_with(name, 'leakproof') then
        raise insufficient_privilege using message = 'permission denied to create role';
    end if;
    -- One that migrations have made for another scratch database is as good as ours.
    if coalesce(pg_catalog.shobj_description(
        pg_catalog.to_regrole(pg_catalog.quote_ident(name)), 'pg_authid'
    ), '') <> @mark@ || @migrations@ then
        execute pg_catalog.format('create role %I nologin %s', name,
            case when inherits then 'inherit' else 'noinherit' end);
        execute pg_catalog.format('comment on role %I is %L', name, @mark@ || @migrations@);
    end if;
    execute pg_catalog.format('grant %I to @owner@ with admin option', name);
    foreach member_of in array groups loop
        if not pg_catalog.pg_has_role('@owner@', member_of, 'usage with admin option') then
            raise insufficient_privilege using
                message = pg_catalog.format('permission denied to grant role "%s"', member_of);
        end if;
        execute pg_catalog.format('grant %I to %I', member_of, name);
    end loop;
end
$body$;

-- Only what a migration has made is a migration's.
create function leakproof.alter_role(name text, inherits boolean) returns void
language plpgsql set session_replication_role = replica
as $body$
begin
    if pg_catalog.shobj_description(pg_catalog.quote_ident(name)::regrole, 'pg_authid')
        is distinct from @mark@ || @migrations@ then
        raise insufficient_privilege using
            message = pg_catalog.format('permission denied to alter role "%s"', name);
    end if;
    if inherits is not null then
        execute pg_catalog.format('alter role %I %s', name,
            case when inherits then 'inherit' else 'noinherit' end);
    end if;
end
$body$;

create function leakproof.drop_role(name text, is_lenient boolean) returns void
language plpgsql set session_replication_role = replica
as $body$
begin
    if is_lenient and pg_catalog.to_regrole(pg_catalog.quote_ident(name)) is null then
        return;
    end if;
    perform leakproof.alter_role(name, null);
    execute pg_catalog.format('drop role %I', name);
end
$body$;

