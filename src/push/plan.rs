//! What a push will do, as a value and in words: which files, what each locks and rewrites, whose access changes, and
//! what a rehearsal found. Pure.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use crate::drift::value::Difference;
use crate::error::{Error, Result};
use crate::finding::value::Finding;
use crate::matrix::compare::Change;
use crate::preserve::foreseen::Foreseen;
use crate::push::effects::{Effect, LockMode, Touched};
use crate::push::told::{Told, write_head, written};
use crate::report::json::finding;
use crate::report::text::access::write_changes;
use crate::report::text::findings::write_finding;
use crate::words::counted;

/// What a push will do. `push --dry-run --format json` writes it as it is.
#[derive(Debug, Clone, Serialize)]
pub struct PushPlan {
    /// The form of this document.
    pub schema: u32,
    /// The version of leakproof.
    pub leakproof: &'static str,
    /// Host, port, database and role.
    pub target: String,
    /// The tables in which the files are written down.
    pub histories: Vec<String>,
    /// What is to be known of how the project was read.
    pub notes: Vec<String>,
    /// The pending files, in their order.
    pub files: Vec<PlannedFile>,
    /// What a rehearsal found; none where nothing is pending, or where none was wanted.
    pub rehearsal: Option<Rehearsed>,
}

/// A file that will be applied.
#[derive(Debug, Clone, Serialize)]
pub struct PlannedFile {
    /// Its version.
    pub version: i64,
    /// `V4 move_messages`
    pub title: String,
    /// Where it is.
    pub path: String,
    /// The hash of its text with line feeds, in hexadecimal digits.
    pub sha256: String,
    /// How many statements it has.
    pub statements: usize,
    /// Whether it runs statement by statement, outside a transaction.
    pub is_outside: bool,
    /// How many pairs are compared before and after it.
    pub pairs: usize,
    /// How many recorded calls go with it, which a push does not make.
    pub calls: usize,
    /// Tables that it may change, and that are not counted; a sentence each.
    pub uncounted: Vec<String>,
    /// What it does to relations that were there; none where that was not found out, as of a file outside a
    /// transaction.
    pub touches: Option<Vec<Touched>>,
    /// What people will notice, a sentence each.
    pub warnings: Vec<String>,
    /// Why it was not rehearsed as the target would have it.
    pub unrehearsed: Option<String>,
}

/// What a rehearsal found.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Rehearsed {
    /// The server of the throwaway.
    pub server: String,
    /// What is to be known of it.
    pub notes: Vec<String>,
    /// What the target has otherwise than its files make it.
    pub drift: Vec<Difference>,
    /// How access changes; none where that is not known.
    pub access: Option<Vec<Change>>,
    /// Why it is not known.
    pub access_unknown: Option<String>,
    /// What the check of the whole project says.
    pub verdict: String,
    /// Whether that lets files pass.
    pub has_passed: bool,
    /// What it found that matters enough.
    #[serde(serialize_with = "as_values")]
    pub findings: Vec<Finding>,
    /// What the statements of each file do, by its version.
    #[serde(skip)]
    pub effects: BTreeMap<i64, Vec<Effect>>,
    /// Why a file could not be rehearsed as the target would have it, by its version.
    #[serde(skip)]
    pub unrehearsed: BTreeMap<i64, String>,
}

fn as_values<S: Serializer>(
    findings: &[Finding],
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    serializer.collect_seq(findings.iter().map(finding))
}

impl Rehearsed {
    /// The relations that a file locks so that nobody else reads them, and those whose rows it may change.
    pub(crate) fn foreseen(&self, version: i64) -> Foreseen {
        let mut foreseen = Foreseen::default();
        for effect in self.effects.get(&version).into_iter().flatten() {
            if effect.lock == Some(LockMode::AccessExclusive) {
                foreseen.exclusive.insert(effect.relation.clone());
            }
            if effect.lock == Some(LockMode::RowExclusive)
                || effect.is_rewritten
                || effect.is_dropped
            {
                foreseen.written.insert(effect.relation.clone());
            }
        }
        foreseen
    }
}

impl PushPlan {
    /// Why it is not to be acted on, in a sentence, if it is not.
    pub fn stops(&self) -> Option<String> {
        let rehearsed = self.rehearsal.as_ref()?;
        let unrehearsed = self.files.iter().find_map(|file| {
            Some(format!("{} is not rehearsed: {}", file.title, file.unrehearsed.as_ref()?))
        });
        unrehearsed.or_else(|| (!rehearsed.has_passed).then(|| rehearsed.verdict.clone()))
    }

    /// Refuses to act on it where the rehearsal did not pass.
    ///
    /// # Errors
    /// Why it did not.
    pub fn refuse(&self) -> Result<()> {
        self.stops().map_or(Ok(()), |why| {
            Err(Error::new("nothing was applied, since the rehearsal did not pass").cause(why).help(
                "mend it and see with `leakproof check`; or push without a rehearsal, by `--no-rehearse`",
            ))
        })
    }

    /// What a receipt says of the rehearsal.
    pub(crate) fn rehearsed(&self) -> Value {
        match &self.rehearsal {
            None => Value::Bool(false),
            Some(rehearsed) => json!({
                "server": rehearsed.server,
                "verdict": rehearsed.verdict,
                "differences": rehearsed.drift.len(),
            }),
        }
    }

    /// As JSON, in one document.
    pub fn to_json(&self) -> String {
        // Strings and numbers alone: it does not fail.
        let text = serde_json::to_string_pretty(self).unwrap_or_default();
        format!("{text}\n")
    }

    /// In words.
    pub fn to_text(&self) -> String {
        let told = Told { target: &self.target, histories: &self.histories, notes: &self.notes };
        written(|out| {
            write_head(out, &told)?;
            if self.files.is_empty() {
                return writeln!(out, "pending     none: the target has every file");
            }
            writeln!(out, "pending     {}", counted(self.files.len(), "file"))?;
            self.files.iter().try_for_each(|file| write_file(out, file))?;
            match &self.rehearsal {
                None => writeln!(
                    out,
                    "not checked access, drift, and the files on a copy: not rehearsed"
                )?,
                Some(rehearsed) => write_rehearsed(out, rehearsed)?,
            }
            writeln!(
                out,
                "counted     the rows of tables that a file changes, which are locked meanwhile; no others"
            )
        })
    }
}

fn write_file(out: &mut String, file: &PlannedFile) -> fmt::Result {
    let PlannedFile { title, path, statements, .. } = file;
    writeln!(out, "  {title}  {path}, {}", counted(*statements, "statement"))?;
    for touched in file.touches.iter().flatten() {
        let Touched { relation, lock, line, size, .. } = touched;
        let size = size.map_or(String::new(), |size| format!(" ({size})"));
        writeln!(out, "    locks {relation} in {} from line {line} on{size}", lock.name())?;
    }
    for warning in &file.warnings {
        writeln!(out, "    warning: {warning}")?;
    }
    if let Some(why) = &file.unrehearsed {
        writeln!(out, "    not rehearsed: {why}")?;
    }
    if file.pairs > 0 {
        writeln!(out, "    {} compared before and after", counted(file.pairs, "promise"))?;
    }
    if file.calls > 0 {
        let calls = counted(file.calls, "recorded call");
        writeln!(out, "    {calls} not made: `leakproof check` makes them")?;
    }
    file.uncounted.iter().try_for_each(|line| writeln!(out, "    {line}"))
}

fn write_rehearsed(out: &mut String, rehearsed: &Rehearsed) -> fmt::Result {
    writeln!(out, "rehearsed   on a throwaway: {}", rehearsed.server)?;
    for note in &rehearsed.notes {
        writeln!(out, "note        {note}")?;
    }
    match rehearsed.drift.as_slice() {
        [] => writeln!(out, "drift       none: the target is as its files make it")?,
        [first, more @ ..] => {
            let told = counted(more.len() + 1, "difference");
            writeln!(out, "drift       {told}, such as: {}", first.what)?;
            writeln!(out, "            `leakproof drift` shows all, and what removes them")?;
        }
    }
    match (&rehearsed.access, &rehearsed.access_unknown) {
        (Some(changes), _) if changes.is_empty() => writeln!(out, "access      does not change")?,
        (Some(changes), _) => {
            writeln!(out, "access      {}", counted(changes.len(), "change"))?;
            write_changes(out, changes)?;
        }
        (None, why) => {
            let why = why.as_deref().unwrap_or_default();
            writeln!(out, "access      not compared with the target's: {why}")?;
        }
    }
    writeln!(out, "check       {}", rehearsed.verdict.trim_start_matches("verdict: "))?;
    rehearsed.findings.iter().try_for_each(|finding| write_finding(out, finding))
}
