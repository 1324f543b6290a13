//! A comparison in words and as JSON. Pure.

use std::fmt::{Result, Write};

use serde_json::json;

use crate::drift::value::Difference;
use crate::words::{counted, printable, wrapped};

/// How wide a line of words is.
const WIDTH: usize = 80;

/// What is told of a comparison.
pub(crate) struct Told<'a> {
    /// Host, port, database and role.
    pub target: &'a str,
    /// The tables of its histories, and how many files they name.
    pub histories: Vec<&'static str>,
    pub files: usize,
    /// The server of the throwaway.
    pub server: &'a str,
    pub notes: &'a [String],
    pub differences: &'a [Difference],
}

/// The head, each difference with what removes it, and how many there are.
pub(crate) fn drift_text(told: &Told<'_>) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = write_text(&mut text, told);
    printable(&text)
}

fn write_text(out: &mut String, told: &Told<'_>) -> Result {
    let Told { target, histories, files, server, notes, differences } = told;
    writeln!(out, "target      {target}")?;
    writeln!(out, "history     {}: {}", histories.join(", "), counted(*files, "file"))?;
    writeln!(out, "throwaway   {server}")?;
    for note in *notes {
        write_wrapped(out, "note        ", note)?;
    }
    for difference in *differences {
        writeln!(out)?;
        write_wrapped(out, "  ", &difference.what)?;
        let Some(statement) = &difference.statement else { continue };
        for line in format!("{statement};").lines() {
            writeln!(out, "    {line}")?;
        }
    }
    match differences.len() {
        0 => writeln!(out, "no drift: the target is as these files make it"),
        count => {
            let count = counted(count, "difference");
            writeln!(out, "\ndrift: {count}; each statement makes the target as the files say")
        }
    }
}

/// What does not fit goes on below.
fn write_wrapped(out: &mut String, start: &str, text: &str) -> Result {
    let width = start.chars().count();
    let lines = wrapped(text, WIDTH - width);
    for (at, line) in lines.iter().enumerate() {
        match at {
            0 => writeln!(out, "{start}{line}")?,
            _ => writeln!(out, "{:width$}{line}", "")?,
        }
    }
    Ok(())
}

/// The same as one document.
pub(crate) fn drift_json(told: &Told<'_>) -> String {
    let Told { target, histories, files, server, notes, differences } = told;
    let value = json!({
        "leakproof": env!("CARGO_PKG_VERSION"),
        "schema": 1,
        "target": target,
        "histories": histories,
        "files": files,
        "throwaway": server,
        "notes": notes,
        "differences": differences,
    });
    format!("{value:#}\n")
}
