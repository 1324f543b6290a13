//! What there is no more after a migration, or not as it was.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::Result;
use crate::preserve::around::Triggers;
use crate::preserve::loss::{Loss, LossKind};
use crate::preserve::retype::{self, Readings, is_retyped};
use crate::preserve::rows::{ColumnDifference, Differences, Pair};
use crate::preserve::stamps::find_stamp;
use crate::preserve::tables::{Column, Table, Tables};
use crate::session::open::Session;
use crate::sql::zones::StatedZones;

/// What was lost, and which columns have another type and every value.
#[derive(Default)]
pub(crate) struct Difference {
    pub losses: Vec<Loss>,
    /// One sentence each.
    pub retyped: Vec<String>,
    /// Columns that a trigger of theirs has set anew.
    pub stamped: Vec<String>,
    /// What is no loss of rows, and may surprise who looks for them where they were.
    pub noted: Vec<String>,
}

impl Difference {
    pub(crate) fn of(noted: Vec<String>) -> Self {
        Self { noted, ..Self::default() }
    }
}

/// What is known beside the rows.
pub(crate) struct Known<'a> {
    /// Which the file states.
    pub zones: &'a StatedZones,
    /// Those that were there before the file.
    pub triggers: &'a Triggers,
}

/// What became of a table.
pub(crate) enum Fate<'a> {
    /// Not a row of it was changed or deleted.
    Untouched,
    Gone,
    /// It has to be compared with this one, which may be another that took its name.
    Changed(&'a Table),
}

impl Tables {
    /// What became of a table of before.
    pub(crate) fn fate<'a>(&'a self, was: &Table, before: &Tables) -> Fate<'a> {
        let is_new = |table: &&Table| !before.by_oid.contains_key(&table.oid);
        let Some(now) = self.by_oid.get(&was.oid) else {
            // As a partition it holds what it held.
            let is_leaf = |table: &&Table| table.leaves.iter().any(|leaf| leaf.oid == was.oid);
            let root = self.by_oid.values().find(is_leaf);
            let namesake = self.named(&was.name()).filter(is_new);
            return match root.or(namesake).filter(|table| !table.is_view()) {
                Some(other) => Fate::Changed(other),
                None => Fate::Gone,
            };
        };
        let is_as_it_was = |column: &Column| {
            now.column(column.number).is_some_and(|now| now.type_name == column.type_name)
        };
        let are_files_the_same = was.leaves.len() == now.leaves.len()
            && was.leaves.iter().zip(&now.leaves).all(|(was, now)| {
                (was.oid, was.file, was.written) == (now.oid, now.file, now.written)
            });
        let is_counted = before.are_counted && self.are_counted;
        match is_counted && are_files_the_same && was.columns.iter().all(is_as_it_was) {
            true => Fate::Untouched,
            false => Fate::Changed(now),
        }
    }
}

/// A table that is gone, whole.
pub(crate) fn gone(table: &Table, before: &Tables, after: &Tables) -> Loss {
    let names = |table: &Table| -> BTreeSet<String> {
        table.columns.iter().map(|column| column.name.clone()).collect()
    };
    let is_like = |one: &&Table| {
        !before.by_oid.contains_key(&one.oid) && !one.is_view() && names(one) == names(table)
    };
    let came = after.by_oid.values().find(is_like).map(Table::title);
    Loss { came, ..table_loss(table, LossKind::TableDropped, 0) }
}

fn table_loss(table: &Table, kind: LossKind, after: u64) -> Loss {
    Loss { before: table.rows, after, ..Loss::new(kind, table.name()) }
}

/// Compares the rows of a table that were kept with those of after.
pub(crate) fn compare(
    session: &mut Session,
    pair: Pair<'_>,
    known: &Known<'_>,
    difference: &mut Difference,
) -> Result<()> {
    let was = pair.was;
    if pair.rows() == 0 {
        difference.losses.push(table_loss(was, LossKind::TableEmptied, 0));
        return Ok(());
    }
    let mut comparison =
        Comparison { pair, known, readings: Readings::new(), same: BTreeMap::new() };
    difference.retyped.extend(comparison.read_retyped(session)?);
    if comparison.pair.has_key()
        && let Some(rows) = comparison.pair.compare(session, &comparison.same)?
        // Else the keys themselves are other ones.
        && rows.missing < was.rows
    {
        let rows = comparison.without_stamps(session, rows, &mut difference.stamped)?;
        difference.losses.extend(comparison.losses_by_row(session, &rows)?);
        return Ok(());
    }
    difference.losses.extend(comparison.losses_as_a_whole(session, &mut difference.stamped)?);
    Ok(())
}

struct Comparison<'a> {
    pair: Pair<'a>,
    known: &'a Known<'a>,
    /// The retyped columns that have every value.
    readings: Readings,
    /// When a column of another type, or one that a trigger sets, holds what it held.
    same: BTreeMap<i32, String>,
}

impl Comparison<'_> {
    /// Finds how to read the columns of another type, and tells of each that has every value.
    fn read_retyped(&mut self, session: &mut Session) -> Result<Vec<String>> {
        let (was, mut told) = (self.pair.was, Vec::new());
        let is_key = |column: &&Column| was.key.contains(&column.number);
        let (keys, others): (Vec<&Column>, Vec<_>) = was.columns.iter().partition(is_key);
        // By the key each row of before finds its own.
        for column in keys.into_iter().chain(others) {
            let pair = &mut self.pair;
            let Some(now) = pair.columns.get(&column.number).copied() else { continue };
            if !is_retyped(column, now) {
                continue;
            }
            let found = retype::find_reading(session, pair, column, self.known.zones)?;
            let Some(reading) = found else { continue };
            let zone: String = reading.zone.iter().map(|zone| format!(" read in {zone}")).collect();
            if was.key.contains(&column.number) {
                pair.key_readings.insert(column.number, reading.back.clone());
            }
            let (table, name) = (was.title(), &column.name);
            let (from, to) = (&column.type_name, &now.type_name);
            told.push(format!("{table}.{name}: {from} became {to}{zone}, every value is the same"));
            self.same.insert(column.number, reading.is_same.clone());
            self.readings.insert(column.number, reading);
        }
        Ok(told)
    }

    /// The same differences, without the times that only a trigger has set.
    fn without_stamps(
        &mut self,
        session: &mut Session,
        rows: Differences,
        stamped: &mut Vec<String>,
    ) -> Result<Differences> {
        let changed: Vec<i32> = self
            .pair
            .was
            .columns
            .iter()
            .zip(&rows.columns)
            .filter(|(_, difference)| difference.changed > 0)
            .map(|(column, _)| column.number)
            .collect();
        let stamps = self.find_stamps(session, &changed)?;
        if stamps.is_empty() {
            return Ok(rows);
        }
        self.same.extend(stamps.clone());
        let again = self.pair.compare(session, &self.same)?.unwrap_or(rows);
        for (column, difference) in self.pair.was.columns.iter().zip(&again.columns) {
            if stamps.contains_key(&column.number) && difference.changed == 0 {
                stamped.push(format!("{}.{}", self.pair.was.title(), column.name));
            }
        }
        Ok(again)
    }

    fn find_stamps(&self, session: &mut Session, columns: &[i32]) -> Result<BTreeMap<i32, String>> {
        let mut stamps = BTreeMap::new();
        for column in self.pair.was.columns.iter().filter(|c| columns.contains(&c.number)) {
            if let Some(stamp) = find_stamp(session, &self.pair, column, self.known.triggers)? {
                stamps.insert(column.number, stamp);
            }
        }
        Ok(stamps)
    }

    fn losses_by_row(&self, session: &mut Session, rows: &Differences) -> Result<Vec<Loss>> {
        let (pair, mut losses) = (&self.pair, Vec::new());
        if rows.missing > 0 {
            let left = pair.was.rows - rows.missing;
            let first = pair.first_missing(session)?;
            losses.push(Loss { rows: first, ..table_loss(pair.was, LossKind::RowsLost, left) });
        }
        for (column, difference) in pair.was.columns.iter().zip(&rows.columns) {
            // A column that was empty cannot lose anything.
            if difference.before == 0 {
                continue;
            }
            if !pair.columns.contains_key(&column.number) {
                // What is made of others is not lost with it.
                if !column.is_generated {
                    losses.push(self.dropped(column, difference.before));
                }
            } else if difference.changed > 0 {
                let rows = pair.first_changed(session, column, &self.same)?;
                losses.push(Loss { rows, ..self.changed(session, column, *difference)? });
            }
        }
        Ok(losses)
    }

    /// Rows that no key names, or that have other keys: by all that is left of them.
    fn losses_as_a_whole(
        &self,
        session: &mut Session,
        stamped: &mut Vec<String>,
    ) -> Result<Vec<Loss>> {
        let (pair, was) = (&self.pair, self.pair.was);
        let mut losses = Vec::new();
        let values = pair.count_values(session)?;
        let of = |column: &Column| {
            let counted = values.get(&column.number);
            counted.copied().unwrap_or_default()
        };
        for column in &was.columns {
            let is_gone = !pair.columns.contains_key(&column.number) && !column.is_generated;
            if is_gone && of(column).before > 0 {
                losses.push(self.dropped(column, of(column).before));
            }
        }
        // Another key tells no rows apart; what it was is lost.
        let mut without: BTreeSet<i32> = BTreeSet::new();
        for column in was.key_columns() {
            without.insert(column.number);
            if pair.columns.contains_key(&column.number)
                && !self.readings.contains_key(&column.number)
                && !pair.has_all_values(session, column)?
            {
                losses.push(self.changed(session, column, of(column))?);
            }
        }
        if losses.is_empty() && pair.has_key() {
            // Each column of the key has its values, in other rows.
            losses.push(table_loss(was, LossKind::RowsRewritten, 0));
        }
        let mut left = pair.compare_whole(session, &without, &self.back())?;
        if left.rows > 0 {
            let all: Vec<i32> = was.columns.iter().map(|column| column.number).collect();
            let stamps = self.find_stamps(session, &all)?;
            if !stamps.is_empty() {
                without.extend(stamps.keys());
                left = pair.compare_whole(session, &without, &self.back())?;
                let set = was.columns.iter().filter(|column| stamps.contains_key(&column.number));
                stamped.extend(set.map(|column| format!("{}.{}", was.title(), column.name)));
            }
        }
        if left.rows == 0 && pair.rows() >= was.rows {
            return Ok(losses);
        }
        losses.extend(self.of_unmatched(session, left.rows, &left.columns, of)?);
        Ok(losses)
    }

    fn of_unmatched(
        &self,
        session: &mut Session,
        rows: u64,
        columns: &[i32],
        of: impl Fn(&Column) -> ColumnDifference,
    ) -> Result<Vec<Loss>> {
        let (pair, was) = (&self.pair, self.pair.was);
        if pair.rows() < was.rows {
            return Ok(vec![table_loss(was, LossKind::RowsLost, pair.rows())]);
        }
        let of_table = |kind, after| vec![table_loss(was, kind, after)];
        let mut moved = true;
        for column in was.columns.iter().filter(|c| pair.columns.contains_key(&c.number)) {
            moved = moved && pair.has_all_values(session, column)?;
        }
        match columns {
            _ if moved => Ok(of_table(LossKind::ValuesMoved, was.rows)),
            [only] => match was.column(*only) {
                Some(column) => Ok(vec![self.changed(session, column, of(column))?]),
                None => Ok(Vec::new()),
            },
            _ => Ok(of_table(LossKind::RowsRewritten, was.rows.saturating_sub(rows))),
        }
    }

    /// Expressions for the values of before in columns of another type.
    fn back(&self) -> BTreeMap<i32, String> {
        let readings = self.readings.iter();
        readings.map(|(number, reading)| (*number, reading.back.clone())).collect()
    }

    fn dropped(&self, column: &Column, values: u64) -> Loss {
        let loss = Loss::new(LossKind::ColumnDropped, self.pair.was.name());
        let Pair { was, now, columns, .. } = &self.pair;
        let is_known = |one: &&Column| columns.values().any(|known| known.number == one.number);
        let is_like = |one: &&Column| one.type_name == column.type_name;
        let came = now.columns.iter().filter(|one| !is_known(one)).find(is_like);
        // A table that was built anew has the old column as one of its own.
        let came = came.filter(|one| was.oid != now.oid || was.column(one.number).is_none());
        let came = came.map(|one| one.name.clone());
        Loss { column: Some(column.name.clone()), before: values, came, ..loss }
    }

    fn changed(
        &self,
        session: &mut Session,
        column: &Column,
        difference: ColumnDifference,
    ) -> Result<Loss> {
        let pair = &self.pair;
        let Some(now) = pair.columns.get(&column.number) else {
            return Ok(self.dropped(column, difference.before));
        };
        let types =
            is_retyped(column, now).then(|| [column.type_name.clone(), now.type_name.clone()]);
        let ColumnDifference { mut before, mut after, .. } = difference;
        let mut kind = match &types {
            Some(_)
                if is_other_time(column, now)
                    && self.known.zones.of(&column.name, &now.name).is_empty() =>
            {
                LossKind::ZoneUnstated
            }
            Some(_) => LossKind::ColumnRetyped,
            None => LossKind::ColumnRewritten,
        };
        if after == 0 {
            kind = LossKind::ColumnEmptied;
        } else if is_text(column) && is_text(now) && before == after {
            let [was_longest, longest] = pair.longest(session, column)?;
            if longest < was_longest {
                (kind, before, after) = (LossKind::ColumnTruncated, was_longest, longest);
            }
        }
        if kind == LossKind::ColumnRewritten {
            // Where no key tells rows apart, all of them may be.
            after = if difference.changed > 0 { difference.changed } else { before };
            if pair.has_all_values(session, column)? {
                kind = LossKind::ValuesMoved;
            }
        }
        let loss = Loss::new(kind, pair.was.name());
        Ok(Loss { column: Some(column.name.clone()), before, after, types, ..loss })
    }
}

fn is_text(column: &Column) -> bool {
    ["text", "character varying", "bpchar"].contains(&column.base.as_str())
}

fn is_other_time(was: &Column, now: &Column) -> bool {
    let [was, now] = [was, now].map(|column| column.base.as_str());
    [was, now].into_iter().all(retype::is_time) && retype::has_zone(was) != retype::has_zone(now)
}
