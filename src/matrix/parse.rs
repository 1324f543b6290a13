//! Reads the marks back from the text form of a matrix.

use crate::matrix::class::{RowClass, class_of};
use crate::matrix::command::Command;
use crate::matrix::mark::{MarkKey, Marks, NO_ROW};

/// A relation, and the classes that its cells have a mark for.
struct Block {
    relation: String,
    classes: Vec<RowClass>,
}

/// Reads the marks back from a text form.
///
/// # Errors
/// The first line that has another form, with its number counted from 1.
pub(crate) fn parse_marks(text: &str) -> Result<Marks, String> {
    let mut marks = Marks::new();
    let mut block = None;
    for (index, line) in text.lines().enumerate().take_while(|(_, line)| *line != "legend") {
        let odd = || format!("line {} of it has an unknown form: `{line}`", index + 1);
        // Headings and notes.
        if line.is_empty() || line.starts_with("    ") {
            continue;
        }
        match line.strip_prefix("  ") {
            Some(row) => {
                let block = block.as_ref().ok_or_else(odd)?;
                marks.extend(parse_row(block, row).ok_or_else(odd)?);
            }
            None => block = Some(parse_title(line).ok_or_else(odd)?),
        }
    }
    Ok(marks)
}

/// `public.chats (table; own other)`
fn parse_title(line: &str) -> Option<Block> {
    // A name may have a parenthesis in it.
    let (relation, rest) = line.rsplit_once(" (")?;
    let (_, classes) = rest.trim_end_matches(')').split_once("; ")?;
    let classes = match classes {
        "no cell" => Vec::new(),
        names => names.split(' ').map(class_of).collect::<Option<_>>()?,
    };
    Some(Block { relation: relation.to_owned(), classes })
}

/// An actor, and a word for each command.
fn parse_row(block: &Block, row: &str) -> Option<Vec<(MarkKey, char)>> {
    let mut words = row.split_whitespace();
    let actor = words.next()?;
    let mut marks = Vec::new();
    for command in Command::ALL {
        let whole = [RowClass::Whole];
        let classes = if command == Command::Truncate { &whole } else { block.classes.as_slice() };
        if classes.is_empty() {
            continue;
        }
        let word = words.next()?;
        if word.chars().count() != classes.len() {
            return None;
        }
        let there = classes.iter().zip(word.chars()).filter(|(_, mark)| *mark != NO_ROW);
        marks.extend(there.map(|(class, mark)| {
            let (relation, actor) = (block.relation.clone(), actor.to_owned());
            (MarkKey { relation, actor, command, class: *class }, mark)
        }));
    }
    words.next().is_none().then_some(marks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::cell::{Cell, Matrix, Subject};
    use crate::matrix::verdict::Verdict;
    use crate::names::QualifiedName;

    fn subject(relation: &QualifiedName, kind: &'static str, unseeded: Option<&str>) -> Subject {
        Subject {
            relation: relation.clone(),
            kind,
            unseeded: unseeded.map(str::to_owned),
            is_of_users_only: false,
            are_tenants: false,
        }
    }

    fn cell(
        relation: &QualifiedName,
        (actor, command, class): (&str, Command, RowClass),
        verdict: Verdict,
    ) -> Cell {
        let (relation, actor) = (relation.clone(), actor.to_owned());
        Cell { relation, actor, command, class, verdict, evidence: None }
    }

    /// One of each verdict, two relations, and one without a cell.
    fn sample() -> Matrix {
        let chats = QualifiedName::new("public", "chats");
        let odd = QualifiedName::new("a.b", "Chat (old); own");
        let empty = QualifiedName::new("public", "empty");
        let allowed = |rows, of| Verdict::Allowed { rows, of, stopped_by: None };
        let broken = Verdict::Broken { sqlstate: "42P17".into() };
        let untested = Verdict::Untested { reason: "no\n  row".into() };
        let cells = vec![
            cell(&chats, ("alice", Command::Read, RowClass::Own), allowed(2, 2)),
            cell(&chats, ("alice", Command::Read, RowClass::Other), allowed(1, 2)),
            cell(&chats, ("alice", Command::Insert, RowClass::Other), Verdict::Refused),
            cell(&chats, ("alice", Command::Truncate, RowClass::Whole), Verdict::NoGrant),
            cell(&chats, ("a-very-long-actors-name", Command::Update, RowClass::Own), broken),
            cell(&chats, ("bob", Command::Delete, RowClass::Other), Verdict::Hidden),
            cell(&odd, ("bob", Command::Take, RowClass::Null), untested),
            cell(&odd, ("bob", Command::Truncate, RowClass::Whole), allowed(1, 1)),
        ];
        let subjects = vec![
            subject(&chats, "table", None),
            subject(&odd, "view", None),
            subject(&empty, "table", Some("a check\nrefuses it")),
        ];
        let actors = ["alice", "bob", "a-very-long-actors-name"].map(str::to_owned);
        Matrix::new(subjects, actors.to_vec(), cells)
    }

    #[test]
    fn what_is_written_is_read_back() {
        let matrix = sample();
        let text = matrix.to_string();
        assert_eq!(parse_marks(&text), Ok(matrix.marks()), "{text}");
        assert_eq!(matrix.marks().len(), 8);
        assert!(text.starts_with("\"a.b\".Chat (old); own (view; null)\n"), "{text}");
        assert!(text.contains("    E 42P17: a-very-long-actors-name update own\n"), "{text}");
        assert!(text.contains("    ? no row: bob take null\n"), "{text}");
        assert!(text.contains("public.empty (table; no cell)\n"), "{text}");
        assert!(text.contains("    no row could be seeded: a check refuses it\n"), "{text}");
    }

    #[test]
    fn an_unknown_form_is_told_by_its_line() {
        let title = "public.chats (table; own other)";
        let row = "  alice           O.     _!     __     __     __     __     __     __     __     \
                   __     __     -";
        let known = format!("{title}\n{row}\nlegend\n  whatever\n");
        assert_eq!(parse_marks(&known).map(|marks| marks.len()), Ok(4));
        for (text, line) in [
            ("public.chats".into(), 1),
            ("public.chats (table)".into(), 1),
            ("public.chats (table; own others)".into(), 1),
            (format!("\n{row}"), 2),
            (format!("{title}\n  alice"), 2),
            (format!("{title}\n{row} -"), 2),
            (format!("{title}\n{}", row.replace("O.", "O")), 2),
            (format!("{title}\n{}", row.trim_end_matches('-')), 2),
        ] {
            let text: String = text;
            let odd = text.lines().nth(line - 1).unwrap_or_default();
            let expected = format!("line {line} of it has an unknown form: `{odd}`");
            assert_eq!(parse_marks(&text), Err(expected), "{text}");
        }
    }
}
