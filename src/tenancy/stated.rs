//! What `leakproof.toml` states of the tenancy, as the catalog has it. Pure.

use std::collections::BTreeMap;

use crate::catalog::Catalog;
use crate::catalog::relation::Relation;
use crate::error::{Error, Result};
use crate::names::Oid;
use crate::platform::schemas::owns_schema;
use crate::project::Project;
use crate::project::config::{MembersConfig, OwnerConfig, PlatformKind, TenancyConfig};
use crate::tenancy::by_policy::Questions;
use crate::tenancy::infer;
use crate::tenancy::root::{Implied, Members, Root};
use crate::tenancy::roster::Roster;

pub(super) fn find_users(
    project: &Project,
    catalog: &Catalog,
    questions: &Questions,
) -> Result<Root> {
    match (&project.config().tenancy.users, project.platform().kind) {
        (Some(name), _) => root(catalog, "users", name),
        (None, PlatformKind::Supabase) => root(catalog, "users", "auth.users"),
        (None, PlatformKind::Plain) => {
            let has_user = project.identity().is_some_and(|identity| identity.user.is_some());
            let is_named = || has_user && project.config().tenancy.tenant.is_none();
            let named = || is_named().then(|| infer::named_users(catalog)).flatten();
            let users = infer::asked_users(catalog, questions).or_else(named);
            // Without a table they are those of a service that has its own, or there are tenants only.
            Ok(users.unwrap_or_else(Root::nowhere))
        }
    }
}

/// What `[tenancy.owners]` says, by relation.
pub(super) fn owners_by_relation<'c>(
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
pub(super) fn stated_references(
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
            if root.is_nowhere() {
                return Err(Error::new("the tenancy names no table of users")
                    .cause(format!(
                        "`[tenancy.owners]` says that `{column}` of `{}` holds a user",
                        relation.title()
                    ))
                    .help("set `users = \"schema.table\"` under `[tenancy]`"));
            }
            if !relation.refers(column) {
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

pub(super) fn root(catalog: &Catalog, what: &str, name: &str) -> Result<Root> {
    let relation = named(catalog, what, name)?;
    match relation.key() {
        Some([column]) => Ok(Root { relation: relation.oid, column: column.clone() }),
        _ => Err(Error::new(format!("the {what} table `{name}` has no key of one column"))
            .help("it needs a primary key of one column that others refer to")),
    }
}

pub(super) fn find_members(catalog: &Catalog, config: &MembersConfig) -> Result<Members> {
    let relation = named(catalog, "members", &config.table)?;
    for column in [&config.tenant, &config.user].into_iter().chain(config.values.keys()) {
        if relation.column(column).is_none() {
            return Err(lacks_column(relation, column, "members"));
        }
    }
    let highest = BTreeMap::new();
    Ok(Members { relation: relation.oid, config: config.clone(), highest })
}

/// The tables that `staff` under `[tenancy]` names.
pub(super) fn find_rosters(
    catalog: &Catalog,
    stated: &[String],
    names_user: impl Fn(Oid) -> bool,
) -> Result<Vec<Roster>> {
    let rosters = stated.iter().map(|name| {
        let relation = named(catalog, "staff", name)?;
        match names_user(relation.oid) {
            true => Ok(Roster::of(relation, true)),
            false => Err(Error::new(format!("the staff table `{name}` names no user"))
                .cause("no column of it leads to the users")
                .help(format!(
                    "say which does: `\"{name}\" = {{ user = \"...\" }}` under `[tenancy.owners]`"
                ))),
        }
    });
    rosters.collect()
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
