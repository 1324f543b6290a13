//! The templates of new files: the next migration, and what goes beside it.
//!
//! Writes files, never over one that is there, all of them or none. A template that nobody has filled
//! in must not pass for a check: it is refused, or says so when it is run.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::error::{Error, Result};
use crate::project::boundary::refuse_outside;
use crate::project::next::NextMigration;

/// What to make beside the migration.
#[derive(Debug, Default, Clone, Copy)]
pub struct TemplateOptions {
    /// The before/after queries of the new version.
    pub preserve: bool,
    /// The way back from it.
    pub rollback: bool,
    /// Calls that must be answered as before.
    pub api: bool,
}

/// Makes the next migration of the project in `path`, and what else is asked for; gives the paths.
///
/// # Errors
/// A name that no migration can have, a project without a folder for migrations, a file that is
/// there already or cannot be written. Nothing that was made stays then.
pub fn write_templates(path: &Path, name: &str, options: TemplateOptions) -> Result<Vec<PathBuf>> {
    let name = file_name_of(name)?;
    let next = NextMigration::after(path, seconds_now())?;
    let title = format!("V{} {name}", next.version());
    let mut files = vec![(next.folder().join(next.file_name(&name)), migration(&title))];
    let root = next.root();
    let beside = |folder: &str| root.join(folder).join(next.file_name(&name));
    if options.preserve {
        files.push((beside("preserve"), preserve(&title)));
    }
    if options.rollback {
        files.push((beside("rollback"), rollback(&title)));
    }
    if options.api {
        let previous = next.previous().ok_or_else(|| {
            Error::new("there is nothing to call before the first migration")
                .help("make it without `--api`; a later one can be asked to keep its answers")
        })?;
        let file_name = next.naming().file_name(previous, &name);
        files.push((root.join("api").join(file_name), api(&title, previous)));
    }
    refuse_outside(root, &files.iter().map(|(path, _)| path.clone()).collect::<Vec<_>>())?;
    write_all(&files)?;
    Ok(files.into_iter().map(|(path, _)| path).collect())
}

/// A name as a file has it: words are joined by `_`.
fn file_name_of(name: &str) -> Result<String> {
    let joined = name.trim().replace([' ', '-'], "_");
    let wrong = |why: &str| {
        Err(Error::new(format!("`{}` is no name for a migration", name.escape_debug()))
            .cause(why)
            .help("name it with letters, digits, `_`, `-` and blanks, such as `add_titles`"))
    };
    if !joined.chars().any(char::is_alphanumeric) {
        return wrong("it has no letter and no digit");
    }
    match joined.chars().find(|c| !c.is_alphanumeric() && *c != '_') {
        Some(odd) => wrong(&format!("it has `{}` in it", odd.escape_debug())),
        None => Ok(joined),
    }
}

fn seconds_now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.ok().and_then(|since| since.as_secs().try_into().ok()).unwrap_or(0)
}

/// Writes all files, or takes back what it made, folders too.
fn write_all(files: &[(PathBuf, String)]) -> Result<()> {
    let mut made = Made::default();
    let outcome = files.iter().try_for_each(|(path, text)| made.write(path, text));
    if outcome.is_err() {
        made.take_back();
    }
    outcome
}

#[derive(Default)]
struct Made {
    folder: Vec<PathBuf>,
    file: Vec<PathBuf>,
}

impl Made {
    fn write(&mut self, path: &Path, text: &str) -> Result<()> {
        let unwritable = |cause: std::io::Error| {
            let error = Error::new(format!("cannot make `{}`", path.display())).cause(&cause);
            error.help(match cause.kind() {
                std::io::ErrorKind::AlreadyExists => "choose another name; no file is overwritten",
                _ => "see whether the name is too long, and whether its folder is one that you may write \
                      to; nothing was made",
            })
        };
        if let Some(folder) = path.parent()
            && fs::symlink_metadata(folder).is_err()
        {
            fs::create_dir(folder).map_err(unwritable)?;
            self.folder.push(folder.to_owned());
        }
        let mut file =
            OpenOptions::new().write(true).create_new(true).open(path).map_err(unwritable)?;
        self.file.push(path.to_owned());
        file.write_all(text.as_bytes()).map_err(unwritable)
    }

    /// The error that stopped us is the one to tell.
    fn take_back(&self) {
        for path in &self.file {
            let _ = fs::remove_file(path);
        }
        for path in &self.folder {
            let _ = fs::remove_dir(path);
        }
    }
}

fn migration(title: &str) -> String {
    format!("-- {title}: what it changes, and why.\n")
}

fn preserve(title: &str) -> String {
    format!(
        "\
-- {title}: what it keeps, as pairs of queries.
-- `before` is asked right before the migration and `after` right after it; both must give the same
-- rows, each as often, in whichever order.
-- A pair that vouches for a table or column which is dropped or rewritten on purpose says so in a
-- line `covers: public.messages.title` below its name, with `--` in front, as named before.

-- preserve: <what is kept>
-- before

-- after

"
    )
}

fn rollback(title: &str) -> String {
    format!(
        "\
-- {title}: the way back.
-- It makes the database what it was before, with the data that was written since, and raises an
-- error where that cannot be.

do $$
begin
    raise exception 'the way back from {title} is not written yet';
end
$$;
"
    )
}

fn api(title: &str, previous: i64) -> String {
    format!(
        "\
-- {title}: calls that are answered as before, by this migration and each later one.
-- They are made from version {previous} on, which is why this file has its number.
-- An answer is every row of the call's statements in order, or an error. What the call writes is
-- taken back. Below its name, each in a line with `--` in front, may be said:
-- *  `as: <id>`, the user who calls; `nobody` is a visitor; without it the owner calls.
-- *  `until: V<n>`, the version from which on another answer is meant.
-- *  `errors: code`, where of an error only the SQLSTATE counts.

-- call: <who asks for what>

"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files() {
        let named = |name: &str| file_name_of(name).map_err(|error| error.to_string());
        assert_eq!(named("add titles").as_deref(), Ok("add_titles"));
        assert_eq!(named(" add-titles_2 ").as_deref(), Ok("add_titles_2"));
        assert_eq!(named("grüße").as_deref(), Ok("grüße"));
        for (name, why) in [
            ("", "it has no letter and no digit"),
            (" _-", "it has no letter and no digit"),
            ("a.sql", "it has `.` in it"),
            ("../a", "it has `.` in it"),
            ("a/b", "it has `/` in it"),
            ("a\nb", "it has `\\n` in it"),
            ("it's", "it has `\\'` in it"),
        ] {
            let told = named(name).expect_err(name);
            assert!(told.contains(why), "{name}: {told}");
        }
    }
}
