//! What no linter sees: the invariants of `lib.rs`, and the form of the SQL.

mod imports;

use std::fs;
use std::path::PathBuf;

use self::imports::Imports;
use crate::support::root;

/// Modules that must never see a database connection, nor one that does: each with all below it.
const PURE: &[&str] = &[
    "preserve::draft",
    "error",
    "words",
    "names",
    "refusal",
    "sql",
    "discretion",
    "project",
    "matrix",
    "catalog",
    "tenancy",
    "platform::call",
    "platform::owner",
    "platform::schemas",
    "finding",
    "report",
    // Values that come of what does see one.
    "check::audience::widening",
    "check::outcome",
    "drift::canonical",
    "drift::change",
    "drift::compare",
    "drift::family",
    "drift::item",
    "drift::order",
    "drift::privileges",
    "drift::statements",
    "drift::told",
    "drift::value",
    "migrate::applied",
    "migrate::elevation",
    "migrate::history",
    "migrate::judge",
    "migrate::places",
    "migrate::plan",
    "migrate::target",
    "preserve::circumstance",
    "preserve::foreseen",
    "preserve::loss",
    "preserve::outcome",
    "preserve::repeated",
    "push::address::env_file",
    "push::address::parameters",
    "push::effects",
    "push::event",
    "push::plan",
    "push::digest",
    "push::event",
    "push::going",
    "push::pairing",
    "push::receipt",
    "push::refuse",
    "push::standing",
    "push::status_json",
    "push::told",
];

/// What reads the values of a pure module from the database.
const READERS: &[&str] = &["catalog::read"];

/// What is a table more than it is logic may be longer.
const LONGEST_FILE: usize = 500;

fn imports() -> Imports {
    Imports::read(&root().join("src"), &files("src", "rs"))
}

fn is_pure(module: &str) -> bool {
    is_below(module, PURE) && !is_below(module, READERS)
}

/// Whether a module is one of these, or below one.
fn is_below(module: &str, tops: &[&str]) -> bool {
    let is_in = |top: &&str| {
        module.strip_prefix(*top).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    };
    tops.iter().any(is_in)
}

#[test]
fn no_two_files_import_each_other() {
    let imports = imports();
    assert!(imports.modules().count() > 90, "the modules are not where this test looks");
    assert_eq!(imports.circles(), Vec::<Vec<&str>>::new());
}

#[test]
fn every_import_names_the_home_of_the_item() {
    let imports = imports();
    let borrowed: Vec<String> = imports.modules().flat_map(|m| imports.borrowed(m)).collect();
    assert!(borrowed.is_empty(), "{}", borrowed.join("\n"));
}

#[test]
fn pure_modules_import_pure_ones_only() {
    let imports = imports();
    for pure in PURE {
        assert!(imports.modules().any(|module| module == *pure), "there is no module `{pure}`");
    }
    let mut wrong = Vec::new();
    for module in imports.modules().filter(|module| is_pure(module)) {
        let others = imports.imports_of(module).into_iter().filter(|other| !is_pure(other));
        wrong.extend(others.map(|other| format!("{module} imports {other}")));
        if imports.crates_of(module).contains("postgres") {
            wrong.push(format!("{module} sees a client"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn files_are_short() {
    let is_long =
        |path: &PathBuf| fs::read_to_string(path).expect("a file").lines().count() > LONGEST_FILE;
    let long: Vec<PathBuf> = files("src", "rs").into_iter().filter(is_long).collect();
    assert!(long.is_empty(), "{long:?}");
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

/// Who has a `Connection` may commit, and who sees the client may do everything. All others are handed
/// a `Session`, which has no way to end its transaction.
#[test]
fn only_who_migrates_can_commit() {
    const MAY_COMMIT: &[&str] = &[
        "session",
        "scratch",
        "migrate",
        "platform",
        "check::rehearsal",
        "check::round_trip",
        "push",
    ];
    const SEE_THE_CLIENT: &[&str] = &[
        "session",
        "server",
        "scratch",
        "migrate::apply",
        "migrate::history_table",
        "push::address",
        "push::blockers",
        "push::connected",
    ];
    let (imports, connection) = (imports(), "session::connection");
    assert!(imports.modules().any(|module| module == connection), "there is no `{connection}`");
    let mut wrong = Vec::new();
    for module in imports.modules() {
        if imports.imports_of(module).contains(connection) && !is_below(module, MAY_COMMIT) {
            wrong.push(format!("{module} could commit"));
        }
        if imports.crates_of(module).contains("postgres") && !is_below(module, SEE_THE_CLIENT) {
            wrong.push(format!("{module} sees a client"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
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

/// What a project sets changes none of our texts. A function that is named without its schema may be the
/// project's, which then answers for us. The scripts of the platform and of stubs are as those of the real ones.
#[test]
fn queries_of_ours_depend_on_no_setting() {
    const SYNTAX: [&str; 14] = [
        "coalesce",
        "exists",
        "any",
        "all",
        "array",
        "in",
        "values",
        "nullif",
        "greatest",
        "least",
        "row",
        "cast",
        "position",
        "substring",
    ];
    let mut all = files("src", "sql");
    // What is filled in could end a comment.
    expect_none(&all, |line| line.split_once("--").is_some_and(|(_, said)| said.contains('@')));
    all.retain(|path| {
        let path = path.to_string_lossy();
        !path.contains("src/platform/extensions/") && !path.contains("src/platform/supabase/")
    });
    // Whether a backslash is one is a setting, but for `E'..'`.
    expect_none(&all, |line| line.contains('\\') && !line.contains("E'"));
    expect_none(&all, |line| {
        let code = line.split("--").next().unwrap_or_default();
        let is_declared =
            ["create ", "alter ", "grant ", "revoke "].iter().any(|word| code.contains(word));
        let mut calls = code.match_indices('(').map(|(at, _)| {
            let before = &code[..at];
            let is_part =
                |letter: char| letter.is_ascii_alphanumeric() || "_.@\"'$%".contains(letter);
            &before[before.rfind(|letter| !is_part(letter)).map_or(0, |at| at + 1)..]
        });
        !is_declared
            && calls.any(|name| {
                let is_plain = name.starts_with(|letter: char| letter.is_ascii_lowercase());
                is_plain && !name.contains(['.', '@', '\'', '%']) && !SYNTAX.contains(&name)
            })
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
