//! What guards rows, numbers them or is made of them: what a table lacks that was built anew, numbers
//! that would come twice, and views that were left empty.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::error::Result;
use crate::preserve::loss::{Loss, LossKind};
use crate::preserve::rows::Pair;
use crate::preserve::tables::{Column, Table, Tables, query_numbers, read_number};
use crate::session::failed::failing;
use crate::session::open::Session;
use crate::session::outcome::{as_json, read_json};
use crate::sql::quote::qualified;

/// What was there before a migration beside the rows.
pub(crate) struct Around {
    sequences: Vec<Sequence>,
    /// Of each table, where a file may put others in their places.
    shapes: Option<Shapes>,
}

/// What guards or describes the rows of a table: the kind of each item, and the item.
type Shape = BTreeSet<(String, String)>;

type Shapes = BTreeMap<i64, Shape>;

/// What a table lacks that was put in the place of another.
#[derive(Default)]
pub(crate) struct Lacking {
    pub loss: Option<Loss>,
    /// Whether it has no primary key, and that one had.
    pub has_lost_key: bool,
}

#[derive(Debug, Clone, Deserialize)]
struct Sequence {
    oid: i64,
    relation: i64,
    number: i32,
    increment: i64,
    schema: String,
    name: String,
    /// The number that comes next.
    #[serde(default)]
    next: i64,
}

#[derive(Deserialize)]
struct Item {
    oid: i64,
    kind: String,
    item: String,
}

impl Around {
    pub(crate) fn read(session: &mut Session, with_shapes: bool) -> Result<Self> {
        let sequences = read_sequences(session)?;
        let shapes = with_shapes.then(|| read_shapes(session)).transpose()?;
        Ok(Self { sequences, shapes })
    }

    /// What a table lacks that was put in the place of another.
    pub(crate) fn lacking(&self, session: &mut Session, pair: &Pair<'_>) -> Result<Lacking> {
        let is_another = pair.was.oid != pair.now.oid;
        // A partition has what its table has.
        let is_partition = pair.now.leaves.iter().any(|leaf| leaf.oid == pair.was.oid);
        let shapes = self.shapes.as_ref().filter(|_| is_another && !is_partition);
        let Some(shapes) = shapes else { return Ok(Lacking::default()) };
        let now = read_shapes(session)?.remove(&pair.now.oid).unwrap_or_default();
        let before = shapes.get(&pair.was.oid).cloned().unwrap_or_default();
        let has_key = |shape: &Shape| shape.iter().any(|(kind, _)| kind == "key");
        let columns: BTreeSet<&str> = pair.now.columns.iter().map(|c| c.name.as_str()).collect();
        // What a key does, it does as well.
        let is_there = |(kind, item): &(String, String)| {
            let has = |kind: &str| now.contains(&(kind.to_owned(), item.clone()));
            has(kind)
                || kind == "unique" && has("key")
                || kind == "not null" && has("not null in a key")
        };
        let lacks: Vec<String> = before
            .iter()
            .filter(|one| !is_there(one) && one.0 != "key" && one.0 != "not null in a key")
            // What a column had that is gone went with it.
            .filter(|(kind, item)| match kind.as_str() {
                "not null" => columns.contains(item.as_str()),
                "default" => item.split(' ').next().is_some_and(|name| columns.contains(name)),
                _ => true,
            })
            .map(|(kind, item)| match kind.as_str() {
                // It says so itself.
                "statement" => item.clone(),
                _ => format!("{kind} {item}"),
            })
            .collect();
        let loss = (!lacks.is_empty())
            .then(|| Loss { lacks, ..Loss::new(LossKind::DefinitionLost, pair.was.name()) });
        Ok(Lacking { loss, has_lost_key: has_key(&before) && !has_key(&now) })
    }

    /// The numbers that come next and are there already, where a file has changed what numbers a column.
    pub(crate) fn behind(
        &self,
        session: &mut Session,
        before: &Tables,
        after: &Tables,
    ) -> Result<Vec<Loss>> {
        let mut losses = Vec::new();
        for sequence in read_sequences(session)? {
            let Some(table) = after.by_oid.get(&sequence.relation) else { continue };
            let Some(column) = table.column(sequence.number) else { continue };
            if self.numbered_alike(&sequence, (table, column), before) {
                continue;
            }
            let sql = format!(
                "select greatest(coalesce(pg_catalog.max({}), 0), 0) from {}",
                column.value(),
                table.rows_sql()
            );
            let most = query_numbers(session, &sql)?.first().copied();
            let next = u64::try_from(sequence.next).unwrap_or_default();
            if let Some(most) = most.filter(|most| *most >= next) {
                let loss = Loss::new(LossKind::SequenceBehind, table.name());
                let column = Some(column.name.clone());
                losses.push(Loss { column, before: most, after: next, ..loss });
            }
        }
        Ok(losses)
    }

    /// Whether the column was numbered before by the same sequence, and not from further on; or had no
    /// numbers.
    fn numbered_alike(
        &self,
        now: &Sequence,
        (table, column): (&Table, &Column),
        before: &Tables,
    ) -> bool {
        let known = self.sequences.iter().filter(|was| {
            let of_table = before.by_oid.get(&was.relation);
            let is_table = was.relation == now.relation
                || of_table.is_some_and(|was| was.name() == table.name());
            let of_column = of_table.and_then(|table| table.column(was.number));
            is_table && of_column.is_some_and(|was| was.name == column.name)
                || (was.relation, was.number) == (now.relation, now.number)
        });
        let mut known = known.peekable();
        known.peek().is_none()
            || known.any(|was| {
                (was.oid, was.relation) == (now.oid, now.relation) && now.next >= was.next
            })
    }
}

fn read_sequences(session: &mut Session) -> Result<Vec<Sequence>> {
    let query = as_json(include_str!("sequences.sql"), "true");
    let texts = session.texts_as_auditor(&query).map_err(failing("read the sequences"))?;
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
    if states.is_empty() {
        return Ok(sequences);
    }
    let query = format!("select pg_catalog.unnest(array[{}]::bigint[])::text", states.join(", "));
    let next = session.texts_as_auditor(&query).map_err(failing("read the sequences"))?;
    for (sequence, next) in sequences.iter_mut().zip(next) {
        sequence.next = read_number(&next)?;
    }
    Ok(sequences)
}

fn read_shapes(session: &mut Session) -> Result<Shapes> {
    let items: Vec<Item> = session.values(include_str!("shapes.sql"))?;
    let mut shapes = Shapes::new();
    for Item { oid, kind, item } in items {
        shapes.entry(oid).or_default().insert((kind, item));
    }
    Ok(shapes)
}

/// Tables that lose their log, and materialized views that hold nothing any more.
pub(crate) fn of_relations(before: &Tables, after: &Tables) -> Vec<Loss> {
    let mut losses = Vec::new();
    for was in before.by_oid.values() {
        let now = after.by_oid.get(&was.oid).or_else(|| after.named(&was.name()));
        let Some(now) = now else { continue };
        if !was.is_unlogged && now.is_unlogged && was.rows > 0 {
            losses.push(Loss::new(LossKind::Unlogged, was.name()));
        }
        if was.is_view() && was.is_populated && now.is_view() && !now.is_populated {
            losses.push(Loss { before: was.rows, ..Loss::new(LossKind::ViewEmptied, was.name()) });
        }
    }
    losses
}
