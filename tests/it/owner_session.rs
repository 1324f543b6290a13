//! A file runs in a session that has logged in as the owner: nothing leads to another one.

use leakproof::Project;

use crate::support::{Copy, PLAIN_CONFIG, empty_scratch, try_check_with};

const SUPABASE_CONFIG: &str = "[project]\nmigrations = \"migrations\"\n";

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
