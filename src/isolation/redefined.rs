//! Whether the project's own code has changed, while rows were made, what decides who may reach them: then
//! people would be measured against something else than the files define.

use crate::catalog::read::{Definitions, definitions};
use crate::error::{Error, Result};
use crate::session::open::Session;
use crate::sql::quote::literal;

/// What decides who may reach rows, by its kind.
const DECIDING: [&str; 7] = ["relation", "view", "policy", "trigger", "rule", "function", "grant"];

/// What stands on a relation: new ones belong to a new relation.
const ON_RELATIONS: [&str; 3] = ["policy", "trigger", "rule"];

/// Reads what decides who may reach rows.
pub(super) fn deciding(session: &mut Session) -> Result<Definitions> {
    definitions(session, &format!("kind in ({})", DECIDING.map(literal).join(", ")))
}

/// Refuses what was changed or taken away of what was there, and what was put on a relation that was. What is
/// new, such as a partition that a trigger makes, is as in production.
///
/// # Errors
/// The first that differs.
pub(super) fn refuse_redefined(before: &Definitions, now: &Definitions) -> Result<()> {
    let is_known = |title: &str| before.contains_key(&("relation".to_owned(), title.to_owned()));
    let changed = before.iter().find(|(key, definition)| now.get(key) != Some(definition));
    let added = now.keys().find(|key| {
        let on = key.1.rsplit_once(" on ").map_or("", |(_, on)| on);
        ON_RELATIONS.contains(&key.0.as_str()) && !before.contains_key(key) && is_known(on)
    });
    let Some((kind, title)) = changed.map(|(key, _)| key).or(added) else { return Ok(()) };
    Err(Error::new(format!("the project changed the {kind} `{title}` while rows were made"))
        .cause("a trigger or default did, so that people would not meet what the files define")
        .help("leave policies, triggers, functions and grants to migrations"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn defined(all: &[(&str, &str, &str)]) -> Definitions {
        let each = all.iter().map(|(kind, title, definition)| {
            ((String::from(*kind), String::from(*title)), String::from(*definition))
        });
        each.collect()
    }

    #[test]
    fn what_decides_stays_as_it_was() {
        let known = [("relation", "public.a", "r"), ("policy", "own on public.a", "using (x)")];
        let before = defined(&known);
        let told = |more: &[(&str, &str, &str)]| {
            let now = defined(&[&known[..], more].concat());
            refuse_redefined(&before, &now).err().map(|error| error.to_string())
        };
        let part =
            [("relation", "public.a_1", "r"), ("trigger", "t on public.a_1", "O create trigger")];
        assert_eq!(told(&part), None);
        for (more, expected) in [
            (("policy", "own on public.a", "using (y)"), "the policy `own on public.a`"),
            (("trigger", "t on public.a", "O create trigger"), "the trigger `t on public.a`"),
        ] {
            let told = told(&[more]).expect("it is refused");
            assert!(told.contains(expected), "{told}");
        }
        let gone = refuse_redefined(&before, &defined(&known[..1])).expect_err("it is gone");
        assert!(gone.to_string().contains("the policy `own on public.a`"), "{gone}");
    }
}
