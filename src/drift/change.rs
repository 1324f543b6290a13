//! What of one thing is other on a target, and the statement that makes it as the files say. Pure.

use crate::drift::canonical::canonical;
use crate::drift::item::{Item, Part};
use crate::drift::statements::change_labels;
use crate::drift::value::Kind;
use crate::words::one_line;

/// How long a value may be that stands in a sentence.
const LONGEST_TOLD: usize = 60;

/// Parts of a thing that one statement changes.
pub(crate) struct Change {
    pub kind: Kind,
    /// None where the thing has to be made again.
    pub statement: Option<String>,
    pub disturbs: bool,
    pub narrows: bool,
    /// The part, what it is there, and what it is in the files.
    parts: Vec<(String, Option<String>, Option<String>)>,
}

/// What is other of a thing that is on both sides.
pub(crate) fn changes(there: &Item, here: &Item) -> Vec<Change> {
    let mut changes: Vec<Change> = Vec::new();
    let mut names: Vec<&str> = here.parts.iter().map(|part| part.name.as_str()).collect();
    names.extend(there.parts.iter().map(|part| part.name.as_str()));
    let mut covered: Vec<String> = Vec::new();
    let mut seen: Vec<&str> = Vec::new();
    for name in names {
        if seen.contains(&name) {
            continue;
        }
        seen.push(name);
        let (was, is) = (there.part(name), here.part(name));
        let value = |part: Option<&Part>| part.and_then(|part| part.value.clone());
        let (had, has) = (value(was), value(is));
        // Whose it is was not read on one side.
        let is_unknown = name == "owner" && (was.is_none() || is.is_none());
        let is_verbatim = is.or(was).is_some_and(|part| part.is_verbatim);
        let written = |value: &Option<String>| {
            let value = value.as_deref()?;
            Some(if is_verbatim { value.replace("\r\n", "\n") } else { canonical(value) })
        };
        let is_same = written(&had) == written(&has);
        if is_same || is_unknown || covered.iter().any(|one| one == name) {
            continue;
        }
        let statement = statement(was.filter(|_| had.is_some()), is.filter(|_| has.is_some()), was);
        covered.extend(is.or(was).and_then(|part| part.covers.clone()));
        let either = is.or(was);
        let kind = match name {
            "owner" => Kind::Owner,
            "comment" => Kind::Comment,
            name if name.starts_with("row level security") => Kind::RowSecurity,
            _ => here.kind,
        };
        let part = (name.to_owned(), had, has);
        if let Some(same) = changes.iter_mut().find(|one| one.statement == statement) {
            same.parts.push(part);
            continue;
        }
        changes.push(Change {
            kind,
            statement,
            disturbs: either.is_some_and(|part| part.disturbs),
            narrows: either.is_some_and(|part| part.narrows),
            parts: vec![part],
        });
    }
    if let (Some(had), Some(has)) = (&there.labels, &here.labels)
        && had != has
    {
        let part = ("labels".to_owned(), Some(had.join(", ")), Some(has.join(", ")));
        changes.push(Change {
            kind: here.kind,
            statement: change_labels(&here.key, had, has),
            disturbs: false,
            narrows: false,
            parts: vec![part],
        });
    }
    changes
}

fn statement(was: Option<&Part>, is: Option<&Part>, either: Option<&Part>) -> Option<String> {
    match (was, is) {
        (_, None) => either.and_then(|part| part.clear.clone()),
        (None, Some(is)) => is.set.clone().or(is.change.clone()),
        (Some(was), Some(is)) => match is.change.clone().or(is.set.clone()) {
            Some(set) if is.is_cleared_first => {
                was.clear.as_ref().map(|clear| format!("{clear}; {set}"))
            }
            set => set,
        },
    }
}

impl Change {
    /// What is there and what the files say, of all of these.
    pub(crate) fn told(there: &Item, changes: &[Self]) -> String {
        let parts = || changes.iter().flat_map(|change| &change.parts);
        let has_others = parts().any(|(name, ..)| name != "definition");
        let told = parts().filter(|(name, ..)| !has_others || name != "definition");
        let told: Vec<String> = told.map(|(name, had, has)| told_part(name, had, has)).collect();
        format!("{}: {}", there.title(), told.join("; "))
    }
}

fn told_part(name: &str, had: &Option<String>, has: &Option<String>) -> String {
    let short = |value: &Option<String>| {
        let value = value.as_deref().unwrap_or("none");
        let is_short = value.chars().count() <= LONGEST_TOLD && !value.contains('\n');
        is_short.then(|| one_line(value))
    };
    match (short(had), short(has)) {
        (Some(had), Some(has)) => format!("{name} is {had}, and {has} in the files"),
        (None, Some(has)) if has == "none" => format!("{name} is there, and not in the files"),
        (Some(had), None) if had == "none" => format!("{name} is missing"),
        _ => format!("{name} is another than in the files"),
    }
}
