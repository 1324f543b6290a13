//! Which rows the queries of a policy read: those of who is asking, or of the row that it judges. Pure.

use std::collections::BTreeSet;

use crate::catalog::Catalog;
use crate::catalog::relation::Relation;
use crate::tenancy::asked::Asked;
use crate::tenancy::meaning::Meaning;

/// All that must be equal to something, by way of other columns too.
pub(super) fn equal_to<'a>(asked: &'a Asked, start: &'a Meaning) -> Vec<&'a Meaning> {
    let mut all = vec![start];
    let mut next = 0;
    while let Some(here) = all.get(next).copied() {
        for (left, right) in &asked.equal {
            let other = match (left == here, right == here) {
                (true, _) => right,
                (_, true) => left,
                _ => continue,
            };
            // Through who is asking, or another column of the row, anything would be equal.
            let is_way = matches!(here, Meaning::Read { .. }) || here == start;
            if is_way && !all.contains(&other) {
                all.push(other);
            }
        }
        next += 1;
    }
    all.remove(0);
    all
}

/// The readings in which a row is chosen by who is asking.
pub(super) fn readings_of_asker(asked: &Asked) -> BTreeSet<usize> {
    let is_asker =
        |meaning: &Meaning| matches!(meaning, Meaning::User | Meaning::Tenant | Meaning::Claim(_));
    let mut found = BTreeSet::new();
    for (left, right) in &asked.equal {
        for (read, other) in [(left, right), (right, left)] {
            if let Meaning::Read { reading, .. } = read
                && equal_to(asked, read).into_iter().chain([other]).any(is_asker)
            {
                found.insert(*reading);
            }
        }
    }
    found
}

/// The readings in which a row is chosen by its key, which a column of the judged row has.
pub(super) fn readings_of_row(catalog: &Catalog, asked: &Asked) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    for (left, right) in &asked.equal {
        for (read, other) in [(left, right), (right, left)] {
            if let (Meaning::Read { reading, relation, column }, Meaning::Own(_)) = (read, other)
                && catalog.relation(*relation).and_then(Relation::key)
                    == Some(std::slice::from_ref(column))
            {
                found.insert(*reading);
            }
        }
    }
    found
}
