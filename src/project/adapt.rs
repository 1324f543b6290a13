//! What a throwaway database runs of a file: all of an own one, and of another tool's what can run
//! there. Each line stays where it is in the file.

use std::collections::BTreeMap;

use crate::project::dialect::{Adapted, Dialect, LeftOut, leave_out};
use crate::project::files::{SqlFile, is_mark};
use crate::project::guard::refuse_unguardable_outside;
use crate::project::outside::{Way, way_of};
use crate::project::sections;

/// What Drizzle writes between two statements, with or without a semicolon before it.
const BREAKPOINT: &str = "--> statement-breakpoint";

/// The text of a file as it can run on a throwaway database.
pub(crate) fn adapt(file: &SqlFile) -> Adapted {
    let text = file.text();
    match file.dialect() {
        Dialect::Guarded if is_by_statements(file, &text) => leave_out(&text),
        Dialect::Guarded => Adapted { sql: text.into_owned(), ..Adapted::default() },
        Dialect::Foreign => leave_out(&text),
        Dialect::Up => leave_out(&sections::up(&text)),
        Dialect::Down => leave_out(&sections::down(&text)),
        Dialect::Drizzle => {
            leave_out(&text.replace(BREAKPOINT, &format!(";{:1$}", "", BREAKPOINT.len() - 1)))
        }
        Dialect::Data => {
            let whole = leave_out(&text);
            let sql = whole.sql[..rows_of_world_at(&whole.sql)].to_owned();
            Adapted { sql, ..whole }
        }
        Dialect::RowsOfWorld => {
            let whole = leave_out(&text).sql;
            let (data, rows) = whole.split_at(rows_of_world_at(&whole));
            let blank = "\n".repeat(data.matches('\n').count());
            Adapted { sql: format!("{blank}{rows}"), ..Adapted::default() }
        }
    }
}

/// Whether a real database runs a file outside a transaction, which a throwaway one has no need of.
fn is_by_statements(file: &SqlFile, text: &str) -> bool {
    way_of(file).is_ok_and(|way| way == Way::Statements)
        && refuse_unguardable_outside(file, text).is_ok()
}

/// Where the line begins that the rows of the world come after.
fn rows_of_world_at(sql: &str) -> usize {
    let lines = sql.split_inclusive('\n');
    lines.take_while(|line| !is_mark(line)).map(str::len).sum()
}

/// A sentence for each kind of statement that is left out of these files, with the first place.
pub(crate) fn notes_on_left_out<'a>(files: impl Iterator<Item = &'a SqlFile>) -> Vec<String> {
    let mut left_out: BTreeMap<LeftOut, Vec<String>> = BTreeMap::new();
    for file in files {
        for (kind, line) in adapt(file).left_out {
            let place = format!("`{}` line {line}", file.path().display());
            left_out.entry(kind).or_default().push(place);
        }
    }
    let told = left_out.into_iter().map(|(kind, places)| {
        let more = match places.len() - 1 {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        format!("{} ({}{more})", kind.sentence(), places[0])
    });
    told.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(dialect: Dialect, raw: &str) -> SqlFile {
        SqlFile::new("a.sql".into(), 1, "a".into(), dialect, raw.into())
    }

    #[test]
    fn what_runs_of_each_dialect() {
        const MARK: &str = "-- leakproof: rows of the world";
        let seed = format!("begin;\na;\n{MARK}\nb;");
        for (dialect, raw, told) in [
            (Dialect::Guarded, "\u{feff}begin;\r\na;", "begin;\na;"),
            (Dialect::Guarded, "reindex table concurrently t", "reindex table              t"),
            (Dialect::Guarded, "vacuum t; begin;", "vacuum t; begin;"),
            (Dialect::Guarded, "select 1; vacuum t", "select 1; vacuum t"),
            (Dialect::Foreign, "begin;\r\na;", "     ;\na;"),
            (
                Dialect::Up,
                "-- migrate:up\na;\n-- migrate:down\nb;",
                "             \na;\n               \n  ",
            ),
            (
                Dialect::Down,
                "-- migrate:up\na;\n-- migrate:down\nb;",
                "             \n  \n               \nb;",
            ),
            (Dialect::Drizzle, "a\n--> statement-breakpoint\nb", "a\n;                       \nb"),
            (Dialect::Data, &seed, "     ;\na;\n"),
            (Dialect::RowsOfWorld, &seed, &format!("\n\n{MARK}\nb;")),
            (Dialect::Data, "a;", "a;"),
        ] {
            assert_eq!(adapt(&file(dialect, raw)).sql, told, "{raw}");
        }
    }

    #[test]
    fn the_file_itself_stays_as_it_is() {
        let raw = "\u{feff}begin;\r\nalter type t add value 'a';\r\ncommit;\r\nselect 1;";
        let file = file(Dialect::Foreign, raw);
        let adapted = adapt(&file);
        assert_eq!(adapted.ahead, ["alter type t add value 'a'"]);
        assert_eq!(file.raw(), raw);
    }

    #[test]
    fn notes_name_the_first_place_of_each_kind() {
        let files = [file(Dialect::Guarded, "a; vacuum;"), file(Dialect::Foreign, "\nbegin; end;")];
        let notes = notes_on_left_out(files.iter());
        assert_eq!(notes.len(), 1);
        assert!(notes[0].ends_with("(`a.sql` line 2 and 1 more)"), "{}", notes[0]);
    }
}
