//! People whom policies tell apart: by a claim that only the back end gives, by what a client may forge, and
//! by what a row says that somebody is. Who is not told apart from anybody is not there.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::names::Oid;
use crate::tenancy::Tenancy;
use crate::tenancy::asked::Told;
use crate::tenancy::bearer::Bearer;
use crate::tenancy::meaning::{Meaning, is_email, is_of_user};
use crate::tenancy::roster::Roster;
use crate::world::seeding::pattern::{like_text, matching_text};
use crate::world::seeding::pool::document::nested;

/// How many people there are at most of each sort.
const MOST: usize = 6;

/// Claims that say who it is, or that go with the role; nobody has others of these.
const FIXED: [&str; 9] =
    ["role", "sub", "aud", "iss", "exp", "iat", "session_id", "is_anonymous", "amr"];

/// The operators of comparisons that somebody is made for, or that ordinary people meet.
const COMPARED: [&str; 11] = ["=", "is", "~~", "~~*", "~", "~*", "<>", "!~~", "!~~*", "!~", "!~*"];

/// What somebody has beyond another.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Extra {
    pub name: String,
    /// Whose rows and claims are the same otherwise.
    pub like: &'static str,
    pub claims: Map<String, Value>,
    /// The database role, where it is another one.
    pub role: Option<String>,
    /// Settings of the request, by name.
    pub settings: Vec<(String, String)>,
    /// What rows say, by relation and column; who has such rows is somebody else.
    pub standing: BTreeMap<(Oid, String), String>,
    /// The tables that list it, and not everybody.
    pub rosters: Vec<Roster>,
    /// What it says at sign-up, beside what others say.
    pub signs_up_with: Map<String, Value>,
    pub sort: Sort,
}

/// The keys of a tenant and a user, of the first tenant and of the second, for who would be taken for them.
pub(crate) struct OthersKeys {
    pub of_first: [Option<String>; 2],
    pub of_second: [Option<String>; 2],
}

/// What makes somebody another.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Sort {
    /// Has what only the project gives.
    #[default]
    Special,
    /// Knows what opens one row.
    Bearer,
    /// Has what a tenant gives to its members.
    Member,
    /// Has what anybody can have.
    Forger,
    /// Has what anybody can get, such as an anonymous sign-in.
    Anybody,
}

/// Everybody whom policies tell apart, in the order of reports.
pub(crate) fn extras(
    tenancy: &Tenancy,
    has_token: bool,
    keys: &OthersKeys,
    roles: &[String],
    signs_up_with: Map<String, Value>,
) -> Vec<Extra> {
    let mut all = Vec::new();
    all.extend(has_token.then(|| guest(&tenancy.told)).flatten());
    all.extend(has_token.then(|| forgers(tenancy, keys)).into_iter().flatten());
    all.extend((!signs_up_with.is_empty()).then(|| signing_up(signs_up_with)));
    all.extend(special(&tenancy.told, has_token).into_iter().take(MOST));
    all.extend(of_standing(tenancy).take(MOST));
    all.extend(listed(tenancy).take(MOST));
    all.extend(bearing(tenancy).into_iter().take(MOST));
    all.extend(roles.iter().take(MOST).map(|role| of_role(role)));
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

/// Who is more by what a row says.
fn of_standing(tenancy: &Tenancy) -> impl Iterator<Item = Extra> {
    tenancy.standing.iter().flat_map(|standing| {
        standing.special.iter().map(|value| Extra {
            name: named(value, &standing.column),
            like: "alice",
            // Whoever is more in a tenant is so in that tenant.
            sort: if standing.is_of_tenant { Sort::Member } else { Sort::Special },
            standing: BTreeMap::from([(
                (standing.relation, standing.column.clone()),
                value.clone(),
            )]),
            ..Extra::default()
        })
    })
}

/// Whom a table lists that does not list everybody.
fn listed(tenancy: &Tenancy) -> impl Iterator<Item = Extra> {
    tenancy.rosters.iter().map(|roster| Extra {
        name: format!("alice:{}", plain(roster.name.name())),
        like: "alice",
        rosters: vec![roster.clone()],
        ..Extra::default()
    })
}

/// Whose token says another role.
fn of_role(role: &str) -> Extra {
    let name = format!("alice:{}", plain(role));
    Extra { name, like: "alice", role: Some(role.to_owned()), ..Extra::default() }
}

/// A visitor and a member who know the value that opens a row.
fn bearing(tenancy: &Tenancy) -> Vec<Extra> {
    let mut all: Vec<Extra> = Vec::new();
    for bearer in &tenancy.bearers {
        let Bearer { column, setting, place, of_visitor, of_member, .. } = bearer;
        for (like, whose) in [("anon", *of_visitor), ("alice", *of_member)] {
            let Some(value) = bearer.value(whose) else { continue };
            let value = match place.as_slice() {
                [] => value,
                place => Value::Object(object(place, json!(value))).to_string(),
            };
            let settings = vec![(setting.clone(), value)];
            if !all.iter().any(|known| known.settings == settings) {
                let name = format!("{like}:{}", plain(&column.name));
                let sort = Sort::Bearer;
                all.push(Extra { name, like, settings, sort, ..Extra::default() });
            }
        }
    }
    all
}

/// As whom nobody asks although policies tell them apart: people beyond those that are asked, and comparisons
/// that nobody is made for.
pub(crate) fn not_asked(tenancy: &Tenancy, has_token: bool) -> Vec<String> {
    let beyond = special(&tenancy.told, has_token).into_iter().skip(MOST);
    let beyond = beyond.chain(of_standing(tenancy).skip(MOST)).chain(listed(tenancy).skip(MOST));
    let beyond = beyond.map(|extra| extra.name);
    let unmet = tenancy.told.iter().filter(|told| !COMPARED.contains(&told.operator.as_str()));
    let unmet = unmet.filter_map(|Told { what, operator, constant }| {
        let (name, place) = match what {
            Meaning::Claim(place) if has_token => ("", place),
            Meaning::Setting(name, place) if name.contains('.') => (name.as_str(), place),
            _ => return None,
        };
        let named = (!name.is_empty()).then_some(name).into_iter();
        let path: Vec<&str> = named.chain(place.iter().map(String::as_str)).collect();
        Some(format!("`{} {operator} {constant}`", path.join(".")))
    });
    let mut all: Vec<String> = beyond.chain(unmet).collect();
    all.sort();
    all.dedup();
    all
}

/// Who has signed in anonymously, where policies ask for that.
fn guest(told: &[Told]) -> Option<Extra> {
    let asks = |told: &Told| claim_of(told).is_some_and(|place| place == ["is_anonymous"]);
    told.iter().any(asks).then(|| Extra {
        name: "guest".into(),
        like: "outsider",
        claims: object(&["is_anonymous".to_owned()], json!(true)),
        sort: Sort::Anybody,
        ..Extra::default()
    })
}

/// Everybody who sets all that a client may set: somebody who belongs to nobody, a visitor, and a member who
/// would be one of another tenant.
fn forgers(tenancy: &Tenancy, keys: &OthersKeys) -> Vec<Extra> {
    let forgers = [
        ("mallory", "outsider", &keys.of_first),
        ("anon:forging", "anon", &keys.of_first),
        ("alice:forging", "alice", &keys.of_second),
    ];
    let forgers = forgers.into_iter().filter_map(|(name, like, [tenant, user])| {
        let written = written(tenancy, tenant.as_deref(), user.as_deref());
        let (claims, settings) = written;
        // A visitor has no token.
        let claims = if like == "anon" { Map::new() } else { claims };
        let forges = !claims.is_empty() || !settings.is_empty();
        let (name, sort) = (name.to_owned(), Sort::Forger);
        forges.then(|| Extra { name, like, claims, settings, sort, ..Extra::default() })
    });
    forgers.collect()
}

/// A stranger who says at sign-up what makes others more than strangers.
fn signing_up(signs_up_with: Map<String, Value>) -> Extra {
    let (name, sort) = ("outsider:sign-up".into(), Sort::Forger);
    Extra { name, like: "outsider", signs_up_with, sort, ..Extra::default() }
}

/// What a client writes to meet the policies: its metadata in the token, and settings of the request.
fn written(
    tenancy: &Tenancy,
    tenant: Option<&str>,
    user: Option<&str>,
) -> (Map<String, Value>, Vec<(String, String)>) {
    let constants = tenancy.told.iter().filter_map(|told| Some((&told.what, met(told, "")?)));
    let keys = tenancy.forgeable.iter().filter_map(|(what, is_tenants)| {
        let key = if *is_tenants { tenant } else { user };
        Some((what, key?.to_owned()))
    });
    let mut claims = Value::Object(Map::new());
    let mut requests: BTreeMap<&String, Value> = BTreeMap::new();
    for (what, value) in constants.chain(keys) {
        let value = if value == "true" { json!(true) } else { json!(value) };
        match what {
            Meaning::Claim(place) if is_of_user(place) => {
                merge(&mut claims, &Value::Object(object(place, value)));
            }
            Meaning::Setting(name, place) if name.starts_with("request.") => {
                let value = match place.as_slice() {
                    [] => value,
                    place => Value::Object(object(place, value)),
                };
                merge(requests.entry(name).or_insert(Value::Null), &value);
            }
            _ => {}
        }
    }
    let text = |value: Value| match value {
        Value::String(text) => text,
        other => other.to_string(),
    };
    let settings = requests.into_iter().map(|(name, value)| (name.clone(), text(value))).collect();
    (claims.as_object().cloned().unwrap_or_default(), settings)
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
                let of_stranger = strangers_address(told).filter(|_| is_email(place));
                let is_open = is_for_anybody(place) || of_stranger.is_some();
                let value = of_stranger.unwrap_or(value);
                let last = place.last().map_or("", String::as_str);
                let claim = if value == "true" { json!(true) } else { json!(value) };
                let claims = object(place, claim);
                let sort = if is_open { Sort::Anybody } else { Sort::Special };
                Extra { name: named(&value, last), like: "alice", claims, sort, ..Extra::default() }
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

/// Whether anybody can get such a claim: by a second factor, or by another way to sign in.
fn is_for_anybody(place: &[String]) -> bool {
    let place: Vec<&str> = place.iter().map(String::as_str).collect();
    matches!(place.as_slice(), ["aal"] | ["app_metadata", "provider" | "providers"])
}

/// An address that meets a pattern and that anybody can have, since the pattern does not say where it ends, or
/// where its domain begins.
fn strangers_address(told: &Told) -> Option<String> {
    let Told { operator, constant, .. } = told;
    let ends_anywhere = match operator.as_str() {
        "~~" | "~~*" => constant.ends_with('%') && !constant.ends_with("\\%"),
        "~" | "~*" => !constant.ends_with('$'),
        _ => return None,
    };
    if ends_anywhere {
        let begin = met(told, "")?;
        let rest = if begin.contains('@') { ".stranger.example" } else { "@stranger.example" };
        return Some(format!("{begin}{rest}"));
    }
    // `%acme.com` has `notacme.com` in it; `%@acme.com` and `%.acme.com` have not.
    let domain = constant.strip_prefix('%').filter(|_| operator.starts_with("~~"))?;
    let is_whole = domain.contains(['@', '%', '_']) || domain.starts_with('.');
    (!is_whole).then(|| format!("someone@not{domain}"))
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
    let value = if ["true", "false", "another"].contains(&value) { what } else { value };
    format!("alice:{}", plain(value))
}

/// A text that can be in the name of somebody.
fn plain(text: &str) -> String {
    const LONGEST: usize = 24;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-.@".contains(c);
    text.chars().map(|c| if is_plain(c) { c } else { '_' }).take(LONGEST).collect()
}

/// `{"a": {"b": value}}` of the place `a`, `b`.
pub(super) fn object(place: &[String], value: Value) -> Map<String, Value> {
    nested(place, value).as_object().cloned().unwrap_or_default()
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
    fn a_pattern_may_be_met_by_anybody() {
        for (operator, constant, address) in [
            ("~~", "admin%", Some("adminsomeone@stranger.example")),
            ("~~*", "%acme.com%", Some("someoneacme.comsomeone@stranger.example")),
            ("~~", "%@acme.com%", Some("someone@acme.comsomeone.stranger.example")),
            ("~~", "%acme.com", Some("someone@notacme.com")),
            ("~~", "%@acme.com", None),
            ("~~", "%.acme.com", None),
            ("~", "@acme\\.com$", None),
            ("=", "admin@acme.com", None),
        ] {
            let one = told(claim(&["email"]), operator, constant);
            assert_eq!(strangers_address(&one).as_deref(), address, "{operator} {constant}");
        }
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
