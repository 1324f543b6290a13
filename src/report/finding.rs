//! A finding in words: the fact in one sentence, and what shows it line by line.

use crate::finding::proof::Proof;
use crate::finding::symptoms::{Reached, Run, Symptoms};
use crate::finding::value::Finding;
use crate::matrix::class::class_name;
use crate::names::QualifiedName;
use crate::report::repeat::repeat_sentence;
use crate::report::rows::{shortened, side_by_side};
use crate::words::{counted, first_names, joined, one_line};

/// How many lines are shown of what was compared line by line.
const SHOWN_LINES: usize = 20;

impl Finding {
    /// What it is about, as reports name it and waivers under `on`.
    pub fn on(&self) -> String {
        self.subject.to_string()
    }

    /// The fact, in one sentence.
    pub fn message(&self) -> String {
        let sentence = sentence(&self.symptoms);
        match (self.run, &self.symptoms) {
            // They say it themselves.
            (_, Symptoms::FailsOnRows { .. } | Symptoms::RoundTrip { .. }) => sentence,
            (Run::First, _) => sentence,
            (Run::OnGeneratedRows, _) => format!("on generated rows, {sentence}"),
            (Run::RoundTrip, _) => format!("there again, {sentence}"),
        }
    }

    /// What shows it: the statement that did it, and what it reached, line by line.
    pub fn evidence_lines(&self) -> Vec<String> {
        self.evidence.as_ref().map_or(Vec::new(), lines)
    }
}

fn sentence(symptoms: &Symptoms) -> String {
    match symptoms {
        Symptoms::Access(reached) => access_sentence(reached),
        Symptoms::Loss { migration, loss } => format!("{migration}: {}", loss.sentence()),
        Symptoms::Pair { migration, name, lost, appeared } => format!(
            "{migration}: \"{name}\" does not hold; rows lost: {lost}, appeared: {appeared}"
        ),
        Symptoms::Answer { migration, name, differing } => format!(
            "{migration}: \"{name}\" is answered differently; rows that differ: {differing}"
        ),
        Symptoms::Widening { migration, readers, values } => format!(
            "{migration}: {} see {} here that only others saw before",
            first_and_more(readers),
            counted(*values, "value")
        ),
        Symptoms::FailsOnRows { migration } => {
            format!("{migration} cannot be applied where the table has a row")
        }
        Symptoms::NotRepeatable { migration, difference } => repeat_sentence(migration, difference),
        Symptoms::RoundTrip { step, has_failed: true } => format!("{step} fails"),
        Symptoms::RoundTrip { step, has_failed: false } => {
            format!("{step} leaves schema or rows as they were not")
        }
        Symptoms::Unknown { policies, columns, shows, more } => {
            let more = and_more(" (nor those of", more);
            let why = match (policies.is_empty(), columns.is_empty()) {
                _ if !shows.is_empty() => {
                    let names: Vec<String> = shows.iter().map(QualifiedName::to_string).collect();
                    format!(
                        "it shows rows of {} past their policies, and nothing in it says of whom",
                        first_names(&names)
                    )
                }
                (true, false) => {
                    let columns: Vec<String> =
                        columns.iter().map(|name| format!("`{name}`")).collect();
                    format!(
                        "{} could hold a user or a tenant, or lead to one, and nothing says which",
                        joined(&columns)
                    )
                }
                _ => format!(
                    "{} to who is asking, but no column and no foreign key could be read as their owner",
                    relating(policies)
                ),
            };
            format!("nothing has settled whose its rows are{more}: {why}")
        }
        Symptoms::Untried { policy, condition, more } => {
            let more = and_more(" (and of", more);
            format!(
                "not tried: what the policy `{policy}`{more} lets through where `{}`, which no row met, \
                 whoever asked",
                shortened(&one_line(condition))
            )
        }
        Symptoms::Opened { actor, relations, rows } => {
            let names: Vec<String> = relations.iter().map(QualifiedName::to_string).collect();
            format!(
                "by a row that {actor} may write, {actor} sees {} of others in {}",
                counted(*rows, "row"),
                first_names(&names)
            )
        }
        Symptoms::Unseeded { owners, reason, more } => {
            let more = and_more(" (nor in", more);
            if owners.is_empty() {
                return format!("not tried{more}: {}", shortened(reason));
            }
            let owners = owners.join(", ");
            format!("not tried: no row of {owners} could be made{more}: {}", shortened(reason))
        }
        Symptoms::Stated(sentence) => sentence.clone(),
    }
}

/// The policies that relate rows to something, as the beginning of a sentence.
fn relating(policies: &[String]) -> String {
    let quoted: Vec<String> = policies.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => format!("the policy {last} relates them"),
        Some((last, before)) => {
            format!("the policies {} and {last} relate them", before.join(", "))
        }
        None => "its policies relate them".into(),
    }
}

/// ` (and of public.pages)`, with the first of many; nothing where there are none.
fn and_more(before: &str, more: &[QualifiedName]) -> String {
    let names: Vec<String> = more.iter().map(QualifiedName::to_string).collect();
    if names.is_empty() { String::new() } else { format!("{before} {})", first_names(&names)) }
}

/// What came of the first attempt, and by whom there is one.
fn access_sentence(reached: &[Reached]) -> String {
    let Some(Reached { command, class, verdict, .. }) = reached.first() else {
        return String::new();
    };
    let mut actors: Vec<&str> = reached.iter().map(|one| one.actor.as_str()).collect();
    actors.dedup();
    format!(
        "{} on {} rows by {}: {}",
        command.name(),
        class_name(*class),
        actors.join(", "),
        verdict.sentence()
    )
}

fn first_and_more(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [first, more @ ..] => format!("{first} and {} more", more.len()),
    }
}

fn lines(proof: &Proof) -> Vec<String> {
    match proof {
        Proof::Attempt { actor, statement, row } => {
            let row = row.as_ref().map(|row| format!("reached: {row}"));
            std::iter::once(format!("as {actor}: {statement}")).chain(row).collect()
        }
        Proof::Escalation { actor, statement, then } => {
            std::iter::once(format!("as {actor}: {statement}")).chain(lines(then)).collect()
        }
        Proof::Seen { reader, statement, value, audience } => {
            let value = serde_json::Value::from(value.as_str()).to_string();
            vec![
                format!("as {reader}: {statement}"),
                format!("seen: {}", shortened(&value)),
                format!("before only by: {}", audience.join(", ")),
            ]
        }
        Proof::Rows(rows) => rows.iter().map(|row| format!("row: {}", shortened(row))).collect(),
        Proof::Sides { lost, appeared } => side_by_side(lost, appeared),
        Proof::Answers { first, differing } => {
            let rows = first.iter().flat_map(|difference| {
                let (before, after) = difference.shortened();
                [format!("before: {before}"), format!("after:  {after}")]
            });
            let rest = differing.saturating_sub(first.len());
            rows.chain((rest > 0).then(|| format!("and {rest} more rows differ"))).collect()
        }
        Proof::Lines(all) => {
            let shown = all.iter().take(SHOWN_LINES).map(|line| shortened(line));
            let rest = all.len().saturating_sub(SHOWN_LINES);
            shown.chain((rest > 0).then(|| format!("and {rest} more"))).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::outcome::Leg;
    use crate::finding::rule::Rule;
    use crate::finding::subject::Subject;
    use crate::matrix::class::RowClass;
    use crate::matrix::command::Command;
    use crate::matrix::verdict::Verdict;
    use crate::migrate::applied::MigrationName;
    use crate::preserve::loss::{Loss, LossKind};
    use crate::preserve::outcome::AnswerDifference;

    fn finding(symptoms: Symptoms, run: Run) -> Finding {
        let subject = Subject::Relation(QualifiedName::new("public", "chats"));
        Finding::new(Rule::DataLost, subject, symptoms).seen(run)
    }

    fn reached(actor: &str, command: Command, rows: usize) -> Reached {
        let verdict = Verdict::Allowed { rows, of: 3, stopped_by: None };
        Reached { actor: actor.into(), command, class: RowClass::Other, verdict }
    }

    #[test]
    fn each_symptom_is_one_sentence() {
        let migration = || MigrationName { version: 4, name: "move".into() };
        let loss = || Loss {
            before: 3,
            after: 1,
            ..Loss::new(LossKind::RowsLost, QualifiedName::new("public", "chats"))
        };
        let widening = |readers: &[&str], values| Symptoms::Widening {
            migration: migration(),
            readers: readers.iter().map(|reader| (*reader).to_owned()).collect(),
            values,
        };
        let access = Symptoms::Access(vec![
            reached("bob", Command::Read, 2),
            reached("bob", Command::Delete, 3),
            reached("outsider", Command::Read, 3),
        ]);
        let unknown = |policies: &[&str], columns: &[&str], more: &[&str]| {
            let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
            let more = more.iter().map(|name| QualifiedName::new("public", *name)).collect();
            let (policies, columns, shows) = (owned(policies), owned(columns), Vec::new());
            Symptoms::Unknown { policies, columns, shows, more }
        };
        let back = Leg::Back { from: 4, file: "rollback/V4__move.sql".into() };
        for (symptoms, run, expected) in [
            (
                unknown(&["own"], &["keeper"], &[]),
                Run::First,
                "nothing has settled whose its rows are: the policy `own` relates them to who is \
                 asking, but no column and no foreign key could be read as their owner",
            ),
            (
                unknown(&["a", "b", "c"], &[], &[]),
                Run::First,
                "nothing has settled whose its rows are: the policies `a`, `b` and `c` relate them \
                 to who is asking, but no column and no foreign key could be read as their owner",
            ),
            (
                unknown(&[], &["keeper", "maker"], &["pages"]),
                Run::First,
                "nothing has settled whose its rows are (nor those of public.pages): `keeper` and `maker` \
                 could hold a user or a tenant, or lead to one, and nothing says which",
            ),
            (access, Run::First, "read on other rows by bob, outsider: allowed 2 of 3"),
            (
                Symptoms::Loss { migration: migration(), loss: loss() },
                Run::First,
                "V4 move: public.chats lost 2 of its 3 rows",
            ),
            (
                Symptoms::Loss { migration: migration(), loss: loss() },
                Run::RoundTrip,
                "there again, V4 move: public.chats lost 2 of its 3 rows",
            ),
            (
                Symptoms::Pair {
                    migration: migration(),
                    name: "all stay".into(),
                    lost: 1,
                    appeared: 0,
                },
                Run::First,
                "V4 move: \"all stay\" does not hold; rows lost: 1, appeared: 0",
            ),
            (
                Symptoms::Answer { migration: migration(), name: "list".into(), differing: 2 },
                Run::First,
                "V4 move: \"list\" is answered differently; rows that differ: 2",
            ),
            (
                widening(&["bob"], 1),
                Run::First,
                "V4 move: bob see 1 value here that only others saw before",
            ),
            (
                widening(&["a visitor", "bob", "carol"], 35),
                Run::OnGeneratedRows,
                "on generated rows, V4 move: a visitor and 2 more see 35 values here that only \
                 others saw before",
            ),
            (
                Symptoms::FailsOnRows { migration: migration() },
                Run::OnGeneratedRows,
                "V4 move cannot be applied where the table has a row",
            ),
            (
                Symptoms::RoundTrip { step: back, has_failed: true },
                Run::RoundTrip,
                "the way back from V4 fails",
            ),
            (
                Symptoms::RoundTrip { step: Leg::ThereAgain { to: 5 }, has_failed: false },
                Run::RoundTrip,
                "the way there again leaves schema or rows as they were not",
            ),
            (Symptoms::Stated("a fact".into()), Run::First, "a fact"),
        ] {
            assert_eq!(finding(symptoms, run).message(), expected);
        }
    }

    #[test]
    fn each_proof_is_told_line_by_line() {
        let attempt = |row: Option<&str>| Proof::Attempt {
            actor: "bob".into(),
            statement: "delete from chats".into(),
            row: row.map(str::to_owned),
        };
        let answers = |differing| Proof::Answers {
            first: vec![AnswerDifference { before: "a = 1".into(), after: "a = 2".into() }],
            differing,
        };
        let seen = Proof::Seen {
            reader: "bob".into(),
            statement: "select text from lines".into(),
            value: "a \"secret\"".into(),
            audience: vec!["alice".into(), "amir".into()],
        };
        let many: Vec<String> = (0..22).map(|at| format!("gone: {at}")).collect();
        let mut shown: Vec<&str> = many.iter().take(20).map(String::as_str).collect();
        shown.push("and 2 more");
        for (proof, expected) in [
            (attempt(None), vec!["as bob: delete from chats"]),
            (attempt(Some("id 1")), vec!["as bob: delete from chats", "reached: id 1"]),
            (Proof::Rows(vec!["{\"id\":1}".into()]), vec!["row: {\"id\":1}"]),
            (answers(1), vec!["before: a = 1", "after:  a = 2"]),
            (answers(3), vec!["before: a = 1", "after:  a = 2", "and 2 more rows differ"]),
            (
                seen,
                vec![
                    "as bob: select text from lines",
                    "seen: \"a \\\"secret\\\"\"",
                    "before only by: alice, amir",
                ],
            ),
            (Proof::Lines(vec!["fails: no".into()]), vec!["fails: no"]),
            (Proof::Lines(many.clone()), shown.clone()),
        ] {
            let mut finding = finding(Symptoms::Stated(String::new()), Run::First);
            assert_eq!(finding.evidence_lines(), [""; 0]);
            finding.evidence = Some(proof);
            assert_eq!(finding.evidence_lines(), expected);
        }
    }
}
