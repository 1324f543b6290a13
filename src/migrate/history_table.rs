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
            let Some(form) = form_of(connection, kind)? else { continue };
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
            let rows = connection.rows(&query).map_err(|failed| {
                failed.error(unreadable_fact(kind)).help(unreadable_help(kind))
            })?;
            // In a scratch database ours is there from the start.
            if kind == HistoryKind::Ours && rows.is_empty() {
                continue;
            }
            let entries = rows.into_iter().map(|row| entry(kind, &form, row));
            return Ok(Self { kind, entries: entries.collect::<Result<_>>()? });
        }
        Ok(Self::empty())
    }

    /// Makes the table, where there is none.
    ///
    /// # Errors
    /// A server that refuses.
    pub(crate) fn prepare(&self, connection: &mut Connection) -> Result<()> {
        if self.kind != HistoryKind::Ours || form_of(connection, self.kind)?.is_some() {
            return Ok(());
        }
        let table = judge::table_sql(self.kind.table());
        let make = format!("create schema if not exists leakproof; {table}");
        connection.rows(&make).map(drop).map_err(failing("make the table of the history"))
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
