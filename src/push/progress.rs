//! How far a file has come that runs statement by statement: written down as each is begun and done, so that
//! whoever comes after a push that was killed goes on from there.

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::project::files::SqlFile;
use crate::push::digest::digest;
use crate::push::own::{Own, make, refuse_changed};
use crate::session::connection::Connection;
use crate::session::failed::failing;
use crate::session::open::Session;
use crate::sql::quote::literal;
use crate::sql::statement::Statement;

const ATTEMPT: &str = "write down how far a file has come";

/// What was begun of a file, by the numbers of its statements.
#[derive(Debug, Default)]
pub(crate) struct Progress(BTreeMap<usize, Step>);

#[derive(Debug)]
struct Step {
    hash: String,
    is_done: bool,
}

impl Progress {
    /// Reads that of a file, of which `settings` are what each transaction begins with.
    ///
    /// # Errors
    /// A statement that was begun and is another now.
    pub(crate) fn read(
        connection: &mut Connection,
        settings: &[String],
        (file, statements): (&SqlFile, &[Statement<'_>]),
    ) -> Result<Self> {
        let rows = connection.step(|session| {
            settings.iter().for_each(|setting| session.say(setting.as_str()));
            make(session, &[], &[Own::Progress])?;
            refuse_changed(session, Own::Progress)?;
            let query = format!(
                "select statement, hash, done_at is not null from {} where version = {} order by 1",
                Own::Progress.table(),
                file.version()
            );
            session.rows(&query).map_err(failing("read how far a file has come"))
        })?;
        let step = |row: Vec<Option<String>>| {
            let [number, Some(hash), is_done] = <[Option<String>; 3]>::try_from(row).ok()? else {
                return None;
            };
            let is_done = is_done.as_deref() == Some("t");
            Some((number?.parse().ok()?, Step { hash, is_done }))
        };
        let known = Self(rows.into_iter().filter_map(step).collect());
        for (number, step) in &known.0 {
            if number.checked_sub(1).and_then(|at| statements.get(at)).map(hash_of).as_ref()
                != Some(&step.hash)
            {
                let what = if step.is_done { "has run" } else { "was begun" };
                return Err(Error::new(format!("`{}` was edited half way", file.path().display()))
                    .cause(format!("statement {number} {what}, and is another now"))
                    .help(format!(
                        "put back what it was, and push again; or have it forgotten with \
                         `leakproof repair --reverted {}`",
                        file.version()
                    )));
            }
        }
        Ok(known)
    }

    pub(crate) fn is_done(&self, number: usize) -> bool {
        self.0.get(&number).is_some_and(|step| step.is_done)
    }

    /// Whether it was begun by who could not say how it ended.
    pub(crate) fn is_begun(&self, number: usize) -> bool {
        self.0.contains_key(&number)
    }

    /// How many are done.
    pub(crate) fn done(&self) -> usize {
        self.0.values().filter(|step| step.is_done).count()
    }
}

/// That a statement is begun.
pub(crate) fn begin(
    session: &mut Session,
    (file, number): (&SqlFile, usize),
    text: &Statement<'_>,
) -> Result<()> {
    let sql = format!(
        "insert into {} values ({}, {number}, {}, pg_catalog.clock_timestamp(), null) \
         on conflict do nothing",
        Own::Progress.table(),
        file.version(),
        literal(&hash_of(text))
    );
    session.run(&sql).map(drop).map_err(failing(ATTEMPT))
}

/// That it is done.
pub(crate) fn end(session: &mut Session, (file, number): (&SqlFile, usize)) -> Result<()> {
    let sql = format!(
        "update {} set done_at = pg_catalog.clock_timestamp() where version = {} and statement = {number}",
        Own::Progress.table(),
        file.version()
    );
    session.run(&sql).map(drop).map_err(failing(ATTEMPT))
}

/// That it was not begun, since the server has refused it.
pub(crate) fn take_back(session: &mut Session, (file, number): (&SqlFile, usize)) -> Result<()> {
    let sql = format!("{} and statement = {number}", forget_sql(file.version()));
    session.run(&sql).map(drop).map_err(failing(ATTEMPT))
}

/// The statement that forgets how far a version has come.
pub(crate) fn forget_sql(version: i64) -> String {
    format!("delete from {} where version = {version}", Own::Progress.table())
}

fn hash_of(statement: &Statement<'_>) -> String {
    digest(statement.text)
}

/// The versions that run statement by statement and have not come to their end.
///
/// # Errors
/// A table that cannot be read.
pub(crate) fn begun_versions(connection: &mut Connection) -> Result<Vec<i64>> {
    const ATTEMPT: &str = "read how far files have come";
    let table = Own::Progress.table();
    let is_there = format!("select pg_catalog.to_regclass({}) is not null", literal(table));
    let is_there = connection.rows(&is_there).map_err(failing(ATTEMPT))?;
    if is_there != [[Some("t".to_owned())]] {
        return Ok(Vec::new());
    }
    let query = format!("select distinct version from {table}");
    let rows = connection.rows(&query).map_err(failing(ATTEMPT))?;
    Ok(rows.into_iter().flatten().flatten().filter_map(|version| version.parse().ok()).collect())
}
