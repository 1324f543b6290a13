//! What no linter sees: the invariants of `lib.rs`, and the form of the SQL.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::root;

/// Modules that must never see a database connection.
const PURE: &[&str] =
    &["project", "tenancy", "matrix", "finding", "report", "sql", "words", "error"];

#[test]
fn pure_modules_see_no_client() {
    let is_pure = |path: &Path| {
        let below = path.strip_prefix(root().join("src")).expect("below src");
        let module = below.iter().next().expect("a module").to_string_lossy().into_owned();
        PURE.contains(&module.trim_end_matches(".rs"))
    };
    let files: Vec<_> = files("src", "rs").into_iter().filter(|path| is_pure(path)).collect();
    assert!(files.len() >= PURE.len(), "the pure modules are not where this test looks");
    expect_none(&files, |line| line.contains("use postgres::") || line.contains("&mut Client"));
}

#[test]
fn only_main_prints_or_exits() {
    let files: Vec<_> =
        files("src", "rs").into_iter().filter(|path| !path.ends_with("main.rs")).collect();
    expect_none(&files, |line| {
        let is_quiet = line.trim_start().starts_with("//") || line.contains("println!(\"cargo:");
        !is_quiet && ["print!(", "println!(", "dbg!("].iter().any(|word| line.contains(word))
    });
    // The thread that waits for signals is the one place beside `main` that ends the process.
    let others: Vec<_> =
        files.into_iter().filter(|path| !path.ends_with("server/signals.rs")).collect();
    expect_none(&others, |line| line.contains("process::exit("));
}

#[test]
fn only_migrations_commit() {
    // Who refuses the words has to name them.
    let may = ["migrate/mod.rs", "project/guard.rs", "project/dialect.rs"];
    let is_other = |path: &PathBuf| !may.iter().any(|allowed| path.ends_with(allowed));
    let files: Vec<_> = files("src", "rs").into_iter().filter(is_other).collect();
    expect_none(&files, |line| {
        let line = line.to_lowercase();
        line.contains("\"commit") || line.contains("; commit") || line.contains(".commit()")
    });
}

#[test]
fn sql_is_narrow_and_lower_case() {
    let mut all = files("sql", "sql");
    all.extend(files("src", "sql"));
    expect_none(&all, |line| line.chars().count() > 100 || line.ends_with(' '));
    expect_none(&all, |line| {
        let shouted = ["SELECT ", "CREATE ", "INSERT INTO", "UPDATE ", "ALTER TABLE"];
        !line.trim_start().starts_with("--") && shouted.iter().any(|word| line.contains(word))
    });
}

/// Every module says what it is for.
#[test]
fn every_module_has_a_heading() {
    let mut all = files("src", "rs");
    all.extend(files("tests", "rs"));
    let bare: Vec<_> = all
        .iter()
        .filter(|path| !fs::read_to_string(path).expect("a file").starts_with("//!"))
        .collect();
    assert!(bare.is_empty(), "no heading in {bare:?}");
}

fn expect_none(files: &[PathBuf], is_wrong: impl Fn(&str) -> bool) {
    assert!(!files.is_empty(), "no file was looked at");
    let mut wrong = Vec::new();
    for path in files {
        let text = fs::read_to_string(path).expect("a file");
        for (at, line) in text.lines().enumerate().filter(|(_, line)| is_wrong(line)) {
            wrong.push(format!("{}:{}: {line}", path.display(), at + 1));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// All files below a folder of the repository with that ending, sorted.
fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a readable folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|other| other == ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}
