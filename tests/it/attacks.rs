//! What a hostile file tries: wherever SQL of a project runs, it runs in a session that has logged in as
//! somebody who is no superuser, so that nothing beyond the scratch database can be reached.
//!
//! One function tries every attack and raises an error that names those which were not refused. It is
//! called from each place where the project's code runs. That it is really called there, and that each
//! attack is one, is shown: by one that always succeeds, and by a superuser.

use std::fmt::Write;

use leakproof::Project;
use leakproof::report::to_text;
use leakproof::server::ServerKind;

use crate::support::{Copy, PLAIN_CONFIG, empty_scratch, lines, shared_server, try_check_with};
use crate::turns::in_turn;

/// What a superuser may do, each as a statement, by name. None leaves anything behind, since the error
/// that tells of it takes it back.
const ATTACKS: &[(&str, &str)] = &[
    ("another session", "set session authorization {superuser}"),
    (
        "another session by a setting",
        "select set_config(''session_authorization'', ''{superuser}'', true)",
    ),
    ("the admin's role", "set role {superuser}"),
    ("a superuser", "create role attack_superuser superuser"),
    (
        "itself a superuser",
        "do $do$ begin execute format(''alter role %I superuser'', session_user); end $do$",
    ),
    ("a role that replicates", "create role attack_replicates replication"),
    ("a role that makes databases", "create role attack_creates createdb"),
    (
        "a role, as a service",
        "set role supabase_auth_admin; create role attack_by_service; reset role",
    ),
    ("the password of a role", "alter role anon password ''x''"),
    ("a password", "alter role {superuser} password ''x''"),
    ("a setting of a superuser", "alter role {superuser} set work_mem = ''1MB''"),
    ("a setting of everybody", "alter role all set work_mem = ''1MB''"),
    ("a setting of another database", "alter database template1 set work_mem = ''1MB''"),
    ("the limit of another database", "alter database template1 connection limit 3"),
    ("the owner of another database", "alter database template1 owner to current_user"),
    ("a right on a parameter", "grant set on parameter log_statement to current_user"),
    ("the role for programs", "grant pg_execute_server_program to current_user"),
    ("the role for files", "grant pg_read_server_files to current_user"),
    ("a program", "copy (select 1) to program ''cat >/dev/null''"),
    (
        "a program that is read",
        "create table attack_p (l text); copy attack_p from program ''echo x''",
    ),
    ("a file that is written", "copy (select 1) to ''{data}/attack''"),
    (
        "a file that is read",
        "create table attack_f (l text); copy attack_f from ''{data}/PG_VERSION''",
    ),
    ("a file as text", "select pg_read_file(''PG_VERSION'')"),
    ("a file as bytes", "select pg_read_binary_file(''PG_VERSION'')"),
    ("what a file is", "select pg_stat_file(''PG_VERSION'')"),
    ("a folder", "select pg_ls_dir(''.'')"),
    ("a large object from a file", "select lo_import(''{data}/PG_VERSION'')"),
    (
        "a large object into a file",
        "select lo_from_bytea(4711, ''x''); select lo_export(4711, ''{data}/attack_large'')",
    ),
    ("the rules of who gets in", "select count(*) from pg_hba_file_rules"),
    ("passwords", "select count(rolpassword) from pg_authid"),
    ("the catalog", "update pg_catalog.pg_authid set rolsuper = true where rolname = current_user"),
    (
        "a function of the server",
        "update pg_catalog.pg_proc set prosecdef = true where proname = ''lower''",
    ),
    ("a library", "load ''plpgsql''"),
    (
        "a function in C",
        "create function attack_c() returns int language c as ''plpgsql'', ''plpgsql_call_handler''",
    ),
    (
        "a function of the server's own",
        "create function attack_i() returns int language internal as ''pg_backend_pid''",
    ),
    ("a language", "create language attack_l handler plpgsql_call_handler"),
    ("a foreign data wrapper", "create foreign data wrapper attack_w"),
    ("a publication of all tables", "create publication attack_p for all tables"),
    (
        "a subscription",
        "create subscription attack_s connection ''dbname=x'' publication p with (connect = false)",
    ),
    (
        "a slot",
        "select pg_create_physical_replication_slot(''attack_'' || pg_backend_pid(), false, true)",
    ),
    (
        "a superuser's session",
        "select pg_terminate_backend(pid) from pg_stat_activity where usename = ''{superuser}'' and application_name = ''nobody''; select pg_reload_conf() from generate_series(1, 0)",
    ),
    (
        "the rules anew",
        "do $do$ begin if not has_function_privilege(''pg_reload_conf()'', ''execute'') then raise insufficient_privilege; end if; end $do$",
    ),
    ("the log", "set log_statement = ''all''"),
    ("a library for each session", "set session_preload_libraries = ''x''"),
    ("triggers of foreign keys", "set session_replication_role = replica"),
    (
        "an operator class",
        "create operator class attack_o for type int using btree as operator 1 <",
    ),
    (
        "a type of the server's own",
        "create type attack_t; create function attack_in(cstring) returns attack_t language internal immutable strict as ''textin''",
    ),
    (
        "a function that leaks nothing",
        "create function attack_lp() returns int leakproof language sql as ''select 1''",
    ),
    ("policies that are gone", "create role attack_bypass bypassrls superuser"),
    ("our own schema", "create table leakproof.attack (a int)"),
    (
        "our own functions",
        "create or replace function leakproof.mark(line integer) returns void language sql as ''select''",
    ),
    ("what may be made", "insert into leakproof.extensions values (''dblink'')"),
    (
        "what a stub does",
        "update leakproof.stubs set definition = ''alter role postgres superuser''",
    ),
    ("who may be asked", "insert into leakproof.actors values (''{superuser}'')"),
    // The last: it fires at whatever comes after it.
    (
        "an event trigger",
        "create event trigger attack_e on ddl_command_end execute function public.fired()",
    ),
];

/// What does as much by way of functions of ours, which are everybody's in a file.
const CALLS: &[(&str, &str)] = &[
    (
        "an extension that reaches out",
        "select leakproof.create_extension(''dblink'', null, null, false, ''public'')",
    ),
    (
        "an extension in our schema",
        "select leakproof.create_extension(''citext'', ''leakproof'', null, false, ''public'')",
    ),
    (
        "an extension in our schema, unsaid",
        "select leakproof.create_extension(''citext'', null, null, false, ''leakproof'')",
    ),
    (
        "a trigger on each login",
        "select leakproof.create_event_trigger(''attack'', ''login'', null, ''public.fired()'')",
    ),
    (
        "a validator that is called as a superuser",
        "select leakproof.create_foreign_data_wrapper(''attack'', null, ''public.validate'')",
    ),
    (
        "a library for a role",
        "select leakproof.set_for_role(''postgres'', ''local_preload_libraries'', array[''x''])",
    ),
    (
        "a superuser's parameter",
        "select leakproof.set_for_role(''postgres'', ''session_preload_libraries'', array[''x''])",
    ),
    (
        "a superuser's setting",
        "select leakproof.set_for_role(''{superuser}'', ''work_mem'', array[''1MB''])",
    ),
    ("a comment on a role", "select leakproof.comment_on(''role'', ''{superuser}'', ''x'')"),
    (
        "statements of the steward as a superuser",
        "select leakproof.run(''alter role leakproof_steward superuser'')",
    ),
    ("the steward's session", "select leakproof.run(''set session authorization {superuser}'')"),
    (
        "the steward's files",
        "select leakproof.run(''copy (select 1) to program ''''cat >/dev/null'''''')",
    ),
    (
        "the steward's passwords",
        "select count(*) from leakproof.ask(''select rolpassword from pg_authid'')",
    ),
    ("a stub that is not on the list", "select leakproof.create_stub(''pageinspect'', ''public'')"),
    (
        "a superuser's parameter of a module",
        "select leakproof.set_for_role(''postgres'', ''plpgsql.variable_conflict'', array[''error''])",
    ),
    (
        "the settings of our own logins",
        "select leakproof.set_for_role(''leakproof_steward'', ''work_mem'', array[''1MB''])",
    ),
    (
        "our own event trigger",
        "select leakproof.drop_objects(''event trigger'', array[''leakproof_guard''], false, false)",
    ),
    (
        "an object without a kind",
        "select leakproof.drop_objects(null, array[''role''], true, true)",
    ),
    (
        "an extension among the server's own",
        "select leakproof.create_extension(''hstore'', ''pg_catalog'', null, false, ''public'')",
    ),
    ("an extension moved there", "select leakproof.move_extension(''plpgsql'', ''pg_catalog'')"),
    ("a table of ours", "select leakproof.set_owner(''leakproof.stubs'', ''postgres'')"),
    (
        "a table of the server's",
        "select leakproof.set_owner(''pg_catalog.pg_authid'', ''postgres'')",
    ),
];

/// Where the project's code runs: the name, the files beside the first migration.
const CARRIERS: &[(&str, &[(&str, &str)])] = &[
    ("a file", &[("migrations/V2__b.sql", "select public.attack();")]),
    ("a block", &[("migrations/V2__b.sql", "do $$ begin perform public.attack(); end $$;")]),
    (
        "a role that the file sets",
        &[("migrations/V2__b.sql", "set role {person}; select public.attack();")],
    ),
    (
        "a function with the owner's rights",
        &[("migrations/V2__b.sql", "alter function public.attack() security definer; select public.attack();")],
    ),
    (
        "a trigger of the file's own rows",
        &[("migrations/V2__b.sql", "{trigger}; insert into public.notes (id) values (gen_random_uuid());")],
    ),
    (
        "a constraint that waits for the end of the file",
        &[(
            "migrations/V2__b.sql",
            "create constraint trigger late after insert on public.notes deferrable initially deferred
             for each row execute function public.fire();
             insert into public.notes (id) values (gen_random_uuid());",
        )],
    ),
    (
        "an event trigger",
        &[("migrations/V2__b.sql", "{event}; create table public.more (id int);")],
    ),
    (
        "an event trigger, at an extension",
        &[("migrations/V2__b.sql", "{event}; create extension citext; drop extension citext;")],
    ),
    (
        "an event trigger, at a publication",
        &[("migrations/V2__b.sql", "{event}; create publication p for all tables; drop publication p;")],
    ),
    (
        "an event trigger, at a stub",
        &[("migrations/V2__b.sql", "{event}; create extension dblink;")],
    ),
    (
        "an event trigger, at comments and settings",
        &[(
            "migrations/V2__b.sql",
            "{event}; comment on event trigger e is 'x'; alter role {person} set work_mem = '5MB';
             create foreign data wrapper w;",
        )],
    ),
    ("a materialized view", &[("migrations/V2__b.sql", "create materialized view public.m as select public.attack();")]),
    ("an index", &[("migrations/V2__b.sql",
        "alter function public.attack() immutable; insert into public.notes (id) values (gen_random_uuid());
         create index on public.notes ((public.attack()));")]),
    ("a fixture", &[("fixtures/V1__a.sql", "select public.attack();")]),
    ("a seed", &[("seed.sql", "select public.attack();")]),
    (
        "a row of the world",
        &[("seed.sql", "-- leakproof: rows of the world\nselect public.attack();")],
    ),
    (
        "a preserve pair",
        &[
            ("migrations/V2__b.sql", "select 1;"),
            ("preserve/V2__b.sql", "-- preserve: all\n-- before\nselect public.attack();\n-- after\nselect public.attack();\n"),
        ],
    ),
    (
        "a recorded call",
        &[
            // The answers differ.
            ("migrations/V1__a.sql.more", "create table public.before ();"),
            ("migrations/V2__b.sql", "drop table public.before;"),
            ("api/V1__a.sql", "-- call: all\n-- as: owner\nselect public.attack();\n"),
        ],
    ),
    ("a trigger of seeded rows", &[("migrations/V2__b.sql", "{trigger};")]),
    ("a default", &[("migrations/V2__b.sql", "alter table public.notes add n int default public.attack();")]),
    ("a check", &[("migrations/V2__b.sql", "alter table public.notes add check (public.attack() is null) not valid;")]),
    ("a domain", &[("migrations/V2__b.sql",
        "create domain public.d as int check (value is null or public.attack() is null);
         alter table public.notes add n public.d not null default 1;")]),
    ("a policy", &[("migrations/V2__b.sql", "create policy p on public.notes for select using (public.attack() is null);")]),
    ("a policy on new rows", &[("migrations/V2__b.sql", "create policy p on public.notes for insert with check (public.attack() is null);")]),
    ("a trigger on delete", &[("migrations/V2__b.sql",
        "create trigger d before delete on public.notes for each row execute function public.fire();
         create policy p on public.notes for delete using (true);")]),
    ("a view", &[("migrations/V2__b.sql",
        "create view public.v as select n.id, public.attack() as a from public.notes n; grant select on public.v to {person};")]),
    ("an event trigger of objects of ours", &[("migrations/V2__b.sql", "{event};")]),
    (
        "a rollback",
        &[
            ("migrations/V2__b.sql", "select 1;"),
            ("rollback/V2__b.sql", "select public.attack();"),
        ],
    ),
    (
        "an event trigger, at a trusted extension in a block",
        &[("migrations/V2__b.sql",
            "{event}; do $$ begin execute 'create extension hstore'; exception when others then null; end $$;")],
    ),
    (
        "a domain that hides a type of the server's",
        &[("migrations/V2__b.sql",
            "create function public.f(x pg_catalog.name) returns boolean language plpgsql as
                $$ begin perform public.attack(); return true; end $$;
             create domain pg_temp.name as pg_catalog.name check (public.f(value));
             select leakproof.join_owners();")],
    ),
    (
        "an operator beside a stub",
        &[("migrations/V2__b.sql",
            "create schema h;
             create function h.ge(oid, int4) returns boolean language plpgsql as
                $$ begin perform public.attack(); return true; end $$;
             create operator h.>= (leftarg = oid, rightarg = int4, function = h.ge);
             create extension http schema h;")],
    ),
    (
        "a trigger on a stub's table",
        &[("migrations/V2__b.sql",
            "create extension pgsodium;
             create trigger t before insert on pgsodium.key for each row execute function public.fire();
             select pgsodium.create_key();")],
    ),
    (
        "a key to a stub's table",
        &[("migrations/V2__b.sql",
            "create extension pg_cron; create type public.c as (a int);
             create function public.f(public.c) returns bigint language plpgsql immutable as
                $$ begin perform public.attack(); return 1; end $$;
             create cast (public.c as bigint) with function public.f(public.c) as implicit;
             create table public.k (id int, j public.c references cron.job (jobid));
             insert into public.k values (1, row(1)::public.c);")],
    ),
    (
        "another function of a validator's name",
        &[("migrations/V2__b.sql",
            "create schema h; create extension pg_trgm schema h;
             create function h.similarity(text[], oid) returns void language plpgsql as
                $$ begin perform public.attack(); end $$;
             do $$ begin
                perform leakproof.create_foreign_data_wrapper(
                    'w', null, 'h.similarity(text,text)'::regprocedure::oid::regproc);
             exception when insufficient_privilege then null; end $$;")],
    ),
];

/// `anon` gets nothing: any role may change its own password, which is never committed where people ask.
const SUPABASE_CONFIG: &str = "[project]\nplatform = \"supabase\"\ngrants = \"2026\"\n";

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Supabase,
    Plain,
}

/// The function that tries them all.
fn attack(attacks: &[(&str, &str)], superuser: &str) -> String {
    let mut sql = "create function public.attack() returns int language plpgsql as $attack$
        declare reached text := '';
        begin\n"
        .to_owned();
    for (name, statement) in attacks {
        let name = name.replace('\'', "''");
        let _ = write!(
            sql,
            "begin execute '{statement}'; reached := reached || '<{name}>';
             exception when others then null; end;\n"
        );
    }
    sql.push_str(
        "if reached <> '' and pg_catalog.to_regclass('public.before') is null then raise exception using errcode = 'LPATT', message = 'REACHED ' || reached; end if; return null; end $attack$;
         create function public.fire() returns trigger language plpgsql as
            $$ begin perform public.attack(); return coalesce(new, old); end $$;
         create function public.fired() returns event_trigger language plpgsql as
            $$ begin perform public.attack(); end $$;
         create function public.validate(text[], oid) returns void language plpgsql as
            $$ begin perform public.attack(); end $$;\n",
    );
    sql.replace("{superuser}", superuser)
}

/// The superuser of the server that the tests are run on, and where its data are.
fn superuser_and_data() -> (String, String) {
    let database = shared_server().create_database().expect("a database");
    let mut client = database.connect().expect("a connection");
    let row = client.query_one("select current_user::text, current_setting('data_directory')", &[]);
    let row = row.expect("a row");
    (row.get(0), row.get(1))
}

fn project(kind: Kind, attack: &str, files: &[(&str, &str)]) -> Copy {
    let copy = Copy::empty();
    let (config, users, person, user) = match kind {
        Kind::Supabase => (SUPABASE_CONFIG, "", "authenticated", "auth.uid()"),
        Kind::Plain => (
            PLAIN_CONFIG,
            "create table public.users (id uuid primary key); grant select on public.users to app_user;",
            "app_user",
            "nullif(current_setting('app.user_id', true), '')::uuid",
        ),
    };
    let users_table = if kind == Kind::Supabase { "auth.users" } else { "public.users" };
    let base = format!(
        "{users}
         create table public.notes (
            id uuid primary key default gen_random_uuid(), user_id uuid references {users_table},
            body text
         );
         alter table public.notes enable row level security;
         create policy own on public.notes using (user_id = {user});
         grant select, insert, update, delete on public.notes to {person};
         {attack}"
    );
    copy.write("leakproof.toml", config);
    copy.write("migrations/V1__a.sql", &base);
    for (path, sql) in files {
        if let Some(path) = path.strip_suffix(".more") {
            copy.append(path, sql);
            continue;
        }
        let sql = sql
            .replace("{person}", person)
            .replace(
                "{trigger}",
                "create trigger t before insert on public.notes for each row execute function public.fire()",
            )
            .replace("{event}", "create event trigger e on ddl_command_end execute function public.fired()");
        copy.write(path, &sql);
    }
    copy
}

/// All that a check of it says, good or bad.
fn said(copy: &Copy) -> String {
    match try_check_with(&copy.path(), |options| {
        options.round_trip = copy.path().join("rollback").is_dir()
    }) {
        Ok(report) => to_text(&report),
        Err(error) => error.to_string(),
    }
}

/// What makes each attempt succeed, so that it is seen where it is made.
const CALLED: &[(&str, &str)] = &[("called", "select 1")];

#[test]
fn nothing_is_reached_from_wherever_a_project_runs_code() {
    // Held, since another one would have its data elsewhere.
    let _server = shared_server();
    let (superuser, data) = superuser_and_data();
    // On a server of ours roles may be made, and below 16 by whoever may any. There is nothing beside it.
    let (is_url, version) =
        (shared_server().kind() == ServerKind::Url, shared_server().major_version());
    let is_tried = |(name, _): &&(&str, &str)| match *name {
        "a role that makes databases" => is_url || version >= 16,
        "a role, as a service" | "the password of a role" => is_url,
        _ => true,
    };
    let all: Vec<_> = ATTACKS.iter().chain(CALLS).filter(is_tried).copied().collect();
    let tried = attack(&all, &superuser).replace("{data}", &data);
    let called = attack(CALLED, &superuser);
    let kinds = [Kind::Supabase, Kind::Plain];
    let cases: Vec<_> = kinds
        .iter()
        .flat_map(|kind| CARRIERS.iter().map(move |carrier| (*kind, carrier)))
        .collect();
    let wrong = in_turn(&cases, |(kind, (name, files))| {
        let platform = if *kind == Kind::Supabase { "supabase" } else { "plain" };
        let mut wrong = String::new();
        let told = said(&project(*kind, &called, files));
        if !told.contains("LPATT") && !is_not_tried(name) {
            let _ = writeln!(wrong, "{name} ({platform}) calls nothing: {told}");
        }
        let told = said(&project(*kind, &tried, files));
        if told.contains("LPATT") {
            let reached = told.split_once("REACHED").map(|(_, reached)| reached);
            let reached =
                reached.and_then(|reached| reached.lines().next()).unwrap_or(" something");
            let _ = writeln!(wrong, "{name} ({platform}) reaches{reached}");
        }
        wrong
    });
    let wrong: String = wrong.into_iter().flatten().collect();
    assert!(wrong.is_empty(), "{wrong}");
}

/// Where it must not be called at all: in what runs as a superuser.
fn is_not_tried(carrier: &str) -> bool {
    const NOT_CALLED: [&str; 4] = [
        "an event trigger of objects of ours",
        "a domain that hides a type of the server's",
        "an operator beside a stub",
        "another function of a validator's name",
    ];
    carrier.starts_with("an event trigger, at") || NOT_CALLED.contains(&carrier)
}

/// Each of them is one: a superuser is refused none.
#[test]
fn each_attack_is_one() {
    // Held, since another one would have its data elsewhere.
    let _server = shared_server();
    let (superuser, data) = superuser_and_data();
    let project_with = |attack: &str| project(Kind::Supabase, attack, &[]);
    let copy = project_with(&attack(ATTACKS, &superuser).replace("{data}", &data));
    let project = Project::read(copy.path()).expect("a project");
    let mut scratch = empty_scratch(&project);
    scratch.migrate().expect("it only makes the function");
    let mut client = scratch.connect().expect("a connection");
    // What the jail keeps a superuser from, the test of the jail shows to be there without it.
    let is_jailed = shared_server().describe().contains(", jailed");
    let refused = client.batch_execute("select public.attack()").expect_err("it tells");
    let told = refused.as_db_error().expect("the server's").message().to_owned();
    // Beside a URL such a role may not, whoever becomes it.
    let is_url = shared_server().kind() == ServerKind::Url;
    let is_missing = |name: &&str| {
        let is_kept = is_jailed && ["a program", "a program that is read"].contains(name);
        let is_kept = is_kept || (is_url && *name == "a role, as a service");
        !is_kept && !told.contains(&format!("<{name}>"))
    };
    let missing: Vec<&str> = ATTACKS.iter().map(|(name, _)| *name).filter(is_missing).collect();
    assert_eq!(missing, Vec::<&str>::new(), "{told}");
}

/// What runs as a superuser finds nothing in a schema of the project's, and lets no event trigger fire.
#[test]
fn what_runs_as_a_superuser_is_closed() {
    let copy = project(Kind::Supabase, "create extension pg_cron; create extension pg_tle;", &[]);
    let project = Project::read(copy.path()).expect("a project");
    let mut scratch = empty_scratch(&project);
    scratch.migrate().expect("it applies");
    let all = "select p.proname from pg_proc p join pg_roles r on r.oid = p.proowner
        where p.prosecdef and r.rolsuper";
    assert!(lines(&scratch, all).len() > 20, "they are elsewhere");
    let open = lines(
        &scratch,
        "select p.oid::regprocedure::text from pg_proc p join pg_roles r on r.oid = p.proowner
         where p.prosecdef and r.rolsuper and (
            not 'search_path=pg_catalog, pg_temp' = any (coalesce(p.proconfig, '{}'))
            or has_function_privilege('postgres', p.oid, 'execute')
                and not 'session_replication_role=replica' = any (coalesce(p.proconfig, '{}'))
                and p.proname not in (
                    'join_owners', 'admit_actors', 'begin_roles', 'settle_roles', 'shared',
                    'set_replication_role'
                )
         )
         order by 1",
    );
    assert_eq!(open, [""; 0]);
}
