//! The text form, `matrix 2`: what is measured against, who asks, and a block per relation with a line
//! per actor. It is what is accepted and reviewed, so `parse` reads it back.

use std::collections::BTreeMap;
use std::fmt;

use crate::matrix::cell::{Cell, Matrix, Subject};
use crate::matrix::class::{RowClass, class_name};
use crate::matrix::command::Command;
use crate::matrix::fold::{COLUMNS, LINES, Words, column_of, fold};
use crate::matrix::mark::{NO_ROW, mark};
use crate::matrix::verdict::Verdict;
use crate::words::{first_names, one_line, wrapped};

/// How the form begins.
pub(crate) const FORM: &str = "matrix 2";

/// Where what follows a word of the head begins, and what does not fit on its line.
pub(crate) const HEAD_WIDTH: usize = 11;
pub(crate) const HEAD_REST: usize = 13;

/// Where the cells begin; a longer name has a line of its own.
pub(crate) const NAME_WIDTH: usize = 17;

/// Where facts of a relation begin, and what does not fit on their line.
pub(crate) const FACT_WIDTH: usize = 4;
pub(crate) const FACT_REST: usize = 8;

pub(crate) const OWNER: &str = "owner: ";
pub(crate) const COLUMNS_OF: &str = "columns of ";
pub(crate) const UNSEEDED: &str = "no row could be seeded: ";

const PAGE_WIDTH: usize = 80;

const LEGEND: &str = "   O own   T colleagues'   X other tenants'   S nobody's   N no owner
           U unknown, A all; small: only some   . none reached   ! refused
           - no grant   E error   ? not tried   _ no such row";

/// Between the name of a relation and its kind: no name has it, since one with a blank in front is quoted.
pub(crate) const BEFORE_KIND: &str = "   ";

impl fmt::Display for Matrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{FORM}{LEGEND}")?;
        self.write_head(f)?;
        for subject in self.subjects() {
            writeln!(f)?;
            self.write_block(f, subject)?;
        }
        Ok(())
    }
}

impl Matrix {
    fn write_head(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut title = "measured";
        for line in self.yardstick() {
            write_indented(f, title, HEAD_WIDTH, HEAD_REST, line)?;
            title = "";
        }
        let mut title = "people";
        for actor in self.actors().iter().filter(|actor| actor.reference.is_none()) {
            let name = actor.name.as_str();
            let like = self.actors().iter().filter(|one| one.reference.as_deref() == Some(name));
            let like: Vec<&str> = like.map(|one| one.name.as_str()).collect();
            let line = match like.as_slice() {
                [] => name.to_owned(),
                like => format!("{name}; as {name}: {}", like.join(" ")),
            };
            write_indented(f, title, HEAD_WIDTH, HEAD_REST, &line)?;
            title = "";
        }
        Ok(())
    }

    fn write_block(&self, f: &mut fmt::Formatter<'_>, subject: &Subject) -> fmt::Result {
        let classes = self.classes(subject);
        let names: Vec<_> = classes.iter().map(|class| class_name(*class)).collect();
        let cells = if names.is_empty() { "no cell".into() } else { names.join(" ") };
        writeln!(f, "{}{BEFORE_KIND}{}: {cells}", subject.relation, subject.kind)?;
        let mut facts = Vec::new();
        facts.extend(subject.owner.as_ref().map(|owner| format!("{OWNER}{owner}")));
        let columns = subject.columns.iter();
        facts.extend(columns.map(|(role, columns)| format!("{COLUMNS_OF}{role}: {columns}")));
        let unseeded = subject.unseeded.as_ref();
        facts.extend(unseeded.map(|reason| format!("{UNSEEDED}{reason}")));
        for fact in facts {
            write_indented(f, "", FACT_WIDTH, FACT_REST, &fact)?;
        }
        let widths = COLUMNS.map(|command| command.name().len().max(classes.len()) + 2);
        let line = |of: &dyn Fn(Command) -> String| {
            let words = COLUMNS.iter().zip(widths);
            let words = words.map(|(command, width)| format!("{:<width$}", of(*command)));
            words.collect::<String>().trim_end().to_owned()
        };
        let headings = line(&|command| command.name().to_owned());
        writeln!(f, "{:NAME_WIDTH$}{headings}", "")?;
        let all: BTreeMap<&str, Words> = self
            .actors()
            .iter()
            .map(|actor| (actor.name.as_str(), self.words(subject, &actor.name, &classes)))
            .collect();
        for actor in self.actors() {
            let reference = actor.reference.as_deref().and_then(|name| all.get(name));
            let written = fold(&all[actor.name.as_str()], reference);
            if written.is_empty() {
                continue;
            }
            let word = |command| written.get(&command).cloned().unwrap_or_default();
            let mut name = format!("  {}", actor.name);
            if name.chars().count() >= NAME_WIDTH {
                writeln!(f, "{name}")?;
                name.clear();
            }
            let cells = line(&word);
            if !(cells.is_empty() && name.is_empty()) {
                writeln!(f, "{}", format!("{name:<NAME_WIDTH$}{cells}").trim_end())?;
            }
            for (title, commands) in LINES {
                let below = |column| {
                    let mut commands = commands.iter();
                    commands
                        .find(|one| column_of(**one) == column)
                        .map_or_else(String::new, |one| word(*one))
                };
                let cells = line(&below);
                if !cells.is_empty() {
                    writeln!(f, "{:FACT_WIDTH$}{title:<1$}{cells}", "", NAME_WIDTH - FACT_WIDTH)?;
                }
            }
        }
        self.write_notes(f, subject)
    }

    /// The classes that occur in a relation, the whole left out: it has a column of its own.
    fn classes(&self, subject: &Subject) -> Vec<RowClass> {
        let occurring = self.of(&subject.relation).iter();
        let mut classes: Vec<_> =
            occurring.map(|cell| cell.class).filter(|class| *class != RowClass::Whole).collect();
        classes.sort();
        classes.dedup();
        classes
    }

    fn words(&self, subject: &Subject, actor: &str, classes: &[RowClass]) -> Words {
        let cells: Vec<&Cell> = self.row(&subject.relation, actor).collect();
        let marks = |command: Command| -> String {
            let whole = [RowClass::Whole];
            let classes = if command == Command::Truncate { &whole } else { classes };
            let of = |class: &RowClass| {
                let is_here = |cell: &&&Cell| cell.command == command && cell.class == *class;
                cells.iter().find(is_here).map_or(NO_ROW, |cell| mark(cell))
            };
            classes.iter().map(of).collect()
        };
        let all = Command::ALL.into_iter().map(|command| (command, marks(command)));
        all.filter(|(_, marks)| !marks.is_empty()).collect()
    }

    /// What the marks `E` and `?` stand for.
    fn write_notes(&self, f: &mut fmt::Formatter<'_>, subject: &Subject) -> fmt::Result {
        let mut notes: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for cell in self.of(&subject.relation) {
            let what = match &cell.verdict {
                Verdict::Broken { sqlstate } => format!("E {sqlstate}"),
                Verdict::Untested { reason } => format!("? {reason}"),
                _ => continue,
            };
            let place =
                format!("{} {} {}", cell.actor, cell.command.name(), class_name(cell.class));
            notes.entry(what).or_default().push(place);
        }
        for (what, places) in notes {
            let note = format!("{what}: {}", first_names(&places));
            write_indented(f, "", FACT_WIDTH, FACT_REST, &note)?;
        }
        Ok(())
    }
}

/// A title, and behind it a text, whatever blanks it has, in several lines where one is too short.
fn write_indented(
    f: &mut fmt::Formatter<'_>,
    title: &str,
    first: usize,
    rest: usize,
    text: &str,
) -> fmt::Result {
    for (at, line) in wrapped(&one_line(text), PAGE_WIDTH - rest).iter().enumerate() {
        match at {
            0 => writeln!(f, "{title:<first$}{line}")?,
            _ => writeln!(f, "{:rest$}{line}", "")?,
        }
    }
    Ok(())
}
