//! A finding: one named way of leaking or losing, seen to happen.

use serde::Serialize;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Whoever can ask the API can do it, or data is lost.
    High,
    /// It takes SQL of one's own, or nothing leaks: truncating, schemas that no API exposes,
    /// statements that raise.
    Low,
}

/// One named way of leaking or losing, seen to happen.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// How much it matters; what matters more comes first.
    pub severity: Severity,
    /// The rule, such as `cross-tenant-read`.
    pub rule: &'static str,
    /// What it is about: a relation, a column, a preserve pair.
    pub on: String,
    /// The fact.
    pub message: String,
    /// What to do.
    pub help: String,
    /// The statement that did it, and what it reached, line by line.
    pub evidence: Vec<String>,
}
