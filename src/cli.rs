//! The command line as clap types. Parses, decides nothing.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use leakproof::project::Grants;

/// Proves, by really trying, that no tenant can touch another tenant's rows, and that no migration
/// loses one.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Apply to a throwaway database, seed, probe, compare with what is accepted
    Check(CheckArgs),
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
    /// The project folder
    #[arg(default_value = ".")]
    pub path: PathBuf,
    /// Write the matrix of now as the accepted one
    #[arg(long)]
    pub accept: bool,
    /// The form of the report
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// Where the throwaway Postgres comes from: url, local or docker; the first that works if left
    /// out
    #[arg(long, env = "LEAKPROOF_SERVER", value_name = "KIND")]
    pub server: Option<String>,
    /// The image for the server kind docker
    #[arg(long, env = "LEAKPROOF_DOCKER_IMAGE", value_name = "IMAGE")]
    pub docker_image: Option<String>,
    /// Supabase's default privileges; else what the config says, else 2026
    #[arg(long, value_enum)]
    pub grants: Option<GrantsArg>,
    /// Tell on stderr how long each step took
    #[arg(long)]
    pub timings: bool,
    /// No progress on stderr
    #[arg(long, short)]
    pub quiet: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Format {
    Text,
    Json,
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
