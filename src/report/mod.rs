//! What a check found, as values and as text or JSON. Pure; the caller prints.

pub mod value;
pub(crate) mod json;
pub(crate) mod text;

pub use crate::report::json::to_json;
pub use crate::report::text::to_text;
pub use crate::report::value::{Outcome, Report};
