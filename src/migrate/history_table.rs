//! The history as it stands in a database: read into a [`History`], and made where there is none.

use postgres::Client;

use crate::error::{Error, Result};
use crate::migrate::history::{Content, Entry, History, HistoryKind};
use crate::migrate::judge;
use crate::session::connection::Connection;
use crate::session::failed::failing;
use crate::session::outcome::TextRow;

/// Where a history is looked for, in this order.
const KINDS: [HistoryKind; 3] = [HistoryKind::Ours, HistoryKind::Refinery, HistoryKind::Supabase];

impl History {
    /// Reads what a database says was applied to it; ours where it has no history yet.
    ///
    /// # Errors
    /// A history that cannot be read.
    pub fn of(client: Client) -> Result<Self> {
        Self::read(&mut Connection::new(client))
    }

    /// As [`Self::of`].
    ///
    /// # Errors
    /// A history that cannot be read.
    pub(crate) fn read(connection: &mut Connection) -> Result<Self> {
        for kind in KINDS {
            match Self::read_kind(connection, kind)? {
                // In a scratch database ours is there from the start.
                Some(history) if kind != HistoryKind::Ours || !history.entries.is_empty() => {
                    return Ok(history);
                }
                _ => {}
            }
        }
        Ok(Self::empty())
    }

    /// Reads the history of one kind; none where its table is not there.
    ///
    /// # Errors
    /// A history that cannot be read.
    pub(crate) fn read_kind(
        connection: &mut Connection,
        kind: HistoryKind,
    ) -> Result<Option<Self>> {
        let Some(form) = form_of(connection, kind)? else { return Ok(None) };
        let query = match kind {
            HistoryKind::Ours | HistoryKind::Refinery => {
                format!("select version, name, checksum from {} order by version", kind.table())
            }
            HistoryKind::Supabase => format!(
                "select version, name, pg_catalog.to_json(statements)::text from {} \
                 order by version::bigint",
                kind.table()
            ),
        };
        let rows = connection
            .rows(&query)
            .map_err(|failed| failed.error(unreadable_fact(kind)).help(unreadable_help(kind)))?;
        let entries = rows.into_iter().map(|row| entry(kind, &form, row));
        Ok(Some(Self { kind, entries: entries.collect::<Result<_>>()? }))
    }

    /// Makes the table, where there is none and it is ours.
    ///
    /// # Errors
    /// A server that refuses.
    pub(crate) fn prepare(&self, connection: &mut Connection) -> Result<()> {
        match self.kind {
            HistoryKind::Ours => make_table(connection, self.kind),
            HistoryKind::Refinery | HistoryKind::Supabase => Ok(()),
        }
    }
}

/// Makes the table of a kind, where there is none; Supabase's as its CLI makes it.
///
/// # Errors
/// A server that refuses.
pub(crate) fn make_table(connection: &mut Connection, kind: HistoryKind) -> Result<()> {
    const ATTEMPT: &str = "make the table of the history";
    if form_of(connection, kind)?.is_some() {
        return Ok(());
    }
    let schema = kind.table().split_once('.').map_or("", |(schema, _)| schema);
    let query = format!("select pg_catalog.to_regnamespace('{schema}') is null");
    let lacks = connection.rows(&query).map_err(failing(ATTEMPT))?;
    // Who may make no schema may use one that is there.
    let schema = match lacks == [[Some("t".to_owned())]] {
        true => format!("create schema if not exists {schema}; "),
        false => String::new(),
    };
    let table = table_sql(kind);
    connection.rows(&format!("{schema}{table}")).map(drop).map_err(failing(ATTEMPT))
}

/// The statement that makes the table of a kind.
pub(crate) fn table_sql(kind: HistoryKind) -> String {
    match kind {
        HistoryKind::Ours | HistoryKind::Refinery => judge::table_sql(kind.table()),
        HistoryKind::Supabase => format!(
            "create table if not exists {} \
             (version text not null primary key, statements text[], name text)",
            kind.table()
        ),
    }
}

/// The type of the column of versions, where the table is there.
fn form_of(connection: &mut Connection, kind: HistoryKind) -> Result<Option<String>> {
    let query = format!(
        "select a.atttypid::regtype::text from pg_catalog.pg_attribute a \
         where a.attrelid = pg_catalog.to_regclass('{}') and a.attname = 'version'",
        kind.table()
    );
    let rows = connection.rows(&query).map_err(failing("look for the history"))?;
    Ok(rows.into_iter().flatten().flatten().next())
}

fn entry(kind: HistoryKind, form: &str, row: TextRow) -> Result<Entry> {
    let [Some(version), name, content] = row.as_slice() else {
        return Err(unreadable(kind, "a row has no version".into()));
    };
    let number = version.parse();
    let version = number.map_err(|_| unreadable(kind, format!("`{version}` is no version")))?;
    let content = match (kind, content) {
        (HistoryKind::Supabase, None) => Content::Unknown,
        (HistoryKind::Supabase, Some(json)) => {
            let statements = serde_json::from_str(json);
            Content::Statements(statements.map_err(|cause| unreadable(kind, cause.to_string()))?)
        }
        (_, Some(sum)) => {
            let sum =
                sum.parse().map_err(|_| unreadable(kind, "a checksum is no number".into()))?;
            if form == "integer" { Content::NarrowChecksum(sum) } else { Content::Checksum(sum) }
        }
        (_, None) => return Err(unreadable(kind, "a row has no checksum".into())),
    };
    Ok(Entry { version, name: name.clone().unwrap_or_default(), content })
}

fn unreadable(kind: HistoryKind, cause: String) -> Error {
    Error::new(unreadable_fact(kind)).cause(cause).help(unreadable_help(kind))
}

fn unreadable_fact(kind: HistoryKind) -> String {
    format!("cannot read the history in `{}`", kind.table())
}

fn unreadable_help(kind: HistoryKind) -> String {
    let whose = if kind == HistoryKind::Supabase { "the Supabase CLI's" } else { "refinery's" };
    format!("the table is {whose}; put back what was changed in it by hand")
}
