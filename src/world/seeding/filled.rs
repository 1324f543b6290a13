//! The values of a row that goes a way which was solved. Pure.

use crate::world::seeding::pool::draft::For;
use crate::world::seeding::pool::pool;
use crate::world::value::{Branch, Filling, Solved, Values};

/// What comes into the columns that a way is about, in a row of a branch.
pub(in crate::world) fn filled(solved: &Solved, branch: &Branch, seed: &str) -> Values {
    let Solved { relation, columns } = solved;
    let owner = branch.label();
    let of = For { owner: &owner, seed };
    let value = |(column, filling): &(String, Filling)| {
        let value = match filling {
            Filling::Null => None,
            Filling::Text(text) => Some(text.clone()),
            Filling::Place(place, tried) => {
                let own = relation.column(column);
                let own = own.and_then(|own| pool(relation, own, of).into_iter().nth(*place));
                own.or_else(|| Some(tried.clone()))
            }
        };
        (column.clone(), value)
    };
    columns.iter().map(value).collect()
}
