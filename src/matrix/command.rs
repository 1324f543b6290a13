//! What an actor tries on a relation.

use serde::{Deserialize, Serialize};

/// What an actor tries on a relation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", try_from = "String")]
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

    /// The name in `leakproof.toml` and in JSON, such as `blind-delete`.
    pub(crate) fn key(self) -> String {
        self.name().replace(' ', "-")
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

/// By its name, with blanks or hyphens.
impl TryFrom<String> for Command {
    type Error = String;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        let key = name.replace(' ', "-");
        Self::ALL.into_iter().find(|command| command.key() == key).ok_or_else(|| {
            let known = Self::ALL.map(Self::key).join(", ");
            format!("there is no command `{name}`; the known ones are {known}")
        })
    }
}
