//! What hangs on a table and goes with something else that a file drops by CASCADE: a foreign key with the
//! key that it leads to, a default with its sequence, a trigger with its function.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::error::Result;
use crate::preserve::loss::{Loss, LossKind};
use crate::preserve::tables::{Table, Tables};
use crate::session::open::Session;
use crate::sql::rewrites::Words;

/// What hangs on each table.
pub(crate) struct Hanging(Vec<Item>);

#[derive(Deserialize)]
struct Item {
    oid: i64,
    relation: i64,
    /// None of a default, which is known by its column.
    name: Option<String>,
    item: String,
    /// The columns that it is about.
    columns: Vec<i32>,
    /// The table that it leads to.
    target: Option<i64>,
}

impl Hanging {
    pub(crate) fn read(session: &mut Session) -> Result<Self> {
        session.values(include_str!("hanging.sql")).map(Self)
    }

    /// What tables lack that are there, and the views that hold rows and are gone, though the file does not say
    /// so; `words` are the file's.
    pub(crate) fn lost(
        &self,
        session: &mut Session,
        words: &Words,
        before: &Tables,
        after: &Tables,
    ) -> Result<Vec<Loss>> {
        let now = Self::read(session)?;
        let mut losses: Vec<Loss> = Vec::new();
        for item in &self.0 {
            let tables = before.by_oid.get(&item.relation).zip(after.by_oid.get(&item.relation));
            let Some((was, table)) = tables else { continue };
            if now.has(item) || words.take_away(item) || !item.could_stay(table, before, after) {
                continue;
            }
            match losses.iter_mut().find(|loss| loss.table == was.name()) {
                Some(loss) => loss.lacks.push(item.item.clone()),
                None => {
                    let lacks = vec![item.item.clone()];
                    losses.push(Loss { lacks, ..Loss::new(LossKind::TakenAlong, was.name()) });
                }
            }
        }
        losses.extend(views_gone(words, before, after));
        Ok(losses)
    }

    /// Whether an item is there, or one that does the same.
    fn has(&self, item: &Item) -> bool {
        let mut of_table = self.0.iter().filter(|one| one.relation == item.relation);
        of_table.any(|one| match (&one.name, &item.name) {
            (None, None) => one.columns == item.columns,
            (Some(name), Some(other)) => {
                let leads_alike = one.target.is_some() && item.target.is_some();
                name == other
                    || one.oid == item.oid
                    || one.item == item.item
                    || leads_alike && one.columns == item.columns
            }
            _ => false,
        })
    }
}

impl Item {
    /// Whether its columns and the table that it leads to are there.
    fn could_stay(&self, table: &Table, before: &Tables, after: &Tables) -> bool {
        let leads_somewhere = self.target.is_none_or(|target| {
            let name = before.by_oid.get(&target).map(Table::name);
            after.by_oid.contains_key(&target)
                || name.is_some_and(|name| after.named(&name).is_some())
        });
        // An expression has the number 0.
        let has = |number: &i32| *number <= 0 || table.column(*number).is_some();
        leads_somewhere && self.columns.iter().all(has)
    }
}

impl Words {
    /// Whether the file names what it takes away.
    fn take_away(&self, item: &Item) -> bool {
        match &item.name {
            Some(name) => self.has(name),
            None => ["default", "identity", "expression"].iter().any(|of| self.follow("drop", of)),
        }
    }
}

/// Views that hold rows and went with something else.
fn views_gone(words: &Words, before: &Tables, after: &Tables) -> Vec<Loss> {
    let is_gone = |was: &&Table| {
        was.is_view()
            && was.rows > 0
            && !after.by_oid.contains_key(&was.oid)
            && after.named(&was.name()).is_none()
            && !words.has(was.word())
    };
    let gone = before.by_oid.values().filter(is_gone);
    gone.map(|was| Loss { before: was.rows, ..Loss::new(LossKind::TableDropped, was.name()) })
        .collect()
}

/// Columns and labels of enums that have another name now, while what was there has theirs; a sentence each.
pub(crate) fn names_taken(before: &Tables, after: &Tables) -> Vec<String> {
    let mut told = BTreeSet::new();
    for was in before.by_oid.values().filter(|was| was.rows > 0) {
        let Some(now) = after.by_oid.get(&was.oid) else { continue };
        for column in &was.columns {
            let renamed = now.column(column.number).filter(|now| now.name != column.name);
            let other = now.columns.iter().find(|other| other.name == column.name);
            let other = other.and_then(|other| was.column(other.number));
            if let Some((renamed, other)) = renamed.zip(other) {
                told.insert(format!(
                    "{}.{} is the column that was {}; its values of before are in {}",
                    was.title(),
                    column.name,
                    other.name,
                    renamed.name
                ));
            }
        }
    }
    for (oid, was) in &before.labels {
        let renamed = after.labels.get(oid).filter(|now| now.label != was.label);
        let mut namesakes = after.labels.iter();
        let other = namesakes.find(|(_, now)| now.of == was.of && now.label == was.label);
        let other = other.and_then(|(oid, _)| before.labels.get(oid));
        if let Some((renamed, other)) = renamed.zip(other) {
            told.insert(format!(
                "the label '{}' of {} is the one that was '{}'; what had it has '{}'",
                was.label, was.type_name, other.label, renamed.label
            ));
        }
    }
    told.into_iter().collect()
}
