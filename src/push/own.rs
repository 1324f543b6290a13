//! The tables in which a push keeps what is its own, in somebody's database: made in the transaction that first
//! needs them, and open to nobody but who pushes.

use crate::error::{Error, Result};
use crate::migrate::history::HistoryKind;
use crate::migrate::history_table::table_sql;
use crate::session::failed::failing;
use crate::session::open::Session;
use crate::sql::quote::{fill, literal};

/// A table beside the histories.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Own {
    /// How far files have come that run statement by statement.
    Progress,
    /// What was done, and what was checked.
    Receipts,
}

impl Own {
    pub(crate) fn table(self) -> &'static str {
        match self {
            Self::Progress => "leakproof.push_progress",
            Self::Receipts => "leakproof.receipts",
        }
    }

    /// Its columns in their order, with the types that the server says.
    fn columns(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Progress => &[
                ("version", "bigint"),
                ("statement", "integer"),
                ("hash", "text"),
                ("begun_at", "timestamp with time zone"),
                ("done_at", "timestamp with time zone"),
            ],
            Self::Receipts => &[
                ("id", "bigint"),
                ("version", "bigint"),
                ("name", "text"),
                ("action", "text"),
                ("sha256", "text"),
                ("applied_at", "timestamp with time zone"),
                ("applied_by", "text"),
                ("logged_in_as", "text"),
                ("took_ms", "bigint"),
                ("receipt", "jsonb"),
            ],
        }
    }

    fn making(self) -> String {
        let of_column = |(name, form): &(&str, &str)| {
            let more = match (self, *name) {
                (Self::Receipts, "id") => " generated always as identity primary key",
                (_, "sha256" | "done_at") => "",
                _ => " not null",
            };
            format!("{name} {form}{more}")
        };
        let mut columns: Vec<String> = self.columns().iter().map(of_column).collect();
        if self == Self::Progress {
            columns.push("primary key (version, statement)".into());
        }
        format!("create table {} ({})", self.table(), columns.join(", "))
    }
}

/// Makes what is not there yet of these tables, and their schemas.
///
/// # Errors
/// A server that refuses.
pub(crate) fn make(session: &mut Session, kinds: &[HistoryKind], own: &[Own]) -> Result<()> {
    const ATTEMPT: &str = "make the tables of the history and of receipts";
    let tables = kinds.iter().map(|kind| (kind.table(), table_sql(*kind)));
    let tables = tables.chain(own.iter().map(|own| (own.table(), own.making())));
    let tables: Vec<(&str, String)> = tables.collect();
    let names = tables.iter().map(|(name, _)| literal(name)).collect::<Vec<_>>().join(", ");
    let query = format!(
        "select pg_catalog.to_regclass(t) is null, pg_catalog.to_regnamespace( \
            pg_catalog.split_part(t, '.', 1)) is null \
         from pg_catalog.unnest(array[{names}]) with ordinality as x (t, n) order by n"
    );
    let lacks = session.rows(&query).map_err(failing(ATTEMPT))?;
    let is = |row: &[Option<String>], at: usize| {
        row.get(at).is_some_and(|value| value.as_deref() == Some("t"))
    };
    let (mut statements, mut made) = (Vec::new(), Vec::new());
    for ((name, sql), row) in tables.iter().zip(lacks).filter(|(_, row)| is(row, 0)) {
        // Who may make no schema may use one that is there.
        if is(&row, 1) {
            let schema = name.split('.').next().unwrap_or_default();
            statements.push(format!("create schema if not exists {schema}"));
        }
        statements.push(sql.clone());
        made.extend(name.starts_with("leakproof.").then(|| format!("{}::regclass", literal(name))));
    }
    if statements.is_empty() {
        return Ok(());
    }
    if !made.is_empty() {
        statements.push(fill(include_str!("own.sql"), &[("@made@", made.join(", "))]));
    }
    session.run(&statements.join("; ")).map(drop).map_err(failing(ATTEMPT))
}

/// Sees to it that a table of ours is as we have made it.
///
/// # Errors
/// Other columns, or something on it that would change what is written.
pub(crate) fn refuse_changed(session: &mut Session, own: Own) -> Result<()> {
    let query = fill(include_str!("own_shape.sql"), &[("@table@", literal(own.table()))]);
    let texts = session.texts_as_auditor(&query).map_err(failing("look at our own tables"))?;
    let columns = own.columns().iter().map(|(name, form)| format!("{name} {form}"));
    if texts.is_empty() || texts.iter().cloned().eq(columns) {
        return Ok(());
    }
    Err(Error::new(format!("{} is not as leakproof has made it", own.table()))
        .cause("it has other columns, or a trigger, a rule or a policy")
        .help(format!(
            "put it back as it was, or keep it under another name (`alter table {} rename to ...`): \
             then a new one is made",
            own.table()
        )))
}
