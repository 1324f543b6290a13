//! Reads what is compared of a database: each query is a `.sql` file in `sql/`.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::drift::family::is_routine;
use crate::drift::item::{Address, DefaultState, Id, Item, Part, Schema};
use crate::drift::value::Kind;
use crate::error::Result;
use crate::names::Oid;
use crate::platform::schemas::PLATFORM_SCHEMAS;
use crate::session::open::Session;
use crate::sql::quote::{fill, identifier, literal};

/// The queries for things.
const ITEMS: [&str; 11] = [
    include_str!("sql/others.sql"),
    include_str!("sql/types.sql"),
    include_str!("sql/sequences.sql"),
    include_str!("sql/tables.sql"),
    include_str!("sql/columns.sql"),
    include_str!("sql/constraints.sql"),
    include_str!("sql/indexes.sql"),
    include_str!("sql/views.sql"),
    include_str!("sql/triggers.sql"),
    include_str!("sql/policies.sql"),
    include_str!("sql/routines.sql"),
];

/// Extensions that Supabase has from the start, now or once.
const PREINSTALLED: [&str; 7] = [
    "pg_graphql",
    "pg_stat_statements",
    "pgcrypto",
    "pgjwt",
    "pgsodium",
    "supabase_vault",
    "uuid-ossp",
];

/// How a database is read.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    /// Who has run the files there.
    pub owner: String,
    /// The name of that role on the target.
    pub pusher: String,
    /// Whether the platform is Supabase's.
    pub is_supabase: bool,
    /// Whether it is a throwaway, on which superusers own what only they may make.
    pub is_throwaway: bool,
}

#[derive(Deserialize)]
struct RoleRow {
    name: String,
    is_superuser: bool,
}

#[derive(Deserialize)]
struct CommentRow {
    class: Oid,
    oid: Oid,
    sub: i32,
    description: String,
}

#[derive(Deserialize)]
struct GrantRow {
    class: Oid,
    oid: Oid,
    column: Option<String>,
    grantee: String,
    privilege: String,
    is_grantable: bool,
}

#[derive(Deserialize)]
struct DefaultRow {
    role: String,
    schema: Option<String>,
    objects: String,
    grantee: String,
    privilege: String,
    is_granted: bool,
    is_grantable: bool,
}

#[derive(Deserialize)]
struct NeedRow {
    class: Oid,
    oid: Oid,
    sub: i32,
    needed_class: Oid,
    needed_oid: Oid,
    needed_sub: i32,
}

#[derive(Deserialize)]
struct VersionRow {
    version: i32,
}

#[derive(Deserialize)]
struct SortRow {
    sort: String,
    count: usize,
}

/// What is there and not compared, with the number of each sort.
///
/// # Errors
/// A lost connection.
pub(crate) fn uncompared(session: &mut Session, reading: &Reading) -> Result<Vec<String>> {
    let rows = session.values(&reading.query(include_str!("sql/uncompared.sql")))?;
    Ok(rows.into_iter().map(|SortRow { sort, count }| format!("{sort} ({count})")).collect())
}

impl Schema {
    /// Reads all that is compared, whatever the session has set.
    ///
    /// # Errors
    /// A lost connection, or a server that is not as we know them.
    pub(crate) fn read(session: &mut Session, reading: &Reading) -> Result<Self> {
        session.undone(|session| {
            // An empty search path makes the server write every name in full.
            session.say("set local search_path = ''");
            session.say("set local client_min_messages = error");
            session.say("set local jit = off");
            let mut schema = Self::default();
            for query in ITEMS {
                let items: Vec<Item> = session.values(&reading.query(query))?;
                schema.items.extend(items.into_iter().map(|item| (item.id(), item)));
            }
            schema.complete(session, reading)?;
            Ok(schema)
        })
    }

    fn complete(&mut self, session: &mut Session, reading: &Reading) -> Result<()> {
        let places = self.items.iter().map(|(id, item)| (item.address(), id.clone()));
        let places: BTreeMap<Address, Id> = places.collect();
        let version = "select pg_catalog.current_setting('server_version_num')::int as version";
        let versions: Vec<VersionRow> = session.values(version)?;
        self.version = versions.first().map_or(0, |row| row.version);
        let roles: Vec<RoleRow> = session.values(&reading.query(include_str!("sql/roles.sql")))?;
        let is_apart = |name: &str| {
            let mut roles = roles.iter();
            reading.is_throwaway && roles.any(|role| role.name == name && role.is_superuser)
        };
        let comments = session.values(&reading.query(include_str!("sql/comments.sql")))?;
        for CommentRow { class, oid, sub, description } in comments {
            let id = places.get(&(class, oid, sub));
            let Some(item) = id.and_then(|id| self.items.get_mut(id)) else { continue };
            item.parts.extend(comment(item, description));
        }
        for item in self.items.values_mut() {
            item.owner = item.owner.take().filter(|owner| !is_apart(owner));
            item.parts.extend(ownership(item));
        }
        let grants = session.values(&reading.query(include_str!("sql/grants.sql")))?;
        for GrantRow { class, oid, column, grantee, privilege, is_grantable } in grants {
            let id = places.get(&(class, oid, 0));
            let Some(item) = id.and_then(|id| self.items.get_mut(id)) else { continue };
            let privilege = match column {
                Some(column) => format!("{privilege} ({column})"),
                None => privilege,
            };
            item.grants.entry(grantee).or_default().insert(privilege, is_grantable);
        }
        let rows = session.values(&reading.query(include_str!("sql/default_privileges.sql")))?;
        for row in rows {
            let DefaultRow { role, schema, objects, grantee, privilege, .. } = row;
            let state = match row.is_granted {
                true => DefaultState::Granted { is_grantable: row.is_grantable },
                false => DefaultState::Revoked,
            };
            let key = (role, schema, objects, grantee);
            self.default_privileges.entry(key).or_default().insert(privilege, state);
        }
        self.read_needs(session, reading, &places)?;
        self.roles = roles.into_iter().map(|role| role.name).collect();
        Ok(())
    }

    /// What a body names the server tells nobody: these are the routines whose names are in it.
    fn find_mentions(&mut self) {
        let mut named: BTreeMap<String, Vec<Id>> = BTreeMap::new();
        for (id, item) in self.items.iter().filter(|(id, _)| is_routine(id.0)) {
            named.entry(item.name.clone()).or_default().push(id.clone());
        }
        for (id, item) in self.items.iter_mut().filter(|(id, _)| is_routine(id.0)) {
            let body = item.part("body").filter(|part| part.is_verbatim);
            let Some(body) = body.and_then(|part| part.value.clone()) else { continue };
            let is_part = |c: char| c.is_alphanumeric() || c == '_';
            let words: BTreeSet<&str> = body.split(|c| !is_part(c)).collect();
            let others = words.into_iter().filter_map(|word| named.get(word)).flatten();
            item.mentions.extend(others.filter(|other| *other != id).cloned());
        }
    }

    fn read_needs(
        &mut self,
        session: &mut Session,
        reading: &Reading,
        places: &BTreeMap<Address, Id>,
    ) -> Result<()> {
        let at = |class, oid, sub| places.get(&(class, oid, sub)).or(places.get(&(class, oid, 0)));
        let needs = session.values(&reading.query(include_str!("sql/depends.sql")))?;
        for NeedRow { class, oid, sub, needed_class, needed_oid, needed_sub } in needs {
            let (one, needed) = (at(class, oid, sub), at(needed_class, needed_oid, needed_sub));
            let Some((one, needed)) = one.zip(needed).filter(|(one, needed)| one != needed) else {
                continue;
            };
            if let Some(item) = self.items.get_mut(one) {
                item.needs.insert(needed.clone());
            }
        }
        self.find_mentions();
        self.link();
        // The sequence of a column is there before it.
        let by_parent = self.items.keys().filter(|id| id.0 != Kind::Sequence);
        let by_parent = by_parent.filter_map(|id| Some((id.clone(), self.parent(id)?.clone())));
        for (id, parent) in by_parent.collect::<Vec<_>>() {
            if let Some(item) = self.items.get_mut(&id) {
                item.needs.insert(parent);
            }
        }
        Ok(())
    }
}

impl Reading {
    fn query(&self, sql: &str) -> String {
        let names = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| literal(name)).collect();
            format!("array[{}]::text[]", names.join(", "))
        };
        let of_platform = |all: &[&str]| if self.is_supabase { names(all) } else { names(&[]) };
        let values = [
            ("@owner@", literal(&self.owner)),
            ("@pusher@", literal(&self.pusher)),
            ("@platform@", of_platform(&PLATFORM_SCHEMAS)),
            ("@preinstalled@", of_platform(&PREINSTALLED)),
            ("@is_supabase@", self.is_supabase.to_string()),
        ];
        // One list of what is named ahead.
        let body = match sql.split_once("\nwith ") {
            Some((_, body)) => format!(", {body}"),
            None => sql.to_owned(),
        };
        fill(&format!("{}{body}", include_str!("sql/prelude.sql")), &values)
    }
}

fn comment(item: &Item, text: String) -> Option<Part> {
    let phrase = item.phrase.as_deref()?;
    Some(Part {
        set: Some(format!("comment on {phrase} is {}", literal(&text))),
        clear: Some(format!("comment on {phrase} is null")),
        ..Part::plain(COMMENT, Some(text))
    })
}

fn ownership(item: &Item) -> Option<Part> {
    let (phrase, owner) = item.phrase.as_deref().zip(item.owner.clone())?;
    // Whose it is, is the platform's affair.
    if (item.kind, item.key.as_str()) == (Kind::Schema, "public") {
        return None;
    }
    let set = format!("alter {phrase} owner to {}", identifier(&owner));
    Some(Part { set: Some(set), ..Part::plain(OWNER, Some(owner)) })
}

/// The names of parts that all sorts of things have.
pub(crate) const COMMENT: &str = "comment";
pub(crate) const OWNER: &str = "owner";

impl Part {
    fn plain(name: &str, value: Option<String>) -> Self {
        Self {
            name: name.to_owned(),
            value,
            set: None,
            clear: None,
            change: None,
            is_after: true,
            is_cleared_first: false,
            covers: None,
            disturbs: false,
            is_verbatim: true,
            narrows: false,
        }
    }
}
