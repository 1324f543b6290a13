//! What is not pushed, and why: decided before anything is applied. Pure.

use crate::error::{Error, Result};
use crate::project::Project;
use crate::project::files::SqlFile;
use crate::project::layout::Layout;
use crate::project::outside::{Way, way_of};
use crate::push::standing::{Standing, State};
use crate::sql::statement::{self, split};

/// Refuses a project whose tool keeps a history of its own, which nobody here reads or writes.
///
/// # Errors
/// The layout, or a version that Supabase's CLI would put into another order.
pub(crate) fn refuse_layout(project: &Project) -> Result<()> {
    match project.layout() {
        Layout::Refinery => Ok(()),
        Layout::Supabase => refuse_odd_versions(project),
        other => Err(Error::new(format!("cannot push `{}`", project.root().display()))
            .cause(format!(
                "it is read as {}, whose tool keeps a history of its own",
                other.title().unwrap_or("another tool's")
            ))
            .help("only projects of refinery's layout and of Supabase's are pushed so far")),
    }
}

/// Supabase's CLI orders versions as texts.
fn refuse_odd_versions(project: &Project) -> Result<()> {
    let has_digits = |file: &&SqlFile| file.version().to_string().len() == 14;
    match project.migrations().iter().find(|file| !has_digits(file)) {
        None => Ok(()),
        Some(file) => Err(Error::new(format!("`{}` cannot be pushed", file.path().display()))
            .cause("Supabase's CLI orders versions as texts, so that each needs 14 digits")
            .help("name it `<YYYYMMDDhhmmss>_<name>.sql`")),
    }
}

/// Refuses versions on either side that a push would pass over.
///
/// # Errors
/// The first of them, and how many more there are.
pub(crate) fn refuse_standings(standings: &[Standing], takes_late: bool) -> Result<()> {
    let is_there = |one: &&Standing| one.state != State::Pending;
    let last = standings.iter().filter(is_there).map(|one| one.version).max();
    let reasons = standings.iter().filter_map(|one| reason(one, last, takes_late));
    let mut reasons: Vec<Error> = reasons.collect();
    let more = reasons.len().saturating_sub(1);
    match (reasons.is_empty(), more) {
        (true, _) => Ok(()),
        (false, 0) => Err(reasons.remove(0)),
        (false, more) => {
            let first = reasons.remove(0);
            let fact = format!("{} (`leakproof status` tells of {more} more)", first.fact());
            Err(first.with_fact(fact))
        }
    }
}

fn reason(one: &Standing, last: Option<i64>, takes_late: bool) -> Option<Error> {
    let Standing { version, name, file, state } = one;
    let path = file.as_ref().map(|file| file.display().to_string()).unwrap_or_default();
    Some(match state {
        State::Applied => return None,
        State::Pending if takes_late || last.is_none_or(|last| *version > last) => return None,
        State::Pending => Error::new(format!("`{path}` comes late"))
            .cause(format!("version {} is applied already", last.unwrap_or_default()))
            .help("give it a version of its own at the end, or push with `--allow-out-of-order`"),
        State::Edited(why) => Error::new(format!("`{path}` was edited after it was applied"))
            .cause(why)
            .help("put back what was applied, and write the change into a new file"),
        State::OnlyThere => Error::new(format!(
            "the target has version {version} `{name}`, and no file here is it"
        ))
        .help(
            "get the file from who has applied it; where it is a file here under another version, \
                     `leakproof status` says so, and `leakproof repair --pair` mends it",
        ),
        State::Torn(why) => Error::new(format!(
            "the target's histories differ on version {version}"
        ))
        .cause(why)
        .help(format!(
            "if it is applied there, say so with `leakproof repair --applied {version}`; else \
             `--reverted {version}`"
        )),
    })
}

/// Refuses a file that cannot be applied by who is connected, neither whole nor statement by statement.
///
/// # Errors
/// The line, and why.
pub(crate) fn refuse_statements(file: &SqlFile) -> Result<()> {
    let raw = file.raw();
    for statement in split(raw) {
        let line = statement::line_of(raw, statement.first_word);
        if statement.data.is_some() || statement::reads_stdin(statement.text) {
            return Err(Error::new(format!(
                "`{}` cannot be pushed: line {line}",
                file.path().display()
            ))
            .cause("`copy from stdin` has rows in the file, which are no SQL")
            .help("write `insert` instead; `pg_dump --inserts` does"));
        }
    }
    way_of(file).map(drop)
}

/// Refuses a file that has run in part, statement by statement, and would run whole now.
///
/// # Errors
/// The first such file.
pub(crate) fn refuse_begun(pending: &[&SqlFile], begun: &[i64]) -> Result<()> {
    let is_whole = |file: &SqlFile| way_of(file).is_ok_and(|way| way == Way::Transaction);
    match pending.iter().find(|file| begun.contains(&file.version()) && is_whole(file)) {
        None => Ok(()),
        Some(file) => Err(Error::new(format!("`{}` was edited half way", file.path().display()))
            .cause("some of its statements have run by themselves, and now it would run as a whole")
            .help(format!(
                "put back what it was, and push again; or have it forgotten with \
                     `leakproof repair --reverted {}`",
                file.version()
            ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_push_would_pass_over() {
        let one = |version, state| Standing {
            version,
            name: "a".into(),
            file: Some("a.sql".into()),
            state,
        };
        let told = |all: &[Standing], takes_late| match refuse_standings(all, takes_late) {
            Ok(()) => "ok".to_owned(),
            Err(error) => error.fact().to_owned(),
        };
        let late = [one(1, State::Pending), one(2, State::Applied), one(3, State::Pending)];
        assert_eq!(told(&late, false), "`a.sql` comes late");
        assert_eq!(told(&late, true), "ok");
        let edited = [one(1, State::Edited("x".into())), one(2, State::OnlyThere)];
        assert_eq!(
            told(&edited, true),
            "`a.sql` was edited after it was applied (`leakproof status` tells of 1 more)"
        );
        assert_eq!(told(&[one(1, State::Applied), one(2, State::Pending)], false), "ok");
    }
}
