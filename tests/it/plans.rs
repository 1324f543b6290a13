//! Plans by the histories that databases have: ours, that of refinery's own CLI, and that of
//! Supabase's; and that what is applied by one is applied for the others.

use std::path::{Path, PathBuf};

use leakproof::error::Result;
use leakproof::migrate::{
    Action, Content, History, HistoryKind, Plan, Target, Throwaway, Wanted, apply,
};
use leakproof::platform::Platform;
use leakproof::{Project, Scratch};
use postgres::Client;
use refinery_core::{Error as RefineryError, Runner, load_sql_migrations};

use crate::support::{Copy, PLAIN_CONFIG, empty_scratch, lines};

/// Files with what a checksum is most easily got wrong by.
const FILES: &[(&str, &str)] = &[
    ("V1__notes.sql", "create table public.notes (id int primary key);\n"),
    ("V2__añadir_título.sql", "alter table public.notes add column título text;\r\n"),
    ("V3__checks.sql", "-- a check\nalter table public.notes add check (id > 0);\n"),
];

fn project() -> Copy {
    let copy = Copy::empty();
    copy.write("leakproof.toml", PLAIN_CONFIG);
    FILES.iter().for_each(|(name, sql)| copy.write(&format!("migrations/{name}"), sql));
    copy
}

fn migrations(copy: &Copy) -> PathBuf {
    copy.path().join("migrations")
}

/// What refinery's own runner applies of a folder, by version.
fn run_refinery(
    scratch: &Scratch<'_>,
    folder: &Path,
    kind: HistoryKind,
) -> Result<Vec<i64>, RefineryError> {
    let files = load_sql_migrations(folder).expect("readable files");
    let mut runner = Runner::new(&files);
    runner.set_migration_table_name(kind.table());
    // Ours is nobody's to write but a superuser's.
    let mut client = match kind {
        HistoryKind::Ours => scratch.connect().expect("a connection"),
        _ => scratch.connect_as_owner().expect("a connection"),
    };
    let report = runner.run(&mut client)?;
    Ok(report.applied_migrations().iter().map(refinery_core::Migration::version).collect())
}

fn history(scratch: &Scratch<'_>) -> History {
    History::of(scratch.connect_as_owner().expect("a connection")).expect("a history")
}

/// What our plan would apply, by version; the first reason where it refuses.
fn planned(scratch: &Scratch<'_>, project: &Project) -> Result<Vec<i64>, String> {
    let wanted = Wanted::up_to(i64::MAX);
    let plan = Plan::decide(project, history(scratch), &Target::Real, wanted).expect("a plan");
    let refused = plan.steps.iter().find_map(|step| match &step.action {
        Action::Refuse(reason) => Some(reason.to_string()),
        _ => None,
    });
    let pending = plan.steps.iter().filter(|step| matches!(step.action, Action::Apply(_)));
    refused.map_or(Ok(pending.map(|step| step.file.version()).collect()), Err)
}

/// Acts on the plan as who is connected; gives what was applied, by version.
fn applied(
    client: Client,
    scratch: &Scratch<'_>,
    project: &Project,
    target: &Target,
) -> Result<Vec<i64>> {
    let wanted = Wanted::up_to(i64::MAX);
    let plan = Plan::decide(project, history(scratch), target, wanted)?;
    Ok(apply(client, target, plan)?.applied.iter().map(|applied| applied.version).collect())
}

fn connect(scratch: &Scratch<'_>) -> Client {
    scratch.connect_as_owner().expect("a connection")
}

#[test]
fn what_refinery_has_applied_is_applied_for_us() {
    let copy = project();
    let first = Project::read(copy.path()).expect("a project");
    let scratch = empty_scratch(&first);
    let kind = HistoryKind::Refinery;
    let theirs = run_refinery(&scratch, &migrations(&copy), kind).expect("it applies");
    assert_eq!(theirs, [1, 2, 3]);
    assert_eq!(history(&scratch).kind, HistoryKind::Refinery);
    assert_eq!(planned(&scratch, &first), Ok(Vec::new()));
    // And what we add to it is applied for refinery.
    copy.write("migrations/V4__more.sql", "create table public.more (id int);");
    let second = Project::read(copy.path()).expect("a project");
    assert_eq!(
        applied(connect(&scratch), &scratch, &second, &Target::Real).expect("it applies"),
        [4]
    );
    let theirs = run_refinery(&scratch, &migrations(&copy), kind).expect("nothing to do");
    assert_eq!(theirs, Vec::<i64>::new());
}

#[test]
fn what_we_have_applied_is_applied_for_refinery() {
    let copy = project();
    let read = Project::read(copy.path()).expect("a project");
    let mut scratch = empty_scratch(&read);
    scratch.migrate().expect("it applies");
    let kind = HistoryKind::Ours;
    let theirs = run_refinery(&scratch, &migrations(&copy), kind).expect("nothing to do");
    assert_eq!(theirs, Vec::<i64>::new());
    copy.write("migrations/V4__more.sql", "create table public.more (id int);");
    assert_eq!(run_refinery(&scratch, &migrations(&copy), kind).expect("it applies"), [4]);
    let read = Project::read(copy.path()).expect("a project");
    assert_eq!(planned(&scratch, &read), Ok(Vec::new()));
    // Another line end is another file, to both.
    copy.replace("migrations/V2__añadir_título.sql", "\r\n", "\n");
    let theirs = run_refinery(&scratch, &migrations(&copy), kind).expect_err("it diverges");
    let read = Project::read(copy.path()).expect("a project");
    let ours = planned(&scratch, &read).expect_err("it diverges");
    assert!(ours.contains(&theirs.to_string()), "{ours}");
}

/// refinery's CLI has versions of 4 bytes unless it is built otherwise, and other checksums for them:
/// these are what it wrote for the same files.
#[test]
fn versions_of_four_bytes() {
    let copy = project();
    let read = Project::read(copy.path()).expect("a project");
    let scratch = empty_scratch(&read);
    let mut client = scratch.connect_as_owner().expect("a connection");
    client
        .batch_execute(
            "create table public.refinery_schema_history (
                version int4 primary key, name varchar(255), applied_on varchar(255),
                checksum varchar(255));
             insert into public.refinery_schema_history values
                (1, 'notes', '2026-01-02T03:04:05Z', '8090427058569573280'),
                (2, 'añadir_título', '2026-01-02T03:04:05Z', '4462069017398710552')",
        )
        .expect("a history");
    assert_eq!(planned(&scratch, &read), Ok(vec![3]));
    client
        .batch_execute("update public.refinery_schema_history set checksum = '1' where version = 2")
        .expect("another checksum");
    let refused = planned(&scratch, &read).expect_err("it diverges");
    assert!(refused.contains("V2__añadir_título"), "{refused}");
}

/// The table as a hosted project has it.
const SUPABASE_HISTORY: &str = "
    create schema supabase_migrations;
    create table supabase_migrations.schema_migrations (
        version text not null primary key, statements text[], name text, created_by text,
        idempotency_key text unique, rollback text[]);
    insert into supabase_migrations.schema_migrations (version, name, statements) values
        ('20240101000000', null, null),
        ('20240102000000', 'notes', array['create table public.notes (id int)', 'select 1']),
        ('20240103000000', 'nothing', '{}')";

fn supabase_project() -> Copy {
    let copy = Copy::empty();
    for (name, sql) in [
        ("20240101000000_first", "select 0;"),
        ("20240102000000_notes", "create table public.notes (id int);\n\n-- why\nselect 1;\n"),
        ("20240103000000_nothing", "-- nothing yet\n"),
        ("20240104000000_more", "-- a title\ncreate table public.more (t text default ';');\n"),
    ] {
        copy.write(&format!("supabase/migrations/{name}.sql"), sql);
    }
    copy
}

#[test]
fn supabases_history_is_planned_by_and_kept() {
    let copy = supabase_project();
    let read = Project::read(copy.path()).expect("a project");
    let scratch = empty_scratch(&read);
    let mut client = scratch.connect_as_owner().expect("a connection");
    client.batch_execute(SUPABASE_HISTORY).expect("a history");
    assert_eq!(history(&scratch).kind, HistoryKind::Supabase);
    assert_eq!(history(&scratch).entries[0].content, Content::Unknown);
    assert_eq!(planned(&scratch, &read), Ok(vec![20240104000000]));
    assert_eq!(
        applied(connect(&scratch), &scratch, &read, &Target::Real).expect("it applies"),
        [20240104000000]
    );
    assert_eq!(planned(&scratch, &read), Ok(Vec::new()));
    let row = "select version || ' ' || name || ' ' || to_json(statements)
        from supabase_migrations.schema_migrations order by version desc limit 1";
    let written = r#"["-- a title\ncreate table public.more (t text default ';')"]"#;
    assert_eq!(lines(&scratch, row), [format!("20240104000000 more {written}")]);
    // An applied file that was edited is no applied file.
    copy.replace("supabase/migrations/20240102000000_notes.sql", "select 1", "select 2");
    let read = Project::read(copy.path()).expect("a project");
    let refused = planned(&scratch, &read).expect_err("it diverges");
    assert!(refused.contains("V20240102000000__notes is different"), "{refused}");
}

#[test]
fn a_history_that_cannot_be_read_is_one_clear_error() {
    let copy = supabase_project();
    let read = Project::read(copy.path()).expect("a project");
    let scratch = empty_scratch(&read);
    let mut client = scratch.connect_as_owner().expect("a connection");
    client.batch_execute(SUPABASE_HISTORY).expect("a history");
    let odd = "insert into supabase_migrations.schema_migrations (version) values ('99999999999999999999')";
    client.batch_execute(odd).expect("a row");
    let error = History::of(client).expect_err("no history").to_string();
    let told = "cannot read the history in `supabase_migrations.schema_migrations`\n  cause: ";
    assert!(error.starts_with(told), "{error}");
    assert!(error.contains("\n  help: the table is the Supabase CLI's"), "{error}");
}

/// What a hosted project may run by an extension of its server is elevated on a throwaway database,
/// and is nobody's business on a real one.
#[test]
fn nothing_is_elevated_on_a_real_target() {
    let copy = Copy::empty();
    let sql = "create table public.t (id int);\ncreate publication p for all tables;";
    copy.write("supabase/migrations/20240101000000_a.sql", sql);
    let read = Project::read(copy.path()).expect("a project");
    let owner = Platform::of(&read).owner();
    for is_real in [true, false] {
        let scratch: Scratch<'_> = empty_scratch(&read);
        let client = connect(&scratch);
        let target = match is_real {
            true => Target::Real,
            false => Target::Throwaway(Throwaway::new(owner.clone())),
        };
        let outcome = applied(client, &scratch, &read, &target);
        match outcome {
            Ok(versions) => assert!(!is_real && versions == [20240101000000]),
            Err(error) => {
                let told = error.to_string();
                assert!(is_real && told.contains("failed at line 2"), "{told}");
                assert!(told.contains("(SQLSTATE 42501)"), "{told}");
            }
        }
    }
}
