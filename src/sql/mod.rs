//! SQL as text and as values. Pure.

pub(crate) mod quote;
pub(crate) mod statement;
