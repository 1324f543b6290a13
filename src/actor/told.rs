//! People whom policies tell apart: by a claim that only the back end gives, by what a client may forge, and
//! by what a row says that somebody is. Who is not told apart from anybody is not there.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::names::Oid;
use crate::tenancy::Tenancy;
use crate::tenancy::asked::Told;
use crate::tenancy::meaning::{Meaning, is_of_user};
use crate::world::seeding::pattern::{like_text, matching_text};

/// How many people there are at most of each sort.
const MOST: usize = 6;

/// Claims that say who it is, or that go with the role; nobody has others of these.
const FIXED: [&str; 9] =
    ["role", "sub", "aud", "iss", "exp", "iat", "session_id", "is_anonymous", "amr"];

/// What somebody has beyond another.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Extra {
    pub name: String,
    /// Whose rows and claims are the same otherwise.
    pub like: &'static str,
    pub claims: Map<String, Value>,
    /// Settings of the request, by name.
    pub settings: Vec<(String, String)>,
    /// What rows say, by relation and column; who has such rows is somebody else.
    pub standing: BTreeMap<(Oid, String), String>,
    pub sort: Sort,
}

/// What makes somebody another.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Sort {
    /// Has what only the project gives.
    #[default]
    Special,
    /// Has what anybody can have.
    Forger,
    /// Has signed in without saying who it is, as anybody can.
    Guest,
}

/// Everybody whom policies tell apart, in the order of reports.
pub(crate) fn extras(tenancy: &Tenancy, has_token: bool, tenant_key: Option<String>) -> Vec<Extra> {
    let mut all = Vec::new();
    all.extend(has_token.then(|| guest(&tenancy.told)).flatten());
    all.extend(has_token.then(|| forger(tenancy, tenant_key.as_deref())).flatten());
    all.extend(special(&tenancy.told, has_token).into_iter().take(MOST));
    let standing = tenancy.standing.iter().flat_map(|standing| {
        standing.special.iter().map(|value| Extra {
            name: named(value, &standing.column),
            like: "alice",
            standing: BTreeMap::from([(
                (standing.relation, standing.column.clone()),
                value.clone(),
            )]),
            ..Extra::default()
        })
    });
    all.extend(standing.take(MOST));
    let mut known: Vec<String> = Vec::new();
    for extra in &mut all {
        let again = known.iter().filter(|name| **name == extra.name).count();
        known.push(extra.name.clone());
        if again > 0 {
            extra.name = format!("{}:{}", extra.name, again + 1);
        }
    }
    all
}

/// Who has signed in anonymously, where policies ask for that.
fn guest(told: &[Told]) -> Option<Extra> {
    let asks = |told: &Told| claim_of(told).is_some_and(|place| place == ["is_anonymous"]);
    told.iter().any(asks).then(|| Extra {
        name: "guest".into(),
        like: "outsider",
        claims: object(&["is_anonymous".to_owned()], json!(true)),
        sort: Sort::Guest,
        ..Extra::default()
    })
}

/// Somebody who belongs to nobody and sets all that a client may set.
fn forger(tenancy: &Tenancy, tenant_key: Option<&str>) -> Option<Extra> {
    let mut claims = Value::Object(Map::new());
    let mut requests: BTreeMap<String, Value> = BTreeMap::new();
    for told in &tenancy.told {
        let Some(value) = met(told, "") else { continue };
        match &told.what {
            Meaning::Claim(place) if is_of_user(place) => {
                merge(&mut claims, &Value::Object(object(place, json!(value))));
            }
            Meaning::Setting(name, place) if name.starts_with("request.") => {
                let known = requests.entry(name.clone()).or_insert(Value::Null);
                let value = match place.as_slice() {
                    [] => json!(value),
                    place => Value::Object(object(place, json!(value))),
                };
                merge(known, &value);
            }
            _ => {}
        }
    }
    for place in tenancy.forgeable.iter().filter(|_| tenant_key.is_some()) {
        merge(&mut claims, &Value::Object(object(place, json!(tenant_key))));
    }
    let claims = claims.as_object().cloned().unwrap_or_default();
    let text = |value: Value| match value {
        Value::String(text) => text,
        other => other.to_string(),
    };
    let settings: Vec<_> = requests.into_iter().map(|(name, value)| (name, text(value))).collect();
    (!claims.is_empty() || !settings.is_empty()).then(|| Extra {
        name: "mallory".into(),
        like: "outsider",
        claims,
        settings,
        sort: Sort::Forger,
        ..Extra::default()
    })
}

/// Who has a claim, or on the plain platform a setting, that nobody can forge.
fn special(told: &[Told], has_token: bool) -> Vec<Extra> {
    let mut all: Vec<Extra> = Vec::new();
    for told in told {
        let extra = match &told.what {
            Meaning::Claim(place)
                if has_token && !is_of_user(place) && !FIXED.contains(&place[0].as_str()) =>
            {
                let Some(value) = met(told, base_of(place)) else { continue };
                let last = place.last().map_or("", String::as_str);
                let claim = if value == "true" { json!(true) } else { json!(value) };
                let claims = object(place, claim);
                Extra { name: named(&value, last), like: "alice", claims, ..Extra::default() }
            }
            Meaning::Setting(name, place)
                if !has_token && place.is_empty() && name.contains('.') =>
            {
                let Some(value) = met(told, "") else { continue };
                let last = name.rsplit('.').next().unwrap_or_default();
                let settings = vec![(name.clone(), value.clone())];
                Extra { name: named(&value, last), like: "alice", settings, ..Extra::default() }
            }
            _ => continue,
        };
        let is_known =
            |known: &Extra| (&known.claims, &known.settings) == (&extra.claims, &extra.settings);
        if !all.iter().any(is_known) {
            all.push(extra);
        }
    }
    all
}

/// What ordinary people have as a claim.
fn base_of(place: &[String]) -> &'static str {
    match place {
        [one] if one == "aal" => "aal1",
        _ => "",
    }
}

fn claim_of(told: &Told) -> Option<&[String]> {
    match &told.what {
        Meaning::Claim(place) => Some(place),
        _ => None,
    }
}

/// A value that meets a comparison, other than what ordinary people have.
fn met(told: &Told, ordinary: &str) -> Option<String> {
    let constant = told.constant.as_str();
    let value = match told.operator.as_str() {
        "=" => constant.to_owned(),
        "~~" => like_text(constant, "someone"),
        "~~*" => like_text(constant, "someone").to_lowercase(),
        "~" | "~*" => matching_text(constant, 1, 7)?,
        "<>" | "!~~" | "!~~*" | "!~" | "!~*" => "another".into(),
        _ => return None,
    };
    (!value.is_empty() && value != ordinary).then_some(value)
}

/// `alice:admin`, without blanks; of a flag, what it is named.
fn named(value: &str, what: &str) -> String {
    const LONGEST: usize = 24;
    let value = if ["true", "false", "another"].contains(&value) { what } else { value };
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-.@".contains(c);
    let name: String =
        value.chars().map(|c| if is_plain(c) { c } else { '_' }).take(LONGEST).collect();
    format!("alice:{name}")
}

/// `{"a": {"b": value}}` of the place `a`, `b`.
fn object(place: &[String], value: Value) -> Map<String, Value> {
    let object = place.iter().rev().fold(value, |value, key| json!({ key: value }));
    object.as_object().cloned().unwrap_or_default()
}

/// Lays `more` over `claims`, object by object.
pub(super) fn merge(claims: &mut Value, more: &Value) {
    match (claims, more) {
        (Value::Object(claims), Value::Object(more)) => {
            for (key, value) in more {
                merge(claims.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (claims, more) => *claims = more.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(what: Meaning, operator: &str, constant: &str) -> Told {
        Told { what, operator: operator.into(), constant: constant.into() }
    }

    fn claim(place: &[&str]) -> Meaning {
        Meaning::Claim(place.iter().map(|key| (*key).to_owned()).collect())
    }

    #[test]
    fn who_is_told_apart_is_there() {
        for (one, expected) in [
            (told(claim(&["app_metadata", "role"]), "=", "admin"), "alice:admin"),
            (told(claim(&["email"]), "~~", "%@acme.com"), "alice:someone@acme.com"),
            (told(claim(&["phone"]), "<>", ""), "alice:phone"),
            (told(claim(&["aal"]), "=", "aal2"), "alice:aal2"),
            (told(claim(&["aal"]), "=", "aal1"), ""),
            (told(claim(&["role"]), "=", "authenticated"), ""),
            (told(claim(&["app_metadata", "is_staff"]), "=", "true"), "alice:is_staff"),
            (told(claim(&["user_metadata", "role"]), "=", "admin"), ""),
        ] {
            let names: Vec<String> =
                special(std::slice::from_ref(&one), true).into_iter().map(|e| e.name).collect();
            assert_eq!(names.join(" "), expected, "{one:?}");
        }
        let setting = Meaning::Setting("app.role".into(), Vec::new());
        let special = special(&[told(setting, "=", "admin")], false);
        assert_eq!(special[0].settings, [("app.role".to_owned(), "admin".to_owned())]);
    }

    #[test]
    fn guests_are_where_policies_ask_for_them() {
        let asked = told(claim(&["is_anonymous"]), "=", "true");
        assert_eq!(
            guest(&[asked]).expect("a guest").claims,
            object(&["is_anonymous".into()], json!(true))
        );
        assert_eq!(guest(&[told(claim(&["aal"]), "=", "aal2")]), None);
    }
}
