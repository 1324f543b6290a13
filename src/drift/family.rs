//! Which of many things are told with what they go with: the columns and policies of a table that is missing as a
//! whole. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::drift::item::{Id, Item, Schema};
use crate::drift::value::Kind;

/// Things of one side that the other lacks.
pub(crate) struct Families<'a> {
    schema: &'a Schema,
    all: BTreeSet<&'a Id>,
    /// Which outermost things need which others.
    needs: BTreeMap<&'a Id, BTreeSet<&'a Id>>,
    /// Whether what needs such a thing stands for itself.
    comes_apart: fn(Kind) -> bool,
}

pub(crate) fn is_routine(kind: Kind) -> bool {
    matches!(kind, Kind::Function | Kind::Procedure | Kind::Aggregate)
}

impl<'a> Families<'a> {
    pub(crate) fn of(
        schema: &'a Schema,
        all: BTreeSet<&'a Id>,
        comes_apart: fn(Kind) -> bool,
    ) -> Self {
        let mut families = Self { schema, all, needs: BTreeMap::new(), comes_apart };
        let mut needs: BTreeMap<&Id, BTreeSet<&Id>> = BTreeMap::new();
        for id in &families.all {
            let root = families.root(id);
            let others = families.needed(id).map(|need| families.root(need));
            needs.entry(root).or_default().extend(others.filter(|other| *other != root));
        }
        families.needs = needs;
        families
    }

    /// Those that are told for themselves, with what goes along.
    pub(crate) fn alone(&self) -> Vec<(&'a Id, &'a Item, Vec<&'a Item>)> {
        let mut along: BTreeMap<&Id, Vec<&'a Item>> = BTreeMap::new();
        let mut alone = Vec::new();
        for id in &self.all {
            let Some(item) = self.schema.items.get(*id) else { continue };
            match self.goes_along(id, item) {
                true => along.entry(self.root(id)).or_default().push(item),
                false => alone.push((*id, item)),
            }
        }
        let with = |(id, item)| (id, item, along.remove(id).unwrap_or_default());
        alone.into_iter().map(with).collect()
    }

    fn needed(&self, id: &Id) -> impl Iterator<Item = &'a Id> {
        let needs = self.schema.items.get(id).into_iter().flat_map(|item| &item.needs);
        needs.filter_map(|need| self.all.get(need).copied())
    }

    /// The outermost of them that a thing goes with, which may be that itself.
    fn root(&self, id: &'a Id) -> &'a Id {
        self.schema.ancestors(id).filter(|above| self.all.contains(above)).last().unwrap_or(id)
    }

    /// Not what needs something that comes apart, or that needs it in turn.
    fn goes_along(&self, id: &'a Id, item: &Item) -> bool {
        let root = self.root(id);
        let is_apart = |need: &'a Id| {
            let other = self.root(need);
            other != root && ((self.comes_apart)(need.0) || self.reaches(other, root))
        };
        root != id && (item.is_in_parent || !self.needed(id).any(is_apart))
    }

    fn reaches(&self, from: &'a Id, to: &Id) -> bool {
        let (mut seen, mut coming) = (BTreeSet::new(), vec![from]);
        while let Some(next) = coming.pop() {
            if next == to {
                return true;
            }
            let further = self.needs.get(next).into_iter().flatten().copied();
            coming.extend(further.filter(|one| seen.insert(*one)));
        }
        false
    }
}
