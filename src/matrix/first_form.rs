//! Reads the marks of `matrix 1`, which had no head and a row of every actor in every block: what was
//! accepted then is compared by cell. Pure.

use crate::matrix::class::{RowClass, class_of};
use crate::matrix::command::Command;
use crate::matrix::mark::{MarkKey, Marks, NO_ROW};

/// A relation, and the classes that its cells have a mark for.
struct Block {
    relation: String,
    classes: Vec<RowClass>,
}

/// Reads the marks.
///
/// # Errors
/// The first line that has another form, with its number counted from 1.
pub(crate) fn parse_first_form(text: &str) -> Result<Marks, String> {
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

    /// As it was written, with what is no mark.
    const WRITTEN: &str = "\
public.Chat (old); own (view; own other)
    no row could be seeded: a check refuses it
                  read   insert        update        delete        give          take          trunc
                         plain  ret    where  blind  where  blind  where  blind  where  blind
  anon            _-     _-     _-     _-     _-     _-     _-     __     __     __     __     -
  alice           O.     O!     O!     O.     ox     E.     O.     _!     _!     _.     _?     A
    E 42P17: alice delete own

public.empty (table; no cell)
  alice           -

legend
  A cell has a mark for each class of rows.
";

    #[test]
    fn what_was_accepted_is_read() {
        let marks = parse_first_form(WRITTEN).expect("the first form");
        let of = |relation: &str, actor: &str, command, class| {
            let (relation, actor) = (relation.to_owned(), actor.to_owned());
            marks.get(&MarkKey { relation, actor, command, class }).copied()
        };
        let chats = "public.Chat (old); own";
        for (actor, command, class, mark) in [
            ("anon", Command::Read, RowClass::Own, None),
            ("anon", Command::Read, RowClass::Other, Some('-')),
            ("alice", Command::Read, RowClass::Own, Some('O')),
            ("alice", Command::BlindUpdate, RowClass::Other, Some('x')),
            ("alice", Command::Delete, RowClass::Own, Some('E')),
            ("alice", Command::BlindTake, RowClass::Other, Some('?')),
            ("alice", Command::Truncate, RowClass::Whole, Some('A')),
        ] {
            assert_eq!(of(chats, actor, command, class), mark, "{actor} {command:?} {class:?}");
        }
        assert_eq!(of("public.empty", "alice", Command::Truncate, RowClass::Whole), Some('-'));
    }

    #[test]
    fn an_unknown_form_is_told_by_its_line() {
        let title = "public.chats (table; own other)";
        let row = "  alice           O.     _!     __     __     __     __     __     __     __     \
                   __     __     -";
        let known = format!("{title}\n{row}\nlegend\n  whatever\n");
        assert_eq!(parse_first_form(&known).map(|marks| marks.len()), Ok(4));
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
            assert_eq!(parse_first_form(&text), Err(expected), "{text}");
        }
    }
}
