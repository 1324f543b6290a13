//! Insert for every class of owner, update and delete of rows of every class, truncate.

use super::privileges::Privilege;
use super::{Done, Prober, Statement};
use crate::catalog::Column;
use crate::error::Result;
use crate::matrix::{Command, Evidence, RowClass, Verdict};
use crate::statement::{identifier, literal};
use crate::world::values::changed_value;
use crate::world::{Branch, RowOwner, Values, Variant, insert_statement};

impl<'t> Prober<'t, '_, '_> {
    pub(super) fn insert(&mut self) -> Result<()> {
        if !self.privileges.is_possible(Privilege::Insert) {
            return Ok(());
        }
        for (class, values) in self.insertable_rows() {
            match values {
                Ok(values) => self.insert_row(class, values)?,
                Err(reason) => {
                    for command in [Command::Insert, Command::InsertReturning] {
                        let verdict = Verdict::Untested { reason: reason.clone() };
                        let evidence = Evidence { statement: String::new(), row: None };
                        self.enter(command, class, verdict, evidence);
                    }
                }
            }
        }
        Ok(())
    }

    fn insert_row(&mut self, class: RowClass, values: Values) -> Result<()> {
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
            let statement = Statement { command, sql, privilege, named, set: Vec::new() };
            match self.run(&statement, 1)? {
                Ok(Done { reached, stopped_by, .. }) => {
                    let verdict = match reached {
                        0 => Verdict::Hidden,
                        _ => Verdict::Allowed { rows: 1, of: 1, stopped_by },
                    };
                    let evidence = Evidence { statement: statement.sql.clone(), row: None };
                    self.enter(command, class, verdict, evidence);
                }
                Err(failure) => self.enter_failure(&statement, class, &failure),
            }
        }
        Ok(())
    }

    /// Leaves out columns that the actor may not set where the row can do without them.
    fn without_forbidden_columns(&self, mut values: Values) -> Values {
        values.retain(|name, _| {
            let may = self.privileges.has_column(Privilege::Insert, name);
            let column = self.target.relation.column(name);
            may || column.is_some_and(|column| column.not_null && !column.has_default)
        });
        values
    }

    /// Rows to insert: one per class, and one that pairs the actor with somebody else's tenant.
    fn insertable_rows(&self) -> Vec<(RowClass, Result<Values, String>)> {
        let target = self.target;
        let world = target.world;
        let mut rows: Vec<(RowClass, Result<Values, String>)> = Vec::new();
        for branch in world.branches(target.relation) {
            let class = self.class_of_branch(&branch);
            if rows.iter().any(|(known, _)| *known == class) {
                continue;
            }
            let values = world.values(target.relation, &branch, Variant::Probe);
            if let (RowClass::Other, Ok(values)) = (class, &values) {
                rows.extend(self.mixed(&branch, values).map(|values| (class, Ok(values))));
            }
            rows.push((class, values));
        }
        rows
    }

    /// A new owner is nobody's yet, so to insert one is to insert another's row.
    fn class_of_branch(&self, branch: &Branch) -> RowClass {
        let target = self.target;
        let tenancy = &target.world.tenancy;
        let roots = [tenancy.tenant.as_ref(), Some(&tenancy.users)];
        if roots.into_iter().flatten().any(|root| root.relation == target.relation.oid) {
            return RowClass::Other;
        }
        let key_of = |name: &String| target.world.tenant_key(name).ok();
        let actors = target.world.actors.iter();
        let user = branch.user.as_ref().and_then(|name| {
            actors.clone().find(|actor| actor.name() == name).and_then(|actor| actor.user())
        });
        let owner = RowOwner {
            tenant: branch.tenant.as_ref().and_then(key_of),
            user: user.map(str::to_owned),
        };
        target.names.class(self.trial.actor(), &owner, target.has_owners)
    }

    /// The row of another tenant, with the actor as its user.
    fn mixed(&self, branch: &Branch, others: &Values) -> Option<Values> {
        let target = self.target;
        let actor = self.trial.actor();
        let user = actor.user()?;
        let tenant = branch.tenant.as_ref()?;
        if actor.member_of().contains(tenant) {
            return None;
        }
        let column = target.world.direct_user_column(target.relation)?;
        let mut values = others.clone();
        values.insert(column, Some(user.to_owned()));
        Some(values)
    }

    pub(super) fn update(&mut self) -> Result<()> {
        if !self.privileges.is_possible(Privilege::Update) {
            return Ok(());
        }
        let commands = [Command::Update, Command::BlindUpdate];
        let Some((column, value)) = self.harmless_change() else {
            self.untested(commands, "no column but keys and owners can be changed");
            return Ok(());
        };
        let relation = self.target.relation.sql_name();
        let verb = format!("update {relation} set {} = {}", identifier(column), literal(&value));
        self.write_each_and_all(commands, Privilege::Update, &verb, Some((column, &value)))
    }

    pub(super) fn delete(&mut self) -> Result<()> {
        if !self.privileges.is_possible(Privilege::Delete) {
            return Ok(());
        }
        let verb = format!("delete from {}", self.target.relation.sql_name());
        let commands = [Command::Delete, Command::BlindDelete];
        self.write_each_and_all(commands, Privilege::Delete, &verb, None)
    }

    pub(super) fn truncate(&mut self) -> Result<()> {
        if !self.target.relation.is_table() {
            return Ok(());
        }
        let sql = format!("truncate {}", self.target.relation.sql_name());
        let privilege = Privilege::Truncate;
        let (named, set) = (Vec::new(), Vec::new());
        let statement = Statement { command: Command::Truncate, sql, privilege, named, set };
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
                && column.identity != "a"
                && !target.owner_columns.contains(name)
                && !relation.keys.iter().any(|key| key.contains(name))
                && !relation.foreign_keys.iter().any(|f| f.columns.contains(name))
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
            let learned = target.world.learned.get(&(relation.oid, column.name.clone()));
            let value = learned.cloned().or_else(|| changed_value(column))?;
            Some((column.name.as_str(), value))
        })
    }
}
