//! The text form: one block per relation, a row per actor, a column per command, a mark per row
//! class. It is what is accepted and reviewed, so it can be read back.

use std::collections::BTreeMap;
use std::fmt;

use crate::matrix::cell::{Cell, Matrix};
use crate::matrix::class::{RowClass, class_name, class_of};
use crate::matrix::command::Command;
use crate::matrix::verdict::Verdict;

/// Two lines of headings, one word a column.
const HEADINGS: [[&str; 12]; 2] = [
    ["read", "insert", "", "update", "", "delete", "", "give", "", "take", "", "trunc"],
    [
        "", "plain", "ret", "where", "blind", "where", "blind", "where", "blind", "where", "blind",
        "",
    ],
];
const NAME_WIDTH: usize = 15;
const CELL_WIDTH: usize = 7;

const LEGEND: &str = "\
legend
  A cell has a mark for each class of rows, in the order given after the relation's name:
  own; tenant: others of the actor's tenants; other: other tenants; shared: of nobody;
  null: without an owner; all: the relation as a whole.
    O T X S N A   allowed on all rows of that class (own, tenant, other, shared, null, all)
    o t x s n     allowed on some of them
    .   ran, reached none          -   the privilege is not granted
    !   refused by a check         E   raised an error, named below the block
    ?   could not be tried         _   there is no such row to try it on
  ret: with RETURNING; blind: without WHERE; give: own rows to others; take: others' rows.
";

/// A place in the text form.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MarkKey {
    /// `schema.name`
    pub relation: String,
    /// The actor's name.
    pub actor: String,
    /// The column.
    pub command: Command,
    /// The place in the cell.
    pub class: RowClass,
}

/// The marks of a text form, those of rows that do not exist left out.
pub type Marks = BTreeMap<MarkKey, char>;

impl fmt::Display for Matrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for subject in self.subjects() {
            let classes = self.classes(&subject.relation);
            let names: Vec<_> = classes.iter().map(|class| class_name(*class)).collect();
            let cells = if names.is_empty() { "no cell".into() } else { names.join(" ") };
            writeln!(f, "{} ({}; {cells})", subject.relation, subject.kind)?;
            if let Some(reason) = &subject.unseeded {
                writeln!(f, "    no row could be seeded: {}", one_line(reason))?;
            }
            for headings in HEADINGS {
                let words = headings.map(|word| format!("{word:<CELL_WIDTH$}")).concat();
                writeln!(f, "  {:NAME_WIDTH$} {}", "", words.trim_end())?;
            }
            for actor in self.actors() {
                self.write_row(f, &subject.relation, actor, &classes)?;
            }
            self.write_notes(f, &subject.relation)?;
            writeln!(f)?;
        }
        f.write_str(LEGEND)
    }
}

impl Matrix {
    /// The marks of the text form.
    pub fn marks(&self) -> Marks {
        let marks = self.cells().iter().map(|cell| {
            let key = MarkKey {
                relation: cell.relation.clone(),
                actor: cell.actor.clone(),
                command: cell.command,
                class: cell.class,
            };
            (key, mark(cell))
        });
        marks.collect()
    }

    /// The classes that occur in a relation, the whole left out: it has a column of its own.
    fn classes(&self, relation: &str) -> Vec<RowClass> {
        let occurring = self.cells().iter().filter(|cell| cell.relation == relation);
        let mut classes: Vec<_> =
            occurring.map(|cell| cell.class).filter(|class| *class != RowClass::Whole).collect();
        classes.sort();
        classes.dedup();
        classes
    }

    fn write_row(
        &self,
        f: &mut fmt::Formatter<'_>,
        relation: &str,
        actor: &str,
        classes: &[RowClass],
    ) -> fmt::Result {
        let mut line = format!("  {actor:<NAME_WIDTH$} ");
        let cells: Vec<_> = self.row(relation, actor).collect();
        for command in Command::ALL {
            let whole = [RowClass::Whole];
            let classes = if command == Command::Truncate { &whole } else { classes };
            let marks: String = classes
                .iter()
                .map(|class| {
                    let is_here = |cell: &&&Cell| cell.command == command && cell.class == *class;
                    cells.iter().find(is_here).map_or('_', |cell| mark(cell))
                })
                .collect();
            line.push_str(&format!("{marks:<CELL_WIDTH$}"));
        }
        writeln!(f, "{}", line.trim_end())
    }

    /// What the marks `E` and `?` stand for.
    fn write_notes(&self, f: &mut fmt::Formatter<'_>, relation: &str) -> fmt::Result {
        let mut notes: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for cell in self.cells().iter().filter(|cell| cell.relation == relation) {
            let what = match &cell.verdict {
                Verdict::Broken { sqlstate } => format!("E {sqlstate}"),
                Verdict::Untested { reason } => format!("? {}", one_line(reason)),
                _ => continue,
            };
            let place =
                format!("{} {} {}", cell.actor, cell.command.name(), class_name(cell.class));
            notes.entry(what).or_default().push(place);
        }
        for (what, places) in notes {
            writeln!(f, "    {what}: {}", places.join(", "))?;
        }
        Ok(())
    }
}

/// Reads the marks back from a text form.
///
/// # Errors
/// The first line that has another form, with its number counted from 1.
pub(crate) fn parse_marks(text: &str) -> Result<Marks, String> {
    let mut marks = Marks::new();
    let mut block: Option<(String, Vec<RowClass>)> = None;
    for (index, line) in text.lines().enumerate() {
        let odd = || format!("line {} of it has an unknown form: `{line}`", index + 1);
        if line == "legend" {
            break;
        }
        if line.is_empty() || line.starts_with("    ") {
            continue;
        }
        let Some(row) = line.strip_prefix("  ") else {
            let (relation, rest) = line.split_once(" (").ok_or_else(odd)?;
            let (_, classes) = rest.trim_end_matches(')').split_once("; ").ok_or_else(odd)?;
            let classes = match classes {
                "no cell" => Vec::new(),
                names => names.split(' ').map(class_of).collect::<Option<_>>().ok_or_else(odd)?,
            };
            block = Some((relation.to_owned(), classes));
            continue;
        };
        let (relation, classes) = block.as_ref().ok_or_else(odd)?;
        let mut words = row.split_whitespace();
        let actor = words.next().ok_or_else(odd)?;
        let whole = vec![RowClass::Whole];
        for command in Command::ALL {
            let classes = if command == Command::Truncate { &whole } else { classes };
            if classes.is_empty() {
                continue;
            }
            let word = words.next().ok_or_else(odd)?;
            if word.chars().count() != classes.len() {
                return Err(odd());
            }
            for (class, mark) in classes.iter().zip(word.chars()).filter(|(_, mark)| *mark != '_') {
                let (relation, actor) = (relation.clone(), actor.to_owned());
                marks.insert(MarkKey { relation, actor, command, class: *class }, mark);
            }
        }
        if words.next().is_some() {
            return Err(odd());
        }
    }
    Ok(marks)
}

/// What a mark says, in words.
pub(crate) fn mark_sentence(mark: char) -> &'static str {
    match mark {
        'O' | 'T' | 'X' | 'S' | 'N' | 'A' => "allowed",
        'o' | 't' | 'x' | 's' | 'n' => "allowed on some",
        '.' => "hidden",
        '-' => "not granted",
        '!' => "refused",
        'E' => "broken",
        '?' => "untested",
        _ => "unknown",
    }
}

fn mark(cell: &Cell) -> char {
    let letter = match cell.class {
        RowClass::Own => 'O',
        RowClass::Tenant => 'T',
        RowClass::Other => 'X',
        RowClass::Shared => 'S',
        RowClass::Null => 'N',
        RowClass::Whole => 'A',
    };
    match &cell.verdict {
        Verdict::Allowed { rows, of, stopped_by: None } if rows < of => letter.to_ascii_lowercase(),
        Verdict::Allowed { .. } => letter,
        Verdict::Hidden => '.',
        Verdict::NoGrant => '-',
        Verdict::Refused => '!',
        Verdict::Broken { .. } => 'E',
        Verdict::Untested { .. } => '?',
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
