//! `leakproof new`: the templates of the next version, that none of them passes for a check, and that a
//! mistake leaves nothing behind.

use std::fs;
use std::path::{Path, PathBuf};

use leakproof::project::Project;

use crate::support::{Copy, assert_snapshot, empty_scratch, leakproof, told};

#[test]
fn all_templates_of_a_version() {
    let project = Copy::of("tests/fixtures/notes");
    let made = new(&project, &["drop-the title", "--preserve", "--rollback", "--api"]);
    assert_eq!(made.0, Some(0), "{}", made.1);
    let mut text = made.1.clone();
    for path in made.1.lines() {
        let path = project.path().with_file_name(path);
        text.push_str(&format!("\n{}", fs::read_to_string(path).expect("a file")));
    }
    assert_snapshot("new_files", "templates", &text, &[]);
}

/// As they are made they check nothing: they are refused, or say so when they are run.
#[test]
fn templates_are_filled_in_before_they_pass() {
    let project = Copy::of("tests/fixtures/notes");
    new(&project, &["drop_title", "--preserve", "--rollback", "--api"]);
    let check = || told(&run(&project, &["check", "project"]));
    let (preserve, api) = ("preserve/V2__drop_title.sql", "api/V1__drop_title.sql");

    let refused = check();
    assert_eq!(refused.0, Some(2));
    assert_snapshot("new_files", "preserve_not_filled_in", &refused.2, &[]);

    project.replace(preserve, "-- before\n", "-- before\nselect id from public.notes;\n");
    project.replace(preserve, "-- after\n", "-- after\nselect id from public.notes;\n");
    let refused = check();
    assert_eq!(refused.0, Some(2));
    assert_snapshot("new_files", "api_not_filled_in", &refused.2, &[]);

    let call = "-- call: <who asks for what>\n";
    project.replace(api, call, &format!("{call}-- as: nobody\nselect id from public.notes;\n"));
    let (code, stdout, stderr) = check();
    assert_eq!((code, stderr.as_str()), (Some(1), ""), "nothing is accepted yet");
    assert!(stdout.contains("  V2 drop_title"), "{stdout}");
    assert!(stdout.contains("1 of 1 preserve pairs hold"), "{stdout}");
    assert!(stdout.contains("1 of 1 answers to recorded calls as before"), "{stdout}");

    let project = Project::read(project.path()).expect("a readable project");
    let mut scratch = empty_scratch(&project);
    scratch.migrate().expect("migrations that apply");
    let refused = scratch.roll_back_to(1).unwrap_err().to_string();
    assert!(refused.contains("the way back from V2 drop_title is not written yet"), "{refused}");
}

#[test]
fn the_first_migration_of_all() {
    for (folder, first) in [("migrations", "V1__first.sql"), ("supabase/migrations", "_first.sql")]
    {
        let project = Copy::of("tests/fixtures/notes");
        fs::remove_dir_all(project.path()).expect("no project");
        fs::create_dir_all(project.path().join(folder)).expect("a folder");
        let (code, made) = new(&project, &["first", "--rollback"]);
        assert_eq!(code, Some(0), "{made}");
        assert_eq!(made.matches(first).count(), 2, "{made}");
        let (code, made) = new(&project, &["second", "--api"]);
        assert_eq!((code, made.matches(first).count()), (Some(0), 0), "{made}");
    }
}

/// The clock may be behind the last version; then a second is added to that.
#[test]
fn timestamps_are_later_than_the_last() {
    let project = Copy::of("tests/fixtures/notes");
    let supabase = project.path().join("supabase/migrations");
    fs::create_dir_all(&supabase).expect("a folder");
    let first = supabase.join("20240102030405_notes.sql");
    fs::rename(project.path().join("migrations/V1__notes.sql"), first).expect("moved");
    fs::remove_dir_all(project.path().join("migrations")).expect("removed");

    let (_, made) = new(&project, &["titles", "--api"]);
    let lines: Vec<&str> = made.lines().collect();
    let version = lines[0].strip_prefix("project/supabase/migrations/").expect(&made);
    let version = version.strip_suffix("_titles.sql").expect("a name");
    assert!(version.len() == 14 && version > "20240102030405", "{version}");
    assert_eq!(lines[1..], ["project/api/20240102030405_titles.sql"]);

    fs::write(supabase.join("20991231235959_late.sql"), "").expect("written");
    let (_, made) = new(&project, &["later", "--preserve"]);
    assert_eq!(
        made,
        "project/supabase/migrations/21000101000000_later.sql\n\
         project/preserve/21000101000000_later.sql\n"
    );
}

/// Each is one clear error, and the folder is as it was.
#[test]
fn mistakes_leave_nothing_behind() {
    type Spoil = fn(&Path);
    let cases: &[(&str, &[&str], Spoil)] = &[
        ("name_is_empty", &[""], |_| {}),
        ("name_is_a_path", &["../title"], |_| {}),
        ("name_has_an_ending", &["title.sql"], |_| {}),
        ("name_is_too_long", &["x".repeat(300).leak()], |_| {}),
        ("no_migrations", &["title"], |path| fs::remove_dir_all(path.join("migrations")).unwrap()),
        ("migrations_are_misnamed", &["title"], |path| write(path, "migrations/2_a.sql")),
        ("config_is_wrong", &["title"], |path| {
            fs::write(path.join("leakproof.toml"), "[x]").unwrap()
        }),
        ("last_version_there_is", &["title"], |path| {
            write(path, &format!("migrations/V{}__a.sql", i64::MAX));
        }),
        ("nothing_to_call_yet", &["title", "--api"], |path| {
            fs::remove_file(path.join("migrations/V1__notes.sql")).unwrap();
        }),
        ("file_is_there", &["title", "--preserve", "--rollback"], |path| {
            write(path, "rollback/V2__title.sql");
        }),
        ("folder_is_a_file", &["title", "--preserve", "--api"], |path| write(path, "api")),
        ("folder_leads_nowhere", &["title", "--rollback"], |path| {
            std::os::unix::fs::symlink("gone", path.join("rollback")).unwrap();
        }),
    ];
    let mut text = String::new();
    for (case, arguments, spoil) in cases {
        let project = Copy::of("tests/fixtures/notes");
        spoil(&project.path());
        let before = files(&project.path());
        let (code, stderr) = new(&project, arguments);
        assert_eq!(code, Some(2), "{case}: {stderr}");
        assert_eq!(files(&project.path()), before, "{case}");
        text.push_str(&format!("{case}\n{stderr}\n"));
    }
    assert_snapshot("new_files", "mistakes", &text, &[(&"x".repeat(300), "xxx...")]);
}

fn write(project: &Path, file: &str) {
    let path = project.join(file);
    fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    fs::write(path, "what was there").expect("written");
}

/// Runs `leakproof new` on the copy from beside it; exit code, and what it said.
fn new(project: &Copy, arguments: &[&str]) -> (Option<i32>, String) {
    let (name, flags) = arguments.split_first().expect("a name");
    let mut all = vec!["new", name, "project"];
    all.extend(flags);
    let (code, stdout, stderr) = told(&run(project, &all));
    assert!(stdout.is_empty() || stderr.is_empty(), "{stdout}{stderr}");
    (code, stdout + &stderr)
}

fn run(project: &Copy, arguments: &[&str]) -> std::process::Output {
    let beside = project.path().parent().expect("a folder").to_owned();
    leakproof(arguments).current_dir(beside).output().expect("the program runs")
}

/// Everything below a folder with what is in it, sorted; links are not followed.
fn files(folder: &Path) -> Vec<(PathBuf, Option<String>)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a readable folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path.clone());
            }
            found.push((path.clone(), fs::read_to_string(path).ok()));
        }
    }
    found.sort();
    found
}
