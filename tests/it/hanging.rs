//! What never ends by itself, and what does not let itself be stopped: each ends within its limit, with a
//! sentence of its own. No limit that a file sets for its session keeps it, or takes it away.

use std::path::Path;
use std::time::Duration;

use leakproof::report::to_text;

use crate::support::{Copy, in_parallel, leakproof, told, try_check_with};

const BASE: &str = "
create table public.notes (
    id uuid primary key default gen_random_uuid(), user_id uuid references auth.users, body text
);
alter table public.notes enable row level security;
create policy own on public.notes using (user_id = auth.uid());
create table public.open (
    id uuid primary key default gen_random_uuid(), user_id uuid references auth.users
);
grant all on public.notes, public.open to authenticated;
-- Whoever is cancelled goes on.
create function public.stubborn() returns boolean language plpgsql as $$
begin
    loop
        begin
            perform pg_sleep(60);
        exception when query_canceled then
            null;
        end;
    end loop;
end $$;
create function public.fire() returns trigger language plpgsql as
    $$ begin perform public.stubborn(); return new; end $$;
";

const STOPPED: &str = "it took longer than 5 seconds and was stopped (SQLSTATE 57014)";
const ENDED: &str = "and would not be stopped, so its session was ended";

/// The second migration, and what is said of it.
const CASES: &[(&str, &[&str])] = &[
    ("select 1;\ndo $$ begin loop end loop; end $$;", &["V2__b.sql` failed at line 2", STOPPED]),
    ("set statement_timeout = 0;\nselect pg_sleep(600);", &["V2__b.sql` failed at line 2", STOPPED]),
    ("select public.stubborn();", &["V2__b.sql` failed at line 1", ENDED]),
    (
        "create trigger t before insert on public.notes for each row execute function public.fire();
         insert into public.notes (id) values (gen_random_uuid());",
        &["V2__b.sql` failed at line 2", ENDED],
    ),
    // In the world.
    (
        "create trigger t before insert on public.notes for each row execute function public.fire();",
        &["could not seed the world", ENDED],
    ),
    (
        "create policy p on public.notes for select using (public.stubborn());",
        &["the server was lost while probing", ENDED],
    ),
    // Whoever can be stopped is broken, and the rest is judged.
    (
        "create policy p on public.notes for select using (pg_sleep(600) is null);",
        &[
            "? it took too long: ",
            "alice read own",
            "cross-tenant-read: public.open",
            "untested: public.notes",
        ],
    ),
];

#[test]
fn what_hangs_ends_with_a_sentence() {
    let wrong = in_parallel(CASES, |(sql, told)| {
        let copy = Copy::empty();
        copy.write("leakproof.toml", "[project]\nmigrations = \"migrations\"\ngrants = \"2026\"\n");
        copy.write("migrations/V1__a.sql", BASE);
        copy.write("migrations/V2__b.sql", sql);
        let said = said(&copy.path());
        let missing = told.iter().find(|part| !said.contains(**part));
        missing.map_or(String::new(), |part| format!("{sql}\n  lacks: {part}\n  said: {said}\n"))
    });
    let wrong: String = wrong.into_iter().collect();
    assert!(wrong.is_empty(), "{wrong}");
}

fn said(path: &Path) -> String {
    // Far more than any other statement takes on the slowest machine.
    let limit = Some(Duration::from_secs(5));
    match try_check_with(path, |options| options.server.statement_limit = limit) {
        Ok(report) => to_text(&report),
        Err(error) => error.to_string(),
    }
}

/// The whole run, at whichever step it is by then.
#[test]
fn a_run_ends_at_its_limit() {
    let copy = Copy::empty();
    copy.write("leakproof.toml", "[project]\nmigrations = \"migrations\"\n");
    copy.write("migrations/V1__a.sql", "select pg_sleep(250);");
    let mut command = leakproof(&["check", "--timeout", "2"]);
    let (code, report, error) = told(&command.arg(copy.path()).output().expect("the program runs"));
    assert_eq!((code, report.as_str()), (Some(2), ""));
    assert!(error.starts_with("error: the run was ended"), "{error}");
    assert!(error.contains("\n  cause: it took longer than the 2 s of `--timeout`\n"), "{error}");
}
