//! `leakproof drift`: what a database has otherwise than the files make it that its history names.

use super::target::{Target, read};
use super::{NOTES, project};
use crate::support::{Copy, leakproof};

fn drift(target: &Target, copy: &Copy, arguments: &[&str]) -> (i32, String) {
    let path = copy.path().display().to_string();
    let all = [&["drift", &path, "--db-url", &target.url], arguments].concat();
    let (code, stdout, stderr) = read(&leakproof(&all).output().expect("it runs"));
    (code, format!("{stdout}{stderr}"))
}

#[test]
fn what_others_have_changed_is_told_and_pending_files_are_not() {
    let target = Target::start();
    let copy = project(&[NOTES, ("V3__third", "create table public.third (id int)")]);
    target.expect_pushed(&copy);
    copy.write("migrations/V2__second.sql", "create table public.second (id int)");
    copy.write("migrations/V4__later.sql", "create table public.later (id int)");
    let (code, told) = drift(&target, &copy, &[]);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("history     leakproof.refinery_schema_history: 2 files\n"), "{told}");
    assert!(told.ends_with("no drift: the target is as these files make it\n"), "{told}");
    // Whoever looks need not be who pushes.
    let admin = target.url.replace("clerk", "tester");
    let path = copy.path().display().to_string();
    let looked = leakproof(&["drift", &path, "--db-url", &admin]).output();
    assert_eq!(read(&looked.expect("it runs")).0, 0);
    let sql = "grant select on public.notes to public; alter table public.third enable row level security";
    target.connect().batch_execute(sql).expect("changed");
    let (code, told) = drift(&target, &copy, &[]);
    let expected = "
  table public.third: row level security is enabled, and disabled in the files
    alter table public.third disable row level security;

  table public.notes: public has select, which the files do not give
    revoke select on table public.notes from public;

drift: 2 differences; each statement makes the target as the files say
";
    assert!(code == 1 && told.ends_with(expected), "{told}");
    let (code, told) = drift(&target, &copy, &["--format", "json"]);
    let told: serde_json::Value = serde_json::from_str(&told).expect("a document");
    let differences = told["differences"].as_array().expect("a list");
    assert!(code == 1 && differences.len() == 2, "{told}");
    assert_eq!(differences[0]["kind"], "row level security");
    assert_eq!(differences[1]["relation"], "public.notes");
    for difference in differences {
        let statement = difference["statement"].as_str().expect("a statement");
        target.connect().batch_execute(statement).expect("it runs");
    }
    assert_eq!(drift(&target, &copy, &[]).0, 0);
}

#[test]
fn a_target_of_another_platform_is_told_as_that() {
    let target = Target::start();
    let copy = Copy::empty();
    copy.write(
        "supabase/migrations/20240101000000_notes.sql",
        "create table public.notes (id int)",
    );
    target.expect_pushed(&copy);
    let (code, told) = drift(&target, &copy, &[]);
    assert!(
        code == 2 && told.starts_with("error: the target is not a Supabase database\n"),
        "{told}"
    );
}
