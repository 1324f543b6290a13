//! The last version is taken back by its file in `rollback/`, under the lock, the guards and the census of a push:
//! `leakproof rollback`.

use std::fmt::Write;

use crate::error::{Error, Result};
use crate::finding::value::Finding;
use crate::preserve::uncountable;
use crate::project::Project;
use crate::project::files::SqlFile;
use crate::project::guard::refuse_unguardable_outside;
use crate::project::outside::{Way, way_of};
use crate::push::address::Address;
use crate::push::attempt::{Direction, most_counted};
use crate::push::connected::{Connected, read_histories};
use crate::push::event::{Event, Tell};
use crate::push::going::{Going, going};
use crate::push::receipt::Receipt;
use crate::push::refuse::refuse_statements;
use crate::push::standing::{Histories, State};
use crate::push::{Push, PushOptions, lock};
use crate::report::text::findings::write_finding;
use crate::session::failed::failing;
use crate::sql::statement::split;
use crate::words::{counted, printable};

/// A rollback that is decided, and not begun.
pub struct Rollback<'p> {
    push: Push<'p>,
    file: &'p SqlFile,
    allows_loss: bool,
    text: String,
}

/// What came of a rollback.
#[derive(Debug, Default)]
pub struct RolledBack {
    /// What would be lost, where that is not allowed. Then nothing was taken back.
    pub lost: Vec<Finding>,
    text: String,
}

impl RolledBack {
    /// What is to be said at the end.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl<'p> Rollback<'p> {
    /// Connects, and looks what the last version is and what goes with it.
    ///
    /// # Errors
    /// Nothing is applied there, the last version is not as it is here, it has no file in `rollback/`, or one that
    /// cannot be run.
    pub fn open(
        project: &'p Project,
        address: Address,
        allows_loss: bool,
        options: PushOptions,
    ) -> Result<Self> {
        let mut push = Push::connect(project, address, options)?;
        let file = file_of_last(project, &push.histories)?;
        let text = plan_text(&mut push, file, allows_loss)?;
        Ok(Self { push, file, allows_loss, text })
    }

    /// The version, as it is shown.
    pub fn title(&self) -> String {
        self.file.title()
    }

    /// Host, port, database and role.
    pub fn target(&self) -> &str {
        self.push.target()
    }

    /// The target, and what goes.
    pub fn plan(&self) -> &str {
        &self.text
    }

    /// Takes the version back, whole or not at all; `tell` hears of it.
    ///
    /// # Errors
    /// Somebody else is pushing, the target has changed, a statement that fails.
    pub fn apply(mut self, tell: &mut Tell<'_>) -> Result<RolledBack> {
        let _at_work = self.push.begin_work();
        let done = self.take_back(tell);
        let title = self.file.title();
        match done {
            Err(error) if self.push.options.interrupt.is_set() => {
                let is_answer =
                    error.refusal().is_some() || !self.push.target.connection.is_closed();
                let what = if is_answer { "is still applied" } else { "may be applied or not" };
                Err(Error::new(format!("interrupted: {title} {what}")))
            }
            done => done,
        }
    }

    fn take_back(&mut self, tell: &mut Tell<'_>) -> Result<RolledBack> {
        let Self { push, file, allows_loss, .. } = self;
        let title = file.title();
        let PushOptions { lock_wait, interrupt, .. } = push.options.clone();
        lock::take(&mut push.target.connection, (lock_wait, &interrupt), tell)?;
        push.histories = read_histories(&mut push.target.connection, push.project)?;
        if file_of_last(push.project, &push.histories)?.version() != file.version() {
            return Err(Error::new("the target has changed since the plan was made")
                .cause(format!("{title} is not the last version any more"))
                .help("see what has changed with `leakproof status`"));
        }
        tell(&Event::TakingBack(&title));
        let direction = Direction::Back { allows_loss: *allows_loss };
        let how = match push.apply_file(file, direction, tell)? {
            Ok(how) => how,
            Err(lost) => {
                let mut text = format!("kept        {title}: taking it back would lose this\n");
                // Writing to a string does not fail.
                for finding in &lost {
                    let _ = write_finding(&mut text, finding);
                }
                text.push_str("  help: where that is meant, say `--allow-loss`\n");
                return Ok(RolledBack { lost, text: printable(&text) });
            }
        };
        push.reload(1, tell);
        tell(&Event::Applied(&Receipt { title, how }));
        Ok(RolledBack::default())
    }
}

/// The file that takes the last version back.
fn file_of_last<'p>(project: &'p Project, histories: &Histories) -> Result<&'p SqlFile> {
    let standings = histories.beside(project);
    let last = standings.iter().rfind(|one| one.state != State::Pending);
    let Some(last) = last else {
        return Err(
            Error::new("there is nothing to take back").cause("no version is applied there")
        );
    };
    let (version, name) = (last.version, &last.name);
    if last.state != State::Applied {
        return Err(Error::new(format!("V{version} {name} cannot be taken back"))
            .cause("it is the last version there, and not as it is here")
            .help("`leakproof status` says how it stands, and `leakproof repair` mends that"));
    }
    let file = project.rollback(version).ok_or_else(|| {
        let there = project.migrations().iter().find(|file| file.version() == version);
        let path = there.and_then(|file| file.path().file_name()).unwrap_or_default();
        Error::new(format!("V{version} {name} has no way back"))
            .cause("only the last version is taken back, by its file in `rollback/`")
            .help(format!(
                "write `rollback/{}`, and try it with `leakproof check --round-trip`",
                path.display()
            ))
    })?;
    refuse_unguardable_outside(file, file.raw())?;
    refuse_statements(file)?;
    match way_of(file)? {
        Way::Transaction => Ok(file),
        Way::Statements => Err(Error::new(format!("`{}` cannot be run", file.path().display()))
            .cause("it would run outside a transaction, in which nothing could be taken back")
            .help("write the plain form, such as `drop index` without `concurrently`")),
    }
}

fn plan_text(push: &mut Push<'_>, file: &SqlFile, allows_loss: bool) -> Result<String> {
    let mut text = format!("target      {}\n", push.target());
    let statements = counted(split(file.raw()).len(), "statement");
    let path = file.path().display();
    let _ = writeln!(text, "takes back  {}  {path}, {statements}", file.title());
    let going = going(file.raw());
    for one in &going {
        let _ = writeln!(text, "  {}", sentence(&mut push.target, one)?);
    }
    if going.is_empty() {
        text.push_str("  it names no table, column or row that goes\n");
    }
    let settings = push.target.settings.clone();
    let uncounted = push.target.connection.uncommitted(|session| {
        settings.into_iter().for_each(|setting| session.say(setting));
        uncountable(session, &[(file.raw(), &[])], most_counted(push.options.lock_budget))
    })?;
    for line in uncounted.concat() {
        let _ = writeln!(text, "  {line}");
    }
    text.push_str(match allows_loss {
        true => "allowed     rows and values may go with it\n",
        false => "allowed     no row and no value may go with it; else nothing is taken back\n",
    });
    Ok(printable(&text))
}

/// What goes, and how much of it is there.
fn sentence(target: &mut Connected, going: &Going) -> Result<String> {
    Ok(match going {
        Going::Table(table) => {
            let rows = count(target, &format!("select pg_catalog.count(*) from {table}"))?;
            format!("table {table} goes, with {}", said(rows, "row"))
        }
        Going::Column { table, column } => {
            let values = count(target, &format!("select pg_catalog.count({column}) from {table}"))?;
            format!("column {table}.{column} goes, with {}", said(values, "value"))
        }
        Going::Rows(table) => {
            let rows = count(target, &format!("select pg_catalog.count(*) from {table}"))?;
            format!("rows of {table} go, which has {}", said(rows, "row"))
        }
        Going::Unknown(what) => format!("what `{what}` does to rows is seen only when it runs"),
    })
}

fn said(count: Option<usize>, what: &str) -> String {
    count.map_or(format!("{what}s that could not be counted now"), |count| counted(count, what))
}

/// A number of rows, if it can be had soon and in nobody's way.
fn count(target: &mut Connected, query: &str) -> Result<Option<usize>> {
    let settings = target.settings.clone();
    let counted = target.connection.uncommitted(|session| {
        settings.into_iter().for_each(|setting| session.say(setting));
        session.say("set local statement_timeout = '10s'");
        session.say("set local row_security = off");
        session.texts_as_auditor(query).map_err(failing("count rows"))
    });
    match counted {
        Ok(texts) => Ok(texts.concat().parse().ok()),
        Err(error) if error.refusal().is_some() => Ok(None),
        Err(error) => Err(error),
    }
}
