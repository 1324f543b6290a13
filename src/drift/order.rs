//! Puts things into an order in which each comes after what it needs. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::drift::item::{Id, Item};

/// The order of `count` things: each after those in `before` of it, else by `rank`. What needs itself in a circle
/// comes as its rank says.
pub(crate) fn sorted<R: Ord>(
    count: usize,
    before: &[BTreeSet<usize>],
    rank: impl Fn(usize) -> R,
) -> Vec<usize> {
    let mut left: BTreeSet<(R, usize)> = (0..count).map(|at| (rank(at), at)).collect();
    let mut done: BTreeSet<usize> = BTreeSet::new();
    let mut order = Vec::new();
    while !left.is_empty() {
        let is_ready = |(_, at): &&(R, usize)| before[*at].iter().all(|one| done.contains(one));
        let next = left.iter().find(is_ready).or(left.first()).map(|(_, at)| *at);
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
    sorted(items.len(), &before, rank).into_iter().map(|at| items[at]).collect()
}
