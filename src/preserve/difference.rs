//! What a later census lacks of an earlier one.

use crate::error::Result;
use crate::preserve::census::{Census, ColumnCensus, TableCensus};
use crate::preserve::fingerprints::{self, Differing};
use crate::preserve::loss::{Loss, LossKind};
use crate::preserve::retype::{self, Reading};
use crate::session::open::Session;
use crate::sql::quote::identifier;

/// What was lost, and which columns have another type and every value.
#[derive(Default)]
pub(crate) struct Difference {
    pub losses: Vec<Loss>,
    /// One sentence each.
    pub retyped: Vec<String>,
    /// Columns that a trigger of theirs has set anew.
    pub stamped: Vec<String>,
}

/// Compares two censuses; `zones` are the time zones that the file between them states.
pub(crate) fn differences(
    session: &mut Session,
    before: &Census,
    after: &Census,
    zones: &[String],
) -> Result<Difference> {
    let mut difference = Difference::default();
    for (oid, was) in before.tables.iter().filter(|(_, table)| table.rows > 0) {
        let Some(now) = after.tables.get(oid) else {
            difference.losses.push(table_loss(was, LossKind::TableDropped, 0));
            continue;
        };
        if now.rows == 0 {
            difference.losses.push(table_loss(was, LossKind::TableEmptied, 0));
            continue;
        }
        let mut pair = Pair { was, now, zones, readings: Vec::new() };
        difference.retyped.extend(pair.read_retyped(session)?);
        difference.losses.extend(pair.losses(session, &mut difference.stamped)?);
    }
    difference.losses.sort();
    difference.retyped.sort();
    Ok(difference)
}

fn table_loss(table: &TableCensus, kind: LossKind, after: u64) -> Loss {
    let (table, before) = (table.name(), table.rows);
    Loss { kind, table, column: None, before, after, types: None, rows: Vec::new() }
}

/// A table before and after, both with rows.
struct Pair<'a> {
    was: &'a TableCensus,
    now: &'a TableCensus,
    zones: &'a [String],
    /// The retyped columns that have every value, and how to read them.
    readings: Vec<(i32, Reading)>,
}

impl Pair<'_> {
    /// Finds how to read the columns of another type, and tells of each that has every value.
    fn read_retyped(&mut self, session: &mut Session) -> Result<Vec<String>> {
        let mut told = Vec::new();
        for (attnum, was) in self.was.columns.iter().filter(|(_, column)| column.sums.values > 0) {
            let Some(now) = self.now.columns.get(attnum) else { continue };
            if was.type_name == now.type_name {
                continue;
            }
            let mut zone = String::new();
            if now.sums.plain != was.sums.plain {
                let found = retype::find_reading(session, self.was, self.now, *attnum, self.zones)?;
                let Some(reading) = found else { continue };
                zone = reading.zone.iter().map(|zone| format!(" read in {zone}")).collect();
                self.readings.push((*attnum, reading));
            }
            let (table, column) = (self.was.title(), &was.name);
            let (from, to) = (&was.type_name, &now.type_name);
            told.push(format!(
                "{table}.{column}: {from} became {to}{zone}, every value is the same"
            ));
        }
        Ok(told)
    }

    fn losses(&self, session: &mut Session, stamped: &mut Vec<String>) -> Result<Vec<Loss>> {
        let is_keyed_alike = self.now.has_key_of(self.was);
        if self.was.rows == self.now.rows && self.is_unchanged(is_keyed_alike) {
            return Ok(Vec::new());
        }
        let has_key = self.was.key.iter().all(|attnum| self.now.columns.contains_key(attnum));
        if fingerprints::are_kept(self.was) && has_key && self.was.is_keyed {
            let own = fingerprints::stamped_columns(session, self.now)?;
            let stamps: Vec<String> =
                self.was.columns.keys().map(|n| self.stamp(*n, &own)).collect();
            let texts = self.texts();
            let difference = fingerprints::compare(session, self.was, self.now, &texts, &stamps)?;
            // Else the keys themselves are other ones.
            if difference.missing.count < self.was.rows {
                stamped.extend(self.stamped_only(&own, &difference.changed));
                return Ok(self.losses_by_row(&difference.missing, &difference.changed));
            }
        }
        match self.now.rows {
            rows if rows < self.was.rows => {
                Ok(vec![table_loss(self.was, LossKind::RowsLost, self.now.rows)])
            }
            rows if rows == self.was.rows => Ok(self.losses_by_sum(self.now, is_keyed_alike)),
            _ => self.losses_of_grown(session, has_key),
        }
    }

    /// Whether the sums, which are of the whole table, say so.
    fn is_unchanged(&self, is_keyed_alike: bool) -> bool {
        self.losses_by_sum(self.now, is_keyed_alike).is_empty()
    }

    /// Rows were added: those of before must be untouched.
    fn losses_of_grown(&self, session: &mut Session, has_key: bool) -> Result<Vec<Loss>> {
        let changed = if fingerprints::are_kept(self.was) && has_key && !self.was.is_keyed {
            fingerprints::count_missing(session, self.was, self.now)?
        } else {
            let old = self.now.restricted(session)?;
            if old.rows == self.was.rows {
                return Ok(self.losses_by_sum(&old, old.has_key_of(self.was)));
            }
            self.was.rows.saturating_sub(old.rows)
        };
        if changed == 0 {
            return Ok(Vec::new());
        }
        Ok(vec![table_loss(self.was, LossKind::RowsRewritten, self.was.rows - changed)])
    }

    /// An expression for whether the file, or what it set off, has put in the time of now or a later
    /// one, where a trigger does that.
    fn stamp(&self, attnum: i32, stamped: &[String]) -> String {
        let column = self.now.columns.get(&attnum).filter(|now| stamped.contains(&now.name));
        column.map_or_else(
            || "false".into(),
            |column| {
                let name = identifier(&column.name);
                format!("t.{name}::timestamptz >= pg_catalog.transaction_timestamp()")
            },
        )
    }

    /// The columns that changed in no other way.
    fn stamped_only(&self, stamped: &[String], changed: &[Differing]) -> Vec<String> {
        let columns = self.was.columns.iter().zip(changed);
        let is_stamped = |((attnum, was), changed): &((&i32, &ColumnCensus), &Differing)| {
            changed.count == 0
                && self.now.columns.get(attnum).is_some_and(|now| {
                    stamped.contains(&now.name) && now.sums.plain != was.sums.plain
                })
        };
        let names = columns.filter(is_stamped).map(|((_, column), _)| &column.name);
        names.map(|name| format!("{}.{name}", self.was.title())).collect()
    }

    /// An expression for each column of before that gives its text form of before.
    fn texts(&self) -> Vec<Option<String>> {
        let text = |attnum: &i32| {
            let column = self.now.columns.get(attnum)?;
            Some(match self.readings.iter().find(|(known, _)| known == attnum) {
                Some((_, reading)) => reading.text.clone(),
                None => column.text(),
            })
        };
        self.was.columns.keys().map(text).collect()
    }

    fn losses_by_row(&self, missing: &Differing, changed: &[Differing]) -> Vec<Loss> {
        let mut losses = Vec::new();
        if missing.count > 0 {
            let left = self.was.rows - missing.count;
            let rows = missing.first.clone();
            losses.push(Loss { rows, ..table_loss(self.was, LossKind::RowsLost, left) });
        }
        for ((attnum, column), changed) in self.was.columns.iter().zip(changed) {
            // A column that was empty cannot lose anything.
            if column.sums.values == 0 {
                continue;
            }
            match self.now.columns.get(attnum) {
                None => losses.push(self.column_loss(column, None)),
                Some(now) if changed.count > 0 => {
                    let rows = changed.first.clone();
                    losses.push(Loss { rows, ..self.column_loss(column, Some(now)) });
                }
                Some(_) => {}
            }
        }
        losses
    }

    fn losses_by_sum(&self, now: &TableCensus, is_keyed_alike: bool) -> Vec<Loss> {
        let mut losses = Vec::new();
        let mut is_moved = false;
        for (attnum, column) in self.was.columns.iter().filter(|(_, c)| c.sums.values > 0) {
            let is_read = self.readings.iter().any(|(known, _)| known == attnum);
            match now.columns.get(attnum) {
                None => losses.push(self.column_loss(column, None)),
                Some(_) if is_read => {}
                Some(same) if same.sums.plain == column.sums.plain => {
                    if !is_keyed_alike || same.sums.placed == column.sums.placed {
                        continue;
                    }
                    is_moved = true;
                    if self.was.is_keyed {
                        let name = Some(column.name.clone());
                        let moved = table_loss(self.was, LossKind::ValuesMoved, self.was.rows);
                        losses.push(Loss { column: name, ..moved });
                    }
                }
                Some(other) => losses.push(self.column_loss(column, Some(other))),
            }
        }
        // Without a key all columns look moved.
        if is_moved && !self.was.is_keyed {
            losses.push(table_loss(self.was, LossKind::ValuesMoved, self.was.rows));
        }
        losses
    }

    fn column_loss(&self, was: &ColumnCensus, now: Option<&ColumnCensus>) -> Loss {
        let types = now.filter(|now| now.type_name != was.type_name);
        let types = types.map(|now| [was.type_name.clone(), now.type_name.clone()]);
        let (mut before, mut after) = (was.sums.values, now.map_or(0, |now| now.sums.values));
        let kind = match now {
            None => LossKind::ColumnDropped,
            Some(now) if now.sums.values == 0 => LossKind::ColumnEmptied,
            Some(now) if is_cut(was, now) => {
                (before, after) = (was.sums.longest, now.sums.longest);
                LossKind::ColumnTruncated
            }
            Some(now) if self.zones.is_empty() && is_other_time(was, now) => LossKind::ZoneUnstated,
            Some(_) if types.is_some() => LossKind::ColumnRetyped,
            Some(_) => LossKind::ColumnRewritten,
        };
        let (table, column) = (self.was.name(), Some(was.name.clone()));
        Loss { kind, table, column, before, after, types, rows: Vec::new() }
    }
}

/// Whether texts are as many as before, and the longest of them is shorter.
fn is_cut(was: &ColumnCensus, now: &ColumnCensus) -> bool {
    let is_text = |column: &ColumnCensus| {
        column.type_name == "text" || column.type_name.starts_with("character")
    };
    is_text(was)
        && is_text(now)
        && was.sums.values == now.sums.values
        && now.sums.longest < was.sums.longest
}

fn is_other_time(was: &ColumnCensus, now: &ColumnCensus) -> bool {
    let [was, now] = [was, now].map(|column| column.type_name.as_str());
    [was, now].into_iter().all(retype::is_time) && retype::has_zone(was) != retype::has_zone(now)
}
