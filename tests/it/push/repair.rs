//! Histories that are put right.

use super::target::Target;
use super::{NOTES, project};
use crate::support::Copy;

const ROWS: &str = "select concat_ws(' ', version, name, created_by)
    from supabase_migrations.schema_migrations order by version";

/// A table as hosted projects have it.
const HOSTED: &str = "create schema supabase_migrations;
    create table supabase_migrations.schema_migrations
        (version text primary key, statements text[], name text, created_by text,
         idempotency_key text unique, rollback text[]);";

fn remote(version: u64, name: &str, statement: &str) -> String {
    format!(
        "insert into supabase_migrations.schema_migrations
            (version, name, statements, created_by, idempotency_key)
         values ('{version}', '{name}', array['{statement}'], 'agent', 'key {version}');"
    )
}

#[test]
fn rows_under_other_versions_become_the_files_that_they_are() {
    let target = Target::start();
    let copy = Copy::empty();
    let mut sql = HOSTED.to_owned();
    for number in 1..=37_u64 {
        let statement = format!("create table public.t{number} (id int)");
        let file = format!("supabase/migrations/{}_t{number}.sql", 20_240_101_000_000 + number);
        copy.write(&file, &format!("-- a comment\n{statement};\n"));
        sql += &remote(20_250_303_000_000 + number, &format!("t{number}"), &statement);
    }
    target.connect().batch_execute(&sql).expect("an agent's history");
    let (code, told) = target.status(&copy);
    let line = "20250303000007 t7  only there; V20240101000007 t7 here has the same statements: \
                leakproof repair --pair\n";
    assert!(code == 1 && told.contains(line), "{told}");
    let (code, told) = target.command("status", &copy, &["--format", "json"]);
    let told: serde_json::Value = serde_json::from_str(&told).expect("one document");
    assert!(code == 1 && told["schema"] == 1 && told["in_step"] == false, "{told}");
    let seventh = told["versions"].as_array().expect("a list");
    let seventh = seventh.iter().find(|one| one["version"] == "20250303000007").expect("it");
    assert_eq!(seventh["state"], "only-there");
    assert_eq!(seventh["pairs"][0]["version"], "20240101000007");
    assert_eq!(seventh["pairs"][0]["same"][1], "statements");
    let old = "select jsonb_agg(to_jsonb(h) order by version)::text
        from supabase_migrations.schema_migrations h";
    let before = target.ask(old);
    let (code, told) = target.command("repair", &copy, &["--pair"]);
    assert!(code == 2 && told.contains("nobody has consented to repairing 37 versions"), "{told}");
    assert_eq!(target.ask(old), before);
    let (code, told) = target.command("repair", &copy, &["--pair", "--yes"]);
    assert_eq!((code, told.matches("repaired  ").count()), (0, 37), "{told}");
    let (code, told) = target.status(&copy);
    assert!(code == 0 && told.ends_with("in step: 37 versions applied\n"), "{told}");
    assert_eq!(target.ask(ROWS)[6], "20240101000007 t7 agent");
    let kept = "select jsonb_agg(r -> 'row' order by r -> 'row' ->> 'version')::text
        from leakproof.receipts, jsonb_array_elements(receipt -> 'rows_before') r
        where action = 'repair --pair'";
    assert_eq!(target.ask(kept), before);
    let (code, told, _) = target.push(&copy, &[]);
    assert!(code == 0 && told.contains("none: the target has every file"), "{told}");
}

#[test]
fn what_is_only_alike_is_shown_and_paired_by_name() {
    let target = Target::start();
    let copy = Copy::empty();
    for (version, name, sql) in [
        (1, "a", "create table public.a (id int)"),
        (2, "b", "create table public.b (id int)"),
        (3, "same", "select 1"),
        (4, "same", "select 1"),
    ] {
        copy.write(&format!("supabase/migrations/2024010100000{version}_{name}.sql"), sql);
    }
    let sql = HOSTED.to_owned()
        + &remote(20_250_101_000_001, "other", "create table public.a (id int)")
        + &remote(20_250_101_000_002, "b", "create table public.b (id bigint)")
        + &remote(20_250_101_000_003, "same", "select 1");
    target.connect().batch_execute(&sql).expect("a history");
    let (_, told) = target.status(&copy);
    for part in [
        "V20240101000001 a here has the same statements and another name: if it is that one, \
         leakproof repair --pair 20250101000001=20240101000001",
        "V20240101000002 b here has the same name, and not the same statements",
    ] {
        assert!(told.contains(part), "{told}");
    }
    let (code, told) = target.command("repair", &copy, &["--pair", "--yes"]);
    let why = "version 20250101000003 of the target could be one of two\n  cause: \
               V20240101000003 same and V20240101000004 same have the same name and statements";
    assert!(code == 2 && told.contains(why), "{told}");
    let pairs = [
        "--yes",
        "--pair",
        "20250101000001=20240101000001",
        "20250101000002=20240101000002",
        "20250101000003=20240101000004",
    ];
    let (code, told) = target.command("repair", &copy, &pairs);
    assert_eq!(code, 0, "{told}");
    assert_eq!(
        target.ask(ROWS),
        ["20240101000001 a agent", "20240101000002 b agent", "20240101000004 same agent"]
    );
    let (_, told) = target.status(&copy);
    assert!(told.ends_with("not in step: 1 pending; 3 applied\n"), "{told}");
    let old = "select receipt #>> '{rows_before,0,row,statements,0}' from leakproof.receipts
        where version = 20240101000002";
    assert_eq!(target.ask(old), ["create table public.b (id bigint)"]);
    for (pair, why) in [
        ("20240101000001=20240101000003", "there is a file of version 20240101000001 here"),
        ("20260101000001=20240101000003", "the target has no version 20260101000001"),
        ("20260101000001=20240101000001", "the target has version 20240101000001 already"),
        ("20260101000001=7", "there is no file of version 7"),
    ] {
        let (code, told) = target.command("repair", &copy, &["--yes", "--pair", pair]);
        assert!(code == 2 && told.contains(why), "{told}");
    }
}

#[test]
fn rows_of_refinerys_table_are_paired_too() {
    for table in ["leakproof", "public"] {
        let target = Target::start();
        let copy = project(&[NOTES]);
        if table == "public" {
            let make = "create table public.refinery_schema_history
                (version int8 primary key, name varchar(255), applied_on varchar(255),
                 checksum varchar(255))";
            target.connect().batch_execute(make).expect("a history");
        }
        target.expect_pushed(&copy);
        let from = copy.path().join("migrations/V1__notes.sql");
        std::fs::rename(&from, copy.path().join("migrations/V7__notes.sql")).expect("renamed");
        let (code, told) = target.status(&copy);
        let pair = "1 notes  only there; V7 notes here has the same statements";
        assert!(code == 1 && told.contains(pair), "{told}");
        let (code, told) = target.command("repair", &copy, &["--pair", "--yes"]);
        assert!(code == 0 && told.contains("version 1 there becomes V7 notes"), "{told}");
        assert_eq!(target.status(&copy).0, 0);
        let version = format!("select version::text from {table}.refinery_schema_history");
        assert_eq!(target.ask(&version), ["7"]);
    }
}

#[test]
fn versions_are_said_to_be_applied_and_not_to_be() {
    let target = Target::start();
    let copy = Copy::empty();
    let (one, two) = ("20240101000000", "20240102000000");
    copy.write(&format!("supabase/migrations/{one}_notes.sql"), NOTES.1);
    target.expect_pushed(&copy);
    let torn = "delete from supabase_migrations.schema_migrations";
    target.connect().batch_execute(torn).expect("torn");
    let (code, _, told) = target.push(&copy, &[]);
    let help = "leakproof repair --applied 20240101000000";
    assert!(code == 2 && told.contains(help), "{told}");
    let (code, told) = target.command("repair", &copy, &["--applied", one, "--yes"]);
    assert!(code == 0 && target.status(&copy).0 == 0, "{told}");
    let (code, told) = target.command("repair", &copy, &["--applied", one]);
    assert!(code == 0 && told.contains("repair      nothing"), "{told}");
    // What somebody has done by hand.
    copy.write(&format!("supabase/migrations/{two}_more.sql"), "create table public.more (id int)");
    target.connect().batch_execute("create table public.more (id int)").expect("by hand");
    let (code, told) = target.command("repair", &copy, &["--applied", two, "--yes"]);
    assert!(code == 0 && target.status(&copy).0 == 0, "{told}");
    assert_eq!(target.ask("select version::text from leakproof.refinery_schema_history").len(), 2);
    let (code, told) = target.command("repair", &copy, &["--reverted", one, two, "--yes"]);
    assert!(code == 0 && target.status(&copy).1.contains("2 pending; 0 applied"), "{told}");
    let kept = "select jsonb_array_length(receipt -> 'rows_before')::text
        from leakproof.receipts where action = 'repair --reverted' order by version";
    assert_eq!(target.ask(kept), ["2", "2"]);
    for (arguments, why) in [
        (&["--reverted", one][..], "the target has no version 20240101000000"),
        (&["--applied", "7"], "there is no file of version 7"),
        (&["--applied", one, "--reverted", two], "cannot be used with"),
        (&[], "required arguments were not provided"),
    ] {
        let (code, told) = target.command("repair", &copy, arguments);
        assert!(code == 2 && told.contains(why), "{told}");
    }
}

#[test]
fn a_row_of_both_histories_moves_in_both() {
    let target = Target::start();
    let copy = Copy::empty();
    let folder = copy.path().join("supabase/migrations");
    copy.write("supabase/migrations/20240101000000_notes.sql", NOTES.1);
    target.expect_pushed(&copy);
    let (from, to) = ("20240101000000_notes.sql", "20240202000000_notes.sql");
    std::fs::rename(folder.join(from), folder.join(to)).expect("renamed");
    let (code, told) = target.command("repair", &copy, &["--pair", "--yes"]);
    assert!(code == 0 && target.status(&copy).0 == 0, "{told}");
    let versions = "select version from supabase_migrations.schema_migrations
        union all select version::text from leakproof.refinery_schema_history";
    assert_eq!(target.ask(versions), ["20240202000000", "20240202000000"]);
    let kept = "select jsonb_array_length(receipt -> 'rows_before')::text
        from leakproof.receipts where action = 'repair --pair'";
    assert_eq!(target.ask(kept), ["2"]);
}
