//! What was seen of a finding, as values; `report` puts them into words.

use serde::Serialize;

use crate::check::outcome::Leg;
use crate::matrix::cell::Cell;
use crate::matrix::class::RowClass;
use crate::matrix::command::Command;
use crate::matrix::verdict::Verdict;
use crate::migrate::applied::MigrationName;
use crate::names::QualifiedName;
use crate::preserve::loss::Loss;
use crate::preserve::repeated::Difference;

/// In which run something was seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Run {
    /// The migrations, as they are applied anywhere.
    #[default]
    First,
    /// The new files, on generated rows.
    OnGeneratedRows,
    /// A round trip: back, and there again.
    RoundTrip,
}

/// What was seen.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Symptoms {
    /// Somebody reached rows, or ran into an error, at least once.
    Access(Vec<Reached>),
    /// Something was there before a migration and is not, or not the same, after it.
    Loss {
        /// The migration.
        migration: MigrationName,
        /// What is not there.
        loss: Loss,
    },
    /// A preserve pair does not hold.
    Pair {
        /// The migration.
        migration: MigrationName,
        /// The sentence of the pair.
        name: String,
        /// How many rows only `before` has.
        lost: u64,
        /// How many rows only `after` has.
        appeared: u64,
    },
    /// A recorded call is answered differently.
    Answer {
        /// The migration.
        migration: MigrationName,
        /// What the call is named.
        name: String,
        /// How many rows of its answer differ.
        differing: usize,
    },
    /// Somebody sees more after a migration than before.
    Widening {
        /// The migration.
        migration: MigrationName,
        /// Who does.
        readers: Vec<String>,
        /// How many values the first of them sees.
        values: usize,
    },
    /// A migration cannot be applied where a table has a row.
    FailsOnRows {
        /// The migration.
        migration: MigrationName,
    },
    /// A migration does something else under other circumstances.
    NotRepeatable {
        /// The migration.
        migration: MigrationName,
        /// What it does otherwise.
        difference: Difference,
    },
    /// A step of a round trip leaves something otherwise than it was.
    RoundTrip {
        /// The step.
        step: Leg,
        /// Whether a statement failed, so that there was nothing to compare.
        has_failed: bool,
    },
    /// Nothing has settled whose the rows are.
    Unknown {
        /// The policies that relate them to who is asking.
        policies: Vec<String>,
        /// The columns that could hold who it is.
        columns: Vec<String>,
        /// Whose rows a view shows past their policies, without what would tell them apart.
        shows: Vec<QualifiedName>,
        /// Further relations whose rows belong to these, or show them.
        more: Vec<QualifiedName>,
    },
    /// Nobody went a way that a policy leaves open.
    Untried {
        /// The policy.
        policy: String,
        /// What no row met, whoever asked.
        condition: String,
        /// Further relations with a policy that asks for it.
        more: Vec<QualifiedName>,
    },
    /// Somebody sees rows of others once they have added a row.
    Opened {
        /// Who does.
        actor: String,
        /// Whose rows are seen then.
        relations: Vec<QualifiedName>,
        /// How many of them.
        rows: usize,
    },
    /// Some owners have no row, so that nothing was tried.
    Unseeded {
        /// The owners, as the world names them.
        owners: Vec<String>,
        /// What refused the rows.
        reason: String,
        /// Further relations in which the same refused them.
        more: Vec<QualifiedName>,
    },
    /// What one sentence tells in full.
    Stated(String),
}

/// What somebody tried, on whose rows, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Reached {
    /// The actor's name.
    pub actor: String,
    /// What was tried.
    pub command: Command,
    /// On whose rows.
    pub class: RowClass,
    /// What came of it.
    #[serde(flatten)]
    pub verdict: Verdict,
}

impl Reached {
    /// What a cell says.
    pub(crate) fn of(cell: &Cell) -> Self {
        let Cell { actor, command, class, verdict, .. } = cell;
        let (actor, verdict) = (actor.clone(), verdict.clone());
        Self { actor, command: *command, class: *class, verdict }
    }
}
