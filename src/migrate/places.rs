//! Where in the files each object was changed last, as a value. Pure.

use std::collections::BTreeMap;

use crate::names::Place;

/// The kind of an object: an oid is one only within it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ObjectKind {
    /// A table, view, index or sequence.
    Relation,
    /// A policy.
    Policy,
    /// A function or procedure.
    Routine,
    /// A trigger.
    Trigger,
    /// A constraint.
    Constraint,
}

/// The statement after which the row of each object in the catalog was another, as the files were
/// applied: what made it, altered it, granted it or, in a `do` block, led to that.
#[derive(Debug, Clone, Default)]
pub struct Places {
    places: BTreeMap<(ObjectKind, i64), Place>,
}

impl Places {
    /// Where an object was changed last; none for one that no file has made or changed.
    pub fn of(&self, kind: ObjectKind, oid: i64) -> Option<&Place> {
        self.places.get(&(kind, oid))
    }

    pub(crate) fn put(&mut self, kind: ObjectKind, oid: i64, place: Place) {
        self.places.insert((kind, oid), place);
    }

    /// Takes over what a later file has changed.
    pub(crate) fn extend(&mut self, later: Self) {
        self.places.extend(later.places);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_change_wins() {
        let of = |line| {
            let mut places = Places::default();
            places.put(ObjectKind::Policy, 7, Place::new("a.sql", line));
            places
        };
        let mut places = of(1);
        places.put(ObjectKind::Relation, 7, Place::new("a.sql", 2));
        places.extend(of(3));
        let line = |kind| places.of(kind, 7).map(Place::line);
        assert_eq!(line(ObjectKind::Policy), Some(3));
        assert_eq!(line(ObjectKind::Relation), Some(2));
        assert_eq!(line(ObjectKind::Trigger), None);
    }
}
