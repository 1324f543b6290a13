//! Which files are new, so that what they do to rows is tried on generated ones.

use crate::check::options::CheckOptions;
use crate::error::{Error, Result};
use crate::matrix::snapshot::AcceptedAt;
use crate::migrate::applied::Applied;
use crate::project::Project;
use crate::project::files::SqlFile;

/// The version after which files are new, if there are any and no fixtures that they meet: what they
/// do to rows is tried on generated ones. Files of before are applied where rows are real.
pub(crate) fn first_without_rows(
    project: &Project,
    options: &CheckOptions,
    accepted: AcceptedAt,
) -> Result<Option<i64>> {
    let versions = versions(project);
    let last = versions.last().copied().unwrap_or_default();
    let from = match (options.rows_from, accepted) {
        (Some(_), _) if has_fixtures(project) => {
            return Err(Error::new("no rows are generated where there are fixtures")
                .help("leave out `--rows-from`; the files meet the rows of `fixtures/`"));
        }
        (Some(version), _) if version >= last => {
            return Err(Error::new(format!("no file comes after version {version}"))
                .help(format!("`--rows-from` takes a version before the last, {last}")));
        }
        (Some(version), _) | (None, AcceptedAt::Version(version, _)) => version,
        // Who accepts by another way checks file by file.
        (None, AcceptedAt::Unknown) => match versions.as_slice() {
            [.., before, _] => *before,
            _ => return Ok(None),
        },
        (None, AcceptedAt::Never) => return Ok(None),
    };
    Ok((last > from && !has_fixtures(project)).then_some(from))
}

pub(crate) fn versions(project: &Project) -> Vec<i64> {
    project.migrations().iter().map(SqlFile::version).collect()
}

pub(crate) fn has_fixtures(project: &Project) -> bool {
    project.migrations().iter().any(|file| !project.fixtures(file.version()).is_empty())
}

pub(crate) fn files_up_to(project: &Project, version: i64) -> usize {
    versions(project).into_iter().filter(|known| *known <= version).count()
}

/// The last version that was applied, and how many files there are up to it.
pub(crate) fn newest(project: &Project, applied: &[Applied]) -> AcceptedAt {
    applied.last().map_or(AcceptedAt::Unknown, |last| {
        AcceptedAt::Version(last.version, files_up_to(project, last.version))
    })
}
