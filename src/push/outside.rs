//! A file that runs outside a transaction: one statement a message, each written down as it is begun and done. The
//! file is in the histories once its last statement has run, so that two pushes are kept apart by their lock alone;
//! another tool that applies the same file meanwhile is not.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::migrate::run::{Server, error_of};
use crate::project::files::SqlFile;
use crate::project::outside::{Kind, NewIndex, is_patient, kind_of};
use crate::push::attempt::{CLAIM, Direction, see_rows_of_history};
use crate::push::connected::Connected;
use crate::push::event::{Event, Tell};
use crate::push::index::{Found, expect_same, find};
use crate::push::interrupt::Interrupt;
use crate::push::own::{Own, make};
use crate::push::progress::{self, Progress};
use crate::push::receipt::{How, NOT_COUNTED};
use crate::push::standing::Histories;
use crate::push::stored::{Action, NOT_STORED, Stored};
use crate::refusal::QUERY_CANCELED;
use crate::session::failed::{Failed, failing};
use crate::session::open::Session;
use crate::sql::quote::{fill, literal};
use crate::sql::statement::{Statement, split, words};
use crate::words::counted;

/// How often it looks who is in the way.
const PACE: Duration = Duration::from_millis(100);

/// After so long somebody is told.
const QUIET: Duration = Duration::from_millis(500);

/// What leaves a statement half done, so that it is still the one that was begun: a lock or a person in its way.
const HALF_WAY: [&str; 4] = ["55P03", "40P01", "40001", QUERY_CANCELED];

/// What the server says where a statement has been done already: there is one, or there is none.
const DONE_ALREADY: [(&str, [&str; 2]); 2] =
    [("create", ["42P04", "42710"]), ("drop", ["42704", "3D000"])];

/// What was done about a statement before it is run.
enum Ahead {
    /// It has to run.
    Run,
    /// Another one does the rest of it.
    Instead(String),
    /// It is done already.
    Done(Option<String>),
}

/// How many statements of a file are done.
#[derive(Debug, Default)]
pub(crate) struct Ran {
    /// By the pushes before.
    at_first: Option<usize>,
    /// In all.
    pub now: usize,
}

/// A file to be applied.
pub(crate) struct Outside<'a> {
    pub histories: &'a Histories,
    pub file: &'a SqlFile,
    /// Whether a receipt is stored.
    pub stores: bool,
    /// What a rehearsal said of it, for the receipt.
    pub rehearsed: &'a Value,
    /// How long a statement waits for locks behind which nobody waits who reads or writes.
    pub lock_wait: Duration,
    /// How long any other does.
    pub lock_timeout: Duration,
    pub interrupt: &'a Interrupt,
}

impl Outside<'_> {
    /// Runs what is left of the file, and writes it down as applied.
    ///
    /// # Errors
    /// The first statement that fails; what has run stays.
    pub(crate) fn make(
        &self,
        target: &mut Connected,
        ran: &mut Ran,
        tell: &mut Tell<'_>,
    ) -> Result<How> {
        let begun = Instant::now();
        let made = self.run(target, ran, tell);
        // Of a lost connection something else is told.
        let put_back = target.connection.put_back();
        let (statements, resumed, mut notes) = made?;
        put_back.map_err(failing("put back the settings of the session"))?;
        let receipt = json!({
            "rehearsed": self.rehearsed,
            "statements": statements,
            "resumed": resumed,
            "not_counted": [NOT_COUNTED],
            "noted": notes,
        });
        self.write_down(target, begun, receipt)?;
        notes.extend((!self.stores).then(|| NOT_STORED.to_owned()));
        Ok(How::Outside { statements, resumed, notes, took: begun.elapsed() })
    }

    fn run(
        &self,
        target: &mut Connected,
        ran: &mut Ran,
        tell: &mut Tell<'_>,
    ) -> Result<(usize, usize, Vec<String>)> {
        let statements = split(self.file.raw());
        let settings = target.settings.clone();
        let about = (self.file, statements.as_slice());
        let known = Progress::read(&mut target.connection, &settings, about)?;
        ran.now = known.done();
        let resumed = *ran.at_first.get_or_insert(ran.now);
        let of_session = settings.iter().filter_map(|one| one.strip_prefix("set local "));
        let of_session: Vec<String> = of_session.map(|one| format!("set session {one}")).collect();
        let set = target.connection.rows(&of_session.join("; "));
        set.map_err(failing("set how long statements may take"))?;
        let sets_timeout = |one: &Statement<'_>| {
            kind_of(one.text) == Kind::Session && words(one.text).any(|word| word == "lock_timeout")
        };
        let has_own_timeout = statements.iter().any(sets_timeout);
        let mut notes = Vec::new();
        for (at, statement) in statements.iter().enumerate() {
            let number = at + 1;
            let kind = kind_of(statement.text);
            if kind != Kind::Session && known.is_done(number) {
                continue;
            }
            if !has_own_timeout {
                self.set_lock_timeout(target, statement)?;
            }
            let step = Step { of: self, statement, number, is_begun: known.is_begun(number) };
            notes.extend(step.make(target, &kind, tell)?);
            ran.now += usize::from(kind != Kind::Session);
        }
        Ok((statements.len(), resumed, notes))
    }

    fn set_lock_timeout(&self, target: &mut Connected, statement: &Statement<'_>) -> Result<()> {
        let least = self.lock_timeout;
        let timeout = if is_patient(statement.text) { self.lock_wait.max(least) } else { least };
        let set = format!("set session lock_timeout = {}", timeout.as_millis().max(1));
        target.connection.rows(&set).map(drop).map_err(failing("set how long to wait for a lock"))
    }

    fn write_down(&self, target: &mut Connected, begun: Instant, receipt: Value) -> Result<()> {
        let (records, settings) = (self.histories.record_sql(self.file)?, target.settings.clone());
        target.connection.transaction(|session| {
            settings.into_iter().for_each(|setting| session.say(setting));
            let own: &[Own] = if self.stores { &[Own::Receipts] } else { &[] };
            make(session, &self.histories.kinds().collect::<Vec<_>>(), own)?;
            for record in &records {
                session.run(record).map_err(failing(CLAIM))?;
            }
            see_rows_of_history(session, self.histories, (self.file, Direction::There))?;
            let forget = progress::forget_sql(self.file.version());
            session.run(&forget).map_err(failing("forget how far a file had come"))?;
            if !self.stores {
                return Ok(());
            }
            let (version, name, took) = (self.file.version(), self.file.name(), begun.elapsed());
            let (action, file) = (Action::Push, Some(self.file));
            Stored { action, version, name, file, took, receipt }.write(session)
        })
    }
}

/// A statement to be run.
struct Step<'a> {
    of: &'a Outside<'a>,
    statement: &'a Statement<'a>,
    number: usize,
    /// Whether it was begun before, by who could not say how it ended.
    is_begun: bool,
}

impl Step<'_> {
    /// Runs it, and writes down that it is done. Gives what is to be known of it.
    fn make(
        &self,
        target: &mut Connected,
        kind: &Kind,
        tell: &mut Tell<'_>,
    ) -> Result<Option<String>> {
        match kind {
            Kind::Session => {
                let ran = target.connection.statement(self.statement.text);
                return ran.map(|()| None).map_err(|failed| self.failed(failed, None));
            }
            Kind::Transaction => return self.make_whole(target).map(|()| None),
            _ => {}
        }
        let (text, note) = match self.ahead(target, kind)? {
            Ahead::Run => (self.statement.text.to_owned(), None),
            Ahead::Instead(other) => (other, None),
            Ahead::Done(note) => return self.end(target).map(|()| note),
        };
        self.write(target, |session, step| progress::begin(session, step, self.statement))?;
        let title = self.of.file.title();
        match run_watched(target, &text, &title, tell) {
            Ok(()) => self.expect_valid(target, kind)?,
            Err(failed) if self.is_begun && self.says_done(&failed) => {}
            Err(failed) => return Err(self.give_up(target, kind, failed)),
        }
        self.end(target).map(|()| note)
    }

    fn says_done(&self, failed: &Failed) -> bool {
        let first = words(self.statement.text).next();
        let known = DONE_ALREADY.iter().find(|(word, _)| first.as_deref() == Some(*word));
        known.is_some_and(|(_, codes)| codes.iter().any(|code| failed.has_state(code)))
    }

    /// Runs it in one transaction with what is written down of it.
    fn make_whole(&self, target: &mut Connected) -> Result<()> {
        let (become_role, place) = (target.become_role(), (self.of.file, self.number));
        target.connection.step(|session| {
            let ran = session.execute_one(self.statement.text);
            ran.map_err(|failed| self.failed(failed, None))?;
            session.say(become_role);
            progress::begin(session, place, self.statement)?;
            progress::end(session, place)
        })
    }

    fn end(&self, target: &mut Connected) -> Result<()> {
        self.write(target, |session, step| {
            progress::begin(session, step, self.statement)?;
            progress::end(session, step)
        })
    }

    /// Writes something down, as whom files are applied.
    fn write(
        &self,
        target: &mut Connected,
        work: impl FnOnce(&mut Session, (&SqlFile, usize)) -> Result<()>,
    ) -> Result<()> {
        let become_role = target.become_role();
        target.connection.step(|session| {
            session.say(become_role);
            work(session, (self.of.file, self.number))
        })
    }

    /// Clears away what an attempt before has left.
    fn ahead(&self, target: &mut Connected, kind: &Kind) -> Result<Ahead> {
        match kind {
            Kind::Index(index) => match find(&mut target.connection, index)? {
                Found::Nothing => Ok(Ahead::Run),
                Found::Invalid(name) => {
                    self.drop_index(target, &name)?;
                    Ok(Ahead::Run)
                }
                Found::Valid(definition) => {
                    let settings = target.settings.clone();
                    expect_same(&mut target.connection, &settings, (index, &definition))?;
                    let note =
                        format!("index {} was there already, with the same definition", index.name);
                    Ok(Ahead::Done((!self.is_begun).then_some(note)))
                }
            },
            Kind::Reindex { name, .. } if self.is_begun => {
                let query = fill(include_str!("leftover.sql"), &[("@name@", literal(name))]);
                let left = target.connection.rows(&query).map_err(failing("look for indexes"))?;
                for name in left.into_iter().flatten().flatten() {
                    self.drop_index(target, &name)?;
                }
                Ok(Ahead::Run)
            }
            Kind::Detach { table, partition } if self.is_begun => {
                let values = [("@table@", literal(table)), ("@partition@", literal(partition))];
                let query = fill(include_str!("detach.sql"), &values);
                let state =
                    target.connection.rows(&query).map_err(failing("look for a partition"))?;
                Ok(match state.concat().first().and_then(Option::as_deref) {
                    Some("half") => Ahead::Instead(format!(
                        "alter table {table} detach partition {partition} finalize"
                    )),
                    Some("out") => Ahead::Done(None),
                    _ => Ahead::Run,
                })
            }
            _ => Ok(Ahead::Run),
        }
    }

    fn drop_index(&self, target: &mut Connected, name: &str) -> Result<()> {
        let dropped = target.connection.statement(&format!("drop index concurrently {name}"));
        dropped.map_err(failing("drop an index that was not finished"))
    }

    fn expect_valid(&self, target: &mut Connected, kind: &Kind) -> Result<()> {
        let Kind::Index(index) = kind else { return Ok(()) };
        match find(&mut target.connection, index)? {
            Found::Valid(_) => Ok(()),
            _ => Err(Error::new(format!("the index {} is not there, or not valid, once it was built", index.name))
                .help("see what the server's log says, and push again: what is not valid is dropped first")),
        }
    }

    /// What is said of a statement that the server has refused; an index that it has left behind is dropped.
    fn give_up(&self, target: &mut Connected, kind: &Kind, failed: Failed) -> Error {
        if failed.refusal().is_none() {
            return self.failed(failed, None);
        }
        self.of.interrupt.hear();
        let left = match kind {
            Kind::Index(index) => self.clear_away(target, index),
            _ => None,
        };
        if !HALF_WAY.iter().any(|code| failed.has_state(code)) {
            // That it is begun does no harm but where the same fails for another reason the next time.
            let _ = self.write(target, progress::take_back);
        }
        self.failed(failed, left)
    }

    /// Drops what is left of an index, if nobody is in the way; else gives its name.
    fn clear_away(&self, target: &mut Connected, index: &NewIndex) -> Option<String> {
        let Ok(Found::Invalid(name)) = find(&mut target.connection, index) else { return None };
        let timeout = self.of.lock_timeout.as_millis().max(1);
        let dropped = target
            .connection
            .rows(&format!("set session lock_timeout = {timeout}"))
            .and_then(|_| target.connection.statement(&format!("drop index concurrently {name}")));
        dropped.is_err().then_some(name)
    }

    fn failed(&self, failed: Failed, left: Option<String>) -> Error {
        let raw = self.of.file.raw();
        let error = error_of((self.of.file, raw), self.statement, failed, Server::default());
        if error.refusal().is_none() {
            return error;
        }
        let before = match self.number {
            1 => "nothing of this file was kept".to_owned(),
            number => format!("the {} before it stay", counted(number - 1, "statement")),
        };
        let left = left.map_or(String::new(), |name| {
            format!("; the index {name} is left and not valid, and the next push drops it first")
        });
        error.help(format!(
            "{before}; mend the statement and push again: it goes on from here{left}"
        ))
    }
}

/// Runs a statement, and tells who is in its way.
fn run_watched(
    target: &mut Connected,
    statement: &str,
    title: &str,
    tell: &mut Tell<'_>,
) -> Result<(), Failed> {
    let Connected { connection, blockers, .. } = target;
    let (begun, mut is_told) = (Instant::now(), false);
    thread::scope(|scope| {
        let (sender, receiver) = channel();
        scope.spawn(move || {
            // Who hears of it is there until it is said.
            let _ = sender.send(connection.statement(statement));
        });
        loop {
            match receiver.recv_timeout(PACE) {
                Ok(ran) => return ran,
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Failed::Lost("nobody heard what came of it".into()));
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            let by = blockers.seen();
            if !is_told && begun.elapsed() >= QUIET && !by.is_empty() {
                is_told = true;
                tell(&Event::Behind { title, by: &by });
            }
        }
    })
}
