//! What the tests share: copies of projects, the program as a process, snapshots at the top.

use std::fs;
use std::io::Write;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Once};
use std::thread;

use leakproof::Scratch;
use leakproof::check::{CheckOptions, check};
use leakproof::error::Result;
use leakproof::finding::{Rule, Severity};
use leakproof::matrix::compare::Comparison;
use leakproof::platform::Platform;
use leakproof::project::{Caller, Project, RecordedCall};
use leakproof::report::{Outcome, Report, to_text};
use leakproof::server::{Server, ServerOptions};
use postgres::{Client, SimpleQueryMessage};
use tempfile::TempDir;

use crate::turns::in_turn;

/// The repository's folder.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The config of a project of [`TENANTS_AND_MEMBERS`].
pub const MEMBERS_CONFIG: &str = r#"
[project]
platform = "supabase"
grants = "legacy"

[tenancy]
tenant = "public.tenants"

[tenancy.members]
table = "public.members"
tenant = "tenant_id"
user = "user_id"
"#;

/// Tenants, and who is a member of which.
pub const TENANTS_AND_MEMBERS: &str = "
create table public.tenants (id uuid primary key, name text not null);
create table public.members (
    tenant_id uuid not null references public.tenants on delete cascade,
    user_id uuid not null references auth.users on delete cascade,
    primary key (tenant_id, user_id)
);
";

/// The config of a small project on the plain platform, whose users are in `public.users`.
pub const PLAIN_CONFIG: &str = "
[project]
platform = \"plain\"

[identity]
role = \"app_user\"
user = \"app.user_id\"

[tenancy]
users = \"public.users\"
";

/// A copy of a project to change; it goes away with the value.
pub struct Copy {
    folder: TempDir,
}

/// A folder that a project may not lead out of.
fn repository() -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::create_dir(folder.path().join(".git")).expect("a folder");
    folder
}

impl Copy {
    /// Copies `from`, a path below the repository.
    pub fn of(from: &str) -> Self {
        let folder = repository();
        copy_folder(&root().join(from), &folder.path().join("project"));
        // Where the config expects what is accepted: two folders up.
        let accepted = root().join("snapshots");
        copy_folder(&accepted, &folder.path().join("snapshots"));
        let config = folder.path().join("project/leakproof.toml");
        if let Ok(text) = fs::read_to_string(&config) {
            fs::write(&config, text.replace("../../snapshots", "../snapshots")).expect("written");
        }
        Self { folder }
    }

    /// A project without any file.
    pub fn empty() -> Self {
        let folder = repository();
        fs::create_dir(folder.path().join("project")).expect("a folder");
        Self { folder }
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("project")
    }

    /// Replaces `from` with `to` in a file; it must be there exactly once.
    pub fn replace(&self, file: &str, from: &str, to: &str) {
        let path = self.path().join(file);
        let text = fs::read_to_string(&path).expect("a readable file");
        assert_eq!(text.matches(from).count(), 1, "`{from}` is not in {file} exactly once");
        fs::write(&path, text.replacen(from, to, 1)).expect("a writable file");
    }

    pub fn append(&self, file: &str, text: &str) {
        let path = self.path().join(file);
        let before = fs::read_to_string(&path).expect("a readable file");
        fs::write(&path, format!("{before}\n{text}\n")).expect("a writable file");
    }

    pub fn write(&self, file: &str, text: &str) {
        let path = self.path().join(file);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(path, text).expect("a writable file");
    }
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a readable folder") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        match entry.file_type().expect("a type").is_dir() {
            true => copy_folder(&entry.path(), &target),
            false => drop(fs::copy(entry.path(), target).expect("a copy")),
        }
    }
}

/// The server that all tests share; said once, past the capture of the test harness.
pub fn shared_server() -> Arc<Server> {
    static SAID: Once = Once::new();
    let options = ServerOptions::from_env().expect("options");
    let server = Server::shared(&options).unwrap_or_else(|error| panic!("{error}"));
    SAID.call_once(|| {
        let _ = writeln!(std::io::stderr(), "the tests run on {}", server.describe());
    });
    server
}

/// Checks a project in this process, on the server that all tests share.
pub fn check_project(path: &Path) -> Report {
    check_with(path, |_| {})
}

/// The same with other options.
pub fn check_with(path: &Path, change: impl FnOnce(&mut CheckOptions)) -> Report {
    try_check_with(path, change).unwrap_or_else(|error| panic!("{error}"))
}

/// The same for a run that may fail.
pub fn try_check_with(path: &Path, change: impl FnOnce(&mut CheckOptions)) -> Result<Report> {
    let project = Project::read(path)?;
    let _held = shared_server();
    // Tests run side by side already.
    let jobs = Some(NonZeroUsize::MIN);
    let server = ServerOptions::from_env()?;
    let mut options = CheckOptions { server, jobs, ..Default::default() };
    change(&mut options);
    check(&project, &options, &())
}

/// Does the same with each, two at a time, and gives the results in order. Holds the shared server,
/// so that it is started once.
pub fn in_parallel<T: Sync, R: Send>(all: &[T], run: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let server = shared_server();
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    thread::scope(|scope| {
        let work = || {
            while let Some((at, one)) = take(&next, all) {
                let result = run(one);
                done.lock().expect("no panic elsewhere").push((at, result));
            }
        };
        // A scope does not say what panicked in it, and what is said last is read first.
        for worker in [scope.spawn(work), scope.spawn(work)] {
            if let Err(panic) = worker.join() {
                let text = panic.downcast_ref::<String>().map(String::as_str);
                let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
                panic!("one of several panicked: {}", text.unwrap_or_default());
            }
        }
    });
    drop(server);
    let mut done = done.into_inner().expect("no panic elsewhere");
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}

fn take<'a, T>(next: &AtomicUsize, all: &'a [T]) -> Option<(usize, &'a T)> {
    let at = next.fetch_add(1, Ordering::Relaxed);
    all.get(at).map(|one| (at, one))
}

/// What each call answers to a user of the plain platform, one after the other in a transaction that
/// never commits; an error is an answer, too.
pub fn answers(scratch: &Scratch<'_>, user: &str, calls: &[String]) -> Vec<String> {
    let mut client = scratch.connect().expect("a connection");
    let mut transaction = client.transaction().expect("a transaction");
    let user = user.replace('\'', "''");
    let become_user = format!(
        "set local timezone = 'UTC'; select set_config('app.user_id', '{user}', true);
         set local role app_user"
    );
    transaction.batch_execute(&become_user).expect("a user");
    let mut told = Vec::new();
    for call in calls {
        let mut savepoint = transaction.savepoint("call").expect("a savepoint");
        let answer = match savepoint.query_one(&format!("select ({call})::text"), &[]) {
            Ok(row) => row.get::<_, Option<String>>(0).unwrap_or_else(|| "NULL".into()),
            Err(error) => error.as_db_error().expect("an answer").message().to_owned(),
        };
        // What a call wrote is there for the next one.
        if savepoint.execute("select 1", &[]).is_ok() {
            savepoint.commit().expect("released");
        }
        told.push(answer);
    }
    told
}

/// The program, in the repository's folder, with the environment of the tests.
pub fn leakproof(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_leakproof"));
    command.args(arguments).current_dir(root()).env_remove("TMPDIR");
    command
}

/// Exit code, stdout and stderr of a finished process.
pub fn told(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// Compares with `snapshots/<folder>/<name>.snap`; `hide` takes out what differs between machines.
pub fn assert_snapshot(folder: &str, name: &str, text: &str, hide: &[(&str, &str)]) {
    let mut text = text.to_owned();
    for (from, to) in hide.iter().filter(|(from, _)| !from.is_empty()) {
        text = text.replace(from, to);
    }
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(root().join("snapshots").join(folder));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name.to_owned(), text));
}

/// A scratch database with the project's platform, and nothing applied yet.
pub fn empty_scratch(project: &Project) -> Scratch<'_> {
    let server = shared_server();
    Scratch::empty(project, Platform::of(project), &server).expect("a scratch database")
}

/// The rows of a query that gives one column of text, with times in UTC.
pub fn lines(scratch: &Scratch<'_>, query: &str) -> Vec<String> {
    let mut client = scratch.connect().expect("a connection");
    client.batch_execute("set timezone = 'UTC'").expect("a time zone");
    client.query(query, &[]).expect("rows").iter().map(|row| row.get(0)).collect()
}

/// Asks with a role and settings, as an application does for its user, and takes everything back.
/// Gives the first column of each row, a line each, or the SQLSTATE.
pub fn ask_as(client: &mut Client, role: &str, settings: &[(&str, &str)], sql: &str) -> String {
    let set = settings.iter().map(|(name, value)| format!("set local {name} = '{value}'; "));
    let become_user = format!("begin; {}set local role {role}", set.collect::<String>());
    client.batch_execute(&become_user).expect("a user");
    let answer = client.simple_query(sql);
    client.batch_execute("rollback").expect("all taken back");
    match answer {
        Ok(messages) => {
            let rows = messages.iter().filter_map(|message| match message {
                SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or("NULL").to_owned()),
                _ => None,
            });
            rows.collect::<Vec<_>>().join("\n")
        }
        Err(error) => {
            let error = error.as_db_error().expect("an answer of the server");
            format!("SQLSTATE {}", error.code().code())
        }
    }
}

/// What a project of the plain platform answers to its recorded calls, at the version they are of:
/// that it is the same later is what the check says, this is what it is. Cut where it is long.
pub fn recorded_answers(project: &Project) -> String {
    const LONGEST: usize = 300;
    let versions: Vec<i64> = project.migrations().iter().map(|file| file.version()).collect();
    let mut scratch = empty_scratch(project);
    let mut told = Vec::new();
    for pair in versions.windows(2) {
        let calls = project.calls(pair[1]).into_iter().filter(|call| call.version() == pair[0]);
        let calls: Vec<&RecordedCall> = calls.collect();
        scratch.migrate_to(pair[0]).expect("a version");
        let mut client = scratch.connect().expect("a connection");
        for call in calls {
            let (role, user) = match call.caller() {
                Caller::User(id) => ("set local role app_user", id.as_str()),
                Caller::Nobody => ("set local role app_user", ""),
                Caller::Service => ("set local role app_service", ""),
                Caller::Owner => ("select", ""),
            };
            let become_caller = format!(
                "begin; set local timezone = 'UTC'; set local app.user_id = '{user}'; {role}"
            );
            client.batch_execute(&become_caller).expect("a caller");
            let now = "select to_char(now() at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US')";
            let now: String = client.query_one(now, &[]).expect("a time").get(0);
            let mut lines = vec![call.name().to_owned()];
            match client.simple_query(call.sql()) {
                Ok(messages) => lines.extend(messages.iter().filter_map(|message| {
                    let SimpleQueryMessage::Row(row) = message else { return None };
                    let values = (0..row.len()).map(|at| row.get(at).unwrap_or("NULL"));
                    Some(values.collect::<Vec<_>>().join(" | "))
                })),
                Err(error) => {
                    let error = error.as_db_error().expect("an answer of the server");
                    lines.push(format!("{}: {}", error.code().code(), error.message()));
                }
            }
            client.batch_execute("rollback").expect("all taken back");
            let cut = lines.into_iter().map(|line| line.replace(&now, "<now>")).map(|line| {
                match line.char_indices().nth(LONGEST) {
                    Some((end, _)) => format!("{}... ({} bytes)", &line[..end], line.len()),
                    None => line,
                }
            });
            told.push(cut.collect::<Vec<_>>().join("\n    "));
        }
    }
    assert!(!told.is_empty(), "no call was recorded");
    told.join("\n")
}

/// One way to spoil a project, and what must notice it.
pub struct Sabotage {
    pub name: &'static str,
    pub file: &'static str,
    /// What is there, exactly once, and what comes instead.
    pub from: &'static str,
    pub to: &'static str,
    /// The rule of a finding, words of its message, or `access changed`.
    pub caught_by: &'static str,
}

/// Checks a copy of the project for each sabotage; fails where what must notice it does not. Tells
/// in full what noticed it, and in brief what else did.
pub fn told_of_sabotages(project: &str, sabotages: &[Sabotage]) -> Vec<Option<String>> {
    told_of_prepared(|| Copy::of(project), sabotages)
}

/// The same with copies that have something of their own.
pub fn told_of_prepared(
    copy: impl Fn() -> Copy + Sync,
    sabotages: &[Sabotage],
) -> Vec<Option<String>> {
    in_turn(sabotages, |sabotage| {
        let copy = copy();
        copy.replace(sabotage.file, sabotage.from, sabotage.to);
        let report = check_project(&copy.path());
        let Sabotage { name, caught_by, .. } = sabotage;
        assert_eq!(report.outcome(), Outcome::Failed, "{name}: {}", to_text(&report));
        let (full, brief): (Vec<String>, Vec<String>) =
            told_of_failure(&report).into_iter().partition(|told| told.contains(caught_by));
        assert!(!full.is_empty(), "{name} is not caught by {caught_by}:\n{brief:#?}");
        let first = |told: &String| told.lines().next().unwrap_or_default().to_owned();
        let brief = brief.iter().map(first);
        let lines: Vec<String> =
            full.iter().cloned().chain(brief).map(|told| format!("    {told}")).collect();
        let folder = copy.path().display().to_string();
        format!("{name}\n{}", lines.join("\n")).replace(&folder, "<project>")
    })
}

/// Each finding with its evidence, and the first changes of access. These are left out where data
/// was lost: with other rows, other rows are reached.
fn told_of_failure(report: &Report) -> Vec<String> {
    let is_loss = |rule| [Rule::DataLost, Rule::PromiseBroken].contains(&rule);
    let mut told = Vec::new();
    for finding in &report.findings {
        let evidence: String =
            finding.evidence_lines().iter().map(|line| format!("\n      {line}")).collect();
        let (rule, on, message) = (finding.rule, finding.on(), finding.message());
        told.push(format!("{rule} on {on}\n      {message}{evidence}"));
    }
    if let Some(Comparison::Compared { changes, .. }) = &report.comparison
        && !changes.is_empty()
        && !report.findings.iter().any(|finding| is_loss(finding.rule))
    {
        let first = changes.iter().take(3).map(|change| {
            format!(
                "\n      {} {} {} was {}, now {}",
                change.relation,
                change.command,
                change.who,
                change.was.as_deref().unwrap_or("not there"),
                change.now.as_deref().unwrap_or("gone"),
            )
        });
        told.push(format!(
            "access changed in {} cells{}",
            changes.len(),
            first.collect::<String>()
        ));
    }
    told
}

/// Fails unless a project of `sql/` passes and says so as accepted; gives the report.
pub fn assert_passes(project: &str) -> Report {
    let report = check_project(&root().join("sql").join(project));
    assert_eq!(report.outcome(), Outcome::Passed, "{}", to_text(&report));
    let folder = root().display().to_string();
    assert_report(project, "report", &report, (&folder, "<repository>"));
    report
}

/// Compares a project's matrix with the very file that the program accepts into: `cargo insta review`
/// and `--accept` agree on it.
pub fn assert_accepted_matrix(project: &str) {
    let read = Project::read(root().join("sql").join(project)).expect("a readable project");
    let scratch = Scratch::of(&read).expect("a scratch database");
    let mut isolation = scratch.isolation().expect("a world");
    let matrix = isolation.matrix().expect("a matrix").to_string();
    assert_snapshot(project, "access", &matrix, &[]);
}

/// Compares a whole report with a snapshot, without what differs between servers (its name, notes on
/// it) and without the number of statements, which any change of a probe moves. `path` is where the
/// project is, shown as `shown`.
pub fn assert_report(folder: &str, name: &str, report: &Report, (path, shown): (&str, &str)) {
    let text = to_text(report);
    let lines = text.lines().filter(|line| !line.starts_with("note "));
    let lines: Vec<&str> = lines
        .map(|line| if line.starts_with("probes ") { "probes      <counted>" } else { line })
        .collect();
    let hide = [(path, shown), (report.server.as_str(), "<server>")];
    assert_snapshot(folder, name, &lines.join("\n"), &hide);
}

/// The rules of high findings, each with what it is on.
pub fn high(report: &Report) -> Vec<(Rule, String)> {
    let high = report.findings.iter().filter(|finding| finding.severity == Severity::High);
    high.map(|finding| (finding.rule, finding.on())).collect()
}

/// What the program `docker` prints.
pub fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker").args(arguments).output().expect("`docker` is there");
    told(&output).1.trim_end().to_owned()
}
