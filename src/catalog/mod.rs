//! The schema as PostgreSQL sees it, read back from `pg_catalog` into values.
//!
//! Each query is a `.sql` file beside this one. Nothing here judges what it reads.

use std::collections::BTreeMap;

use postgres::Client;
use serde::Deserialize;

use crate::error::Result;
use crate::session;
use crate::statement::qualified;

/// An object id as PostgreSQL gives it; stable within one database.
pub(crate) type Oid = i64;

/// All relations, by oid.
#[derive(Debug, Default)]
pub(crate) struct Catalog {
    relations: BTreeMap<Oid, Relation>,
}

/// A table, partition, view, materialised view or foreign table.
#[derive(Debug, Deserialize)]
pub(crate) struct Relation {
    pub oid: Oid,
    pub schema: String,
    pub name: String,
    pub kind: RelationKind,
    pub columns: Vec<Column>,
    /// Whether a trigger fires on update, and may change or refuse what is written.
    pub has_update_trigger: bool,
    /// Unique sets of columns, the primary key first.
    #[serde(skip)]
    pub keys: Vec<Vec<String>>,
    #[serde(skip)]
    pub foreign_keys: Vec<ForeignKey>,
    #[serde(skip)]
    pub checks: Vec<Check>,
    /// The expressions of its policies, and the views that show it.
    #[serde(skip)]
    pub rules: Vec<Rule>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) enum RelationKind {
    #[serde(rename = "r")]
    Table,
    #[serde(rename = "p")]
    Partitioned,
    #[serde(rename = "v")]
    View,
    #[serde(rename = "m")]
    MaterialisedView,
    #[serde(rename = "f")]
    ForeignTable,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Column {
    pub name: String,
    /// As `format_type` prints it, such as `character varying(20)`.
    pub type_name: String,
    /// The type's own name, that of the base type for a domain, such as `varchar`.
    pub base_type: String,
    /// `pg_type.typcategory`
    pub category: char,
    /// The greatest number of characters, where the type has one.
    pub length: Option<usize>,
    pub not_null: bool,
    pub has_default: bool,
    pub is_generated: bool,
    pub identity: String,
    /// How many fields a row type has.
    pub parts: usize,
    /// The labels of an enum.
    pub labels: Option<Vec<String>>,
}

/// A policy, or the condition of a view, over a relation's rows.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Rule {
    relation: Oid,
    pub is_policy: bool,
    /// Its expressions.
    asks: String,
    /// The bodies of the functions it calls.
    calls: Option<String>,
}

impl Rule {
    /// Whether its expressions name a column.
    pub(crate) fn names(&self, column: &str) -> bool {
        self.asks.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == column)
    }

    /// Whether it hands a row on as a whole, which names no column.
    pub(crate) fn takes_whole_row(&self) -> bool {
        self.asks.contains(".*")
    }

    /// Its expressions, as the server writes them.
    pub(crate) fn expression(&self) -> &str {
        &self.asks
    }

    /// All texts that may hold a value which it compares with.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.asks.as_str()).chain(self.calls.as_deref())
    }
}

/// A reference from columns of one relation to columns of another.
#[derive(Debug, Clone)]
pub(crate) struct ForeignKey {
    pub columns: Vec<String>,
    pub target: Oid,
    pub target_columns: Vec<String>,
}

#[derive(Debug, Clone)]
pub(crate) struct Check {
    pub name: String,
    pub columns: Vec<String>,
    pub definition: String,
}

#[derive(Deserialize)]
struct ConstraintRow {
    name: String,
    relation: Oid,
    kind: String,
    columns: Vec<String>,
    target: Option<Oid>,
    target_columns: Vec<String>,
    definition: String,
}

#[derive(Deserialize)]
struct UniqueIndexRow {
    relation: Oid,
    columns: Vec<String>,
}

#[derive(Deserialize)]
struct ViewSourceRow {
    view: Oid,
    source: Oid,
    column: String,
}

/// Everything that migrations can define: its kind and name, and how the server writes it.
pub(crate) type Definitions = BTreeMap<(String, String), String>;

/// Reads all definitions outside the system schemas, whatever the session has set.
pub(crate) fn definitions(client: &mut Client) -> Result<Definitions> {
    // An empty search path makes the server write every name in full.
    let sql = format!(
        "begin; set local search_path = ''; {}; rollback",
        include_str!("definitions.sql").trim_end()
    );
    let rows = session::rows(client, &sql)
        .map_err(|cause| session::internal("read the definitions", &cause))?;
    let mut definitions = Definitions::new();
    for row in rows {
        let [Some(kind), Some(title), definition] = row.as_slice() else { continue };
        let definition = definition.clone().unwrap_or_default();
        definitions.insert((kind.clone(), title.clone()), definition);
    }
    Ok(definitions)
}

impl Catalog {
    /// Reads all relations outside the system schemas.
    pub(crate) fn read(client: &mut Client) -> Result<Self> {
        let rows: Vec<Relation> = session::values(client, include_str!("relations.sql"))?;
        let mut catalog = Self { relations: rows.into_iter().map(|row| (row.oid, row)).collect() };
        for row in session::values(client, include_str!("constraints.sql"))? {
            catalog.add_constraint(row);
        }
        for row in session::values::<UniqueIndexRow>(client, include_str!("unique_indexes.sql"))? {
            let Some(relation) = catalog.relations.get_mut(&row.relation) else { continue };
            if !relation.keys.contains(&row.columns) {
                relation.keys.push(row.columns);
            }
        }
        for rule in session::values::<Rule>(client, include_str!("rules.sql"))? {
            let Some(relation) = catalog.relations.get_mut(&rule.relation) else { continue };
            relation.rules.push(rule);
        }
        let sources = session::values(client, include_str!("view_sources.sql"))?;
        catalog.inherit_into_views(&sources);
        Ok(catalog)
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

    /// Adds a reference that no constraint states.
    pub(crate) fn add_reference(&mut self, relation: Oid, reference: ForeignKey) {
        if let Some(relation) = self.relations.get_mut(&relation) {
            relation.foreign_keys.push(reference);
        }
    }

    fn add_constraint(&mut self, row: ConstraintRow) {
        let Some(relation) = self.relations.get_mut(&row.relation) else { return };
        match (row.kind.as_str(), row.target) {
            ("p", _) => relation.keys.insert(0, row.columns),
            ("u", _) => relation.keys.push(row.columns),
            ("f", Some(target)) => relation.foreign_keys.push(ForeignKey {
                columns: row.columns,
                target,
                target_columns: row.target_columns,
            }),
            _ => relation.checks.push(Check {
                name: row.name,
                columns: row.columns,
                definition: row.definition,
            }),
        }
    }

    /// Gives a view the primary key, references, checks and NOT NULL of the columns that it shows unchanged,
    /// told by name and type. A view over a view gets them in a second round, and so on.
    fn inherit_into_views(&mut self, sources: &[ViewSourceRow]) {
        const DEEPEST: usize = 8;
        for _ in 0..DEEPEST {
            for source in sources {
                self.inherit_policies(source);
                self.inherit_from(source, sources);
            }
        }
    }

    /// Who goes through a view of the invoker meets the policies of what it reads.
    fn inherit_policies(&mut self, edge: &ViewSourceRow) {
        let Some(source) = self.relations.get(&edge.source) else { return };
        let policies: Vec<Rule> =
            source.rules.iter().filter(|rule| rule.is_policy).cloned().collect();
        let Some(view) = self.relations.get_mut(&edge.view) else { return };
        for policy in policies {
            if !view.rules.contains(&policy) {
                view.rules.push(policy);
            }
        }
    }

    fn inherit_from(&mut self, edge: &ViewSourceRow, sources: &[ViewSourceRow]) {
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

impl Relation {
    /// `schema.name`, as reports show it.
    pub(crate) fn title(&self) -> String {
        format!("{}.{}", self.schema, self.name)
    }

    /// `"schema"."name"`, as statements need it.
    pub(crate) fn sql_name(&self) -> String {
        qualified(&self.schema, &self.name)
    }

    pub(crate) fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The primary key, or else the first unique columns that are never NULL.
    pub(crate) fn key(&self) -> Option<&[String]> {
        let is_solid = |key: &&Vec<String>| {
            self.is_view()
                || key.iter().all(|name| self.column(name).is_some_and(|column| column.not_null))
        };
        self.keys.iter().find(is_solid).map(Vec::as_slice)
    }

    pub(crate) fn is_view(&self) -> bool {
        matches!(self.kind, RelationKind::View | RelationKind::MaterialisedView)
    }

    /// Whether rows are stored here, so that a fixture row can be.
    pub(crate) fn is_table(&self) -> bool {
        matches!(self.kind, RelationKind::Table | RelationKind::Partitioned)
    }
}
