//! The text form, at most 100 columns wide but for statements and rows shown as evidence.

pub(crate) mod access;
pub(crate) mod data;
pub(crate) mod findings;
pub(crate) mod list;
pub(crate) mod twice;
pub(crate) mod verdict;

use std::fmt::{Result, Write};

use crate::error::Error;
use crate::report::text::access::write_access;
use crate::report::text::data::{
    write_followed, write_migrations, write_preservation, write_rehearsal, write_round_trip,
};
use crate::report::text::findings::write_findings;
use crate::report::text::list::{LINE, write_first};
use crate::report::text::twice::write_twice;
use crate::report::text::verdict::verdict_line;
use crate::report::value::Report;
use crate::words::{counted, printable, wrapped};

/// How many files that could not be applied are listed; most fail because of the first.
const SHOWN_FAILURES: usize = 20;

/// The whole report, ending with the verdict.
pub fn to_text(report: &Report) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = write_report(&mut text, report);
    // Names and rows are the project's.
    printable(&text)
}

fn write_report(out: &mut String, report: &Report) -> Result {
    writeln!(out, "project     {} ({})", report.project, report.path)?;
    writeln!(out, "server      {}", report.server)?;
    match &report.platform_why {
        None => writeln!(out, "platform    {}", report.platform)?,
        Some(why) => writeln!(out, "platform    {}\n            inferred: {why}", report.platform)?,
    }
    if !report.failed.is_empty() {
        writeln!(
            out,
            "NOT APPLIED {}; all below is true of the others only",
            counted(report.failed.len(), "file")
        )?;
    }
    let failed = report.failed.iter().map(Error::in_brief);
    write_first(out, SHOWN_FAILURES, failed)?;
    for note in &report.notes {
        writeln!(out, "note        {note}")?;
    }
    write_migrations(out, report)?;
    if let Some(error) = &report.stopped {
        writeln!(out, "stopped     {}", error.to_string().replace('\n', "\n          "))?;
        writeln!(out, "            access was not checked")?;
    } else if !report.is_data_only {
        write_access(out, report)?;
    }
    write_findings(out, report)?;
    let unprobed = report.unprobed.lines();
    let unprobed = unprobed.iter().flat_map(|line| wrapped(line, LINE - 12));
    for (at, line) in unprobed.enumerate() {
        writeln!(out, "{:<11} {line}", if at == 0 { "not checked" } else { "" })?;
    }
    write_preservation(out, report)?;
    if !report.is_data_only {
        write_followed(out, &report.followed)?;
    }
    if let Some(rehearsal) = &report.rehearsal {
        write_rehearsal(out, rehearsal)?;
    }
    write_twice(out, report)?;
    if let Some(trip) = &report.round_trip {
        write_round_trip(out, trip)?;
    }
    writeln!(out, "\n{}", verdict_line(report))
}
