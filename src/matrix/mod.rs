//! Who could do what: verdicts in cells, ordered, as text and as JSON. Pure.

mod text;

use serde::Serialize;

pub use crate::world::RowClass;
pub use text::{MarkKey, Marks};
pub(crate) use text::{class_name, mark_sentence, parse_marks};

/// What an actor tries on a relation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Command {
    /// `select`, the whole relation.
    Read,
    /// `insert` without RETURNING.
    Insert,
    /// `insert ... returning`, which the SELECT policies judge too.
    InsertReturning,
    /// `update ... where`, which the SELECT policies judge too.
    Update,
    /// `update` without WHERE.
    BlindUpdate,
    /// `delete ... where`.
    Delete,
    /// `delete` without WHERE.
    BlindDelete,
    /// `update` of the owner columns of one's own rows, `where`: a row is given away.
    Give,
    /// The same without WHERE.
    BlindGive,
    /// `update` of the owner columns of others' rows, `where`: a row is taken.
    Take,
    /// The same without WHERE.
    BlindTake,
    /// `truncate`.
    Truncate,
}

impl Command {
    /// Whether it hands rows over.
    pub(crate) fn is_transfer(self) -> bool {
        matches!(self, Self::Give | Self::BlindGive | Self::Take | Self::BlindTake)
    }

    /// All commands in the order of the matrix's columns.
    pub const ALL: [Self; 12] = [
        Self::Read,
        Self::Insert,
        Self::InsertReturning,
        Self::Update,
        Self::BlindUpdate,
        Self::Delete,
        Self::BlindDelete,
        Self::Give,
        Self::BlindGive,
        Self::Take,
        Self::BlindTake,
        Self::Truncate,
    ];

    /// The words in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Insert => "insert",
            Self::InsertReturning => "insert returning",
            Self::Update => "update",
            Self::BlindUpdate => "blind update",
            Self::Delete => "delete",
            Self::BlindDelete => "blind delete",
            Self::Give => "give",
            Self::BlindGive => "blind give",
            Self::Take => "take",
            Self::BlindTake => "blind take",
            Self::Truncate => "truncate",
        }
    }

    /// The same command with a WHERE clause, for one that has none.
    pub fn qualified(self) -> Option<Self> {
        match self {
            Self::BlindUpdate => Some(Self::Update),
            Self::BlindDelete => Some(Self::Delete),
            Self::BlindGive => Some(Self::Give),
            Self::BlindTake => Some(Self::Take),
            _ => None,
        }
    }
}

/// What a probe showed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "verdict")]
pub enum Verdict {
    /// It went through.
    Allowed {
        /// How many rows it reached.
        rows: usize,
        /// How many rows of that class there are.
        of: usize,
        /// The SQLSTATE of a constraint that stopped it after access control had let it pass.
        #[serde(skip_serializing_if = "Option::is_none")]
        stopped_by: Option<String>,
    },
    /// It ran and reached no row.
    Hidden,
    /// The role lacks the privilege.
    NoGrant,
    /// A WITH CHECK, or the foreign key that ties a row to its owner, refused it.
    Refused,
    /// It raised an error of another kind.
    Broken {
        /// Its SQLSTATE.
        sqlstate: String,
    },
    /// It could not be tried.
    Untested {
        /// Why.
        reason: String,
    },
}

impl Verdict {
    /// Whether access control let it pass.
    pub fn is_allowed(&self) -> bool {
        matches!(self, Self::Allowed { .. })
    }

    /// Among several attempts at one cell the most telling counts: what went through, then what
    /// is unknown, then the denials.
    pub(crate) fn weight(&self) -> u8 {
        match self {
            Self::Allowed { .. } => 5,
            Self::Broken { .. } => 4,
            Self::Untested { .. } => 3,
            Self::Refused => 2,
            Self::Hidden => 1,
            Self::NoGrant => 0,
        }
    }

    /// The words in reports.
    pub fn sentence(&self) -> String {
        match self {
            Self::Allowed { stopped_by: Some(state), .. } => {
                format!("allowed, stopped only by a constraint ({state})")
            }
            Self::Allowed { rows, of, .. } => format!("allowed {rows} of {of}"),
            Self::Hidden => "hidden".into(),
            Self::NoGrant => "not granted".into(),
            Self::Refused => "refused".into(),
            Self::Broken { sqlstate } => format!("broken ({sqlstate})"),
            Self::Untested { reason } => format!("untested ({reason})"),
        }
    }
}

/// What shows that a verdict is so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// The very statement.
    pub statement: String,
    /// The first row it reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row: Option<String>,
}

/// One actor, one command, one class of rows of one relation.
#[derive(Debug, Clone, Serialize)]
pub struct Cell {
    /// `schema.name`
    pub relation: String,
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
    /// `schema.name`
    pub relation: String,
    /// `table`, `view`, ...
    pub kind: &'static str,
    /// Why it holds no seeded row, if it holds none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unseeded: Option<String>,
    /// Whether its rows belong to users and to no tenant.
    #[serde(skip)]
    pub(crate) is_of_users_only: bool,
}

/// All cells, in the order of relation, actor, command and class.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Matrix {
    subjects: Vec<Subject>,
    actors: Vec<String>,
    cells: Vec<Cell>,
}

impl Matrix {
    /// Puts the parts in order; actors stay as given.
    pub(crate) fn new(
        mut subjects: Vec<Subject>,
        actors: Vec<String>,
        mut cells: Vec<Cell>,
    ) -> Self {
        subjects.sort_by(|a, b| a.relation.cmp(&b.relation));
        let place = |actor: &String| actors.iter().position(|known| known == actor);
        cells.sort_by(|a, b| {
            let key = |cell: &Cell| (place(&cell.actor), cell.command, cell.class);
            a.relation.cmp(&b.relation).then_with(|| key(a).cmp(&key(b)))
        });
        Self { subjects, actors, cells }
    }

    /// The relations, by name.
    pub fn subjects(&self) -> &[Subject] {
        &self.subjects
    }

    /// The actors in the order of the rows.
    pub fn actors(&self) -> &[String] {
        &self.actors
    }

    /// The cells, in order.
    pub fn cells(&self) -> &[Cell] {
        &self.cells
    }

    /// Whether anything was tried at all.
    pub fn is_tried(&self) -> bool {
        self.cells.iter().any(|cell| !matches!(cell.verdict, Verdict::Untested { .. }))
    }

    /// The same without the relations that only prove the probes.
    pub(crate) fn without_controls(self) -> Self {
        let is_ours = |relation: &str| {
            relation.split_once('.').is_some_and(|(_, name)| crate::probe::is_control(name))
        };
        self.of_relations(|relation| !is_ours(relation))
    }

    /// The same with some of the relations only.
    pub(crate) fn of_relations(mut self, is_wanted: impl Fn(&str) -> bool) -> Self {
        self.subjects.retain(|subject| is_wanted(&subject.relation));
        self.cells.retain(|cell| is_wanted(&cell.relation));
        self
    }

    /// The cells of one relation, which lie side by side.
    pub(crate) fn of(&self, relation: &str) -> &[Cell] {
        let start = self.cells.partition_point(|cell| cell.relation.as_str() < relation);
        let end = self.cells.partition_point(|cell| cell.relation.as_str() <= relation);
        &self.cells[start..end]
    }

    /// The cells of one relation and actor.
    pub(crate) fn row<'a>(
        &'a self,
        relation: &'a str,
        actor: &'a str,
    ) -> impl Iterator<Item = &'a Cell> {
        self.of(relation).iter().filter(move |cell| cell.actor == actor)
    }
}
