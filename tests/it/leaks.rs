//! Every detector, proved by pairs: a project without a leak, one leak opened in it, and closed.
//!
//! `tests/fixtures/<group>/base` is the project. Each folder beside it has an `open.sql`, applied
//! as version 2, and a `closed.sql`, applied as version 3. What `open.sql` must make the check
//! find, and nothing else, is in its first lines:
//!
//! ```text
//! -- finds: cross-tenant-read on public.notes
//! -- cell: public.notes, alice read on other: allowed 2 of 4
//! ```
//!
//! Without a `finds` line it must find nothing, as for what only looks like a leak. A `cell` line
//! pins one verdict; `closed.sql` may have some, too.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use leakproof::finding::Finding;
use leakproof::report::Report;

use crate::support::{Copy, assert_report, check_project, root, try_check_with};
use crate::turns::is_in_turn;

/// Projects checked at a time. They wait for the server more than they work.
const AT_A_TIME: usize = 4;

#[test]
fn each_leak_is_found_and_its_closing_is_too() {
    let mut cases = Vec::new();
    for group in ["leaks", "leaks_plain"] {
        let folder = root().join("tests/fixtures").join(group);
        let base = format!("tests/fixtures/{group}/base");
        cases.push(Case { name: format!("{group}/base"), base: base.clone(), files: Vec::new() });
        let in_turn = pairs(&folder).into_iter().enumerate().filter(|(at, _)| is_in_turn(*at));
        for (_, pair) in in_turn {
            let name = pair.file_name().expect("a name").to_string_lossy().into_owned();
            let [open, closed] = ["open.sql", "closed.sql"].map(|file| {
                fs::read_to_string(pair.join(file))
                    .unwrap_or_else(|cause| panic!("{}/{file}: {cause}", pair.display()))
            });
            cases.push(Case {
                name: format!("{group}/{name}/open"),
                base: base.clone(),
                files: vec![open.clone()],
            });
            cases.push(Case {
                name: format!("{group}/{name}/closed"),
                base: base.clone(),
                files: vec![open, closed],
            });
        }
    }
    let failures = Mutex::new(Vec::new());
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let wrong = case.wrongs();
                    if !wrong.is_empty() {
                        let told = format!("{}\n    {}", case.name, wrong.join("\n    "));
                        failures.lock().expect("no panic").push(told);
                    }
                }
            });
        }
    });
    let mut failures = failures.into_inner().expect("no panic");
    failures.sort();
    assert!(failures.is_empty(), "{} of {}\n{}", failures.len(), cases.len(), failures.join("\n"));
}

#[test]
fn a_finding_is_told_with_its_evidence() {
    let project = Copy::of("tests/fixtures/leaks/base");
    let open = root().join("tests/fixtures/leaks/blind_delete/open.sql");
    project.write("migrations/V2__open.sql", &fs::read_to_string(open).expect("readable"));
    let report = check_project(&project.path());
    let path = project.path().display().to_string();
    assert_report("leaks", "finding-report", &report, (&path, "<project>"));
}

fn pairs(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder of pairs");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut pairs: Vec<_> = paths.filter(|path| !path.ends_with("base")).collect();
    assert!(!pairs.is_empty(), "{} has no pair", folder.display());
    pairs.sort();
    pairs
}

/// A project at one point of the rhythm: the versions after the first.
struct Case {
    name: String,
    base: String,
    files: Vec<String>,
}

impl Case {
    /// Everything that is not as the last file says.
    fn wrongs(&self) -> Vec<String> {
        let project = Copy::of(&self.base);
        for (index, sql) in self.files.iter().enumerate() {
            project.write(&format!("migrations/V{}__step.sql", index + 2), sql);
        }
        let report = match try_check_with(&project.path(), |_| {}) {
            Ok(report) => report,
            Err(error) => return vec![error.to_string().replace('\n', "\n    ")],
        };
        let last = self.files.last().map_or("", String::as_str);
        let mut wrongs: Vec<String> =
            report.controls.failed.iter().map(|failed| failed.sentence.clone()).collect();
        if report.controls.checked == 0 {
            wrongs.push("no control was checked".into());
        }
        wrongs.extend(wrong_findings(&report, last));
        wrongs.extend(wrong_cells(&report, last));
        wrongs
    }
}

fn wrong_findings(report: &Report, sql: &str) -> Vec<String> {
    let expected: BTreeSet<String> = lines(sql, "-- finds: ").map(str::to_owned).collect();
    let name = |finding: &Finding| format!("{} on {}", finding.rule, finding.on());
    let found: BTreeSet<String> = report.findings.iter().map(name).collect();
    let missed = expected.difference(&found).map(|finding| format!("missed: {finding}"));
    let told = report.findings.iter().filter(|f| !expected.contains(&name(f)));
    let alarms = told.map(|finding| {
        let evidence = finding.evidence_lines().join("\n        ");
        format!("false alarm: {}: {}\n        {evidence}", name(finding), finding.message())
    });
    missed.chain(alarms).collect()
}

fn wrong_cells(report: &Report, sql: &str) -> Vec<String> {
    let cells: Vec<String> = report
        .matrix
        .cells()
        .iter()
        .map(|cell| {
            let class = serde_json::to_value(cell.class).expect("a name");
            let class = class.as_str().expect("a name");
            let (relation, actor) = (&cell.relation, &cell.actor);
            let verdict = cell.verdict.sentence();
            format!("{relation}, {actor} {} on {class}: {verdict}", cell.command.name())
        })
        .collect();
    let is_missing = |line: &&str| !cells.iter().any(|cell| cell == line);
    let told = lines(sql, "-- cell: ").filter(is_missing).map(|line| {
        let place = line.split(": ").next().unwrap_or(line);
        let now = cells.iter().find(|cell| cell.split(": ").next() == Some(place));
        format!("cell {line}\n        is {}", now.map_or("not there", String::as_str))
    });
    told.collect()
}

/// The rest of the lines that begin so, at the top of a file.
fn lines<'a>(sql: &'a str, start: &'a str) -> impl Iterator<Item = &'a str> {
    sql.lines()
        .take_while(|line| line.starts_with("--"))
        .filter_map(move |line| line.strip_prefix(start))
}
