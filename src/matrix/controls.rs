//! How the positive controls came out, as a value.

use serde::Serialize;

/// A control that did not come out as it must.
#[derive(Debug, Clone, Serialize)]
pub struct FailedControl {
    /// What was expected, and what came instead.
    pub sentence: String,
}

/// How the controls came out.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ControlSet {
    /// How many cells were compared.
    pub checked: usize,
    /// Those that are wrong.
    pub failed: Vec<FailedControl>,
}

impl ControlSet {
    pub(crate) fn fail(&mut self, sentence: String) {
        self.failed.push(FailedControl { sentence });
    }
}
