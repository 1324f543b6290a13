//! Which actor is to try everything next, and what came of it.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::actor::{Actor, asked};
use crate::check::observer::{Event, Observer};
use crate::matrix::cell::{Cell, Matrix, Subject};
use crate::matrix::command::Command;
use crate::names::QualifiedName;

/// The actors who have yet to try everything: in one world, or in several equal ones at the same time.
pub(crate) struct ActorQueue<'p> {
    pub(in crate::probe) taken: AtomicUsize,
    pub(in crate::probe) done: AtomicUsize,
    pub(in crate::probe) observer: &'p dyn Observer,
}

impl<'p> ActorQueue<'p> {
    /// One of which nobody has been taken yet; `observer` is told of each relation that an actor is through
    /// with.
    pub(crate) fn told(observer: &'p dyn Observer) -> Self {
        Self { taken: AtomicUsize::new(0), done: AtomicUsize::new(0), observer }
    }

    pub(in crate::probe) fn next<'a>(&self, actors: &'a [Actor]) -> Option<&'a Actor> {
        actors.get(self.taken.fetch_add(1, Ordering::Relaxed))
    }

    pub(in crate::probe) fn tell(&self, cells: &[Cell], of: usize) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        self.observer.tell(&Event::Probed { cells, done, of });
    }
}

/// What the actors of one world found.
pub(crate) struct PartialMatrix {
    pub(in crate::probe) subjects: Vec<Subject>,
    pub(in crate::probe) cells: Vec<Cell>,
    pub(in crate::probe) attempts: usize,
}

impl PartialMatrix {
    /// Puts the parts of equal worlds together; gives the number of statements, too.
    pub(crate) fn unite(parts: Vec<Self>, actors: &[Actor]) -> (Matrix, usize) {
        let mut parts = parts.into_iter();
        let Some(mut all) = parts.next() else { return (Matrix::default(), 0) };
        for part in parts {
            all.cells.extend(part.cells);
            all.attempts += part.attempts;
        }
        let shared = truncates_of_others(&all.cells, actors);
        all.cells.extend(shared);
        (Matrix::new(all.subjects, asked(actors), all.cells), all.attempts)
    }
}

/// Truncating asks for nothing but the privileges of a role, and of nobody's row: where no trigger
/// answers, who is first among those of a role has tried it for all of them.
pub(crate) fn is_first_of_role(actor: &Actor, actors: &[Actor]) -> bool {
    actors.iter().find(|other| other.role() == actor.role()).map(Actor::name) == Some(actor.name())
}

/// What the first of each role came to know of truncating, for the others who have not tried it.
pub(crate) fn truncates_of_others(cells: &[Cell], actors: &[Actor]) -> Vec<Cell> {
    let tried = || cells.iter().filter(|cell| cell.command == Command::Truncate);
    let known: BTreeSet<(&QualifiedName, &str)> =
        tried().map(|cell| (&cell.relation, cell.actor.as_str())).collect();
    let mut shared = Vec::new();
    for cell in tried() {
        let Some(first) = actors.iter().find(|actor| actor.name() == cell.actor) else { continue };
        for other in actors.iter().filter(|_| is_first_of_role(first, actors)) {
            let is_known = known.contains(&(&cell.relation, other.name()));
            if other.role() == first.role() && !is_known {
                shared.push(Cell { actor: other.name().to_owned(), ..cell.clone() });
            }
        }
    }
    shared
}
