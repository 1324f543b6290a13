//! A status as one JSON document. Pure.

use serde_json::{Value, json};

use crate::push::pairing::{Likeness, Pairing};
use crate::push::standing::{Standing, State};
use crate::push::told::Told;

/// The form of the document. It grows by fields without a new number.
const SCHEMA: u32 = 1;

/// How each version stands.
pub(crate) fn status_json(
    told: &Told<'_>,
    versions: &[Standing],
    (pairs, half): (&[Pairing<'_>], &[i64]),
) -> Value {
    let version = |one: &Standing| {
        let (state, why) = match &one.state {
            State::Applied => ("applied", None),
            State::Pending if half.contains(&one.version) => ("half-way", None),
            State::Pending => ("pending", None),
            State::OnlyThere => ("only-there", None),
            State::Edited(why) => ("edited", Some(why)),
            State::Torn(why) => ("in-one-history", Some(why)),
        };
        let pairs = pairs.iter().filter(|pair| pair.remote == one.version).map(of_pair);
        json!({
            // A number of JavaScript's holds 14 digits, and no more than 15.
            "version": one.version.to_string(),
            "name": one.name,
            "file": one.file.as_ref().map(|path| path.display().to_string()),
            "state": state,
            "why": why,
            "pairs": pairs.collect::<Vec<_>>(),
        })
    };
    json!({
        "schema": SCHEMA,
        "target": told.target,
        "histories": told.histories,
        "notes": told.notes,
        "in_step": versions.iter().all(|one| one.state == State::Applied),
        "versions": versions.iter().map(version).collect::<Vec<_>>(),
    })
}

fn of_pair(pair: &Pairing<'_>) -> Value {
    let same = match pair.likeness {
        Likeness::Same => ["name", "statements"].as_slice(),
        Likeness::Statements => &["statements"],
        Likeness::Name => &["name"],
    };
    json!({ "version": pair.file.version().to_string(), "name": pair.file.name(), "same": same })
}
