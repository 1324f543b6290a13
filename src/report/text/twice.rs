//! The section on files that were applied once more, under other circumstances.

use std::fmt::{Result, Write};

use crate::migrate::applied::Applied;
use crate::report::text::list::{LINE, write_first};
use crate::report::value::Report;
use crate::words::{counted, first_names, joined, wrapped};

/// How many files are listed that reach other rows each time.
const SHOWN_FILES: usize = 20;

/// Which files were, and what did not differ only because it always does.
pub(crate) fn write_twice(out: &mut String, report: &Report) -> Result {
    if !report.is_twice {
        return Ok(());
    }
    let rehearsed = report.rehearsal.iter().flat_map(|rehearsal| &rehearsal.applied);
    let all: Vec<&Applied> = report.applied.iter().chain(rehearsed).collect();
    let repeated: Vec<_> =
        all.iter().filter_map(|one| Some((one, one.repeated.as_ref()?))).collect();
    if repeated.is_empty() {
        return writeln!(out, "twice       no file was applied again, since none met a row");
    }
    let mut under: Vec<String> = Vec::new();
    let mut untried: Vec<&String> = Vec::new();
    for (_, one) in &repeated {
        for other in &one.tried {
            let word = other.circumstance.to_string();
            if !under.contains(&word) {
                under.push(word);
            }
        }
        untried.extend(&one.untried);
    }
    untried.sort_unstable();
    untried.dedup();
    let differing = repeated.iter().filter(|(_, one)| !one.differences.is_empty()).count();
    let said = match differing {
        0 => "each gives the same rows".to_owned(),
        1 => "1 gives other rows, or fails".to_owned(),
        count => format!("{count} give other rows, or fail"),
    };
    let files = counted(repeated.len(), "file");
    let line = format!("{files} applied once more under another {}: {said}", joined(&under));
    for (at, line) in wrapped(&line, LINE - 12).iter().enumerate() {
        writeln!(out, "{:<11} {line}", if at == 0 { "twice" } else { "" })?;
    }
    untried.iter().try_for_each(|what| writeln!(out, "  not tried: {what}"))?;
    let by_chance = repeated.iter().filter(|(_, one)| !one.by_chance.is_empty());
    let lines: Vec<String> = by_chance
        .map(|(applied, one)| {
            let names = first_names(&one.by_chance);
            format!("{}: by the clock or chance, each time another: {names}", applied.migration())
        })
        .collect();
    write_first(out, SHOWN_FILES, lines.into_iter())
}
