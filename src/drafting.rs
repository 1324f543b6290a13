//! Writes the pairs that could vouch for what a migration does to rows, from what a check finds lost in it.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::check::check;
use crate::check::new_files::has_fixtures;
use crate::check::observer::Observer;
use crate::check::options::CheckOptions;
use crate::error::{Error, Result};
use crate::migrate::applied::Applied;
use crate::preserve::draft::Draft;
use crate::project::Project;
use crate::project::boundary::refuse_outside;
use crate::project::files::SqlFile;
use crate::project::preserve_file::UNFINISHED;

/// What was drafted for a migration.
#[derive(Debug)]
pub struct Drafted {
    /// The file in `preserve/` that has the pairs now; none where nothing needs one.
    pub path: Option<PathBuf>,
    /// One line for each pair: what it covers, and the line of the migration that it comes from, or that it
    /// has to be completed.
    pub told: Vec<String>,
}

/// The version that a text names, such as `V4` or `20240102030405`.
pub fn version_named(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['V', 'v']).unwrap_or(text);
    digits.chars().all(|digit| digit.is_ascii_digit()).then(|| digits.parse().ok())?
}

/// Applies the files of a project, and writes a pair for each thing that the migration to `version` loses
/// and no pair covers; below the pairs that are there already.
///
/// # Errors
/// A version that no migration has, a check that cannot be run, or a file that cannot be written.
pub fn draft_pairs(
    project: &Project,
    version: i64,
    mut options: CheckOptions,
    observer: &dyn Observer,
) -> Result<Drafted> {
    let file = project.migrations().iter().find(|file| file.version() == version);
    let file = file.ok_or_else(|| {
        Error::new(format!("there is no version {version}"))
            .help("name a migration that is there, or what a new one does")
    })?;
    let versions = project.migrations().iter().map(SqlFile::version);
    let earlier = versions.filter(|other| *other < version).max();
    options.data_only = true;
    if !has_fixtures(project) {
        options.rows_from = options.rows_from.or(earlier);
    }
    let report = check(project, &options, observer)?;
    let rehearsed = report.rehearsal.iter().flat_map(|rehearsal| &rehearsal.applied);
    let of_version = |one: &&Applied| one.version == version;
    let mut drafts: Vec<&Draft> = Vec::new();
    for draft in report
        .applied
        .iter()
        .chain(rehearsed)
        .filter(of_version)
        .flat_map(|one| &one.preservation.drafts)
    {
        if !drafts.contains(&draft) {
            drafts.push(draft);
        }
    }
    if drafts.is_empty() {
        return match report.stopped {
            Some(error) => Err(error),
            None => Ok(Drafted { path: None, told: Vec::new() }),
        };
    }
    let path = match project.preserve(version).first() {
        Some(pair) => pair.place().file().to_owned(),
        None => project.root().join("preserve").join(file_name(file)),
    };
    refuse_outside(project.root(), std::slice::from_ref(&path))?;
    let texts: Vec<String> = drafts.iter().map(|draft| draft.text()).collect();
    append(&path, &file.title(), &texts.join("\n")).map_err(|cause| {
        Error::new(format!("cannot write `{}`", path.display()))
            .cause(cause)
            .help("check that you may write there; nothing was written")
    })?;
    let told = drafts.iter().map(|draft| match draft.lines.as_slice() {
        [] => format!("{}: to be completed where it says `{UNFINISHED}`", draft.covers),
        [line, ..] => format!("{}: from line {line} of {}", draft.covers, file.path().display()),
    });
    Ok(Drafted { told: told.collect(), path: Some(path) })
}

/// The name of the migration, as files beside migrations have it: with its digits as they stand.
fn file_name(file: &SqlFile) -> String {
    let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
    let digits = |name: String| {
        let digits: String = name.chars().take_while(char::is_ascii_digit).collect();
        (!digits.is_empty()).then_some(digits)
    };
    // Prisma has a folder for each.
    let own = name(file.path()).and_then(digits);
    match own.or_else(|| file.path().parent().and_then(name).and_then(digits)) {
        Some(digits) => format!("{digits}_{}.sql", file.name()),
        None => format!("V{}__{}.sql", file.version(), file.name()),
    }
}

fn append(path: &Path, title: &str, pairs: &str) -> std::io::Result<()> {
    let text = match path.exists() {
        true => format!("\n{pairs}"),
        false => {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            format!(
                "-- {title}: what becomes of its rows. `before` is asked right before the migration, `after`\n\
                 -- right after it; both must give the same rows. Read what was drafted before you rely on it.\n\n\
                 {pairs}"
            )
        }
    };
    OpenOptions::new().create(true).append(true).open(path)?.write_all(text.as_bytes())
}
