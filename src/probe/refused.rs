//! What a refusal says about access: which constraint stood in the way, and which verdict it means.

use crate::catalog::relation::{Relation, RelationKind};
use crate::matrix::verdict::Verdict;
use crate::probe::privileges::{Privilege, Privileges};
use crate::refusal::{QUERY_CANCELED, Refusal};
use crate::sql::quote::{identifier, qualified};

/// What is said of what was stopped because it took too long.
pub(crate) const TOO_SLOW: &str = "it took too long";

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
            QUERY_CANCELED => Verdict::Untested { reason: TOO_SLOW.into() },
            // An automatically updatable view with CHECK OPTION.
            "44000" => Verdict::Refused,
            state => Verdict::Broken { sqlstate: state.to_owned() },
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::catalog::sample;

    /// What a role may do with a table of `id` and `secret`: the commands as a whole, and `read` and
    /// `change` of the column `id` alone.
    fn privileges(granted: &[&str]) -> Privileges {
        let has = |privilege: &str| granted.contains(&privilege);
        let column = |may_read: bool, may_change: bool| json!({ "select": may_read, "insert": may_change, "update": may_change, "settable": true });
        serde_json::from_value(json!({
            "role": "authenticated",
            "relation": 1,
            "select": has("select"),
            "insert": has("insert"),
            "update": has("update"),
            "delete": has("delete"),
            "truncate": has("truncate"),
            "columns": {
                "id": column(has("select") || has("read"), has("update") || has("change")),
                "secret": column(has("select"), has("update")),
            },
            "updatable": 28,
        }))
        .expect("privileges")
    }

    /// A refusal with a SQLSTATE, raised by a function of the server.
    fn refusal(sqlstate: &str, routine: &str) -> Refusal {
        let (sqlstate, routine) = (sqlstate.to_owned(), Some(routine.to_owned()));
        Refusal { sqlstate, routine, ..Refusal::default() }
    }

    /// The same of a constraint of a table.
    fn by_constraint(sqlstate: &str, routine: &str, table: &str) -> Refusal {
        Refusal {
            schema: Some("public".into()),
            table: Some(table.into()),
            constraint: Some("one".into()),
            ..refusal(sqlstate, routine)
        }
    }

    fn missing_value(table: &str) -> Refusal {
        Refusal {
            schema: Some("public".into()),
            table: Some(table.into()),
            column: Some("secret".into()),
            ..refusal("23502", "ExecConstraints")
        }
    }

    fn of_type(sqlstate: &str) -> Refusal {
        Refusal { datatype: Some("code".into()), ..refusal(sqlstate, "ExecEvalConstraintCheck") }
    }

    #[test]
    fn a_code_and_the_privileges_make_a_verdict() {
        use Privilege::{Delete, Insert, Select, Truncate, Update};
        let closed = || refusal("42501", "aclcheck_error");
        let checked = || refusal("42501", "ExecWithCheckOptions");
        let raised = |sqlstate| refusal(sqlstate, "exec_stmt_raise");
        let unique = by_constraint("23505", "_bt_check_unique", "notes");
        let to_owner = |code| by_constraint(code, "ri_ReportViolation", "notes");
        let stopped = |code: &str| format!("allowed, stopped only by a constraint ({code})");
        let (all, none) = (["select", "insert", "update", "delete", "truncate"], []);
        for (what, refusal, needs, granted, expected) in [
            ("no grant", closed(), Select, &none[..], "not granted".into()),
            ("another grant", closed(), Delete, &["select"], "not granted".into()),
            ("no grant", closed(), Truncate, &["delete"], "not granted".into()),
            ("of what a policy reads", closed(), Select, &all, "broken (42501)".into()),
            ("a check", checked(), Insert, &all, "refused".into()),
            ("a check, not granted", checked(), Insert, &none, "not granted".into()),
            ("a trigger", raised("42501"), Update, &all, "refused".into()),
            ("a trigger, not granted", raised("42501"), Update, &["select"], "not granted".into()),
            ("a trigger", raised("23505"), Insert, &all, "refused".into()),
            ("a trigger", raised("23503"), Delete, &all, "refused".into()),
            (
                "what a reader's function raises",
                raised("42501"),
                Select,
                &all,
                "broken (42501)".into(),
            ),
            ("a trigger of another code", raised("P0001"), Insert, &all, "broken (P0001)".into()),
            ("a unique constraint", unique.clone(), Insert, &all, stopped("23505")),
            ("the same, not granted", unique, Insert, &none, stopped("23505")),
            (
                "no constraint is named",
                refusal("23505", "x"),
                Insert,
                &all,
                "broken (23505)".into(),
            ),
            ("a check constraint", to_owner("23514"), Update, &all, stopped("23514")),
            ("an exclusion", to_owner("23P01"), Insert, &all, stopped("23P01")),
            ("a value is missing", missing_value("notes"), Insert, &all, stopped("23502")),
            ("a foreign key", to_owner("23503"), Insert, &all, "refused".into()),
            ("on delete restrict", to_owner("23001"), Delete, &all, "refused".into()),
            (
                "a domain",
                of_type("23514"),
                Insert,
                &all,
                "untested (the type of a column refused the value)".into(),
            ),
            (
                "a domain that is not null",
                of_type("23502"),
                Update,
                &all,
                "untested (the type of a column refused the value)".into(),
            ),
            ("time", refusal("57014", "x"), Select, &all, "untested (it took too long)".into()),
            (
                "a check option",
                refusal("44000", "ExecWithCheckOptions"),
                Insert,
                &all,
                "refused".into(),
            ),
            ("recursion", refusal("42P17", "x"), Select, &all, "broken (42P17)".into()),
            ("division", refusal("22012", "int4div"), Select, &none, "broken (22012)".into()),
        ] {
            let verdict = refusal.verdict(&privileges(granted), false, needs, &[], 3);
            assert_eq!(verdict.sentence(), expected, "{what}: {needs:?} with {granted:?}");
        }
        let counted = by_constraint("23505", "x", "notes");
        let counted = counted.verdict(&privileges(&all), false, Insert, &[], 3);
        assert!(matches!(counted, Verdict::Allowed { rows: 0, of: 3, .. }), "{counted:?}");
    }

    #[test]
    fn columns_are_granted_one_by_one() {
        use Privilege::{Select, Update};
        let closed = refusal("42501", "aclcheck_error");
        for (granted, needs, named, expected) in [
            (&["read"][..], Select, &[(Select, "id")][..], "broken (42501)"),
            (&["read"], Select, &[(Select, "secret")], "not granted"),
            (&["change"], Update, &[(Update, "id")], "broken (42501)"),
            (&["change"], Update, &[(Update, "id"), (Select, "id")], "not granted"),
            (&["change", "read"], Update, &[(Update, "id"), (Select, "id")], "broken (42501)"),
            (&["update", "read"], Update, &[(Update, "secret"), (Select, "secret")], "not granted"),
        ] {
            let verdict = closed.verdict(&privileges(granted), false, needs, named, 1);
            assert_eq!(verdict.sentence(), expected, "{granted:?} for {named:?}");
        }
    }

    #[test]
    fn a_view_of_the_invoker_asks_for_grants_below() {
        let (all, select) = (privileges(&["select", "update"]), Privilege::Select);
        for (routine, needs, expected) in [
            ("aclcheck_error", select, "not granted"),
            ("exec_stmt_raise", select, "not granted"),
            ("exec_stmt_raise", Privilege::Update, "refused"),
            ("ExecWithCheckOptions", Privilege::Update, "refused"),
        ] {
            let verdict = refusal("42501", routine).verdict(&all, true, needs, &[], 1);
            assert_eq!(verdict.sentence(), expected, "{routine} for {needs:?}");
        }
    }

    #[test]
    fn what_keeps_data_in_shape_is_beside_access() {
        use Privilege::{Delete, Insert, Update};
        let table = |kind: &str| sample::relation(json!({ "name": "notes", "kind": kind }), &[]);
        let key = |table: &str| by_constraint("23503", "ri_ReportViolation", table);
        for (what, refusal, privilege, kind, expected) in [
            ("unique", by_constraint("23505", "x", "notes"), Insert, "r", true),
            ("a check", by_constraint("23514", "x", "notes"), Update, "r", true),
            ("an exclusion", by_constraint("23P01", "x", "notes"), Insert, "r", true),
            ("a missing value", missing_value("notes"), Insert, "r", true),
            ("raised", by_constraint("23505", "exec_stmt_raise", "notes"), Insert, "r", false),
            ("a key of the row itself", key("notes"), Insert, "r", false),
            ("a key of the row itself", key("notes"), Update, "r", false),
            ("a key to the row", key("lines"), Update, "r", true),
            ("a key to the row below a view", key("lines"), Update, "v", false),
            ("a key to the row", key("lines"), Delete, "r", true),
            ("restrict", by_constraint("23001", "x", "lines"), Delete, "v", true),
            ("a policy", refusal("42501", "ExecWithCheckOptions"), Insert, "r", false),
        ] {
            let is_beside = refusal.is_beside_access(privilege, &table(kind));
            assert_eq!(is_beside, expected, "{what}: {privilege:?} of {kind}");
        }
    }

    #[test]
    fn a_constraint_is_taken_away_by_its_name() {
        let unique = by_constraint("23505", "x", "Notes");
        for (refusal, expected) in [
            (
                &unique,
                &[
                    "alter table public.\"Notes\" drop constraint one cascade",
                    "drop index public.one",
                ][..],
            ),
            (
                &missing_value("notes"),
                &["alter table public.notes alter column secret drop not null"],
            ),
            (&refusal("42501", "x"), &[]),
        ] {
            assert_eq!(refusal.ways_to_remove(), expected);
        }
    }

    #[test]
    fn a_closed_relation_is_refused_before_any_row() {
        let closed = refusal("42501", "aclcheck_error");
        let within = Refusal { context: Some("SQL function f".into()), ..closed.clone() };
        assert!(closed.is_before_rows());
        assert!(!within.is_before_rows(), "a function may have looked at a row");
        assert!(!refusal("42501", "ExecWithCheckOptions").is_before_rows());
    }
}
