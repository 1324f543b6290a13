//! Recorded calls: what the API answers right before a migration and right after it.
//!
//! Both are asked in the migration's own transaction, under a savepoint that is rolled back: `now()`
//! is the same, and nothing that a call writes stays, nor a number that it draws from a sequence. The
//! first time a call is made twice, so that one which never answers the same is refused.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::actor::caller;
use crate::discretion::Discretion;
use crate::error::{Error, Result};
use crate::platform::Platform;
use crate::preserve::outcome::{AnswerDifference, CallOutcome};
use crate::preserve::steady::pin_formats;
use crate::project::Project;
use crate::project::calls::RecordedCall;
use crate::project::files::SqlFile;
use crate::refusal::Refusal;
use crate::session::failed::{Failed, failing};
use crate::session::impersonation::Impersonation;
use crate::session::open::Session;
use crate::session::outcome::{Outcome, TextRow};
use crate::session::rewind::Rewind;
use crate::sql::quote::{identifier, literal};
use crate::sql::statement::{split, words};

/// What could not be done where a statement of ours fails.
const ATTEMPT: &str = "make recorded calls";

/// How many differing rows a report shows.
const SHOWN_ROWS: usize = 3;

/// The calls whose answers a migration must leave alone, and their answers before it.
pub(crate) struct Recorded<'p> {
    calls: Vec<CallBy<'p>>,
    answers: Vec<Answer>,
}

/// A call, and who makes it.
struct CallBy<'p> {
    call: &'p RecordedCall,
    who: Impersonation,
}

/// Makes the calls that are compared across the migration to `version`, in its transaction.
///
/// # Errors
/// A call that answers differently when it is made again, or that does not fit the schema.
pub(crate) fn record_calls<'p>(
    session: &mut Session,
    project: &'p Project,
    version: i64,
) -> Result<Recorded<'p>> {
    let platform = Platform::of(project);
    let by = |call: &'p RecordedCall| Ok(CallBy { call, who: caller(&platform, call.caller())? });
    let calls: Vec<CallBy<'p>> =
        project.calls(version).into_iter().map(by).collect::<Result<_>>()?;
    let earlier =
        project.migrations().iter().map(SqlFile::version).filter(|other| *other < version);
    let previous = earlier.max();
    let answers = make_calls(session, &calls, |rewind, call| {
        let answer = ask(rewind, call)?;
        // What was right and steady once, and is not any more, is a changed answer.
        if previous != Some(call.version()) {
            return Ok(answer);
        }
        // A mistyped name would be the same error for ever.
        if let Some(misfit) = &answer.misfit {
            return Err(Error::new(format!(
                "the call at `{}` does not fit the schema of version {}",
                call.place(),
                call.version()
            ))
            .cause(misfit)
            .help("correct the call; it is made from the version of its file on"));
        }
        match difference(&answer, &ask(rewind, call)?).first() {
            Some(difference) => Err(unsteady(call, difference, project.discretion())),
            None => Ok(answer),
        }
    })?;
    Ok(Recorded { calls, answers })
}

impl Recorded<'_> {
    /// Makes the same calls after the migration, and compares.
    ///
    /// # Errors
    /// A lost connection.
    pub(crate) fn compare(&self, session: &mut Session) -> Result<Vec<CallOutcome>> {
        let answers = make_calls(session, &self.calls, ask)?;
        let both = self.answers.iter().zip(&answers);
        let outcomes = self.calls.iter().zip(both).map(|(by, (before, after))| {
            let mut first = difference(before, after);
            let differing = first.len();
            first.truncate(SHOWN_ROWS);
            let (name, place) = (by.call.name().to_owned(), by.call.place());
            CallOutcome { name, place, differing, first }
        });
        Ok(outcomes.collect())
    }
}

/// Does something with each call as who makes it.
fn make_calls(
    session: &mut Session,
    calls: &[CallBy<'_>],
    make: impl Fn(&mut Rewind<'_>, &RecordedCall) -> Result<Answer>,
) -> Result<Vec<Answer>> {
    if calls.is_empty() {
        return Ok(Vec::new());
    }
    pin_formats(session);
    let put_sequences_back = sequences(session)?;
    let mut answers = Vec::new();
    for same in calls.chunk_by(|one, next| one.who == next.who) {
        session.rewinding(&same[0].who, None, |mut rewind| {
            for by in same {
                answers.push(make(&mut rewind, by.call)?);
            }
            Ok(())
        })?;
    }
    session.as_owner(&put_sequences_back).map_err(failing(ATTEMPT))?;
    Ok(answers)
}

/// Statements that set every sequence to what it is now: rolling back does not.
pub(crate) fn sequences(session: &mut Session) -> Result<String> {
    if session.is_in_real_database() {
        // Others take numbers meanwhile, and would get them twice.
        return Ok(String::new());
    }
    let query = "select pg_catalog.format('select pg_catalog.setval(%s::oid::regclass, %s, %L)', \
             q.seqrelid::oid, coalesce(l.value, q.seqstart), l.value is not null) \
         from pg_catalog.pg_sequence q \
             join pg_catalog.pg_class c on c.oid = q.seqrelid and c.relpersistence <> 't', \
             lateral (select pg_catalog.pg_sequence_last_value(q.seqrelid)) as l (value) \
         where pg_catalog.has_sequence_privilege(q.seqrelid, 'select, update') \
         order by q.seqrelid";
    let statements = session.texts_as_auditor(query).map_err(failing("read the sequences"))?;
    Ok(statements.join("; "))
}

/// What a call answers.
#[derive(Default)]
struct Answer {
    /// Each row, as text that is equal only where the row is; and each statement without rows.
    lines: Vec<Line>,
    /// How many bytes of their texts are kept.
    kept: usize,
    /// The error, where it is about the text of the call and not about what the call met.
    misfit: Option<String>,
}

/// A line of an answer, of which the text is kept as long as there is room.
struct Line {
    hash: u64,
    text: Option<String>,
}

/// Of an answer so many bytes are kept to be shown.
const MOST_KEPT: usize = 1 << 20;

/// How many rows of an answer are read at a time.
const ROWS_AT_A_TIME: usize = 500;

impl Answer {
    fn add(&mut self, text: String) {
        self.add_told(text, "");
    }

    /// Adds what is more than is told of it.
    fn add_told(&mut self, text: String, more: &str) {
        let mut hasher = DefaultHasher::new();
        (&text, more).hash(&mut hasher);
        self.kept += text.len();
        let text = (self.kept <= MOST_KEPT).then_some(text);
        self.lines.push(Line { hash: hasher.finish(), text });
    }

    fn of(lines: impl IntoIterator<Item = String>) -> Self {
        let mut answer = Self::default();
        lines.into_iter().for_each(|line| answer.add(line));
        answer
    }
}

/// Makes a call on what was there before all of them. What is deferred to the commit belongs to the
/// answer.
fn ask(rewind: &mut Rewind<'_>, call: &RecordedCall) -> Result<Answer> {
    let statements = split(call.sql());
    let texts: Vec<&str> = statements.iter().map(|statement| statement.text).collect();
    if let [query] = texts.as_slice()
        && let Some(answer) = ask_in_parts(rewind, query)
    {
        return Ok(answer);
    }
    match rewind.attempt_each(&texts, "set constraints all immediate") {
        Ok(attempted) => Ok(Answer::of(lines(attempted.outcomes))),
        Err(Failed::Refused(refusal)) => {
            let code = &refusal.sqlstate;
            let misfit = is_misfit(&refusal).then(|| refusal.reason());
            let mut answer = Answer { misfit, ..Answer::default() };
            match call.compares_errors_by_code() {
                true => answer.add(format!("error {code}")),
                // What may not be told is compared all the same.
                false => answer.add_told(
                    format!("error {code}: {}", refusal.message),
                    refusal.hidden.as_deref().unwrap_or_default(),
                ),
            }
            Ok(answer)
        }
        // A server that goes away has not answered.
        Err(lost) => Err(failing(&format!("make the call at `{}`", call.place()))(lost)),
    }
}

/// Asks a query that may have any number of rows without holding them all. None where it is none, or where
/// it fails: then it is asked as it stands.
fn ask_in_parts(rewind: &mut Rewind<'_>, query: &str) -> Option<Answer> {
    const QUERIES: [&str; 4] = ["select", "with", "values", "table"];
    let first = words(query).next()?;
    if query.contains(';') || !QUERIES.contains(&first.as_str()) {
        return None;
    }
    let declare = format!("declare leakproof_call no scroll cursor for {query}");
    rewind.attempt(&declare, None).ok()?;
    let mut answer = Answer::default();
    loop {
        let part = rewind.go_on(&format!("fetch {ROWS_AT_A_TIME} from leakproof_call")).ok()?;
        let rows = part.last().map_or(0, |outcome| outcome.rows.len());
        if rows > 0 || answer.lines.is_empty() {
            part.into_iter().flat_map(lines_of).for_each(|line| answer.add(line));
        }
        if rows < ROWS_AT_A_TIME {
            break;
        }
    }
    rewind.go_on("set constraints all immediate").ok()?;
    Some(answer)
}

/// Whether the server could make no sense of the text: a syntax error, or a name that is not there.
fn is_misfit(refusal: &Refusal) -> bool {
    let code = refusal.sqlstate.as_str();
    refusal.position.is_some() && code != "42501" && (code.starts_with("42") || code == "3F000")
}

fn lines(mut outcomes: Vec<Outcome>) -> Vec<String> {
    // The last one is ours.
    outcomes.pop();
    let is_one = outcomes.len() == 1;
    let of_each = outcomes.into_iter().enumerate().flat_map(|(at, outcome)| {
        let number = if is_one { String::new() } else { format!("{}. ", at + 1) };
        lines_of(outcome).into_iter().map(move |line| format!("{number}{line}"))
    });
    of_each.collect()
}

/// A line for each row of a statement, or for what it says without any.
fn lines_of(outcome: Outcome) -> Vec<String> {
    let Some(columns) = outcome.columns else {
        return vec![format!("{} rows reached", outcome.reached)];
    };
    let names: Vec<String> = columns.iter().map(|name| identifier(name)).collect();
    if outcome.rows.is_empty() {
        return vec![format!("no row of {}", names.join(", "))];
    }
    let line = |row: TextRow| {
        let values = names.iter().zip(row).map(|(name, value)| match value {
            Some(value) => format!("{name} = {}", literal(&value)),
            None => format!("{name} = null"),
        });
        values.collect::<Vec<_>>().join(", ")
    };
    outcome.rows.into_iter().map(line).collect()
}

/// The rows that are not the same in the same place.
fn difference(before: &Answer, after: &Answer) -> Vec<AnswerDifference> {
    let places = 0..before.lines.len().max(after.lines.len());
    let pairs = places.map(|at| (before.lines.get(at), after.lines.get(at)));
    let shown = |line: Option<&Line>| match line {
        None => "nothing".to_owned(),
        Some(Line { text: Some(text), .. }) => text.clone(),
        Some(Line { text: None, .. }) => {
            "a row beyond the first megabyte, which is not kept".into()
        }
    };
    let hash = |line: Option<&Line>| line.map(|line| line.hash);
    pairs
        .filter(|(before, after)| hash(*before) != hash(*after))
        .map(|(before, after)| AnswerDifference { before: shown(before), after: shown(after) })
        .collect()
}

fn unsteady(call: &RecordedCall, difference: &AnswerDifference, discretion: Discretion) -> Error {
    let (first, then) = discretion.of_both(difference).shortened();
    Error::new(format!("the call at `{}` answers differently when it is made again", call.place()))
        .cause(format!("\"{}\" answers\n    first {first}\n    then  {then}", call.name()))
        .help(
            "leave what changes each time out of its answer, such as a random id, the time of day, \
             or a number drawn from a sequence",
        )
}
