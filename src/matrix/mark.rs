//! The marks of the text form: a letter for whose rows were reached, a sign for each other verdict.

use std::collections::BTreeMap;

use crate::matrix::cell::{Cell, Matrix};
use crate::matrix::class::RowClass;
use crate::matrix::command::Command;
use crate::matrix::verdict::Verdict;

/// A place in the text form.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MarkKey {
    /// The relation's name as the text form has it.
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

/// There is no such row to try it on.
pub(crate) const NO_ROW: char = '_';

/// Allowed on all rows of a class; in lower case, on some.
const LETTERS: [(char, RowClass); 7] = [
    ('O', RowClass::Own),
    ('T', RowClass::Tenant),
    ('X', RowClass::Other),
    ('S', RowClass::Shared),
    ('N', RowClass::Null),
    ('U', RowClass::Unknown),
    ('A', RowClass::Whole),
];

const HIDDEN: char = '.';
const NO_GRANT: char = '-';
const REFUSED: char = '!';
const BROKEN: char = 'E';
const UNTESTED: char = '?';

/// What the other marks say.
const SIGNS: [(char, &str); 5] = [
    (HIDDEN, "hidden"),
    (NO_GRANT, "not granted"),
    (REFUSED, "refused"),
    (BROKEN, "broken"),
    (UNTESTED, "untested"),
];

/// The mark of a cell.
pub(crate) fn mark(cell: &Cell) -> char {
    match &cell.verdict {
        Verdict::Allowed { rows, of, stopped_by: None } if rows < of => {
            letter(cell.class).to_ascii_lowercase()
        }
        Verdict::Allowed { .. } => letter(cell.class),
        Verdict::Hidden => HIDDEN,
        Verdict::NoGrant => NO_GRANT,
        Verdict::Refused => REFUSED,
        Verdict::Broken { .. } => BROKEN,
        Verdict::Untested { .. } => UNTESTED,
    }
}

fn letter(class: RowClass) -> char {
    LETTERS.iter().find(|(_, known)| *known == class).map_or(UNTESTED, |(letter, _)| *letter)
}

/// How much a mark says was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    None,
    Some,
    All,
}

impl Reach {
    pub(crate) fn of(mark: char) -> Self {
        let is = |mark: char| LETTERS.iter().any(|(letter, _)| *letter == mark);
        match mark {
            mark if is(mark) => Self::All,
            mark if is(mark.to_ascii_uppercase()) => Self::Some,
            _ => Self::None,
        }
    }
}

/// What a mark says, in words.
pub(crate) fn mark_sentence(mark: char) -> &'static str {
    match Reach::of(mark) {
        Reach::All => "allowed",
        Reach::Some => "allowed on some",
        Reach::None => {
            SIGNS.iter().find(|(sign, _)| *sign == mark).map_or("unknown", |(_, words)| words)
        }
    }
}

impl Matrix {
    /// The marks of the text form.
    pub fn marks(&self) -> Marks {
        self.cells().iter().map(|cell| (key(cell), mark(cell))).collect()
    }
}

/// Where a cell is in the text form.
pub(crate) fn key(cell: &Cell) -> MarkKey {
    MarkKey {
        relation: cell.relation.to_string(),
        actor: cell.actor.clone(),
        command: cell.command,
        class: cell.class,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::QualifiedName;

    #[test]
    fn every_verdict_has_its_mark_and_every_mark_its_words() {
        let allowed = |rows, of, stopped_by: Option<&str>| Verdict::Allowed {
            rows,
            of,
            stopped_by: stopped_by.map(str::to_owned),
        };
        let broken = Verdict::Broken { sqlstate: "42P17".into() };
        let untested = Verdict::Untested { reason: "no row".into() };
        for (verdict, class, expected, words) in [
            (allowed(2, 2, None), RowClass::Own, 'O', "allowed"),
            (allowed(1, 1, None), RowClass::Tenant, 'T', "allowed"),
            (allowed(3, 3, None), RowClass::Other, 'X', "allowed"),
            (allowed(3, 3, None), RowClass::Shared, 'S', "allowed"),
            (allowed(1, 1, None), RowClass::Null, 'N', "allowed"),
            (allowed(1, 1, None), RowClass::Whole, 'A', "allowed"),
            (allowed(1, 2, None), RowClass::Own, 'o', "allowed on some"),
            (allowed(1, 3, None), RowClass::Other, 'x', "allowed on some"),
            (allowed(0, 3, Some("23505")), RowClass::Other, 'X', "allowed"),
            (Verdict::Hidden, RowClass::Other, '.', "hidden"),
            (Verdict::NoGrant, RowClass::Other, '-', "not granted"),
            (Verdict::Refused, RowClass::Other, '!', "refused"),
            (broken, RowClass::Other, 'E', "broken"),
            (untested, RowClass::Other, '?', "untested"),
        ] {
            let said = verdict.sentence();
            let cell = Cell {
                relation: QualifiedName::new("public", "chats"),
                actor: "bob".into(),
                command: Command::Update,
                class,
                verdict,
                evidence: None,
            };
            assert_eq!(mark(&cell), expected, "{said} on {class:?}");
            assert_eq!(mark_sentence(expected), words, "{said} on {class:?}");
        }
        assert_eq!(mark_sentence('#'), "unknown");
    }

    #[test]
    fn a_mark_says_how_much_is_reached() {
        for (marks, expected) in
            [("OTXSNUA", Reach::All), ("otxsnu", Reach::Some), (".-!E?_#e", Reach::None)]
        {
            for mark in marks.chars() {
                assert_eq!(Reach::of(mark), expected, "{mark}");
            }
        }
    }
}
