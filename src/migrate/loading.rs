//! Loads rows that were dumped elsewhere, as the owner: those of a dump, or of CSV files.
//!
//! They are as they were in the end there, so that no trigger runs on them, and they may come in any order:
//! foreign keys are looked at when all are there. Nothing else of a dump is run. No more than a part of the rows
//! is ever in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use serde::Deserialize;

use crate::error::{Error, Result};
use crate::migrate::archive::Archive;
use crate::migrate::hosted::{FileKind, OwnerSession};
use crate::migrate::left_out::LeftOut;
use crate::migrate::marks::read_places;
use crate::migrate::places::Places;
use crate::migrate::references::{refuse_broken, renumber};
use crate::migrate::run::{Server, error_at, finish, left_broken};
use crate::migrate::target::Throwaway;
use crate::names::QualifiedName;
use crate::project::csv::{CSV, CsvRows};
use crate::project::dump::Dump;
use crate::project::files::SqlFile;
use crate::project::fixture::{CsvFile, Fixture, Rows};
use crate::session::connection::Connection;
use crate::session::failed::{Failed, failing};
use crate::session::open::Session;
use crate::sql::dumped::{self, Dumped, read_dumped};
use crate::sql::quote::{identifier, literal, qualified};
use crate::words::counted;

/// What came of loading rows.
pub(crate) struct Loaded {
    pub places: Places,
    pub notes: Vec<String>,
}

/// Where rows wait of which not all is for their table.
const STAGED: &str = "pg_temp.leakproof_staged";

/// Loads a fixture that nobody has written by hand, in one transaction.
///
/// # Errors
/// A file that is cut off or has another form, a row that the server refuses, a foreign key that does not hold.
pub(crate) fn load_rows(
    connection: &mut Connection,
    throwaway: &Throwaway,
    fixture: &Fixture,
) -> Result<Loaded> {
    let file = fixture.file();
    connection.transaction(|session| {
        let notes = load(session, throwaway, fixture)?;
        let places = read_places(session, file)?;
        finish(session, throwaway, file)?;
        Ok(Loaded { places, notes })
    })
}

fn load(session: &mut Session, throwaway: &Throwaway, fixture: &Fixture) -> Result<Vec<String>> {
    let (file, path) = (fixture.file(), fixture.file().path());
    session.say("select leakproof.begin_roles()");
    session.say("select leakproof.set_replication_role('replica')");
    let owner = OwnerSession::begin(session, throwaway, FileKind::Data)?;
    let on = Server::of(&owner, throwaway);
    let mut loading = Loading {
        owner,
        file,
        on,
        tables: BTreeMap::new(),
        numbered: BTreeSet::new(),
        staged: None,
        left_out: LeftOut::default(),
    };
    match fixture.rows() {
        Rows::Written => {}
        Rows::Dump => loading.load_dump(&mut Dump::new(open(path)?, path))?,
        Rows::Archive => loading.load_archive(path)?,
        Rows::Csv(files) => files.iter().try_for_each(|file| loading.load_csv(file))?,
    }
    loading.end()
}

fn open(path: &Path) -> Result<BufReader<File>> {
    File::open(path).map(BufReader::new).map_err(|cause| {
        Error::new(format!("cannot read `{}`", path.display()))
            .cause(cause)
            .help("check that it is a file and that you may read it")
    })
}

/// The session of the owner while rows are loaded.
struct Loading<'a> {
    owner: OwnerSession<'a>,
    file: &'a SqlFile,
    on: Server,
    /// What is known of the tables, by their names in SQL; none of those that are not there.
    tables: BTreeMap<String, Option<Table>>,
    /// Sequences that were told their next number.
    numbered: BTreeSet<String>,
    staged: Option<Staged>,
    left_out: LeftOut,
}

/// A table that rows are for.
#[derive(Deserialize)]
struct Table {
    oid: i64,
    schema: String,
    name: String,
    is_table: bool,
    may_insert: bool,
    /// Whether policies bind who loads.
    is_bound: bool,
    columns: Vec<Column>,
    /// How many rows there were before.
    #[serde(default)]
    before: u64,
    /// How many have come.
    #[serde(default)]
    come: u64,
}

#[derive(Clone, Deserialize)]
struct Column {
    name: String,
    type_name: String,
    is_generated: bool,
}

impl Table {
    fn title(&self) -> String {
        QualifiedName::new(&self.schema, &self.name).to_string()
    }

    fn sql_name(&self) -> String {
        qualified(&self.schema, &self.name)
    }
}

/// Rows that wait for their table.
struct Staged {
    /// The table's name, as the file has it.
    table: String,
    /// The columns that the file has, and those that go on.
    given: Vec<String>,
    columns: Vec<String>,
    line: usize,
}

impl Loading<'_> {
    fn load_archive(&mut self, path: &Path) -> Result<()> {
        let mut archive = Archive::open(path)?;
        let Some(text) = archive.text.take() else { return archive.end() };
        let mut dump = Dump::new(text, path);
        let loaded = self.load_dump(&mut dump);
        match loaded {
            // Where its text ends too early, it knows why.
            Err(error) if dump.is_at_end() && error.refusal().is_none() => {
                archive.end().and(Err(error))
            }
            Err(error) => Err(error),
            Ok(()) => archive.end(),
        }
    }

    fn load_dump(&mut self, dump: &mut Dump<impl BufRead>) -> Result<()> {
        while let Some(statement) = dump.next_statement()? {
            let (text, line) = (statement.text.as_str(), statement.line);
            match read_dumped(text) {
                Dumped::Copy(target, rest) => {
                    let next = |part: &mut Vec<u8>| dump.next_rows(part);
                    self.copy(&target.name, &target.columns, &text[rest], line, next)?;
                }
                Dumped::Insert(target, rows, values) => {
                    self.refuse_unnamed(dump, &target, values)?;
                    self.insert(text, &target, rows, line)?;
                }
                Dumped::Number(sequence) => self.number(text, sequence, line)?,
                Dumped::Refresh(view) => match self.is_there(&view)? {
                    true => self.run(text, line)?,
                    false => drop(self.left_out.objects.insert(view)),
                },
                Dumped::Setting(said) => refuse_setting(dump, &said)?,
                Dumped::LargeObject => self.left_out.large_objects += 1,
                Dumped::Control => {}
                Dumped::Other(what) => *self.left_out.statements.entry(what).or_default() += 1,
            }
        }
        self.put_staged()
    }

    fn load_csv(&mut self, file: &CsvFile) -> Result<()> {
        let mut rows = CsvRows::new(open(&file.path)?, &file.path);
        let columns = rows.columns()?;
        let name = file.table.sql();
        let known = self.table(&name)?;
        if let Some(table) = known
            && !columns.iter().any(|name| table.columns.iter().any(|one| one.name == *name))
        {
            return Err(rows
                .wrong(format!("it names no column of {}", file.table))
                .help("the first line names the columns, with commas between them"));
        }
        let next = |part: &mut Vec<u8>| rows.next_rows(part);
        self.copy_from(&file.path, (&name, &columns, CSV), 1, next)?;
        self.put_staged()
    }

    /// Sends the rows that follow a `copy`.
    fn copy(
        &mut self,
        name: &str,
        columns: &[String],
        rest: &str,
        line: usize,
        next: impl FnMut(&mut Vec<u8>) -> Result<Option<u64>>,
    ) -> Result<()> {
        let path = self.file.path();
        self.copy_from(path, (name, columns, rest), line, next)?;
        self.put_staged()
    }

    fn copy_from(
        &mut self,
        path: &Path,
        (name, columns, rest): (&str, &[String], &str),
        line: usize,
        mut next: impl FnMut(&mut Vec<u8>) -> Result<Option<u64>>,
    ) -> Result<()> {
        let mut rows = 0;
        let mut next = |part: &mut Vec<u8>| {
            let more = next(part)?;
            rows += more.unwrap_or_default();
            Ok(more.is_some())
        };
        if self.refuse(name, 0)? {
            let mut part = Vec::new();
            while next(&mut part)? {}
            self.refuse(name, rows)?;
            return Ok(());
        }
        self.put_staged()?;
        let into = match self.is_direct(name, columns) {
            true => name,
            false => {
                self.stage(name, columns, line)?;
                STAGED
            }
        };
        let listed: Vec<String> = columns.iter().map(|name| identifier(name)).collect();
        let list = match listed.as_slice() {
            [] => String::new(),
            some => format!(" ({})", some.join(", ")),
        };
        let statement = format!("copy {into}{list} {rest}");
        let sent = self.owner.copy_parts(&statement, line, next)?;
        sent.map_err(|failed| error_at((path, line), &statement, failed, self.on))?;
        if let Some(table) = self.tables.get_mut(name).and_then(Option::as_mut) {
            table.come += rows;
        }
        Ok(())
    }

    /// Refuses an insert that names no columns and has not as many values as the table.
    fn refuse_unnamed(
        &mut self,
        dump: &Dump<impl BufRead>,
        target: &dumped::Target,
        values: usize,
    ) -> Result<()> {
        match self.table(&target.name)? {
            Some(table) if target.columns.is_empty() && table.columns.len() != values => Err(dump
                .wrong(format!(
                    "it has {} for {}, which has {} here, and does not say for which they are",
                    counted(values, "value"),
                    table.title(),
                    counted(table.columns.len(), "column")
                ))
                .help("make the dump without `--inserts`, or with `--column-inserts`")),
            _ => Ok(()),
        }
    }

    /// Runs an insert, or puts its rows where those wait of which not all is for their table.
    fn insert(
        &mut self,
        text: &str,
        target: &dumped::Target,
        rows: usize,
        line: usize,
    ) -> Result<()> {
        let (name, rows) = (&target.name, rows as u64);
        if self.refuse(name, rows)? {
            return Ok(());
        }
        let is_all = self.lacks_nothing(name, &target.columns);
        let statement = match is_all {
            true => {
                self.put_staged()?;
                let has_rows = self.known(name).is_some_and(|table| table.before > 0);
                let may_meet = has_rows && !text.to_lowercase().ends_with("do nothing");
                format!("{text}{}", if may_meet { " on conflict do nothing" } else { "" })
            }
            false => {
                self.stage(name, &target.columns, line)?;
                format!("{}{STAGED}{}", &text[..target.place.start], &text[target.place.end..])
            }
        };
        self.run(&statement, line)?;
        if let Some(table) = self.tables.get_mut(name).and_then(Option::as_mut) {
            table.come += rows;
        }
        Ok(())
    }

    fn number(&mut self, text: &str, sequence: String, line: usize) -> Result<()> {
        if !self.is_there(&sequence)? {
            self.left_out.objects.insert(sequence);
            return Ok(());
        }
        self.numbered.insert(sequence);
        self.run(text, line)
    }

    fn run(&mut self, statement: &str, line: usize) -> Result<()> {
        let ran = self.owner.run(statement, line);
        ran.map_err(|failed| self.failed(statement, line, failed))
    }

    fn failed(&self, statement: &str, line: usize, failed: Failed) -> Error {
        error_at((self.file.path(), line), statement, failed, self.on)
    }

    fn is_there(&mut self, name: &str) -> Result<bool> {
        let query = format!(
            "select 1 from pg_catalog.pg_class c where c.oid = pg_catalog.to_regclass({})",
            literal(name)
        );
        let query = format!("select pg_catalog.count(*) from ({query}) as q");
        Ok(self.owner.numbers(&query)?.first().is_some_and(|count| *count > 0))
    }

    /// What is known of a table by now.
    fn known(&self, name: &str) -> Option<&Table> {
        self.tables.get(name)?.as_ref()
    }

    fn table(&mut self, name: &str) -> Result<Option<&Table>> {
        if !self.tables.contains_key(name) {
            let query = include_str!("dumped_target.sql").replace("@name@", &literal(name));
            let mut table: Option<Table> = self.owner.values(&query)?.pop();
            if let Some(table) = table.as_mut().filter(|table| table.is_table) {
                let count = format!("select pg_catalog.count(*) from {}", table.sql_name());
                table.before = self.owner.numbers(&count)?.first().copied().unwrap_or_default();
            }
            self.tables.insert(name.to_owned(), table);
        }
        Ok(self.known(name))
    }

    /// Whether rows cannot be loaded into a table; tells of these.
    fn refuse(&mut self, name: &str, rows: u64) -> Result<bool> {
        let (title, is_there) = match self.table(name)? {
            Some(table) if table.is_table && table.may_insert => return Ok(false),
            Some(table) => (table.title(), table.is_table),
            None => (name.to_owned(), false),
        };
        let left_out = match is_there {
            true => &mut self.left_out.refused,
            false => &mut self.left_out.missing,
        };
        *left_out.entry(title).or_default() += rows;
        Ok(true)
    }

    /// Whether a table takes all of these columns from who loads.
    fn lacks_nothing(&self, name: &str, columns: &[String]) -> bool {
        self.known(name).is_some_and(|table| {
            columns.iter().all(|name| table.columns.iter().any(|one| one.name == *name))
        })
    }

    /// Whether rows can be copied into their table as they are.
    fn is_direct(&self, name: &str, columns: &[String]) -> bool {
        let Some(table) = self.known(name) else { return false };
        let is_computed =
            |name: &String| table.columns.iter().any(|one| one.name == *name && one.is_generated);
        !table.is_bound
            && table.before == 0
            && self.lacks_nothing(name, columns)
            && !columns.iter().any(is_computed)
    }

    /// Makes a table for rows to wait in, unless it is there.
    fn stage(&mut self, name: &str, columns: &[String], line: usize) -> Result<()> {
        let is_it = |staged: &Staged| staged.table == name && staged.given == columns;
        if self.staged.as_ref().is_some_and(is_it) {
            return Ok(());
        }
        self.put_staged()?;
        let Some(table) = self.tables.get(name).and_then(Option::as_ref) else { return Ok(()) };
        let all = match columns {
            [] => table.columns.iter().map(|column| column.name.clone()).collect(),
            some => some.to_vec(),
        };
        let (mut made, mut taken) = (Vec::new(), Vec::new());
        let title = table.title();
        for name in all {
            let column = table.columns.iter().find(|column| column.name == name);
            let type_name = column.map_or("text", |column| &column.type_name);
            made.push(format!("{} {type_name}", identifier(&name)));
            let left_out = match column {
                None => &mut self.left_out.columns,
                Some(column) if column.is_generated => &mut self.left_out.computed,
                Some(_) => {
                    taken.push(name);
                    continue;
                }
            };
            left_out.entry(title.clone()).or_default().insert(name);
        }
        let make = format!("create temporary table {STAGED} ({}) on commit drop", made.join(", "));
        self.owner.say(&make).map_err(failing("make room for rows"))?;
        self.staged =
            Some(Staged { table: name.to_owned(), given: columns.to_vec(), columns: taken, line });
        Ok(())
    }

    /// Puts rows that wait into their table; those with a key that is there already stay away.
    fn put_staged(&mut self) -> Result<()> {
        let Some(Staged { table, columns, line, .. }) = self.staged.take() else { return Ok(()) };
        let has_rows = self.known(&table).is_some_and(|table| table.before > 0);
        let columns: Vec<String> = columns.iter().map(|name| identifier(name)).collect();
        let columns = columns.join(", ");
        let statement = format!(
            "insert into {table} ({columns}) overriding system value select {columns} from {STAGED}{}",
            if has_rows { " on conflict do nothing" } else { "" }
        );
        self.run(&statement, line)?;
        self.owner.say(&format!("drop table {STAGED}")).map_err(failing("make room for rows"))
    }

    /// Looks at what holds rows together, and tells what was left out.
    fn end(mut self) -> Result<Vec<String>> {
        let origin = "select leakproof.set_replication_role('origin')";
        self.owner.say(origin).map_err(failing("have triggers run again"))?;
        let mut loaded = BTreeMap::new();
        for table in std::mem::take(&mut self.tables).into_values().flatten() {
            if table.come == 0 {
                continue;
            }
            let mut rows = table.come;
            if table.before > 0 {
                let count = format!("select pg_catalog.count(*) from {}", table.sql_name());
                let now = self.owner.numbers(&count)?.first().copied().unwrap_or_default();
                rows = now.saturating_sub(table.before);
                self.left_out.known.insert(table.title(), table.come.saturating_sub(rows));
            }
            loaded.insert(table.oid, (table.title(), rows));
        }
        let oids: Vec<String> = loaded.keys().map(i64::to_string).collect();
        let oids = format!("array[{}]", oids.join(", "));
        self.left_out.renumbered = renumber(&mut self.owner, &oids, &self.numbered)?;
        refuse_broken(&mut self.owner, self.file, &oids)?;
        self.owner.end(1).map_err(|failed| left_broken(self.file, failed))?;
        Ok(self.left_out.notes(self.file, &loaded.into_values().collect()))
    }
}

/// Refuses a dump whose text is of another kind than we read.
fn refuse_setting(dump: &Dump<impl BufRead>, said: &str) -> Result<()> {
    let words: Vec<&str> = said.split(' ').collect();
    match words.as_slice() {
        ["client_encoding", _, encoding] if !encoding.contains("utf8") => Err(dump
            .wrong(format!("it is in the encoding {encoding}"))
            .help("make the dump with `pg_dump --encoding=UTF8`")),
        ["standard_conforming_strings", _, off] if off.contains("off") => Err(dump
            .wrong("its strings are not standard ones")
            .help("make the dump with `PGOPTIONS='-c standard_conforming_strings=on' pg_dump`")),
        _ => Ok(()),
    }
}
