//! Ways from a row to its owners over foreign keys. Pure.

use std::collections::VecDeque;

use crate::catalog::Catalog;
use crate::catalog::relation::{ForeignKey, Relation};
use crate::names::Oid;
use crate::sql::quote::{identifier, qualified};
use crate::tenancy::root::Root;

/// Foreign keys to follow, one after the other; empty where the row is the owner itself.
#[derive(Debug, Clone, Default)]
pub(crate) struct Path {
    pub edges: Vec<ForeignKey>,
}

impl Path {
    /// The row's own columns that decide where the path leads.
    pub(crate) fn first_columns(&self) -> &[String] {
        self.edges.first().map_or(&[], |edge| edge.columns.as_slice())
    }
}

/// The shortest way to a root; see [`shortest_path_around`].
pub(super) fn shortest_path(catalog: &Catalog, from: &Relation, root: &Root) -> Option<Path> {
    shortest_path_around(catalog, from, root, None)
}

/// Breadth first over foreign keys. Among equally short paths one over columns that are never NULL
/// wins, then the catalog's order.
pub(super) fn shortest_path_around(
    catalog: &Catalog,
    from: &Relation,
    root: &Root,
    around: Option<Oid>,
) -> Option<Path> {
    let mut seen = vec![from.oid];
    seen.extend(around);
    let mut queue = VecDeque::from([(from, Path::default())]);
    while let Some((relation, path)) = queue.pop_front() {
        if relation.oid == root.relation {
            return Some(path);
        }
        let is_never_null = |foreign_key: &ForeignKey| {
            foreign_key
                .columns
                .iter()
                .all(|column| relation.column(column).is_some_and(|column| column.not_null))
        };
        let mut foreign_keys: Vec<_> = relation.foreign_keys.iter().collect();
        foreign_keys.sort_by_key(|foreign_key| {
            (foreign_key.target != root.relation, !is_never_null(foreign_key))
        });
        for foreign_key in foreign_keys {
            let Some(next) = catalog.relation(foreign_key.target) else { continue };
            if seen.contains(&next.oid) {
                continue;
            }
            seen.push(next.oid);
            let mut edges = path.edges.clone();
            edges.push(foreign_key.clone());
            queue.push_back((next, Path { edges }));
        }
    }
    None
}

/// The expression at the end of a path, with the joins it needs. The last edge needs none where its own
/// column holds the owner's key, and not another of the owner's columns.
pub(super) fn end_of(
    catalog: &Catalog,
    path: &Path,
    root: &Root,
    alias: &str,
    joins: &mut Vec<String>,
) -> Option<String> {
    let holds_key = |edge: &ForeignKey| edge.target_columns.contains(&root.column);
    let (joined, last) = match path.edges.split_last() {
        Some((last, before)) if holds_key(last) => (before, Some(last)),
        _ => (path.edges.as_slice(), None),
    };
    let mut here = "r".to_owned();
    for (depth, edge) in joined.iter().enumerate() {
        let target = catalog.relation(edge.target)?;
        let next = format!("{alias}{depth}");
        let pairs = edge.columns.iter().zip(&edge.target_columns);
        let on: Vec<String> = pairs
            .map(|(own, other)| {
                format!("{next}.{} = {here}.{}", identifier(other), identifier(own))
            })
            .collect();
        let table = qualified(&target.schema, &target.name);
        joins.push(format!(" left join {table} as {next} on {}", on.join(" and ")));
        here = next;
    }
    let Some(last) = last else { return Some(format!("{here}.{}", identifier(&root.column))) };
    let at = last.target_columns.iter().position(|column| *column == root.column)?;
    Some(format!("{here}.{}", identifier(&last.columns[at])))
}

/// Whether a path begins with a column that only says what somebody likes: it may be NULL, and no policy of
/// the table asks for it.
pub(super) fn is_preference(relation: &Relation, path: &Path) -> bool {
    let is_free = |name: &String| relation.column(name).is_some_and(|column| !column.not_null);
    let columns = path.first_columns();
    !columns.is_empty()
        && columns.iter().all(is_free)
        && !relation.policies.is_empty()
        && !relation.policies.iter().any(|policy| policy.looks_at(columns))
}
