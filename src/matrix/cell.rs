//! The cells: one actor, one command, one class of rows of one relation, and all of them, in order.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::matrix::class::RowClass;
use crate::matrix::command::Command;
use crate::matrix::person::Asked;
use crate::matrix::verdict::{Evidence, Verdict};
use crate::names::QualifiedName;

/// One actor, one command, one class of rows of one relation.
#[derive(Debug, Clone, Serialize)]
pub struct Cell {
    /// What was tried on.
    pub relation: QualifiedName,
    /// The actor's name.
    pub actor: String,
    /// What was tried.
    pub command: Command,
    /// On whose rows.
    pub class: RowClass,
    /// What happened.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// How that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
}

/// A relation as the matrix shows it.
#[derive(Debug, Clone, Serialize)]
pub struct Subject {
    /// Its name.
    pub relation: QualifiedName,
    /// `table`, `view`, ...
    pub kind: &'static str,
    /// Why it holds no seeded row, if it holds none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unseeded: Option<String>,
    /// By which columns its rows have owners, if they have any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// By role, with the first actor of that: the columns that it may use, where those are some.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub columns: BTreeMap<String, String>,
    /// Who has the privilege to read a column that is named like a secret, or like personal data.
    #[serde(skip)]
    pub(crate) confidants: BTreeSet<String>,
    /// Whether its rows belong to users and to no tenant.
    #[serde(skip)]
    pub(crate) is_of_users_only: bool,
    /// Whether its rows are memberships, so that who has left may be told so by their own.
    #[serde(skip)]
    pub(crate) are_memberships: bool,
    /// Whether its rows are tenants, so that who inserts one founds it.
    #[serde(skip)]
    pub(crate) are_tenants: bool,
}

#[cfg(test)]
impl Subject {
    /// A table of which nothing else is known.
    pub(crate) fn table(relation: QualifiedName) -> Self {
        Self {
            relation,
            kind: "table",
            unseeded: None,
            owner: None,
            columns: BTreeMap::new(),
            confidants: BTreeSet::new(),
            is_of_users_only: false,
            are_memberships: false,
            are_tenants: false,
        }
    }
}

/// All cells, in the order of relation, actor, command and class.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Matrix {
    yardstick: Vec<String>,
    subjects: Vec<Subject>,
    actors: Vec<Asked>,
    cells: Vec<Cell>,
}

impl Matrix {
    /// Puts the parts in order; actors stay as given.
    pub(crate) fn new(
        mut subjects: Vec<Subject>,
        actors: Vec<Asked>,
        mut cells: Vec<Cell>,
    ) -> Self {
        subjects.sort_by(|a, b| a.relation.cmp(&b.relation));
        let place = |actor: &String| actors.iter().position(|known| known.name == *actor);
        cells.sort_by(|a, b| {
            let key = |cell: &Cell| (place(&cell.actor), cell.command, cell.class);
            a.relation.cmp(&b.relation).then_with(|| key(a).cmp(&key(b)))
        });
        Self { yardstick: Vec::new(), subjects, actors, cells }
    }

    /// The same, measured against this.
    pub(crate) fn measured_against(self, yardstick: Vec<String>) -> Self {
        Self { yardstick, ..self }
    }

    /// What it is measured against, a line each: who is who, whose is what, and what is declared.
    pub fn yardstick(&self) -> &[String] {
        &self.yardstick
    }

    /// The relations, by name.
    pub fn subjects(&self) -> &[Subject] {
        &self.subjects
    }

    /// The actors in the order of the rows.
    pub fn actors(&self) -> &[Asked] {
        &self.actors
    }

    /// Whom somebody of these is like.
    pub(crate) fn reference_of(&self, actor: &str) -> Option<&str> {
        self.actors.iter().find(|one| one.name == actor)?.reference.as_deref()
    }

    /// The cells, in order.
    pub fn cells(&self) -> &[Cell] {
        &self.cells
    }

    /// Whether anything was tried at all.
    pub fn is_tried(&self) -> bool {
        self.cells.iter().any(|cell| !matches!(cell.verdict, Verdict::Untested { .. }))
    }

    /// The same with some of the relations only.
    pub(crate) fn of_relations(mut self, is_wanted: impl Fn(&QualifiedName) -> bool) -> Self {
        self.subjects.retain(|subject| is_wanted(&subject.relation));
        self.cells.retain(|cell| is_wanted(&cell.relation));
        self
    }

    /// Changes how it is known what happened.
    pub(crate) fn each_evidence(&mut self, change: impl FnMut(&mut Evidence)) {
        self.cells.iter_mut().filter_map(|cell| cell.evidence.as_mut()).for_each(change);
    }

    /// The cells of one relation, which lie side by side.
    pub(crate) fn of(&self, relation: &QualifiedName) -> &[Cell] {
        let start = self.cells.partition_point(|cell| cell.relation < *relation);
        let end = self.cells.partition_point(|cell| cell.relation <= *relation);
        &self.cells[start..end]
    }

    /// The cells of one relation and actor.
    pub(crate) fn row<'a>(
        &'a self,
        relation: &'a QualifiedName,
        actor: &'a str,
    ) -> impl Iterator<Item = &'a Cell> {
        self.of(relation).iter().filter(move |cell| cell.actor == actor)
    }
}
