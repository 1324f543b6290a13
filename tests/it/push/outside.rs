//! Files that run outside a transaction, and what becomes of them half way.

use std::thread::sleep;
use std::time::Duration;

use super::target::{Target, ended};
use super::{NOTES, SLOW, project, wait_for_sleep};
use crate::support::Copy;

const BUILD: &str = "create index concurrently notes_body_idx on public.notes (body)";

const STATE: &str = "select coalesce((select case when indisvalid then 'valid' else 'invalid' end
    from pg_index where indexrelid = to_regclass('public.notes_body_idx')), 'none')";

/// A target with notes, and a second file.
fn with_second(sql: &str) -> (Target, Copy) {
    let target = Target::start();
    let copy = project(&[NOTES]);
    target.expect_pushed(&copy);
    copy.write("migrations/V2__second.sql", sql);
    (target, copy)
}

const WAITS: &str = "select query from pg_stat_activity
    where datname = current_database() and application_name like 'leakproof push%'
        and wait_event_type = 'Lock'";

/// Whose snapshot an index waits for.
const READS: &str = "begin isolation level repeatable read; select * from public.notes";

#[test]
fn statements_run_one_by_one_and_the_file_is_in_the_history() {
    let (target, copy) = with_second(&format!(
        "set lock_timeout = '9s';\n{BUILD};\nreindex index concurrently public.notes_body_idx;\n\
         vacuum (analyze) public.notes;"
    ));
    copy.write(
        "migrations/V3__asked.sql",
        "-- pg-delta: transaction=false\ninsert into public.notes values (3, 'three');
         set search_path = ''; drop index concurrently public.notes_body_idx",
    );
    copy.write("migrations/V4__last.sql", "create table last (id int)");
    let (_, told, _) = target.push(&copy, &["--dry-run"]);
    assert!(told.contains("V2 second") && told.contains("    rows were not counted"), "{told}");
    let told = target.expect_pushed(&copy);
    assert!(told.contains("V2 second: 4 statements outside a transaction in"), "{told}");
    assert!(told.contains("V3 asked: 3 statements outside") && target.has("public.last"), "{told}");
    assert_eq!(target.ask(STATE), ["none"]);
    assert_eq!(target.ask("select count(*)::text from public.notes"), ["3"]);
    assert_eq!(target.ask("select count(*)::text from leakproof.push_progress"), ["0"]);
    let (code, told) = target.status(&copy);
    assert!(code == 0 && told.ends_with("in step: 4 versions applied\n"), "{told}");
}

#[test]
fn a_file_that_was_killed_goes_on_after_what_has_run() {
    let sql = format!("-- pg-delta: transaction=false\n{SLOW}\n{BUILD};");
    let (target, copy) = with_second(&sql);
    target.connect().batch_execute("create table public.slow as select 1 as id").expect("slow");
    let mut child = target.begin(&copy, &["--yes"]);
    wait_for_sleep(&target);
    child.kill().expect("killed");
    child.wait().expect("it ends");
    target.connect().batch_execute("truncate public.slow").expect("fast");
    copy.replace("migrations/V2__second.sql", "'seven'", "'eight'");
    let (code, _, told) = target.push(&copy, &[]);
    assert!(code == 2 && told.contains("was edited half way"), "{told}");
    let whole = copy.path().join("migrations/V2__second.sql");
    std::fs::write(&whole, SLOW).expect("written");
    let (code, _, told) = target.push(&copy, &[]);
    assert!(code == 2 && told.contains("now it would run as a whole"), "{told}");
    std::fs::write(&whole, sql.replace("'seven'", "'eight'")).expect("written");
    assert!(target.status(&copy).1.contains("2 second  pending, half way"));
    copy.replace("migrations/V2__second.sql", "'eight'", "'seven'");
    let told = target.expect_pushed(&copy);
    assert!(told.contains("1 of them had run already"), "{told}");
    assert_eq!(target.ask("select count(*)::text from public.notes"), ["3"]);
    assert_eq!(target.ask(STATE), ["valid"]);
}

#[test]
fn an_index_that_was_not_finished_is_dropped_first() {
    let (target, copy) = with_second(BUILD);
    let mut reader = target.connect();
    reader.batch_execute(READS).expect("read");
    let mut child = target.begin(&copy, &["--yes"]);
    target.wait_until(|found| !found.is_empty(), WAITS);
    child.kill().expect("killed");
    child.wait().expect("it ends");
    target.wait_until_nobody_pushes();
    assert_eq!(target.ask(STATE), ["invalid"]);
    reader.batch_execute("commit").expect("done");
    target.expect_pushed(&copy);
    assert_eq!(target.ask(STATE), ["valid"]);
    // What the server refuses leaves none.
    let twice = "create unique index concurrently notes_length_key on public.notes (length(body))";
    copy.write("migrations/V3__twice.sql", twice);
    let (code, _, told) = target.push(&copy, &[]);
    assert!(code == 2 && told.contains("(SQLSTATE 23505)"), "{told}");
    assert!(
        told.contains("nothing of this file was kept") && !target.has("public.notes_length_key")
    );
}

#[test]
fn an_index_of_that_name_is_what_is_wanted_or_in_the_way() {
    let sql = "create index concurrently if not exists notes_body_idx on public.notes (lower(body))
        where id > 1";
    let (target, copy) = with_second(sql);
    let other = "create index notes_body_idx on public.notes (body)";
    target.connect().batch_execute(other).expect("an index");
    let (code, _, told) = target.push(&copy, &[]);
    assert!(code == 2 && told.contains("it is another one: CREATE INDEX notes_body_idx"), "{told}");
    let same = "drop index public.notes_body_idx;
        create index notes_body_idx on public.notes (lower(body)) where id > 1";
    target.connect().batch_execute(same).expect("an index");
    let told = target.expect_pushed(&copy);
    assert!(told.contains("index notes_body_idx was there already, with the same"), "{told}");
    let elsewhere = "create table public.more (id int);
        create index more_id_idx on public.more (id)";
    target.connect().batch_execute(elsewhere).expect("an index");
    let named = "create index concurrently more_id_idx on public.notes (id)";
    copy.write("migrations/V3__named.sql", named);
    let (code, _, told) = target.push(&copy, &[]);
    assert!(code == 2 && told.contains("it is that of another table"), "{told}");
}

#[test]
fn what_was_done_before_a_push_was_killed_is_done() {
    let drop = "drop index concurrently public.notes_body_idx";
    let (target, copy) = with_second(drop);
    // An index that never was is an error, also the second time.
    for _ in 0..2 {
        let (code, _, told) = target.push(&copy, &[]);
        assert!(code == 2 && told.contains("(SQLSTATE 42704)"), "{told}");
    }
    let begun = format!(
        "insert into leakproof.push_progress values
            (2, 1, encode(sha256('{drop}'), 'hex'), now(), null)"
    );
    target.connect().batch_execute(&begun).expect("begun");
    target.expect_pushed(&copy);
    let parts = "create table public.log (id int) partition by list (id);
        create table public.log_1 partition of public.log for values in (1);";
    copy.write("migrations/V3__parts.sql", parts);
    target.expect_pushed(&copy);
    let detach = "alter table public.log detach partition public.log_1 concurrently";
    copy.write("migrations/V4__detach.sql", detach);
    let mut reader = target.connect();
    reader.batch_execute("begin; select * from public.log").expect("read");
    let mut child = target.begin(&copy, &["--yes"]);
    target.wait_until(|found| !found.is_empty(), WAITS);
    child.kill().expect("killed");
    child.wait().expect("it ends");
    target.wait_until_nobody_pushes();
    let half = "select inhdetachpending::text from pg_inherits";
    assert_eq!(target.ask(half), ["true"]);
    reader.batch_execute("commit").expect("done");
    target.expect_pushed(&copy);
    assert_eq!(target.ask(half), Vec::<String>::new());
}

#[test]
fn who_is_in_the_way_of_an_index_is_told_and_waited_for() {
    let (target, copy) = with_second(BUILD);
    let mut reader = target.connect();
    reader.batch_execute(&format!("set application_name = 'a reader'; {READS}")).expect("read");
    let (code, _, told) = target.push(&copy, &["--lock-wait", "2"]);
    assert!(code == 2 && told.contains("V2 second could not get its locks"), "{told}");
    assert!(
        told.contains("V2 second waits for pid ") && told.contains("(a reader, as clerk"),
        "{told}"
    );
    let child = target.begin(&copy, &["--yes"]);
    target.wait_until(|found| !found.is_empty(), WAITS);
    // Longer than a file waits that keeps others waiting.
    sleep(Duration::from_millis(1500));
    reader.batch_execute("insert into public.notes values (3, 'x'); commit").expect("written");
    let (code, stdout, stderr) = ended(child);
    assert_eq!(code, 0, "{stdout}{stderr}");
    assert_eq!(target.ask(STATE), ["valid"]);
}
