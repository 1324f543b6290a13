//! Who owns what: the tenant table, the membership table, and for every relation the path by which
//! a row belongs to a tenant and to a user. Pure; what the config does not say is inferred.

mod alternatives;
pub(crate) mod asked;
mod bars;
pub(crate) mod bearer;
pub(crate) mod by_policy;
mod evaluate;
pub(crate) mod identity;
mod homes;
mod owned;
pub(crate) mod implied;
pub(crate) mod infer;
pub(crate) mod keys;
pub(crate) mod meaning;
pub(crate) mod path;
mod readings;
#[cfg(test)]
mod sample;
pub(crate) mod root;
pub(crate) mod roster;
mod scope;
pub(crate) mod standing;
mod stated;
pub(crate) mod told_apart;
pub(crate) mod unsettled;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use crate::catalog::Catalog;
use crate::catalog::relation::{ForeignKey, Relation};
use crate::error::Result;
use crate::names::Oid;
use crate::project::Project;
use crate::project::config::{NO_MEMBERS, OwnerConfig, TenancyConfig};
use crate::sql::quote::{identifier, literal};
use crate::tenancy::asked::Told;
use crate::tenancy::bearer::{Bearer, OwnerColumns, bearers};
use crate::tenancy::by_policy::Questions;
use crate::tenancy::homes::{Home, homes};
use crate::tenancy::meaning::{Asker, Meaning};
use crate::tenancy::path::{Path, end_of, is_preference, shortest_path, shortest_path_around};
use crate::tenancy::root::{Implied, Members, Root};
use crate::tenancy::roster::{People, Roster, rosters};
use crate::tenancy::standing::{Standing, constant, standing_of};
use crate::tenancy::stated::{
    find_members, find_rosters, find_users, owners_by_relation, root, stated_references,
};
use crate::tenancy::told_apart::ToldOfRow;
use crate::tenancy::unsettled::{Unsettled, unsettled};

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
    /// Where policies look for the key of a tenant, or else of a user, that a client writes itself.
    pub forgeable: Vec<(Meaning, bool)>,
    /// By which claims and settings policies tell some who ask from others.
    pub told: Vec<Told>,
    /// What policies ask of rows that they read beside the judged one and those of who is asking.
    pub read_rows: BTreeSet<ToldOfRow>,
    /// The columns that policies and views compare with a column of another row, and that no key keeps apart.
    pub compared: BTreeSet<(Oid, String)>,
    /// The columns whose values open rows to whoever knows these.
    pub bearers: Vec<Bearer>,
    /// The columns by whose values policies tell people apart, and how.
    pub standing: Vec<Standing>,
    /// The tables in which being listed makes somebody more than others.
    pub rosters: Vec<Roster>,
    /// The relations in schemas of a tenant each, and whose role that is.
    pub homes: BTreeMap<Oid, Home>,
    /// The relations of which nothing has settled whose their rows are, though these could be somebody's.
    pub unknown: BTreeMap<Oid, Unsettled>,
    /// The relations of which the config says whose their rows are.
    pub stated: BTreeSet<Oid>,
}

/// The paths from a relation to its owners.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ownership {
    pub tenant: Option<Path>,
    pub user: Option<Path>,
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
        let asker = match project.identity() {
            Some(identity) if !identity.is_token() => {
                Asker::Settings { user: identity.user.clone(), tenant: identity.tenant.clone() }
            }
            _ => Asker::Supabase,
        };
        let questions = Questions::of(catalog, &asker);
        let users = find_users(project, catalog, &questions)?;
        let mut tenancy = Self {
            tenant: None,
            users,
            members: None,
            ownership: BTreeMap::new(),
            implied: BTreeMap::new(),
            is_stated: !config.says_nothing(),
            why: None,
            claims: Vec::new(),
            forgeable: Vec::new(),
            told: Vec::new(),
            read_rows: BTreeSet::new(),
            compared: BTreeSet::new(),
            bearers: Vec::new(),
            standing: Vec::new(),
            rosters: Vec::new(),
            homes: BTreeMap::new(),
            unknown: BTreeMap::new(),
            stated: BTreeSet::new(),
        };
        let by_email = implied::email_references(catalog, &tenancy.users, &questions);
        let (first, by_email): (Vec<_>, Vec<_>) =
            by_email.into_iter().partition(|(_, is_first)| *is_first);
        tenancy.add_first_references(catalog, first.into_iter().map(|(implied, _)| implied));
        let mut stated = stated_references(config, catalog, &tenancy.users)?;
        stated.retain(|one| {
            !by_email.iter().any(|(known, _)| known.is_of(one.relation, &one.reference.columns[0]))
        });
        tenancy.add_references(catalog, stated);
        tenancy.told = questions.told_of_requests();
        let implied = implied::user_references(catalog, &tenancy.users, &questions);
        tenancy.add_references(catalog, implied);
        tenancy.add_references(catalog, by_email.into_iter().map(|(implied, _)| implied).collect());
        let implied = implied::chosen_references(catalog, &tenancy.users, &questions);
        tenancy.add_references(catalog, implied);
        let has_setting = project.identity().is_some_and(|identity| identity.tenant.is_some());
        let is_whole = config.members.is_some() || !config.claims.is_empty() || has_setting;
        if config.tenant.is_some() && !is_whole {
            return Err(project.config_error().cause(NO_MEMBERS.0).help(NO_MEMBERS.1));
        }
        tenancy.find_tenants(config, catalog, &questions, has_setting)?;
        let implied = tenancy.references_named_as_in_members(catalog);
        tenancy.add_references(catalog, implied);
        if let Some(tenant) = &tenancy.tenant {
            let stated = config.claims.iter();
            let stated = stated.map(|claim| claim.split('.').map(str::to_owned).collect());
            let inferred = infer::tenant_claims(catalog, tenant, &questions);
            tenancy.claims = stated.chain(inferred).collect();
            tenancy.claims.sort();
            tenancy.claims.dedup();
            let implied = implied::tenant_references(
                catalog,
                &tenancy.users,
                (tenant, &tenancy.claims),
                &questions,
            );
            tenancy.add_references(catalog, implied);
        }
        for (root, parameter) in tenancy.columns_of_members() {
            let implied = implied::handed_references(catalog, &tenancy.users, (&root, &parameter));
            tenancy.add_references(catalog, implied);
        }
        tenancy.add_inverted(catalog, &asker);
        tenancy.standing =
            standing_of(catalog, &tenancy.users, tenancy.members.as_ref(), &questions);
        tenancy.compared = questions.compared_with_columns(catalog, &asker);
        tenancy.read_rows = questions.told_of_read_rows();
        tenancy.read_rows.retain(|told| {
            let is_it =
                |one: &Standing| (one.relation, &one.column) == (told.relation, &told.column);
            !tenancy.standing.iter().any(is_it)
        });
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
        tenancy.tell_tenants_of_standing();
        tenancy.rosters = match &config.staff {
            Some(stated) => find_rosters(catalog, stated, |relation| {
                tenancy.ownership(relation).user.is_some()
            })?,
            None => {
                let people = People {
                    users: &tenancy.users,
                    members: tenancy.members.as_ref().map(|members| members.relation),
                    standing: &tenancy.standing,
                    user_of: &|relation| tenancy.ownership(relation).user.as_ref(),
                    is_of_tenant: &|relation| tenancy.ownership(relation).tenant.is_some(),
                };
                rosters(catalog, &people, &questions)
            }
        };
        tenancy.forgeable = tenancy.forgeable_keys(catalog, &questions);
        tenancy.bearers = bearers(catalog, &questions, |relation| OwnerColumns {
            columns: tenancy.owner_columns(relation),
            is_of_users: tenancy.ownership(relation).user.is_some(),
        });
        let config = project.config();
        let stated = config.actors.values().filter_map(|actor| actor.role.as_deref());
        let listed = config.identity.iter().flat_map(|identity| &identity.roles);
        let own = project.identity().map(|identity| identity.role.as_str());
        let roles = stated.chain(listed.map(String::as_str)).chain(own).collect();
        let mut homes = homes(catalog, &roles);
        homes.retain(|oid, _| {
            let Ownership { tenant, user } = tenancy.ownership(*oid);
            tenant.is_none() && user.is_none() && !owners.contains_key(oid)
        });
        tenancy.homes = homes;
        let roots: Vec<&Root> = std::iter::once(&tenancy.users).chain(&tenancy.tenant).collect();
        let is_settled = |relation: &Relation| {
            let Ownership { tenant, user } = tenancy.ownership(relation.oid);
            let is_users = relation.oid == tenancy.users.relation;
            let is_at_home = tenancy.homes.contains_key(&relation.oid);
            let is_stated = owners.contains_key(&relation.oid);
            is_users || tenant.is_some() || user.is_some() || is_stated || is_at_home
        };
        let is_owned = |relation: &Relation| tenancy.is_owned(relation.oid);
        tenancy.unknown = unsettled(catalog, &roots, &questions, is_settled, is_owned);
        tenancy.stated = owners.keys().copied().collect();
        Ok(tenancy)
    }

    /// References of what nothing leads to an owner from, by policies that let through all rows but those.
    fn add_inverted(&mut self, catalog: &mut Catalog, asker: &Asker) {
        let is_open = |catalog: &Catalog, relation: &Relation| {
            let mut roots = self.tenant.iter().chain([&self.users]);
            !relation.policies.is_empty()
                && roots.all(|root| shortest_path(catalog, relation, root).is_none())
        };
        let open: Vec<Oid> =
            catalog.relations().filter(|one| is_open(catalog, one)).map(|one| one.oid).collect();
        if open.is_empty() {
            return;
        }
        let questions = Questions::inverted(catalog, asker, &open);
        let mut implied = implied::user_references(catalog, &self.users, &questions);
        implied.extend(implied::chosen_references(catalog, &self.users, &questions));
        if let Some(tenant) = &self.tenant {
            let claims = (tenant, self.claims.as_slice());
            implied.extend(implied::tenant_references(catalog, &self.users, claims, &questions));
        }
        implied.retain(|one| open.contains(&one.relation));
        self.add_references(catalog, implied);
    }

    fn find_tenants(
        &mut self,
        config: &TenancyConfig,
        catalog: &Catalog,
        questions: &Questions,
        has_setting: bool,
    ) -> Result<()> {
        let tenant = config.tenant.as_deref();
        self.tenant = tenant.map(|name| root(catalog, "tenant", name)).transpose()?;
        let members = config.members.as_ref().map(|members| find_members(catalog, members));
        self.members = members.transpose()?;
        if !config.leaves_tenants() {
            return Ok(());
        }
        if let Some(inferred) = infer::infer_members(catalog, &self.users) {
            let members = find_members(catalog, &inferred.members)?;
            self.tenant = Some(inferred.tenant);
            self.members = Some(Members { highest: inferred.highest, ..members });
            self.why = Some(inferred.why);
        } else if let Some(tenant) = infer::claimed_tenant(catalog, questions) {
            let asked = if has_setting { "the tenant's setting" } else { "a claim of the token" };
            self.tenant = Some(tenant);
            self.why = Some(format!("policies compare its key with {asked}"));
        }
        Ok(())
    }

    /// What a client may write itself to be taken for somebody else, each with whether it is a tenant's key.
    fn forgeable_keys(&self, catalog: &Catalog, questions: &Questions) -> Vec<(Meaning, bool)> {
        let mut found: Vec<(Meaning, bool)> = Vec::new();
        for relation in catalog.relations() {
            let Ownership { tenant, user } = self.ownership(relation.oid);
            let leads = |path: &Option<Path>, root: Option<&Root>, column: &String| {
                let is_key = root
                    .is_some_and(|root| root.relation == relation.oid && root.column == *column);
                is_key || path.as_ref().is_some_and(|path| path.first_columns().contains(column))
            };
            for (column, written) in questions.forgeable_columns(relation.oid) {
                let is_tenants = leads(tenant, self.tenant.as_ref(), &column);
                let is_owners = is_tenants || leads(user, Some(&self.users), &column);
                let one = (written, is_tenants);
                if is_owners && !found.contains(&one) {
                    found.push(one);
                }
            }
        }
        found
    }

    fn add_references(&mut self, catalog: &mut Catalog, references: Vec<Implied>) {
        for Implied { relation, reference, why } in references {
            self.implied.insert((relation, reference.columns[0].clone()), why);
            catalog.add_reference(relation, reference);
        }
    }

    /// As [`Self::add_references`], before those that are there.
    fn add_first_references(
        &mut self,
        catalog: &mut Catalog,
        references: impl Iterator<Item = Implied>,
    ) {
        for Implied { relation, reference, why } in references {
            self.implied.insert((relation, reference.columns[0].clone()), why);
            catalog.add_first_reference(relation, reference);
        }
    }

    /// Whether the rows of a relation say by the e-mail of a user whose they are: that need be nobody's member.
    pub(crate) fn is_by_email(&self, relation: Oid) -> bool {
        let user = self.ownership(relation).user.as_ref();
        let edge = user.and_then(|path| path.edges.first());
        edge.is_some_and(|edge| self.is_email_reference(edge))
    }

    /// Whether a reference holds the e-mail of a user.
    pub(crate) fn is_email_reference(&self, reference: &ForeignKey) -> bool {
        reference.target == self.users.relation
            && !reference.target_columns.contains(&self.users.column)
    }

    /// The columns of the table of members, and whose keys they hold.
    fn columns_of_members(&self) -> Vec<(Root, String)> {
        let Some(members) = &self.members else { return Vec::new() };
        let tenant = self.tenant.clone().map(|root| (root, members.config.tenant.clone()));
        let user = (self.users.clone(), members.config.user.clone());
        tenant.into_iter().chain([user]).collect()
    }

    /// Columns that no foreign key holds, but that are named and typed as in the membership table.
    fn references_named_as_in_members(&self, catalog: &Catalog) -> Vec<Implied> {
        let mut implied = Vec::new();
        for (root, name) in self.columns_of_members() {
            let Some(key) = root.key(catalog) else { continue };
            for relation in catalog.relations().filter(|r| r.oid != root.relation) {
                let column = relation.column(&name);
                if !relation.refers(&name)
                    && !relation.is_key(&name)
                    && column.is_some_and(|column| column.base_type == key.base_type)
                {
                    let why = "it is named and typed as in the table of members";
                    implied.push(Implied::to(&root, relation.oid, &name, why));
                }
            }
        }
        implied
    }

    /// Whether nobody can be a member of more than one tenant: a user has one row that says of which.
    pub(crate) fn is_of_one_tenant(&self, catalog: &Catalog) -> bool {
        let Some(members) = &self.members else { return false };
        let keys = catalog.relation(members.relation).map_or(&[][..], |table| &table.keys);
        keys.iter().any(|key| *key == [members.config.user.clone()])
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
        let mut end_of_one = |root: &Root, path: &Path, alias: &str| {
            let owner = format!("{}::text", end_of(catalog, path, root, alias, &mut joins)?);
            let nobody = self.nobody_at_end(catalog, relation, path);
            Some(match nobody {
                Some(value) => format!("nullif({owner}, {})", literal(&value)),
                None => owner,
            })
        };
        // Where the one that decides is NULL another one does, if a check knows both.
        let mut end = |root: &Root, path: &Path, alias: &str| {
            let first = end_of_one(root, path, alias)?;
            let others = self.instead_of(relation, root, path).into_iter().enumerate();
            let others =
                others.filter_map(|(at, path)| end_of_one(root, &path, &format!("{alias}{at}_")));
            let all: Vec<String> = std::iter::once(first).chain(others).collect();
            Some(match all.as_slice() {
                [one] => one.clone(),
                all => format!("coalesce({})", all.join(", ")),
            })
        };
        let tenant = self.tenant.as_ref().zip(ownership.tenant.as_ref());
        let tenant = tenant.and_then(|(root, path)| end(root, path, "t"));
        let user = ownership.user.as_ref().and_then(|path| end(&self.users, path, "u"));
        let mut list: Vec<String> =
            columns.iter().map(|column| format!("r.{}::text", identifier(column))).collect();
        list.extend([tenant, user].map(|owner| owner.unwrap_or_else(|| "null".into())));
        format!("select {} from {} as r{}", list.join(", "), relation.sql_name(), joins.concat())
    }

    /// What stands for nobody in a column that names owners, no foreign key asks for, and may not be NULL: its
    /// default, such as an empty text.
    pub(crate) fn nobody_in(&self, relation: &Relation, column: &str) -> Option<String> {
        self.implied.get(&(relation.oid, column.to_owned()))?;
        let column = relation.column(column)?;
        let default = column.default.as_deref().filter(|_| column.not_null)?;
        (column.category == 'S').then(|| constant(default)).flatten()
    }

    /// The same for the column in which a path ends.
    fn nobody_at_end(&self, catalog: &Catalog, relation: &Relation, path: &Path) -> Option<String> {
        let (last, before) = path.edges.split_last()?;
        let end = before.last().map_or(Some(relation), |edge| catalog.relation(edge.target))?;
        self.nobody_in(end, last.columns.first()?)
    }

    /// Whether a relation is a table of the project, and not the platform's or the users'.
    pub(crate) fn is_of_project(&self, relation: &Relation) -> bool {
        infer::is_of_project(relation, &self.users)
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
        let tenant = self.tenant.as_ref().and_then(|root| shortest_path(catalog, relation, root));
        // Who made a tenant does not own its rows.
        let around = self.tenant.as_ref().map(|root| root.relation);
        let around = around.filter(|tenant| *tenant != relation.oid);
        let user = shortest_path_around(catalog, relation, &self.users, around);
        let are_members = self.members.as_ref().is_some_and(|one| one.relation == relation.oid);
        let is_told = user.is_none() || are_members;
        let tenant = tenant.filter(|path| is_told || !is_preference(relation, path));
        Ownership { tenant, user }
    }
}
