//! What follows from rows having owners. Pure.

use crate::names::Oid;
use crate::tenancy::{Ownership, Tenancy};

impl Tenancy {
    /// A row of a user in a tenant says what they are there, whatever table it is in.
    pub(super) fn tell_tenants_of_standing(&mut self) {
        for one in &mut self.standing {
            let ownership = self.ownership.get(&one.relation);
            one.is_of_tenant |=
                ownership.is_some_and(|of| of.tenant.is_some() && of.user.is_some());
        }
    }

    /// Whether rows of a relation have owners.
    pub(super) fn is_owned(&self, relation: Oid) -> bool {
        let Ownership { tenant, user } = self.ownership(relation);
        tenant.is_some() || user.is_some()
    }
}
