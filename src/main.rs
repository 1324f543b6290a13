//! Parse, call, exit code. Nothing else in this program prints or exits.

mod cli;

use std::fs::File;
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::process::{self, ExitCode};
use std::thread;
use std::time::Duration;

use clap::Parser;
use cli::{CheckArgs, Cli, Command, InitArgs, NewArgs, PushArgs, ServerArgs, StatusArgs};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use leakproof::check::observer::{Event, Observer};
use leakproof::check::{CheckOptions, check};
use leakproof::drafting::{draft_pairs, version_named};
use leakproof::error::{Error, Result};
use leakproof::finding::{Rule, known_rules};
use leakproof::init::inferred_config;
use leakproof::project::Project;
use leakproof::push::{self, Push, PushOptions};
use leakproof::server::{self, Server, ServerOptions};
use leakproof::template::{TemplateOptions, write_templates};

/// Something is not as it should be.
const FAILED: u8 = 1;

/// The run itself failed.
const RUN_FAILED: u8 = 2;

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            tell_error(&error);
            ExitCode::from(RUN_FAILED)
        }
    }
}

fn run(cli: Cli) -> Result<u8> {
    match cli.command {
        Command::Check(args) => run_check(args),
        Command::Init(args) => run_init(args),
        Command::New(args) => run_new(args),
        Command::Status(args) => run_status(args),
        Command::Push(args) => run_push(args),
        Command::Explain { finding } => run_explain(finding.as_deref()),
        Command::Reap => server::reap().map(|()| 0),
    }
}

fn run_check(args: CheckArgs) -> Result<u8> {
    let progress = Bar::new(args.quiet);
    begin(args.server.timeout, &progress)?;
    let mut project = Project::read(&args.path)?;
    if args.show_values {
        project = project.show_values();
    }
    let options = CheckOptions {
        server: server_options(args.server)?,
        accept: args.accept,
        grants: args.grants.map(Into::into),
        fail_on: args.fail_on.map(Into::into),
        data_only: args.data,
        round_trip: args.round_trip,
        twice: args.twice,
        only: args.only,
        keep_going: args.keep_going,
        rows_from: args.rows_from,
        base: args.base,
        jobs: args.jobs,
    };
    let report = check(&project, &options, &progress);
    progress.0.finish_and_clear();
    let report = report?;
    print(&args.format.of(&report))?;
    if args.timings {
        let total: Duration = report.timings.iter().map(|(_, time)| *time).sum();
        for (step, time) in report.timings.iter().chain([&("all steps", total)]) {
            tell(&format!("{:>8.1} ms  {step}\n", time.as_secs_f64() * 1000.0));
        }
    }
    Ok(report.outcome().exit_code())
}

fn run_init(args: InitArgs) -> Result<u8> {
    begin(args.server.timeout, &Bar::new(true))?;
    let refuse_to_overwrite = |path: &Path| match path.exists() && !args.print {
        true => Err(Error::new(format!("`{}` is there already", path.display()))
            .help("compare it with what `leakproof init --print` shows")),
        false => Ok(()),
    };
    refuse_to_overwrite(&args.path.join("leakproof.toml"))?;
    let project = Project::read(&args.path)?;
    // The project may be below, or around.
    let path = project.root().join("leakproof.toml");
    refuse_to_overwrite(&path)?;
    let server = Server::shared(&server_options(args.server)?)?;
    let config = inferred_config(&project, &server)?;
    if !args.print {
        let mut file = File::create_new(&path).map_err(|cause| unwritable(&path, cause))?;
        file.write_all(config.as_bytes()).map_err(|cause| unwritable(&path, cause))?;
        tell(&format!("wrote {}\n", path.display()));
    }
    print(&config)?;
    Ok(0)
}

fn unwritable(path: &Path, cause: std::io::Error) -> Error {
    Error::new(format!("cannot write `{}`", path.display()))
        .cause(cause)
        .help("check that you may write there, or use `--print`")
}

/// What ends a run that does not end by itself.
fn begin(timeout: Option<u64>, progress: &Bar) -> Result<()> {
    // First, since threads inherit what they block.
    server::exit_on_signals()?;
    server::when_a_server_hangs(leave_the_server);
    end_after(timeout, progress);
    Ok(())
}

/// Ends the process where waiting leads nowhere. The next run, or the one that cleans up after us, drops what is
/// left as soon as the server lets it.
fn leave_the_server() {
    let error = Error::new("the server does not stop a statement of the project")
        .cause("it was cancelled and its session was ended ten seconds ago, and it goes on")
        .help(
            "see with `select pid, query from pg_stat_activity` which it is; restart that server, or use \
             one that leakproof starts (`--server local`)",
        );
    tell_error(&error);
    process::exit(RUN_FAILED.into());
}

/// Ends the process at its limit, whatever it waits for. What watches over our servers cleans up, as after
/// a signal.
fn end_after(seconds: Option<u64>, progress: &Bar) {
    let Some(seconds) = seconds else { return };
    let bar = progress.0.clone();
    thread::spawn(move || {
        thread::sleep(Duration::from_secs(seconds));
        let at = match bar.message() {
            step if step.is_empty() => String::new(),
            step => format!(" at the step \"{step}\""),
        };
        bar.finish_and_clear();
        let error = Error::new(format!("the run was ended{at}"))
            .cause(format!("it took longer than the {seconds} s of `--timeout`"))
            .help("give it more time, or see with `--timings` or `--only` what takes it");
        tell_error(&error);
        process::exit(RUN_FAILED.into());
    });
}

fn server_options(args: ServerArgs) -> Result<ServerOptions> {
    let mut options = ServerOptions::from_env()?;
    if let Some(kind) = &args.server {
        options.kind = Some(kind.parse()?);
    }
    options.docker_image = args.docker_image.or(options.docker_image);
    options.require_jail |= args.require_jail;
    options.is_disposable |= args.server_is_disposable;
    options.statement_limit = args.statement_limit.map(Duration::from_secs);
    options.reaper = std::env::current_exe().ok();
    Ok(options)
}

fn run_new(args: NewArgs) -> Result<u8> {
    let NewArgs { name, path, preserve, rollback, api, server } = args;
    if preserve
        && !rollback
        && !api
        && let Some(version) = version_named(&name)
    {
        let project = Project::read(&path)?;
        let is_there = project.migrations().iter().any(|file| file.version() == version);
        // Digits alone may be a name as well.
        if is_there || name.starts_with(['V', 'v']) {
            return draft(&project, version, server);
        }
    }
    let options = TemplateOptions { preserve, rollback, api };
    let made = write_templates(&path, &name, options)?;
    let lines = made.iter().map(|path| format!("{}\n", path.display()));
    print(&lines.collect::<String>())?;
    Ok(0)
}

fn draft(project: &Project, version: i64, server: ServerArgs) -> Result<u8> {
    let progress = Bar::new(false);
    begin(server.timeout, &progress)?;
    let options = CheckOptions { server: server_options(server)?, ..CheckOptions::default() };
    let drafted = draft_pairs(project, version, options, &progress);
    progress.0.finish_and_clear();
    let drafted = drafted?;
    let Some(path) = drafted.path else {
        print(&format!("V{version} does nothing to rows that needs a pair\n"))?;
        return Ok(0);
    };
    let lines: Vec<String> = drafted.told.iter().map(|line| format!("  {line}\n")).collect();
    print(&format!("{}\n{}", path.display(), lines.concat()))?;
    tell("read the pairs, then see with `leakproof check --data` whether they hold\n");
    Ok(0)
}

fn run_status(args: StatusArgs) -> Result<u8> {
    server::exit_on_signals()?;
    let project = Project::read(&args.target.path)?;
    let status = push::status(&project, &args.target.db_url, password())?;
    print(status.text())?;
    Ok(if status.is_in_step() { 0 } else { FAILED })
}

fn run_push(args: PushArgs) -> Result<u8> {
    // The server takes back what was begun as soon as it sees that we are gone.
    server::exit_on_signals()?;
    let project = Project::read(&args.target.path)?;
    let options = PushOptions {
        lock_wait: Duration::from_secs(args.lock_wait),
        lock_timeout: Duration::from_secs(args.lock_timeout),
        lock_budget: Duration::from_secs(args.lock_budget),
        allow_out_of_order: args.allow_out_of_order,
        show_values: args.show_values,
        password: password(),
    };
    let push = Push::open(&project, &args.target.db_url, options)?;
    print(&push.plan())?;
    if args.dry_run || push.pending() == 0 {
        return Ok(0);
    }
    if !args.yes && !is_consented(&push)? {
        tell("nothing was applied\n");
        return Ok(RUN_FAILED);
    }
    let pushed = push.apply(&mut |event| tell_of_push(event, args.quiet))?;
    print(pushed.text())?;
    Ok(if pushed.lost.is_empty() { 0 } else { FAILED })
}

/// What fills in a URL without one.
fn password() -> Option<String> {
    std::env::var("PGPASSWORD").ok().filter(|password| !password.is_empty())
}

/// Whether somebody at a terminal says yes.
fn is_consented(push: &Push<'_>) -> Result<bool> {
    let files = match push.pending() {
        1 => "1 file".to_owned(),
        count => format!("{count} files"),
    };
    if !std::io::stdin().is_terminal() {
        return Err(Error::new(format!("nobody has consented to applying {files}"))
            .cause("stdin is no terminal to ask at")
            .help("say it by `--yes`, or see with `--dry-run` what would be applied"));
    }
    tell(&format!("apply {files} to {}? [y/N] ", push.target()));
    let mut answer = String::new();
    let read = std::io::stdin().read_line(&mut answer);
    read.map_err(|cause| Error::new("cannot read an answer").cause(cause))?;
    Ok(["y", "yes"].contains(&answer.trim().to_lowercase().as_str()))
}

/// What was applied goes to stdout at once: it stays, whatever comes next.
fn tell_of_push(event: &push::Event<'_>, is_quiet: bool) {
    if let push::Event::Applied(receipt) = event {
        // What cannot be written is told of at the end.
        let _ = print(&receipt.to_string());
    } else if !is_quiet {
        tell(&format!("{event}\n"));
    }
}

fn run_explain(finding: Option<&str>) -> Result<u8> {
    let rules = match finding {
        Some(name) => vec![Rule::named(name).ok_or_else(|| {
            Error::new(format!("there is no finding `{name}`"))
                .help(format!("the known ones are {}", known_rules()))
        })?],
        None => Rule::ALL.to_vec(),
    };
    let pages: Vec<String> = rules.into_iter().map(leakproof::report::to_page).collect();
    print(&pages.join("\n"))?;
    Ok(0)
}

fn tell_error(error: &Error) {
    tell(&format!("error: {error}\n"));
}

/// To stderr. Where that cannot be written to, there is nobody to tell.
fn tell(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// A reader that has seen enough (`| head`) is no error.
fn print(text: &str) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(cause) if cause.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Error::new("cannot write to stdout")
                .cause(cause)
                .help("check the disk or the program that it goes to"))
        }
        _ => Ok(()),
    }
}

/// The current step, and how much of it is done, on one line of a terminal.
struct Bar(ProgressBar);

impl Bar {
    fn new(is_quiet: bool) -> Self {
        let target = match is_quiet {
            true => ProgressDrawTarget::hidden(),
            // Hidden by itself where stderr is no terminal.
            false => ProgressDrawTarget::stderr(),
        };
        Self(ProgressBar::with_draw_target(None, target))
    }
}

impl Observer for Bar {
    fn tell(&self, event: &Event<'_>) {
        match *event {
            Event::Step(name) => {
                self.0.set_style(style("{msg} ..."));
                self.0.set_message(name);
            }
            Event::Migrated { done, of, .. } | Event::Probed { done, of, .. } => {
                self.0.set_style(style("{msg} [{bar:30}] {pos}/{len}"));
                self.0.set_length(of as u64);
                self.0.set_position(done as u64);
            }
            _ => {}
        }
    }
}

/// A template of ours cannot be wrong; if it were, the library's own is as good.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
