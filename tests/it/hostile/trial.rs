//! One trial: rows at version 1, there, back, and there again, with a look that is not the
//! project's own after each step. And if it fails: the least of the rows with which it still does.

use std::fmt::Write;
use std::time::{Duration, Instant};

use leakproof::project::{Project, SqlFile};
use leakproof::scratch::Scratch;
use postgres::Client;

use super::dice::Dice;
use super::json::{self, Kind};
use super::load::{Refused, Row, Rows, Table, TextRow, load, read_rows};
use crate::support::empty_scratch;

/// A project whose legacy rows are put to the trial.
pub struct Subject {
    pub tables: &'static [Table],
    /// The rows of one document.
    pub write: fn(dice: &mut Dice, place: usize, rows: &mut Vec<Row>),
    /// Rows that hold about so many bytes each, or together, in several ways.
    pub write_large: fn(dice: &mut Dice, bytes: usize, rows: &mut Vec<Row>),
    /// Everything in the legacy tables, as text and in a fixed order.
    pub legacy: &'static [&'static str],
    /// Everything that a migration makes of it, but for what it numbers anew each time.
    pub new: &'static [&'static str],
    /// Compares what `legacy` gave with what `new` gives; the first difference is the error.
    pub compare: fn(legacy: &[Rows], new: &[Rows]) -> Result<(), String>,
}

/// What a trial did.
#[derive(Debug, Default)]
pub struct Told {
    pub loaded: usize,
    pub refused: Refused,
    /// What was done, and how long it took.
    pub steps: Vec<(String, Duration)>,
}

impl Told {
    pub fn time<T>(&mut self, what: impl Into<String>, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let value = work();
        self.steps.push((what.into(), start.elapsed()));
        value
    }

    /// One line of numbers, one of seconds.
    pub fn sentence(&self) -> String {
        let mut text = format!("{} rows loaded, refused {:?}\n   ", self.loaded, self.refused);
        for (what, took) in &self.steps {
            let _ = write!(text, " {what} {:.1}", took.as_secs_f64());
        }
        text
    }
}

/// There, back, and there again.
pub fn try_rows(project: &Project, subject: &Subject, rows: &[Row]) -> Result<Told, String> {
    let mut told = Told::default();
    let mut scratch = empty_scratch(project);
    let mut client = scratch.connect().expect("a connection");
    let legacy = load_legacy(&mut scratch, &mut client, subject, rows, &mut told)?;

    go_there(project, &mut scratch, &mut told)?;
    keeps_promises(&scratch)?;
    let new = told.time("read", || read_all(&mut client, subject.new));
    told.time("compare", || (subject.compare)(&legacy, &new))?;

    for file in project.migrations().iter().rev().filter(|file| file.version() > 1) {
        told.time(format!("back V{}", file.version()), || scratch.roll_back_to(file.version() - 1))
            .map_err(|error| format!("the way back: {error}"))?;
    }
    same("the way back", &legacy, &read_all(&mut client, subject.legacy))?;

    go_there(project, &mut scratch, &mut told)?;
    keeps_promises(&scratch)?;
    same("the way there again", &new, &read_all(&mut client, subject.new))?;
    Ok(told)
}

/// There, and nothing but the comparison: the project's own promises are not asked.
pub fn compare_rows(project: &Project, subject: &Subject, rows: &[Row]) -> Result<(), String> {
    let mut told = Told::default();
    let mut scratch = empty_scratch(project);
    let mut client = scratch.connect().expect("a connection");
    let legacy = load_legacy(&mut scratch, &mut client, subject, rows, &mut told)?;
    go_there(project, &mut scratch, &mut told)?;
    (subject.compare)(&legacy, &read_all(&mut client, subject.new))
}

/// The rows at version 1, and what the server made of them.
fn load_legacy(
    scratch: &mut Scratch<'_>,
    client: &mut Client,
    subject: &Subject,
    rows: &[Row],
    told: &mut Told,
) -> Result<Vec<Rows>, String> {
    scratch.migrate_to(1).map_err(|error| error.to_string())?;
    told.refused = told.time("load", || load(client, subject.tables, rows));
    told.loaded = rows.len() - told.refused.values().sum::<usize>();
    Ok(told.time("read", || read_all(client, subject.legacy)))
}

fn read_all(client: &mut Client, queries: &[&str]) -> Vec<Rows> {
    queries.iter().map(|query| read_rows(client, query)).collect()
}

/// Each migration by itself, to tell its time.
fn go_there(project: &Project, scratch: &mut Scratch<'_>, told: &mut Told) -> Result<(), String> {
    let later = project.migrations().iter().map(SqlFile::version).filter(|version| *version > 1);
    for version in later {
        told.time(format!("V{version}"), || scratch.migrate_to(version))
            .map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// Whether the census and the project's own promises saw nothing lost.
pub fn keeps_promises(scratch: &Scratch<'_>) -> Result<(), String> {
    match scratch.applied().iter().find(|applied| !applied.preservation.holds()) {
        Some(broken) => Err(format!("V{} broke its promise: {broken:?}", broken.version)),
        None => Ok(()),
    }
}

fn same(when: &str, was: &[Rows], is: &[Rows]) -> Result<(), String> {
    for (was, is) in was.iter().zip(is) {
        if was.len() != is.len() {
            return Err(format!("{when}: {} rows were there, {} are", was.len(), is.len()));
        }
        if let Some((was, is)) = was.iter().zip(is).find(|(was, is)| was != is) {
            return Err(format!("{when}:\n  was {}\n  is  {}", brief(was), brief(is)));
        }
    }
    Ok(())
}

/// A row as it may be shown: what is long is cut.
pub fn brief(row: &TextRow) -> String {
    let shown = row.iter().map(|value| value.as_deref().map_or("NULL".into(), cut));
    shown.collect::<Vec<_>>().join(" | ")
}

fn cut(text: &str) -> String {
    const SHOWN: usize = 1500;
    match text.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{} ... ({} bytes)", &text[..at], text.len()),
        None => text.to_owned(),
    }
}

/// The least of the rows that still fail, as far as a number of trials finds it, and how they fail.
pub fn least(fails: &dyn Fn(&[Row]) -> Option<String>, rows: &[Row], error: String) -> String {
    let mut search = Search { fails, trials: 80, rows: rows.to_vec(), error };
    search.drop_rows();
    search.shrink_values();
    let mut text = search.error;
    for row in &search.rows {
        let values = row
            .values
            .iter()
            .map(|value| value.as_ref().map(|value| String::from_utf8_lossy(value).into_owned()));
        let _ = write!(text, "\n  table {}: {}", row.table, brief(&values.collect()));
    }
    text
}

struct Search<'a> {
    fails: &'a dyn Fn(&[Row]) -> Option<String>,
    trials: usize,
    rows: Vec<Row>,
    error: String,
}

impl Search<'_> {
    /// Whether these fail, too; then they are the ones from here on.
    fn take(&mut self, rows: Vec<Row>) -> bool {
        if self.trials == 0 {
            return false;
        }
        self.trials -= 1;
        let Some(error) = (self.fails)(&rows) else { return false };
        (self.rows, self.error) = (rows, error);
        true
    }

    /// Halves first, then smaller and smaller parts.
    fn drop_rows(&mut self) {
        let mut part = self.rows.len().div_ceil(2);
        while part > 0 && self.trials > 0 {
            let mut at = 0;
            while at < self.rows.len() && self.trials > 0 {
                let mut left = self.rows.clone();
                left.drain(at..(at + part).min(left.len()));
                if !self.take(left) {
                    at += part;
                }
            }
            part = if part == 1 { 0 } else { part.div_ceil(2) };
        }
    }

    fn shrink_values(&mut self) {
        for row in 0..self.rows.len() {
            for value in 0..self.rows[row].values.len() {
                self.try_value(row, value, None);
                while self.shrink_value(row, value) {}
            }
        }
    }

    fn shrink_value(&mut self, row: usize, value: usize) -> bool {
        let bytes = self.rows[row].values[value].clone();
        let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
        let smaller = text.map(|text| smaller(&text, 3)).unwrap_or_default();
        smaller.into_iter().any(|less| self.try_value(row, value, Some(less)))
    }

    fn try_value(&mut self, row: usize, value: usize, less: Option<String>) -> bool {
        let less = less.map(String::into_bytes);
        let mut rows = self.rows.clone();
        if rows[row].values[value] == less {
            return false;
        }
        rows[row].values[value] = less;
        self.take(rows)
    }
}

/// Values that have less in them, the smallest first.
fn smaller(value: &str, depth: usize) -> Vec<String> {
    let (open, close, parts) = match json::kind(value) {
        Kind::Array => ('[', ']', json::elements(value).into_iter().map(str::to_owned).collect()),
        Kind::Object => {
            let fields = json::fields(value).into_iter();
            ('{', '}', fields.map(|(key, value)| format!("{key}:{value}")).collect::<Vec<_>>())
        }
        Kind::Text if value.len() > 2 => return vec!["\"\"".into()],
        _ => return Vec::new(),
    };
    let join = |parts: &[String]| format!("{open}{}{close}", parts.join(","));
    let mut less = vec![join(&[])];
    let half = parts.len() / 2;
    less.extend([join(&parts[..half]), join(&parts[half..])]);
    for at in 0..parts.len().min(40) {
        let rest: Vec<String> = parts
            .iter()
            .enumerate()
            .filter(|(n, _)| *n != at)
            .map(|(_, part)| part.clone())
            .collect();
        less.push(join(&rest));
    }
    for at in (0..parts.len().min(40)).filter(|_| depth > 0) {
        let (key, inner) = match json::fields(&join(&parts[at..=at])).first() {
            Some((key, inner)) if open == '{' => (format!("{key}:"), (*inner).to_owned()),
            _ => (String::new(), parts[at].clone()),
        };
        for inner in smaller(&inner, depth - 1) {
            let mut changed = parts.clone();
            changed[at] = format!("{key}{inner}");
            less.push(join(&changed));
        }
    }
    less.retain(|less| less.len() < value.len());
    less
}
