//! What the schema alone tells of its tenancy: foreign keys first, then what policies compare with
//! who asks, then the names of columns. Each guess says why, so that a person can correct it.

use std::collections::BTreeMap;

use crate::catalog::{Catalog, ForeignKey, Oid, Relation};
use crate::platform::schemas::owns_schema;
use crate::project::config::MembersConfig;
use crate::sql::statement::{self, has_name};
use crate::tenancy::{Implied, Root, shortest_path};

/// Names of columns that say whose a row is, the most telling first.
const USER_COLUMNS: [&str; 10] = [
    "user_id",
    "owner_id",
    "profile_id",
    "owner",
    "owner_user_id",
    "author_id",
    "account_user_id",
    "creator_id",
    "created_by",
    "uid",
];

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
const ORDINARY: [&str; 8] =
    ["member", "user", "editor", "viewer", "active", "accepted", "approved", "confirmed"];

/// Values of who runs the tenant.
const HIGHEST: [&str; 4] = ["owner", "admin", "administrator", "manager"];

/// A tenant table and what makes somebody a member.
#[derive(Debug)]
pub(crate) struct Inferred {
    pub tenant: Root,
    pub members: MembersConfig,
    /// Column values of the membership of who runs the tenant, if there is such a thing.
    pub highest: BTreeMap<String, String>,
    pub why: String,
}

/// References to the users from tables that no foreign key leads there from: by what their policies
/// compare with who asks, or else by the name of a column. It must have the type of the key.
pub(crate) fn user_references(catalog: &Catalog, users: &Root, asker: &Asker) -> Vec<Implied> {
    let Some(key) = users.key(catalog) else { return Vec::new() };
    let mut implied = Vec::new();
    for relation in tables(catalog, users) {
        if shortest_path(catalog, relation, users).is_some() {
            continue;
        }
        let is_fit = |name: &str| {
            relation.column(name).is_some_and(|column| column.base_type == key.base_type)
        };
        let compared = compared_columns(relation, asker);
        let compared = compared.into_iter().find(|name| is_fit(name));
        let named = || USER_COLUMNS.into_iter().find(|name| is_fit(name)).map(str::to_owned);
        let (column, why) = match compared {
            Some(column) => (column, "a policy compares it with who asks"),
            None => match named() {
                Some(column) => (column, "its name and type say so, no foreign key does"),
                None => continue,
            },
        };
        implied.push(Implied::to(users, relation.oid, &column, why));
    }
    implied
}

/// How policies name who asks.
pub(crate) enum Asker {
    /// `auth.uid()`, or the claim `sub` of the token.
    Supabase,
    /// A setting such as `app.user_id`.
    Setting(String),
}

/// The columns of a relation that its policies compare with who asks, in the order they do.
fn compared_columns(relation: &Relation, asker: &Asker) -> Vec<String> {
    let policies = relation.rules.iter().filter(|rule| rule.is_policy);
    let mut found = Vec::new();
    for rule in policies {
        let terms = terms(rule.expression(), asker);
        for (other, column) in equated(&terms) {
            let own = own_column(relation, column).filter(|_| *other == Term::Asker);
            if let Some(own) = own.filter(|own| !found.contains(own)) {
                found.push(own);
            }
        }
    }
    found
}

/// What is equated with a column, and the column.
fn equated(terms: &[Term]) -> impl Iterator<Item = (&Term, &str)> {
    terms.windows(3).filter_map(|three| match three {
        [other @ (Term::Asker | Term::Claim(_)), Term::Equals, Term::Name(name)]
        | [Term::Name(name), Term::Equals, other @ (Term::Asker | Term::Claim(_))] => {
            Some((other, name.as_str()))
        }
        _ => None,
    })
}

/// A column of the relation itself: in a sub-select each is written with the name of its table.
fn own_column(relation: &Relation, name: &str) -> Option<String> {
    let own = match name.rsplit_once('.') {
        Some((table, column)) if table == relation.name => column,
        Some(_) => return None,
        None => name,
    };
    relation.column(own).map(|column| column.name.clone())
}

/// The table whose key policies compare with a claim of the token, where nothing ties users to it:
/// then the token alone says who is a member.
pub(crate) fn claimed_tenant(catalog: &Catalog) -> Option<Root> {
    let claimed = claimed_columns(catalog);
    let target = |(relation, column, _): &(&Relation, String, Vec<String>)| {
        let holds = |f: &&ForeignKey| f.columns == [column.clone()];
        let target = relation.foreign_keys.iter().find(holds).map(|f| f.target);
        let target = catalog.relation(target.unwrap_or(relation.oid))?;
        match target.key() {
            // A column of the table itself counts where it is the key.
            Some([key]) if target.oid != relation.oid || key == column => {
                Some(Root { relation: target.oid, column: key.clone() })
            }
            _ => None,
        }
    };
    claimed.iter().find_map(target)
}

/// The claims that policies compare with columns that hold a tenant's key.
pub(crate) fn tenant_claims(catalog: &Catalog, tenant: &Root) -> Vec<Vec<String>> {
    let mut found: Vec<Vec<String>> = Vec::new();
    for (relation, column, claim) in claimed_columns(catalog) {
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
fn claimed_columns(catalog: &Catalog) -> Vec<(&Relation, String, Vec<String>)> {
    let mut found = Vec::new();
    for relation in catalog.relations().filter(|relation| relation.is_table()) {
        for rule in relation.rules.iter().filter(|rule| rule.is_policy) {
            for (other, column) in equated(&terms(rule.expression(), &Asker::Supabase)) {
                if let (Term::Claim(claim), Some(own)) = (other, own_column(relation, column)) {
                    found.push((relation, own, claim.clone()));
                }
            }
        }
    }
    found
}

#[derive(Debug, PartialEq)]
enum Term {
    Asker,
    /// Another claim of the token, by its place.
    Claim(Vec<String>),
    Equals,
    /// A column, with its table's name if that is written.
    Name(String),
    Other,
}

/// A policy's expression, as the server writes it, without parentheses, casts and the sub-selects
/// around who asks.
fn terms(expression: &str, asker: &Asker) -> Vec<Term> {
    let words: Vec<&str> =
        statement::raw_words(expression).filter(|word| !matches!(*word, "(" | ")")).collect();
    let mut terms = Vec::new();
    let mut at = 0;
    while at < words.len() {
        let rest = &words[at..];
        let (term, length) = match asker_at(rest, asker) {
            Some((term, length)) => (Some(term), length),
            None => match rest {
                ["=", ..] => (Some(Term::Equals), 1),
                ["::", ..] => (None, 2),
                [":", ":", ..] => (None, 3),
                ["SELECT", ..] => (None, 1),
                ["AS", ..] => (None, 2),
                [table, ".", column, ..] if is_name(table) && is_name(column) => {
                    (Some(Term::Name(format!("{}.{}", unquoted(table), unquoted(column)))), 3)
                }
                [name, ..] if is_name(name) => (Some(Term::Name(unquoted(name))), 1),
                _ => (Some(Term::Other), 1),
            },
        };
        terms.extend(term);
        at += length;
    }
    terms
}

/// What the words at the front of an expression say of who asks, and how many they are.
fn asker_at(words: &[&str], asker: &Asker) -> Option<(Term, usize)> {
    match (asker, words) {
        (Asker::Supabase, ["auth", ".", "uid", ..]) => Some((Term::Asker, 3)),
        (Asker::Supabase, ["auth", ".", "jwt", rest @ ..]) => {
            let (claim, length) = claim_at(rest);
            let is_user = claim == ["sub"];
            let term = if is_user { Term::Asker } else { Term::Claim(claim) };
            Some((term, 3 + length))
        }
        (Asker::Setting(name), ["current_setting", setting, rest @ ..])
            if setting.trim_matches('\'') == name =>
        {
            let is_argument = |word: &&&str| matches!(**word, ":" | "::" | "text" | "," | "true");
            Some((Term::Asker, 2 + rest.iter().take_while(is_argument).count()))
        }
        (Asker::Setting(_), ["NULLIF" | "nullif", rest @ ..]) => {
            let (term, length) = asker_at(rest, asker)?;
            let is_argument = |word: &&&str| matches!(**word, ":" | "::" | "text" | "," | "''");
            Some((term, 1 + length + rest[length..].iter().take_while(is_argument).count()))
        }
        _ => None,
    }
}

/// The keys that arrows lead through, and how many words they take, casts between them included.
fn claim_at(words: &[&str]) -> (Vec<String>, usize) {
    let mut claim = Vec::new();
    let mut length = 0;
    let mut is_after_arrow = false;
    for (at, word) in words.iter().enumerate() {
        match *word {
            "->" | "->>" | "-" | ">" | ">>" => is_after_arrow = true,
            text if is_after_arrow && text.starts_with('\'') => {
                claim.push(text.trim_matches('\'').to_owned());
                is_after_arrow = false;
                length = at + 1;
            }
            // `( SELECT auth.jwt() AS jwt)` is what people write for speed.
            ":" | "::" | "text" | "AS" | "jwt" => {}
            _ => break,
        }
    }
    (claim, length)
}

fn is_name(word: &str) -> bool {
    let first = word.chars().next().unwrap_or(' ');
    (first.is_alphabetic() || first == '_' || first == '"')
        && !matches!(word, "AND" | "OR" | "NOT" | "EXISTS" | "FROM" | "WHERE" | "IN" | "IS")
}

fn unquoted(word: &str) -> String {
    match word.strip_prefix('"').and_then(|word| word.strip_suffix('"')) {
        Some(inner) => inner.replace("\"\"", "\""),
        None => word.to_owned(),
    }
}

fn tables<'a>(catalog: &'a Catalog, users: &'a Root) -> impl Iterator<Item = &'a Relation> {
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
    catalog.relations().filter(|relation| relation.oid != members.oid).any(|relation| {
        let mut policies = relation.rules.iter().filter(|rule| rule.is_policy);
        policies.any(|rule| rule.texts().any(|text| has_name(text, &members.name)))
    })
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
        let of_checks =
            members.checks.iter().filter(|check| check.columns == [column.name.clone()]);
        let labels = match &column.labels {
            Some(labels) => labels.clone(),
            None => of_checks.flat_map(|c| crate::tenancy::keys::strings(&c.definition)).collect(),
        };
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_is_seen_in_the_ways_the_server_writes_it() {
        let compares = |expression: &str, asker: &Asker| {
            let terms = terms(expression, asker);
            terms.windows(3).any(|three| {
                let name = Term::Name("user_id".into());
                three == [Term::Asker, Term::Equals, Term::Name("user_id".into())]
                    || three == [name, Term::Equals, Term::Asker]
            })
        };
        for expression in [
            "(auth.uid() = user_id)",
            "(user_id = auth.uid())",
            "(( SELECT auth.uid() AS uid) = user_id)",
            "((( SELECT auth.uid() AS uid))::text = (user_id)::text)",
            "((auth.jwt() ->> 'sub'::text) = user_id)",
            "((is_open OR (user_id = auth.uid())) AND true)",
        ] {
            assert!(compares(expression, &Asker::Supabase), "{expression}");
        }
        let setting = Asker::Setting("app.user_id".into());
        for expression in [
            "((user_id)::text = current_setting('app.user_id'::text, true))",
            "(user_id = (NULLIF(current_setting('app.user_id'::text, true), ''::text))::uuid)",
        ] {
            assert!(compares(expression, &setting), "{expression}");
        }
        for expression in ["(m.user_id = auth.uid())", "(user_id <> auth.uid())", "(user_id = 1)"] {
            assert!(!compares(expression, &Asker::Supabase), "{expression}");
        }
        assert!(!compares("(user_id = current_setting('app.other'::text))", &setting));
    }

    #[test]
    fn claims_are_read_with_their_place() {
        for expression in [
            "(org_id = (((auth.jwt() -> 'app_metadata'::text) ->> 'org_id'::text))::uuid)",
            "((((( SELECT auth.jwt() AS jwt) -> 'app_metadata'::text) ->> 'org_id'::text))::uuid = org_id)",
        ] {
            let terms = terms(expression, &Asker::Supabase);
            let claim = Term::Claim(vec!["app_metadata".into(), "org_id".into()]);
            let found: Vec<_> = equated(&terms).collect();
            assert_eq!(found, [(&claim, "org_id")], "{expression}");
        }
    }

    #[test]
    fn names_of_tables() {
        for name in ["teams", "team", "companies", "agencies", "businesses", "orgs", "groups"] {
            assert!(TENANT_TABLES.contains(&singular(name)), "{name}");
        }
    }
}
