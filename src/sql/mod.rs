//! SQL as text and as values. Pure.

mod back_end;
pub(crate) mod body;
pub(crate) mod chance;
pub(crate) mod constants;
pub(crate) mod copied;
mod convert;
pub(crate) mod dumped;
pub(crate) mod ending;
pub(crate) mod expr;
pub(crate) mod mentions;
pub(crate) mod planned;
pub(crate) mod quote;
pub(crate) mod rewrites;
pub(crate) mod scope;
mod select;
#[cfg(test)]
mod sketch;
pub(crate) mod statement;
pub(crate) mod syntax;
pub(crate) mod ways;
pub(crate) mod writers;
pub(crate) mod zones;
