//! Parse, call, exit code. Nothing else in this program prints or exits.

mod cli;

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use clap::Parser;

use cli::{CheckArgs, Cli, Command, Format, NewArgs};
use leakproof::check::{CheckOptions, check};
use leakproof::error::{Error, Result};
use leakproof::finding;
use leakproof::frame::{FrameOptions, make_frames};
use leakproof::project::Project;
use leakproof::report;
use leakproof::server::{self, ServerOptions};

/// The run itself failed.
const RUN_FAILED: u8 = 2;

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            tell(&format!("error: {error}\n"));
            ExitCode::from(RUN_FAILED)
        }
    }
}

fn run(cli: Cli) -> Result<u8> {
    match cli.command {
        Command::Check(args) => run_check(args),
        Command::New(args) => run_new(&args),
        Command::Explain { finding } => run_explain(finding.as_deref()),
        Command::Reap => server::reap().map(|()| 0),
    }
}

fn run_check(args: CheckArgs) -> Result<u8> {
    server::exit_on_signals()?;
    let project = Project::read(&args.path)?;
    let mut options = ServerOptions::from_env()?;
    if let Some(kind) = &args.server {
        options.kind = Some(kind.parse()?);
    }
    options.docker_image = args.docker_image.or(options.docker_image);
    options.reaper = std::env::current_exe().ok();
    let options = CheckOptions {
        server: options,
        accept: args.accept,
        grants: args.grants.map(Into::into),
        round_trip: args.round_trip,
        keep_going: args.keep_going,
        jobs: args.jobs,
    };
    let is_shown = !args.quiet && std::io::stderr().is_terminal();
    let mut progress = Progress { is_shown };
    let report = check(&project, &options, &mut |step| progress.show(step));
    progress.clear();
    let report = report?;
    print(&match args.format {
        Format::Text => report::to_text(&report),
        Format::Json => report::to_json(&report),
    })?;
    if args.timings {
        let total: std::time::Duration = report.timings.iter().map(|(_, time)| *time).sum();
        for (step, time) in report.timings.iter().chain([&("all steps", total)]) {
            tell(&format!("{:>8.1} ms  {step}\n", time.as_secs_f64() * 1000.0));
        }
    }
    Ok(report.outcome().exit_code())
}

fn run_new(args: &NewArgs) -> Result<u8> {
    let NewArgs { name, path, preserve, rollback, api } = args;
    let options = FrameOptions { preserve: *preserve, rollback: *rollback, api: *api };
    let made = make_frames(path, name, options)?;
    let lines = made.iter().map(|path| format!("{}\n", path.display()));
    print(&lines.collect::<String>())?;
    Ok(0)
}

fn run_explain(finding: Option<&str>) -> Result<u8> {
    let pages: Vec<&finding::Page> = match finding {
        Some(name) => vec![finding::explain(name).ok_or_else(|| {
            let known: Vec<_> = finding::pages().iter().map(|page| page.rule).collect();
            Error::new(format!("there is no finding `{name}`"))
                .help(format!("the known ones are {}", known.join(", ")))
        })?],
        None => finding::pages().iter().collect(),
    };
    let texts: Vec<String> = pages
        .iter()
        .map(|page| {
            format!(
                "{}\n  what it means: {}\n  how it is exploited: {}\n  how to fix it: {}\n",
                page.rule, page.meaning, page.exploit, page.help
            )
        })
        .collect();
    print(&texts.join("\n"))?;
    Ok(0)
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

/// The current step on one line of a terminal.
struct Progress {
    is_shown: bool,
}

impl Progress {
    fn show(&mut self, step: &str) {
        if self.is_shown {
            tell(&format!("\r\x1b[K{step} ..."));
        }
    }

    fn clear(&mut self) {
        if self.is_shown {
            tell("\r\x1b[K");
        }
    }
}
