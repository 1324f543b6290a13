//! The version after the last one, in the project's own way of naming.

use std::path::{Path, PathBuf};

use time::{Date, Duration, Month, OffsetDateTime, PrimitiveDateTime, Time};

use crate::error::{Error, Result};
use crate::project::discover;
use crate::project::files::Naming;
use crate::project::layout::{self, Layout};

/// What the next migration is to be called, and where it goes.
#[derive(Debug)]
pub struct NextMigration {
    root: PathBuf,
    folder: PathBuf,
    naming: Naming,
    version: i64,
    previous: Option<i64>,
}

impl NextMigration {
    /// Looks at the migrations of the project in `path`, and at nothing else of it. `now` is in
    /// seconds since 1970.
    ///
    /// # Errors
    /// A config, a folder or a migration that [`crate::project::Project::read`] refuses, but that there may
    /// be no migration yet; a last version after which there is none.
    pub fn after(path: &Path, now: i64) -> Result<Self> {
        let discover::Found { root, folder, layout, .. } = discover::find_to_add(path)?;
        let last = match layout {
            Layout::Declarative => None,
            _ => layout::read(&folder, layout, &[])?.migrations.pop(),
        };
        let previous = last.as_ref().map(|file| file.version());
        let naming = match layout {
            Layout::Refinery => Naming::Refinery,
            Layout::Supabase => Naming::Supabase,
            // Timestamps, as the last one is.
            Layout::Numbered if previous.is_some_and(|last| last > 9_999_999_999_999) => {
                Naming::Supabase
            }
            _ => {
                return Err(Error::new(format!("cannot add to `{}`", folder.display()))
                    .cause(format!(
                        "it is kept as {}",
                        layout.title().unwrap_or("another tool does")
                    ))
                    .help("make the next migration with the tool that made the others"));
            }
        };
        let version = match naming {
            Naming::Refinery => previous.unwrap_or(0).checked_add(1),
            Naming::Supabase => next_timestamp(previous.unwrap_or(0), now),
        };
        let version = version.ok_or_else(|| {
            Error::new(format!("no version comes after {}", previous.unwrap_or(0)))
                .help("rename the last migration, unless it is applied somewhere")
        })?;
        Ok(Self { root, folder, naming, version, previous })
    }

    /// The folder of the project.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of the migrations.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// How the project names its files.
    pub fn naming(&self) -> Naming {
        self.naming
    }

    /// The version.
    pub fn version(&self) -> i64 {
        self.version
    }

    /// The last version there is.
    pub fn previous(&self) -> Option<i64> {
        self.previous
    }

    /// The file of the version with that name.
    pub fn file_name(&self, name: &str) -> String {
        self.naming.file_name(self.version, name)
    }
}

/// `now`, or a second after the last one where the clock is behind it.
fn next_timestamp(last: i64, now: i64) -> Option<i64> {
    let now = OffsetDateTime::from_unix_timestamp(now).ok()?;
    let now = digits(PrimitiveDateTime::new(now.date(), now.time()));
    let next = match moment(last) {
        _ if now > last => Some(now),
        Some(moment) => moment.checked_add(Duration::SECOND).map(digits),
        // Any digits are a version.
        None => last.checked_add(1),
    };
    next.filter(|next| *next > last && *next < 100_000_000_000_000)
}

/// `20240102030405` for the second of January 2024, a little past three.
fn digits(moment: PrimitiveDateTime) -> i64 {
    let parts =
        [moment.month().into(), moment.day(), moment.hour(), moment.minute(), moment.second()];
    parts.iter().fold(i64::from(moment.year()), |number, part| number * 100 + i64::from(*part))
}

fn moment(digits: i64) -> Option<PrimitiveDateTime> {
    let part = |at: u32| u8::try_from(digits / 100_i64.pow(at) % 100).ok();
    let month = Month::try_from(part(4)?).ok()?;
    let year = i32::try_from(digits / 10_000_000_000).ok()?;
    let date = Date::from_calendar_date(year, month, part(3)?).ok()?;
    Some(PrimitiveDateTime::new(date, Time::from_hms(part(2)?, part(1)?, part(0)?).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_only_grow() {
        const NOW: i64 = 1_704_164_645; // 2024-01-02T03:04:05Z
        for (last, next) in [
            (0, Some(20240102030405)),
            (20240102030404, Some(20240102030405)),
            (20240102030405, Some(20240102030406)),
            (20991231235959, Some(21000101000000)),
            (20990230120000, Some(20990230120001)),
            (99991231235959, None),
            (99999999999999, None),
        ] {
            assert_eq!(next_timestamp(last, NOW), next, "{last}");
        }
    }
}
