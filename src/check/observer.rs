//! How far a check is. Whoever wants to show it is told; nothing is printed here.

/// Who is told how far a check is; `()` does not care.
pub trait Progress: Sync {
    /// A step begins.
    fn step(&self, name: &'static str);
    /// So much of the step is done.
    fn part(&self, done: usize, of: usize);
}

impl Progress for () {
    fn step(&self, _: &'static str) {}

    fn part(&self, _: usize, _: usize) {}
}
