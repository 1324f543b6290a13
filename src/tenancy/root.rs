//! The tables of owners, who is a member of what, and the references that no constraint states. Pure.

use std::collections::BTreeMap;

use crate::catalog::Catalog;
use crate::catalog::relation::{Column, ForeignKey};
use crate::names::Oid;
use crate::project::config::MembersConfig;

/// No relation has it.
const NOWHERE: Oid = 0;

/// A table whose rows are owners, and its single key column.
#[derive(Debug, Clone)]
pub(crate) struct Root {
    pub relation: Oid,
    pub column: String,
}

impl Root {
    /// Owners that no table of the database holds.
    pub(super) fn nowhere() -> Self {
        Self { relation: NOWHERE, column: "id".into() }
    }

    /// Whether no table of the database holds them.
    pub(crate) fn is_nowhere(&self) -> bool {
        self.relation == NOWHERE
    }

    /// Its key, as the catalog describes it.
    pub(crate) fn key<'a>(&self, catalog: &'a Catalog) -> Option<&'a Column> {
        catalog.relation(self.relation)?.column(&self.column)
    }
}

/// The table that makes a user a member of a tenant.
#[derive(Debug)]
pub(crate) struct Members {
    pub relation: Oid,
    pub config: MembersConfig,
    /// Column values of the membership of who runs the tenant, where they were inferred.
    pub highest: BTreeMap<String, String>,
}

/// A reference that no constraint states, and why it is taken for one.
pub(crate) struct Implied {
    pub relation: Oid,
    pub reference: ForeignKey,
    pub why: String,
}

impl Implied {
    pub(super) fn is_of(&self, relation: Oid, column: &str) -> bool {
        self.relation == relation && self.reference.columns == [column.to_owned()]
    }

    pub(super) fn to(root: &Root, relation: Oid, column: &str, why: &str) -> Self {
        let reference = ForeignKey {
            columns: vec![column.to_owned()],
            target: root.relation,
            target_columns: vec![root.column.clone()],
        };
        Self { relation, reference, why: why.to_owned() }
    }
}
