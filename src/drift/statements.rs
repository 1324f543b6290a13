//! The statements that make a thing with all that belongs to it, and those that give and take privileges. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::drift::item::{DefaultKey, DefaultState, Item, Privileges, Schema};
use crate::drift::order::in_order;
use crate::drift::value::Kind;
use crate::sql::quote::identifier;

/// The statements that make a thing of the files on a target, with some of its children.
pub(crate) fn creation(target: &Schema, item: &Item, children: &[&Item]) -> Vec<String> {
    let mut said: Vec<String> = item.create.iter().cloned().collect();
    said.extend(finish(target, item));
    let mut later = Vec::new();
    for child in in_order(children) {
        match child.is_in_parent {
            true => later.extend(finish(target, child)),
            false => {
                said.extend(child.create.clone());
                later.extend(finish(target, child));
            }
        }
    }
    said.extend(later);
    said
}

/// What comes after the statement that makes a thing.
fn finish(target: &Schema, item: &Item) -> Vec<String> {
    let parts = item.parts.iter().filter(|part| part.is_after && part.value.is_some());
    let mut said: Vec<String> = parts.filter_map(|part| part.set.clone()).collect();
    said.extend(grants_of_new(target, item));
    said
}

/// What gives a new thing the privileges of the files, whatever it has by default.
fn grants_of_new(target: &Schema, item: &Item) -> Vec<String> {
    let Some(on) = grant_phrase(item) else { return Vec::new() };
    let objects = match item.kind {
        Kind::Sequence => "sequences",
        Kind::Schema => "schemas",
        Kind::Type => "types",
        Kind::Function | Kind::Procedure | Kind::Aggregate => "functions",
        _ => "tables",
    };
    let is_public = ["types", "functions"].contains(&objects);
    let mut by_default: BTreeSet<&str> = is_public.then_some("public").into_iter().collect();
    for (_, schema, of, grantee) in target.default_privileges.keys() {
        let is_here = schema.as_deref().is_none_or(|one| one == identifier(&item.schema));
        if of == objects && is_here {
            by_default.insert(grantee);
        }
    }
    let none = Privileges::new();
    let grantees: BTreeSet<&str> = item.grants.keys().map(String::as_str).collect();
    let mut said = Vec::new();
    let owner = item.owner.as_ref().map(|owner| identifier(owner));
    let is_owner = |grantee: &&&str| grantee.is_empty() || owner.as_deref() == Some(**grantee);
    for grantee in grantees.union(&by_default).filter(|grantee| !is_owner(grantee)) {
        let wanted = item.grants.get(*grantee).unwrap_or(&none);
        let is_usual = is_public && *grantee == "public" && wanted.len() == 1;
        let has_others = target.default_privileges.keys().any(|key| key.3 == *grantee);
        if by_default.contains(grantee) && (has_others || !is_usual) {
            said.push(format!("revoke all on {on} from {grantee}"));
            said.extend(change_grants(&on, grantee, &none, wanted));
        } else if !is_usual {
            said.extend(change_grants(&on, grantee, &none, wanted));
        }
    }
    said
}

/// How `grant` names it.
pub(crate) fn grant_phrase(item: &Item) -> Option<String> {
    let key = &item.key;
    match item.kind {
        Kind::Table | Kind::View | Kind::MaterializedView => Some(format!("table {key}")),
        Kind::Aggregate => Some(format!("function {key}")),
        Kind::Type => Some(format!("type {key}")),
        Kind::Sequence | Kind::Schema | Kind::Function | Kind::Procedure => item.phrase.clone(),
        _ => None,
    }
}

/// What turns some privileges of somebody into others.
pub(crate) fn change_grants(
    on: &str,
    grantee: &str,
    has: &Privileges,
    wanted: &Privileges,
) -> Vec<String> {
    let gone: Vec<&str> =
        has.keys().filter(|one| !wanted.contains_key(*one)).map(AsRef::as_ref).collect();
    let without = |one: &&String| has.get(*one) == Some(&true) && wanted.get(*one) == Some(&false);
    let no_option: Vec<&str> = has.keys().filter(without).map(AsRef::as_ref).collect();
    // What is taken of a table is taken of its columns, too.
    let is_hit =
        |one: &str| one.split_once(" (").is_some_and(|(privilege, _)| gone.contains(&privilege));
    let is_new = |(one, option): &(&String, &bool)| {
        let had = has.get(*one);
        had.is_none() || (**option && had == Some(&false)) || is_hit(one)
    };
    let new = |with: bool| {
        let new = wanted.iter().filter(is_new).filter(|(_, option)| **option == with);
        new.map(|(one, _)| one.as_str()).collect::<Vec<_>>()
    };
    let mut said = Vec::new();
    if !gone.is_empty() {
        said.push(format!("revoke {} on {on} from {grantee}", gone.join(", ")));
    }
    if !no_option.is_empty() {
        let names = no_option.join(", ");
        said.push(format!("revoke grant option for {names} on {on} from {grantee}"));
    }
    if !new(false).is_empty() {
        said.push(format!("grant {} on {on} to {grantee}", new(false).join(", ")));
    }
    if !new(true).is_empty() {
        said.push(format!("grant {} on {on} to {grantee} with grant option", new(true).join(", ")));
    }
    said
}

/// What turns some default privileges into others.
pub(crate) fn change_defaults(
    (role, schema, objects, grantee): &DefaultKey,
    has: &BTreeMap<String, DefaultState>,
    wanted: &BTreeMap<String, DefaultState>,
) -> Vec<String> {
    let place = schema.as_ref().map(|schema| format!(" in schema {schema}")).unwrap_or_default();
    let start = format!("alter default privileges for role {role}{place}");
    let names: BTreeSet<&String> = has.keys().chain(wanted.keys()).collect();
    let (mut given, mut passed_on, mut taken, mut no_option) = (vec![], vec![], vec![], vec![]);
    for name in names {
        use DefaultState::{Granted, Revoked};
        let name = name.as_str();
        match (has.get(name).copied(), wanted.get(name).copied()) {
            (was, is) if was == is => {}
            (Some(Granted { is_grantable: true }), Some(Granted { is_grantable: false })) => {
                no_option.push(name);
            }
            (_, Some(Granted { is_grantable: true })) => passed_on.push(name),
            (_, Some(Granted { is_grantable: false })) | (Some(Revoked), None) => given.push(name),
            (_, Some(Revoked)) | (_, None) => taken.push(name),
        }
    }
    let mut said = Vec::new();
    let mut say = |names: Vec<&str>, before: &str, between: &str, after: &str| {
        if !names.is_empty() {
            let names = names.join(", ");
            said.push(format!("{start} {before} {names} on {objects} {between} {grantee}{after}"));
        }
    };
    say(taken, "revoke", "from", "");
    say(no_option, "revoke grant option for", "from", "");
    say(given, "grant", "to", "");
    say(passed_on, "grant", "to", " with grant option");
    said
}

/// What gives an enum the labels of the files; none where labels would have to go.
pub(crate) fn change_labels(name: &str, has: &[String], wanted: &[String]) -> Option<String> {
    use crate::sql::quote::literal;
    let mut said = Vec::new();
    if has.len() == wanted.len() {
        for (old, new) in has.iter().zip(wanted).filter(|(old, new)| old != new) {
            if wanted.contains(old) || has.contains(new) {
                return None;
            }
            let (old, new) = (literal(old), literal(new));
            said.push(format!("alter type {name} rename value {old} to {new}"));
        }
        return Some(said.join("; "));
    }
    let kept: Vec<&String> = wanted.iter().filter(|label| has.contains(label)).collect();
    if !kept.into_iter().eq(has) {
        return None;
    }
    for (at, label) in wanted.iter().enumerate().filter(|(_, label)| !has.contains(label)) {
        let place = match at.checked_sub(1) {
            Some(before) => format!("after {}", literal(&wanted[before])),
            None => format!("before {}", literal(&has[0])),
        };
        said.push(format!("alter type {name} add value {} {place}", literal(label)));
    }
    Some(said.join("; "))
}
