//! Positive controls: three relations of known access that the very same probes must get right.
//!
//! They are made inside the transaction of the world and go with it. `open` proves that each actor
//! and command can be seen to succeed, `shut` that a denial is seen as one, `mine` that the session
//! carries the actor's identity to where policies read it.

use postgres::Client;

use crate::actor::Actor;
use crate::catalog::{Catalog, Oid, Relation};
use crate::error::{Error, Result};
use crate::matrix::cell::{Cell, Matrix};
use crate::matrix::class::RowClass;
use crate::matrix::command::Command;
use crate::matrix::controls::ControlSet;
use crate::matrix::verdict::Verdict;
use crate::names::QualifiedName;
use crate::platform::Platform;
use crate::session;
use crate::sql::quote::{identifier, literal, qualified};
use crate::tenancy::{Root, Tenancy};

const PREFIX: &str = "leakproof_control_";

/// Whether a relation is one of the controls.
pub(crate) fn is_control(name: &str) -> bool {
    name.starts_with(PREFIX)
}

/// Whether the relation of that name is a control.
pub(crate) fn names_control(relation: &QualifiedName) -> bool {
    is_control(relation.name())
}

/// Whether give and take say something about a relation: of the controls only about `open`. They are
/// updates, whose denial `shut` proves, and `mine` does not look at the tenant.
pub(crate) fn is_moved_in(relation: &Relation) -> bool {
    !is_control(&relation.name) || relation.name.ends_with("open")
}

impl ControlSet {
    /// Makes the control relations, as ourselves, and gives their oids.
    ///
    /// # Errors
    /// The schema is not there, or the database refuses.
    pub(crate) fn create(
        client: &mut Client,
        schema: &str,
        catalog: &Catalog,
        tenancy: &Tenancy,
        platform: &Platform,
        roles: &[&str],
    ) -> Result<Vec<Oid>> {
        let reference = |root: &Root| {
            let column = root.key(catalog)?;
            let table = catalog.relation(root.relation)?.sql_name();
            let key = identifier(&root.column);
            Some(format!(
                "{} not null references {table} ({key}) on delete cascade",
                column.type_name
            ))
        };
        let user = reference(&tenancy.users);
        let user = user.ok_or_else(|| Error::new("the users table has no key for the controls"))?;
        let tenant = tenancy.tenant.as_ref().and_then(reference);
        let tenant = tenant.map_or(String::new(), |tenant| format!("tenant_id {tenant}, "));
        let mut roles: Vec<String> = roles.iter().map(|role| identifier(role)).collect();
        roles.sort();
        roles.dedup();
        let roles = roles.join(", ");
        let mut sql = String::new();
        let mut oids = Vec::new();
        for control in CONTROLS {
            let table = qualified(schema, &format!("{PREFIX}{}", control.name));
            sql.push_str(&format!(
                "create table {table} (id uuid primary key, {tenant}user_id {user}, note text);
                 grant select, insert, update, delete, truncate on {table} to {roles};
                 alter table {table} {} row level security;\n",
                if control.name == "open" { "disable" } else { "enable" }
            ));
            if control.name == "mine" {
                sql.push_str(&format!(
                    "create policy all_own on {table} for all to {roles} \
                     using (user_id::text = (select {}));\n",
                    platform.user_expression()
                ));
            }
            oids.push(format!("select {}::regclass::oid", literal(&table)));
        }
        sql.push_str(&oids.join(" union all "));
        let rows = session::rows(client, &sql).map_err(|cause| {
            Error::new("could not make the control relations").cause(session::reason(&cause))
        })?;
        Ok(rows.into_iter().flatten().flatten().filter_map(|oid| oid.parse().ok()).collect())
    }

    /// Compares the cells of the control relations with what they must be.
    pub(crate) fn judge(matrix: &Matrix, schema: &str, actors: &[Actor]) -> Self {
        let mut controls = Self::default();
        for control in CONTROLS {
            let relation = QualifiedName::new(schema, format!("{PREFIX}{}", control.name));
            for actor in actors {
                let cells: Vec<&Cell> = matrix.row(&relation, actor.name()).collect();
                if cells.is_empty() {
                    controls.fail(format!("`{}` tried nothing on `{relation}`", actor.name()));
                }
                for cell in cells {
                    controls.checked += 1;
                    let expected = (control.expects)(actor, cell);
                    if !expected.is_met_by(&cell.verdict) {
                        controls.fail(format!(
                            "`{}` {} on {} rows of `{}` must be {}, and was {}",
                            actor.name(),
                            cell.command.name(),
                            crate::matrix::class::class_name(cell.class),
                            control.name,
                            expected.name(),
                            cell.verdict.sentence()
                        ));
                    }
                }
            }
        }
        controls
    }
}

struct Control {
    name: &'static str,
    expects: fn(&Actor, &Cell) -> Expected,
}

#[derive(PartialEq)]
enum Expected {
    Allowed,
    Denied,
    Either,
}

impl Expected {
    fn is_met_by(&self, verdict: &Verdict) -> bool {
        match (self, verdict) {
            (Self::Either, _) => true,
            (Self::Allowed, Verdict::Allowed { rows, of, .. }) => rows == of,
            (Self::Denied, Verdict::Hidden | Verdict::Refused) => true,
            _ => false,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Allowed => "allowed on all",
            Self::Denied => "denied by row security",
            Self::Either => "anything",
        }
    }
}

const CONTROLS: &[Control] = &[
    Control { name: "open", expects: |_, _| Expected::Allowed },
    Control {
        name: "shut",
        expects: |actor, cell| match cell.class {
            RowClass::Whole => Expected::Allowed,
            _ if actor.is_service() => Expected::Allowed,
            _ => Expected::Denied,
        },
    },
    Control { name: "mine", expects: expect_of_mine },
];

fn expect_of_mine(actor: &Actor, cell: &Cell) -> Expected {
    match cell.class {
        RowClass::Whole => Expected::Allowed,
        _ if actor.is_service() => Expected::Allowed,
        RowClass::Own => Expected::Allowed,
        // Another tenant's row with the actor as its user: the policy does not look at the tenant.
        RowClass::Other if matches!(cell.command, Command::Insert | Command::InsertReturning) => {
            Expected::Either
        }
        _ => Expected::Denied,
    }
}

/// The oids of the controls among the relations of a catalog.
pub(crate) fn control_oids(catalog: &Catalog, schema: &str) -> Vec<Oid> {
    let relations = catalog.relations().filter(|r| r.schema == schema && is_control(&r.name));
    relations.map(|relation| relation.oid).collect()
}
