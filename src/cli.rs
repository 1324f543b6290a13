//! The command line as clap types. Parses, decides nothing.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use leakproof::finding::Severity;
use leakproof::project::Grants;
use leakproof::report::{self, Report};

/// Proves, by really trying, that no tenant can touch another tenant's rows, and that no migration
/// loses one.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 100, after_help = EXIT_CODES)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "\
Exit codes: 0 access is as accepted and nothing was lost; 1 access changed, a finding at or above
--fail-on, or a loss; 2 the run itself failed, or with --keep-going a file did; 3 nothing was probed
or a positive control failed.";

const STATUS_EXIT_CODES: &str = "\
Exit codes: 0 every file is applied there and as it is here; 1 something differs; 2 the run itself failed.";

const PUSH_EXIT_CODES: &str = "\
Exit codes: 0 all is applied, or there was nothing to do; 1 a file would have lost rows and was rolled
back; 2 the run itself failed, or nobody has consented. Files that were applied before stay applied.";

const DRIFT_EXIT_CODES: &str = "\
Exit codes: 0 the target is as the files make it that its history names; 1 something differs; 2 the run
itself failed.";

const ROLLBACK_EXIT_CODES: &str = "\
Exit codes: 0 it is taken back; 1 rows or values would have gone, and nothing was taken back; 2 the run
itself failed, or nobody has consented.";

const REPAIR_EXIT_CODES: &str = "\
Exit codes: 0 all is repaired, or there was nothing to do; 2 the run itself failed, or nobody has
consented, and nothing was changed.";

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Apply to a throwaway database, seed, probe, compare with what is accepted
    #[command(after_help = EXIT_CODES)]
    Check(CheckArgs),
    /// Write `leakproof.toml` with what is inferred of tenants, members and owners, and why
    Init(InitArgs),
    /// Make the file of the next version, and what goes beside it
    New(NewArgs),
    /// Tell how the files stand beside what was applied to a real database; write nothing
    #[command(after_help = STATUS_EXIT_CODES)]
    Status(StatusArgs),
    /// Apply the files that a real database lacks, each in a transaction that counts its rows
    #[command(after_help = PUSH_EXIT_CODES)]
    Push(PushArgs),
    /// Tell what a real database has otherwise than its files make it, as statements; write nothing
    #[command(after_help = DRIFT_EXIT_CODES)]
    Drift(DriftArgs),
    /// Take back the last version of a real database by its file in `rollback/`
    #[command(after_help = ROLLBACK_EXIT_CODES)]
    Rollback(RollbackArgs),
    /// Put right what a real database says was applied to it; apply nothing
    #[command(after_help = REPAIR_EXIT_CODES)]
    Repair(RepairArgs),
    /// What a finding means, how it is exploited, how to fix it
    Explain {
        /// The finding, such as `cross-tenant-read`; all of them if left out
        finding: Option<String>,
    },
    /// Clean up after a killed run (started by leakproof itself)
    #[command(hide = true)]
    Reap,
}

#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The project folder, one above it, or the folder of its migrations
    #[arg(default_value = ".")]
    pub path: PathBuf,
    /// Write the matrix of now as the accepted one
    #[arg(long)]
    pub accept: bool,
    /// The form of the report
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    #[command(flatten)]
    pub server: ServerArgs,
    /// Supabase's default privileges; else what `[project] grants` or supabase/config.toml says, else legacy,
    /// as the Supabase CLI has it
    #[arg(long, value_enum)]
    pub grants: Option<GrantsArg>,
    /// The least severity of a finding that fails the check; else what `[check] fail_on` says, else high
    #[arg(long, value_enum)]
    pub fail_on: Option<SeverityArg>,
    /// Look at what happens to rows alone: no users, tenants and access
    #[arg(long, conflicts_with_all = ["accept", "only", "base"])]
    pub data: bool,
    /// Go back over the files in `rollback/` and there again; schema and rows must agree
    #[arg(long)]
    pub round_trip: bool,
    /// Apply each file that meets rows once more under another time zone, date style, interval style and
    /// locale, with its rows in another order; tell what differs
    #[arg(long)]
    pub twice: bool,
    /// Probe and compare this relation alone
    #[arg(long, value_name = "SCHEMA.NAME", conflicts_with = "accept")]
    pub only: Option<String>,
    /// Leave out a file that cannot be applied, and try the next one; the exit code is 1 or 2 then
    #[arg(long)]
    pub keep_going: bool,
    /// Have the files after this version meet generated rows, where there are no fixtures; else those
    /// after the accepted version do
    #[arg(long, value_name = "VERSION")]
    pub rows_from: Option<i64>,
    /// Tell what the branch has changed since this commit, such as `origin/main`, of the accepted file, the
    /// config with its waivers and owners, fixtures and promises
    #[arg(long, value_name = "COMMIT")]
    pub base: Option<String>,
    /// Show the values of rows also where they come from a dump; else keys and columns alone
    #[arg(long)]
    pub show_values: bool,
    /// How many actors try at the same time, at most 8; else as many as there are cores
    #[arg(long, short, value_name = "N")]
    pub jobs: Option<NonZeroUsize>,
    /// Tell on stderr how long each step took
    #[arg(long)]
    pub timings: bool,
    /// No progress on stderr
    #[arg(long, short)]
    pub quiet: bool,
}

#[derive(Debug, Args)]
pub struct InitArgs {
    /// The project folder
    #[arg(default_value = ".")]
    pub path: PathBuf,
    /// Write no file, only show what would be in it
    #[arg(long)]
    pub print: bool,
    #[command(flatten)]
    pub server: ServerArgs,
}

/// Which database; there is no default.
#[derive(Debug, Args)]
pub struct TargetArgs {
    /// The project folder, one above it, or the folder of its migrations
    #[arg(default_value = ".")]
    pub path: PathBuf,
    #[command(flatten)]
    pub name: TargetName,
}

/// How a database is named: in one of these ways, and by nothing that lies around.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct TargetName {
    /// The database: postgres://user:password@host:port/database, with libpq's parameters such as
    /// ?sslmode=verify-full. DATABASE_URL and PGHOST are not read; PGPORT, PGUSER, PGDATABASE, PGPASSWORD,
    /// PGSSLMODE and their like fill in what is left out, and ~/.pgpass does
    #[arg(long, value_name = "URL")]
    pub db_url: Option<String>,
    /// The variable that has this URL, in the environment or else in `.env`, `.env.local`, `supabase/.env` or
    /// `supabase/.env.local` of the project. Unlike the URL itself, it shows in no list of processes
    #[arg(long, value_name = "NAME")]
    pub env: Option<String>,
}

#[derive(Debug, Args)]
pub struct StatusArgs {
    #[command(flatten)]
    pub target: TargetArgs,
    /// The form of what is told
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

#[derive(Debug, Args)]
pub struct PushArgs {
    #[command(flatten)]
    pub target: TargetArgs,
    /// Apply without asking; needed where stdin is no terminal
    #[arg(long, short)]
    pub yes: bool,
    /// Tell what would be applied, and apply nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Apply without trying the files on a throwaway database first
    #[arg(long)]
    pub no_rehearse: bool,
    /// The form of the plan, with `--dry-run`
    #[arg(long, value_enum, default_value_t = Format::Text, requires = "dry_run")]
    pub format: Format,
    /// Apply files, too, that are new and come before one that was applied
    #[arg(long)]
    pub allow_out_of_order: bool,
    /// How long to wait for who else is pushing, and for the locks of each file in all
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub lock_wait: u64,
    /// How long one attempt waits for a lock: as long whoever comes behind it waits, too
    #[arg(long, value_name = "SECONDS", default_value_t = 1,
          value_parser = clap::value_parser!(u64).range(1..=60))]
    pub lock_timeout: u64,
    /// How long rows are counted of a file under lock, by the size of its tables; what is over it is not counted
    #[arg(long, value_name = "SECONDS", default_value_t = 2)]
    pub lock_budget: u64,
    /// Show the values of rows that would be lost; else their keys alone
    #[arg(long)]
    pub show_values: bool,
    #[command(flatten)]
    pub server: ServerArgs,
    /// No progress on stderr
    #[arg(long, short)]
    pub quiet: bool,
}

#[derive(Debug, Args)]
pub struct DriftArgs {
    #[command(flatten)]
    pub target: TargetArgs,
    /// The form of the report
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    #[command(flatten)]
    pub server: ServerArgs,
}

#[derive(Debug, Args)]
pub struct RollbackArgs {
    #[command(flatten)]
    pub target: TargetArgs,
    /// Take it back without asking; needed where stdin is no terminal
    #[arg(long, short)]
    pub yes: bool,
    /// Tell what goes, and take nothing back
    #[arg(long)]
    pub dry_run: bool,
    /// Take it back although rows or values go with it
    #[arg(long)]
    pub allow_loss: bool,
    /// How long to wait for who else is pushing, and for the locks in all
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub lock_wait: u64,
    /// Show the values of rows that would be lost; else their keys alone
    #[arg(long)]
    pub show_values: bool,
    /// No progress on stderr
    #[arg(long, short)]
    pub quiet: bool,
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("what").required(true)))]
pub struct RepairArgs {
    #[command(flatten)]
    pub target: TargetArgs,
    /// These versions are applied there, as their files are here
    #[arg(long, value_name = "VERSION", num_args = 1.., group = "what")]
    pub applied: Vec<i64>,
    /// These versions are not applied there
    #[arg(long, value_name = "VERSION", num_args = 1.., group = "what")]
    pub reverted: Vec<i64>,
    /// Rows there without a file become files here that are not applied: all that have the same name and
    /// statements, or those that are named
    #[arg(long, value_name = "THERE=HERE", num_args = 0.., value_parser = read_pair, group = "what")]
    pub pair: Option<Vec<(i64, i64)>>,
    /// Repair without asking; needed where stdin is no terminal
    #[arg(long, short)]
    pub yes: bool,
    /// How long to wait for who else is pushing
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub lock_wait: u64,
    /// No progress on stderr
    #[arg(long, short)]
    pub quiet: bool,
}

/// Two versions, such as `20260101000000=20260102000000`.
fn read_pair(text: &str) -> Result<(i64, i64), String> {
    let pair = text
        .split_once('=')
        .and_then(|(there, here)| Some((there.parse().ok()?, here.parse().ok()?)));
    pair.ok_or_else(|| "write the version there, `=`, and the version here".to_owned())
}

/// Which server to use.
#[derive(Debug, Args)]
pub struct ServerArgs {
    /// Where the throwaway Postgres comes from: url (of LEAKPROOF_DATABASE_URL), local or docker;
    /// else what LEAKPROOF_SERVER says, else the first that works
    #[arg(long, value_name = "KIND")]
    pub server: Option<String>,
    /// The image for the server kind docker; else what LEAKPROOF_DOCKER_IMAGE says
    #[arg(long, value_name = "IMAGE")]
    pub docker_image: Option<String>,
    /// Refuse a server that is not jailed: one that could run programs, read files or make TCP
    /// connections on this machine if a migration became superuser in it
    #[arg(long)]
    pub require_jail: bool,
    /// Use a given server even where a role of the platform (`postgres`) is a superuser on it, so that a
    /// file may do to the whole server whatever it likes
    #[arg(long)]
    pub server_is_disposable: bool,
    /// How many seconds a statement may take at most; else 300 in a file, and 10 where people ask
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=300))]
    pub statement_limit: Option<u64>,
    /// How many seconds the whole run may take at most; nothing of it is kept then, and the exit code is 2
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    pub timeout: Option<u64>,
}

#[derive(Debug, Args)]
pub struct NewArgs {
    /// What the migration does, such as `add_titles`; blanks and `-` become `_`. With `--preserve` also the
    /// version of one that is there, such as `V4`: then the pairs are drafted for what it does to rows
    pub name: String,
    /// The project folder
    #[arg(default_value = ".")]
    pub path: PathBuf,
    /// Also a file in `preserve/`: queries that tell what the migration keeps
    #[arg(long)]
    pub preserve: bool,
    /// Also a file in `rollback/`: the way back
    #[arg(long)]
    pub rollback: bool,
    /// Also a file in `api/`: calls that are answered as before, from the version before on
    #[arg(long)]
    pub api: bool,
    #[command(flatten)]
    pub server: ServerArgs,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Format {
    Text,
    Json,
}

impl Format {
    /// A report in it.
    pub fn of(self, report: &Report) -> String {
        match self {
            Self::Text => report::to_text(report),
            Self::Json => report::to_json(report),
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum SeverityArg {
    High,
    Low,
}

impl From<SeverityArg> for Severity {
    fn from(severity: SeverityArg) -> Self {
        match severity {
            SeverityArg::High => Self::High,
            SeverityArg::Low => Self::Low,
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum GrantsArg {
    Legacy,
    #[value(name = "2026")]
    Explicit2026,
}

impl From<GrantsArg> for Grants {
    fn from(grants: GrantsArg) -> Self {
        match grants {
            GrantsArg::Legacy => Self::Legacy,
            GrantsArg::Explicit2026 => Self::Explicit2026,
        }
    }
}
