//! The schema as PostgreSQL sees it, as values. `read` alone sees a database; nothing here judges.

pub(crate) mod confidential;
pub(crate) mod policy;
pub(crate) mod read;
pub(crate) mod relation;
pub(crate) mod role;
pub(crate) mod routine;
#[cfg(test)]
pub(crate) mod sample;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Deserialize;

use crate::catalog::policy::View;
use crate::catalog::relation::{ForeignKey, Relation};
use crate::catalog::routine::{Routine, Routines};
use crate::names::Oid;
use crate::sql::expr::Name;

/// All relations, by oid, and the routines that decide with them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Catalog {
    relations: BTreeMap<Oid, Relation>,
    pub routines: Arc<Routines>,
}

/// A column of a relation that a view reads.
#[derive(Debug, Deserialize)]
pub(crate) struct ViewSource {
    view: Oid,
    source: Oid,
    column: String,
}

impl Catalog {
    /// A catalog of what is known.
    pub(crate) fn of(relations: Vec<Relation>, routines: Routines) -> Self {
        let relations = relations.into_iter().map(|relation| (relation.oid, relation));
        Self { relations: relations.collect(), routines: Arc::new(routines) }
    }

    pub(crate) fn relation(&self, oid: Oid) -> Option<&Relation> {
        self.relations.get(&oid)
    }

    /// All relations, by schema and name.
    pub(crate) fn relations(&self) -> impl Iterator<Item = &Relation> {
        let mut all: Vec<_> = self.relations.values().collect();
        all.sort_by_key(|relation| (&relation.schema, &relation.name));
        all.into_iter()
    }

    /// The relation of that `schema.name`.
    pub(crate) fn by_name(&self, name: &str) -> Option<&Relation> {
        self.relations.values().find(|relation| relation.title() == name)
    }

    /// The relation that a tree means by a name: that of a routine, or of what the server writes.
    pub(crate) fn named_by(&self, name: &Name, within: Option<&Routine>) -> Option<&Relation> {
        let is_it = |relation: &&Relation| match name.qualifier() {
            _ if relation.name != name.last() => false,
            Some(schema) => relation.schema == schema,
            None => self.routines.search_path(within).contains(&relation.schema),
        };
        self.relations.values().find(is_it)
    }

    /// Adds a reference that no constraint states.
    pub(crate) fn add_reference(&mut self, relation: Oid, reference: ForeignKey) {
        if let Some(relation) = self.relations.get_mut(&relation) {
            relation.foreign_keys.push(reference);
        }
    }

    /// As [`Self::add_reference`], before those that are there: among equal ways it is the one that is gone.
    pub(crate) fn add_first_reference(&mut self, relation: Oid, reference: ForeignKey) {
        if let Some(relation) = self.relations.get_mut(&relation) {
            relation.foreign_keys.insert(0, reference);
        }
    }

    /// Tells each relation of the views that read it.
    fn add_views(&mut self, views: Vec<View>, sources: &[ViewSource]) {
        for view in views.into_iter().map(Arc::new) {
            let read = sources.iter().filter(|row| row.view == view.view).map(|row| row.source);
            let read: BTreeSet<Oid> = read.collect();
            for source in &read {
                if let Some(relation) = self.relations.get_mut(source) {
                    relation.shown_by.push(Arc::clone(&view));
                }
            }
            if let Some(relation) = self.relations.get_mut(&view.view) {
                relation.reads = read;
                relation.definition = Some(view);
            }
        }
    }

    /// Gives a view the primary key, references, checks and NOT NULL of the columns that it shows unchanged,
    /// told by name and type. A view over a view gets them in a second round, and so on.
    fn inherit_into_views(&mut self, sources: &[ViewSource]) {
        const DEEPEST: usize = 8;
        for _ in 0..DEEPEST {
            for source in sources {
                self.inherit_policies(source);
                self.inherit_from(source, sources);
            }
        }
    }

    /// Who goes through a view of the invoker meets the policies of what it reads.
    fn inherit_policies(&mut self, edge: &ViewSource) {
        let Some(source) = self.relations.get(&edge.source) else { return };
        let policies = source.policies.clone();
        let Some(view) = self.relations.get_mut(&edge.view) else { return };
        for policy in policies {
            if !view.policies.iter().any(|known| Arc::ptr_eq(known, &policy)) {
                view.policies.push(policy);
            }
        }
    }

    fn inherit_from(&mut self, edge: &ViewSource, sources: &[ViewSource]) {
        let (Some(view), Some(source)) =
            (self.relations.get(&edge.view), self.relations.get(&edge.source))
        else {
            return;
        };
        let shows = |column: &String| {
            sources.iter().any(|other| {
                (other.view, other.source) == (edge.view, edge.source) && other.column == *column
            }) && view.column(column).is_some_and(|shown| {
                source.column(column).is_some_and(|own| own.base_type == shown.base_type)
            })
        };
        if !shows(&edge.column) {
            return;
        }
        let is_not_null = source.column(&edge.column).is_some_and(|column| column.not_null);
        let key = source.key().filter(|key| view.keys.is_empty() && key.iter().all(shows));
        let key = key.map(<[String]>::to_vec);
        let is_new = |foreign_key: &&ForeignKey| {
            foreign_key.columns.iter().all(shows)
                && !view.foreign_keys.iter().any(|known| known.columns == foreign_key.columns)
        };
        let foreign_keys: Vec<_> = source.foreign_keys.iter().filter(is_new).cloned().collect();
        let checks: Vec<_> = source
            .checks
            .iter()
            .filter(|check| {
                check.columns.iter().all(shows)
                    && !view.checks.iter().any(|known| known.name == check.name)
            })
            .cloned()
            .collect();
        if let Some(view) = self.relations.get_mut(&edge.view) {
            view.keys.extend(key);
            view.foreign_keys.extend(foreign_keys);
            view.checks.extend(checks);
            if let Some(column) = view.columns.iter_mut().find(|c| c.name == edge.column) {
                column.not_null |= is_not_null;
            }
        }
    }
}
