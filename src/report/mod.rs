//! What a check found, as values and as text or JSON. Pure; the caller prints.

pub mod value;
pub(crate) mod discreet;
pub(crate) mod rows;
pub(crate) mod repeat;
pub(crate) mod finding;
pub(crate) mod json;
pub(crate) mod text;
pub(crate) mod page;

pub use crate::report::json::to_json;
pub use crate::report::page::to_page;
pub use crate::report::text::to_text;
pub use crate::report::value::{Outcome, Report};
