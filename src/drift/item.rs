//! A schema as it is compared: things of some kind, each with its parts and the statements that make it. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::drift::value::Kind;
use crate::names::{Oid, QualifiedName};

/// How a thing is known on both sides: its kind and key.
pub(crate) type Id = (Kind, String);

/// Where the server keeps a thing: catalog, oid, column.
pub(crate) type Address = (Oid, Oid, i32);

/// Privileges by name, and whether they may be passed on.
pub(crate) type Privileges = BTreeMap<String, bool>;

/// All that is compared of one database.
#[derive(Debug, Default)]
pub(crate) struct Schema {
    pub items: BTreeMap<Id, Item>,
    pub default_privileges: BTreeMap<DefaultKey, BTreeMap<String, DefaultState>>,
    pub roles: BTreeSet<String>,
    parents: BTreeMap<Id, Id>,
    children: BTreeMap<Id, Vec<Id>>,
    /// As `server_version_num` gives it.
    pub version: i32,
}

/// One thing.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Item {
    pub kind: Kind,
    pub key: String,
    pub schema: String,
    pub name: String,
    /// What it goes with: kind and key.
    pub parent: Option<String>,
    /// Whether what makes the parent makes this as well.
    #[serde(default)]
    pub is_in_parent: bool,
    pub class: Oid,
    pub oid: Oid,
    pub sub: i32,
    pub create: Option<String>,
    pub drop: String,
    /// As statements name it: `table public.notes`.
    pub phrase: Option<String>,
    /// The role, unquoted; none where it is not compared.
    #[serde(default)]
    pub owner: Option<String>,
    #[serde(default)]
    pub holds_rows: bool,
    #[serde(default)]
    pub own_name: Option<String>,
    /// What gives it another name, but for that name.
    #[serde(default)]
    pub rename: Option<String>,
    /// Those of an enum.
    #[serde(default)]
    pub labels: Option<Vec<String>>,
    pub parts: Vec<Part>,
    #[serde(skip)]
    pub needs: BTreeSet<Id>,
    /// What its body seems to name.
    #[serde(skip)]
    pub mentions: BTreeSet<Id>,
    /// By grantee; the owner is empty.
    #[serde(skip)]
    pub grants: BTreeMap<String, Privileges>,
}

/// A part of a thing that can be other.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Part {
    pub name: String,
    pub value: Option<String>,
    /// What makes it so.
    #[serde(default)]
    pub set: Option<String>,
    /// What takes it away.
    #[serde(default)]
    pub clear: Option<String>,
    /// What makes it so where it was something else, if that is not as [`Self::set`].
    #[serde(default)]
    pub change: Option<String>,
    /// Whether it is to be set when the thing has been made.
    #[serde(default)]
    pub is_after: bool,
    /// Whether the one that was goes before this is set.
    #[serde(default)]
    pub is_cleared_first: bool,
    /// The part that is set with it.
    #[serde(default)]
    pub covers: Option<String>,
    /// Whether views, policies and triggers must stand aside.
    #[serde(default)]
    pub disturbs: bool,
    /// Whether it is somebody's own text, and not what the server has made of one.
    #[serde(default)]
    pub is_verbatim: bool,
    /// Whether values may not fit.
    #[serde(default)]
    pub narrows: bool,
}

/// Whose default privileges: role, schema, kind of objects, grantee, each quoted.
pub(crate) type DefaultKey = (String, Option<String>, String, String);

/// What default privileges say of one privilege.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DefaultState {
    Granted { is_grantable: bool },
    Revoked,
}

impl Item {
    pub(crate) fn id(&self) -> Id {
        (self.kind, self.key.clone())
    }

    pub(crate) fn address(&self) -> Address {
        (self.class, self.oid, self.sub)
    }

    /// How sentences name it.
    pub(crate) fn title(&self) -> String {
        self.phrase.clone().unwrap_or_else(|| format!("{} {}", self.kind.word(), self.key))
    }

    /// The relation, routine or type that it belongs to.
    pub(crate) fn relation(&self) -> Option<QualifiedName> {
        let has_both = !self.schema.is_empty() && !self.name.is_empty();
        has_both.then(|| QualifiedName::new(&self.schema, &self.name))
    }

    pub(crate) fn part(&self, name: &str) -> Option<&Part> {
        self.parts.iter().find(|part| part.name == name)
    }
}

impl Schema {
    /// Finds out what goes with what, once all things are there.
    pub(crate) fn link(&mut self) {
        let parents = self.items.iter().filter_map(|(id, item)| {
            let parent = parent_id(item.parent.as_deref()?)?;
            self.items.contains_key(&parent).then_some((id.clone(), parent))
        });
        self.parents = parents.collect();
        for (id, parent) in &self.parents {
            self.children.entry(parent.clone()).or_default().push(id.clone());
        }
    }

    /// What a thing goes with, if that is compared.
    pub(crate) fn parent(&self, id: &Id) -> Option<&Id> {
        self.parents.get(id)
    }

    /// What a thing goes with, what that goes with, and so on; a schema lets go of what is in it.
    pub(crate) fn ancestors<'a>(&'a self, id: &'a Id) -> impl Iterator<Item = &'a Id> {
        let next = |id: &&'a Id| self.parent(id).filter(|parent| parent.0 != Kind::Schema);
        std::iter::successors(self.parent(id).filter(|parent| parent.0 != Kind::Schema), next)
    }

    /// What belongs to a thing, at any depth.
    pub(crate) fn children(&self, id: &Id) -> Vec<&Item> {
        let mut all = Vec::new();
        if id.0 == Kind::Schema {
            return all;
        }
        for child in self.children.get(id).into_iter().flatten() {
            all.extend(self.items.get(child));
            all.extend(self.children(child));
        }
        all
    }
}

/// Kind and key of a parent.
fn parent_id(parent: &str) -> Option<Id> {
    PARENTS.iter().find_map(|kind| {
        let key = parent.strip_prefix(kind.word())?.strip_prefix(' ')?;
        Some((*kind, key.to_owned()))
    })
}

/// What others go with.
const PARENTS: [Kind; 7] = [
    Kind::Schema,
    Kind::Type,
    Kind::Table,
    Kind::Column,
    Kind::View,
    Kind::MaterializedView,
    Kind::Publication,
];

impl Kind {
    /// As reports name it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Role => "role",
            Self::Schema => "schema",
            Self::Extension => "extension",
            Self::Type => "type",
            Self::Sequence => "sequence",
            Self::Table => "table",
            Self::RowSecurity => "row level security",
            Self::Column => "column",
            Self::Constraint => "constraint",
            Self::Index => "index",
            Self::Statistics => "statistics",
            Self::View => "view",
            Self::MaterializedView => "materialized view",
            Self::Rule => "rule",
            Self::Function => "function",
            Self::Procedure => "procedure",
            Self::Aggregate => "aggregate",
            Self::Trigger => "trigger",
            Self::EventTrigger => "event trigger",
            Self::Policy => "policy",
            Self::Publication => "publication",
            Self::PublishedTable => "published table",
            Self::Owner => "owner",
            Self::Comment => "comment",
            Self::Privileges => "privileges",
            Self::DefaultPrivileges => "default privileges",
        }
    }
}
