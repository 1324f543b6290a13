//! What a target says was applied to it is put right, without anything being applied: `leakproof repair`. Nothing
//! of the old history is lost, since a receipt keeps each row as it was.

use std::time::Instant;

use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::migrate::history::{Entry, History, HistoryKind};
use crate::project::Project;
use crate::project::files::SqlFile;
use crate::push::address::Address;
use crate::push::connected::{Connected, read_histories};
use crate::push::event::Tell;
use crate::push::own::{Own, make, refuse_changed};
use crate::push::pairing::{Likeness, Pairing, likeness_of, pairings, sure};
use crate::push::progress::{begun_versions, forget_sql};
use crate::push::refuse::refuse_layout;
use crate::push::standing::Histories;
use crate::push::stored::{Action, NOT_STORED, Stored, can_be_stored};
use crate::push::{PushOptions, discretion, lock};
use crate::session::failed::failing;
use crate::session::open::Session;
use crate::words::{counted, first_names, printable};

/// What is to be put right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// These versions are applied there, as their files are here.
    Applied(Vec<i64>),
    /// These versions are not applied there.
    Reverted(Vec<i64>),
    /// The rows of these versions there are files here, under these versions.
    Pairs(Vec<(i64, i64)>),
    /// The same of all rows that have the name and the statements of a file.
    SurePairs,
}

/// What is done about one version.
struct Change<'p> {
    action: Action,
    /// The version as it is afterwards.
    version: i64,
    name: String,
    file: Option<&'p SqlFile>,
    /// The version whose rows are kept in the receipt.
    was: i64,
    /// What is said of it.
    told: String,
    statements: Vec<String>,
}

/// A repair that is decided, and not begun.
pub struct Repair<'p> {
    project: &'p Project,
    wanted: Wanted,
    address: Address,
    options: PushOptions,
    target: Connected,
    changes: Vec<Change<'p>>,
    text: String,
}

impl<'p> Repair<'p> {
    /// Connects, and decides what there is to do.
    ///
    /// # Errors
    /// A version that is not where it has to be, a row that could be one of two files.
    pub fn open(
        project: &'p Project,
        address: Address,
        wanted: Wanted,
        options: PushOptions,
    ) -> Result<Self> {
        refuse_layout(project)?;
        let mut target = Connected::to(&address, options.lock_timeout, discretion(&options))?;
        if !can_be_stored(&mut target.connection)? {
            return Err(Error::new("nothing can be repaired").cause(NOT_STORED).help(
                "make the schema, or let who is connected make it: a receipt keeps the old rows",
            ));
        }
        let histories = read_histories(&mut target.connection, project)?;
        let changes = decide(&mut target, project, &histories, &wanted)?;
        let mut text = format!("target      {}\n", address.met());
        let tables: Vec<&str> = histories.kinds().map(HistoryKind::table).collect();
        text.push_str(&format!("history     {}\n", tables.join(", ")));
        match changes.as_slice() {
            [] => text.push_str("repair      nothing\n"),
            some => text.push_str(&format!("repair      {}\n", counted(some.len(), "version"))),
        }
        changes.iter().for_each(|change| text.push_str(&format!("  {}\n", change.told)));
        if wanted == Wanted::SurePairs {
            let all = pairings(&histories, project);
            let open = all.iter().filter(|one| one.likeness != Likeness::Same);
            open.for_each(|one| text.push_str(&format!("  not {}: {one}\n", one.remote)));
        }
        let text = printable(&text);
        Ok(Self { project, wanted, address, options, target, changes, text })
    }

    /// How many versions it is about.
    pub fn count(&self) -> usize {
        self.changes.len()
    }

    /// Host, port, database and role.
    pub fn target(&self) -> String {
        self.address.met()
    }

    /// The target, and what will be done to its histories.
    pub fn plan(&self) -> &str {
        &self.text
    }

    /// Does all of it, or nothing; gives what is to be said.
    ///
    /// # Errors
    /// Somebody else is pushing, the target has changed, a server that refuses.
    pub fn apply(mut self, tell: &mut Tell<'_>) -> Result<String> {
        let begun = Instant::now();
        let PushOptions { lock_wait, interrupt, .. } = self.options.clone();
        let _at_work = interrupt.begin(self.target.cancel.clone());
        lock::take(&mut self.target.connection, (lock_wait, &interrupt), tell)?;
        let histories = read_histories(&mut self.target.connection, self.project)?;
        let changes = decide(&mut self.target, self.project, &histories, &self.wanted)?;
        let is_same = |(was, now): (&Change<'_>, &Change<'_>)| {
            (was.version, was.was, &was.told) == (now.version, now.was, &now.told)
        };
        if changes.len() != self.changes.len() || !self.changes.iter().zip(&changes).all(is_same) {
            return Err(Error::new("the target has changed since this was decided")
                .help("nothing was changed; see what it has now with `leakproof status`, and repair again"));
        }
        let (settings, kinds) = (self.target.settings.clone(), histories.kinds());
        let kinds: Vec<HistoryKind> = kinds.collect();
        let done = self.target.connection.transaction(|session| {
            settings.into_iter().for_each(|setting| session.say(setting));
            make(session, &kinds, &[Own::Receipts])?;
            refuse_changed(session, Own::Receipts)?;
            changes.iter().try_for_each(|change| change.make(session, &histories, begun))
        });
        if done.is_err() && interrupt.is_set() {
            return Err(Error::new("interrupted: nothing was repaired"));
        }
        done?;
        let lines = changes.iter().map(|change| format!("repaired    {}\n", change.told));
        Ok(printable(&lines.collect::<String>()))
    }
}

impl Change<'_> {
    fn make(&self, session: &mut Session, histories: &Histories, begun: Instant) -> Result<()> {
        let was = old_rows(session, histories, self.was)?;
        session.run(&self.statements.join("; ")).map_err(failing("change the history"))?;
        let is_there = self.action != Action::Reverted;
        for kind in histories.kinds() {
            let rows =
                session.rows(&kind.has_sql(self.version)).map_err(failing("read the history"))?;
            let has = rows.concat().first().cloned().flatten();
            let is_odd = if is_there { "1" } else { "0" };
            // A project of the CLI's may be in its table alone.
            if has.as_deref() != Some(is_odd) && !(is_there && kind != HistoryKind::Supabase) {
                return Err(Error::new(format!(
                    "{} does not keep what is written to it",
                    kind.table()
                ))
                .help("nothing was changed; take triggers, rules and policies off that table"));
            }
        }
        let receipt = json!({ "rows_before": was, "version_before": self.was });
        let Self { action, version, name, file, .. } = self;
        let (action, version, file, took) = (*action, *version, *file, begun.elapsed());
        Stored { action, version, name, file, took, receipt }.write(session)
    }
}

/// The rows of a version, each with its table.
fn old_rows(session: &mut Session, histories: &Histories, version: i64) -> Result<Vec<Value>> {
    let mut all = Vec::new();
    for history in histories.all().iter().filter(|one| !one.entries.is_empty()) {
        let table = history.kind.table();
        let query = format!(
            "select pg_catalog.to_jsonb(h)::text from {table} h where {}",
            history.kind.is_it(version)
        );
        let rows = session.texts_as_auditor(&query).map_err(failing("read the history"))?;
        for row in rows {
            let row: Value = serde_json::from_str(&row)
                .map_err(|cause| Error::new("a row of the history is no JSON").cause(cause))?;
            all.push(json!({ "table": table, "row": row }));
        }
    }
    Ok(all)
}

fn decide<'p>(
    target: &mut Connected,
    project: &'p Project,
    histories: &Histories,
    wanted: &Wanted,
) -> Result<Vec<Change<'p>>> {
    match wanted {
        Wanted::Applied(versions) => {
            let half = begun_versions(&mut target.connection)?;
            let changes =
                versions.iter().map(|version| applied(project, (histories, &half), *version));
            Ok(changes.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
        }
        Wanted::Reverted(versions) => {
            let half = begun_versions(&mut target.connection)?;
            versions.iter().map(|version| reverted(histories, &half, *version)).collect()
        }
        Wanted::Pairs(pairs) => {
            let pair = |(remote, local): &(i64, i64)| named(project, histories, *remote, *local);
            let pairs = pairs.iter().map(pair).collect::<Result<Vec<_>>>()?;
            refuse_repeated(&pairs)?;
            pairs.iter().map(|one| paired(histories, one)).collect()
        }
        Wanted::SurePairs => {
            let all = pairings(histories, project);
            sure(&all)?.into_iter().map(|one| paired(histories, one)).collect()
        }
    }
}

fn applied<'p>(
    project: &'p Project,
    (histories, half): (&Histories, &[i64]),
    version: i64,
) -> Result<Option<Change<'p>>> {
    let file = file_of(project, version)?;
    let (mut statements, mut tables) = (Vec::new(), Vec::new());
    for history in histories.all() {
        match entry_of(history, version) {
            Some(entry) if entry.is_of(file) => continue,
            Some(entry) => statements.push(history.move_sql(entry, file)),
            None => statements.push(history.record_sql(file)?),
        }
        tables.push(history.kind.table());
    }
    if half.contains(&version) {
        statements.push(forget_sql(version));
    }
    let told = format!("{}: applied as it is here, in {}", file.title(), tables.join(" and "));
    let (action, name, file) = (Action::Applied, file.name().to_owned(), Some(file));
    let change = Change { action, version, name, file, was: version, told, statements };
    Ok((!tables.is_empty()).then_some(change))
}

fn reverted<'p>(histories: &Histories, half: &[i64], version: i64) -> Result<Change<'p>> {
    let mut statements = Vec::new();
    let mut tables = Vec::new();
    for history in histories.all() {
        if entry_of(history, version).is_some() {
            statements.push(history.kind.forget_sql(version));
            tables.push(history.kind.table());
        }
    }
    if half.contains(&version) {
        statements.push(forget_sql(version));
        tables.push(Own::Progress.table());
    }
    if tables.is_empty() {
        return Err(Error::new(format!("the target has no version {version}"))
            .cause("there is no row of it in the histories")
            .help("`leakproof status` lists those that it has"));
    }
    let name = histories.rows_of(version).next().map(|row| row.name.clone()).unwrap_or_default();
    let told = format!("V{version} {name}: not applied, its rows go from {}", tables.join(" and "));
    let (action, file) = (Action::Reverted, None);
    Ok(Change { action, version, name, file, was: version, told, statements })
}

fn paired<'p>(histories: &Histories, pairing: &Pairing<'p>) -> Result<Change<'p>> {
    let Pairing { remote, file, likeness } = *pairing;
    let mut statements = Vec::new();
    for history in histories.all() {
        match entry_of(history, remote) {
            Some(entry) => statements.push(history.move_sql(entry, file)),
            // A row of Supabase's that lacks would be a difference between the two.
            None if history.kind == HistoryKind::Supabase => {
                statements.push(history.record_sql(file)?);
            }
            None => {}
        }
    }
    let how = match likeness {
        Likeness::Same => "the same name and statements",
        Likeness::Statements => "the same statements, another name",
        Likeness::Name => "the same name, not the same statements",
    };
    let told = format!("version {remote} there becomes {}: {how}", file.title());
    let (action, version, name) = (Action::Paired, file.version(), file.name().to_owned());
    let file = Some(file);
    Ok(Change { action, version, name, file, was: remote, told, statements })
}

/// A pair that somebody has named.
fn named<'p>(
    project: &'p Project,
    histories: &Histories,
    remote: i64,
    local: i64,
) -> Result<Pairing<'p>> {
    let file = file_of(project, local)?;
    let refused = |cause: String| {
        Err(Error::new(format!("version {remote} there cannot become version {local}"))
            .cause(cause)
            .help(
                "`leakproof status` shows which rows have no file, and which files are not applied",
            ))
    };
    if project.migrations().iter().any(|file| file.version() == remote) {
        return refused(format!("there is a file of version {remote} here"));
    }
    if histories.has(local) {
        return refused(format!("the target has version {local} already"));
    }
    let rows: Vec<&Entry> = histories.rows_of(remote).collect();
    if rows.is_empty() {
        return refused(format!("the target has no version {remote}"));
    }
    match likeness_of(&rows, file) {
        Some(likeness) => Ok(Pairing { remote, file, likeness }),
        None => refused("neither the name nor the statements are the same".into()),
    }
}

fn refuse_repeated(pairs: &[Pairing<'_>]) -> Result<()> {
    for (at, one) in pairs.iter().enumerate() {
        let version = one.file.version();
        let is_it =
            |other: &&Pairing<'_>| other.remote == one.remote || other.file.version() == version;
        if pairs[..at].iter().any(|other| is_it(&other)) {
            return Err(Error::new(format!("{}={version} is one of two pairs", one.remote))
                .cause("a row becomes one file, and a file has one row"));
        }
    }
    Ok(())
}

fn file_of(project: &Project, version: i64) -> Result<&SqlFile> {
    let files = project.migrations();
    files.iter().find(|file| file.version() == version).ok_or_else(|| {
        let known: Vec<String> =
            files.iter().rev().map(|file| file.version().to_string()).collect();
        Error::new(format!("there is no file of version {version}"))
            .help(format!("the known ones, last first, are {}", first_names(&known)))
    })
}

fn entry_of(history: &History, version: i64) -> Option<&Entry> {
    history.entries.iter().find(|entry| entry.version == version)
}
