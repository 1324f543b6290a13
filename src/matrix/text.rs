//! The text form: one block per relation, a row per actor, a column per command, a mark per row
//! class. It is what is accepted and reviewed, so `parse` reads it back.

use std::collections::BTreeMap;
use std::fmt;

use crate::matrix::cell::{Cell, Matrix};
use crate::matrix::class::{RowClass, class_name};
use crate::matrix::command::Command;
use crate::matrix::mark::{NO_ROW, mark};
use crate::matrix::verdict::Verdict;
use crate::names::QualifiedName;
use crate::words::one_line;

/// Two lines of headings, one word a column.
const HEADINGS: [[&str; 12]; 2] = [
    ["read", "insert", "", "update", "", "delete", "", "give", "", "take", "", "trunc"],
    [
        "", "plain", "ret", "where", "blind", "where", "blind", "where", "blind", "where", "blind",
        "",
    ],
];
/// More where a name is longer.
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
                writeln!(f, "  {:1$} {2}", "", self.name_width(), words.trim_end())?;
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
    /// The classes that occur in a relation, the whole left out: it has a column of its own.
    fn classes(&self, relation: &QualifiedName) -> Vec<RowClass> {
        let occurring = self.of(relation).iter();
        let mut classes: Vec<_> =
            occurring.map(|cell| cell.class).filter(|class| *class != RowClass::Whole).collect();
        classes.sort();
        classes.dedup();
        classes
    }

    fn name_width(&self) -> usize {
        self.actors().iter().map(|name| name.len()).max().unwrap_or(0).max(NAME_WIDTH)
    }

    fn write_row(
        &self,
        f: &mut fmt::Formatter<'_>,
        relation: &QualifiedName,
        actor: &str,
        classes: &[RowClass],
    ) -> fmt::Result {
        let mut line = format!("  {actor:<0$} ", self.name_width());
        let cells: Vec<_> = self.row(relation, actor).collect();
        for command in Command::ALL {
            let whole = [RowClass::Whole];
            let classes = if command == Command::Truncate { &whole } else { classes };
            let marks: String = classes
                .iter()
                .map(|class| {
                    let is_here = |cell: &&&Cell| cell.command == command && cell.class == *class;
                    cells.iter().find(is_here).map_or(NO_ROW, |cell| mark(cell))
                })
                .collect();
            line.push_str(&format!("{marks:<CELL_WIDTH$}"));
        }
        writeln!(f, "{}", line.trim_end())
    }

    /// What the marks `E` and `?` stand for.
    fn write_notes(&self, f: &mut fmt::Formatter<'_>, relation: &QualifiedName) -> fmt::Result {
        let mut notes: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for cell in self.of(relation) {
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
