//! Parse, call, exit code. Nothing else in this program prints or exits.

mod cli;

use std::fs::File;
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::process::{self, ExitCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;
use std::time::Duration;

use clap::Parser;
use cli::{
    CheckArgs, Cli, Command, DriftArgs, Format, InitArgs, NewArgs, PushArgs, RepairArgs,
    RollbackArgs, ServerArgs, StatusArgs, TargetName,
};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use leakproof::check::observer::{Event, Observer};
use leakproof::check::{CheckOptions, check};
use leakproof::drafting::{draft_pairs, version_named};
use leakproof::drift::drift;
use leakproof::error::{Error, Result};
use leakproof::finding::{Rule, known_rules};
use leakproof::init::inferred_config;
use leakproof::project::Project;
use leakproof::push::repair::{Repair, Wanted};
use leakproof::push::rollback::Rollback;
use leakproof::push::{self, Address, Interrupt, Push, PushOptions, Surroundings};
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
        Command::Drift(args) => run_drift(args),
        Command::Rollback(args) => run_rollback(args),
        Command::Repair(args) => run_repair(args),
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
    let status = push::status(&project, &address(&args.target.name, &project)?)?;
    match args.format {
        Format::Text => print(status.text())?,
        Format::Json => print(&status.json())?,
    }
    Ok(if status.is_in_step() { 0 } else { FAILED })
}

fn run_push(args: PushArgs) -> Result<u8> {
    let stop = Stop::listen()?;
    let progress = Bar::new(args.quiet);
    server::when_a_server_hangs(leave_the_server);
    end_after(args.server.timeout, &progress);
    let project = Project::read(&args.target.path)?;
    let options = PushOptions {
        lock_wait: Duration::from_secs(args.lock_wait),
        lock_timeout: Duration::from_secs(args.lock_timeout),
        lock_budget: Duration::from_secs(args.lock_budget),
        allow_out_of_order: args.allow_out_of_order,
        show_values: args.show_values,
        rehearse: (!args.no_rehearse).then(|| server_options(args.server)).transpose()?,
        ..stop.options()
    };
    let push = Push::open(&project, address(&args.target.name, &project)?, options, &progress);
    progress.0.finish_and_clear();
    let push = push?;
    print(&match args.format {
        Format::Text => push.plan().to_text(),
        Format::Json => push.plan().to_json(),
    })?;
    if args.dry_run || push.pending() == 0 {
        return Ok(if push.plan().stops().is_some() { FAILED } else { 0 });
    }
    push.plan().refuse()?;
    let files = match push.pending() {
        1 => "1 file".to_owned(),
        count => format!("{count} files"),
    };
    let what = ("applying", format!("apply {files} to {}", push.target()));
    if !args.yes && !is_consented(what, &files)? {
        tell("nothing was applied\n");
        return Ok(RUN_FAILED);
    }
    stop.ended(push.apply(&mut |event| tell_of_push(event, args.quiet)), |pushed| {
        print(pushed.text())?;
        Ok(if pushed.lost.is_empty() { 0 } else { FAILED })
    })
}

fn run_rollback(args: RollbackArgs) -> Result<u8> {
    let stop = Stop::listen()?;
    let project = Project::read(&args.target.path)?;
    let options = PushOptions {
        lock_wait: Duration::from_secs(args.lock_wait),
        show_values: args.show_values,
        ..stop.options()
    };
    let rollback =
        Rollback::open(&project, address(&args.target.name, &project)?, args.allow_loss, options)?;
    print(rollback.plan())?;
    if args.dry_run {
        return Ok(0);
    }
    let what = ("taking back", format!("take back {} of {}", rollback.title(), rollback.target()));
    if !args.yes && !is_consented(what, &rollback.title())? {
        tell("nothing was taken back\n");
        return Ok(RUN_FAILED);
    }
    stop.ended(rollback.apply(&mut |event| tell_of_push(event, args.quiet)), |done| {
        print(done.text())?;
        Ok(if done.lost.is_empty() { 0 } else { FAILED })
    })
}

fn run_repair(args: RepairArgs) -> Result<u8> {
    let stop = Stop::listen()?;
    let project = Project::read(&args.target.path)?;
    let wanted = match args.pair {
        Some(pairs) if pairs.is_empty() => Wanted::SurePairs,
        Some(pairs) => Wanted::Pairs(pairs),
        None if args.applied.is_empty() => Wanted::Reverted(args.reverted),
        None => Wanted::Applied(args.applied),
    };
    let options = PushOptions { lock_wait: Duration::from_secs(args.lock_wait), ..stop.options() };
    let repair = Repair::open(&project, address(&args.target.name, &project)?, wanted, options)?;
    print(repair.plan())?;
    if repair.count() == 0 {
        return Ok(0);
    }
    let versions = match repair.count() {
        1 => "1 version".to_owned(),
        count => format!("{count} versions"),
    };
    let what = ("repairing", format!("repair {versions} of {}", repair.target()));
    if !args.yes && !is_consented(what, &versions)? {
        tell("nothing was repaired\n");
        return Ok(RUN_FAILED);
    }
    stop.ended(repair.apply(&mut |event| tell_of_push(event, args.quiet)), |told| {
        print(&told)?;
        Ok(0)
    })
}

/// What becomes of a signal while something is done to a real database.
struct Stop {
    interrupt: Interrupt,
    /// The exit code of the signal.
    code: Arc<AtomicU8>,
}

impl Stop {
    /// The statement that runs is cancelled; where nothing was begun the process ends.
    fn listen() -> Result<Self> {
        let (interrupt, code) = (Interrupt::default(), Arc::<AtomicU8>::default());
        let (stopped, known) = (interrupt.clone(), Arc::clone(&code));
        server::stop_on_signals(move |code| {
            known.store(code, Ordering::SeqCst);
            stopped.interrupt()
        })?;
        Ok(Self { interrupt, code })
    }

    fn options(&self) -> PushOptions {
        PushOptions { interrupt: self.interrupt.clone(), ..PushOptions::default() }
    }

    /// The exit code of what was done.
    fn ended<T>(&self, done: Result<T>, tell_of: impl FnOnce(T) -> Result<u8>) -> Result<u8> {
        match done {
            Err(error) if self.interrupt.is_set() => {
                tell_error(&error);
                Ok(self.code.load(Ordering::SeqCst))
            }
            done => tell_of(done?),
        }
    }
}

/// The database that a command names.
fn address(name: &TargetName, project: &Project) -> Result<Address> {
    let surroundings = Surroundings::of_process();
    match (&name.db_url, &name.env) {
        (Some(url), _) => Address::read(url, &surroundings),
        (None, name) => {
            let name = name.as_deref().unwrap_or_default();
            Address::named_by(name, project.root(), &surroundings)
        }
    }
}

fn run_drift(args: DriftArgs) -> Result<u8> {
    begin(args.server.timeout, &Bar::new(true))?;
    let project = Project::read(&args.target.path)?;
    let options = server_options(args.server)?;
    let drift = drift(&project, &address(&args.target.name, &project)?, &options)?;
    print(match args.format {
        Format::Text => drift.text(),
        Format::Json => drift.json(),
    })?;
    Ok(if drift.differences.is_empty() { 0 } else { FAILED })
}

/// Whether somebody at a terminal says yes to doing something.
fn is_consented((doing, ask): (&str, String), what: &str) -> Result<bool> {
    if !std::io::stdin().is_terminal() {
        return Err(Error::new(format!("nobody has consented to {doing} {what}"))
            .cause("stdin is no terminal to ask at")
            .help("say it by `--yes`, once you have read what stands above"));
    }
    tell(&format!("{ask}? [y/N] "));
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
