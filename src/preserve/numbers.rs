//! What numbers rows: sequences, and numbers that would come twice.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::error::Result;
use crate::names::QualifiedName;
use crate::preserve::loss::{Loss, LossKind};
use crate::preserve::reach::Reach;
use crate::preserve::tables::{Column, Table, Tables, read_number};
use crate::session::failed::failing;
use crate::session::open::Session;
use crate::session::outcome::{as_json, read_json};
use crate::sql::quote::qualified;

/// The sequences of before a migration.
pub(crate) struct Numbers(Vec<Sequence>);

#[derive(Debug, Clone, Deserialize)]
struct Sequence {
    oid: i64,
    relation: i64,
    number: i32,
    increment: i64,
    start: i64,
    schema: String,
    name: String,
    /// The number that comes next.
    #[serde(default)]
    next: i64,
    /// The greatest number in its column.
    #[serde(default)]
    most: u64,
}

impl Numbers {
    /// Where it is known what a file can reach, sequences are read without their columns.
    pub(crate) fn read(
        session: &mut Session,
        tables: &Tables,
        reach: Option<&Reach>,
    ) -> Result<Self> {
        match reach {
            Some(reach) if !reach.has_sequences => Ok(Self(Vec::new())),
            Some(_) => read_numbers(session).map(Self),
            None => {
                let mut sequences = read_sequences(session)?;
                count_up(session, &mut sequences, tables, &BTreeSet::new())?;
                Ok(Self(sequences))
            }
        }
    }

    /// Whether a sequence has gone back or is gone, or numbers a table anew of those that `was_there`.
    pub(crate) fn is_numbered_anew(
        &self,
        session: &mut Session,
        was_there: impl Fn(i64) -> bool,
    ) -> Result<bool> {
        let sequences = read_numbers(session)?;
        let is_there = |was: &Sequence| sequences.iter().any(|now| now.oid == was.oid);
        if !self.0.iter().all(is_there) || sequences.iter().any(|now| self.has_gone_back(now)) {
            return Ok(true);
        }
        if !sequences.iter().any(|now| self.is_new(now)) {
            return Ok(false);
        }
        let sequences = read_sequences(session)?;
        Ok(sequences.iter().any(|now| self.is_new(now) && was_there(now.relation)))
    }

    /// The numbers that come next and were given away already, where they come from the file.
    pub(crate) fn behind(
        &self,
        session: &mut Session,
        before: &Tables,
        after: &Tables,
    ) -> Result<Vec<Loss>> {
        let (mut losses, mut sequences) = (Vec::new(), read_sequences(session)?);
        let suspects = sequences.iter().filter(|now| self.has_gone_back(now) || self.is_new(now));
        let suspects = suspects.map(|now| now.relation).collect();
        count_up(session, &mut sequences, after, &suspects)?;
        for sequence in &sequences {
            let next = u64::try_from(sequence.next).unwrap_or_default();
            let Some(table) = after.by_oid.get(&sequence.relation) else {
                losses.extend(self.begun_anew(sequence));
                continue;
            };
            let Some(column) = table.column(sequence.number) else { continue };
            if sequence.is_behind() && !self.is_known(sequence, (table, column), before) {
                let loss = Loss::new(LossKind::SequenceBehind, table.name());
                let column = Some(column.name.clone());
                losses.push(Loss { column, before: sequence.most, after: next, ..loss });
            }
        }
        Ok(losses)
    }

    /// Whether a sequence was behind its column before, and has not gone back since; or the column had no
    /// numbers.
    fn is_known(
        &self,
        now: &Sequence,
        (table, column): (&Table, &Column),
        before: &Tables,
    ) -> bool {
        let known = self.0.iter().filter(|was| {
            let of_table = before.by_oid.get(&was.relation);
            let is_table = was.relation == now.relation
                || of_table.is_some_and(|was| was.name() == table.name());
            let of_column = of_table.and_then(|table| table.column(was.number));
            is_table && of_column.is_some_and(|was| was.name == column.name)
                || (was.relation, was.number) == (now.relation, now.number)
        });
        let mut known = known.filter(|was| was.most > 0).peekable();
        // Numbers begin for rows that are there.
        let begin = self.is_new(now) && before.by_oid.contains_key(&now.relation);
        known.peek().is_none() && !begin && !self.has_gone_back(now)
            || known.any(|was| {
                (was.oid, was.relation) == (now.oid, now.relation)
                    && now.next >= was.next
                    && was.is_behind()
            })
    }

    fn is_new(&self, now: &Sequence) -> bool {
        self.was(now).is_none()
    }

    fn has_gone_back(&self, now: &Sequence) -> bool {
        self.was(now).is_some_and(|was| now.next < was.next)
    }

    /// The same sequence before.
    fn was(&self, now: &Sequence) -> Option<&Sequence> {
        self.0.iter().find(|was| was.oid == now.oid)
    }

    /// Statements by which the sequences that have gone back go on from where they were.
    pub(crate) fn raising(&self, session: &mut Session) -> Result<Vec<String>> {
        let sequences = read_numbers(session)?;
        let gone_back = sequences.iter().filter_map(|now| {
            let was = self.was(now).filter(|was| now.next < was.next)?;
            let Sequence { oid, next, .. } = was;
            Some(format!("select pg_catalog.setval({oid}::oid::regclass, {next}, false)"))
        });
        Ok(gone_back.collect())
    }

    /// A sequence of no column that has gone back, or was made anew.
    fn begun_anew(&self, now: &Sequence) -> Option<Loss> {
        let is_it = |was: &&Sequence| {
            was.oid == now.oid || (&was.schema, &was.name) == (&now.schema, &now.name)
        };
        let was = self.0.iter().find(is_it)?;
        let is_used = was.relation == 0 && was.next > was.start;
        (is_used && now.next < was.next).then(|| {
            let number = |next: i64| u64::try_from(next).unwrap_or_default();
            let name = QualifiedName::new(&was.schema, &was.name);
            let (before, after) = (number(was.next - was.increment), number(now.next));
            Loss { before, after, ..Loss::new(LossKind::SequenceBehind, name) }
        })
    }
}

impl Sequence {
    fn is_behind(&self) -> bool {
        self.most >= u64::try_from(self.next).unwrap_or_default()
    }
}

/// Reads the greatest number of each column that is numbered and has rows, be they only known of a table in
/// `suspects`.
fn count_up(
    session: &mut Session,
    sequences: &mut [Sequence],
    tables: &Tables,
    suspects: &BTreeSet<i64>,
) -> Result<()> {
    let (mut counted, mut queries) = (Vec::new(), Vec::new());
    for sequence in sequences {
        let has_rows =
            |table: &&Table| table.rows > 0 || table.has_room() && suspects.contains(&table.oid);
        let table = tables.by_oid.get(&sequence.relation).filter(has_rows);
        let column = table.and_then(|table| table.column(sequence.number));
        if let Some((table, column)) = table.zip(column) {
            queries.push(format!(
                "(select greatest(coalesce(pg_catalog.max({}), 0), 0) from {})",
                column.value(),
                table.rows_sql()
            ));
            counted.push(sequence);
        }
    }
    for (sequence, most) in counted.into_iter().zip(numbers(session, &queries)?) {
        sequence.most = read_number(&most)?;
    }
    Ok(())
}

/// The number that each of the queries gives.
fn numbers(session: &mut Session, queries: &[String]) -> Result<Vec<String>> {
    if queries.is_empty() {
        return Ok(Vec::new());
    }
    // A query has room for 1,664 columns only.
    let query = format!("select pg_catalog.unnest(array[{}]::bigint[])::text", queries.join(", "));
    session.texts_as_auditor(&query).map_err(failing("read the sequences"))
}

fn read_sequences(session: &mut Session) -> Result<Vec<Sequence>> {
    read_those_sequences(session, "leakproof_sequences", "true")
}

/// Without their columns.
fn read_numbers(session: &mut Session) -> Result<Vec<Sequence>> {
    read_those_sequences(session, "leakproof_numbers", "false")
}

fn read_those_sequences(
    session: &mut Session,
    name: &str,
    with_columns: &str,
) -> Result<Vec<Sequence>> {
    const READ: &str = "read the sequences";
    let query = include_str!("sequences.sql").replace(":with_columns", with_columns);
    let query = as_json(&query, "true");
    let texts: Vec<String> = match session.is_in_real_database() {
        true => {
            let rows = session.prepared(name, &query).map_err(failing(READ))?;
            rows.into_iter().flatten().flatten().collect()
        }
        false => session.texts_as_auditor(&query).map_err(failing(READ))?,
    };
    let mut sequences: Vec<Sequence> = read_json(texts)?;
    // Only a sequence itself knows whether its number was given away already.
    let states: Vec<String> = sequences
        .iter()
        .map(|one| {
            format!(
                "(select case when is_called then last_value + {} else last_value end from {})",
                one.increment,
                qualified(&one.schema, &one.name)
            )
        })
        .collect();
    for (sequence, next) in sequences.iter_mut().zip(numbers(session, &states)?) {
        sequence.next = read_number(&next)?;
    }
    Ok(sequences)
}
