//! A file runs in a session that has logged in as the owner: nothing leads to another one.

use leakproof::Project;
use leakproof::report::to_text;

use crate::support::{
    Copy, PLAIN_CONFIG, check_project, empty_scratch, leakproof, lines, told, try_check_with,
};
use crate::url_server::{PASSWORD, UrlServer};

const SUPABASE_CONFIG: &str = "[project]\nplatform = \"supabase\"\n";

/// What a statement says openly is refused before anything runs; the rest the server refuses. Each with
/// the line of the statement that is to be named.
const WAYS: &[(&str, usize)] = &[
    ("set session authorization default;", 1),
    ("set local session_authorization to anon;", 1),
    ("select 1;\n\n\nselect set_config('session_authorization', 'anon', true);", 4),
    (
        "create function public.f() returns void language plpgsql as
            $$ begin perform set_config('session_authorization', 'anon', true); end $$;
         create table public.t as select 1 as id;
         select public.f();",
        4,
    ),
    (
        "create table public.t (id int);
         create function public.f() returns trigger language plpgsql as
            $$ begin perform set_config('session_authorization', 'anon', true); return new; end $$;
         create trigger soon before insert on public.t for each row execute function public.f();
         insert into public.t values (1);",
        5,
    ),
];

fn project(config: &str, sql: &str) -> Copy {
    let copy = Copy::empty();
    copy.write("leakproof.toml", config);
    copy.write("migrations/V1__a.sql", "create role anon_of_test; select 1");
    copy.write("migrations/V2__b.sql", sql);
    copy
}

#[test]
fn no_file_leaves_it() {
    for config in [SUPABASE_CONFIG, PLAIN_CONFIG] {
        for (sql, line) in WAYS {
            // The plain platform has no such role.
            let sql = match config {
                PLAIN_CONFIG => sql.replace("anon", "anon_of_test"),
                _ => (*sql).to_owned(),
            };
            let copy = project(config, &sql);
            let read = Project::read(copy.path()).expect("a project");
            let mut scratch = empty_scratch(&read);
            let error = scratch.migrate().expect_err(&sql).to_string();
            let refused = format!("V2__b.sql` cannot be run: line {line}\n");
            let failed = format!("V2__b.sql` failed at line {line}\n");
            let is_denied = error.contains(&failed) && error.contains("(SQLSTATE 42501)");
            assert!(error.contains(&refused) || is_denied, "{sql}: {error}");
            // Nothing of it stays.
            assert!(scratch.applied().iter().all(|applied| applied.version == 1), "{sql}");
        }
    }
}

/// Programs and files of the server are for superusers, whatever CREATEROLE is good for.
#[test]
fn no_file_grants_itself_the_servers_roles() {
    for role in ["pg_execute_server_program", "pg_read_server_files", "pg_write_server_files"] {
        for sql in [
            format!("grant {role} to postgres;"),
            format!("do $$ begin grant {role} to authenticated; end $$;"),
            format!("create role mine in role {role};"),
        ] {
            let copy = project(SUPABASE_CONFIG, &sql);
            let error = try_check_with(&copy.path(), |_| {}).expect_err(&sql).to_string();
            assert!(
                error.contains("V2__b.sql` failed") && error.contains("42501"),
                "{sql}: {error}"
            );
        }
    }
}

/// Beside a URL nobody may make roles, and a block is the only way to make one that may be there already.
#[test]
fn a_block_makes_roles() {
    let server = UrlServer::start();
    let blocks = "
do $$ begin
    if not exists (select from pg_roles where rolname = 'test_reader') then
        create role test_reader nologin;
    end if;
end $$;
do $$ begin
    create role test_reader;
exception when duplicate_object then
    raise notice 'there already';
end $$;
create role app_user;
create table public.users (id uuid primary key);
create table public.notes (body text);
grant select on public.notes to test_reader;";
    let copy = Copy::empty();
    copy.write("leakproof.toml", PLAIN_CONFIG);
    copy.write("migrations/V1__a.sql", blocks);
    let mut command = leakproof(&["check", "--server", "url"]);
    command.arg(copy.path()).env("LEAKPROOF_DATABASE_URL", server.url("tester", PASSWORD));
    let (_, report, error) = told(&command.output().expect("the program runs"));
    assert!(report.contains("roles (3)") && error.is_empty(), "{report}{error}");
    assert_eq!(server.leftovers(), [""; 0]);
}

/// What a file sets for the whole database meets us too, and the error says where it may come from.
#[test]
fn what_breaks_us_is_named() {
    const BREAKING: &[&str] = &[
        "alter database %I set default_transaction_read_only = on",
        "alter database %I set statement_timeout = 1",
        "alter database %I connection limit 0",
        "revoke connect on database %I from public, authenticator",
    ];
    let block =
        |sql: &&str| format!("do $$ begin execute format('{sql}', current_database()); end $$;");
    let breaking = BREAKING.iter().map(block).chain([
        "create function public.no_ddl() returns event_trigger language plpgsql as
            $$ begin raise exception 'no'; end $$;
         create event trigger e on ddl_command_start execute function public.no_ddl();"
            .to_owned(),
    ]);
    for sql in breaking {
        let copy = project(SUPABASE_CONFIG, &sql);
        let error = try_check_with(&copy.path(), |_| {}).expect_err(&sql).to_string();
        let is_named =
            error.contains("perhaps because of ") && error.contains("/migrations/V2__b.sql:");
        // Beside a URL some are refused before they break anything.
        let is_refused = error.contains("it changes what belongs to the whole server");
        assert!(is_named || is_refused, "{sql}: {error}");
    }
}

/// Everybody connects as one and the same: what hangs on that was not tried, and is no denial.
#[test]
fn who_has_logged_in_is_not_tried() {
    let told = |condition: &str| {
        let copy = Copy::empty();
        copy.write("leakproof.toml", PLAIN_CONFIG);
        let sql = format!(
            "create function public.me() returns name language sql as 'select session_user';
             create table public.users (id uuid primary key);
             create table public.notes (user_id uuid references public.users, login name);
             alter table public.notes enable row level security;
             grant select on public.notes to app_user;
             create policy p on public.notes using (user_id::text = current_setting('app.user_id')
                 or {condition});"
        );
        copy.write("migrations/V1__a.sql", &sql);
        to_text(&check_project(&copy.path()))
    };
    let note = "not checked: whom the policies of public.notes let in by `session_user`";
    for condition in ["login = session_user", "login = public.me()"] {
        assert!(told(condition).contains(note), "{condition}");
    }
    assert!(!told("login = current_user").contains(note));
}

/// A server beside which files have tried to change what a role of the server's own has set.
fn tried_beside(files: &[(&str, &str)], arguments: &[&str]) -> (Option<i32>, String) {
    let server = UrlServer::start();
    let copy = Copy::empty();
    copy.write("leakproof.toml", SUPABASE_CONFIG);
    files.iter().for_each(|(path, sql)| copy.write(path, sql));
    let mut command = leakproof(&["check", "--server", "url"]);
    command.args(arguments).arg(copy.path());
    command.env("LEAKPROOF_DATABASE_URL", server.url("tester", PASSWORD));
    let (code, _, error) = told(&command.output().expect("the program runs"));
    let set = "select setconfig::text from pg_db_role_setting s
        join pg_roles r on r.oid = s.setrole where r.rolname = 'clerk'";
    assert_eq!(server.ask(set), [""; 0], "{error}");
    assert_eq!(server.leftovers(), [""; 0], "{error}");
    (code, error)
}

/// What is one statement to us may be several to the server, of which one commits.
#[test]
fn one_statement_is_one() {
    const SET: &str = "select leakproof.set_for_role('clerk', 'search_path', array['evil'])";
    let atomic = format!(
        "create table public.notes (id int);
         select x.begin atomic from (select 1 as begin) x; commit; begin; {SET}; commit; begin;
         select leakproof.begin_roles(); savepoint leakproof_1; select 1 as end;"
    );
    let quoted = format!(
        "select set_config('standard_conforming_strings', 'off', false);
         select '\\', '; commit; begin; {}; commit; begin; --';",
        SET.replace('\'', "$$")
    );
    for sql in [atomic, quoted] {
        let calls = format!("-- call: one\n{sql}\n");
        for files in [
            &[("migrations/V1__a.sql", sql.as_str())][..],
            &[("migrations/V1__a.sql", "select 1"), ("fixtures/V1__a.sql", &sql)],
            &[
                ("migrations/V1__a.sql", "select 1"),
                ("api/V1__a.sql", &calls),
                ("migrations/V2__b.sql", "select 2"),
            ],
        ] {
            let (code, error) = tried_beside(files, &[]);
            // To a call it is an answer, and then there is nothing to try.
            let is_refused = code == Some(2) && error.contains("42601");
            assert!(is_refused || (files.len() == 3 && code == Some(3)), "{code:?} {error}");
        }
    }
}

/// What triggers do while rows are made is ended and compared as what a file does.
#[test]
fn rows_are_made_as_files_are_run() {
    let first = "
        create table public.notes (id uuid primary key default gen_random_uuid(), body text);
        create function public.fire() returns trigger language plpgsql as
            $$ begin perform leakproof.begin_roles(); return new; end $$;
        create trigger t before insert on public.notes for each row execute function public.fire();
        select leakproof.set_for_role('clerk', 'search_path', array['evil']);";
    let files = [
        ("migrations/V1__a.sql", first),
        ("migrations/V2__b.sql", "create table public.more (id int);"),
    ];
    // Two sessions at once would wait for what the trigger locks.
    tried_beside(&files, &["--rows-from", "1", "--jobs", "1"]);
}

/// A function of the project's among the members of an extension goes wherever that goes.
#[test]
fn nothing_of_a_project_gets_into_the_servers_schema() {
    let sql = "
        do $$ begin execute 'create extension hstore schema public'; end $$;
        create function public.starts_with(a name, b text) returns boolean language plpgsql as
            $$ begin raise exception 'as %', current_user; end $$;
        do $$ begin
            execute 'alter extension hstore add function public.starts_with(name, text)';
        exception when insufficient_privilege then null; end $$;
        do $$ begin
            perform leakproof.move_extension('hstore', 'pg_catalog');
        exception when insufficient_privilege then null; end $$;";
    let copy = project(SUPABASE_CONFIG, sql);
    let read = Project::read(copy.path()).expect("a project");
    let mut scratch = empty_scratch(&read);
    scratch.migrate().expect("it is only refused what it may not");
    let strange = "select p.oid::regprocedure::text from pg_proc p
        join pg_roles r on r.oid = p.proowner
        where p.pronamespace = 'pg_catalog'::regnamespace and not r.rolsuper";
    assert_eq!(lines(&scratch, strange), [""; 0]);
    let members = "select count(*)::text from pg_depend d
        join pg_proc p on d.classid = 'pg_proc'::regclass and p.oid = d.objid
        where d.deptype = 'e' and p.proname = 'starts_with'";
    assert_eq!(lines(&scratch, members), ["0"]);
}

/// Queries of pairs, and triggers on what we write, run what a file has made when its statements are done.
#[test]
fn what_runs_after_a_file_is_settled_too() {
    let made = |result: &str, answer: &str| {
        format!(
            "create function public.f() returns {result} language plpgsql security definer as $$
             begin
                 perform leakproof.set_for_role('clerk', 'search_path', array['evil']);
                 return {answer};
             end $$;"
        )
    };
    let (called, fired) = (made("int", "1"), made("trigger", "null"));
    let pair = "-- preserve: x\n-- before\nselect 1 as a\n-- after\nselect public.f() as a\n";
    let on_history = format!(
        "{fired}
         grant usage on schema public to leakproof_steward;
         grant execute on function public.f() to leakproof_steward;
         select leakproof.run('create constraint trigger x after insert
             on leakproof.refinery_schema_history deferrable initially deferred
             for each row execute function public.f()');"
    );
    for files in [
        &[
            ("migrations/V1__a.sql", called.as_str()),
            ("migrations/V2__b.sql", "select 1"),
            ("preserve/V2__b.sql", pair),
        ][..],
        &[("migrations/V1__a.sql", &on_history)],
    ] {
        // What it sets for a role of the server's is put back.
        tried_beside(files, &[]);
    }
}

/// Who is named in the config would give files what they may do.
#[test]
fn no_config_names_a_role_of_the_server() {
    for config in [
        PLAIN_CONFIG.replace("app_user", "pg_execute_server_program"),
        format!("{PLAIN_CONFIG}\n[actors.x]\nrole = \"pg_write_server_files\"\n"),
    ] {
        let copy = project(&config, "create table public.users (id uuid primary key)");
        let error = try_check_with(&copy.path(), |_| {}).expect_err(&config).to_string();
        assert!(error.contains("is a role of this server already"), "{error}");
    }
}

/// In some encodings a letter takes the backslash behind it, and with that what ends a text of ours.
#[test]
fn no_file_chooses_how_our_texts_are_read() {
    for sql in [
        "set client_encoding = 'SJIS';",
        "do $$ begin perform set_config('client_encoding', 'big5', false); end $$;",
        "create schema own; create default conversion own.c for 'GBK' to 'UTF8' from gbk_to_utf8;",
    ] {
        for config in [SUPABASE_CONFIG, PLAIN_CONFIG] {
            let copy = project(config, sql);
            let read = Project::read(copy.path()).expect("a project");
            let error = empty_scratch(&read).migrate().expect_err(sql).to_string();
            let is_refused = error.contains("0A000") || error.contains("42501");
            assert!(is_refused, "{sql}: {error}");
        }
    }
}

/// What a project has made in the schema of an extension is not what the extension means.
#[test]
fn the_script_of_an_extension_meets_nothing_of_a_project() {
    let sql = "
        create schema a;
        create schema b;
        create extension cube schema a;
        create function b.boom(v text) returns boolean language plpgsql as
            $$ begin raise exception 'as %', current_user; end $$;
        create domain b.evil as text check (b.boom(value));
        create type b.cube as (d b.evil);
        create function b.cube_is_point(c b.cube) returns boolean language sql as 'select true';
        create function b.cube_dim(c b.cube) returns int language sql as 'select 1';
        create function b.cube_distance(c b.cube, d b.cube) returns float8 language sql as 'select 1.0::float8';
        create extension earthdistance schema b;";
    let copy = project(SUPABASE_CONFIG, sql);
    let read = Project::read(copy.path()).expect("a project");
    let mut scratch = empty_scratch(&read);
    scratch.migrate().expect("the extension is made");
    let place = "select extnamespace::regnamespace::text from pg_extension
        where extname = 'earthdistance'";
    assert_eq!(lines(&scratch, place), ["b"]);
    assert_eq!(
        lines(&scratch, "select 1 where to_regnamespace('leakproof_apart') is not null"),
        [""; 0]
    );
}

/// What ours is written in is not the project's to take away.
#[test]
fn no_file_drops_the_language_of_our_guards() {
    for config in [SUPABASE_CONFIG, PLAIN_CONFIG] {
        for sql in ["drop extension plpgsql cascade;", "drop language plpgsql cascade;"] {
            let copy = project(config, sql);
            let read = Project::read(copy.path()).expect("a project");
            let refused = empty_scratch(&read).migrate().expect_err("it is refused").to_string();
            assert!(refused.contains("must be owner of"), "{sql}: {refused}");
        }
    }
}

/// What asks is not the project's to change: neither its functions and tables, nor what an operator of the
/// server means.
#[test]
fn no_file_answers_for_us() {
    let as_steward = |sql: &str| format!("select leakproof.run($${sql}$$);");
    let operator = |types: &str| {
        let (left, right) = types.split_once(", ").expect("two types");
        format!(
            "create function public.no(one {left}, other {right}) returns boolean language sql as 'select false';
             create operator public.= (leftarg = {left}, rightarg = {right}, function = public.no);"
        )
    };
    for sql in [
        as_steward("alter function leakproof.ask(text) set search_path = public, pg_catalog"),
        as_steward("alter function leakproof.ask(text) security invoker"),
        as_steward("drop function leakproof.ask_text(text)"),
        as_steward("create rule forget as on insert to leakproof.marks do instead nothing"),
        as_steward("alter table leakproof.refinery_schema_history disable row level security"),
        operator("name, text"),
        operator("oid, regnamespace"),
        "create type public.mood as enum ('good');
         create function public.told(mood public.mood) returns text language sql as $$ select 'good' $$;
         create cast (public.mood as text) with function public.told(public.mood);"
            .to_owned(),
    ] {
        let copy = project(SUPABASE_CONFIG, &sql);
        let read = Project::read(copy.path()).expect("a project");
        let refused = empty_scratch(&read).migrate().expect_err("it is refused").to_string();
        let is_refused = ["42501", "0A000"].iter().any(|state| refused.contains(state));
        assert!(is_refused && !refused.contains("public.no("), "{sql}: {refused}");
    }
}

/// A statement that a file has prepared under a name of ours is not taken for ours.
#[test]
fn no_file_prepares_what_counts_its_rows() {
    let copy = Copy::empty();
    copy.write("leakproof.toml", "[project]\nplatform = \"plain\"\npeople = \"none\"\n");
    copy.write(
        "migrations/V1__a.sql",
        "create table public.items (id int primary key, name text);
         deallocate all; prepare leakproof_columns as select null::text where false;",
    );
    copy.write("migrations/V2__b.sql", "delete from public.items where id > 5;");
    copy.write(
        "fixtures/V1__items.sql",
        "insert into public.items select i, 'item' from generate_series(1, 9) i;",
    );
    let report = check_project(&copy.path());
    let text = to_text(&report);
    assert!(text.contains("data-lost"), "{text}");
}

/// What runs while rows are made changes nothing that decides who reaches them.
#[test]
fn no_trigger_changes_what_files_define() {
    let base = "
        create table public.items (id int primary key, user_id uuid not null);
        alter table public.items enable row level security;
        create policy all_of_it on public.items using (true);
        create table public.odd (id int primary key);";
    let trigger = |sql: &str| {
        format!(
            "{base}
            create function public.change() returns trigger language plpgsql security definer as $$
            begin
                {sql}
                return new;
            end $$;
            create trigger change before insert on public.odd
                for each row execute function public.change();"
        )
    };
    for (sql, told) in [
        (
            "alter policy all_of_it on public.items using (user_id = auth.uid());",
            "the project changed the policy `all_of_it on public.items` while rows were made",
        ),
        (
            "if to_regprocedure('public.no()') is null then
                create function public.no() returns trigger language plpgsql as 'begin return null; end';
                create trigger no before update on public.items for each row execute function public.no();
            end if;",
            "the project changed the trigger `no on public.items` while rows were made",
        ),
    ] {
        let copy = project(SUPABASE_CONFIG, &trigger(sql));
        let refused = try_check_with(&copy.path(), |_| ()).expect_err("it is refused").to_string();
        assert!(refused.contains(told), "{refused}");
    }
    // A partition of a day is made as in production.
    let copy = project(
        SUPABASE_CONFIG,
        &trigger("execute format('create table if not exists public.part_%s (id int)', new.id);"),
    );
    check_project(&copy.path());
}
