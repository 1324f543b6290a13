//! What ordinary people are, and what some are beyond that: the columns of rows that policies choose by who
//! is asking, such as a role. Pure.

use std::collections::BTreeSet;

use crate::catalog::Catalog;
use crate::catalog::relation::{Column, Relation};
use crate::names::Oid;
use crate::platform::schemas::owns_schema;
use crate::sql::expr::{Expr, Literal};
use crate::sql::syntax::read_expr;
use crate::tenancy::by_policy::Questions;
use crate::tenancy::infer::{HIGHEST, ORDINARY, is_of_project};
use crate::tenancy::keys::listed_values;
use crate::tenancy::root::{Members, Root};

/// A column of a row that says what somebody is, such as a role: policies choose it by who is asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Standing {
    pub relation: Oid,
    pub column: String,
    /// What ordinary people have in it; none for its default, or for NULL.
    pub ordinary: Option<String>,
    /// What policies tell apart from that.
    pub special: Vec<String>,
    /// What policies ask for, what ordinary people have included.
    pub told: Vec<String>,
    /// What no policy asks for; none where there is nothing else.
    pub untold: Option<String>,
    /// Whether something else says what ordinary people have: the config, or what was inferred of members.
    pub is_said: bool,
    /// Whether the row is of a tenant, too, so that a tenant gives what it says.
    pub is_of_tenant: bool,
}

/// Words in the name or value of a column that says which office somebody has. What another says, such as
/// `status = 'active'`, customers may have.
const OFFICES: [&str; 16] = [
    "access",
    "admin",
    "auditor",
    "banned",
    "blocked",
    "employee",
    "internal",
    "manager",
    "moder",
    "operator",
    "owner",
    "permission",
    "role",
    "staff",
    "super",
    "support",
];

/// Whether a column and its value tell of an office, by their words.
pub(crate) fn says_office(column: &str, value: &str) -> bool {
    let said = format!("{column} {value}").to_lowercase();
    OFFICES.iter().any(|word| said.contains(word))
}

/// Values of who is not a member yet.
pub(crate) const NOT_YET: [&str; 6] =
    ["invited", "pending", "requested", "unconfirmed", "waiting", "applied"];

/// The columns by which policies tell people apart, with what ordinary people have there. Those of the members
/// of which the config or the inference says something are left to that.
pub(crate) fn standing_of(
    catalog: &Catalog,
    users: &Root,
    members: Option<&Members>,
    questions: &Questions,
) -> Vec<Standing> {
    let told = questions.standing(catalog).into_iter();
    let standing = told.filter_map(|((oid, name), constants)| {
        let relation = catalog.relation(oid)?;
        let column = relation.column(&name)?;
        let is_users = oid == users.relation && !owns_schema(&relation.schema);
        let members = members.filter(|members| members.relation == oid);
        let said = members.and_then(|members| members.config.values.get(&name));
        let highest = members.and_then(|members| members.highest.get(&name));
        let is_said = said.is_some() || highest.is_some();
        if !(is_of_project(relation, users) || is_users) || relation.names_row(&name) {
            return None;
        }
        let ordinary = said.cloned().or_else(|| ordinary(relation, column, &constants));
        let known = listed_values(relation, column);
        let is_possible = |value: &String| known.is_empty() || known.contains(value);
        let mut special: Vec<String> = constants.into_iter().filter(is_possible).collect();
        if column.category == 'B' {
            let is_ordinarily = ordinary.as_deref() == Some("true");
            special = vec![(!is_ordinarily).to_string()];
        }
        let told = special.clone();
        let untold = untold(column, &known, &told, ordinary.as_ref());
        let is_had = |value: &String| Some(value) == ordinary.as_ref() || Some(value) == highest;
        special.retain(|value| !value.is_empty() && !is_had(value));
        let is_of_tenant = members.is_some();
        let column = name;
        Some(Standing {
            relation: oid,
            column,
            ordinary,
            special,
            told,
            untold,
            is_said,
            is_of_tenant,
        })
    });
    standing.collect()
}

/// What a column can hold that no policy asks for: what ordinary people have, a value of its list, or a word.
fn untold(
    column: &Column,
    known: &[String],
    told: &[String],
    ordinary: Option<&String>,
) -> Option<String> {
    let words = ORDINARY.iter().map(|word| (*word).to_owned());
    let words = words.filter(|_| known.is_empty() && column.category == 'S');
    let all = ordinary.cloned().into_iter().chain(known.iter().cloned()).chain(words);
    all.into_iter().find(|value| !told.contains(value))
}

/// What ordinary people have: the default, else what is named so, else what no policy asks for.
fn ordinary(relation: &Relation, column: &Column, told: &BTreeSet<String>) -> Option<String> {
    let default = column.default.as_deref().and_then(constant);
    let is_not_yet = |value: &String| NOT_YET.contains(&value.to_lowercase().as_str());
    if let Some(default) = default.filter(|value| !is_not_yet(value)) {
        return Some(default);
    }
    // What nobody has set is NULL.
    let is_word = column.category == 'S' || column.labels.is_some();
    if !column.not_null && !column.has_default && !is_word {
        return None;
    }
    if column.category == 'B' {
        return Some("false".into());
    }
    let known = listed_values(relation, column);
    if column.has_default && known.is_empty() {
        return None;
    }
    let named = |word: &&&str| known.iter().any(|label| label.eq_ignore_ascii_case(word));
    if let Some(word) = ORDINARY.iter().find(named) {
        return known.iter().find(|label| label.eq_ignore_ascii_case(word)).cloned();
    }
    let is_highest = |label: &&String| HIGHEST.contains(&label.to_lowercase().as_str());
    let untold = known.iter().filter(|label| !told.contains(*label) && !is_not_yet(label));
    let least = untold.clone().find(|label| !is_highest(label)).or_else(|| known.last());
    match (least, column.category) {
        (Some(label), _) => Some(label.clone()),
        (None, 'S') if column.not_null => {
            ORDINARY.iter().map(|word| (*word).to_owned()).find(|word| !told.contains(word))
        }
        _ => None,
    }
}

/// What ordinary people have in a column whose values are listed; none where they are not.
pub(crate) fn ordinary_of(relation: &Relation, column: &Column) -> Option<String> {
    let is_listed = !listed_values(relation, column).is_empty() || column.category == 'B';
    is_listed.then(|| ordinary(relation, column, &BTreeSet::new())).flatten()
}

/// The constant that a default is: a text or a flag.
pub(crate) fn constant(default: &str) -> Option<String> {
    fn of(expr: &Expr) -> Option<String> {
        match expr {
            Expr::Cast { of: inner, .. } => of(inner),
            Expr::Literal(Literal::Text(text)) => Some(text.clone()),
            Expr::Literal(Literal::Bool(value)) => Some(value.to_string()),
            _ => None,
        }
    }
    of(&read_expr(default).ok()?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::catalog::sample::relation;

    #[test]
    fn ordinary_people_are_ordinary() {
        let role = |more: serde_json::Value| {
            let mut column = json!({ "name": "role", "base_type": "text", "category": "S" });
            let fields = more.as_object().expect("an object").clone();
            column.as_object_mut().expect("an object").extend(fields);
            relation(json!({}), &[column])
        };
        let labels = |labels: &[&str]| role(json!({ "labels": labels, "not_null": true }));
        for (table, told, expected) in [
            (labels(&["user", "super_admin"]), "super_admin", Some("user")),
            (labels(&["owner", "admin", "member"]), "admin", Some("member")),
            (labels(&["gold", "silver"]), "gold", Some("silver")),
            (role(json!({ "not_null": true })), "admin", Some("member")),
            (role(json!({})), "admin", None),
            (
                role(json!({ "has_default": true, "default": "'user'::text" })),
                "admin",
                Some("user"),
            ),
            (
                role(json!({
                    "has_default": true, "default": "'pending'::s", "labels": ["pending", "active"],
                })),
                "active",
                Some("active"),
            ),
            (role(json!({ "category": "B", "base_type": "bool" })), "true", None),
            (
                role(json!({ "category": "B", "base_type": "bool", "not_null": true })),
                "true",
                Some("false"),
            ),
        ] {
            let told = BTreeSet::from([told.to_owned()]);
            let found = ordinary(&table, &table.columns[0], &told);
            assert_eq!(found.as_deref(), expected, "{:?}", table.columns[0]);
        }
    }
}
