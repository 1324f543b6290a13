//! Who signs up with what would make them more than others, and whether they are let in.

use serde_json::{Map, Value};

use crate::actor::Actor;
use crate::catalog::relation::Relation;
use crate::error::Result;
use crate::session::open::Session;
use crate::world::seeding::sign_up::{METADATA, metadata};
use crate::world::value::{Branch, Values, World};

impl World {
    /// Signs up who would be more than others, with all that was forged, else with one thing of it.
    pub(in crate::world) fn sign_up_forging(
        &mut self,
        session: &mut Session,
        users: &Relation,
    ) -> Result<()> {
        let Some((actor, forged)) = self.forger_at_sign_up() else { return Ok(()) };
        let (branch, name) = (branch_of(actor), actor.name().to_owned());
        let mut tries = vec![forged.clone()];
        if forged.len() > 1 {
            tries.extend(forged.clone().into_iter().map(|one| Map::from_iter([one])));
        }
        for forged in tries {
            let said = metadata(&self.catalog, users, &name, Some(&forged));
            let fixed = Values::from([(METADATA.to_owned(), said)]);
            match self.insert(session, users, &branch, &fixed, 0)? {
                Ok(()) => break,
                Err(reason) => _ = self.refused_at_sign_up.get_or_insert(reason),
            }
        }
        Ok(())
    }

    /// With what somebody signed up who would be more than others, or with what they were not let in and why.
    pub(crate) fn told_at_sign_up(&self) -> Option<(&str, Map<String, Value>, Option<&str>)> {
        let (actor, forged) = self.forger_at_sign_up()?;
        let (users, branch) = (self.tenancy.users.relation, branch_of(actor));
        let mut rows = self.seeded.get(&users).into_iter().flatten();
        let row = rows.find(|row| row.branch == branch);
        let stored = row.and_then(|row| row.values.get(METADATA)?.as_deref());
        let stored: Value = serde_json::from_str(stored.unwrap_or("null")).unwrap_or_default();
        let said = forged.iter().filter(|(key, value)| stored.get(key) == Some(value));
        let said: Map<String, Value> =
            said.map(|(key, value)| (key.clone(), value.clone())).collect();
        Some(if said.is_empty() {
            let reason = self.refused_at_sign_up.as_deref().unwrap_or("it was not stored");
            (actor.name(), forged.clone(), Some(reason))
        } else {
            (actor.name(), said, None)
        })
    }

    fn forger_at_sign_up(&self) -> Option<(&Actor, &Map<String, Value>)> {
        self.actors.iter().find_map(|actor| Some((actor, actor.signs_up_with()?)))
    }
}

fn branch_of(actor: &Actor) -> Branch {
    Branch { tenant: None, user: Some(actor.name().to_owned()) }
}
