//! What is told of a target, and a status in words. Pure.

use std::fmt::{Result, Write};

use crate::push::pairing::Pairing;
use crate::push::standing::{Standing, State};
use crate::words::{counted, printable};

/// What is told of a target.
pub(crate) struct Told<'a> {
    /// Host, port, database and role.
    pub target: &'a str,
    /// The tables of its histories.
    pub histories: &'a [String],
    /// What is to be known of how the project was read.
    pub notes: &'a [String],
}

/// How each version stands.
pub(crate) fn status_text(
    told: &Told<'_>,
    versions: &[Standing],
    (pairs, half): (&[Pairing<'_>], &[i64]),
) -> String {
    written(|out| {
        write_head(out, told)?;
        for one in versions {
            let state = match &one.state {
                State::Applied => "applied".to_owned(),
                State::Pending if half.contains(&one.version) => {
                    "pending, half way: some of its statements have run".to_owned()
                }
                State::Pending => "pending".to_owned(),
                State::OnlyThere => {
                    let pairs = pairs.iter().filter(|pair| pair.remote == one.version);
                    let pairs: Vec<String> = pairs.map(ToString::to_string).collect();
                    match pairs.is_empty() {
                        true => "only there: no file here is it".to_owned(),
                        false => format!("only there; {}", pairs.join("; ")),
                    }
                }
                State::Edited(why) => format!("edited after it was applied: {why}"),
                State::Torn(why) => format!("in one history only: {why}"),
            };
            writeln!(out, "  {} {}  {state}", one.version, one.name)?;
        }
        let is =
            |state: fn(&State) -> bool| versions.iter().filter(|one| state(&one.state)).count();
        let applied = is(|state| *state == State::Applied);
        let parts = [
            (is(|state| *state == State::Pending), "pending"),
            (is(|state| *state == State::OnlyThere), "only there"),
            (is(|state| matches!(state, State::Edited(_))), "edited"),
            (is(|state| matches!(state, State::Torn(_))), "in one history only"),
        ];
        let parts = parts.iter().filter(|(count, _)| *count > 0);
        let parts: Vec<String> = parts.map(|(count, what)| format!("{count} {what}")).collect();
        match parts.is_empty() {
            true => writeln!(out, "in step: {} applied", counted(applied, "version")),
            false => writeln!(out, "not in step: {}; {applied} applied", parts.join(", ")),
        }
    })
}

pub(crate) fn write_head(out: &mut String, told: &Told<'_>) -> Result {
    writeln!(out, "target      {}", told.target)?;
    writeln!(out, "history     {}", told.histories.join(", "))?;
    for note in told.notes {
        writeln!(out, "note        {note}")?;
    }
    Ok(())
}

/// Writing to a string does not fail. Names are the project's, and the target's.
pub(crate) fn written(write: impl FnOnce(&mut String) -> Result) -> String {
    let mut text = String::new();
    let _ = write(&mut text);
    printable(&text)
}
