//! Wrong inputs: each has one clear error with a way out, the same on every machine. And what looks
//! odd and is right.
//!
//! A case is a folder in `tests/fixtures/wrong/`, or is built where it cannot be checked in.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use nix::unistd::Uid;
use tempfile::TempDir;

use crate::support::{Copy, assert_snapshot, leakproof, root, told};
use crate::url_server::{PASSWORD, UrlServer};

/// Each is a folder that is refused with exit code 2.
macro_rules! refused {
    ($($case:ident)*) => {$(
        #[test]
        fn $case() {
            assert_refused(stringify!($case), &mut check_fixture(stringify!($case)), &[]);
        }
    )*};
}

refused! {
    misnamed_ending
    misnamed_hyphen
    misnamed_mixed
    misnamed_no_name
    misnamed_no_version
    misnamed_not_a_number
    misnamed_other
    misnamed_single_underscore
    misnamed_version_too_large
    misnamed_wrong_case
    two_files_of_one_version
    migrations_folder_is_missing

    syntax_error
    error_in_function
    error_without_place
    deferred_constraint
    connection_ended
    begin
    commit_in_do
    concurrently
    outside_a_transaction
    psql_command
    copy_from_stdin
    copy_to_stdout
    own_schema_created
    own_schema_used

    broken_fixture
    fixture_without_version
    preserve_failing_before
    preserve_two_statements
    preserve_without_after
    preserve_without_name
    preserve_without_version
    api_ends_the_transaction
    api_misfit
    api_misspelt
    api_unsteady
    api_without_call
    api_without_service_role
    api_without_version

    config_not_toml
    config_unknown_key
    config_unknown_value
    schemas_empty
    schema_is_missing
    tenancy_without_column
    tenancy_without_table
    tenant_without_members
    identity_on_supabase
    identity_without_dot
    plain_without_identity
    plain_without_users
    plain_role_is_superuser
    actor_in_unknown_tenant
    actor_past_policies
    actor_with_a_blank
    actor_without_role
    waiver_of_unknown_finding
    waiver_without_reason

    accepted_is_broken
    accepted_is_no_matrix
}

/// Each is a folder that is checked to its end, with exit code 1 and a finding of that name.
macro_rules! found {
    ($($case:ident: $rule:literal)*) => {$(
        #[test]
        fn $case() {
            assert_found(stringify!($case), $rule);
        }
    )*};
}

found! {
    policy_that_raises: "statement-raises"
    waiver_expired: "waiver-expired"
    waiver_unused: "waiver-unused"
}

/// Each is a folder that looks odd and passes.
macro_rules! accepted {
    ($($case:ident)*) => {$(
        #[test]
        fn $case() {
            let project = Copy::of(&format!("tests/fixtures/wrong/{}", stringify!($case)));
            assert_accepted(stringify!($case), &project.path());
        }
    )*};
}

accepted! {
    works_comments_only
    works_short_timestamp
    works_empty_search_path
    works_set_role
}

/// Each is a project of one good migration, to which something is done first.
macro_rules! built {
    ($($case:ident: $spoil:expr)*) => {$(
        #[test]
        fn $case() {
            let project = notes();
            let spoil: fn(&Path) = $spoil;
            spoil(&project.path());
            let mut command = check_in(&project, "project");
            if stringify!($case).ends_with("unreadable") {
                command = without_capabilities(command);
            }
            assert_refused(stringify!($case), &mut command, &[]);
            // So that the folder can be removed by everybody.
            let _ = fs::set_permissions(project.path(), fs::Permissions::from_mode(0o700));
        }
    )*};
}

built! {
    migrations_are_empty: |project| fs::remove_file(project.join("migrations/V1__notes.sql")).unwrap()
    migrations_are_a_file: |project| replace(&project.join("migrations"), |path| fs::write(path, ""))
    migrations_are_unreadable: |project| forbid(&project.join("migrations"))
    migrations_are_a_loop: |project| replace(&project.join("migrations"), |path| symlink(path, path))
    preserve_leads_nowhere: |project| symlink("gone", project.join("preserve")).unwrap()
    project_is_a_file: |project| replace(project, |path| fs::write(path, ""))
    project_is_missing: |project| fs::remove_dir_all(project).unwrap()
    project_is_unreadable: |project| forbid(project)
    file_is_a_folder: |project| fs::create_dir(project.join("migrations/V2__title.sql")).unwrap()
    file_is_not_utf8: |project| write(project, "migrations/V2__a.sql", b"select 1;\nselect '\xe4';\n")
    file_is_unreadable: |project| {
        write(project, "migrations/V2__a.sql", b"");
        forbid(&project.join("migrations/V2__a.sql"));
    }
    file_name_is_not_utf8: |project| {
        fs::write(project.join("migrations").join(OsStr::from_bytes(b"V2__\xe4.sql")), "").unwrap();
    }
    config_is_not_utf8: |project| write(project, "leakproof.toml", b"[project]\nname = \"\xe4\"\n")
    config_is_a_folder: |project| {
        fs::remove_file(project.join("leakproof.toml")).unwrap();
        fs::create_dir(project.join("leakproof.toml")).unwrap();
    }
    accepted_is_a_folder: |project| fs::create_dir(project.join("access.snap")).unwrap()
    accepted_is_not_utf8: |project| write(project, "access.snap", b"---\n---\n\xe4")
}

#[test]
fn works_with_crlf_and_byte_order_mark() {
    let project = notes();
    let file = project.path().join("migrations/V1__notes.sql");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("\u{feff}{}", text.replace('\n', "\r\n"))).unwrap();
    write(
        &project.path(),
        "leakproof.toml",
        b"\xef\xbb\xbf[project]\r\nname = \"notes\"\r\ngrants = \"2026\"\r\npeople = \"none\"\r\n",
    );
    assert_accepted("works_with_crlf_and_byte_order_mark", &project.path());
    // As a checkout on Windows turns the accepted matrix.
    let accepted = project.path().join("access.snap");
    let text = fs::read_to_string(&accepted).unwrap();
    fs::write(&accepted, text.replace('\n', "\r\n")).unwrap();
    let output = check_in(&project, "project").output().unwrap();
    assert_eq!(told(&output).0, Some(0), "{:?}", told(&output));
}

#[test]
fn works_in_an_odd_path() {
    let project = notes();
    let odd = project.path().with_file_name("it's \"odd\"; drop $tenants \u{e4}\u{1f512}");
    fs::rename(project.path(), &odd).unwrap();
    assert_accepted("works_in_an_odd_path", &odd);
}

#[test]
fn accepting_over_a_broken_matrix_needs_its_header() {
    let project = Copy::of("tests/fixtures/wrong/accepted_is_broken");
    let mut command = check_in(&project, "project");
    command.arg("--accept");
    assert_refused("accepting_over_a_broken_matrix", &mut command, &[]);
    let project = Copy::of("tests/fixtures/wrong/accepted_is_no_matrix");
    let output = check_in(&project, "project").arg("--accept").output().unwrap();
    assert_eq!(told(&output).2, "");
    let accepted = fs::read_to_string(project.path().join("access.snap")).unwrap();
    let kept =
        "---\nsource: x\ndescription: accepted at version 1 of 1 files\n---\nmatrix 2   O own";
    assert!(accepted.starts_with(kept), "{accepted}");
}

#[test]
fn unwritable_accepted_matrix() {
    let project = notes();
    let config = "[project]\naccepted = \"migrations/V1__notes.sql/a.snap\"";
    project.write("leakproof.toml", config);
    let mut command = check_in(&project, "project");
    command.arg("--accept");
    assert_refused("unwritable_accepted_matrix", &mut command, &[]);
}

/// The binaries on PATH do not run and Docker is not there: all is named, and how to get each.
#[test]
fn no_server_at_all() {
    let bin = programs(&[
        ("initdb", "#!/bin/sh\n"),
        ("postgres", "#!/bin/sh\necho broken >&2; exit 1\n"),
    ]);
    let hide = bin.path().canonicalize().unwrap().display().to_string();
    for (case, arguments) in [
        ("no_server", &[][..]),
        ("no_local_server", &["--server", "local"]),
        ("no_docker_server", &["--server", "docker"]),
    ] {
        let mut command = leakproof(&["check", "tests/fixtures/notes"]);
        choose_no_server(&mut command);
        command.args(arguments).env("PATH", bin.path());
        assert_refused(case, &mut command, &[(&hide, "[bin]")]);
    }
}

/// The program `docker` is there, and does not do what is asked of it.
#[test]
fn docker_that_fails() {
    let case_of = |word: &str, does: &str| format!("case $1 in {word}) {does};; esac");
    for (case, script) in [
        (
            "docker_without_daemon",
            "echo 'Cannot connect to the Docker daemon at unix:///nowhere.' >&2; exit 1".to_owned(),
        ),
        (
            "docker_without_image",
            case_of("image | pull", "echo 'Error response from daemon: no such image' >&2; exit 1"),
        ),
        (
            "docker_makes_no_container",
            case_of("run", "echo 'docker: the port is taken, or the like.' >&2; exit 125"),
        ),
        (
            "docker_image_without_postgres",
            case_of("run", "echo 'leakproof: there is no initdb in this image' >&2; exit 1"),
        ),
        ("docker_that_says_nothing", case_of("run", "exit 3")),
    ] {
        let bin = programs(&[("docker", &format!("#!/bin/sh\n{script}\n"))]);
        let mut command = leakproof(&["check", "tests/fixtures/notes", "--server", "docker"]);
        choose_no_server(&mut command);
        assert_refused(case, command.env("PATH", bin.path()), &[]);
    }
}

#[test]
fn wrong_urls() {
    let server = UrlServer::start();
    let unused = format!("postgres://tester:{PASSWORD}@127.0.0.1:1/postgres");
    let pairs = |pairs: &str| format!("host={} password={PASSWORD} {pairs}", server.folder());
    for (case, url) in [
        ("url_wrong_password", server.url("tester", &format!("{PASSWORD}x"))),
        ("url_wrong_password_in_pairs", pairs("user=clerk password=hunter23")),
        ("url_no_superuser", server.url("clerk", PASSWORD)),
        ("url_unknown_user", server.url("nobody_knows", PASSWORD)),
        ("url_unknown_database", pairs("user=tester dbname=gone")),
        ("url_dead_port", unused.clone()),
        ("url_of_another_kind", unused.replace("postgres://", "mysql://")),
        ("url_without_user", pairs("")),
        ("url_requires_tls", format!("{unused}?sslmode=require")),
        ("url_password_with_slash", format!("postgres://tester:a/{PASSWORD}@127.0.0.1:1/postgres")),
        ("url_is_missing", String::new()),
    ] {
        let mut command = leakproof(&["check", "tests/fixtures/notes", "--server", "url"]);
        choose_no_server(&mut command);
        command.env("LEAKPROOF_DATABASE_URL", url);
        assert_refused(case, &mut command, &[(server.folder(), "[folder]")]);
    }
    // There is no jail for a server that is not ours.
    let mut command =
        leakproof(&["check", "tests/fixtures/notes", "--server", "url", "--require-jail"]);
    choose_no_server(&mut command);
    command.env("LEAKPROOF_DATABASE_URL", server.url("tester", PASSWORD));
    assert_refused("url_not_jailed", &mut command, &[(server.folder(), "[folder]")]);
    // A server that was named is not silently exchanged for another one.
    let mut command = leakproof(&["check", "tests/fixtures/notes"]);
    choose_no_server(&mut command);
    command.env("LEAKPROOF_DATABASE_URL", unused);
    assert_refused("url_dead_port", &mut command, &[]);
    assert_eq!(server.leftovers(), [""; 0]);
}

#[test]
fn arguments() {
    for (case, arguments) in [
        ("arguments_none", &[][..]),
        ("arguments_unknown_command", &["chekc"]),
        ("arguments_unknown_flag", &["check", "--acept"]),
        ("arguments_unknown_format", &["check", "--format", "yaml"]),
        ("arguments_unknown_server", &["check", "--server", "dockr", "tests/fixtures/notes"]),
        ("arguments_two_projects", &["check", "a", "b"]),
        ("arguments_no_name", &["new"]),
        ("arguments_unknown_finding", &["explain", "cross-tenant-raed"]),
        ("arguments_reap", &["reap"]),
    ] {
        assert_refused(case, &mut leakproof(arguments), &[]);
    }
    let mut command = leakproof(&["check", "tests/fixtures/notes"]);
    choose_no_server(&mut command);
    assert_refused("arguments_unknown_server", command.env("LEAKPROOF_SERVER", "dockr"), &[]);
    for (case, arguments) in [
        ("help", &["--help"][..]),
        ("help_check", &["check", "--help"]),
        ("help_new", &["new", "--help"]),
        ("help_explain", &["help", "explain"]),
        ("help_version", &["--version"]),
    ] {
        assert_told(case, &mut leakproof(arguments), Some(0), &[]);
    }
}

/// A variable that is set to nothing is not set.
#[test]
fn works_with_empty_variables() {
    let project = notes();
    let mut command = check_in(&project, "project");
    choose_no_server(&mut command);
    for name in ["LEAKPROOF_SERVER", "LEAKPROOF_DATABASE_URL", "LEAKPROOF_DOCKER_IMAGE"] {
        command.env(name, "");
    }
    let output = command.output().unwrap();
    assert_eq!((told(&output).0, told(&output).2), (Some(1), String::new()));
}

/// Who reads the report may leave early, or never have been there.
#[test]
fn outputs() {
    let run = |line: &str| {
        let program = env!("CARGO_BIN_EXE_leakproof");
        let mut shell = Command::new("/bin/bash");
        shell.args(["-c", &format!("set -o pipefail; {line}"), "bash", program]);
        told(&shell.current_dir(root()).env_remove("TMPDIR").output().unwrap())
    };
    let check = "\"$1\" check tests/fixtures/notes";
    let quiet = |code: i32| (Some(code), String::new());
    for (line, expected) in [
        // Nothing is accepted yet in this project, which is 1; `head` is content.
        (format!("{check} | head -n 1"), quiet(1)),
        (format!("{check} | true"), quiet(1)),
        (format!("{check} >&-"), quiet(1)),
        (format!("{check} --timings >&- 2>&- <&-"), quiet(1)),
        (format!("{check} --timings >/dev/null 2>/dev/full"), quiet(1)),
        ("\"$1\" explain | head -n 1".to_owned(), quiet(0)),
        ("\"$1\" check gone 2>/dev/full".to_owned(), quiet(2)),
    ] {
        let (code, _, stderr) = run(&line);
        assert_eq!((code, stderr), expected, "{line}");
    }
    // The report does not depend on what comes in.
    let (_, piped, _) = run(&format!("echo y | {check}"));
    assert_eq!(piped, run(&format!("{check} </dev/null")).1);
    let (code, _, stderr) = run(&format!("{check} >/dev/full"));
    assert_snapshot(
        "wrong_inputs",
        "output_is_full",
        &format!("exit {}\n\nstderr:\n{stderr}", code.unwrap_or(-1)),
        &[],
    );
}

fn notes() -> Copy {
    Copy::of("tests/fixtures/notes")
}

/// A folder with programs of these names, for PATH.
fn programs(scripts: &[(&str, &str)]) -> TempDir {
    let bin = tempfile::tempdir().unwrap();
    for (name, text) in scripts {
        fs::write(bin.path().join(name), text).unwrap();
        fs::set_permissions(bin.path().join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
    bin
}

fn write(project: &Path, file: &str, bytes: &[u8]) {
    fs::write(project.join(file), bytes).unwrap();
}

fn replace(path: &Path, with: fn(&Path) -> std::io::Result<()>) {
    fs::remove_dir_all(path).unwrap();
    with(path).unwrap();
}

fn forbid(path: &Path) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o000)).unwrap();
}

fn choose_no_server(command: &mut Command) {
    for name in ["LEAKPROOF_SERVER", "LEAKPROOF_DATABASE_URL", "LEAKPROOF_DOCKER_IMAGE"] {
        command.env_remove(name);
    }
}

fn check_fixture(case: &str) -> Command {
    leakproof(&["check", &format!("tests/fixtures/wrong/{case}")])
}

/// Run from beside the project, so that no path depends on the machine.
fn check_in(project: &Copy, name: &str) -> Command {
    let mut command = leakproof(&["check", name]);
    command.current_dir(project.path().parent().unwrap());
    command
}

/// Permissions do not hold for root, unless it gives up the right to override them.
fn without_capabilities(command: Command) -> Command {
    if !Uid::effective().is_root() {
        return command;
    }
    let mut bound = Command::new("setpriv");
    bound.args(["--inh-caps=-all", "--bounding-set=-dac_override,-dac_read_search"]);
    bound.arg(command.get_program()).args(command.get_args());
    bound.current_dir(command.get_current_dir().unwrap()).env_remove("TMPDIR");
    bound
}

fn assert_refused(case: &str, command: &mut Command, hide: &[(&str, &str)]) {
    assert_told(case, command, Some(2), hide);
}

/// Compares exit code, stderr and stdout with the snapshot of the case.
fn assert_told(case: &str, command: &mut Command, code: Option<i32>, hide: &[(&str, &str)]) {
    let output = command.stdin(Stdio::null()).output().expect("the program runs");
    let (told_code, stdout, stderr) = told(&output);
    assert!(!stdout.contains(PASSWORD) && !stderr.contains(PASSWORD), "{stdout}{stderr}");
    let mut text =
        format!("exit {}\n", told_code.map_or("by signal".into(), |code| code.to_string()));
    for (name, said) in [("stderr", stderr), ("stdout", stdout)] {
        if !said.is_empty() {
            text.push_str(&format!("\n{name}:\n{said}"));
        }
    }
    assert_eq!(told_code, code, "{text}");
    assert_snapshot("wrong_inputs", case, &text, hide);
}

/// Only the finding itself, since the rest of the report is not what the case is about.
fn assert_found(case: &str, rule: &str) {
    let (code, stdout, stderr) = told(&check_fixture(case).output().unwrap());
    assert_eq!((code, stderr.as_str()), (Some(1), ""), "{stdout}");
    let start = stdout.find(&format!("\n  {rule}: ")).unwrap_or_else(|| panic!("{stdout}"));
    let mut lines = stdout[start + 1..].lines();
    let first = lines.next().into_iter();
    let block: Vec<&str> = first.chain(lines.take_while(|line| line.starts_with("    "))).collect();
    assert_snapshot("wrong_inputs", case, &block.join("\n"), &[]);
}

/// The migrations that were applied, and the verdict.
fn assert_accepted(case: &str, project: &Path) {
    let mut command = leakproof(&["check", "--accept"]);
    command.arg(project.file_name().unwrap()).current_dir(project.parent().unwrap());
    let (code, stdout, stderr) = told(&command.output().unwrap());
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{stdout}");
    let is_telling = |line: &&str| {
        ["project ", "migrations ", "  V", "verdict: "].iter().any(|start| line.starts_with(start))
    };
    let lines: Vec<&str> = stdout.lines().filter(is_telling).collect();
    assert_snapshot("wrong_inputs", case, &lines.join("\n"), &[]);
}
