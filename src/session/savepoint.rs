//! A savepoint of ours, and the statements that name it.

/// A savepoint. Its name says how deep it lies, so that no two that are open have the same.
#[derive(Debug)]
pub(crate) struct Savepoint {
    depth: usize,
}

impl Savepoint {
    pub(in crate::session) fn at(depth: usize) -> Self {
        Self { depth }
    }

    fn name(&self) -> String {
        format!("leakproof_{}", self.depth)
    }

    /// Sets it.
    pub(crate) fn set(&self) -> String {
        format!("savepoint {}", self.name())
    }

    /// Takes back all that came after it; it stays.
    pub(crate) fn go_back(&self) -> String {
        format!("rollback to savepoint {}", self.name())
    }

    /// Forgets it, and keeps what came after it.
    pub(crate) fn release(&self) -> String {
        format!("release savepoint {}", self.name())
    }

    /// Keeps what came after it, and sets it once more.
    pub(crate) fn renew(&self) -> String {
        format!("{}; {}", self.release(), self.set())
    }
}
