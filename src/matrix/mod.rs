//! Who could do what: verdicts in cells, ordered, as text and as JSON. Pure.

pub mod class;
pub mod command;
pub mod verdict;
pub mod cell;
pub(crate) mod person;
pub mod controls;
pub mod coverage;
pub mod mark;
pub(crate) mod fold;
pub mod text;
pub(crate) mod first_form;
pub(crate) mod parse;
pub mod yardstick;
pub mod compare;
pub(crate) mod snapshot;

pub use crate::matrix::cell::{Cell, Matrix, Subject};
pub use crate::matrix::class::RowClass;
pub use crate::matrix::command::Command;
pub use crate::matrix::controls::{ControlSet, FailedControl};
pub use crate::matrix::coverage::Unprobed;
pub use crate::matrix::mark::{MarkKey, Marks};
pub use crate::matrix::person::Asked;
pub use crate::matrix::verdict::{Evidence, Verdict};
pub use crate::matrix::yardstick::YardstickChange;
