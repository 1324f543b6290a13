//! How a membership ends: its row is deleted, or it stays and says so, by a time, a flag or a status. Where it can
//! stay, it does: who looks at the row alone must look at that, too.

use crate::catalog::relation::{Column, Relation};
use crate::error::Result;
use crate::session::failed::failing;
use crate::session::open::{Session, unhindered};
use crate::sql::quote::{identifier, literal};
use crate::tenancy::standing::NOT_YET;
use crate::words::words_of;
use crate::world::seeding::seed::value_sql;
use crate::world::seeding::values::telling_values;
use crate::world::value::World;

/// The column of a membership that tells whether it has ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ending {
    pub column: String,
    /// What a member has in it; none for NULL.
    pub member: Option<String>,
    /// What somebody has in it who was one.
    pub ended: String,
}

/// A way in which a membership that is there does not hold: it is over, or has not begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lapse {
    pub column: String,
    /// What a member has in it; none for NULL.
    pub member: Option<String>,
    /// What somebody has in it who is none; none for NULL.
    pub lapsed: Option<String>,
}

/// What begins the names of times and flags: `removed_at`, `is_removed`.
const ENDED: &[&str] = &[
    "removed",
    "deleted",
    "left",
    "revoked",
    "ended",
    "deactivated",
    "disabled",
    "archived",
    "kicked",
    "banned",
    "blocked",
    "suspended",
    "inactive",
    "former",
    "expelled",
    "terminated",
    "cancelled",
    "canceled",
];

/// Flags and states of a member.
const ACTIVE: &[&str] =
    &["active", "enabled", "accepted", "approved", "confirmed", "joined", "member", "verified"];

/// Long enough ago for whoever compares it with now.
const WHEN: &str = "2001-01-01";

/// How the names of times end until which something holds: `expires_at`, `current_period_end`.
const UNTIL: &[&str] = &["expires", "expiry", "expiration", "until", "end", "ends"];

/// Far enough ahead for whoever compares it with now.
const AHEAD: &str = "2999-12-31";

/// How a membership in a table ends where its row stays; none where nothing in it can say so.
pub(crate) fn ending_of(columns: &[(&Column, Vec<String>)]) -> Option<Ending> {
    let first = |ending: fn(&Column, &[String]) -> Option<Ending>| {
        columns.iter().find_map(|(column, values)| ending(column, values))
    };
    first(by_time).or_else(|| first(by_flag)).or_else(|| first(by_status))
}

/// What a time is of: `removed` of `removed_at`.
fn stem_of_time(column: &Column) -> Option<&str> {
    let is_time = ["date", "timestamp", "timestamptz"].contains(&column.base_type.as_str());
    let ends = ["_at", "_on", "_date", "_time"];
    let stem = ends.iter().find_map(|end| column.name.strip_suffix(end));
    is_time.then(|| stem.unwrap_or(&column.name))
}

/// Whether a column is a time until which something holds, by its name.
fn is_until(column: &Column) -> bool {
    let last = stem_of_time(column).and_then(|stem| words_of(stem).pop());
    last.is_some_and(|word| UNTIL.contains(&word.as_str()))
}

/// `removed_at`, where a member has NULL.
fn by_time(column: &Column, _: &[String]) -> Option<Ending> {
    let stem = stem_of_time(column).filter(|stem| *stem != column.name);
    let is_it = !column.not_null && stem.is_some_and(|stem| ENDED.contains(&stem));
    is_it.then(|| Ending { column: column.name.clone(), member: None, ended: WHEN.into() })
}

/// `is_removed`, `active`.
fn by_flag(column: &Column, _: &[String]) -> Option<Ending> {
    let stem = column.name.strip_prefix("is_").unwrap_or(&column.name);
    let is_member = match (column.base_type.as_str(), stem) {
        ("bool", stem) if ENDED.contains(&stem) => "false",
        ("bool", stem) if ACTIVE.contains(&stem) => "true",
        _ => return None,
    };
    let ended = if is_member == "true" { "false" } else { "true" };
    let member = Some(is_member.to_owned());
    Some(Ending { column: column.name.clone(), member, ended: ended.into() })
}

/// `status`, of whose values one is of members and one of those who were.
fn by_status(column: &Column, values: &[String]) -> Option<Ending> {
    let first = |known: &[&str]| {
        let is_known = |value: &&String| known.contains(&value.to_lowercase().as_str());
        values.iter().find(is_known).cloned()
    };
    let (member, ended) = (first(ACTIVE)?, first(ENDED)?);
    is_status(column).then(|| Ending { column: column.name.clone(), member: Some(member), ended })
}

/// What the times of a membership are that has begun, and not ended. One that may hold for ever does so for some;
/// `is_dated` says whether this one ends some day.
fn time_of_member(column: &Column, is_dated: bool) -> Option<&'static str> {
    match stem_of_time(column)? {
        stem if ACTIVE.contains(&stem) => (!column.has_default).then_some(WHEN),
        _ if is_until(column) => (column.not_null || is_dated).then_some(AHEAD),
        _ => None,
    }
}

/// All ways in which a membership in a table does not hold.
fn lapses_of(columns: &[(&Column, Vec<String>)]) -> Vec<Lapse> {
    let of_column = |(column, values): &(&Column, Vec<String>)| -> Vec<Lapse> {
        let lapse = |member: Option<&str>, lapsed: Option<&str>| Lapse {
            column: column.name.clone(),
            member: member.map(str::to_owned),
            lapsed: lapsed.map(str::to_owned),
        };
        if let Some(Ending { member, ended, .. }) =
            by_time(column, values).or_else(|| by_flag(column, values))
        {
            return vec![lapse(member.as_deref(), Some(&ended))];
        }
        match stem_of_time(column) {
            Some(_) if is_until(column) => return vec![lapse(Some(AHEAD), Some(WHEN))],
            Some(stem) if ACTIVE.contains(&stem) && !column.not_null => {
                return vec![lapse(Some(WHEN), None)];
            }
            _ => {}
        }
        let is_of = |words: &[&str], value: &str| words.contains(&value.to_lowercase().as_str());
        let member = values.iter().find(|value| is_of(ACTIVE, value));
        let Some(member) = member.filter(|_| is_status(column)) else { return Vec::new() };
        let lapsed = values.iter().filter(|value| is_of(ENDED, value) || is_of(&NOT_YET, value));
        lapsed.map(|lapsed| lapse(Some(member), Some(lapsed))).collect()
    };
    columns.iter().flat_map(of_column).collect()
}

/// Whether a column is named as one that says how something stands.
fn is_status(column: &Column) -> bool {
    let names = ["status", "state"];
    names.iter().any(|name| column.name == *name || column.name.ends_with(&format!("_{name}")))
}

impl World {
    /// All ways in which memberships in this relation do not hold, if it is that of the members.
    pub(crate) fn lapses(&self, relation: &Relation) -> Vec<Lapse> {
        let of_members = self.tenancy.members.as_ref().map(|members| members.relation);
        if of_members != Some(relation.oid) {
            return Vec::new();
        }
        let told = |column| (column, telling_values(&self.catalog, relation, column));
        lapses_of(&relation.columns.iter().map(told).collect::<Vec<_>>())
    }

    /// When the memberships of a user began, and until when they hold, where this relation is that of the
    /// members and says so.
    pub(crate) fn times_of_member(
        &self,
        relation: &Relation,
        user: Option<&str>,
    ) -> Vec<(String, String)> {
        let of_members = self.tenancy.members.as_ref().map(|members| members.relation);
        if of_members != Some(relation.oid) {
            return Vec::new();
        }
        // `alice` has what is no date, her colleague one.
        let is_dated = user.is_some_and(|user| user != "alice");
        let time = |column: &Column| {
            Some((column.name.clone(), time_of_member(column, is_dated)?.to_owned()))
        };
        relation.columns.iter().filter_map(time).collect()
    }

    /// Until when the first row of an owner holds, where it says so: what has run out opens nothing. Others may have
    /// run out. Of memberships more is known.
    pub(crate) fn times_ahead(&self, relation: &Relation) -> Vec<(String, String)> {
        let of_members = self.tenancy.members.as_ref().map(|members| members.relation);
        let is_ahead = |column: &&Column| of_members != Some(relation.oid) && is_until(column);
        let columns = relation.columns.iter().filter(is_ahead);
        columns.map(|column| (column.name.clone(), AHEAD.to_owned())).collect()
    }

    /// How a membership ends in this relation, if it is that of the members.
    pub(crate) fn ending(&self, relation: &Relation) -> Option<Ending> {
        let members = self.tenancy.members.as_ref().filter(|m| m.relation == relation.oid)?;
        let told = |column| (column, telling_values(&self.catalog, relation, column));
        let ending = ending_of(&relation.columns.iter().map(told).collect::<Vec<_>>())?;
        // What the config says of a member's column holds.
        let said = members.config.values.get(&ending.column);
        said.is_none_or(|said| ending.member.as_ref() == Some(said)).then_some(ending)
    }

    /// Ends the memberships of those who left; their other rows stay.
    pub(crate) fn end_memberships(&mut self, session: &mut Session) -> Result<()> {
        let Some(members) = &self.tenancy.members else { return Ok(()) };
        let Some(table) = self.catalog.relation(members.relation) else { return Ok(()) };
        let end = match self.ending(table) {
            Some(Ending { column, ended, .. }) => {
                let set = format!("{} = {}", identifier(&column), value_sql(Some(&ended)));
                format!("update {} set {set}", table.sql_name())
            }
            // What says where somebody belongs stays, but for that.
            None if self.is_own_row_of_users(table) => {
                let tenant = identifier(&members.config.tenant);
                format!("update {} set {tenant} = null", table.sql_name())
            }
            None => format!("delete from {}", table.sql_name()),
        };
        for actor in &self.actors {
            let (Some(tenant), Some(user)) = (actor.left(), actor.user()) else { continue };
            let sql = format!(
                "{end} where {} = {} and {} = {}",
                identifier(&members.config.user),
                literal(user),
                identifier(&members.config.tenant),
                literal(&self.tenant_key(tenant)?)
            );
            session.as_owner(&sql).map_err(|failed| {
                failed
                    .error(format!("could not end the membership of `{}`", actor.name()))
                    .help("a trigger or a foreign key keeps it; the actor needs to lose it")
            })?;
            // Nor is who has left invited.
            for table in self.offers(table) {
                let Some((column, value)) = self.user_value(table, actor) else { continue };
                let (name, column) = (table.sql_name(), identifier(&column));
                let sql = format!("delete from {name} where {column} = {}", literal(&value));
                session.as_owner(&unhindered(&sql)).map_err(failing("take back invitations"))?;
            }
        }
        Ok(())
    }

    /// Whether the members' table has one row for each user, who need not be a member.
    fn is_own_row_of_users(&self, members: &Relation) -> bool {
        let tenant = self.tenancy.members.as_ref().map(|members| members.config.tenant.as_str());
        let tenant = tenant.and_then(|name| members.column(name));
        self.tenancy.is_of_one_tenant(&self.catalog)
            && tenant.is_some_and(|column| !column.not_null)
    }

    /// Whose membership has ended has not joined, although the row is there.
    pub(crate) fn forget_ended(&mut self) -> Result<()> {
        for actor in &self.actors {
            if let (Some(tenant), Some(user)) = (actor.left(), actor.user()) {
                let ended = (user.to_owned(), self.tenant_key(tenant)?);
                self.names.joined.remove(&ended);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::catalog::sample::relation;

    fn ending(columns: &[Value], values: &[&str]) -> Option<[String; 3]> {
        let table = relation(json!({}), columns);
        let values: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
        let told = table.columns.iter().map(|column| (column, values.clone()));
        let Ending { column, member, ended } = ending_of(&told.collect::<Vec<_>>())?;
        Some([column, member.unwrap_or("null".into()), ended])
    }

    #[test]
    fn ways_to_end() {
        let of = |name: &str, base_type: &str| json!({ "name": name, "base_type": base_type });
        let time = of("removed_at", "timestamptz");
        let told = |told: [&str; 3]| Some(told.map(str::to_owned));
        assert_eq!(ending(&[of("id", "uuid"), time], &[]), told(["removed_at", "null", WHEN]));
        assert_eq!(ending(&[of("joined_at", "timestamptz")], &[]), None);
        assert_eq!(ending(&[of("is_removed", "bool")], &[]), told(["is_removed", "false", "true"]));
        assert_eq!(ending(&[of("active", "bool")], &[]), told(["active", "true", "false"]));
        let states = ["invited", "Active", "removed"];
        assert_eq!(ending(&[of("status", "text")], &states), told(["status", "Active", "removed"]));
        assert_eq!(ending(&[of("status", "text")], &["open", "closed"]), None);
        assert_eq!(ending(&[of("role", "text")], &states), None);
        let always = json!({ "name": "left_at", "base_type": "date", "not_null": true });
        assert_eq!(ending(&[always], &[]), None);
    }

    #[test]
    fn ways_not_to_hold() {
        let of = |name: &str, base_type: &str, values: &[&str]| {
            let column = json!({ "name": name, "base_type": base_type });
            let table = relation(json!({}), &[column]);
            let values: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
            let lapses = lapses_of(&[(&table.columns[0], values)]).into_iter();
            let lapsed = lapses.map(|one| (one.member, one.lapsed));
            lapsed.collect::<Vec<_>>()
        };
        let told = |one: &str, other: &str| (Some(one.to_owned()), Some(other.to_owned()));
        for name in ["expires_at", "end_date", "current_period_end", "access_until"] {
            assert_eq!(of(name, "timestamptz", &[]), [told(AHEAD, WHEN)], "{name}");
        }
        assert_eq!(of("accepted_at", "timestamptz", &[]), [(Some(WHEN.into()), None)]);
        assert_eq!(of("left_at", "timestamptz", &[]), [(None, Some(WHEN.into()))]);
        assert_eq!(of("is_active", "bool", &[]), [told("true", "false")]);
        let states = ["invited", "active", "removed", "odd"];
        let both = [told("active", "invited"), told("active", "removed")];
        assert_eq!(of("status", "text", &states), both);
        assert_eq!(of("role", "text", &states), []);
        assert_eq!(of("created_at", "timestamptz", &[]), []);
    }

    #[test]
    fn times_of_members() {
        let of = |name: &str, is_dated: bool| {
            let column = json!({ "name": name, "base_type": "timestamptz" });
            time_of_member(&relation(json!({}), &[column]).columns[0], is_dated)
        };
        assert_eq!(of("accepted_at", false), Some(WHEN));
        assert_eq!(of("expires_at", false), None);
        assert_eq!(of("expires_at", true), Some(AHEAD));
        assert_eq!(of("valid_until", true), Some(AHEAD));
        assert_eq!(of("created_at", true), None);
    }
}
