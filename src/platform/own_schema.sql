-- What is ours in a scratch database, in a schema of its own: the history, marks, and the doors
-- through which sessions that are no superuser's do what they may not do themselves.
--
-- It is put there before the first file. The owner runs the files, the login is who connects in
-- production, the admin is a superuser whom extensions belong to.
--
-- NOTE: none of it takes SQL to run as a superuser. What runs SQL of ours belongs to the steward,
-- who may do with every row what its owner may, whatever policies say, and nothing else.

create schema leakproof;
@history@;
-- Whoever a file has become leaves a mark.
grant usage on schema leakproof to public;

-- In these encodings of a client a backslash may be half of a letter, and a text of ours would end
-- where it does not: nobody can choose one here.
do $leakproof$
declare
    conversion record;
begin
    for conversion in
        select c.oid, c.conproc::oid::regprocedure as routine
        from pg_catalog.pg_conversion c
        where c.conforencoding > 34 or c.contoencoding > 34
    loop
        execute pg_catalog.format('revoke execute on function %s from public', conversion.routine);
        delete from pg_catalog.pg_conversion c where c.oid = conversion.oid;
    end loop;
end
$leakproof$;

-- For a superuser. Others may be making the same grant.
create function leakproof.grant_role(role name, member name) returns void
language plpgsql
as $body$
begin
    execute pg_catalog.format('grant %I to %I', role, member);
exception when unique_violation then
    null;
end
$body$;

-- The steward has the rights of everybody who owns something here.
create function leakproof.join_owners() returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $body$
declare
    owner name;
begin
    for owner in
        select r.rolname
        from pg_catalog.pg_roles r
        where not r.rolsuper
        and r.rolname <> 'leakproof_steward'
        and not pg_catalog.starts_with(r.rolname, 'pg_')
        and r.oid in (
            select '@owner@'::regrole::oid
            union
            select c.relowner from pg_catalog.pg_class c
            union
            select n.nspowner from pg_catalog.pg_namespace n
            union
            select p.proowner from pg_catalog.pg_proc p
            union
            select t.typowner from pg_catalog.pg_type t
        )
        and not exists (
            select
            from pg_catalog.pg_auth_members m
            where m.roleid = r.oid and m.member = 'leakproof_steward'::regrole
        )
    loop
        perform leakproof.grant_role(owner, 'leakproof_steward');
    end loop;
end
$body$;

select leakproof.join_owners();

-- Whoever asks is somebody whom the login may become. The roles of further actors come with files;
-- none of them may be one that the server knows for something else. Each file ends with it.
create table leakproof.actors (role name primary key);

create function leakproof.admit_actors() returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $body$
declare
    actor name;
begin
    for actor in
        select r.rolname
        from leakproof.actors a
        join pg_catalog.pg_roles r on r.rolname = a.role
        where not (r.rolsuper or r.rolcreaterole or r.rolcreatedb or r.rolreplication)
        and not pg_catalog.pg_has_role('@login@', r.oid, 'member')
    loop
        perform leakproof.grant_role(actor, '@login@');
    end loop;
end
$body$;

-- Roles belong to the whole server, and a scratch database must leave none of its traces on them.
-- What a file sets for a role is moved into the scratch database, where it holds as well and goes
-- with it; the next file finds it as if it had stayed. A role that a file makes is marked, so that
-- it is dropped with the last scratch database.
create table leakproof.roles_before (role oid primary key, settings text[]);

create function leakproof.begin_roles() returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $body$
declare
    here constant oid := (
        select d.oid from pg_catalog.pg_database d where d.datname = pg_catalog.current_database()
    );
    setting record;
begin
    -- Once a file.
    if exists (select from leakproof.roles_before b where pg_catalog.age(b.xmin) <= 0) then
        return;
    end if;
    delete from leakproof.roles_before;
    insert into leakproof.roles_before
    select r.oid, s.setconfig
    from pg_catalog.pg_roles r
    left join pg_catalog.pg_db_role_setting s on s.setrole = r.oid and s.setdatabase = 0;
    for setting in
        select s.setrole, s.setconfig from pg_catalog.pg_db_role_setting s
        where s.setdatabase = here and s.setrole <> 0
    loop
        delete from pg_catalog.pg_db_role_setting s
        where s.setdatabase in (0, here) and s.setrole = setting.setrole;
        insert into pg_catalog.pg_db_role_setting values (0, setting.setrole, setting.setconfig);
    end loop;
end
$body$;

-- Whether this transaction has made a row that it sees.
create function leakproof.is_made_here(made_by xid) returns boolean
language plpgsql
as $body$
declare
    here constant bigint := pg_catalog.pg_current_xact_id()::text::bigint;
begin
    -- A transaction that began after this one, and has ended, is no older either.
    return case
        when pg_catalog.age(made_by) <= 0 then pg_catalog.pg_xact_status(
            ((here >> 32 << 32) | made_by::text::bigint)::text::xid8) = 'in progress'
        else false
    end;
end
$body$;

create function leakproof.settle_roles() returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $body$
declare
    here constant oid := (
        select d.oid from pg_catalog.pg_database d where d.datname = pg_catalog.current_database()
    );
    mark constant text := @mark@;
    role record;
begin
    for role in
        select r.oid, r.rolname, b.role is null as is_new, b.settings as before, s.setconfig as now
        from pg_catalog.pg_authid r
        left join leakproof.roles_before b on b.role = r.oid
        left join pg_catalog.pg_db_role_setting s on s.setrole = r.oid and s.setdatabase = 0
        -- Those by which runs log in are theirs, and what others have made meanwhile is.
        where r.rolname !~ '^leakproof_[0-9a-f]{8}_[0-9]+$'
        and (b.role is not null or leakproof.is_made_here(r.xmin))
        and (s.setrole is null or leakproof.is_made_here(s.xmin))
    loop
        if role.is_new and not pg_catalog.starts_with(
            coalesce(pg_catalog.shobj_description(role.oid, 'pg_authid'), ''), mark
        ) then
            execute pg_catalog.format(
                'comment on role %I is %L', role.rolname, mark || @migrations@);
        end if;
        if role.before is distinct from role.now then
            delete from pg_catalog.pg_db_role_setting s
            where s.setdatabase in (0, here) and s.setrole = role.oid;
            insert into pg_catalog.pg_db_role_setting
            select setting.*
            from (
                values (here, role.oid, role.now), (0, role.oid, role.before)
            ) as setting (d, r, c)
            where setting.c is not null;
        end if;
    end loop;
end
$body$;

-- Names of ours are the server's, also where a project has put schemas before `pg_catalog`, or
-- types into the schema of temporary objects. The rest of the path stays, for what views, triggers
-- and functions look up meanwhile.
--
-- NOTE: no operator and no type is named here without its schema.
create function leakproof.look_into_catalog_first() returns void
language plpgsql
as $body$
begin
    -- One expression: each is planned anew wherever the path has changed.
    perform case
        when pg_catalog.starts_with(pg_catalog.current_setting('search_path'), 'pg_catalog, ')
            and pg_catalog.texteq(
                pg_catalog.right(pg_catalog.current_setting('search_path'), 9), ', pg_temp'
            ) then null
        when pg_catalog.texteq(pg_catalog.current_setting('search_path'), '')
            then pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true)
        else pg_catalog.set_config('search_path', pg_catalog.concat(
            'pg_catalog, ', pg_catalog.current_setting('search_path'), ', pg_temp'
        ), true)
    end;
end
$body$;

-- Statements of ours.
create function leakproof.run(statements text) returns void
language plpgsql security definer
as $body$
begin
    perform leakproof.look_into_catalog_first();
    execute statements;
end
$body$;

-- A query of ours: each row as the text of a record.
create function leakproof.ask(query text) returns setof text
language plpgsql security definer
as $body$
declare
    answer record;
begin
    perform leakproof.look_into_catalog_first();
    for answer in execute query loop
        return next answer::pg_catalog.text;
    end loop;
end
$body$;

-- The same for a query of one column of text: no record has to be written and read for it.
create function leakproof.ask_text(query text) returns setof text
language plpgsql security definer
as $body$
begin
    perform leakproof.look_into_catalog_first();
    return query execute query;
end
$body$;

-- What each statement of a file leaves behind itself: a mark with its line. A row that another
-- statement writes carries the number of its subtransaction, and so does the mark.
--
-- NOTE: it is unlogged, since a publication of all tables would keep what is in another one from
-- being deleted.
create unlogged table leakproof.marks (line integer not null);

create function leakproof.mark(line integer) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $body$
begin
    insert into leakproof.marks values (line);
end
$body$;

-- Whether triggers fire, and foreign keys are checked.
create function leakproof.set_replication_role(role text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $body$
begin
    perform pg_catalog.set_config('session_replication_role', role, true);
end
$body$;

alter function leakproof.run(text) owner to leakproof_steward;
alter function leakproof.ask(text) owner to leakproof_steward;
alter function leakproof.ask_text(text) owner to leakproof_steward;
alter function leakproof.mark(integer) owner to leakproof_steward;

-- They are a superuser's: nobody puts a trigger or a rule on them.
grant select, insert, update, delete on leakproof.marks, leakproof.refinery_schema_history
    to leakproof_steward;
grant select on leakproof.marks, leakproof.refinery_schema_history to @owner@;

revoke execute on all functions in schema leakproof from public;
grant execute on function leakproof.mark(integer) to public;
grant execute on function leakproof.look_into_catalog_first(), leakproof.run(text),
    leakproof.ask(text), leakproof.ask_text(text) to @owner@, @login@, leakproof_steward;
grant execute on function leakproof.join_owners(), leakproof.admit_actors() to @owner@;
grant execute on function leakproof.begin_roles(), leakproof.settle_roles() to @owner@;
grant execute on function leakproof.set_replication_role(text) to @owner@, leakproof_steward;
