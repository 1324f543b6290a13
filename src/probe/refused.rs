//! What a refusal says about access: which constraint stood in the way, and which verdict it means.

use crate::catalog::{Relation, RelationKind};
use crate::matrix::verdict::Verdict;
use crate::probe::privileges::{Privilege, Privileges};
use crate::refusal::Refusal;
use crate::sql::quote::{identifier, qualified};

impl Refusal {
    /// The SQLSTATE by which a verdict is known. PostgreSQL 18 tells RESTRICT from NO ACTION; to us
    /// both are a foreign key.
    pub(crate) fn state(&self) -> &str {
        if self.sqlstate == "23001" { "23503" } else { &self.sqlstate }
    }

    /// Whether a relation that the statement needs, such as one in a policy, is closed to the actor:
    /// it was refused before any row was looked at.
    pub(crate) fn is_before_rows(&self) -> bool {
        // Within a function there is a context.
        self.is_from("aclcheck_error") && self.context.is_none()
    }

    fn is_from(&self, routine: &str) -> bool {
        self.routine.as_deref() == Some(routine)
    }

    /// The column of which a NOT NULL failed.
    fn missing_value(&self) -> Option<[&str; 3]> {
        let column = self.column.as_deref().filter(|_| self.sqlstate == "23502")?;
        Some([self.schema.as_deref()?, self.table.as_deref()?, column])
    }

    /// The constraint of a table that failed.
    fn broken_constraint(&self) -> Option<[&str; 3]> {
        Some([self.schema.as_deref()?, self.table.as_deref()?, self.constraint.as_deref()?])
    }

    /// Statements, one of which may take away what failed.
    pub(crate) fn ways_to_remove(&self) -> Vec<String> {
        if let Some([schema, table, column]) = self.missing_value() {
            let (table, column) = (qualified(schema, table), identifier(column));
            return vec![format!("alter table {table} alter column {column} drop not null")];
        }
        let Some([schema, table, constraint]) = self.broken_constraint() else { return Vec::new() };
        let (table, name) = (qualified(schema, table), identifier(constraint));
        // A unique index may stand alone, and a constraint's index cannot be dropped by itself.
        vec![
            format!("alter table {table} drop constraint {name} cascade"),
            format!("drop index {}", qualified(schema, constraint)),
        ]
    }

    /// Whether a WITH CHECK, or what stands for one, refused a row.
    pub(crate) fn is_of_policy(&self) -> bool {
        self.sqlstate == "42501" && self.is_from("ExecWithCheckOptions")
    }

    /// Whether a function of the project raised it on purpose.
    fn is_raised(&self) -> bool {
        self.is_from("exec_stmt_raise")
    }

    /// Whether a constraint failed that keeps data in shape, not owners apart: all but a foreign
    /// key over a row that is written, which may be what ties it to its owner. That another table
    /// refers to the row is luck.
    pub(crate) fn is_beside_access(&self, privilege: Privilege, written: &Relation) -> bool {
        let is_elsewhere =
            self.broken_constraint().is_some() && !self.is_about(&written.schema, &written.name);
        match self.state() {
            "23502" | "23505" | "23514" | "23P01" => !self.is_raised(),
            // A view or partitioned table is not what the server names.
            "23503" => {
                privilege == Privilege::Delete
                    || (privilege == Privilege::Update
                        && written.kind == RelationKind::Table
                        && is_elsewhere)
            }
            _ => false,
        }
    }

    /// The verdict on a command of which `of` rows were the target.
    ///
    /// `named` are the privileges and columns that the statement needed.
    pub(crate) fn verdict(
        &self,
        privileges: &Privileges,
        is_view: bool,
        needs: Privilege,
        named: &[(Privilege, &str)],
        of: usize,
    ) -> Verdict {
        let is_granted = privileges.has_any(needs)
            && named.iter().all(|(privilege, column)| privileges.has_column(*privilege, column));
        match self.state() {
            "42501" if !is_granted => Verdict::NoGrant,
            _ if self.is_of_policy() => Verdict::Refused,
            // A trigger that answers with a code of the server's.
            "42501" | "23502" | "23503" | "23505" | "23514" | "23P01"
                if self.is_raised() && needs != Privilege::Select =>
            {
                Verdict::Refused
            }
            "23502" | "23514" if self.datatype.is_some() => {
                Verdict::Untested { reason: "the type of a column refused the value".into() }
            }
            // A view of the invoker asks for the grants below it.
            "42501" if is_view => Verdict::NoGrant,
            "23503" => Verdict::Refused,
            // Checked after access control has let the row pass (executor order: policies, then
            // NOT NULL and checks, then unique and exclusion).
            "23505" | "23502" | "23514" | "23P01"
                if self.broken_constraint().is_some() || self.missing_value().is_some() =>
            {
                Verdict::Allowed { rows: 0, of, stopped_by: Some(self.state().to_owned()) }
            }
            "57014" => Verdict::Untested { reason: "it took longer than 10 s".into() },
            // An automatically updatable view with CHECK OPTION.
            "44000" => Verdict::Refused,
            state => Verdict::Broken { sqlstate: state.to_owned() },
        }
    }
}
