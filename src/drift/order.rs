//! Puts things into an order in which each comes after what it needs. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::drift::item::{Id, Item};

/// The order of `count` things: each after those in `before` of it, and where that can be after those in `wishes`,
/// else by `rank`. What needs itself in a circle comes as its rank says.
pub(crate) fn sorted<R: Ord>(
    count: usize,
    before: &[BTreeSet<usize>],
    wishes: &[BTreeSet<usize>],
    rank: impl Fn(usize) -> R,
) -> Vec<usize> {
    let mut left: BTreeSet<(R, usize)> = (0..count).map(|at| (rank(at), at)).collect();
    let mut done: BTreeSet<usize> = BTreeSet::new();
    let mut order = Vec::new();
    while !left.is_empty() {
        let has_all = |of: &[BTreeSet<usize>], at: usize| {
            of.get(at).is_none_or(|needs| needs.iter().all(|one| done.contains(one)))
        };
        let can = |(_, at): &&(R, usize)| has_all(before, *at);
        let may = |one: &&(R, usize)| can(one) && has_all(wishes, one.1);
        let next = left.iter().find(may).or(left.iter().find(can)).or(left.first());
        let next = next.map(|(_, at)| *at);
        let Some(next) = next else { break };
        left.retain(|(_, at)| *at != next);
        done.insert(next);
        order.push(next);
    }
    order
}

/// Things of one side, each after what it needs of them, else as they were made.
pub(crate) fn in_order<'a>(items: &[&'a Item]) -> Vec<&'a Item> {
    let places: BTreeMap<Id, usize> =
        items.iter().enumerate().map(|(at, item)| (item.id(), at)).collect();
    let before = |item: &&Item| {
        let needs = item.needs.iter().filter_map(|need| places.get(need).copied());
        needs.collect::<BTreeSet<usize>>()
    };
    let before: Vec<_> = items.iter().map(before).collect();
    let rank = |at: usize| (items[at].kind, items[at].oid, items[at].sub);
    sorted(items.len(), &before, &[], rank).into_iter().map(|at| items[at]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_needed_comes_first_and_then_what_is_wished() {
        let of = |all: [&[usize]; 3]| all.map(|one| one.iter().copied().collect::<BTreeSet<_>>());
        for (before, wishes, order) in [
            (of([&[], &[], &[]]), of([&[], &[], &[]]), [0, 1, 2]),
            (of([&[2], &[], &[]]), of([&[], &[2], &[]]), [2, 0, 1]),
            // Two that wish for each other, and one that needs the second of them.
            (of([&[2], &[], &[]]), of([&[], &[2], &[1]]), [1, 2, 0]),
            (of([&[1], &[0], &[]]), of([&[], &[], &[]]), [2, 0, 1]),
        ] {
            assert_eq!(sorted(3, &before, &wishes, |at| at), order);
        }
    }
}
