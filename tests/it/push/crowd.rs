//! Many pushes at once: each file is applied once, whoever comes first. `LEAKPROOF_CROWDS=100` tries as many.

use std::process::Child;

use super::project;
use super::target::{Target, ended, number};
use crate::support::Copy;

const PUSHES: usize = 16;
const FILES: usize = 6;

/// Files that tell how often each has run.
fn counting() -> Copy {
    let copy = project(&[("V1__runs", "create table public.runs (version int)")]);
    for version in 2..=FILES {
        let sql = format!(
            "insert into public.runs values ({version}); create table public.t{version} (id int)"
        );
        copy.write(&format!("migrations/V{version}__run.sql"), &sql);
    }
    copy
}

#[test]
fn of_sixteen_pushes_at_once_each_file_is_applied_once() {
    let copy = counting();
    for round in 0..number("LEAKPROOF_CROWDS").unwrap_or(2) {
        let target = Target::start();
        // Every other time nobody waits.
        let is_patient = round % 2 == 0;
        let arguments: &[&str] =
            if is_patient { &["--yes"] } else { &["--yes", "--lock-wait", "0"] };
        let all: Vec<Child> = (0..PUSHES).map(|_| target.begin(&copy, arguments)).collect();
        let mut refused = 0;
        for child in all {
            let (code, stdout, stderr) = ended(child);
            let is_late = stderr.contains("somebody else is pushing to this database\n");
            assert!(code == 0 || code == 2 && is_late && !is_patient, "{stdout}{stderr}");
            refused += usize::from(code == 2);
        }
        assert!(refused < PUSHES);
        target.expect_pushed(&copy);
        let runs = "select count(*) || ' of ' || count(distinct version) from public.runs";
        assert_eq!(target.ask(runs), [format!("{0} of {0}", FILES - 1)]);
        assert_eq!(target.status(&copy).0, 0);
        target.expect_nobody();
        target.drop();
    }
}
