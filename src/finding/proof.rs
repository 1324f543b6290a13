//! What shows that a finding is so, as values; `report` puts them into lines.

use crate::matrix::cell::Cell;
use crate::preserve::outcome::{AnswerDifference, LineDifference};

/// What shows that it is so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// A statement as somebody, and the first row that it reached.
    Attempt {
        /// The actor's name.
        actor: String,
        /// The very statement.
        statement: String,
        /// The row.
        row: Option<String>,
    },
    /// What somebody does first, so that the second can be tried as somebody who is more.
    Escalation {
        /// The actor's name.
        actor: String,
        /// The very statement.
        statement: String,
        /// What is tried then.
        then: Box<Proof>,
    },
    /// A value that somebody sees now.
    Seen {
        /// Who sees it.
        reader: String,
        /// The very statement.
        statement: String,
        /// The value.
        value: String,
        /// Who saw it before.
        audience: Vec<String>,
    },
    /// Rows that something happened to, by their keys.
    Rows(Vec<String>),
    /// Rows that one side of a pair has and the other lacks.
    Sides {
        /// Those that only `before` has.
        lost: LineDifference,
        /// Those that only `after` has.
        appeared: LineDifference,
    },
    /// The first rows of an answer that differ, and how many do.
    Answers {
        /// The first of them.
        first: Vec<AnswerDifference>,
        /// How many there are.
        differing: usize,
    },
    /// What the server, or a comparison, says, line by line.
    Lines(Vec<String>),
}

impl Proof {
    /// The same after what had to be done first in another.
    pub(crate) fn after(self, other: Option<&Self>) -> Self {
        match other {
            Some(Self::Escalation { actor, statement, .. }) => {
                let (actor, statement) = (actor.clone(), statement.clone());
                Self::Escalation { actor, statement, then: Box::new(self) }
            }
            _ => self,
        }
    }

    /// What shows that a cell is so.
    pub(crate) fn of(cell: &Cell) -> Option<Self> {
        let evidence = cell.evidence.as_ref()?;
        Some(Self::Attempt {
            actor: cell.actor.clone(),
            statement: evidence.statement.clone(),
            row: evidence.row.clone(),
        })
    }
}
