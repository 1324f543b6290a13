//! Insert for every class of owner, update and delete of rows of every class, truncate.

use std::collections::BTreeSet;

use crate::catalog::relation::Column;
use crate::error::Result;
use crate::matrix::class::RowClass;
use crate::matrix::command::Command;
use crate::matrix::verdict::{Evidence, Verdict};
use crate::probe::actor_queue::is_first_of_role;
use crate::probe::privileges::Privilege;
use crate::probe::prober::{Done, Prober, Statement};
use crate::sql::quote::{identifier, literal};
use crate::tenancy::path::Path;
use crate::world::owner_names::RowOwner;
use crate::world::rows::{KnownRow, PLACE};
use crate::world::seeding::seed::{Variant, assignments, insert_statement};
use crate::world::seeding::values::changed_value;
use crate::world::value::{Branch, Values};

/// A row to insert.
#[derive(Clone)]
struct Planned {
    class: RowClass,
    branch: Branch,
    owner: RowOwner,
    /// Whether it is a tenant or a user itself.
    is_owner: bool,
    /// Whether it is to have the actor as its user, in a tenant of others.
    is_mixed: bool,
}

impl<'t> Prober<'t, '_, '_> {
    pub(crate) fn insert(&mut self) -> Result<()> {
        if !self.privileges.is_possible(Privilege::Insert) {
            return Ok(());
        }
        for planned in self.planned_rows() {
            let varied =
                (0..self.target.world.variety(self.target.relation)).map(Variant::VariedProbe);
            for variant in [Variant::Probe, Variant::BareProbe].into_iter().chain(varied) {
                let is_first = variant == Variant::Probe;
                match self.planned_values(&planned, variant) {
                    Ok(values) => {
                        // Another value may be what a check lets pass.
                        if self.insert_row(&planned, values, is_first)? {
                            break;
                        }
                    }
                    Err(reason) if is_first => {
                        for command in [Command::Insert, Command::InsertReturning] {
                            let verdict = Verdict::Untested { reason: reason.clone() };
                            let evidence = Evidence { statement: String::new(), row: None };
                            self.enter(command, planned.class, verdict, evidence);
                        }
                        break;
                    }
                    Err(_) => {}
                }
            }
            self.insert_below_each_parent(&planned)?;
        }
        Ok(())
    }

    /// Inserts a row below each parent of its owner's rows, where a parent and not its key alone says whose a row
    /// is: policies may let through what belongs to some of them.
    fn insert_below_each_parent(&mut self, planned: &Planned) -> Result<()> {
        let target = self.target;
        let Ok(values) = self.planned_values(planned, Variant::Probe) else { return Ok(()) };
        let tried = |row: &KnownRow| {
            let mut columns = target.owner_columns.iter().zip(&row.owner_values);
            columns.all(|(name, value)| values.get(name) == Some(value))
        };
        let rows = target.rows.iter().filter(|row| row.owner == planned.owner && !tried(row));
        let parents: BTreeSet<&Vec<Option<String>>> = rows.map(|row| &row.owner_values).collect();
        for parent in parents {
            let known = self.cells.get(&(Command::Insert, planned.class));
            if !target.is_below_parents() || !matches!(known, Some((Verdict::Refused, _))) {
                break;
            }
            let mut values = values.clone();
            values.extend(target.owner_columns.iter().cloned().zip(parent.iter().cloned()));
            self.insert_row(planned, values, false)?;
        }
        Ok(())
    }

    /// Inserts without RETURNING, and with it unless the row is a second try that was denied
    /// without. Gives whether there is nothing left to try: it went through, is not granted, or would
    /// be refused with other values, too.
    fn insert_row(&mut self, planned: &Planned, values: Values, is_first: bool) -> Result<bool> {
        let relation = self.target.relation;
        let values = self.without_forbidden_columns(values);
        let insert = insert_statement(relation, &values);
        let columns: Vec<&str> = values.keys().map(String::as_str).collect();
        let returned = relation.columns.iter().map(|column| column.name.as_str());
        let returned: Vec<&str> =
            returned.filter(|c| self.privileges.has_column(Privilege::Select, c)).collect();
        // Without one readable column, ask for all: the server says no itself.
        let list: Vec<_> = returned.iter().map(|name| identifier(name)).collect();
        let list = if list.is_empty() { "*".into() } else { list.join(", ") };
        let mut is_settled = false;
        for (command, sql) in [
            (Command::Insert, insert.clone()),
            (Command::InsertReturning, format!("{insert} returning {list}")),
        ] {
            let mut named: Vec<_> =
                columns.iter().map(|column| (Privilege::Insert, *column)).collect();
            if command == Command::InsertReturning {
                let reads = relation.columns.iter().map(|c| (Privilege::Select, c.name.as_str()));
                let is_asked =
                    |(_, name): &(Privilege, &str)| returned.is_empty() || returned.contains(name);
                named.extend(reads.filter(is_asked));
            }
            let privilege = Privilege::Insert;
            let (verb, set) = (sql.clone(), Vec::new());
            let statement = Statement { command, verb, sql, privilege, named, set };
            let class = planned.class;
            match self.run(&statement, 1)? {
                Ok(Done { reached, stopped_by, .. }) => {
                    let verdict = match reached > 0 && self.is_there(planned)? {
                        true => Verdict::Allowed { rows: 1, of: 1, stopped_by },
                        false => Verdict::Hidden,
                    };
                    is_settled |= verdict.is_allowed();
                    let evidence = Evidence { statement: statement.sql.clone(), row: None };
                    self.enter(command, class, verdict, evidence);
                }
                Err(failure) => {
                    let is_refused = failure.0 == Verdict::Refused
                        && failure.1.is_of_policy()
                        && command == Command::Insert;
                    is_settled |= failure.0 == Verdict::NoGrant
                        || failure.0.is_allowed()
                        || (is_refused && self.target.refuses_by_owner());
                    self.enter_failure(&statement, class, &failure);
                }
            }
            if command == Command::Insert && !is_first && !is_settled {
                break;
            }
        }
        Ok(is_settled)
    }

    /// Whether the row that was just inserted is whose it was meant to be: a trigger may have made
    /// it the actor's own, or put it elsewhere.
    fn is_there(&mut self, planned: &Planned) -> Result<bool> {
        let target = self.target;
        let (tenancy, relation) = (&target.world.tenancy, target.relation);
        let ownership = tenancy.ownership(relation.oid);
        let is_owned = ownership.tenant.is_some() || ownership.user.is_some();
        if relation.is_view() || !is_owned || planned.class == RowClass::Own || planned.is_owner {
            return Ok(true);
        }
        let query = tenancy.owners_query(&target.world.catalog, relation, &[]);
        let query = query.replacen("select ", &format!("select {PLACE}, "), 1);
        let known: BTreeSet<&Option<String>> = target.rows.iter().map(|row| &row.place).collect();
        let rows = self.witness(&query)?;
        let mut new = rows.iter().filter(|row| !known.contains(&row[0]));
        Ok(new.any(|row| {
            let is_tenants = row[1] == planned.owner.tenant;
            match (planned.class, &ownership.tenant) {
                (RowClass::Other, Some(_)) => is_tenants,
                _ => is_tenants && row[2] == planned.owner.user,
            }
        }))
    }

    /// Leaves out columns that the actor may not set where the row can do without them.
    fn without_forbidden_columns(&self, mut values: Values) -> Values {
        values.retain(|name, _| {
            if !self.privileges.is_settable(name) {
                return false;
            }
            let may = self.privileges.has_column(Privilege::Insert, name);
            let column = self.target.relation.column(name);
            may || column.is_some_and(|column| column.not_null && !column.has_default)
        });
        values
    }

    /// Rows to insert: one per class, and one that pairs the actor with somebody else's tenant.
    fn planned_rows(&self) -> Vec<Planned> {
        if self.is_of_tenants() {
            return self.planned_tenants();
        }
        let mut rows: Vec<Planned> = Vec::new();
        // Where a row has one owner or the other, one of them may be possible only.
        let is_told_apart = self.target.is_of_one_owner;
        let mut branches = self.target.world.branches(self.target.relation);
        branches.extend(is_told_apart.then(|| self.target.world.users()).into_iter().flatten());
        for branch in branches {
            let planned = self.plan(branch);
            if !is_told_apart && rows.iter().any(|known| known.class == planned.class) {
                continue;
            }
            if planned.class == RowClass::Other && self.is_mixable(&planned.branch) {
                rows.push(Planned { is_mixed: true, ..planned.clone() });
            }
            rows.push(planned);
        }
        rows
    }

    /// Whether the rows are tenants.
    fn is_of_tenants(&self) -> bool {
        let world = self.target.world;
        world.tenancy.tenant.as_ref().is_some_and(|root| root.relation == self.target.relation.oid)
    }

    /// A tenant of the actor's own making, and where a tenant names a user one in the name of another.
    fn planned_tenants(&self) -> Vec<Planned> {
        let actor = self.trial.actor();
        let names_user = self.target.world.direct_user_column(self.target.relation).is_some();
        // As its user a row has a member of the tenant.
        let is_others = |branch: &Branch| {
            branch.tenant.as_ref().is_some_and(|tenant| !actor.member_of().contains(tenant))
        };
        let branches = self.target.world.branches(self.target.relation);
        let others = branches.iter().find(|branch| is_others(branch)).or(branches.first());
        let Some(others) = others else { return Vec::new() };
        let planned = self.plan(others.clone());
        let own = Planned { class: RowClass::Own, is_mixed: names_user, ..planned.clone() };
        match (actor.user(), names_user) {
            (None, _) => vec![planned],
            (Some(_), true) => vec![own, planned],
            (Some(_), false) => vec![own],
        }
    }

    /// A new owner is nobody's yet, so to insert one is to insert another's row.
    fn plan(&self, branch: Branch) -> Planned {
        let target = self.target;
        let tenancy = &target.world.tenancy;
        let key_of = |name: &String| target.world.tenant_key(name).ok();
        let actors = target.world.actors.iter();
        let user = branch.user.as_ref().and_then(|name| {
            actors.clone().find(|actor| actor.name() == name).and_then(|actor| actor.user())
        });
        let owner = RowOwner {
            tenant: branch.tenant.as_ref().and_then(key_of),
            user: user.map(str::to_owned),
        };
        let roots = [tenancy.tenant.as_ref(), Some(&tenancy.users)];
        let is_owner = roots.into_iter().flatten().any(|root| root.relation == target.relation.oid);
        let class = match is_owner {
            true => RowClass::Other,
            false => target.class(self.trial.actor(), &owner),
        };
        Planned { class, branch, owner, is_owner, is_mixed: false }
    }

    /// Whether a row of another tenant could have the actor as its user. In a tenant that the actor
    /// has left, that is its own row.
    fn is_mixable(&self, branch: &Branch) -> bool {
        let actor = self.trial.actor();
        let is_others = |tenant: &String| {
            !actor.member_of().contains(tenant) && actor.left() != Some(tenant.as_str())
        };
        branch.tenant.as_ref().is_some_and(is_others) && !self.own_values().is_empty()
    }

    fn planned_values(&self, planned: &Planned, variant: Variant) -> Result<Values, String> {
        let target = self.target;
        let mut values = target.world.values(target.relation, &planned.branch, variant)?;
        if planned.is_mixed {
            values.extend(self.own_values());
        }
        Ok(values)
    }

    /// What makes a row the actor's, as far as it does not name the tenant: as in one of its own
    /// rows, or at least its id.
    fn own_values(&self) -> Values {
        let target = self.target;
        let ownership = target.world.tenancy.ownership(target.relation.oid);
        let columns = |path: &Option<Path>| {
            path.as_ref().map_or(Vec::new(), |path| path.first_columns().to_vec())
        };
        let of_tenant = columns(&ownership.tenant);
        let of_user = columns(&ownership.user).into_iter().filter(|name| !of_tenant.contains(name));
        let own = self.classes.get(&RowClass::Own).and_then(|rows| rows.first());
        match (own, target.world.user_value(target.relation, self.trial.actor())) {
            (Some(own), _) => {
                of_user.map(|name| (name.clone(), target.owner_value(own, &name))).collect()
            }
            (None, Some((column, value))) => Values::from([(column, Some(value))]),
            (None, None) => Values::new(),
        }
    }

    pub(crate) fn update(&mut self) -> Result<()> {
        if !self.privileges.is_possible(Privilege::Update) {
            return Ok(());
        }
        let commands = [Command::Update, Command::BlindUpdate];
        let Some((column, value)) = self.harmless_change() else {
            self.untested(commands, "no column but keys and owners can be changed");
            return self.update_to_what_is_asked(commands);
        };
        let relation = self.target.relation.sql_name();
        let verb = format!("update {relation} set {} = {}", identifier(column), literal(&value));
        self.write_each_and_all(commands, Privilege::Update, &verb, &[(column, Some(&value))])?;
        self.update_to_what_is_asked(commands)
    }

    /// Sets what a policy asks of the new row, which need not be what it is when it is found.
    fn update_to_what_is_asked(&mut self, commands: [Command; 2]) -> Result<()> {
        let target = self.target;
        for set in target.world.sets(target.relation.oid) {
            let may = |name: &String| self.privileges.has_column(Privilege::Update, name);
            if !set.keys().all(may) {
                continue;
            }
            let verb = format!("update {} set {}", target.relation.sql_name(), assignments(set));
            let set: Vec<(&str, Option<&str>)> =
                set.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect();
            self.write_each_and_all(commands, Privilege::Update, &verb, &set)?;
        }
        Ok(())
    }

    pub(crate) fn delete(&mut self) -> Result<()> {
        if !self.privileges.is_possible(Privilege::Delete) {
            return Ok(());
        }
        let verb = format!("delete from {}", self.target.relation.sql_name());
        let commands = [Command::Delete, Command::BlindDelete];
        self.write_each_and_all(commands, Privilege::Delete, &verb, &[])
    }

    pub(crate) fn truncate(&mut self) -> Result<()> {
        let relation = self.target.relation;
        let is_tried = relation.has_truncate_trigger
            || is_first_of_role(self.trial.actor(), &self.target.world.actors);
        if !relation.is_table() || !is_tried {
            return Ok(());
        }
        let sql = format!("truncate {}", self.target.relation.sql_name());
        let privilege = Privilege::Truncate;
        let (verb, named, set) = (sql.clone(), Vec::new(), Vec::new());
        let command = Command::Truncate;
        let statement = Statement { command, verb, sql, privilege, named, set };
        match self.run(&statement, 1)? {
            Ok(_) => {
                let verdict = Verdict::Allowed { rows: 1, of: 1, stopped_by: None };
                let evidence = Evidence { statement: statement.sql, row: None };
                self.enter(Command::Truncate, RowClass::Whole, verdict, evidence);
            }
            // Asked for only after the privilege was found: others refer to the table.
            Err((Verdict::Broken { sqlstate }, failure)) if sqlstate == "0A000" => {
                let verdict = Verdict::Allowed { rows: 1, of: 1, stopped_by: Some(sqlstate) };
                self.enter_failure(&statement, RowClass::Whole, &(verdict, failure));
            }
            Err(failure) => self.enter_failure(&statement, RowClass::Whole, &failure),
        }
        Ok(())
    }

    fn untested(&mut self, commands: [Command; 2], reason: &str) {
        for class in self.classes.keys().copied().collect::<Vec<_>>() {
            for command in commands {
                let verdict = Verdict::Untested { reason: reason.to_owned() };
                self.cells.insert((command, class), (verdict, None));
            }
        }
    }

    /// A column that decides nothing, and a value for it: one the actor may update, if there is
    /// such a one; one without checks and keys, if there is such a one.
    fn harmless_change(&self) -> Option<(&'t str, String)> {
        let target = self.target;
        let relation = target.relation;
        let is_free = |column: &&Column| {
            let name = &column.name;
            !column.is_generated
                && self.privileges.is_settable(name)
                && column.identity != "a"
                && !target.owner_columns.contains(name)
                && !relation.keys.iter().any(|key| key.contains(name))
                && !relation.refers(name)
        };
        let rank = |column: &&Column| {
            let is_checked = relation.checks.iter().any(|c| c.columns.contains(&column.name));
            let kind = match column.category {
                // A `json` has no equality by which a view could be asked whether it was set.
                _ if column.base_type == "json" => 4,
                'S' => 0,
                'U' => 1,
                'D' | 'N' => 2,
                _ => 3,
            };
            let may = self.privileges.has_column(Privilege::Update, &column.name);
            (!may, is_checked, kind)
        };
        let mut columns: Vec<&Column> = relation.columns.iter().filter(is_free).collect();
        columns.sort_by_key(rank);
        columns.into_iter().find_map(|column| {
            let accepted = target.world.accepted_value(relation, column);
            let value = accepted.or_else(|| changed_value(column))?;
            Some((column.name.as_str(), value))
        })
    }
}
