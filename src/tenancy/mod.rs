//! Who owns what: the tenant table, the membership table, and for every relation the path by which
//! a row belongs to a tenant and to a user. Pure; what the config does not say is inferred.

mod asked;
pub(crate) mod by_policy;
mod evaluate;
pub(crate) mod infer;
pub(crate) mod keys;
mod meaning;
#[cfg(test)]
mod sample;
mod scope;

use std::collections::{BTreeMap, VecDeque};

use crate::catalog::Catalog;
use crate::catalog::relation::{Column, ForeignKey, Relation};
use crate::error::{Error, Result};
use crate::names::Oid;
use crate::platform::schemas::owns_schema;
use crate::project::Project;
use crate::project::config::{Identity, MembersConfig, OwnerConfig, PlatformKind, TenancyConfig};
use crate::sql::quote::{identifier, qualified};
use crate::tenancy::by_policy::Questions;
use crate::tenancy::meaning::Asker;

/// What a row's owner is read from.
#[derive(Debug)]
pub(crate) struct Tenancy {
    /// The table of tenants; without one every user stands alone.
    pub tenant: Option<Root>,
    /// The table of users.
    pub users: Root,
    pub members: Option<Members>,
    ownership: BTreeMap<Oid, Ownership>,
    /// Why a reference that no foreign key states is one, by relation and column.
    implied: BTreeMap<(Oid, String), String>,
    /// Whether the config says something of tenants and users.
    pub is_stated: bool,
    /// Why the tenant and its members are what they are, where nobody has said it.
    pub why: Option<String>,
    /// The places in a token where policies look for a tenant's key, such as `app_metadata`, `org_id`.
    pub claims: Vec<Vec<String>>,
    /// The relations of which nothing has settled whose their rows are, while policies relate these to
    /// who is asking: the names of those.
    pub unknown: BTreeMap<Oid, Vec<String>>,
}

/// A table whose rows are owners, and its single key column.
#[derive(Debug, Clone)]
pub(crate) struct Root {
    pub relation: Oid,
    pub column: String,
}

impl Root {
    /// Its key, as the catalog describes it.
    pub(crate) fn key<'a>(&self, catalog: &'a Catalog) -> Option<&'a Column> {
        catalog.relation(self.relation)?.column(&self.column)
    }
}

/// The table that makes a user a member of a tenant.
#[derive(Debug)]
pub(crate) struct Members {
    pub relation: Oid,
    pub config: MembersConfig,
    /// Column values of the membership of who runs the tenant, where they were inferred.
    pub highest: BTreeMap<String, String>,
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
    /// Reads the tenancy from the config and follows the catalog's foreign keys, to which the
    /// references are added that nothing but a policy, a name or the config tells of: a table that
    /// names its owner without a foreign key is nobody's otherwise, and a leak of it would pass as
    /// shared data. Where the config says nothing of tenants and users, they are inferred.
    ///
    /// # Errors
    /// A table or column that the config names and the catalog lacks.
    pub(crate) fn find(project: &Project, catalog: &mut Catalog) -> Result<Self> {
        let config = &project.config().tenancy;
        let users = find_users(project, catalog)?;
        let mut tenancy = Self {
            tenant: None,
            users,
            members: None,
            ownership: BTreeMap::new(),
            implied: BTreeMap::new(),
            is_stated: !config.says_nothing(),
            why: None,
            claims: Vec::new(),
            unknown: BTreeMap::new(),
        };
        let stated = stated_references(config, catalog, &tenancy.users)?;
        tenancy.add_references(catalog, stated);
        let asker = match project.config().identity.as_ref() {
            Some(Identity { user, tenant, .. }) => {
                Asker::Settings { user: user.clone(), tenant: tenant.clone() }
            }
            None => Asker::Supabase,
        };
        let questions = Questions::of(catalog, &asker);
        let implied = infer::user_references(catalog, &tenancy.users, &questions);
        tenancy.add_references(catalog, implied);
        let implied = infer::chosen_references(catalog, &tenancy.users, &questions);
        tenancy.add_references(catalog, implied);
        tenancy.find_tenants(config, catalog, &questions)?;
        let implied = tenancy.references_named_as_in_members(catalog);
        tenancy.add_references(catalog, implied);
        if let Some(tenant) = &tenancy.tenant {
            let stated = config.claims.iter();
            let stated = stated.map(|claim| claim.split('.').map(str::to_owned).collect());
            let inferred = infer::tenant_claims(catalog, tenant, &questions);
            tenancy.claims = stated.chain(inferred).collect();
            tenancy.claims.sort();
            tenancy.claims.dedup();
            let implied = infer::tenant_references(
                catalog,
                &tenancy.users,
                (tenant, &tenancy.claims),
                &questions,
            );
            tenancy.add_references(catalog, implied);
        }
        let owners = owners_by_relation(config, catalog)?;
        tenancy.ownership = catalog
            .relations()
            .map(|relation| {
                let ownership = match owners.get(&relation.oid) {
                    Some(owner) => tenancy.follow_stated(catalog, relation, owner),
                    None => tenancy.follow(catalog, relation),
                };
                (relation.oid, ownership)
            })
            .collect();
        let is_stated = |relation: &Relation| owners.contains_key(&relation.oid);
        let open = catalog.relations().filter(|relation| {
            let Ownership { tenant, user } = tenancy.ownership(relation.oid);
            let is_settled = tenant.is_some() || user.is_some() || is_stated(relation);
            tenancy.is_of_project(relation) && !is_settled
        });
        let asking = open.map(|relation| (relation.oid, questions.about_rows(relation.oid)));
        let asking = asking.filter(|(_, policies)| !policies.is_empty());
        tenancy.unknown = asking.map(|(oid, policies)| (oid, policies.to_vec())).collect();
        Ok(tenancy)
    }

    fn find_tenants(
        &mut self,
        config: &TenancyConfig,
        catalog: &Catalog,
        questions: &Questions,
    ) -> Result<()> {
        let tenant = config.tenant.as_deref();
        self.tenant = tenant.map(|name| root(catalog, "tenant", name)).transpose()?;
        let members = config.members.as_ref().map(|members| find_members(catalog, members));
        self.members = members.transpose()?;
        if !config.says_nothing() {
            return Ok(());
        }
        if let Some(inferred) = infer::infer_members(catalog, &self.users) {
            let members = find_members(catalog, &inferred.members)?;
            self.tenant = Some(inferred.tenant);
            self.members = Some(Members { highest: inferred.highest, ..members });
            self.why = Some(inferred.why);
        } else if let Some(tenant) = infer::claimed_tenant(catalog, questions) {
            self.tenant = Some(tenant);
            self.why = Some("policies compare its key with a claim of the token".into());
        }
        Ok(())
    }

    fn add_references(&mut self, catalog: &mut Catalog, references: Vec<Implied>) {
        for Implied { relation, reference, why } in references {
            self.implied.insert((relation, reference.columns[0].clone()), why);
            catalog.add_reference(relation, reference);
        }
    }

    /// Columns that no foreign key holds, but that are named and typed as in the membership table.
    fn references_named_as_in_members(&self, catalog: &Catalog) -> Vec<Implied> {
        let Some(members) = &self.members else { return Vec::new() };
        let roots = [
            (self.tenant.as_ref(), &members.config.tenant),
            (Some(&self.users), &members.config.user),
        ];
        let mut implied = Vec::new();
        for (root, name) in roots.iter().filter_map(|(root, name)| Some((root.as_ref()?, *name))) {
            let Some(key) = root.key(catalog) else { continue };
            for relation in catalog.relations().filter(|r| r.oid != root.relation) {
                let is_stated = relation.foreign_keys.iter().any(|f| f.columns.contains(name));
                let column = relation.column(name);
                if !is_stated && column.is_some_and(|column| column.base_type == key.base_type) {
                    let why = "it is named and typed as in the table of members";
                    implied.push(Implied::to(root, relation.oid, name, why));
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

    /// Whether a relation is a table of the project, and not the platform's or the users'.
    pub(crate) fn is_of_project(&self, relation: &Relation) -> bool {
        infer::is_of_project(relation, &self.users)
    }

    /// Why the first column of a path leads where it does, in words.
    pub(crate) fn reason(&self, catalog: &Catalog, relation: &Relation, path: &Path) -> String {
        let Some(first) = path.edges.first() else { return "the rows are owners".into() };
        let key = (relation.oid, first.columns[0].clone());
        if let Some(why) = self.implied.get(&key) {
            return why.clone();
        }
        let titles = path.edges.iter().filter_map(|edge| catalog.relation(edge.target));
        let titles: Vec<String> = titles.map(Relation::title).collect();
        format!("foreign key to {}", titles.join(" and on to "))
    }

    /// The paths that begin with the columns that the config names.
    fn follow_stated(
        &self,
        catalog: &Catalog,
        relation: &Relation,
        owner: &OwnerConfig,
    ) -> Ownership {
        let path = |root: Option<&Root>, column: Option<&str>| {
            let (root, column) = (root?, column?);
            let begins = |f: &&ForeignKey| f.columns.iter().any(|name| name == column);
            let paths = relation.foreign_keys.iter().filter(begins).filter_map(|first| {
                let next = catalog.relation(first.target)?;
                let rest = shortest_path(catalog, next, root)?;
                let edges = std::iter::once(first.clone()).chain(rest.edges).collect();
                Some(Path { edges })
            });
            paths.min_by_key(|path| path.edges.len())
        };
        Ownership {
            tenant: path(self.tenant.as_ref(), owner.tenant()),
            user: path(Some(&self.users), owner.user()),
        }
    }

    fn follow(&self, catalog: &Catalog, relation: &Relation) -> Ownership {
        let shortest = |root: &Root| shortest_path(catalog, relation, root);
        Ownership { tenant: self.tenant.as_ref().and_then(shortest), user: shortest(&self.users) }
    }
}

/// A reference that no constraint states, and why it is taken for one.
pub(crate) struct Implied {
    relation: Oid,
    reference: ForeignKey,
    why: String,
}

impl Implied {
    fn is_of(&self, relation: Oid, column: &str) -> bool {
        self.relation == relation && self.reference.columns == [column.to_owned()]
    }

    fn to(root: &Root, relation: Oid, column: &str, why: &str) -> Self {
        let reference = ForeignKey {
            columns: vec![column.to_owned()],
            target: root.relation,
            target_columns: vec![root.column.clone()],
        };
        Self { relation, reference, why: why.to_owned() }
    }
}

fn find_users(project: &Project, catalog: &Catalog) -> Result<Root> {
    match (&project.config().tenancy.users, project.config().project.platform) {
        (Some(name), _) => root(catalog, "users", name),
        (None, PlatformKind::Supabase) => root(catalog, "users", "auth.users"),
        (None, PlatformKind::Plain) => Err(Error::new("the tenancy names no table of users")
            .help("set `users = \"schema.table\"` under `[tenancy]`")),
    }
}

/// What `[tenancy.owners]` says, by relation.
fn owners_by_relation<'c>(
    config: &'c TenancyConfig,
    catalog: &Catalog,
) -> Result<BTreeMap<Oid, &'c OwnerConfig>> {
    let known = |(name, owner): (&String, &'c OwnerConfig)| {
        let relation = named(catalog, "owned", name)?;
        let lacks = |column: &&str| relation.column(column).is_none();
        match [owner.tenant(), owner.user()].into_iter().flatten().find(lacks) {
            Some(column) => Err(lacks_column(relation, column, "owners")),
            None => Ok((relation.oid, owner)),
        }
    };
    config.owners.iter().map(known).collect()
}

/// References that only `[tenancy.owners]` states: its columns that no foreign key holds.
fn stated_references(
    config: &TenancyConfig,
    catalog: &Catalog,
    users: &Root,
) -> Result<Vec<Implied>> {
    let tenant = config.tenant.as_deref().map(|name| root(catalog, "tenant", name)).transpose()?;
    let mut stated = Vec::new();
    for (oid, owner) in owners_by_relation(config, catalog)? {
        let Some(relation) = catalog.relation(oid) else { continue };
        for (root, column) in [(tenant.as_ref(), owner.tenant()), (Some(users), owner.user())] {
            let (Some(root), Some(column)) = (root, column) else { continue };
            if !relation.foreign_keys.iter().any(|f| f.columns.iter().any(|name| name == column)) {
                stated.push(Implied::to(root, oid, column, "`[tenancy.owners]` says so"));
            }
        }
    }
    Ok(stated)
}

fn lacks_column(relation: &Relation, column: &str, key: &str) -> Error {
    let known: Vec<_> = relation.columns.iter().map(|column| column.name.as_str()).collect();
    Error::new(format!("`{}` has no column `{column}`", relation.title()))
        .cause(format!("its columns are {}", known.join(", ")))
        .help(format!("correct `{key}` under `[tenancy]`"))
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
            return Err(lacks_column(relation, column, "members"));
        }
    }
    let highest = BTreeMap::new();
    Ok(Members { relation: relation.oid, config: config.clone(), highest })
}

fn named<'a>(catalog: &'a Catalog, what: &str, name: &str) -> Result<&'a Relation> {
    catalog.by_name(name).ok_or_else(|| {
        let known: Vec<_> = catalog
            .relations()
            .filter(|one| one.is_table() && !owns_schema(&one.schema))
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
