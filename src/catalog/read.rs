//! Reads the catalog: each query is a `.sql` file beside this one.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;

use crate::catalog::Catalog;
use crate::catalog::policy::Policy;
use crate::catalog::relation::{Check, ForeignKey, Relation, UniqueConstraint};
use crate::catalog::role::Role;
use crate::catalog::routine::{Routine, Routines};
use crate::error::Result;
use crate::names::Oid;
use crate::session::failed::failing;
use crate::session::open::Session;

#[derive(Deserialize)]
struct ConstraintRow {
    name: String,
    relation: Oid,
    kind: String,
    columns: Vec<String>,
    target: Option<Oid>,
    target_columns: Vec<String>,
    definition: String,
    expression: Option<String>,
    is_deferrable: bool,
    is_full: Option<bool>,
}

#[derive(Deserialize)]
struct UniqueIndexRow {
    relation: Oid,
    columns: Vec<String>,
}

/// Everything that migrations can define: its kind and name, and how the server writes it.
pub(crate) type Definitions = BTreeMap<(String, String), String>;

/// Reads the definitions outside the system schemas for which a condition over `kind` holds, whatever the
/// session has set.
pub(crate) fn definitions(session: &mut Session, condition: &str) -> Result<Definitions> {
    let rows = session.undone(|session| {
        // An empty search path makes the server write every name in full.
        session.say("set local search_path = ''");
        let query = include_str!("definitions.sql").replace("@condition@", condition);
        let rows = session.prepared("leakproof_definitions", &query);
        rows.map_err(failing("read the definitions"))
    })?;
    let mut definitions = Definitions::new();
    for row in rows {
        let [Some(kind), Some(title), definition] = row.as_slice() else { continue };
        let definition = definition.clone().unwrap_or_default();
        definitions.insert((kind.clone(), title.clone()), definition);
    }
    Ok(definitions)
}

/// Reads the roles that have something of the project's; `login` is who connects in production.
pub(crate) fn roles(session: &mut Session, login: &str) -> Result<Vec<Role>> {
    session.values(&include_str!("roles.sql").replace("@login@", login))
}

impl Catalog {
    /// Reads all relations outside the system schemas.
    pub(crate) fn read(session: &mut Session) -> Result<Self> {
        let routines: Vec<Routine> = session.values(include_str!("routines.sql"))?;
        let schemas = session
            .rows("select pg_catalog.unnest(pg_catalog.current_schemas(false))")
            .map_err(failing("read the search path"))?;
        let schemas = schemas.into_iter().flatten().flatten().collect();
        let mut catalog = Self::of(Vec::new(), Routines::new(routines, schemas));
        catalog.read_where(session, |_| "true".into())?;
        Ok(catalog)
    }

    /// Reads relations that have come since.
    pub(crate) fn read_new(&mut self, session: &mut Session, oids: &[Oid]) -> Result<()> {
        let oids: Vec<String> = oids.iter().map(Oid::to_string).collect();
        let list = oids.join(", ");
        self.read_where(session, |relation| format!("q.{relation} = any(array[{list}]::bigint[])"))
    }

    /// `condition` is over the column that names the relation.
    fn read_where(
        &mut self,
        session: &mut Session,
        condition: impl Fn(&str) -> String,
    ) -> Result<()> {
        let (of_relation, of_view) = (condition("relation"), condition("view"));
        let sql = include_str!("relations.sql");
        let rows: Vec<Relation> = session.values_where(sql, &condition("oid"))?;
        self.relations.extend(rows.into_iter().map(|row| (row.oid, row)));
        let sql = include_str!("constraints.sql");
        for row in session.values_where(sql, &of_relation)? {
            self.add_constraint(row);
        }
        let sql = include_str!("unique_indexes.sql");
        for row in session.values_where::<UniqueIndexRow>(sql, &of_relation)? {
            let Some(relation) = self.relations.get_mut(&row.relation) else { continue };
            if !relation.keys.contains(&row.columns) {
                relation.keys.push(row.columns);
            }
        }
        let sql = include_str!("unique_constraints.sql");
        for constraint in session.values_where::<UniqueConstraint>(sql, &of_relation)? {
            let Some(relation) = self.relations.get_mut(&constraint.relation) else { continue };
            relation.unique_constraints.push(constraint);
        }
        let sql = include_str!("policies.sql");
        for policy in session.values_where::<Policy>(sql, &of_relation)? {
            let Some(relation) = self.relations.get_mut(&policy.relation) else { continue };
            relation.policies.push(Arc::new(policy));
        }
        let views = session.values_where(include_str!("views.sql"), &of_view)?;
        let sources = session.values_where(include_str!("view_sources.sql"), &of_view)?;
        self.add_views(views, &sources);
        self.inherit_into_views(&sources);
        Ok(())
    }

    fn add_constraint(&mut self, row: ConstraintRow) {
        let Some(relation) = self.relations.get_mut(&row.relation) else { return };
        match (row.kind.as_str(), row.target) {
            ("p", _) => relation.keys.insert(0, row.columns),
            ("u", _) => relation.keys.push(row.columns),
            ("f", Some(target)) => {
                if row.is_deferrable {
                    relation.deferrable_references.insert(row.columns.clone(), row.name.clone());
                }
                if row.is_full.unwrap_or_default() {
                    relation.full_references.push(row.columns.clone());
                }
                relation.foreign_keys.push(ForeignKey {
                    columns: row.columns,
                    target,
                    target_columns: row.target_columns,
                });
            }
            _ => relation.checks.push(Check {
                name: row.name,
                columns: row.columns,
                definition: row.definition,
                expression: row.expression,
            }),
        }
    }
}
