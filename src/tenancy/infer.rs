//! What the schema alone tells of its tenancy: foreign keys first, then what policies compare with
//! who asks, then the names of columns. Each guess says why, so that a person can correct it.

use std::collections::BTreeMap;

use crate::catalog::Catalog;
use crate::catalog::relation::{ForeignKey, Relation};
use crate::catalog::routine::Routine;
use crate::names::Oid;
use crate::platform::schemas::owns_schema;
use crate::project::config::MembersConfig;
use crate::sql::expr::Expr;
use crate::tenancy::by_policy::Questions;
use crate::tenancy::keys::listed_values;
use crate::tenancy::meaning::is_email;
use crate::tenancy::path::shortest_path;
use crate::tenancy::root::Root;

/// Names of tables whose rows are tenants, in the singular.
const TENANT_TABLES: [&str; 16] = [
    "account",
    "agency",
    "business",
    "club",
    "company",
    "customer",
    "group",
    "household",
    "org",
    "organisation",
    "organization",
    "school",
    "store",
    "team",
    "tenant",
    "workspace",
];

/// Values of an ordinary member, in columns of the membership such as `role` and `status`.
pub(super) const ORDINARY: [&str; 8] =
    ["member", "user", "editor", "viewer", "active", "accepted", "approved", "confirmed"];

/// Values of who runs the tenant.
pub(super) const HIGHEST: [&str; 4] = ["owner", "admin", "administrator", "manager"];

/// Names of tables, in the singular, of what somebody is or has, and not of where they belong.
const LISTS: [&str; 9] =
    ["country", "language", "level", "permission", "plan", "role", "status", "tag", "tier"];

/// A tenant table and what makes somebody a member.
#[derive(Debug)]
pub(crate) struct Inferred {
    pub tenant: Root,
    pub members: MembersConfig,
    /// Column values of the membership of who runs the tenant, if there is such a thing.
    pub highest: BTreeMap<String, String>,
    pub why: String,
}

/// The table whose key policies compare with a claim of the token, where nothing ties users to it:
/// then the token alone says who is a member.
pub(crate) fn claimed_tenant(catalog: &Catalog, questions: &Questions) -> Option<Root> {
    let claimed = claimed_columns(catalog, questions).into_iter();
    let claimed = claimed.map(|(relation, column, _)| (relation, column));
    let set = catalog.relations().flat_map(|relation| {
        let columns = questions.tenant_columns(relation.oid).into_iter();
        columns.map(move |column| (relation, column))
    });
    let target = |(relation, column): (&Relation, String)| {
        let holds = |f: &&ForeignKey| f.columns == [column.clone()];
        let target = relation.foreign_keys.iter().find(holds).map(|f| f.target);
        let target = catalog.relation(target.unwrap_or(relation.oid))?;
        match target.key() {
            // A column of the table itself counts where it is the key.
            Some([key]) if target.oid != relation.oid || *key == column => {
                Some(Root { relation: target.oid, column: key.clone() })
            }
            _ => None,
        }
    };
    set.chain(claimed).find_map(target)
}

/// Names of tables whose rows are users, in the singular, the most telling first.
const USER_TABLES: [&str; 6] = ["user", "app_user", "person", "people", "profile", "employee"];

/// The table of users of a plain project: the one whose key policies compare with who asks, itself or in
/// columns that refer to it.
pub(super) fn asked_users(catalog: &Catalog, questions: &Questions) -> Option<Root> {
    let mut votes: BTreeMap<Oid, usize> = BTreeMap::new();
    for relation in catalog.relations().filter(|one| one.is_table()) {
        for column in questions.user_columns(relation.oid) {
            let users = holder_of(catalog, relation, &column);
            users.into_iter().for_each(|users| *votes.entry(users.oid).or_default() += 1);
        }
    }
    let most = votes.iter().max_by_key(|(oid, votes)| (**votes, std::cmp::Reverse(**oid)));
    root_in(catalog.relation(*most?.0)?)
}

/// The table that is named as users are.
pub(super) fn named_users(catalog: &Catalog) -> Option<Root> {
    let tables: Vec<&Relation> = catalog.relations().filter(|one| one.is_table()).collect();
    let named = |name: &&str| tables.iter().find(|table| singular(&table.name) == *name);
    USER_TABLES.iter().find_map(named).and_then(|table| root_in(table))
}

fn root_in(table: &Relation) -> Option<Root> {
    match table.key() {
        Some([key]) => Some(Root { relation: table.oid, column: key.clone() }),
        _ => None,
    }
}

/// The table whose key a column holds: the end of the references that it begins, or its own.
fn holder_of<'c>(catalog: &'c Catalog, from: &'c Relation, column: &str) -> Option<&'c Relation> {
    let (mut table, mut column) = (from, column.to_owned());
    for _ in 0..catalog.relations().count() {
        let next = table.foreign_keys.iter().find(|key| key.columns == [column.clone()]);
        let Some(next) = next else { break };
        column = next.target_columns.first()?.clone();
        table = catalog.relation(next.target)?;
    }
    table.is_key(&column).then_some(table)
}

/// The claims that policies compare with columns that hold a tenant's key.
pub(crate) fn tenant_claims(
    catalog: &Catalog,
    tenant: &Root,
    questions: &Questions,
) -> Vec<Vec<String>> {
    let mut found: Vec<Vec<String>> = Vec::new();
    for (relation, column, claim) in claimed_columns(catalog, questions) {
        let is_key = relation.oid == tenant.relation && column == tenant.column;
        let mut references = relation.foreign_keys.iter();
        let leads =
            references.any(|f| f.target == tenant.relation && f.columns == [column.clone()]);
        if (is_key || leads) && !found.contains(&claim) {
            found.push(claim);
        }
    }
    found
}

/// The columns that policies compare with a claim, and its place in the token.
fn claimed_columns<'c>(
    catalog: &'c Catalog,
    questions: &Questions,
) -> Vec<(&'c Relation, String, Vec<String>)> {
    let claimed = catalog.relations().flat_map(|relation| {
        let columns = questions.claimed_columns(relation.oid).into_iter();
        // An e-mail is that of a user.
        let columns = columns.filter(|(_, claim)| !is_email(claim));
        columns.map(move |(column, claim)| (relation, column, claim))
    });
    claimed.collect()
}

pub(super) fn tables<'a>(
    catalog: &'a Catalog,
    users: &'a Root,
) -> impl Iterator<Item = &'a Relation> {
    catalog.relations().filter(move |relation| is_of_project(relation, users))
}

/// Whether a relation is a table of the project's own, and not that of the users.
pub(crate) fn is_of_project(relation: &Relation, users: &Root) -> bool {
    relation.oid != users.relation && relation.is_table() && !owns_schema(&relation.schema)
}

/// The tenant table and the membership that fit best, if any do.
///
/// A membership has one row for each user and tenant, or one for each user; and policies of other
/// tables ask it, or its name says what it is and so does the tenant's.
pub(crate) fn infer_members(catalog: &Catalog, users: &Root) -> Option<Inferred> {
    let candidates = tables(catalog, users).flat_map(|table| candidates_in(catalog, users, table));
    // The first among equals.
    let best = candidates.reduce(|best, next| if next.score > best.score { next } else { best })?;
    Some(best.into_inferred())
}

struct Candidate<'a> {
    members: &'a Relation,
    user: &'a str,
    tenant_column: &'a str,
    tenant: &'a Relation,
    key: &'a str,
    followers: usize,
    is_asked: bool,
    score: usize,
}

fn candidates_in<'a>(
    catalog: &'a Catalog,
    users: &Root,
    members: &'a Relation,
) -> Vec<Candidate<'a>> {
    let single = |foreign_key: &'a ForeignKey| match foreign_key.columns.as_slice() {
        [column] => Some((column.as_str(), foreign_key.target)),
        _ => None,
    };
    let references: Vec<(&str, Oid)> = members.foreign_keys.iter().filter_map(single).collect();
    let is_user = |(_, target): &&(&str, Oid)| {
        *target == users.relation
            || catalog.relation(*target).is_some_and(|table| is_profile(table, users))
    };
    let mut found = Vec::new();
    for (user, _) in references.iter().filter(is_user) {
        for (tenant_column, target) in references.iter().filter(|reference| !is_user(reference)) {
            let Some(tenant) = catalog.relation(*target).filter(|t| t.oid != members.oid) else {
                continue;
            };
            if LISTS.contains(&singular(&tenant.name)) {
                continue;
            }
            let Some([key]) = tenant.key() else { continue };
            let is_key = |columns: &[&str]| {
                members.keys.iter().any(|key| {
                    key.len() == columns.len() && key.iter().all(|c| columns.contains(&c.as_str()))
                })
            };
            let pair = match (is_key(&[*user, *tenant_column]), is_key(&[*user])) {
                (true, _) => 4,
                (false, true) => 1,
                // With a role in the key somebody has a row for each of his roles.
                (false, false) if has_pair_in_key(members, user, tenant_column) => 2,
                (false, false) => continue,
            };
            let is_asked = is_asked_by_others(catalog, members);
            let is_named = members.name.contains("member")
                || ["user", "team", "role", "staff"].iter().any(|w| members.name.contains(w));
            let is_tenant = TENANT_TABLES.contains(&singular(&tenant.name));
            let tells_itself = is_named && is_tenant && pair > 1;
            if !(is_asked || tells_itself) {
                continue;
            }
            let followers = followers(catalog, users, members, tenant);
            let score = pair
                + if is_asked { 4 } else { 0 }
                + if members.name.contains("member") { 3 } else { usize::from(is_named) }
                + if is_tenant { 3 } else { 0 }
                + followers.min(5);
            found.push(Candidate {
                members,
                user,
                tenant_column,
                tenant,
                key,
                followers,
                is_asked,
                score,
            });
        }
    }
    found
}

/// Whether a key holds both, and nothing but a word such as `role` beside them.
fn has_pair_in_key(members: &Relation, user: &str, tenant: &str) -> bool {
    members.keys.iter().any(|key| {
        let has = |name: &str| key.iter().any(|column| column == name);
        key.len() == 3 && has(user) && has(tenant) && key.iter().any(|c| c.contains("role"))
    })
}

/// A table with one row for each user, whose key is the user's.
fn is_profile(table: &Relation, users: &Root) -> bool {
    let Some([key]) = table.key() else { return false };
    table.foreign_keys.iter().any(|foreign_key| {
        foreign_key.target == users.relation && foreign_key.columns == [key.clone()]
    })
}

fn is_asked_by_others(catalog: &Catalog, members: &Relation) -> bool {
    let mut others = catalog.relations().filter(|relation| relation.oid != members.oid);
    others.any(|relation| policies_read(catalog, relation, members))
}

/// How many other tables have a way to the tenant.
fn followers(catalog: &Catalog, users: &Root, members: &Relation, tenant: &Relation) -> usize {
    let Some([column]) = tenant.key() else { return 0 };
    let root = Root { relation: tenant.oid, column: column.clone() };
    let others = tables(catalog, users).filter(|t| t.oid != members.oid && t.oid != tenant.oid);
    others.filter(|table| shortest_path(catalog, table, &root).is_some()).count()
}

fn singular(name: &str) -> &str {
    match name.strip_suffix("ies") {
        Some("agenc") => "agency",
        Some("compan") => "company",
        _ if name == "businesses" => "business",
        _ => name.strip_suffix('s').unwrap_or(name),
    }
}

impl Candidate<'_> {
    fn into_inferred(self) -> Inferred {
        let (values, highest) = standing(self.members);
        let asked = if self.is_asked { ", and policies of other tables ask it" } else { "" };
        let why = format!(
            "it ties `{}` to `{}`{asked}; {} other tables lead to {}",
            self.user,
            self.tenant_column,
            self.followers,
            self.tenant.title(),
        );
        Inferred {
            tenant: Root { relation: self.tenant.oid, column: self.key.to_owned() },
            members: MembersConfig {
                table: self.members.title(),
                tenant: self.tenant_column.to_owned(),
                user: self.user.to_owned(),
                values,
            },
            highest,
            why,
        }
    }
}

/// What an ordinary member has in columns with named values, and what who runs the tenant has.
fn standing(members: &Relation) -> (BTreeMap<String, String>, BTreeMap<String, String>) {
    let (mut ordinary, mut highest) = (BTreeMap::new(), BTreeMap::new());
    for column in &members.columns {
        let labels = listed_values(members, column);
        let find = |wanted: &[&str]| {
            let mut wanted = wanted.iter();
            wanted.find_map(|word| labels.iter().find(|label| label.eq_ignore_ascii_case(word)))
        };
        let mine = find(&ORDINARY);
        if let Some(label) = mine {
            ordinary.insert(column.name.clone(), label.clone());
        }
        if let Some(label) = find(&HIGHEST).filter(|label| Some(*label) != mine) {
            highest.insert(column.name.clone(), label.clone());
        }
    }
    (ordinary, highest)
}

/// Whether the policies of one relation, or what these call, read another.
pub(crate) fn policies_read(catalog: &Catalog, relation: &Relation, other: &Relation) -> bool {
    let reads = |tree: &Expr, within: Option<&Routine>| {
        let mut read = tree.relations().into_iter();
        read.any(|name| catalog.named_by(name, within).is_some_and(|read| read.oid == other.oid))
    };
    let policies = || relation.policies.iter();
    let mut conditions = policies().flat_map(|policy| policy.conditions());
    let called = catalog.routines.reached(policies().flat_map(|policy| policy.trees()));
    // What could not be read is looked at as text.
    let may_read = |routine: &Routine| {
        let body = routine.body();
        let is_named = || !body.unread.is_empty() && routine.names(&other.name);
        body.steps.iter().any(|step| reads(step.expr(), Some(routine))) || is_named()
    };
    conditions.any(|condition| match &condition.tree {
        Ok(tree) => reads(tree, None),
        Err(_) => condition.names(&other.name),
    }) || called.into_iter().any(may_read)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_tables() {
        for name in ["teams", "team", "companies", "agencies", "businesses", "orgs", "groups"] {
            assert!(TENANT_TABLES.contains(&singular(name)), "{name}");
        }
    }
}
