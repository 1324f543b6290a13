//! Positive controls: three relations of known access that the very same probes must get right.
//!
//! They are made inside the transaction of the world, in a schema of their own that every actor may
//! use, and go with it; they are known by their oids. `open` proves that each actor
//! and command can be seen to succeed, `shut` that a denial is seen as one, `mine` that the session
//! carries the actor's identity to where policies read it.

use crate::actor::Actor;
use crate::catalog::Catalog;
use crate::error::{Error, Result};
use crate::matrix::cell::{Cell, Matrix};
use crate::matrix::class::RowClass;
use crate::matrix::command::Command;
use crate::matrix::controls::ControlSet;
use crate::matrix::verdict::Verdict;
use crate::names::{Oid, QualifiedName};
use crate::platform::Platform;
use crate::session::failed::failing;
use crate::session::open::{Session, unhindered};
use crate::sql::quote::{identifier, literal, qualified};
use crate::tenancy::Tenancy;
use crate::tenancy::root::Root;
use crate::world::ground::Ground;

/// The control relations of a world.
pub(crate) struct Controls {
    /// It has nothing else in it.
    schema: String,
    relations: Vec<(Oid, &'static Control)>,
}

impl Controls {
    /// Makes them, in a schema that is not there yet.
    ///
    /// # Errors
    /// The database refuses.
    pub(crate) fn create(
        session: &mut Session,
        ground: &Ground,
        platform: &Platform,
    ) -> Result<Self> {
        let columns = columns(&ground.catalog, &ground.tenancy)?;
        let roles = ground.actors.iter().map(|actor| identifier(actor.role()));
        let mut roles: Vec<String> = roles.collect();
        roles.sort();
        roles.dedup();
        let roles = roles.join(", ");
        let schema = free_schema(session)?;
        let schema_name = identifier(&schema);
        // No event trigger of the project has a say in them.
        let mut sql = format!(
            "create schema {schema_name};
             grant usage on schema {schema_name} to {roles};\n"
        );
        // Without users nobody has a row that is theirs alone.
        let has_users = !ground.tenancy.users.is_nowhere();
        let controls = || CONTROLS.iter().filter(|control| has_users || control.name != MINE);
        for Control { name, .. } in controls() {
            let table = qualified(&schema, name);
            let is_secured = if *name == OPEN { "disable" } else { "enable" };
            sql.push_str(&format!(
                "create table {table} ({columns});
                 grant select, insert, update, delete, truncate on {table} to {roles};
                 alter table {table} {is_secured} row level security;\n"
            ));
        }
        if has_users {
            sql.push_str(&format!(
                "create policy all_own on {} for all to {roles}
                    using (user_id::text = (select {}));\n",
                qualified(&schema, MINE),
                platform.user_expression(),
            ));
        }
        const ATTEMPT: &str = "make the control relations";
        session.as_owner(&unhindered(&sql)).map_err(failing(ATTEMPT))?;
        let made = format!(
            "select relname, oid from pg_catalog.pg_class
             where relnamespace = {}::regnamespace and relkind = 'r'",
            literal(&schema_name)
        );
        let made = session.rows(&made).map_err(failing(ATTEMPT))?;
        let find = |control: &'static Control| {
            let row = made.iter().find(|row| row[0].as_deref() == Some(control.name))?;
            Some((row[1].as_deref()?.parse().ok()?, control))
        };
        let relations = controls().filter_map(find).collect();
        Ok(Self { schema, relations })
    }

    pub(crate) fn oids(&self) -> Vec<Oid> {
        self.relations.iter().map(|(oid, _)| *oid).collect()
    }

    /// Whether a relation is one of them.
    pub(crate) fn has(&self, relation: Oid) -> bool {
        self.relations.iter().any(|(oid, _)| *oid == relation)
    }

    /// Whether the relation of that name is one of them.
    pub(crate) fn names(&self, relation: &QualifiedName) -> bool {
        relation.schema() == self.schema
    }

    /// Whether give and take say something about a relation: of the controls only about `open`. They
    /// are updates, whose denial `shut` proves, and `mine` does not look at the tenant.
    pub(crate) fn is_moved_in(&self, relation: Oid) -> bool {
        let control = self.relations.iter().find(|(oid, _)| *oid == relation);
        control.is_none_or(|(_, control)| control.name == OPEN)
    }

    /// Compares their cells with what they must be.
    pub(crate) fn judge(&self, matrix: &Matrix, actors: &[Actor]) -> ControlSet {
        let mut judged = ControlSet::default();
        for (_, control) in &self.relations {
            let relation = QualifiedName::new(&self.schema, control.name);
            for actor in actors {
                let cells: Vec<&Cell> = matrix.row(&relation, actor.name()).collect();
                if cells.is_empty() {
                    judged.fail(format!("`{}` tried nothing on `{relation}`", actor.name()));
                }
                for cell in cells {
                    judged.checked += 1;
                    let expected = (control.expects)(actor, cell);
                    if !expected.is_met_by(&cell.verdict) {
                        judged.fail(format!(
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
        judged
    }
}

/// The columns that each of them has: a tenant and a user as other tables name theirs.
fn columns(catalog: &Catalog, tenancy: &Tenancy) -> Result<String> {
    let reference = |root: &Root| {
        let column = root.key(catalog)?;
        let table = catalog.relation(root.relation)?.sql_name();
        let key = identifier(&root.column);
        Some(format!("{} not null references {table} ({key}) on delete cascade", column.type_name))
    };
    let user = match reference(&tenancy.users) {
        Some(user) => format!("user_id {user}, "),
        None if tenancy.users.is_nowhere() => String::new(),
        None => return Err(Error::new("the users table has no key for the controls")),
    };
    let tenant = tenancy.tenant.as_ref().and_then(reference);
    let tenant = tenant.map_or(String::new(), |tenant| format!("tenant_id {tenant}, "));
    Ok(format!("id uuid primary key, {tenant}{user}note text"))
}

/// A name that no schema of the project has.
fn free_schema(session: &mut Session) -> Result<String> {
    let query = "select 'leakproof_controls' || suffix from (
            values ('', 0) union all
            select '_' || number, number from pg_catalog.generate_series(1, 99) as n (number)
        ) as names (suffix, number)
        where not exists (
            select from pg_catalog.pg_namespace where nspname = 'leakproof_controls' || suffix
        )
        order by number limit 1";
    let rows = session.rows(query).map_err(failing("name a schema for the controls"))?;
    let name = rows.into_iter().flatten().flatten().next();
    name.ok_or_else(|| {
        Error::new("there is no name left for the schema of the controls")
            .help("drop the schemas whose names begin with `leakproof_controls`")
    })
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

const OPEN: &str = "open";
const MINE: &str = "mine";

const CONTROLS: &[Control] = &[
    Control { name: OPEN, expects: |_, _| Expected::Allowed },
    Control {
        name: "shut",
        expects: |actor, cell| match cell.class {
            RowClass::Whole => Expected::Allowed,
            _ if actor.is_service() => Expected::Allowed,
            _ => Expected::Denied,
        },
    },
    Control { name: MINE, expects: expect_of_mine },
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
