//! Which privileges a role has on a relation, asked of the server once for all.
//!
//! Used to tell a missing grant from a refused row, which share one SQLSTATE, and to choose columns
//! that a role may name. Never used instead of trying.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;

use crate::actor::Actor;
use crate::catalog::relation::Relation;
use crate::error::{Error, Result};
use crate::names::Oid;
use crate::session::open::Session;
use crate::sql::quote::{fill, literal};

/// One role's privileges on one relation.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Privileges {
    role: String,
    relation: Oid,
    select: bool,
    insert: bool,
    update: bool,
    delete: bool,
    truncate: bool,
    columns: BTreeMap<String, ColumnPrivileges>,
    updatable: i32,
}

#[derive(Debug, Clone, Default, Deserialize)]
struct ColumnPrivileges {
    select: bool,
    insert: bool,
    update: bool,
    settable: bool,
}

/// A query of this folder about some schemas and roles.
pub(in crate::probe) fn query_about(query: &str, schemas: &[String], roles: &[&str]) -> String {
    let list = |names: serde_json::Value| format!("{}::json", literal(&names.to_string()));
    fill(query, &[("@schemas@", list(json!(schemas))), ("@roles@", list(json!(roles)))])
}

/// A privilege that a command needs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Privilege {
    Select,
    Insert,
    Update,
    Delete,
    Truncate,
}

impl Privileges {
    /// Reads them for all relations of `schemas` and all `roles`.
    pub(crate) fn read(
        session: &mut Session,
        schemas: &[String],
        roles: &[&str],
    ) -> Result<BTreeMap<(String, Oid), Self>> {
        let query = query_about(include_str!("privileges.sql"), schemas, roles);
        let rows: Vec<Self> = session.values(&query)?;
        Ok(rows.into_iter().map(|row| ((row.role.clone(), row.relation), row)).collect())
    }

    /// Those of an actor on a relation.
    ///
    /// # Errors
    /// The server has not listed them: nothing may be taken for denied then.
    pub(in crate::probe) fn of<'p>(
        all: &'p BTreeMap<(String, Oid), Self>,
        actor: &Actor,
        relation: &Relation,
    ) -> Result<&'p Self> {
        all.get(&(actor.role().to_owned(), relation.oid)).ok_or_else(|| {
            let (actor, relation) = (actor.name(), relation.title());
            Error::new(format!("nothing says what `{actor}` may do with {relation}"))
                .cause("the server did not list the privileges of the role")
        })
    }

    /// Whether the role has the privilege on the relation or on at least one of its columns.
    pub(crate) fn has_any(&self, privilege: Privilege) -> bool {
        let on_column = |column: &ColumnPrivileges| match privilege {
            Privilege::Select => column.select,
            Privilege::Insert => column.insert,
            Privilege::Update => column.update,
            Privilege::Delete | Privilege::Truncate => false,
        };
        self.has(privilege) || self.columns.values().any(on_column)
    }

    /// Whether the role has the privilege on the relation as a whole.
    fn has(&self, privilege: Privilege) -> bool {
        match privilege {
            Privilege::Select => self.select,
            Privilege::Insert => self.insert,
            Privilege::Update => self.update,
            Privilege::Delete => self.delete,
            Privilege::Truncate => self.truncate,
        }
    }

    /// Whether the role may use the column in that way.
    pub(crate) fn has_column(&self, privilege: Privilege, column: &str) -> bool {
        let Some(column) = self.columns.get(column) else { return self.has(privilege) };
        match privilege {
            Privilege::Select => column.select,
            Privilege::Insert => column.insert,
            Privilege::Update => column.update,
            Privilege::Delete | Privilege::Truncate => self.has(privilege),
        }
    }

    /// The columns that the role may read and write, in words; none where it may use all of them, or none.
    pub(crate) fn columns_line(&self, relation: &Relation) -> Option<String> {
        let some = |privilege: Privilege| {
            let names = relation.columns.iter().map(|column| column.name.as_str());
            let (granted, denied): (Vec<&str>, Vec<&str>) =
                names.partition(|name| self.has_column(privilege, name));
            match (granted.as_slice(), denied.as_slice()) {
                ([], _) | (_, []) => None,
                (granted, denied) if denied.len() < granted.len() => {
                    Some(format!("all but {}", denied.join(", ")))
                }
                (granted, _) => Some(granted.join(", ")),
            }
        };
        let read = some(Privilege::Select).map(|columns| format!("reads {columns}"));
        let written = match (some(Privilege::Insert), some(Privilege::Update)) {
            (Some(insert), Some(update)) if insert == update => {
                [Some(format!("writes {insert}")), None]
            }
            (insert, update) => [
                insert.map(|columns| format!("inserts {columns}")),
                update.map(|columns| format!("updates {columns}")),
            ],
        };
        let all: Vec<String> = read.into_iter().chain(written.into_iter().flatten()).collect();
        (!all.is_empty()).then(|| all.join("; "))
    }

    /// Whether a column can be written at all: one that a view computes cannot.
    pub(crate) fn is_settable(&self, column: &str) -> bool {
        self.columns.get(column).is_none_or(|column| column.settable)
    }

    /// Whether the relation takes the command at all: a view may not.
    pub(crate) fn is_possible(&self, privilege: Privilege) -> bool {
        // Bits of CmdType: update 2, insert 3, delete 4.
        match privilege {
            Privilege::Select | Privilege::Truncate => true,
            Privilege::Update => self.updatable & 4 != 0,
            Privilege::Insert => self.updatable & 8 != 0,
            Privilege::Delete => self.updatable & 16 != 0,
        }
    }
}
