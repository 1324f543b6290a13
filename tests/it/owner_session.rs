//! A file runs as the owner of what it makes, from its first statement to its last: whatever reaches
//! another session by way of `session_authorization` ends the run.

use leakproof::Project;
use leakproof::server::ServerKind;

use crate::support::{Copy, PLAIN_CONFIG, empty_scratch, shared_server, try_check_with};

const SUPABASE_CONFIG: &str = "[project]\nmigrations = \"migrations\"\n";

/// The ways, each with the line of the statement that is to be named.
const WAYS: &[(&str, usize)] = &[
    ("set session authorization default;", 1),
    ("select 1;\nset session_authorization = default;", 2),
    ("set local session_authorization to anon;", 1),
    ("do $$ begin\n execute 'reset session authorization'; end $$;", 1),
    (
        "select 1;\nselect set_config('session_authorization', current_user || '', true), 2;\n
      select set_config('session_authorization', 'anon', true);",
        4,
    ),
    (
        "create function public.f() returns void language plpgsql as
            $$ begin perform set_config('session_authorization', 'anon', true); end $$;
         create table public.t as select 1 as id;
         select public.f();",
        4,
    ),
    // They put it back themselves, but say in the catalog what they do.
    (
        "select 1;\n
         create function public.f() returns int language sql
            set session_authorization = 'anon' as 'select 1';",
        3,
    ),
    (
        "do $$ begin\n execute 'alter role anon set session_authorization = authenticated'; end $$",
        1,
    ),
    ("select 1;\nalter role anon set session_authorization = 'authenticated';\nselect 2", 2),
    // At the end of the file, where nobody stands but the last statement.
    (
        "create table public.t (id int);
         create function public.f() returns trigger language plpgsql as
            $$ begin perform set_config('session_authorization', 'anon', true); return null; end $$;
         create constraint trigger late after insert on public.t deferrable initially deferred
            for each row execute function public.f();
         insert into public.t values (1);",
        6,
    ),
    // What is sent as rows.
    (
        "create table public.t (id int);
         create function public.f() returns trigger language plpgsql as
            $$ begin perform set_config('session_authorization', 'anon', true); return new; end $$;
         create trigger soon before insert on public.t for each row execute function public.f();
         create publication p for all tables;
         insert into public.t values (1);",
        6,
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
                PLAIN_CONFIG => {
                    sql.replace("anon", "anon_of_test").replace("authenticated", "postgres")
                }
                _ => (*sql).to_owned(),
            };
            let copy = project(config, &sql);
            let read = Project::read(copy.path()).expect("a project");
            let mut scratch = empty_scratch(&read);
            let error = scratch.migrate().expect_err(&sql).to_string();
            let told =
                format!("V2__b.sql` cannot be run: line {line}\n  cause: it would leave the role");
            assert!(error.contains(&told), "{sql}: {error}");
            // Nothing of it stays.
            assert!(scratch.applied().iter().all(|applied| applied.version == 1), "{sql}");
        }
    }
}

/// Programs and files of the server are for superusers, whatever CREATEROLE is good for.
#[test]
fn no_file_grants_itself_the_servers_roles() {
    if shared_server().kind() == ServerKind::Url && shared_server().major_version() < 16 {
        // A server that is somebody's own is not changed, and below 16 CREATEROLE grants them.
        return;
    }
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

/// Whatever else a run goes on without.
#[test]
fn nobody_goes_on_without_such_a_file() {
    let leave = "do $$ begin execute 'reset session authorization'; end $$";
    let copy = project(SUPABASE_CONFIG, leave);
    let error = try_check_with(&copy.path(), |options| options.keep_going = true);
    let error = error.expect_err("the run ends").to_string();
    assert!(error.contains("V2__b.sql` cannot be run: line 1"), "{error}");
    // Data for somebody's local application.
    let copy = Copy::empty();
    copy.write("supabase/config.toml", "[db.seed]\nsql_paths = [\"./seed.sql\"]\n");
    copy.write("supabase/migrations/20240101000000_a.sql", "create table public.t (id int);");
    copy.write("supabase/seed.sql", &format!("insert into public.t values (1);\n{leave};"));
    let error = try_check_with(&copy.path(), |_| {}).expect_err("the run ends").to_string();
    assert!(error.contains("seed.sql` cannot be run: line 2"), "{error}");
}

const TABLES: &str = "
create table public.notes (
    id uuid primary key default gen_random_uuid(), user_id uuid references auth.users
);
alter table public.notes enable row level security;
create policy own on public.notes using (user_id = auth.uid());
grant all on public.notes to authenticated, anon;
";

/// What fires or is called when we seed and when people ask.
const LATER: &[(&str, &str)] = &[
    (
        "a trigger on insert",
        "create function public.f() returns trigger language plpgsql as
            $$ begin perform set_config('session_authorization', 'anon', true); return new; end $$;
         create trigger f before insert on public.notes for each row execute function public.f()",
    ),
    (
        "a default",
        "create function public.f() returns int language plpgsql as $$ begin
            perform set_config('session_authorization', 'anon', true); return 1; end $$;
         alter table public.notes add column n int default public.f()",
    ),
    (
        "a policy",
        "create function public.f() returns boolean language plpgsql as $$ begin
            perform set_config('session_authorization', 'postgres', true); return true; end $$;
         create policy f on public.notes for select using (public.f())",
    ),
    (
        "a policy that is asked about new rows",
        "create function public.f() returns boolean language plpgsql as $$ begin
            perform set_config('session_authorization', 'postgres', true); return true; end $$;
         create policy f on public.notes for insert with check (public.f())",
    ),
    (
        "a trigger on delete",
        "create function public.f() returns trigger language plpgsql as
            $$ begin perform set_config('session_authorization', 'postgres', true); return old; end $$;
         create trigger f before delete on public.notes for each row execute function public.f()",
    ),
];

#[test]
fn nothing_that_runs_later_leaves_it() {
    for (name, sql) in LATER {
        let copy = project(SUPABASE_CONFIG, &format!("{TABLES}{sql}"));
        match try_check_with(&copy.path(), |_| {}) {
            Ok(report) => panic!("{name}: {}", leakproof::report::to_text(&report)),
            Err(error) => {
                let error = error.to_string();
                assert!(error.contains("`session_authorization`"), "{name}: {error}");
            }
        }
    }
}
