//! What holds rows together once all of them are there: their foreign keys, and the numbers that come next.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::error::{Error, Result};
use crate::migrate::hosted::OwnerSession;
use crate::names::QualifiedName;
use crate::project::files::SqlFile;
use crate::session::failed::failing;
use crate::sql::quote::{identifier, literal, qualified};
use crate::words::{counted, joined};

#[derive(Deserialize)]
struct Reference {
    name: String,
    schema: String,
    table: String,
    parent_schema: String,
    parent_table: String,
    columns: Vec<[String; 2]>,
}

#[derive(Deserialize)]
struct Numbering {
    sequence_schema: String,
    sequence: String,
    schema: String,
    table: String,
    column: String,
}

/// Has sequences go on after the rows that have come, where nothing said what comes next.
pub(crate) fn renumber(
    owner: &mut OwnerSession<'_>,
    oids: &str,
    numbered: &BTreeSet<String>,
) -> Result<Vec<String>> {
    let mut renumbered = Vec::new();
    let query = include_str!("dumped_sequences.sql").replace("@tables@", oids);
    for one in owner.values::<Numbering>(&query)? {
        let sequence = qualified(&one.sequence_schema, &one.sequence);
        if numbered.iter().any(|known| known.replace('"', "") == sequence.replace('"', "")) {
            continue;
        }
        let query = format!(
            "select greatest(coalesce((select pg_catalog.max({}) from {}), 0), 0), \
                 (select case when is_called then last_value else last_value - 1 end from {sequence})",
            identifier(&one.column),
            qualified(&one.schema, &one.table)
        );
        let numbers = owner.numbers(&query)?;
        if let [most, last] = numbers[..]
            && most > last
        {
            let set = format!("select pg_catalog.setval({}, {most})", literal(&sequence));
            owner.as_owner(&set).map_err(failing("set a sequence"))?;
            let table = QualifiedName::new(&one.schema, &one.table);
            renumbered.push(format!("{table}.{}", one.column));
        }
    }
    Ok(renumbered)
}

/// Refuses rows that refer to what is not there.
pub(crate) fn refuse_broken(
    owner: &mut OwnerSession<'_>,
    file: &SqlFile,
    oids: &str,
) -> Result<()> {
    let query = include_str!("dumped_references.sql").replace("@tables@", oids);
    for one in owner.values::<Reference>(&query)? {
        let Reference { name, schema, table, parent_schema, parent_table, columns } = one;
        let same = columns
            .iter()
            .map(|[own, other]| format!("p.{} = c.{}", identifier(other), identifier(own)));
        let given = columns.iter().map(|[own, _]| format!("c.{} is not null", identifier(own)));
        let query = format!(
            "select pg_catalog.count(*) from {} as c where {} and not exists \
                 (select from {} as p where {})",
            qualified(&schema, &table),
            given.collect::<Vec<_>>().join(" and "),
            qualified(&parent_schema, &parent_table),
            same.collect::<Vec<_>>().join(" and ")
        );
        let broken = owner.numbers(&query)?.first().copied().unwrap_or_default();
        if broken == 0 {
            continue;
        }
        let rows = counted(usize::try_from(broken).unwrap_or(usize::MAX), "row");
        let (table, parent) =
            (QualifiedName::new(schema, table), QualifiedName::new(parent_schema, parent_table));
        let own: Vec<String> = columns.iter().map(|[own, _]| format!("`{own}`")).collect();
        return Err(Error::new(format!(
                "`{}` has {rows} of {table} without what they refer to",
                file.path().display()
            ))
            .cause(format!("{} names no row of {parent} (foreign key \"{name}\")", joined(&own)))
            .help(format!(
                "dump {parent}, too (`pg_dump --data-only -t {parent}`), or leave these rows out of the dump"
            )));
    }
    Ok(())
}
