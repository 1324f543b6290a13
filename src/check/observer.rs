//! What happens in a check, told to whoever listens: a progress bar, the timings, a report that is
//! written as it comes. Nothing is printed here.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::finding::value::Finding;
use crate::matrix::cell::Cell;

/// Something that happened in a check.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A step begins, and the one before it is over.
    Step(&'static str),
    /// A migration was applied, and its fixture is loaded.
    Migrated {
        /// The number before the name.
        version: i64,
        /// The words after the version.
        name: &'a str,
        /// How many are applied by now.
        done: usize,
        /// How many there are.
        of: usize,
    },
    /// An actor has tried everything on a relation.
    Probed {
        /// What came of it.
        cells: &'a [Cell],
        /// On how many relations how many actors are through, in all.
        done: usize,
        /// How many times there are relations and actors.
        of: usize,
    },
    /// Something was found, and no waiver declares it.
    Found(&'a Finding),
}

/// Who is told what happens; `()` does not care. Several threads may tell at the same time.
pub trait Observer: Sync {
    /// It happened just now.
    fn tell(&self, event: &Event<'_>);
}

impl Observer for () {
    fn tell(&self, _: &Event<'_>) {}
}

/// All of them are told, in order.
impl<const N: usize> Observer for [&dyn Observer; N] {
    fn tell(&self, event: &Event<'_>) {
        self.iter().for_each(|one| one.tell(event));
    }
}

/// Takes the time of each step.
#[derive(Default)]
pub(crate) struct Timings {
    begun: Mutex<Vec<(&'static str, Instant)>>,
}

impl Timings {
    /// The steps and how long each took, up to now.
    pub(crate) fn end(&self) -> Vec<(&'static str, Duration)> {
        let begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        let ends = begun.iter().skip(1).map(|(_, next)| *next).chain([Instant::now()]);
        begun.iter().zip(ends).map(|((step, since), end)| (*step, end - *since)).collect()
    }
}

impl Observer for Timings {
    fn tell(&self, event: &Event<'_>) {
        if let Event::Step(step) = event {
            let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
            begun.push((step, Instant::now()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_ends_where_the_next_begins() {
        let timings = Timings::default();
        let listeners: [&dyn Observer; 2] = [&(), &timings];
        for step in ["one", "two"] {
            listeners.tell(&Event::Step(step));
        }
        listeners.tell(&Event::Migrated { version: 1, name: "a", done: 1, of: 1 });
        let steps: Vec<&str> = timings.end().into_iter().map(|(step, _)| step).collect();
        assert_eq!(steps, ["one", "two"]);
    }
}
