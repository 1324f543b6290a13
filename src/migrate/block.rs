//! The roles that a `do` block makes, for who may make none: beside a URL, where they are the whole
//! server's. Pure.
//!
//! A block is the only way to make a role that may be there already, so most projects have one. It cannot be
//! taken apart like a statement; but the roles in it can be made ahead of it.

use crate::migrate::elevation::{Elevation, elevation_of};
use crate::platform::call::{unquoted, words};

/// What a block makes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Roles {
    /// The calls that make the roles.
    pub elevations: Vec<Elevation>,
    /// Whether it does nothing else, so that it need not run any more: it would be refused before it hears
    /// that a role is there.
    pub is_all: bool,
}

/// The roles of a `do` block; none where there are none, or one has more than its name.
pub(crate) fn roles_made_by(statement: &str) -> Option<Roles> {
    let statement = words(statement);
    let body = match statement.as_slice() {
        [block, body] | [block, body, _, _] | [block, _, _, body]
            if block == "do" && body.starts_with(['$', '\'']) =>
        {
            words(&unquoted(body))
        }
        _ => return None,
    };
    let mut roles = Roles { elevations: Vec::new(), is_all: true };
    for step in body.split(|word| word == ";") {
        let create = step.windows(2).position(|two| {
            two[0] == "create" && ["role", "user", "group"].contains(&two[1].as_str())
        });
        match create {
            Some(at) => {
                roles.elevations.push(elevation_of(&step[at..].join(" "))?);
                roles.is_all &= step[..at].iter().all(|word| word == "begin");
            }
            None => roles.is_all &= is_idle(step),
        }
    }
    (!roles.elevations.is_empty()).then_some(roles)
}

/// Whether a step of a block that makes roles only says so, or ends it.
fn is_idle(step: &[String]) -> bool {
    let step = match step {
        [exception, when, rest @ ..] if [exception, when] == ["exception", "when"] => {
            let then = rest.iter().position(|word| word == "then");
            then.map_or(&[][..], |then| &rest[then + 1..])
        }
        step => step,
    };
    matches!(step.first().map(String::as_str), None | Some("end" | "null"))
        || matches!(step, [raise, level, ..] if raise == "raise" && level == "notice")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(statement: &str) -> Option<(usize, bool)> {
        roles_made_by(statement).map(|roles| (roles.elevations.len(), roles.is_all))
    }

    #[test]
    fn the_roles_of_a_block() {
        let asked = "do $$ begin if not exists (select from pg_roles where rolname = 'app') then
            create role app login password 'x'; end if; end $$";
        assert_eq!(read(asked), Some((1, false)));
        let caught = "DO LANGUAGE plpgsql $do$ BEGIN CREATE ROLE app NOLOGIN; CREATE USER b;
            EXCEPTION WHEN duplicate_object THEN RAISE NOTICE 'there, %', 1; END $do$";
        assert_eq!(read(caught), Some((2, true)));
        let more =
            "do $$ begin create role app; delete from t; exception when others then null; end $$";
        assert_eq!(read(more), Some((1, false)));
        assert_eq!(read("do $$ begin create role app superuser; end $$"), None);
        assert_eq!(read("do $$ begin perform 1; end $$"), None);
        assert_eq!(read("create role app"), None);
    }
}
