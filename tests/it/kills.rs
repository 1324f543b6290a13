//! Killed in the middle of a migration, by whatever signal: no process, server, container, folder,
//! database or role is left. The same after a run that ends by itself, well or not.

use std::cell::RefCell;
use std::env;
use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal::{self, SIGHUP, SIGINT, SIGKILL, SIGTERM};
use nix::sys::signal::{kill, killpg};
use nix::unistd::Pid;
use postgres::{Client, NoTls};
use tempfile::TempDir;

use crate::support::{Copy, docker, leakproof, told};
use crate::url_server::{PASSWORD, UrlServer};

/// How long a run may take to get into its migration: a container takes some seconds.
const START_LIMIT: Duration = Duration::from_secs(60);

/// How long what a killed run leaves may stay.
const END_LIMIT: Duration = Duration::from_secs(10);

/// Who is sent the signal.
#[derive(Clone, Copy)]
enum Target {
    /// The run alone.
    Run,
    /// All of its process group, as Ctrl-C does, and a runner that gives up.
    Group,
}

/// One line a test: the kind of server, the signal and to whom.
macro_rules! killed {
    ($($case:ident: $kill:ident($signal:expr, $target:expr))*) => {$(
        #[test]
        fn $case() {
            $kill($signal, $target);
        }
    )*};
}

killed! {
    local_sigkill: kill_local(SIGKILL, Target::Run)
    local_sigkill_to_all: kill_local(SIGKILL, Target::Group)
    local_sigint: kill_local(SIGINT, Target::Run)
    local_sigint_to_all: kill_local(SIGINT, Target::Group)
    local_sigterm: kill_local(SIGTERM, Target::Run)
    local_sighup: kill_local(SIGHUP, Target::Run)
    local_stopped_sigkill: kill_with_stopped_server(SIGKILL, Target::Run)
    local_stopped_sigint: kill_with_stopped_server(SIGINT, Target::Run)
    url_sigkill: kill_on_url(SIGKILL, Target::Run)
    url_sigkill_to_all: kill_on_url(SIGKILL, Target::Group)
    url_sigint: kill_on_url(SIGINT, Target::Run)
    url_sigint_to_all: kill_on_url(SIGINT, Target::Group)
    url_sigterm: kill_on_url(SIGTERM, Target::Run)
    url_sighup: kill_on_url(SIGHUP, Target::Run)
    suite_sigkill: kill_as_suite(SIGKILL, Target::Run)
    suite_sigkill_to_all: kill_as_suite(SIGKILL, Target::Group)
    suite_sigint: kill_as_suite(SIGINT, Target::Run)
    suite_sigint_to_all: kill_as_suite(SIGINT, Target::Group)
}

/// In a folder for temporary files that is its own, so that all of it can be seen.
fn kill_local(signal: Signal, target: Target) {
    let temporary = open_folder();
    let mut command = sleeping_command("local");
    command.program.env("TMPDIR", temporary.path());
    let run = command.start();
    run.wait_for("it sleeps on a server of its own", || sleeps_in(temporary.path(), &run));
    run.kill(signal, target);
    wait_for("nothing is left", || none(&entries(temporary.path())));
}

/// A migration that became superuser may load a library, and that may send any signal to its server.
fn kill_with_stopped_server(signal: Signal, target: Target) {
    let temporary = open_folder();
    let mut command = sleeping_command("local");
    command.program.env("TMPDIR", temporary.path());
    let run = command.start();
    let mut folder = PathBuf::new();
    run.wait_for("it sleeps on a server of its own", || {
        folder = sleeps_in(temporary.path(), &run)?;
        Ok(())
    });
    let processes = processes_in(&folder);
    assert!(processes.len() > 2, "{processes:?}");
    for process in &processes {
        kill(Pid::from_raw(*process), Signal::SIGSTOP).expect("it is stopped");
    }
    run.kill(signal, target);
    wait_for("nothing is left", || none(&entries(temporary.path())));
    // One that has ended and that nobody waits for works nowhere.
    let is_left = |process: &&i32| place_of(&process.to_string()).is_some();
    wait_for("the server and what it started is gone", || {
        let left = processes.iter().filter(is_left).map(i32::to_string).collect::<Vec<_>>();
        none(&left)
    });
}

/// The processes that work in a folder or below it.
fn processes_in(folder: &Path) -> Vec<i32> {
    let processes = entries(Path::new("/proc")).into_iter();
    let inside = processes.filter(|name| place_of(name).is_some_and(|at| at.starts_with(folder)));
    inside.filter_map(|name| name.parse().ok()).collect()
}

/// The folder that a process works in.
fn place_of(process: &str) -> Option<PathBuf> {
    fs::read_link(Path::new("/proc").join(process).join("cwd")).ok()
}

fn kill_on_url(signal: Signal, target: Target) {
    let server = UrlServer::start();
    let mut command = sleeping_command("url");
    command.program.env("LEAKPROOF_DATABASE_URL", server.url("tester", PASSWORD));
    let run = command.start();
    run.wait_for("it sleeps on the server", || sleeps_on(&server, &run.mark));
    assert_ne!(server.leftovers(), [""; 0]);
    run.kill(signal, target);
    wait_for("nothing is left on the server", || none(&server.leftovers()));
}

/// On Docker if the suite is run on it, else on a local server where it is put by default.
fn kill_as_suite(signal: Signal, target: Target) {
    if env::var("LEAKPROOF_SERVER").as_deref() == Ok("docker") {
        return kill_in_docker(signal, target);
    }
    let run = sleeping_command("local").start();
    let parents = ["/dev/shm", "/tmp"].map(Path::new);
    let mut parents: Vec<PathBuf> = parents.into_iter().map(Path::to_owned).collect();
    parents.push(env::temp_dir());
    let mut folder = None;
    run.wait_for("it sleeps on a server of its own", || {
        folder = parents.iter().find_map(|parent| sleeps_in(parent, &run).ok());
        folder.clone().ok_or_else(|| "no server has its query".into())
    });
    run.kill(signal, target);
    wait_for("its folder is gone", || match &folder {
        Some(folder) if folder.exists() => Err(folder.display().to_string()),
        _ => Ok(()),
    });
}

fn kill_in_docker(signal: Signal, target: Target) {
    let mut command = sleeping_command("docker");
    let image = Tag::new(&command.mark);
    command.program.env("LEAKPROOF_DOCKER_IMAGE", &image.0);
    let run = command.start();
    run.wait_for("it sleeps in a container", || {
        let sleeps = |id: &String| sleeps_in_container(id, &run.mark);
        image.containers().iter().any(sleeps).then_some(()).ok_or_else(|| "no query runs".into())
    });
    let mounts = "{{range .Mounts}}{{.Name}} {{end}}";
    let volumes: Vec<String> = image
        .containers()
        .iter()
        .flat_map(|id| {
            let names = docker(&["inspect", "--format", mounts, id]);
            names.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
        })
        .collect();
    run.kill(signal, target);
    wait_for("its container and volumes are gone", || {
        none(&image.containers())?;
        let all = docker(&["volume", "ls", "--quiet"]);
        none(&volumes.iter().filter(|name| all.contains(*name)).cloned().collect::<Vec<_>>())
    });
}

/// Also while a server is made and starts. One in a container waits ten seconds for whoever started it.
#[test]
fn suite_sigkill_at_any_time() {
    let is_on_docker = env::var("LEAKPROOF_SERVER").as_deref() == Ok("docker");
    let temporary = open_folder();
    let folder = temporary.path().file_name().expect("a name").to_string_lossy().into_owned();
    let image = is_on_docker.then(|| Tag::new(&folder));
    let delays =
        (0..8).map(|step| Duration::from_millis(step * if is_on_docker { 250 } else { 25 }));
    let runs: Vec<(Duration, Child)> = delays
        .map(|delay| {
            let kind = if is_on_docker { "docker" } else { "local" };
            let mut command = leakproof(&["check", "tests/fixtures/notes", "--server", kind]);
            command.env("TMPDIR", temporary.path());
            if let Some(image) = &image {
                command.env("LEAKPROOF_DOCKER_IMAGE", &image.0);
            }
            (delay, command.stdout(Stdio::null()).spawn().expect("the program runs"))
        })
        .collect();
    let started = Instant::now();
    for (delay, mut run) in runs {
        sleep(delay.saturating_sub(started.elapsed()));
        // It may have ended by itself.
        let _ = run.kill();
        run.wait().expect("a child");
    }
    wait_at_most(Duration::from_secs(40), "nothing is left", || match &image {
        Some(image) => {
            let makes_one = |process: &Process| process.command.contains(&image.0);
            none(
                &processes()
                    .into_iter()
                    .filter(makes_one)
                    .map(|one| one.command)
                    .collect::<Vec<_>>(),
            )?;
            none(&image.containers())
        }
        None => none(&entries(temporary.path())),
    });
}

/// A second name of the suite's image, by which its containers are known; it goes with its value.
struct Tag(String);

impl Tag {
    fn new(mark: &str) -> Self {
        let image = env::var("LEAKPROOF_DOCKER_IMAGE").unwrap_or_else(|_| "postgres:17".into());
        let name = format!("leakproof-test:{}", mark.to_lowercase().replace('.', ""));
        docker(&["tag", &image, &name]);
        Self(name)
    }

    fn containers(&self) -> Vec<String> {
        let all = docker(&["ps", "--all", "--no-trunc", "--format", "{{.Image}} {{.ID}}"]);
        let ours = all.lines().filter_map(|line| line.strip_prefix(&self.0));
        ours.map(|id| id.trim().to_owned()).collect()
    }
}

impl Drop for Tag {
    fn drop(&mut self) {
        docker(&["rmi", &self.0]);
    }
}

#[test]
fn runs_that_end_by_themselves_leave_nothing() {
    let server = UrlServer::start();
    for (project, code) in [("tests/fixtures/notes", 1), ("tests/fixtures/wrong/syntax_error", 2)] {
        for kind in ["local", "url"] {
            let temporary = open_folder();
            let mut command = leakproof(&["check", project, "--server", kind]);
            command.env("TMPDIR", temporary.path());
            command.env("LEAKPROOF_DATABASE_URL", server.url("tester", PASSWORD));
            let (told_code, _, stderr) = told(&command.output().expect("the program runs"));
            assert_eq!(told_code, Some(code), "{stderr}");
            // It waits for its server to be gone, so nothing has to be waited for here.
            assert_eq!(entries(temporary.path()), [""; 0], "{project} on {kind}");
            assert_eq!(server.leftovers(), [""; 0], "{project} on {kind}");
        }
    }
}

#[test]
fn runs_at_once_on_one_server_do_not_disturb_each_other() {
    let server = UrlServer::start();
    let start = |project: &str| {
        let mut command = leakproof(&["check", project, "--server", "url"]);
        command.env("LEAKPROOF_DATABASE_URL", server.url("tester", PASSWORD));
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program runs")
    };
    let projects = ["sql/conversations", "tests/fixtures/wrong/works_plain"];
    let runs: Vec<[Child; 2]> = (0..2).map(|_| projects.map(start)).collect();
    let mut first: Option<[_; 2]> = None;
    for run in runs {
        let outputs = run.map(|child| told(&child.wait_with_output().expect("it ends")));
        assert_eq!((outputs[0].0, outputs[0].2.as_str()), (Some(0), ""), "{}", outputs[0].1);
        assert_eq!((outputs[1].0, outputs[1].2.as_str()), (Some(1), ""), "{}", outputs[1].1);
        assert_eq!(first.get_or_insert_with(|| outputs.clone()), &outputs);
    }
    assert_eq!(server.leftovers(), [""; 0]);
}

/// Also while it is starting, and while the server still makes a database for it.
#[test]
fn url_sigkill_at_any_time() {
    let server = UrlServer::start();
    for delay in (0..12).map(|step| Duration::from_millis(step * 25)) {
        let mut command = leakproof(&["check", "tests/fixtures/notes", "--server", "url"]);
        command.env("LEAKPROOF_DATABASE_URL", server.url("tester", PASSWORD));
        let mut child = command.stdout(Stdio::null()).spawn().expect("the program runs");
        sleep(delay);
        // It may have ended by itself.
        let _ = child.kill();
        child.wait().expect("a child");
        wait_for("nothing is left on the server", || none(&server.leftovers()));
    }
}

/// Who cleans up after a killed run may be killed too; then it is the next run's work.
#[test]
fn the_next_run_sweeps() {
    let server = UrlServer::start();
    let mut command = sleeping_command("url");
    command.program.env("LEAKPROOF_DATABASE_URL", server.url("tester", PASSWORD));
    let run = command.start();
    run.wait_for("it sleeps on the server", || sleeps_on(&server, &run.mark));
    for process in run.processes() {
        kill(Pid::from_raw(process.id), SIGKILL).expect("it is there");
    }
    run.kill(SIGKILL, Target::Run);
    wait_for("the server has seen its end", || {
        none(&server.ask("select 'lock' from pg_locks where locktype = 'advisory'"))
    });
    let left = server.leftovers();
    for what in ["database leakproof_", "role authenticated", "session "] {
        assert!(left.iter().any(|left| left.starts_with(what)), "no {what} in {left:?}");
    }
    let mut command = leakproof(&["check", "tests/fixtures/notes", "--server", "url"]);
    command.env("LEAKPROOF_DATABASE_URL", server.url("tester", PASSWORD));
    assert_eq!(told(&command.output().expect("the program runs")).0, Some(1));
    assert_eq!(server.leftovers(), [""; 0]);
}

/// A run to be, whose migration sleeps in a statement that carries a mark of its own.
struct Sleeping {
    program: Command,
    project: Copy,
    mark: String,
}

fn sleeping_command(kind: &str) -> Sleeping {
    let project = Copy::of("tests/fixtures/notes");
    let folder = project.path();
    let mark = folder.parent().and_then(Path::file_name).expect("a name").to_string_lossy();
    let mark = mark.into_owned();
    let sleep = format!("select pg_sleep(60) /* {mark} */;\n\nrevoke");
    project.replace("migrations/V1__notes.sql", "revoke", &sleep);
    let mut program = leakproof(&["check", "--server", kind]);
    program.arg(&folder).process_group(0);
    program.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    Sleeping { program, project, mark }
}

impl Sleeping {
    fn start(mut self) -> Run {
        let child = self.program.spawn().expect("the program runs");
        Run { child: child.into(), mark: self.mark, _project: self.project }
    }
}

/// A run that is to be killed. One that a test forgets is killed with its value.
struct Run {
    child: RefCell<Child>,
    mark: String,
    _project: Copy,
}

impl Run {
    fn id(&self) -> i32 {
        self.child.borrow().id().try_into().expect("a process id")
    }

    /// Waits, as long as it runs.
    fn wait_for<T>(&self, what: &str, mut is_so: impl FnMut() -> Result<T, String>) -> T {
        wait_at_most(START_LIMIT, what, || {
            let ended = self.child.borrow_mut().try_wait().expect("a child");
            assert!(ended.is_none(), "the run has ended: {ended:?}");
            is_so()
        })
    }

    /// What was started by it, and by that.
    fn processes(&self) -> Vec<Process> {
        let all = processes();
        let mut ids = vec![self.id()];
        let mut found: Vec<Process> = Vec::new();
        while let Some(parent) = ids.pop() {
            for process in all.iter().filter(|process| process.parent == parent) {
                ids.push(process.id);
                found.push(process.clone());
            }
        }
        found
    }

    /// Sends the signal, waits for the end, and for that of all it has started; it must be silent.
    fn kill(&self, signal: Signal, target: Target) {
        let started = self.processes();
        let id = Pid::from_raw(self.id());
        match target {
            Target::Run => kill(id, signal),
            Target::Group => killpg(id, signal),
        }
        .expect("it is there");
        let mut child = self.child.borrow_mut();
        let status = wait_at_most(END_LIMIT, "it has ended", || {
            child.try_wait().expect("a child").ok_or_else(|| "it runs".into())
        });
        match signal {
            SIGKILL => assert_eq!(status.signal(), Some(SIGKILL as i32)),
            _ => assert_eq!(status.code(), Some(128 + signal as i32)),
        }
        wait_for("all that it started has ended", || {
            let left = processes()
                .into_iter()
                .filter(|process| started.iter().any(|known| known.id == process.id));
            none(&left.map(|process| process.command).collect::<Vec<_>>())
        });
        let mut said = String::new();
        child.stdout.take().expect("a pipe").read_to_string(&mut said).expect("UTF-8");
        child.stderr.take().expect("a pipe").read_to_string(&mut said).expect("UTF-8");
        assert_eq!(said, "");
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = self.child.get_mut().kill();
        let _ = self.child.get_mut().wait();
    }
}

/// A line of the list of processes.
#[derive(Clone)]
struct Process {
    id: i32,
    parent: i32,
    command: String,
}

/// All that run; those that have ended and were not waited for do not.
fn processes() -> Vec<Process> {
    let output = Command::new("ps").args(["-A", "-o", "pid=,ppid=,stat=,args="]).output();
    let (code, list, _) = told(&output.expect("`ps` is there"));
    assert_eq!(code, Some(0));
    let read = |line: &str| {
        let mut words = line.split_whitespace();
        let mut number = || words.next().and_then(|word| word.parse().ok()).expect("a number");
        let (id, parent) = (number(), number());
        let is_running = !words.next().expect("a state").starts_with('Z');
        is_running.then(|| Process { id, parent, command: words.collect::<Vec<_>>().join(" ") })
    };
    list.lines().filter_map(read).collect()
}

/// The folder below `parent` in which a server of the run runs its query.
fn sleeps_in(parent: &Path, run: &Run) -> Result<PathBuf, String> {
    let is_it = |folder: &PathBuf| {
        let server = fs::read_to_string(folder.join("data/postmaster.pid")).unwrap_or_default();
        let server = server.lines().next().and_then(|id| id.parse().ok());
        server.is_some_and(|server| is_below(server, run.id()) && let_in(folder, server))
            && runs_query(
                &format!("host={} user=leakproof dbname=postgres", folder.display()),
                &run.mark,
            )
    };
    let found = entries(parent).into_iter().filter(|name| name.starts_with("leakproof-"));
    found.map(|name| parent.join(name)).find(is_it).ok_or_else(|| "no server runs it".into())
}

/// Whether a process descends from another one.
fn is_below(process: i32, ancestor: i32) -> bool {
    let all = processes();
    let parent_of = |id: i32| all.iter().find(|one| one.id == id).map(|one| one.parent);
    std::iter::successors(Some(process), |id| parent_of(*id)).any(|id| id == ancestor)
}

/// Has a server let us in without the password that only the run knows. Not into the database where the
/// run waits until nobody is let in like that.
fn let_in(folder: &Path, server: i32) -> bool {
    const RULE: &str = "local postgres leakproof trust\n";
    let path = folder.join("data/pg_hba.conf");
    let rules = fs::read_to_string(&path).unwrap_or_default();
    // What the run has not written yet it is about to write.
    if rules.starts_with(RULE) || !rules.starts_with("local all all scram") {
        return rules.starts_with(RULE);
    }
    fs::write(&path, format!("{RULE}{rules}")).is_ok()
        && kill(Pid::from_raw(server), SIGHUP).is_ok()
}

/// Whether the server in a container runs the marked query.
fn sleeps_in_container(id: &str, mark: &str) -> bool {
    let environment = "{{range .Config.Env}}{{println .}}{{end}}";
    let environment = docker(&["inspect", "--format", environment, id]);
    let mut lines = environment.lines();
    let password = lines.find_map(|line| line.strip_prefix("LEAKPROOF_PASSWORD="));
    let ports = docker(&["port", id, "5432/tcp"]);
    let port = ports.lines().next().and_then(|line| line.rsplit(':').next());
    password.zip(port).is_some_and(|(password, port)| {
        let place = format!("host=127.0.0.1 port={port} connect_timeout=5");
        runs_query(&format!("{place} user=leakproof password={password} dbname=template1"), mark)
    })
}

/// Whether a server runs the marked query; not so where there is no server.
fn runs_query(server: &str, mark: &str) -> bool {
    let count = "select count(*) from pg_stat_activity
        where state = 'active' and pid <> pg_backend_pid() and query like '%' || $1 || '%'";
    let client = Client::connect(server, NoTls);
    let row = client.and_then(|mut client| client.query_one(count, &[&mark]));
    row.is_ok_and(|row| row.get::<_, i64>(0) > 0)
}

fn sleeps_on(server: &UrlServer, mark: &str) -> Result<(), String> {
    let running = server.ask(
        "select query from pg_stat_activity where state = 'active' and pid <> pg_backend_pid()",
    );
    if running.iter().any(|query| query.contains(mark)) { Ok(()) } else { Err(running.join("; ")) }
}

/// A folder that every account may use.
fn open_folder() -> TempDir {
    // In memory where there is any: a server starts there in a third of the time.
    let memory = Some(Path::new("/dev/shm")).filter(|memory| memory.is_dir());
    let parent = memory.map_or_else(env::temp_dir, Path::to_owned);
    let folder = tempfile::tempdir_in(parent).expect("a temporary folder");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).expect("permissions");
    folder
}

/// The names in a folder; none if there is no such folder.
fn entries(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

fn none(left: &[String]) -> Result<(), String> {
    if left.is_empty() { Ok(()) } else { Err(left.join(", ")) }
}

fn wait_for(what: &str, is_so: impl FnMut() -> Result<(), String>) {
    wait_at_most(END_LIMIT, what, is_so);
}

fn wait_at_most<T>(limit: Duration, what: &str, mut is_so: impl FnMut() -> Result<T, String>) -> T {
    let started = Instant::now();
    loop {
        match is_so() {
            Ok(value) => return value,
            Err(_) if started.elapsed() < limit => sleep(Duration::from_millis(20)),
            Err(why) => panic!("waited {limit:?} and still it is not so that {what}: {why}"),
        }
    }
}
