//! Values by which a loss tells itself: generated rows are plain, so that a file which folds letters,
//! rounds numbers or leaves out what is of this year would find nothing to lose.

use crate::catalog::relation::{Column, Relation};
use crate::error::Result;
use crate::session::failed::failing;
use crate::session::open::Session;
use crate::sql::quote::{identifier, literal};
use crate::world::value::World;

/// Gives one row of each table with rows such values, where nothing else depends on them and no
/// constraint refuses them.
///
/// # Errors
/// A lost connection.
pub(crate) fn make_telling(session: &mut Session, world: &World) -> Result<()> {
    for relation in world.seeded.keys().filter_map(|oid| world.catalog.relation(*oid)) {
        let owners = world.tenancy.owner_columns(relation.oid);
        let is_free = |column: &&Column| {
            let is_compared = world.tenancy.compared.contains(&(relation.oid, column.name.clone()));
            !is_compared && !owners.contains(&column.name) && is_free_in(relation, column)
        };
        for column in relation.columns.iter().filter(is_free) {
            let Some(value) = telling(column) else { continue };
            let (name, column) = (relation.sql_name(), identifier(&column.name));
            // That a row has no value tells something, too.
            let sql = format!(
                "update only {name} set {column} = {} where ctid = (select ctid from only {name} \
                 where {column} is not null order by ctid desc limit 1)",
                literal(&value)
            );
            // It stays what it was.
            let _ = session.kept_unless_refused(&sql).map_err(failing("make rows that tell"))?;
        }
    }
    Ok(())
}

/// Whether no key, check or reference has a column, and an update may set it.
fn is_free_in(relation: &Relation, column: &Column) -> bool {
    let name = &column.name;
    let is_in = |columns: &Vec<String>| columns.contains(name);
    !column.is_generated
        && column.identity.is_empty()
        && column.labels.is_none()
        && !relation.keys.iter().any(is_in)
        && !relation.foreign_keys.iter().any(|key| is_in(&key.columns))
        && !relation.checks.iter().any(|check| is_in(&check.columns))
}

fn telling(column: &Column) -> Option<String> {
    // Another one for each column, or values that changed places would be the same.
    let text = format!("Large {}", column.name);
    let value = match column.base_type.as_str() {
        "text" => &text,
        "varchar" if column.length.is_none_or(|most| most >= text.len()) => &text,
        "float8" => "1234.5678901",
        "float4" => "1234.567",
        "numeric" if column.type_name == "numeric" => "1234.5678901",
        "date" => "2026-06-15",
        "timestamp" | "timestamptz" => "2026-06-15 13:14:15.678901+00",
        _ => return None,
    };
    Some(value.to_owned())
}
