//! Who may do other things on a target than the files say, now and with what is yet to be made. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::drift::item::{DefaultState, Id, Privileges, Schema};
use crate::drift::statements::{change_defaults, change_grants, grant_phrase};
use crate::drift::value::{Difference, Kind};
use crate::names::Oid;
use crate::sql::quote::identifier;
use crate::words::joined;

/// From this version on there is the privilege to maintain a table.
const KNOWS_MAINTAIN: i32 = 170_000;

/// The privilege that only some servers know.
const MAINTAIN: &str = "maintain";

fn both_know_maintain(target: &Schema, files: &Schema) -> bool {
    target.version.min(files.version) >= KNOWS_MAINTAIN
}

/// What somebody may do with what is on both sides, but for what is `done`; with the oid of that in the files.
pub(crate) fn privileges(
    target: &Schema,
    files: &Schema,
    done: &BTreeSet<Id>,
) -> Vec<(Difference, Oid)> {
    let knows_maintain = both_know_maintain(target, files);
    let known = |privileges: Option<&Privileges>| {
        let mut known = privileges.cloned().unwrap_or_default();
        known.retain(|name, _| knows_maintain || name != MAINTAIN);
        known
    };
    let mut found = Vec::new();
    for (id, here) in files.items.iter().filter(|(id, _)| !done.contains(id)) {
        let Some(there) = target.items.get(id) else { continue };
        let Some(on) = grant_phrase(here) else { continue };
        let grantees: BTreeSet<&String> = there.grants.keys().chain(here.grants.keys()).collect();
        for grantee in grantees {
            let has = known(there.grants.get(grantee));
            let wanted = known(here.grants.get(grantee));
            let owner = here.owner.as_ref().map(|owner| identifier(owner));
            let name = match (grantee.as_str(), owner) {
                _ if has == wanted => continue,
                ("", Some(owner)) => owner,
                ("", None) => continue,
                (other, _) => other.to_owned(),
            };
            let told = told_privileges(&name, &told_names(&has), &told_names(&wanted));
            let difference = Difference {
                kind: Kind::Privileges,
                subject: here.key.clone(),
                relation: here.relation(),
                what: format!("{}: {told}", here.title()),
                statement: Some(change_grants(&on, &name, &has, &wanted).join("; ")),
            };
            found.push((difference, here.oid));
        }
    }
    found
}

/// What somebody may do with what is yet to be made.
pub(crate) fn default_privileges(target: &Schema, files: &Schema) -> Vec<Difference> {
    let (has, wanted) = (&target.default_privileges, &files.default_privileges);
    let knows_maintain = both_know_maintain(target, files);
    let known = |privileges: Option<&BTreeMap<String, DefaultState>>| {
        let mut known = privileges.cloned().unwrap_or_default();
        known.retain(|name, _| knows_maintain || name != MAINTAIN);
        known
    };
    let mut found = Vec::new();
    for key in has.keys().chain(wanted.keys()).collect::<BTreeSet<_>>() {
        let (has, wanted) = (known(has.get(key)), known(wanted.get(key)));
        let statement = change_defaults(key, &has, &wanted).join("; ");
        if statement.is_empty() {
            continue;
        }
        let (role, schema, objects, grantee) = key;
        let place = schema.as_ref().map(|one| format!(" in schema {one}")).unwrap_or_default();
        found.push(Difference {
            kind: Kind::DefaultPrivileges,
            subject: format!("{objects} of {role}{place} for {grantee}"),
            relation: None,
            what: format!(
                "what {grantee} may do with new {objects} of {role}{place} is another in the files"
            ),
            statement: Some(statement),
        });
    }
    found
}

fn told_names(privileges: &Privileges) -> BTreeSet<String> {
    let told = |(name, option): (&String, &bool)| match option {
        true => format!("{name} with grant option"),
        false => name.clone(),
    };
    privileges.iter().map(told).collect()
}

fn told_privileges(grantee: &str, has: &BTreeSet<String>, wanted: &BTreeSet<String>) -> String {
    let list = |one: &BTreeSet<String>, other: &BTreeSet<String>| {
        joined(&one.difference(other).cloned().collect::<Vec<_>>())
    };
    let (more, less) = (list(has, wanted), list(wanted, has));
    match (more.is_empty(), less.is_empty()) {
        (false, true) => format!("{grantee} has {more}, which the files do not give"),
        (true, _) => format!("{grantee} lacks {less}, which the files give"),
        (false, false) => format!("{grantee} has {more} in place of {less}"),
    }
}
