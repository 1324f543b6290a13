//! `leakproof push`, `leakproof status` and `leakproof drift`, on databases that somebody keeps.

mod beside;
mod busy;
mod crowd;
mod drift;
mod ends;
mod named;
mod outside;
mod pooler;
mod proxy;
mod receipts;
mod rehearsal;
mod repair;
mod rollback;
mod rows;
mod secured;
mod signals;
mod target;
mod tls;
mod tricks;

use std::process::Child;
use std::thread::sleep;
use std::time::{Duration, Instant};

use refinery_core::{Migration, Runner, load_sql_migrations};

use self::proxy::{Change, Proxy};
use self::target::{Target, ended, read};
use crate::support::{Copy, PLAIN_CONFIG, leakproof};
use crate::url_server::PASSWORD;

/// A project of refinery's layout.
fn project(files: &[(&str, &str)]) -> Copy {
    let copy = Copy::empty();
    copy.write("leakproof.toml", PLAIN_CONFIG);
    for (name, sql) in files {
        copy.write(&format!("migrations/{name}.sql"), sql);
    }
    copy
}

const NOTES: (&str, &str) = (
    "V1__notes",
    "create table public.notes (id int primary key, body text);
     insert into public.notes values (1, 'one'), (2, 'two');",
);

/// What refinery itself would apply.
fn refinery_applies(target: &Target, copy: &Copy, table: &str) -> Vec<i64> {
    let files = load_sql_migrations(copy.path().join("migrations")).expect("readable files");
    let mut runner = Runner::new(&files);
    runner.set_migration_table_name(table);
    let report = runner.run(&mut target.connect()).expect("it agrees");
    report.applied_migrations().iter().map(Migration::version).collect()
}

#[test]
fn each_file_is_applied_once_and_refinery_agrees() {
    let target = Target::start();
    let copy = project(&[NOTES, ("V2__more", "alter table public.notes add column more text")]);
    let (code, told) = target.status(&copy);
    assert!(code == 1 && told.contains("1 notes  pending") && told.contains("2 pending"), "{told}");
    let (code, told, _) = target.push(&copy, &["--dry-run"]);
    assert!(code == 0 && told.contains("pending     2 files"), "{told}");
    assert!(!target.has("public.notes") && !target.has("leakproof.refinery_schema_history"));
    let told = target.expect_pushed(&copy);
    let place = format!(
        "target      {}:5432, database {}, as clerk\n",
        target.server.folder(),
        target.name
    );
    assert!(told.starts_with(&place), "{told}");
    assert!(
        told.contains("applied     V1 notes: 2 statements") && told.contains("applied     V2 more"),
        "{told}"
    );
    let told = target.expect_pushed(&copy);
    assert!(told.contains("none: the target has every file"), "{told}");
    let (code, told) = target.status(&copy);
    assert!(code == 0 && told.ends_with("in step: 2 versions applied\n"), "{told}");
    let table = "leakproof.refinery_schema_history";
    assert_eq!(refinery_applies(&target, &copy, table), Vec::<i64>::new());
}

#[test]
fn refinerys_own_table_is_kept_where_it_is() {
    let target = Target::start();
    let copy = project(&[NOTES]);
    let table = "public.refinery_schema_history";
    assert_eq!(refinery_applies(&target, &copy, table), [1]);
    assert_eq!(target.status(&copy).0, 0);
    copy.write("migrations/V2__more.sql", "create table public.more (id int)");
    target.expect_pushed(&copy);
    assert!(!target.has("leakproof.refinery_schema_history"));
    assert_eq!(refinery_applies(&target, &copy, table), Vec::<i64>::new());
}

#[test]
fn the_history_of_supabases_cli_is_kept_in_step() {
    let target = Target::start();
    let copy = Copy::empty();
    copy.write(
        "supabase/migrations/20240101000000_notes.sql",
        "create table public.notes (id int);\n",
    );
    copy.write("supabase/migrations/20240102000000_nothing.sql", "-- later\n");
    target.expect_pushed(&copy);
    let rows = "select concat_ws(' ', version, name, to_json(statements))
        from supabase_migrations.schema_migrations order by version";
    let written = [
        "20240101000000 notes [\"create table public.notes (id int)\"]",
        "20240102000000 nothing []",
    ];
    assert_eq!(target.ask(rows), written);
    assert_eq!(target.ask("select version::text from leakproof.refinery_schema_history").len(), 2);
    // What the CLI pushes it writes into its own table alone, which may have more columns.
    copy.write(
        "supabase/migrations/20240103000000_more.sql",
        "-- more\ncreate table public.more (id int);\n",
    );
    let sql = "alter table supabase_migrations.schema_migrations add created_by text, add rollback text[];
        create table public.more (id int);
        insert into supabase_migrations.schema_migrations (version, statements, name)
            values ('20240103000000', '{create table public.more (id int)}', 'more')";
    target.connect().batch_execute(sql).expect("a push");
    let (code, told) = target.status(&copy);
    assert!(code == 0 && told.ends_with("in step: 3 versions applied\n"), "{told}");
    copy.write(
        "supabase/migrations/20240104000000_last.sql",
        "create table public.last (id int);\n",
    );
    target.expect_pushed(&copy);
    assert_eq!(target.ask(rows).len(), 4);
    let forget =
        "delete from supabase_migrations.schema_migrations where version = '20240104000000'";
    target.connect().batch_execute(forget).expect("forgotten");
    let (code, told) = target.status(&copy);
    assert!(code == 1 && told.contains("20240104000000 last  in one history only"), "{told}");
    let (code, _, told) = target.push(&copy, &[]);
    assert!(code == 2 && told.contains("the target's histories differ"), "{told}");
}

#[test]
fn nothing_is_applied_without_consent_and_nowhere_that_is_not_named() {
    let target = Target::start();
    let copy = project(&[NOTES]);
    let (code, stdout, stderr) = ended(target.begin(&copy, &[]));
    assert!(code == 2 && stdout.contains("V1 notes"), "{stdout}");
    assert!(stderr.starts_with("error: nobody has consented to applying 1 file\n"), "{stderr}");
    let path = copy.path().display().to_string();
    let mut unnamed = leakproof(&["push", &path, "--yes"]);
    unnamed.env("DATABASE_URL", &target.url).env("PGHOST", target.server.folder());
    let (code, _, stderr) = read(&unnamed.output().expect("it runs"));
    assert!(code == 2 && stderr.contains("--db-url <URL>"), "{stderr}");
    assert!(!target.has("public.notes"));
    // A password may be left out of the URL, and so of the list of processes.
    let bare = target.url.replace(&format!(":{PASSWORD}"), "");
    let mut push = leakproof(&["push", &path, "--db-url", &bare, "--yes", "--no-rehearse"]);
    let (code, _, stderr) = read(&push.env("PGPASSWORD", "wrong").output().expect("it runs"));
    assert!(code == 2 && stderr.contains("could not connect to"), "{stderr}");
    let (code, ..) = read(&push.env("PGPASSWORD", PASSWORD).output().expect("it runs"));
    assert!(code == 0 && target.has("public.notes"));
}

#[test]
fn files_that_cannot_be_run_are_refused_before_anything_is_applied() {
    let target = Target::start();
    for (sql, why) in [
        ("begin; select 1; commit;", "each file is one transaction"),
        ("select 1;\n\\d notes\n", "a psql command is not SQL"),
        (
            "copy public.notes from stdin;\n3\tthree\n\\.\n",
            "`copy from stdin` has rows in the file",
        ),
        ("select 1;\ncreate index concurrently i on public.notes (body)", "outside a transaction"),
        ("create index concurrently on public.notes (body)", "the index has no name"),
    ] {
        let copy = project(&[NOTES, ("V2__bad", sql)]);
        let (code, _, told) = target.push(&copy, &[]);
        assert!(code == 2 && told.contains(why) && told.contains("V2__bad.sql"), "{sql}: {told}");
    }
    let twice = project(&[NOTES, ("V1__again", "select 1")]);
    let (code, _, told) = target.push(&twice, &[]);
    assert!(code == 2 && told.contains("have the same version 1"), "{told}");
    let prisma = Copy::empty();
    prisma.write("migrations/20240101000000_a/migration.sql", "create table public.notes (id int)");
    let (code, _, told) = target.push(&prisma, &[]);
    assert!(code == 2 && told.contains("a history of its own"), "{told}");
    assert!(!target.has("public.notes") && !target.has("leakproof.refinery_schema_history"));
}

#[test]
fn files_that_were_edited_or_lost_or_come_late_are_refused() {
    let target = Target::start();
    let copy = project(&[NOTES, ("V3__three", "create table public.three (id int)")]);
    target.expect_pushed(&copy);
    copy.write("migrations/V2__two.sql", "create table public.two (id int)");
    copy.write("migrations/V4__four.sql", "create table public.four (id int)");
    let (code, _, told) = target.push(&copy, &[]);
    assert!(code == 2 && told.contains("V2__two.sql` comes late"), "{told}");
    let (code, ..) = target.push(&copy, &["--allow-out-of-order"]);
    assert!(code == 0 && target.has("public.two") && target.has("public.four"));
    copy.replace("migrations/V1__notes.sql", "'two'", "'three'");
    std::fs::remove_file(copy.path().join("migrations/V3__three.sql")).expect("removed");
    copy.write("migrations/V5__five.sql", "create table public.five (id int)");
    let (code, told) = target.status(&copy);
    assert_eq!(code, 1);
    for line in [
        "1 notes  edited after it was applied: its checksum",
        "3 three  only there",
        "5 five  pending",
    ] {
        assert!(told.contains(line), "{told}");
    }
    let (code, _, told) = target.push(&copy, &["--allow-out-of-order"]);
    let why = "V1__notes.sql` was edited after it was applied (`leakproof status` tells of 1 more)";
    assert!(code == 2 && told.contains(why), "{told}");
    assert!(!target.has("public.five"));
}

#[test]
fn poolers_and_replicas_are_refused() {
    let target = Target::start();
    let copy = project(&[NOTES]);
    let folder = target.server.folder();
    for (from, to, why) in [
        ("pg_catalog.pg_backend_pid()", "4711::int4", "each transaction gets any session"),
        ("pg_catalog.pg_is_in_recovery()", "true", "it is a replica"),
    ] {
        let proxy = Proxy::start(folder, Change::Replace(from, to));
        let url = proxy.url(folder, &target.url);
        let path = copy.path().display().to_string();
        let output =
            leakproof(&["push", &path, "--db-url", &url, "--yes", "--no-rehearse"]).output();
        let (code, _, told) = read(&output.expect("it runs"));
        assert!(code == 2 && told.contains(why), "{told}");
    }
    assert!(!target.has("public.notes"));
}

#[test]
fn a_statement_that_fails_leaves_nothing_of_its_file() {
    let target = Target::start();
    let bad = "create table public.two (id int);\nset role pg_monitor;\n\ninsert into\n  public.nowhere values (1);";
    let copy =
        project(&[NOTES, ("V2__two", bad), ("V3__three", "create table public.three (id int)")]);
    target.admin().batch_execute("grant pg_monitor to clerk").expect("granted");
    let (code, stdout, stderr) = target.push(&copy, &[]);
    assert!(code == 2 && stdout.contains("applied     V1 notes"), "{stdout}");
    let why = "V2__two.sql` failed at line 5\n  cause: relation \"public.nowhere\" does not exist (SQLSTATE 42P01)";
    assert!(stderr.contains(why), "{stderr}");
    assert!(!target.has("public.two") && !target.has("public.three"));
    assert_eq!(target.ask("select version::text from leakproof.refinery_schema_history"), ["1"]);
    copy.replace(
        "migrations/V2__two.sql",
        "insert into\n  public.nowhere values (1);",
        "select 1;",
    );
    target.expect_pushed(&copy);
    assert_eq!(target.status(&copy).0, 0);
}

#[test]
fn of_several_pushes_at_once_each_file_is_applied_once() {
    let target = Target::start();
    let copy = project(&[NOTES]);
    for version in 2..=8 {
        let sql = format!("insert into public.notes values ({}, 'x')", version + 1);
        copy.write(&format!("migrations/V{version}__more.sql"), &sql);
    }
    let all: Vec<Child> = (0..5).map(|_| target.begin(&copy, &["--yes"])).collect();
    for child in all {
        let (code, stdout, stderr) = ended(child);
        assert_eq!(code, 0, "{stdout}{stderr}");
    }
    assert_eq!(target.ask("select count(*)::text from public.notes"), ["9"]);
    assert_eq!(target.status(&copy).0, 0);
    // Who does not let go is named.
    let mut other = target.connect();
    let take = "set application_name = 'somebody'; select pg_advisory_lock(x'6c707573'::int, 1)";
    other.batch_execute(take).expect("the lock");
    copy.write("migrations/V9__last.sql", "select 1");
    let (code, _, told) = target.push(&copy, &["--lock-wait", "1"]);
    let why = "somebody else is pushing to this database\n  cause: pid ";
    assert!(
        code == 2 && told.contains(why) && told.contains("(somebody, as clerk, connected since"),
        "{told}"
    );
}

#[test]
fn who_holds_a_table_is_named_and_waited_for() {
    let target = Target::start();
    let copy = project(&[NOTES]);
    target.expect_pushed(&copy);
    copy.write(
        "migrations/V2__more.sql",
        "alter table public.notes alter column body set not null",
    );
    let mut reader = target.connect();
    reader
        .batch_execute("set application_name = 'a reader'; begin; select * from public.notes")
        .expect("read");
    let (code, _, told) = target.push(&copy, &["--lock-wait", "2"]);
    assert!(code == 2 && told.contains("V2 more could not get its locks"), "{told}");
    assert!(
        told.contains("in the way: pid ")
            && told.contains("(a reader, as clerk, in a transaction since"),
        "{told}"
    );
    let child = target.begin(&copy, &["--yes"]);
    sleep(Duration::from_millis(2500));
    // Who has read may write: nobody is ended for us.
    reader.batch_execute("insert into public.notes values (3, 'three'); commit").expect("written");
    let (code, stdout, stderr) = ended(child);
    assert!(code == 0 && stdout.contains("applied     V2 more"), "{stdout}{stderr}");
    let told = "V2 more waits: canceling statement due to lock timeout (SQLSTATE 55P03), pid ";
    assert!(stderr.contains(told) && stderr.contains("nothing is held"), "{stderr}");
}

/// A file that takes a minute as long as there is a row in `public.slow`.
const SLOW: &str = "insert into public.notes values (7, 'seven');
    select pg_sleep(60) where exists (select from public.slow);";

fn wait_for_sleep(target: &Target) {
    let begun = Instant::now();
    let query = "select pid::text from pg_stat_activity
        where datname = current_database() and wait_event = 'PgSleep'";
    while target.ask(query).is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(60), "nothing sleeps");
        sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_push_that_was_killed_is_finished_by_the_next() {
    let target = Target::start();
    let copy = project(&[NOTES, ("V2__slow", SLOW)]);
    target.connect().batch_execute("create table public.slow as select 1 as id").expect("slow");
    let mut child = target.begin(&copy, &["--yes"]);
    wait_for_sleep(&target);
    child.kill().expect("killed");
    child.wait().expect("it ends");
    target.connect().batch_execute("truncate public.slow").expect("fast");
    target.expect_pushed(&copy);
    assert_eq!(target.ask("select count(*)::text from public.notes"), ["3"]);
    assert_eq!(target.status(&copy).0, 0);
    target.wait_until_nobody_pushes();
}

#[test]
fn a_connection_that_is_lost_is_asked_for_what_became_of_the_file() {
    let target = Target::start();
    let copy = project(&[NOTES, ("V2__slow", SLOW)]);
    target.connect().batch_execute("create table public.slow as select 1 as id").expect("slow");
    let child = target.begin(&copy, &["--yes"]);
    wait_for_sleep(&target);
    let end = "select pg_terminate_backend(pid)::text from pg_stat_activity
        where datname = current_database() and wait_event = 'PgSleep'";
    assert_eq!(target.ask(end), ["true"]);
    let (code, _, told) = ended(child);
    assert!(
        code == 2 && told.contains("the target does not have it: nothing of this file was kept"),
        "{told}"
    );
    target.connect().batch_execute("truncate public.slow").expect("fast");
    // The server commits, and nobody hears of it.
    let folder = target.server.folder();
    let proxy = Proxy::start(folder, Change::CutAfter("commit; reset session"));
    let (url, path) = (proxy.url(folder, &target.url), copy.path().display().to_string());
    let output = leakproof(&["push", &path, "--db-url", &url, "--yes", "--no-rehearse"]).output();
    let (code, stdout, stderr) = read(&output.expect("it runs"));
    assert!(
        code == 0 && stdout.contains("V2 slow: the connection was lost, and the target has it"),
        "{stdout}{stderr}"
    );
    assert_eq!(target.ask("select count(*)::text from public.notes"), ["3"]);
}

#[test]
fn what_another_tool_applies_meanwhile_is_applied() {
    let target = Target::start();
    let copy = Copy::empty();
    copy.write(
        "supabase/migrations/20240101000000_notes.sql",
        "create table public.notes (id int);\n",
    );
    target.expect_pushed(&copy);
    copy.write(
        "supabase/migrations/20240102000000_more.sql",
        "create table public.more (id int);\n",
    );
    let mut other = target.connect();
    let insert = "begin; create table public.more (id int);
        insert into supabase_migrations.schema_migrations (version, name, statements)
            values ('20240102000000', 'more', '{create table public.more (id int)}')";
    other.batch_execute(insert).expect("half a push");
    let child = target.begin(&copy, &["--yes"]);
    sleep(Duration::from_millis(1500));
    other.batch_execute("commit").expect("a push");
    let (code, stdout, stderr) = ended(child);
    assert!(code == 0 && stdout.contains("more: by somebody else, meanwhile"), "{stdout}{stderr}");
    assert_eq!(target.status(&copy).0, 0);
}

#[test]
fn who_logs_in_as_another_role_applies_as_that_role() {
    let target = Target::start();
    let (name, role) = (&target.name, format!("crew_of_{}", target.name));
    let grants = format!(
        "create role {role}; grant {role} to clerk;
         grant create on database {name} to {role}; grant create on schema public to {role}"
    );
    target.admin().batch_execute(&grants).expect("a role");
    let copy = project(&[
        NOTES,
        ("V2__more", "reset role; set role none; create table public.more (id int)"),
    ]);
    copy.write("migrations/V3__last.sql", "create table public.last (id int)");
    let url = format!("{}?options=-c%20role%3D{role}", target.url);
    let path = copy.path().display().to_string();
    let output = leakproof(&["push", &path, "--db-url", &url, "--yes", "--no-rehearse"]).output();
    let (code, stdout, stderr) = read(&output.expect("it runs"));
    assert!(
        code == 0 && stdout.contains(&format!("as clerk, who becomes {role}")),
        "{stdout}{stderr}"
    );
    let owners = "select tablename || ' ' || tableowner from pg_tables
        where schemaname in ('public', 'leakproof') order by tablename";
    let told = target.ask(owners);
    let expected = ["last", "more", "notes", "receipts", "refinery_schema_history"];
    let owner = |table: &&str| if *table == "more" { "clerk" } else { role.as_str() };
    let expected: Vec<String> =
        expected.iter().map(|table| format!("{table} {}", owner(table))).collect();
    assert_eq!(told, expected);
}
