//! Give and take: rows whose owner columns are rewritten, away from the actor and towards it.

use std::collections::BTreeMap;

use crate::error::Result;
use crate::matrix::class::RowClass;
use crate::matrix::command::Command;
use crate::probe::privileges::Privilege;
use crate::probe::prober::{Prober, Statement};
use crate::probe::reach::Aim;
use crate::sql::quote::identifier;
use crate::world::owner_names::RowOwner;
use crate::world::rows::KnownRow;
use crate::world::seeding::seed::value_sql;

/// New values of owner columns.
type Owners = BTreeMap<String, Option<String>>;

impl<'t> Prober<'t, '_, '_> {
    /// Own rows are given to others: of the tenant, of another tenant, to nobody. The cell says to
    /// whom they went.
    pub(crate) fn give(&mut self) -> Result<()> {
        let own = self.givable_rows();
        for class in [RowClass::Tenant, RowClass::Other, RowClass::Null] {
            let others = self.classes.get(&class).cloned().unwrap_or_default();
            let mut ways: Vec<(RowClass, Owners)> = Vec::new();
            for (mine, other) in self.gifts(&own, &others) {
                for owners in self.changes(mine, other) {
                    let Some(class) = self.class_after(mine, other, &owners, class) else {
                        continue;
                    };
                    if !ways.contains(&(class, owners.clone())) {
                        ways.push((class, owners));
                    }
                }
            }
            for (class, owners) in ways {
                self.transfer([Command::Give, Command::BlindGive], &owners, &own, class)?;
            }
        }
        Ok(())
    }

    /// The actor's rows, or those of its tenants where rows have no user.
    fn givable_rows(&self) -> Vec<&'t KnownRow> {
        let ownership = self.target.world.tenancy.ownership(self.target.relation.oid);
        let class = if ownership.user.is_some() { RowClass::Own } else { RowClass::Tenant };
        self.classes.get(&class).cloned().unwrap_or_default()
    }

    /// To whom an own row went: into `class`, the one of the row whose owners it got, unless it
    /// stayed in its tenant; `None` where it stayed the actor's.
    fn class_after(
        &self,
        mine: &KnownRow,
        other: &KnownRow,
        owners: &Owners,
        class: RowClass,
    ) -> Option<RowClass> {
        let target = self.target;
        let ownership = target.world.tenancy.ownership(target.relation.oid);
        let Some(path) = &ownership.tenant else { return Some(class) };
        let is_moved = path.first_columns().iter().any(|column| {
            owners.get(column).is_some_and(|value| *value != target.owner_value(mine, column))
        });
        if is_moved {
            return Some(class);
        }
        let owner = RowOwner { tenant: mine.owner.tenant.clone(), user: other.owner.user.clone() };
        let after = target.class(self.trial.actor(), &owner);
        (after != RowClass::Own).then_some(after)
    }

    /// Others' rows are made the actor's.
    pub(crate) fn take(&mut self) -> Result<()> {
        for class in [RowClass::Tenant, RowClass::Other, RowClass::Null] {
            let others = self.classes.get(&class).cloned().unwrap_or_default();
            for owners in self.claims(&others) {
                self.transfer([Command::Take, Command::BlindTake], &owners, &others, class)?;
            }
        }
        Ok(())
    }

    /// Rewrites the owner columns of those of `rows` that have others, `where` and blind.
    fn transfer(
        &mut self,
        [qualified, blind]: [Command; 2],
        owners: &Owners,
        rows: &[&'t KnownRow],
        class: RowClass,
    ) -> Result<()> {
        let target = self.target;
        let is_moved = |row: &&&KnownRow| {
            owners.iter().any(|(column, value)| target.owner_value(row, column) != *value)
        };
        let rows: Vec<&'t KnownRow> = rows.iter().filter(is_moved).copied().collect();
        let is_settable = owners.keys().all(|column| self.privileges.is_settable(column));
        if !self.privileges.is_possible(Privilege::Update) || !is_settable || rows.is_empty() {
            return Ok(());
        }
        let set: Vec<String> = owners
            .iter()
            .map(|(name, value)| format!("{} = {}", identifier(name), value_sql(value.as_deref())))
            .collect();
        let verb = format!("update {} set {}", target.relation.sql_name(), set.join(", "));
        let privilege = Privilege::Update;
        let mut statement = Statement {
            command: blind,
            verb: verb.clone(),
            sql: verb.clone(),
            privilege,
            named: owners.keys().map(|column| (privilege, column.as_str())).collect(),
            set: owners.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect(),
        };
        let aim = Aim { class, rows };
        self.write_unless_settled(&statement, &aim)?;
        let Some(condition) = target.identity.condition(&aim.rows) else { return Ok(()) };
        statement.command = qualified;
        statement.named.extend(target.key_columns().map(|name| (Privilege::Select, name)));
        statement.sql = format!("{verb} where {condition}");
        self.write_unless_settled(&statement, &aim)
    }

    /// The ways to turn `mine` into a row of `other`'s owner: all owner columns, only those of the
    /// tenant, only those of the user.
    fn changes(&self, mine: &KnownRow, other: &KnownRow) -> Vec<Owners> {
        let columns = &self.target.owner_columns;
        let ownership = self.target.world.tenancy.ownership(self.target.relation.oid);
        let of = |path: &Option<crate::tenancy::path::Path>| {
            path.as_ref().map_or(Vec::new(), |path| path.first_columns().to_vec())
        };
        let value = |row: &KnownRow, column: &String| self.target.owner_value(row, column);
        let mut ways: Vec<Owners> = Vec::new();
        for subset in [columns.clone(), of(&ownership.tenant), of(&ownership.user)] {
            let owners: Owners =
                subset.iter().map(|column| (column.clone(), value(other, column))).collect();
            let is_change = subset.iter().any(|column| value(other, column) != value(mine, column));
            if is_change && !ways.contains(&owners) {
                ways.push(owners);
            }
        }
        ways
    }

    /// The pairs of an own row and another's, whose owner it is to get; below each parent of the other's, where a
    /// parent says whose a row is.
    fn gifts(
        &self,
        own: &[&'t KnownRow],
        others: &[&'t KnownRow],
    ) -> Vec<(&'t KnownRow, &'t KnownRow)> {
        /// Those of a kind that only some policy asks for were made last.
        const MORE: usize = 2;
        let mut gifts = pairs(own, others);
        let most = gifts.len() + MORE;
        let Some(mine) = own.last().filter(|_| self.target.is_below_parents()) else {
            return gifts;
        };
        for other in others.iter().rev() {
            let is_new = gifts.iter().all(|(_, known)| known.owner_values != other.owner_values);
            if is_new && gifts.len() < most {
                gifts.push((mine, other));
            }
        }
        gifts
    }

    /// The ways to make others' rows the actor's: as an own row has it, or at least with the own id.
    fn claims(&self, others: &[&'t KnownRow]) -> Vec<Owners> {
        if others.is_empty() {
            return Vec::new();
        }
        let own = self.givable_rows();
        if !own.is_empty() {
            let mut ways: Vec<Owners> = Vec::new();
            for (mine, other) in pairs(&own, others) {
                let new = self.changes(other, mine);
                ways.extend(
                    new.into_iter().filter(|owners| !ways.contains(owners)).collect::<Vec<_>>(),
                );
            }
            return ways;
        }
        let target = self.target;
        match target.world.user_value(target.relation, self.trial.actor()) {
            Some((column, value)) => vec![Owners::from([(column, Some(value))])],
            None => Vec::new(),
        }
    }
}

/// Each tenant's first row with each tenant's first of the others: somebody may belong to two, and
/// the order of rows says nothing.
fn pairs<'t>(own: &[&'t KnownRow], others: &[&'t KnownRow]) -> Vec<(&'t KnownRow, &'t KnownRow)> {
    const MOST_TENANTS: usize = 2;
    let firsts = |rows: &[&'t KnownRow]| {
        let mut firsts: Vec<&'t KnownRow> = Vec::new();
        // The world's own rows are the last.
        for row in rows.iter().rev() {
            if firsts.len() < MOST_TENANTS
                && firsts.iter().all(|known| known.owner.tenant != row.owner.tenant)
            {
                firsts.push(row);
            }
        }
        firsts
    };
    let others = firsts(others);
    firsts(own)
        .into_iter()
        .flat_map(|mine| others.iter().map(move |other| (mine, *other)))
        .collect()
}
