//! References to owners that no foreign key states: from what policies compare with who asks, else from names and
//! types. Each says why, so that a person can correct it. Pure.

use crate::catalog::Catalog;
use crate::catalog::relation::{Column, ForeignKey, Relation};
use crate::sql::expr::{Expr, Part};
use crate::tenancy::by_policy::{Questions, referred};
use crate::tenancy::infer::tables;
use crate::tenancy::meaning::EMAIL;
use crate::tenancy::path::shortest_path;
use crate::tenancy::root::{Implied, Root};

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

/// References to the users from tables that no foreign key leads there from: by what their policies
/// compare with who asks, or else by the name of a column. It must have the type of the key, or be a
/// text that a policy compares.
pub(crate) fn user_references(
    catalog: &Catalog,
    users: &Root,
    questions: &Questions,
) -> Vec<Implied> {
    let Some(key) = users.key(catalog) else { return Vec::new() };
    let mut implied = Vec::new();
    for relation in tables(catalog, users) {
        if shortest_path(catalog, relation, users).is_some() {
            continue;
        }
        let compared = questions.user_columns(relation.oid).into_iter();
        let compared = compared.into_iter().find(|name| may_hold(relation, name, key));
        let is_fit = |name: &&str| {
            relation.column(name).is_some_and(|column| column.base_type == key.base_type)
        };
        let named = || USER_COLUMNS.into_iter().find(is_fit).map(str::to_owned);
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

/// References to the users from columns that policies compare with the e-mail of who asks, such as that of an
/// invitation. Each with whether it says whose a row is, before any other column: no policy asks for another.
pub(crate) fn email_references(
    catalog: &Catalog,
    users: &Root,
    questions: &Questions,
) -> Vec<(Implied, bool)> {
    let has_email =
        |table: &Relation, name: &str| table.column(name).is_some_and(|c| c.category == 'S');
    if !catalog.relation(users.relation).is_some_and(|table| has_email(table, EMAIL)) {
        return Vec::new();
    }
    let columns = questions.email_columns(users.relation).into_iter();
    let references = columns.filter_map(|(oid, column)| {
        let table = tables(catalog, users).find(|table| table.oid == oid)?;
        if !has_email(table, &column) || table.refers(&column) {
            return None;
        }
        let asked = questions.user_columns(oid);
        let names_user = |key: &ForeignKey| {
            let is_asked = || key.columns.iter().any(|name| asked.contains(name));
            let is_key = || table.key() == Some(key.columns.as_slice());
            catalog.relation(key.target).is_some_and(|target| {
                shortest_path(catalog, target, users).is_some() && (is_asked() || is_key())
            })
        };
        let is_first = asked.is_empty() && !table.foreign_keys.iter().any(names_user);
        let by_email = Root { relation: users.relation, column: EMAIL.into() };
        let why = "a policy compares it with the e-mail of who asks";
        Some((Implied::to(&by_email, oid, &column, why), is_first))
    });
    references.collect()
}

/// References to rows that policies choose by who asks, such as that of the asker's profile or of a
/// tenant he is a member of, where no foreign key states them.
pub(crate) fn chosen_references(
    catalog: &Catalog,
    users: &Root,
    questions: &Questions,
) -> Vec<Implied> {
    let mut implied: Vec<Implied> = Vec::new();
    for relation in tables(catalog, users) {
        for (column, read, read_column) in questions.chosen_by_asker(relation.oid) {
            let Some((target, key)) = referred(catalog, read, &read_column) else { continue };
            let root = Root { relation: target, column: key };
            let fits = root.key(catalog).is_some_and(|key| {
                relation.column(&column).is_some_and(|own| own.base_type == key.base_type)
            });
            let is_known = relation.refers(&column)
                || implied.iter().any(|known| known.is_of(relation.oid, &column));
            // Neither is the parent of the other where each leads to the other.
            let leads_back = catalog.relation(target).is_none_or(|target| {
                let back = Root { relation: relation.oid, column: column.clone() };
                shortest_path(catalog, target, &back).is_some()
            });
            if fits && !is_known && !leads_back {
                let why = "a policy compares it with a row that it chooses by who asks";
                implied.push(Implied::to(&root, relation.oid, &column, why));
            }
        }
    }
    implied
}

/// References to the tenant from columns that policies compare with the tenant's claim or setting, where
/// no foreign key states them.
pub(crate) fn tenant_references(
    catalog: &Catalog,
    users: &Root,
    (tenant, claims): (&Root, &[Vec<String>]),
    questions: &Questions,
) -> Vec<Implied> {
    let Some(key) = tenant.key(catalog) else { return Vec::new() };
    let mut implied: Vec<Implied> = Vec::new();
    for relation in tables(catalog, users).filter(|table| table.oid != tenant.relation) {
        let claimed = questions.claimed_columns(relation.oid).into_iter();
        let claimed = claimed.filter(|(_, claim)| claims.contains(claim)).map(|(column, _)| column);
        for column in questions.tenant_columns(relation.oid).into_iter().chain(claimed) {
            let is_known = relation.refers(&column)
                || implied.iter().any(|known| known.is_of(relation.oid, &column));
            if may_hold(relation, &column, key) && !is_known {
                let why = "a policy compares it with the tenant of who asks";
                implied.push(Implied::to(tenant, relation.oid, &column, why));
            }
        }
    }
    implied
}

/// References from columns that policies hand to a function, as a parameter that is named as the column of the
/// members that holds such a key: where the function could not be read, nothing tells more. Only of tables that
/// nothing leads there from.
pub(crate) fn handed_references(
    catalog: &Catalog,
    users: &Root,
    (root, parameter): (&Root, &str),
) -> Vec<Implied> {
    let Some(key) = root.key(catalog) else { return Vec::new() };
    let mut implied: Vec<Implied> = Vec::new();
    let open = tables(catalog, users).filter(|table| shortest_path(catalog, table, root).is_none());
    for relation in open {
        let handed = relation.policies.iter().flat_map(|policy| policy.trees());
        let handed = handed.flat_map(|tree| handed_columns(catalog, relation, tree, parameter));
        let found = handed.into_iter().find(|column| {
            may_hold(relation, column, key) && !relation.is_key(column) && !relation.refers(column)
        });
        if let Some(column) = found {
            let why = "a policy hands it to a function as it would a member's";
            implied.push(Implied::to(root, relation.oid, &column, why));
        }
    }
    implied
}

/// The columns of the judged row that a policy hands to functions as this parameter.
fn handed_columns(
    catalog: &Catalog,
    relation: &Relation,
    tree: &Expr,
    parameter: &str,
) -> Vec<String> {
    let bare = |name: &str| {
        let name = name.trim_start_matches("p_").trim_start_matches("in_").trim_start_matches("_");
        name.to_owned()
    };
    let mut found = Vec::new();
    tree.walk(&mut |part| {
        let Part::Expr(Expr::Call(call)) = part else { return };
        for routine in catalog.routines.called(call, None) {
            for (at, argument) in call.arguments.iter().enumerate() {
                let name = argument.name.as_ref().or_else(|| routine.arguments.get(at));
                let Expr::Name(column) = &argument.value else { continue };
                let is_own = column.qualifier().is_none_or(|table| table == relation.name)
                    && relation.column(column.last()).is_some();
                if is_own && name.is_some_and(|name| bare(name) == bare(parameter)) {
                    found.push(column.last().to_owned());
                }
            }
        }
    });
    found
}

/// Whether a column of a relation may hold the key of another: the same type, or text that has room
/// for any.
pub(crate) fn may_hold(relation: &Relation, column: &str, key: &Column) -> bool {
    /// That of a uuid as text.
    const LONGEST: usize = 36;
    let has_room = |length| length >= LONGEST;
    relation.column(column).is_some_and(|own| {
        own.base_type == key.base_type || (own.category == 'S' && own.length.is_none_or(has_room))
    })
}
