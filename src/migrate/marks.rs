//! Marks that a file's statements leave behind themselves in its transaction: by them each change of
//! the catalog is traced to its statement.
//!
//! Each statement runs in a subtransaction of its own, and their numbers only rise: a row was written
//! by the last statement whose mark has no greater number, whatever `do` block, function or trigger
//! wrote it.

use crate::error::Result;
use crate::migrate::places::{ObjectKind, Places};
use crate::names::Place;
use crate::project::files::SqlFile;
use crate::session::failed::failing;
use crate::session::open::Session;
use crate::session::outcome::TextRow;

const CHANGED: &str = include_str!("changed.sql");

/// The statement that leaves a mark.
pub(crate) fn mark_sql(line: usize) -> String {
    format!("select leakproof.mark({line})")
}

/// What the file has changed, and where; takes the marks away. At its end.
pub(crate) fn read_places(session: &mut Session, file: &SqlFile) -> Result<Places> {
    const ATTEMPT: &str = "see what a file has changed";
    let sql = format!(
        "select line, pg_catalog.age(xmin) from leakproof.marks where pg_catalog.age(xmin) <= 0; \
         {CHANGED}"
    );
    let outcomes = session.run(&sql).map_err(failing(ATTEMPT))?;
    session.as_owner("delete from leakproof.marks").map_err(failing(ATTEMPT))?;
    let mut outcomes = outcomes.into_iter().map(|outcome| outcome.rows);
    let marks = Marks::of(outcomes.next().unwrap_or_default());
    let mut places = Places::default();
    for (kind, oid, age) in outcomes.next().unwrap_or_default().into_iter().filter_map(change) {
        let line = marks.line_of(age);
        if let Some(kind) = kind_of(&kind) {
            places.put(kind, oid, Place::new(file.path(), line));
        }
    }
    Ok(places)
}

fn change(row: TextRow) -> Option<(String, i64, i64)> {
    let [Some(kind), Some(oid), Some(age)] = <[Option<String>; 3]>::try_from(row).ok()? else {
        return None;
    };
    Some((kind, oid.parse().ok()?, age.parse().ok()?))
}

fn kind_of(kind: &str) -> Option<ObjectKind> {
    match kind {
        "relation" => Some(ObjectKind::Relation),
        "policy" => Some(ObjectKind::Policy),
        "routine" => Some(ObjectKind::Routine),
        "trigger" => Some(ObjectKind::Trigger),
        "constraint" => Some(ObjectKind::Constraint),
        _ => None,
    }
}

/// The lines of statements by the age of what they wrote; the older, the greater.
struct Marks {
    by_age: Vec<(i64, usize)>,
}

impl Marks {
    fn of(rows: Vec<TextRow>) -> Self {
        let mark = |row: TextRow| {
            let [Some(line), Some(age)] = <[Option<String>; 2]>::try_from(row).ok()? else {
                return None;
            };
            Some((age.parse().ok()?, line.parse().ok()?))
        };
        let mut by_age: Vec<(i64, usize)> = rows.into_iter().filter_map(mark).collect();
        by_age.sort_unstable();
        Self { by_age }
    }

    /// The line of the last statement that had begun to write before this was written.
    fn line_of(&self, age: i64) -> usize {
        let at = self.by_age.partition_point(|(mark, _)| *mark < age);
        self.by_age.get(at).or(self.by_age.last()).map_or(1, |(_, line)| *line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_belongs_to_the_last_mark_before_it() {
        let row = |line: &str, age: &str| vec![Some(line.to_owned()), Some(age.to_owned())];
        let marks = Marks::of(vec![row("3", "-1"), row("9", "-2"), row("20", "-6")]);
        for (age, line) in [(0, 3), (-1, 3), (-2, 9), (-3, 9), (-5, 9), (-6, 20), (-8, 20)] {
            assert_eq!(marks.line_of(age), line, "{age}");
        }
        assert_eq!(Marks::of(Vec::new()).line_of(0), 1);
    }
}
