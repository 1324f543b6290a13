//! What is known of a file from trying it elsewhere, before it is applied. Pure.

use std::collections::BTreeSet;

use crate::names::QualifiedName;

/// What is known of a file from trying it elsewhere.
#[derive(Debug, Clone, Default)]
pub(crate) struct Foreseen {
    /// Relations that it locks so that nobody else reads them.
    pub exclusive: BTreeSet<QualifiedName>,
    /// Relations whose rows it may change.
    pub written: BTreeSet<QualifiedName>,
}
