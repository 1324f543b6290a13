//! Reads a text form back: `matrix 2`, as it is written now, and what was accepted before there was a head.

use std::collections::BTreeMap;

use crate::matrix::class::{RowClass, class_of};
use crate::matrix::command::Command;
use crate::matrix::first_form::parse_first_form;
use crate::matrix::fold::{COLUMNS, LINES, Words, column_of, unfold};
use crate::matrix::mark::{MarkKey, Marks, NO_ROW};
use crate::matrix::text::{
    BEFORE_KIND, COLUMNS_OF, FACT_REST, FACT_WIDTH, FORM, HEAD_REST, HEAD_WIDTH, NAME_WIDTH, OWNER,
    UNSEEDED,
};

/// What a text form says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Accepted {
    /// What it was measured against; none in the first form, which does not say.
    pub yardstick: Option<Vec<String>>,
    pub marks: Marks,
    /// By which columns the rows of a relation have owners.
    pub owners: BTreeMap<String, String>,
    /// By relation and who it is: the columns that they may use, where those are not all.
    pub columns: BTreeMap<(String, String), String>,
}

impl Accepted {
    /// What it says of one relation.
    pub(crate) fn only(mut self, relation: &str) -> Self {
        self.marks.retain(|key, _| key.relation == relation);
        self.owners.retain(|name, _| name == relation);
        self.columns.retain(|(name, _), _| name == relation);
        self
    }
}

/// Reads a text form.
///
/// # Errors
/// The first line that has another form, with its number counted from 1.
pub(crate) fn parse(text: &str) -> Result<Accepted, String> {
    if !text.starts_with(FORM) {
        let marks = parse_first_form(text)?;
        return Ok(Accepted { marks, ..Accepted::default() });
    }
    let mut parser = Parser::default();
    for (index, line) in text.lines().enumerate() {
        let odd = || format!("line {} of it has an unknown form: `{line}`", index + 1);
        parser.read(line).ok_or_else(odd)?;
    }
    parser.end_block();
    Ok(Accepted { yardstick: Some(parser.measured), ..parser.accepted })
}

#[derive(Default)]
struct Parser {
    accepted: Accepted,
    measured: Vec<String>,
    people: Vec<String>,
    /// By actor, of whose cells only those are written that differ.
    references: BTreeMap<String, String>,
    part: Part,
    block: Option<Block>,
}

/// Of the head, and then of a block.
#[derive(Default, Clone, Copy, PartialEq)]
enum Part {
    #[default]
    Legend,
    Measured,
    People,
    Block,
}

/// A relation, and what is written of it.
struct Block {
    relation: String,
    classes: Vec<RowClass>,
    facts: Vec<String>,
    /// Where each column begins.
    columns: Vec<usize>,
    rows: Vec<(String, Words)>,
}

impl Parser {
    fn read(&mut self, line: &str) -> Option<()> {
        if line.is_empty() {
            if self.part != Part::Block {
                self.read_people()?;
            }
            self.end_block();
            self.part = Part::Block;
            return Some(());
        }
        let depth = line.chars().take_while(|c| *c == ' ').count();
        match self.part {
            Part::Block => self.read_in_block(line, depth),
            _ if depth >= HEAD_REST => self.head()?.last_mut().map(|text| continued(text, line)),
            _ => {
                let text = match line.get(..HEAD_WIDTH)?.trim_end() {
                    "" => line,
                    "measured" => self.enter(Part::Measured, line),
                    "people" => self.enter(Part::People, line),
                    _ if line.starts_with(FORM) => return Some(()),
                    _ => return None,
                };
                if self.part != Part::Legend {
                    self.head()?.push(text.get(HEAD_WIDTH..)?.to_owned());
                }
                Some(())
            }
        }
    }

    fn enter<'a>(&mut self, part: Part, line: &'a str) -> &'a str {
        self.part = part;
        line
    }

    fn head(&mut self) -> Option<&mut Vec<String>> {
        match self.part {
            Part::Measured => Some(&mut self.measured),
            Part::People => Some(&mut self.people),
            Part::Legend | Part::Block => None,
        }
    }

    /// `alice; as alice: amir bob`
    fn read_people(&mut self) -> Option<()> {
        for line in &self.people {
            let Some((reference, like)) = line.split_once("; as ") else { continue };
            let names = like.strip_prefix(reference)?.strip_prefix(": ")?;
            let names = names.split(' ').map(|name| (name.to_owned(), reference.to_owned()));
            self.references.extend(names);
        }
        Some(())
    }

    fn read_in_block(&mut self, line: &str, depth: usize) -> Option<()> {
        if depth == 0 {
            self.block = Some(Block::titled(line)?);
            return Some(());
        }
        let block = self.block.as_mut()?;
        if block.columns.is_empty() && depth == NAME_WIDTH {
            block.columns = starts_of_columns(line)?;
            return Some(());
        }
        match depth {
            2 => {
                let actor = line.split_whitespace().next()?.to_owned();
                let words = block.words(
                    line.chars().skip(2 + actor.chars().count()),
                    2 + actor.chars().count(),
                )?;
                let words = words.into_iter().collect();
                block.rows.push((actor, words));
                Some(())
            }
            FACT_REST => block.facts.last_mut().map(|fact| continued(fact, line)),
            depth if depth >= NAME_WIDTH => block.add(block.words(line.chars(), 0)?),
            FACT_WIDTH => {
                let text = &line[FACT_WIDTH..];
                let title = LINES.iter().find(|(title, _)| text.starts_with(&format!("{title} ")));
                if let Some((title, commands)) = title {
                    let begin = FACT_WIDTH + title.len();
                    let words = block.words(line.chars().skip(begin), begin)?;
                    let of = |(column, word)| {
                        let command = commands.iter().find(|one| column_of(**one) == column)?;
                        Some((*command, word))
                    };
                    let words = words.into_iter().map(of).collect::<Option<Vec<_>>>()?;
                    return block.add(words);
                }
                let is_known = [OWNER, COLUMNS_OF, UNSEEDED, "E ", "? "];
                is_known
                    .iter()
                    .any(|known| text.starts_with(known))
                    .then(|| block.facts.push(text.to_owned()))
            }
            _ => None,
        }
    }

    /// Takes over what was written, and fills in what was not.
    fn end_block(&mut self) {
        let Some(block) = self.block.take() else { return };
        let Block { relation, classes, facts, rows, .. } = block;
        let written: BTreeMap<&str, &Words> =
            rows.iter().map(|(actor, words)| (actor.as_str(), words)).collect();
        let none = Words::new();
        let people = written.keys().copied().chain(self.references.keys().map(String::as_str));
        for actor in people.collect::<std::collections::BTreeSet<_>>() {
            let of = |name: &str| *written.get(name).unwrap_or(&&none);
            let reference = self.references.get(actor).map(|name| unfold(of(name), None));
            let words = unfold(of(actor), reference.as_ref());
            self.accepted.marks.extend(marks(&relation, &classes, actor, &words));
        }
        for fact in facts {
            if let Some(owner) = fact.strip_prefix(OWNER) {
                self.accepted.owners.insert(relation.clone(), owner.to_owned());
            }
            let columns = fact.strip_prefix(COLUMNS_OF).and_then(|rest| rest.split_once(": "));
            if let Some((role, columns)) = columns {
                let key = (relation.clone(), role.to_owned());
                self.accepted.columns.insert(key, columns.to_owned());
            }
        }
    }
}

impl Block {
    /// `public.chats   table: own other`
    fn titled(line: &str) -> Option<Self> {
        // A name may have anything in it.
        let (relation, rest) = line.rsplit_once(BEFORE_KIND)?;
        let (_, classes) = rest.rsplit_once(": ")?;
        let classes = match classes {
            "no cell" => Vec::new(),
            names => names.split(' ').map(class_of).collect::<Option<_>>()?,
        };
        let relation = relation.to_owned();
        Some(Self { relation, classes, facts: Vec::new(), columns: Vec::new(), rows: Vec::new() })
    }

    /// The words in the columns, from a place of the line on.
    fn words(
        &self,
        rest: impl Iterator<Item = char>,
        begin: usize,
    ) -> Option<Vec<(Command, String)>> {
        if self.columns.is_empty() {
            return None;
        }
        let line: Vec<char> = std::iter::repeat_n(' ', begin).chain(rest).collect();
        if line.iter().take(self.columns[0]).any(|c| *c != ' ') {
            return None;
        }
        let mut words = Vec::new();
        for (at, command) in COLUMNS.into_iter().enumerate() {
            let end = self.columns.get(at + 1).copied().unwrap_or(line.len()).min(line.len());
            let word: String = line.get(self.columns[at]..end).unwrap_or_default().iter().collect();
            let word = word.trim_end();
            let length = if command == Command::Truncate { 1 } else { self.classes.len() };
            if !word.is_empty() {
                (word.chars().count() == length && !word.contains(' ')).then_some(())?;
                words.push((command, word.to_owned()));
            }
        }
        Some(words)
    }

    /// Adds to the last actor's.
    fn add(&mut self, words: Vec<(Command, String)>) -> Option<()> {
        let (_, known) = self.rows.last_mut()?;
        known.extend(words);
        Some(())
    }
}

/// Where each heading begins.
fn starts_of_columns(line: &str) -> Option<Vec<usize>> {
    let names = COLUMNS.map(Command::name);
    line.split_whitespace().eq(names).then_some(())?;
    let mut from = 0;
    let start = |name: &str| {
        let at = from + line[from..].find(name)?;
        from = at + name.len();
        Some(at)
    };
    names.into_iter().map(start).collect()
}

fn continued(text: &mut String, line: &str) {
    text.push(' ');
    text.push_str(line.trim_start());
}

/// The marks of an actor's words.
fn marks(relation: &str, classes: &[RowClass], actor: &str, words: &Words) -> Vec<(MarkKey, char)> {
    let mut marks = Vec::new();
    for (command, word) in words {
        let whole = [RowClass::Whole];
        let classes = if *command == Command::Truncate { &whole } else { classes };
        let there = classes.iter().zip(word.chars()).filter(|(_, mark)| *mark != NO_ROW);
        marks.extend(there.map(|(class, mark)| {
            let (relation, actor) = (relation.to_owned(), actor.to_owned());
            (MarkKey { relation, actor, command: *command, class: *class }, mark)
        }));
    }
    marks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::cell::{Cell, Matrix, Subject};
    use crate::matrix::person::Asked;
    use crate::matrix::verdict::Verdict;
    use crate::names::QualifiedName;

    fn cell(
        relation: &QualifiedName,
        (actor, command, class): (&str, Command, RowClass),
        verdict: Verdict,
    ) -> Cell {
        let (relation, actor) = (relation.clone(), actor.to_owned());
        Cell { relation, actor, command, class, verdict, evidence: None }
    }

    /// One of each verdict, names that look like something else, and one without a cell.
    fn sample() -> Matrix {
        let chats = QualifiedName::new("public", "chats");
        let odd = QualifiedName::new("a.b", "Chat   table: own");
        let empty = QualifiedName::new(" public", "empty\n");
        let allowed = |rows, of| Verdict::Allowed { rows, of, stopped_by: None };
        let broken = || Verdict::Broken { sqlstate: "42P17".into() };
        let untested = Verdict::Untested { reason: "no\n  row".into() };
        let long = "a-very-long-actors-name";
        use Command::*;
        let mut cells = vec![
            cell(&chats, ("alice", Read, RowClass::Own), allowed(2, 2)),
            cell(&chats, ("alice", Read, RowClass::Other), allowed(1, 2)),
            cell(&chats, ("alice", Insert, RowClass::Other), Verdict::Refused),
            cell(&chats, ("alice", InsertReturning, RowClass::Other), broken()),
            cell(&chats, ("alice", Truncate, RowClass::Whole), Verdict::NoGrant),
            cell(&chats, (long, Update, RowClass::Own), broken()),
            cell(&chats, ("bob", BlindDelete, RowClass::Other), Verdict::Hidden),
            cell(&odd, ("bob", Take, RowClass::Null), untested),
            cell(&odd, ("bob", Truncate, RowClass::Whole), allowed(1, 1)),
        ];
        // Like alice in all but one.
        for (command, class, verdict) in [
            (Read, RowClass::Own, allowed(2, 2)),
            (Read, RowClass::Other, allowed(1, 2)),
            (Insert, RowClass::Other, Verdict::Refused),
            (InsertReturning, RowClass::Other, Verdict::Refused),
            (Truncate, RowClass::Whole, Verdict::NoGrant),
        ] {
            cells.push(cell(&chats, ("amir", command, class), verdict));
        }
        let subjects = vec![
            Subject {
                owner: Some("tenant by a; user by b".into()),
                columns: [("anon".to_owned(), "reads a".to_owned())].into(),
                ..Subject::table(chats)
            },
            Subject { kind: "view", ..Subject::table(odd) },
            Subject { unseeded: Some("a check\nrefuses it".into()), ..Subject::table(empty) },
        ];
        let amir = Asked { name: "amir".into(), reference: Some("alice".into()) };
        let mut actors: Vec<Asked> = ["alice", "bob", long].map(Asked::alone).into();
        actors.insert(1, amir);
        let yardstick = ["platform: plain".to_owned(), format!("waived: {}", "a word ".repeat(20))];
        let yardstick = yardstick.map(|line| line.trim_end().to_owned());
        Matrix::new(subjects, actors, cells).measured_against(yardstick.into())
    }

    #[test]
    fn what_is_written_is_read_back() {
        let matrix = sample();
        let text = matrix.to_string();
        let accepted = parse(&text).expect("our own text");
        assert_eq!(accepted.marks, matrix.marks(), "{text}");
        assert_eq!(accepted.marks.len(), 14);
        assert_eq!(accepted.yardstick.as_deref(), Some(matrix.yardstick()), "{text}");
        let owner = accepted.owners.get("public.chats").map(String::as_str);
        assert_eq!(owner, Some("tenant by a; user by b"), "{text}");
        let columns = accepted.columns.get(&("public.chats".to_owned(), "anon".to_owned()));
        assert_eq!(columns.map(String::as_str), Some("reads a"), "{text}");
        for part in [
            "people     alice; as alice: amir\n           bob\n",
            "\n  amir\n    returning          _!\n",
            "\n\"a.b\".Chat   table: own   view: null\n",
            "\n    E 42P17: alice insert returning other, a-very-long-actors-name update\n        own\n",
            "\n    ? no row: bob take null\n",
            "\n    no row could be seeded: a check refuses it\n",
        ] {
            assert!(text.contains(part), "no {part:?} in\n{text}");
        }
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    }

    #[test]
    fn an_unknown_form_is_told_by_its_line() {
        let text = sample().to_string();
        for (from, to) in [
            ("  platform", "  platform"),
            ("measured  ", "measured? "),
            ("   table: own other", "   table: own others"),
            ("   table: own other", "  table"),
            ("    returning ", "    returned "),
            ("  alice          Oo", "  alice          Ooo"),
            ("  alice          Oo", "  alice   Oo"),
            ("read  insert", "read  inserts"),
        ] {
            let broken = text.replacen(from, to, 1);
            let differs = text.lines().zip(broken.lines()).position(|(one, other)| one != other);
            match (differs, parse(&broken)) {
                (None, Ok(_)) => {}
                (Some(line), Err(told)) => {
                    assert!(
                        told.starts_with(&format!("line {} of it", line + 1)),
                        "{told}\n{broken}"
                    );
                }
                (_, outcome) => panic!("{from:?} to {to:?}: {outcome:?}\n{broken}"),
            }
        }
    }
}
