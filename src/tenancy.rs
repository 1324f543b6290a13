//! Who owns what: the tenant table, the membership table, and for every relation the path by which
//! a row belongs to a tenant and to a user. Pure; follows foreign keys, never table names. A column
//! that no foreign key holds, but that is named and typed as in the membership table, counts as one.

use std::collections::{BTreeMap, VecDeque};

use crate::catalog::{Catalog, ForeignKey, Oid, Relation};
use crate::error::{Error, Result};
use crate::project::{MembersConfig, PlatformKind, Project};
use crate::statement::{identifier, qualified};

/// What a row's owner is read from.
#[derive(Debug)]
pub(crate) struct Tenancy {
    /// The table of tenants; without one every user stands alone.
    pub tenant: Option<Root>,
    /// The table of users.
    pub users: Root,
    pub members: Option<Members>,
    ownership: BTreeMap<Oid, Ownership>,
}

/// A table whose rows are owners, and its single key column.
#[derive(Debug, Clone)]
pub(crate) struct Root {
    pub relation: Oid,
    pub column: String,
}

/// The table that makes a user a member of a tenant.
#[derive(Debug)]
pub(crate) struct Members {
    pub relation: Oid,
    pub config: MembersConfig,
}

/// The paths from a relation to its owners.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ownership {
    pub tenant: Option<Path>,
    pub user: Option<Path>,
}

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

impl Tenancy {
    /// Reads the tenancy from the config and follows the catalog's foreign keys.
    ///
    /// # Errors
    /// A table or column that the config names and the catalog lacks.
    pub(crate) fn find(project: &Project, catalog: &Catalog) -> Result<Self> {
        let config = &project.config().tenancy;
        let tenant = config.tenant.as_deref();
        let tenant = tenant.map(|name| root(catalog, "tenant", name)).transpose()?;
        let users = match (&config.users, project.config().project.platform) {
            (Some(name), _) => root(catalog, "users", name)?,
            (None, PlatformKind::Supabase) => root(catalog, "users", "auth.users")?,
            (None, PlatformKind::Plain) => {
                return Err(Error::new("the tenancy names no table of users")
                    .help("set `users = \"schema.table\"` under `[tenancy]`"));
            }
        };
        let members = config.members.as_ref().map(|members| find_members(catalog, members));
        let members = members.transpose()?;
        let mut tenancy = Self { tenant, users, members, ownership: BTreeMap::new() };
        tenancy.ownership = catalog
            .relations()
            .map(|relation| (relation.oid, tenancy.follow(catalog, relation)))
            .collect();
        Ok(tenancy)
    }

    /// As [`Self::find`], with the references that only a column's name tells of added to `catalog`:
    /// a table that names its tenant without a foreign key is nobody's otherwise, and a leak of it
    /// would pass as shared data.
    ///
    /// # Errors
    /// As [`Self::find`].
    pub(crate) fn find_all(project: &Project, catalog: &mut Catalog) -> Result<Self> {
        let stated = Self::find(project, catalog)?;
        let implied = stated.implied_references(catalog);
        if implied.is_empty() {
            return Ok(stated);
        }
        catalog.add_references(implied);
        Self::find(project, catalog)
    }

    fn implied_references(&self, catalog: &Catalog) -> Vec<(Oid, ForeignKey)> {
        let Some(members) = &self.members else { return Vec::new() };
        let roots = [
            (self.tenant.as_ref(), &members.config.tenant),
            (Some(&self.users), &members.config.user),
        ];
        let mut implied = Vec::new();
        for (root, name) in roots.iter().filter_map(|(root, name)| Some((root.as_ref()?, *name))) {
            let key = catalog.relation(root.relation).and_then(|table| table.column(&root.column));
            let Some(key) = key else { continue };
            for relation in catalog.relations().filter(|r| r.oid != root.relation) {
                let is_stated = relation.foreign_keys.iter().any(|f| f.columns.contains(name));
                let column = relation.column(name);
                if !is_stated && column.is_some_and(|column| column.base_type == key.base_type) {
                    let reference = ForeignKey {
                        columns: vec![name.clone()],
                        target: root.relation,
                        target_columns: vec![root.column.clone()],
                    };
                    implied.push((relation.oid, reference));
                }
            }
        }
        implied
    }

    pub(crate) fn ownership(&self, relation: Oid) -> &Ownership {
        const NOBODY: &Ownership = &Ownership { tenant: None, user: None };
        self.ownership.get(&relation).unwrap_or(NOBODY)
    }

    /// The columns of a relation that decide whose a row is, without repetition.
    pub(crate) fn owner_columns(&self, relation: Oid) -> Vec<String> {
        let ownership = self.ownership(relation);
        let mut columns: Vec<String> = Vec::new();
        for path in [&ownership.tenant, &ownership.user].into_iter().flatten() {
            for column in path.first_columns() {
                if !columns.contains(column) {
                    columns.push(column.clone());
                }
            }
        }
        columns
    }

    /// A query for the given columns of every row, then its tenant and its user as text.
    pub(crate) fn owners_query(
        &self,
        catalog: &Catalog,
        relation: &Relation,
        columns: &[String],
    ) -> String {
        let ownership = self.ownership(relation.oid);
        let mut joins = Vec::new();
        let tenant = self.tenant.as_ref().zip(ownership.tenant.as_ref());
        let tenant = tenant.and_then(|(root, path)| end_of(catalog, path, root, "t", &mut joins));
        let user = ownership.user.as_ref();
        let user = user.and_then(|path| end_of(catalog, path, &self.users, "u", &mut joins));
        let mut list: Vec<String> =
            columns.iter().map(|column| format!("r.{}::text", identifier(column))).collect();
        for owner in [tenant, user] {
            list.push(owner.map_or("null".into(), |owner| format!("{owner}::text")));
        }
        format!("select {} from {} as r{}", list.join(", "), relation.sql_name(), joins.concat())
    }

    fn follow(&self, catalog: &Catalog, relation: &Relation) -> Ownership {
        let shortest = |root: &Root| shortest_path(catalog, relation, root);
        Ownership { tenant: self.tenant.as_ref().and_then(shortest), user: shortest(&self.users) }
    }
}

fn root(catalog: &Catalog, what: &str, name: &str) -> Result<Root> {
    let relation = named(catalog, what, name)?;
    match relation.key() {
        Some([column]) => Ok(Root { relation: relation.oid, column: column.clone() }),
        _ => Err(Error::new(format!("the {what} table `{name}` has no key of one column"))
            .help("it needs a primary key of one column that others refer to")),
    }
}

fn find_members(catalog: &Catalog, config: &MembersConfig) -> Result<Members> {
    let relation = named(catalog, "members", &config.table)?;
    for column in [&config.tenant, &config.user].into_iter().chain(config.values.keys()) {
        if relation.column(column).is_none() {
            let known: Vec<_> = relation.columns.iter().map(|c| c.name.as_str()).collect();
            return Err(Error::new(format!("`{}` has no column `{column}`", config.table))
                .cause(format!("its columns are {}", known.join(", ")))
                .help("correct `members` under `[tenancy]`"));
        }
    }
    Ok(Members { relation: relation.oid, config: config.clone() })
}

fn named<'a>(catalog: &'a Catalog, what: &str, name: &str) -> Result<&'a Relation> {
    catalog.by_name(name).ok_or_else(|| {
        let known: Vec<_> = catalog
            .relations()
            .filter(|relation| relation.is_table() && relation.schema != "auth")
            .map(Relation::title)
            .collect();
        Error::new(format!("the {what} table `{name}` does not exist"))
            .cause(format!("after all migrations the tables are {}", known.join(", ")))
            .help("correct the name under `[tenancy]`; write it as `schema.table`")
    })
}

/// Breadth first over foreign keys. Among equally short paths one over columns that are never NULL
/// wins, then the catalog's order.
fn shortest_path(catalog: &Catalog, from: &Relation, root: &Root) -> Option<Path> {
    let mut seen = vec![from.oid];
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

/// The expression at the end of a path, with the joins it needs. The last edge needs none: its own
/// column holds the owner's key.
fn end_of(
    catalog: &Catalog,
    path: &Path,
    root: &Root,
    alias: &str,
    joins: &mut Vec<String>,
) -> Option<String> {
    let Some((last, before)) = path.edges.split_last() else {
        return Some(format!("r.{}", identifier(&root.column)));
    };
    let mut here = "r".to_owned();
    for (depth, edge) in before.iter().enumerate() {
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
    let at = last.target_columns.iter().position(|column| *column == root.column)?;
    Some(format!("{here}.{}", identifier(&last.columns[at])))
}
