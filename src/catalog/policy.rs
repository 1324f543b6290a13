//! Policies and the conditions of views, each as the server writes it and as a tree. Values only:
//! `policies.sql` and `views.sql` read them.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::names::{Oid, QualifiedName};
use crate::sql::expr::{Call, Expr, Name, Part, Select, Unread};
use crate::sql::scope::{Named, conditions_about, named_in_policy};
use crate::sql::statement::has_name;
use crate::sql::syntax::{read_expr, read_select};
use crate::sql::ways::{all_of, ways};

/// A policy of a table.
#[derive(Debug, Deserialize)]
pub(crate) struct Policy {
    pub oid: Oid,
    pub relation: Oid,
    /// The name of its table, which its trees use for the row that it judges.
    pub table: String,
    pub name: String,
    pub command: PolicyCommand,
    pub is_permissive: bool,
    /// Whom it is for; `public` is everybody.
    pub roles: Vec<String>,
    pub using: Option<Condition>,
    pub check: Option<Condition>,
}

/// What a policy is for, as `create policy ... for` says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PolicyCommand {
    /// Every command.
    All,
    /// Rows that are read, or that another command looks for.
    Select,
    /// Rows that come.
    Insert,
    /// Rows that are changed.
    Update,
    /// Rows that go.
    Delete,
}

/// Whether the policies of a relation are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RowSecurity {
    /// None is.
    Off,
    /// They are, but not of the owner.
    On,
    /// They are, of the owner as well.
    Forced,
}

/// What a policy asks of a row.
#[derive(Debug, Deserialize)]
#[serde(from = "String")]
pub(crate) struct Condition {
    pub text: String,
    pub tree: Result<Expr, Unread>,
}

impl From<String> for Condition {
    fn from(text: String) -> Self {
        let tree = read_expr(&text);
        Self { text, tree }
    }
}

impl Condition {
    /// Whether its text has a name in it.
    pub(crate) fn names(&self, name: &str) -> bool {
        has_name(&self.text, name)
    }
}

/// One way in which a condition can be true: all of its parts have to hold.
#[derive(Debug)]
pub(crate) struct Way {
    pub parts: Vec<Condition>,
}

impl Way {
    /// As one condition.
    pub(crate) fn text(&self) -> String {
        let parts: Vec<String> = self.parts.iter().map(|part| part.text.clone()).collect();
        all_of(&parts)
    }
}

impl Condition {
    /// The ways in which it can be true; itself where it could not be read.
    pub(crate) fn ways(&self) -> Vec<Way> {
        let ways = ways(&self.text).unwrap_or_else(|_| vec![vec![self.text.clone()]]);
        let way = |parts: Vec<String>| Way { parts: parts.into_iter().map(Self::from).collect() };
        ways.into_iter().map(way).collect()
    }

    /// The columns of the row that decide it alone: it reads nothing else and does not ask who is asking.
    pub(crate) fn own_columns(&self, table: &str) -> Option<BTreeSet<String>> {
        let tree = self.tree.as_ref().ok()?;
        let mut is_own = true;
        tree.walk(&mut |part| match part {
            Part::Select(_) => is_own = false,
            Part::Expr(Expr::Call(call)) => is_own &= !asks_who(call),
            Part::Expr(_) => {}
        });
        let named = named_in_policy(tree, table);
        (is_own && !named.is_whole && !named.columns.is_empty()).then_some(named.columns)
    }
}

/// Whether a function of the server's or of the platform's says who is asking.
fn asks_who(call: &Call) -> bool {
    let is_of_platform = call.name.qualifier() == Some("auth");
    is_of_platform || call.is_of_session() || call.name.last() == "current_setting"
}

impl Policy {
    /// What it asks of rows, and of rows as they are written.
    pub(crate) fn conditions(&self) -> impl Iterator<Item = &Condition> {
        self.using.iter().chain(&self.check)
    }

    /// The trees of its conditions, as far as they were read.
    pub(crate) fn trees(&self) -> impl Iterator<Item = &Expr> {
        self.conditions().filter_map(|condition| condition.tree.as_ref().ok())
    }

    /// Whether it is for a role.
    pub(crate) fn is_for(&self, role: &str) -> bool {
        self.roles.iter().any(|known| known == "public" || known == role)
    }

    /// Whether it is asked of rows that are inserted.
    pub(crate) fn is_for_insert(&self) -> bool {
        matches!(self.command, PolicyCommand::All | PolicyCommand::Insert)
    }

    /// Whether it is asked of rows that are updated.
    pub(crate) fn is_for_update(&self) -> bool {
        matches!(self.command, PolicyCommand::All | PolicyCommand::Update)
    }

    /// Whether it looks at more of a row than some columns: at others, or at the row as a whole. What
    /// cannot be read may look at anything.
    pub(crate) fn looks_beyond(&self, columns: &[String]) -> bool {
        self.conditions().any(|condition| {
            self.named_in(condition).is_none_or(|named| {
                named.is_whole || named.columns.iter().any(|named| !columns.contains(named))
            })
        })
    }

    /// Whether it looks at one of these columns, or at the row as a whole. What cannot be read may look at
    /// anything.
    pub(crate) fn looks_at(&self, columns: &[String]) -> bool {
        self.conditions().any(|condition| {
            self.named_in(condition).is_none_or(|named| {
                named.is_whole || columns.iter().any(|column| named.columns.contains(column))
            })
        })
    }

    fn named_in(&self, condition: &Condition) -> Option<Named> {
        let tree = condition.tree.as_ref().ok()?;
        Some(named_in_policy(tree, &self.table))
    }

    /// The parts of its conditions that name a column.
    pub(crate) fn parts_about(&self, column: &str) -> Vec<Deciding<'_>> {
        let mut parts = Vec::new();
        for condition in self.conditions() {
            match &condition.tree {
                Ok(tree) => {
                    let is_about =
                        |leaf: &&Expr| named_in_policy(leaf, &self.table).columns.contains(column);
                    parts.extend(tree.leaves().into_iter().filter(is_about).map(Deciding::Tree));
                }
                Err(_) if condition.names(column) => {
                    parts.push(Deciding::Text(&condition.text));
                }
                Err(_) => {}
            }
        }
        parts
    }
}

/// A condition, as a tree where it was read.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Deciding<'d> {
    Tree(&'d Expr),
    Text(&'d str),
}

/// A view, as far as it decides which rows it shows.
#[derive(Debug, Deserialize)]
pub(crate) struct View {
    pub view: Oid,
    pub definition: Definition,
}

/// The query of a view.
#[derive(Debug, Deserialize)]
#[serde(from = "String")]
pub(crate) struct Definition {
    pub text: String,
    pub tree: Result<Select, Unread>,
}

impl From<String> for Definition {
    fn from(text: String) -> Self {
        let tree = read_select(&text);
        Self { text, tree }
    }
}

impl View {
    /// The parts of its conditions that name a column of a relation that it reads. What it shows
    /// decides nothing.
    pub(crate) fn parts_about(&self, relation: &QualifiedName, column: &str) -> Vec<Deciding<'_>> {
        let definition = &self.definition;
        let tree = match &definition.tree {
            Ok(tree) => tree,
            Err(_) if has_name(&definition.text, column) => {
                return vec![Deciding::Text(&definition.text)];
            }
            Err(_) => return Vec::new(),
        };
        let is_it = |name: &Name| {
            let is_its_schema = name.qualifier().is_none_or(|schema| schema == relation.schema());
            name.last() == relation.name() && is_its_schema
        };
        conditions_about(tree, &is_it, column).into_iter().map(Deciding::Tree).collect()
    }
}
