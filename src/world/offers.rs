//! Tables whose rows offer somebody a row of another one: invitations, which the policies of the other ask for.

use crate::catalog::policy::PolicyCommand;
use crate::catalog::relation::Relation;
use crate::tenancy::infer::policies_read;
use crate::world::value::World;

impl World {
    /// The tables of which rows let somebody add a row to a relation: only policies for INSERT read them, and their
    /// rows are of a user in a tenant.
    pub(crate) fn offers(&self, relation: &Relation) -> Vec<&Relation> {
        let of = |is_it: fn(&PolicyCommand) -> bool| {
            let mut part = relation.clone();
            part.policies.retain(|policy| is_it(&policy.command));
            part
        };
        let adding = of(|command| *command == PolicyCommand::Insert);
        let others = of(|command| *command != PolicyCommand::Insert);
        let is_offer = |table: &&Relation| {
            table.is_table()
                && table.oid != relation.oid
                && self.tenancy.ownership(table.oid).tenant.is_some()
                && self.direct_user_column(table).is_some()
                && policies_read(&self.catalog, &adding, table)
                && !policies_read(&self.catalog, &others, table)
        };
        self.catalog.relations().filter(is_offer).collect()
    }
}
