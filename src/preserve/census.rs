//! Counts and order-independent checksums of every column, by catalog identity.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::error::{Error, Result};
use crate::names::QualifiedName;
use crate::session::failed::failing;
use crate::session::open::Session;
use crate::session::outcome::{TextRow, as_json, read_json};
use crate::sql::quote::{identifier, literal, qualified};

/// What could not be done where a query of the census fails.
pub(crate) const ATTEMPT: &str = "take the census";

/// A table's columns by attnum, their rows counted and summed.
#[derive(Clone)]
pub(crate) struct Census {
    pub(crate) tables: BTreeMap<i64, TableCensus>,
}

#[derive(Clone)]
pub(crate) struct TableCensus {
    pub oid: i64,
    schema: String,
    table: String,
    pub rows: u64,
    /// The attnums of the columns that name a row; of all columns where none are unique.
    pub key: Vec<i32>,
    /// Whether the key names one row.
    pub is_keyed: bool,
    /// Whether there is room for a row; of most tables of a platform there is none.
    has_pages: bool,
    pub columns: BTreeMap<i32, ColumnCensus>,
}

#[derive(Clone)]
pub(crate) struct ColumnCensus {
    pub name: String,
    pub type_name: String,
    pub sums: Sums,
}

impl ColumnCensus {
    /// An expression over the row `t` for the value as text. How many zeros a number ends with is
    /// no part of its value.
    pub(crate) fn text(&self) -> String {
        let name = identifier(&self.name);
        match self.type_name.starts_with("numeric") && !self.type_name.ends_with("[]") {
            true => format!("pg_catalog.trim_scale(t.{name})::text"),
            false => format!("t.{name}::text"),
        }
    }
}

/// What is summed of one column.
#[derive(Clone, Default, PartialEq, Debug)]
pub(crate) struct Sums {
    /// How many rows have a value.
    pub values: u64,
    /// The bytes of the longest text form.
    pub longest: u64,
    /// The sum of the 64-bit hashes of the values' text forms, in decimal.
    pub plain: String,
    /// The same with each hash seeded by that of its row's key, so that it tells rows apart.
    pub placed: String,
}

#[derive(Deserialize)]
struct ColumnRow {
    table_oid: i64,
    schema: String,
    table: String,
    attnum: i32,
    column: String,
    #[serde(rename = "type")]
    type_name: String,
    in_key: bool,
    has_pages: bool,
}

impl Census {
    /// Counts and sums every column of every table: one query, one pass over each table.
    pub(crate) fn take(session: &mut Session) -> Result<Self> {
        let mut census = Self::uncounted(session, None)?;
        census.count(session, |_| true)?;
        Ok(census)
    }

    /// The same for the same rows in whatever order the columns were made.
    pub(crate) fn by_name(mut self, session: &mut Session) -> Result<Self> {
        let mut other = BTreeSet::new();
        for (oid, TableCensus { key, columns, .. }) in &mut self.tables {
            let known = key.clone();
            key.sort_by_key(|attnum| columns.get(attnum).map(|column| &column.name));
            if *key != known {
                other.insert(*oid);
            }
        }
        self.count(session, |oid| other.contains(&oid))?;
        Ok(self)
    }

    /// As [`Self::take`], with the rows of each table named as `before` named them, and tables and
    /// columns that were made anew under a name of before in the place of those. Gives what
    /// [`Self::take`] would give now, too, unless that takes another count.
    pub(crate) fn take_again(session: &mut Session, before: &Self) -> Result<(Self, Option<Self>)> {
        if before.tables.is_empty() {
            return Ok((Self { tables: BTreeMap::new() }, None));
        }
        let mut census = Self::uncounted(session, Some(before))?;
        let now = census.clone();
        for (oid, was) in &before.tables {
            let is_rebuilt = |now: &&TableCensus| {
                now.title() == was.title() && !before.tables.contains_key(&now.oid)
            };
            let now = census.tables.get(oid).or_else(|| census.tables.values().find(is_rebuilt));
            if let Some(mut now) = now.cloned() {
                now.take_places_of(was);
                census.tables.remove(&now.oid);
                census.tables.insert(*oid, now);
            }
        }
        census.count(session, |_| true)?;
        let now = now.counted_as(&census);
        Ok((census, now))
    }

    /// The same with the sums of another, if that has counted each of its tables as it is here.
    fn counted_as(mut self, counted: &Self) -> Option<Self> {
        self.tables.retain(|_, table| table.has_pages);
        for (oid, table) in &mut self.tables {
            let known = counted.tables.get(oid).filter(|known| known.is_shaped_as(table))?;
            table.clone_from(known);
        }
        Some(self)
    }

    /// The tables that may hold rows, and those of `before` even if they hold none.
    fn uncounted(session: &mut Session, before: Option<&Self>) -> Result<Self> {
        let known = before.iter().flat_map(|before| &before.tables);
        let known: Vec<String> =
            known.map(|(oid, table)| format!("{oid}\n{}", table.title())).collect();
        let known = literal(&known.join("\n"));
        let mut tables = BTreeMap::new();
        for row in read_columns(session, &known)? {
            let table = tables.entry(row.table_oid).or_insert_with(|| TableCensus {
                oid: row.table_oid,
                schema: row.schema,
                table: row.table,
                rows: 0,
                key: Vec::new(),
                is_keyed: false,
                has_pages: row.has_pages,
                columns: BTreeMap::new(),
            });
            if row.in_key {
                table.is_keyed = true;
                table.key.push(row.attnum);
            }
            let (name, type_name) = (row.column, row.type_name);
            let column = ColumnCensus { name, type_name, sums: Sums::default() };
            table.columns.insert(row.attnum, column);
        }
        for table in tables.values_mut().filter(|table| !table.is_keyed) {
            table.key = table.columns.keys().copied().collect();
        }
        Ok(Self { tables })
    }

    /// Counts and sums the tables that are asked for.
    fn count(&mut self, session: &mut Session, is_asked: impl Fn(i64) -> bool) -> Result<()> {
        for table in self.tables.values_mut().filter(|table| !table.has_pages) {
            let nothing = Sums { plain: "0".into(), placed: "0".into(), ..Sums::default() };
            table.set_sums(0, vec![nothing; table.columns.len()]);
        }
        let filled = self.tables.iter().filter(|(oid, table)| table.has_pages && is_asked(**oid));
        let selects: Vec<String> =
            filled.map(|(oid, table)| table.sums_query(*oid, "true")).collect();
        if selects.is_empty() {
            return Ok(());
        }
        for row in query(session, &selects.join("\nunion all\n"))? {
            let (oid, rows, sums) = read_sums(&row)?;
            if let Some(table) = self.tables.get_mut(&oid) {
                table.set_sums(rows, sums);
            }
        }
        Ok(())
    }

    /// Tables with rows, their rows, their columns with values.
    pub(crate) fn size(&self) -> (usize, u64, usize) {
        let filled = || self.tables.values().filter(|table| table.rows > 0);
        let columns = filled().flat_map(|table| table.columns.values());
        (
            filled().count(),
            filled().map(|table| table.rows).sum(),
            columns.filter(|column| column.sums.values > 0).count(),
        )
    }
}

impl TableCensus {
    /// `schema.table`, as reports show it.
    pub(crate) fn name(&self) -> QualifiedName {
        QualifiedName::new(&self.schema, &self.table)
    }

    /// Its name, as reports show it.
    pub(crate) fn title(&self) -> String {
        self.name().to_string()
    }

    /// `"schema"."table"`, as statements need it.
    pub(crate) fn sql_name(&self) -> String {
        qualified(&self.schema, &self.table)
    }

    /// The names of the key's columns that are there.
    pub(crate) fn key_names(&self) -> Vec<&str> {
        let names = self.key.iter().filter_map(|attnum| self.columns.get(attnum));
        names.map(|column| column.name.as_str()).collect()
    }

    /// An expression for a row's key as a JSON object with the given labels, one for each name.
    pub(crate) fn key_expression(&self, labels: &[&str]) -> String {
        let labels: Vec<String> = labels.iter().map(|label| literal(label)).collect();
        let columns = self.key.iter().filter_map(|attnum| self.columns.get(attnum));
        let values = columns.map(ColumnCensus::text);
        format!(
            "(pg_catalog.json_object(array[{}]::text[], array[{}]::text[])::text collate \"C\")",
            labels.join(", "),
            values.collect::<Vec<_>>().join(", ")
        )
    }

    /// Whether it is the same table with the same columns and key.
    fn is_shaped_as(&self, other: &Self) -> bool {
        let is_alike = |((attnum, one), (other_attnum, other)): (
            (&i32, &ColumnCensus),
            (&i32, &ColumnCensus),
        )| {
            (attnum, &one.name, &one.type_name) == (other_attnum, &other.name, &other.type_name)
        };
        (self.oid, &self.key, self.is_keyed) == (other.oid, &other.key, other.is_keyed)
            && self.columns.len() == other.columns.len()
            && self.columns.iter().zip(&other.columns).all(is_alike)
    }

    /// Whether all columns of the key are there and hold what they held.
    pub(crate) fn has_key_of(&self, before: &Self) -> bool {
        before.key.iter().all(|attnum| {
            let (was, now) = (before.columns.get(attnum), self.columns.get(attnum));
            was.zip(now).is_some_and(|(was, now)| was.sums.plain == now.sums.plain)
        })
    }

    /// Counts this table's columns under the attnums of `before`: a column that was dropped and
    /// made again under its name takes the place of that, and so does a table.
    fn take_places_of(&mut self, before: &Self) {
        let is_same_table = self.oid == before.oid;
        let mut columns = BTreeMap::new();
        for (attnum, was) in &before.columns {
            let namesake = || {
                let mut others = self.columns.iter();
                others.find(|(other, now)| {
                    now.name == was.name && !(is_same_table && before.columns.contains_key(other))
                })
            };
            let kept = self.columns.get_key_value(attnum).filter(|_| is_same_table);
            if let Some((_, now)) = kept.or_else(namesake) {
                columns.insert(*attnum, now.clone());
            }
        }
        self.columns = columns;
        self.key.clone_from(&before.key);
        self.is_keyed = before.is_keyed;
    }

    /// `select oid, rows, [values], [longest], [plain], [placed]` of the rows of a condition.
    pub(crate) fn sums_query(&self, oid: i64, condition: &str) -> String {
        let columns: Vec<String> = self.columns.values().map(ColumnCensus::text).collect();
        self.sums_query_of(oid, &columns, condition)
    }

    /// The same of expressions for text over the row `t`.
    pub(crate) fn sums_query_of(&self, oid: i64, texts: &[String], condition: &str) -> String {
        let each = |form: fn(&str) -> String| -> String {
            let forms: Vec<String> = (0..texts.len()).map(|at| form(&format!("v.c{at}"))).collect();
            forms.join(", ")
        };
        let key = self.key_expression(&self.key_names());
        let values = texts.iter().enumerate().map(|(at, text)| format!("{text} as c{at}, "));
        // `offset 0` keeps the server from making each text anew for each sum.
        format!(
            "select {oid}::bigint, pg_catalog.count(*), \
             pg_catalog.array_to_string(array[{}]::bigint[], ','), \
             pg_catalog.array_to_string(array[{}]::bigint[], ','), \
             pg_catalog.array_to_string(array[{}]::numeric[], ','), \
             pg_catalog.array_to_string(array[{}]::numeric[], ',') \
             from only {} as t, lateral \
             (select {}pg_catalog.hashtextextended({key}, 0) as seed offset 0) as v \
             where {condition}",
            each(|text| format!("pg_catalog.count({text})")),
            each(|text| format!("coalesce(pg_catalog.max(pg_catalog.octet_length({text})), 0)")),
            each(|text| format!("coalesce(pg_catalog.sum({}::numeric), 0)", hash(text, "0"))),
            each(|text| format!("coalesce(pg_catalog.sum({}::numeric), 0)", hash(text, "v.seed"))),
            self.sql_name(),
            values.collect::<String>(),
        )
    }

    fn set_sums(&mut self, rows: u64, sums: Vec<Sums>) {
        self.rows = rows;
        self.columns.values_mut().zip(sums).for_each(|(column, sums)| column.sums = sums);
    }

    /// The same table, with only the row versions that our own transaction has not written.
    pub(crate) fn restricted(&self, session: &mut Session) -> Result<Self> {
        let condition =
            "pg_catalog.age(t.xmin) > pg_catalog.age(pg_catalog.pg_current_xact_id()::xid)";
        let answer = query(session, &self.sums_query(self.oid, condition))?;
        let row = answer.first().ok_or_else(|| Error::new("the census got no answer"))?;
        let (_, rows, sums) = read_sums(row)?;
        let mut restricted = self.clone();
        restricted.set_sums(rows, sums);
        Ok(restricted)
    }
}

/// Reads the columns of the tables with room for rows, and of those that `known` names.
fn read_columns(session: &mut Session, known: &str) -> Result<Vec<ColumnRow>> {
    let columns = as_json(include_str!("columns.sql"), "true");
    session.say(format!("select pg_catalog.set_config('leakproof.tables', {known}, true)"));
    let rows = session.prepared("leakproof_columns", &columns);
    read_json(rows.map_err(failing(ATTEMPT))?.into_iter().flatten().flatten())
}

/// The 64-bit hash of a text expression; byte by byte, whatever collation it has.
pub(crate) fn hash(text: &str, seed: &str) -> String {
    format!("pg_catalog.hashtextextended(({text}) collate \"C\", {seed})")
}

pub(crate) fn query(session: &mut Session, sql: &str) -> Result<Vec<TextRow>> {
    session.as_auditor(sql).map_err(failing(ATTEMPT))
}

/// The table oid, its rows, and the sums of each column.
pub(crate) fn read_sums(row: &TextRow) -> Result<(i64, u64, Vec<Sums>)> {
    let odd = || Error::new("the census got an unexpected answer").help("please report this");
    let number = |text: &str| text.parse::<u64>().map_err(|_| odd());
    let [Some(oid), Some(rows), Some(values), Some(longest), Some(plain), Some(placed)] =
        row.as_slice()
    else {
        return Err(odd());
    };
    let mut sums = Vec::new();
    let lists = values.split(',').zip(longest.split(',')).zip(plain.split(','));
    for (((values, longest), plain), placed) in lists.zip(placed.split(',')) {
        // A table without columns.
        if !values.is_empty() {
            sums.push(Sums {
                values: number(values)?,
                longest: number(longest)?,
                plain: plain.to_owned(),
                placed: placed.to_owned(),
            });
        }
    }
    Ok((oid.parse().map_err(|_| odd())?, number(rows)?, sums))
}
