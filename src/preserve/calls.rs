//! Recorded calls: what the API answers right before a migration and right after it.
//!
//! Both are asked in the migration's own transaction, under a savepoint that is rolled back: `now()`
//! is the same, and nothing that a call writes stays, nor a number that it draws from a sequence. The
//! first time a call is made twice, so that one which never answers the same is refused.

use postgres::error::{DbError, ErrorPosition};
use postgres::{Client, SimpleQueryMessage};

use crate::actor::become_caller_sql;
use crate::error::{Error, Result};
use crate::platform::Platform;
use crate::platform::owner::Owner;
use crate::preserve::outcome::{AnswerDifference, CallOutcome};
use crate::project::Project;
use crate::project::calls::RecordedCall;
use crate::project::files::SqlFile;
use crate::session;
use crate::sql::quote::{identifier, literal};

/// How many differing rows a report shows.
const SHOWN_ROWS: usize = 3;

/// The calls whose answers a migration must leave alone, and their answers before it.
pub(crate) struct Recorded<'p> {
    calls: Vec<CallBy<'p>>,
    answers: Vec<Answer>,
}

/// A call, and the statements that turn the session into who makes it.
struct CallBy<'p> {
    call: &'p RecordedCall,
    become_sql: String,
}

/// Makes the calls that are compared across the migration to `version`, in its transaction.
///
/// # Errors
/// A call that answers differently when it is made again, or that does not fit the schema.
pub(crate) fn record_calls<'p>(
    client: &mut Client,
    project: &'p Project,
    owner: &Owner,
    version: i64,
) -> Result<Recorded<'p>> {
    let platform = Platform::of(project);
    let by = |call| Ok(CallBy { call, become_sql: become_sql(&platform, owner, call)? });
    let calls: Vec<CallBy<'p>> =
        project.calls(version).into_iter().map(by).collect::<Result<_>>()?;
    let earlier =
        project.migrations().iter().map(SqlFile::version).filter(|other| *other < version);
    let previous = earlier.max();
    let answers = make_calls(client, &calls, |client, call| {
        let answer = ask(client, call)?;
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
        match difference(&answer, &ask(client, call)?).first() {
            Some(difference) => Err(unsteady(call, difference)),
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
    pub(crate) fn compare(&self, client: &mut Client) -> Result<Vec<CallOutcome>> {
        let answers = make_calls(client, &self.calls, ask)?;
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

fn become_sql(platform: &Platform, owner: &Owner, call: &RecordedCall) -> Result<String> {
    let sql = become_caller_sql(platform, call.caller())?;
    Ok(sql.unwrap_or_else(|| {
        format!(
            "set local session authorization {}; set local search_path = {}",
            identifier(&owner.role),
            owner.search_path
        )
    }))
}

/// Does something with each call as who makes it. The session is put back only where all went well:
/// else the whole transaction is.
fn make_calls(
    client: &mut Client,
    calls: &[CallBy<'_>],
    make: impl Fn(&mut Client, &RecordedCall) -> Result<Answer>,
) -> Result<Vec<Answer>> {
    const PUT_BACK: &str =
        "rollback to savepoint leakproof_caller; release savepoint leakproof_caller";
    if calls.is_empty() {
        return Ok(Vec::new());
    }
    crate::preserve::steady::pin_formats(client)?;
    let put_sequences_back = sequences(client)?;
    let mut answers = Vec::new();
    for same in calls.chunk_by(|one, next| one.become_sql == next.become_sql) {
        let become_sql = &same[0].become_sql;
        own(client, &format!("savepoint leakproof_caller; {become_sql}; {SAVEPOINT}"))?;
        for by in same {
            answers.push(make(client, by.call)?);
        }
        own(client, PUT_BACK)?;
    }
    own(client, &put_sequences_back)?;
    Ok(answers)
}

/// Statements that set every sequence to what it is now: rolling back does not.
fn sequences(client: &mut Client) -> Result<String> {
    let query = "select pg_catalog.format('select pg_catalog.setval(%s::oid::regclass, %s, %L)', \
             q.seqrelid::oid, coalesce(l.value, q.seqstart), l.value is not null) \
         from pg_catalog.pg_sequence q \
             join pg_catalog.pg_class c on c.oid = q.seqrelid and c.relpersistence <> 't', \
             lateral (select pg_catalog.pg_sequence_last_value(q.seqrelid)) as l (value) \
         order by q.seqrelid";
    let rows = session::rows(client, query)
        .map_err(|cause| session::internal("read the sequences", &cause))?;
    Ok(rows.into_iter().flatten().flatten().collect::<Vec<_>>().join("; "))
}

const SAVEPOINT: &str = "savepoint leakproof_call";
const ROLL_BACK: &str = "rollback to savepoint leakproof_call";

fn own(client: &mut Client, sql: &str) -> Result<()> {
    client.batch_execute(sql).map_err(|cause| session::internal("make recorded calls", &cause))
}

/// What a call answers.
struct Answer {
    /// Each row, as text that is equal only where the row is; and each statement without rows.
    lines: Vec<String>,
    /// The error, where it is about the text of the call and not about what the call met.
    misfit: Option<String>,
}

/// Makes a call and takes back what it did. What is deferred to the commit belongs to the answer.
fn ask(client: &mut Client, call: &RecordedCall) -> Result<Answer> {
    let batch = format!("{}\n; set constraints all immediate; {ROLL_BACK}", call.sql());
    match client.simple_query(&batch) {
        Ok(messages) => Ok(Answer { lines: lines(&messages), misfit: None }),
        Err(cause) => {
            // A server that goes away has not answered.
            let error = cause.as_db_error().filter(|_| !cause.is_closed());
            let Some(error) = error.filter(|error| !error.code().code().starts_with("57P0")) else {
                return Err(session::internal(
                    &format!("make the call at `{}`", call.place()),
                    &cause,
                ));
            };
            own(client, ROLL_BACK)?;
            let code = error.code().code();
            let line = match call.compares_errors_by_code() {
                true => format!("error {code}"),
                false => format!("error {code}: {}", error.message()),
            };
            let misfit = is_misfit(error).then(|| session::reason(&cause));
            Ok(Answer { lines: vec![line], misfit })
        }
    }
}

/// Whether the server could make no sense of the text: a syntax error, or a name that is not there.
fn is_misfit(error: &DbError) -> bool {
    let is_in_text = matches!(error.position(), Some(ErrorPosition::Original(_)));
    let code = error.code().code();
    is_in_text && code != "42501" && (code.starts_with("42") || code == "3F000")
}

fn lines(messages: &[SimpleQueryMessage]) -> Vec<String> {
    let mut statements: Vec<Vec<String>> = Vec::new();
    let mut rows = Vec::new();
    let mut columns = None;
    for message in messages {
        match message {
            SimpleQueryMessage::RowDescription(described) => {
                let names: Vec<String> =
                    described.iter().map(|column| identifier(column.name())).collect();
                columns = Some(names);
            }
            SimpleQueryMessage::Row(row) => {
                let names = columns.iter().flatten().enumerate();
                let values = names.map(|(at, name)| match row.get(at) {
                    Some(value) => format!("{name} = {}", literal(value)),
                    None => format!("{name} = null"),
                });
                rows.push(values.collect::<Vec<_>>().join(", "));
            }
            SimpleQueryMessage::CommandComplete(count) => {
                match columns.take() {
                    Some(names) if rows.is_empty() => {
                        rows.push(format!("no row of {}", names.join(", ")));
                    }
                    None => rows.push(format!("{count} rows reached")),
                    Some(_) => {}
                }
                statements.push(std::mem::take(&mut rows));
            }
            _ => {}
        }
    }
    // The last two are ours.
    statements.truncate(statements.len().saturating_sub(2));
    let is_one = statements.len() == 1;
    let of_each = statements.into_iter().enumerate().flat_map(|(at, rows)| {
        let number = if is_one { String::new() } else { format!("{}. ", at + 1) };
        rows.into_iter().map(move |row| format!("{number}{row}"))
    });
    of_each.collect()
}

/// The rows that are not the same in the same place.
fn difference(before: &Answer, after: &Answer) -> Vec<AnswerDifference> {
    let line = |answer: &Answer, at: usize| answer.lines.get(at).cloned();
    let places = 0..before.lines.len().max(after.lines.len());
    let pairs = places.map(|at| (line(before, at), line(after, at)));
    let shown = |line: Option<String>| line.unwrap_or_else(|| "nothing".into());
    pairs
        .filter(|(before, after)| before != after)
        .map(|(before, after)| AnswerDifference { before: shown(before), after: shown(after) })
        .collect()
}

fn unsteady(call: &RecordedCall, difference: &AnswerDifference) -> Error {
    let (first, then) = difference.shortened();
    Error::new(format!("the call at `{}` answers differently when it is made again", call.place()))
        .cause(format!("\"{}\" answers\n    first {first}\n    then  {then}", call.name()))
        .help(
            "leave what changes each time out of its answer, such as a random id, the time of day, \
             or a number drawn from a sequence",
        )
}
