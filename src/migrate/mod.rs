//! Applies a project's migrations, in transactions that we guard.
//!
//! What will be done is decided first and is a value, a [`Plan`]: refinery judges by the [`History`]
//! what is pending, in which order, and refuses divergent and missing versions. Acting on the plan we
//! own the transaction: each file and its history row commit together or not at all, statement by
//! statement so that an error names its line. What may be done to a file follows from the
//! [`Target`]: only one that is thrown away has a way to adapt, stub or elevate.

pub(crate) mod applied;
pub(crate) mod apply;
pub(crate) mod archive;
pub(crate) mod block;
pub(crate) mod elevation;
pub(crate) mod history;
pub(crate) mod history_table;
pub(crate) mod hosted;
pub(crate) mod judge;
pub(crate) mod loading;
pub(crate) mod left_out;
pub(crate) mod marks;
pub(crate) mod places;
pub(crate) mod plan;
pub(crate) mod references;
pub(crate) mod repeat;
pub(crate) mod run;
pub(crate) mod target;

pub use crate::migrate::applied::{Applied, Deviations};
pub use crate::migrate::apply::{Done, apply};
pub use crate::migrate::history::{Content, Entry, History, HistoryKind};
pub use crate::migrate::places::{ObjectKind, Places};
pub use crate::migrate::plan::{Action, Plan, Step, Text, Wanted};
pub use crate::migrate::target::{Target, Throwaway};
