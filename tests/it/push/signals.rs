//! Somebody says stop.

use std::process::Child;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::target::{Target, ended};
use super::{NOTES, SLOW, project, wait_for_sleep};
use crate::support::Copy;

fn stop(child: &Child, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("a number"));
    kill(pid, signal).expect("a signal");
}

fn slow(target: &Target) {
    target.connect().batch_execute("create table public.slow as select 1 as id").expect("slow");
}

/// Nobody of a push is left, nor what it has begun.
fn expect_clean(target: &Target) {
    target.wait_until_nobody_pushes();
    assert_eq!(target.ask("select count(*)::text from public.notes"), ["2"]);
}

#[test]
fn the_statement_is_cancelled_and_it_is_said_what_is_applied() {
    for (signal, expected) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        let target = Target::start();
        let numbers = format!("alter sequence public.s restart; {SLOW}");
        let copy = project(&[
            ("V1__notes", &format!("{}; create sequence public.s start 5;", NOTES.1)),
            ("V2__slow", &numbers),
            ("V3__last", "select 1"),
        ]);
        slow(&target);
        let child = target.begin(&copy, &["--yes"]);
        wait_for_sleep(&target);
        stop(&child, signal);
        let (code, stdout, stderr) = ended(child);
        let line = "error: interrupted; applied: V1 notes; not applied: V2 slow, V3 last\n";
        assert!(code == expected && stderr.ends_with(line), "{code}: {stdout}{stderr}");
        expect_clean(&target);
        target.connect().batch_execute("truncate public.slow").expect("fast");
        target.expect_pushed(&copy);
        assert_eq!(target.status(&copy).0, 0);
    }
}

#[test]
fn what_runs_outside_a_transaction_goes_on_from_there() {
    let target = Target::start();
    let sql = "create index concurrently i on public.notes (body);
        create index concurrently j on public.notes (body);";
    let copy = project(&[NOTES]);
    target.expect_pushed(&copy);
    copy.write("migrations/V2__index.sql", sql);
    let mut reader = target.connect();
    reader
        .batch_execute("begin isolation level repeatable read; select * from public.notes")
        .expect("read");
    let child = target.begin(&copy, &["--yes"]);
    let waits = "select query from pg_stat_activity where datname = current_database()
        and application_name like 'leakproof push%' and wait_event_type = 'Lock'";
    target.wait_until(|found| !found.is_empty(), waits);
    stop(&child, Signal::SIGINT);
    let (code, _, stderr) = ended(child);
    let line = "not applied: V2 index (of which the statements that have run stay)\n";
    assert!(code == 130 && stderr.ends_with(line), "{stderr}");
    expect_clean(&target);
    reader.batch_execute("commit").expect("done");
    target.expect_pushed(&copy);
    let invalid = "select indexrelid::regclass::text from pg_index where not indisvalid";
    assert_eq!(target.ask(invalid), Vec::<String>::new());
}

#[test]
fn who_waits_for_somebody_else_stops_and_a_rollback_stays_undone() {
    let target = Target::start();
    let copy = project(&[NOTES, ("V2__more", "create table public.more (id int)")]);
    copy.write("rollback/V2__more.sql", &format!("drop table public.more; {SLOW}"));
    target.expect_pushed(&copy);
    slow(&target);
    let child = target.begin_command("rollback", &copy, &["--yes"]);
    wait_for_sleep(&target);
    let waiting = |command: &str, copy: &Copy, arguments: &[&str]| {
        let waiting = target.begin_command(command, copy, arguments);
        let asks = "select query from pg_stat_activity where datname = current_database()
            and query like '%pg_try_advisory_lock%' and pid <> pg_backend_pid()";
        target.wait_until(|found| !found.is_empty(), asks);
        stop(&waiting, Signal::SIGINT);
        let (code, _, stderr) = ended(waiting);
        assert!(code == 130 && stderr.contains("error: interrupted"), "{code}: {stderr}");
        target.wait_until(<[String]>::is_empty, asks);
    };
    waiting("repair", &copy, &["--reverted", "2", "--yes"]);
    copy.write("migrations/V3__last.sql", "select 1");
    waiting("push", &copy, &["--yes"]);
    stop(&child, Signal::SIGINT);
    let (code, _, stderr) = ended(child);
    let line = "error: interrupted: V2 more is still applied\n";
    assert!(code == 130 && stderr.ends_with(line), "{code}: {stderr}");
    expect_clean(&target);
    assert!(target.has("public.more"));
}
