//! Every row of a relation as the superuser sees it: how to name it, and whose it is.

use std::collections::{BTreeMap, BTreeSet};

use postgres::Client;
use serde::Serialize;

use super::World;
use super::seed::equals;
use crate::actor::{Actor, TENANTS};
use crate::catalog::Relation;
use crate::error::{Error, Result};
use crate::session;
use crate::statement::{identifier, literal};

/// Whose row it is, seen by an actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RowClass {
    /// The actor's own.
    Own,
    /// Of the same tenant, but another user's or nobody's in particular.
    Tenant,
    /// Of another tenant, or of another user where there are no tenants.
    Other,
    /// Of nobody: the relation has no owners.
    Shared,
    /// The relation has owners, and this row's owner is NULL.
    Null,
    /// Not a row but the relation as a whole (truncate).
    Whole,
}

/// Keys of a row's owners, as text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct RowOwner {
    pub tenant: Option<String>,
    pub user: Option<String>,
}

/// A row that is there before any probe.
#[derive(Debug, Clone)]
pub(crate) struct KnownRow {
    /// Its key as text, or its place, or its whole text: unique within the relation.
    pub identity: Vec<Option<String>>,
    /// Where it is; none in a view.
    pub place: Option<String>,
    pub owner: RowOwner,
    /// The values of the columns that decide whose it is.
    pub owner_values: Vec<Option<String>>,
}

/// How the rows of a relation are told apart.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Identity {
    /// By the columns of a key.
    Key(Vec<String>),
    /// A table without a key: by `ctid`.
    Place,
    /// A view without a key: by the whole row's text.
    Text,
}

impl Identity {
    pub(crate) fn of(relation: &Relation) -> Self {
        match relation.key() {
            Some(key) => Self::Key(key.to_vec()),
            None if relation.is_table() => Self::Place,
            None => Self::Text,
        }
    }

    /// The select list that gives it, over `r`.
    pub(crate) fn select_list(&self) -> String {
        match self {
            Self::Key(key) => {
                let columns: Vec<_> =
                    key.iter().map(|name| format!("r.{}::text", identifier(name))).collect();
                columns.join(", ")
            }
            Self::Place => "r.tableoid::text, r.ctid::text".into(),
            Self::Text => "r::text".into(),
        }
    }

    /// A condition that names these rows; `None` where rows cannot be named.
    pub(crate) fn condition(&self, rows: &[&KnownRow]) -> Option<String> {
        match self {
            Self::Key(key) => {
                if let [name] = key.as_slice() {
                    let values: Vec<_> =
                        rows.iter().filter_map(|r| r.identity[0].as_deref()).map(literal).collect();
                    return Some(match values.as_slice() {
                        [value] => format!("{} = {value}", identifier(name)),
                        values => format!("{} in ({})", identifier(name), values.join(", ")),
                    });
                }
                let each = rows.iter().map(|row| {
                    let parts: Vec<_> = key
                        .iter()
                        .zip(&row.identity)
                        .map(|(n, v)| equals(n, v.as_deref()))
                        .collect();
                    parts.join(" and ")
                });
                let each: Vec<String> = each.collect();
                Some(match each.as_slice() {
                    [one] => one.clone(),
                    many => format!("({})", many.join(") or (")),
                })
            }
            Self::Place => {
                let each: Vec<_> =
                    rows.iter().map(|row| equals("ctid", row.identity[1].as_deref())).collect();
                Some(each.join(" or "))
            }
            Self::Text => None,
        }
    }
}

/// The rows of a relation, and how they came to be seen.
#[derive(Default)]
pub(crate) struct Reading {
    pub rows: Vec<KnownRow>,
    /// Statements after which, together, all rows are shown to us: for a view that looks at who
    /// asks they say that somebody else does. The empty one is ourselves, asking for nobody.
    pub guises: Vec<String>,
    /// Why nothing could be read.
    pub failure: Option<String>,
}

/// Reads all rows with their identities, places and owners, as ourselves. A view is read in the
/// name of everybody, too: it may show nobody what it shows somebody.
pub(crate) fn read_rows(
    client: &mut Client,
    world: &World,
    relation: &Relation,
) -> Result<Reading> {
    if !relation.is_view() {
        let rows =
            read_once(client, world, relation).map_err(|cause| unreadable(relation, cause))?;
        return Ok(Reading { rows, guises: vec![String::new()], failure: None });
    }
    let mut reading = Reading::default();
    let guises = world.actors.iter().map(Actor::claim_sql);
    for guise in std::iter::once(String::new()).chain(guises) {
        // Without a key rows that differ in what they say of the asker are not told apart.
        let is_told_apart = Identity::of(relation) != Identity::Text;
        if !reading.rows.is_empty() && !is_told_apart {
            break;
        }
        let become_guise = format!("savepoint guise; {guise}");
        session::rows(client, &become_guise).map_err(|cause| unreadable(relation, cause))?;
        let read = read_once(client, world, relation);
        session::rows(client, "rollback to savepoint guise; release savepoint guise")
            .map_err(|cause| unreadable(relation, cause))?;
        match read {
            Ok(rows) => {
                let is_new = |row: &KnownRow| {
                    !reading.rows.iter().any(|known| known.identity == row.identity)
                };
                let more: Vec<KnownRow> = match is_told_apart {
                    true => rows.into_iter().filter(is_new).collect(),
                    false => rows,
                };
                if guise.is_empty() || !more.is_empty() {
                    reading.guises.push(guise);
                }
                reading.rows.extend(more);
            }
            Err(cause) if cause.as_db_error().is_some() => {
                reading.failure.get_or_insert(session::reason(&cause));
            }
            Err(cause) => return Err(unreadable(relation, cause)),
        }
    }
    Ok(reading)
}

fn unreadable(relation: &Relation, cause: postgres::Error) -> Error {
    session::internal(&format!("read the rows of {}", relation.title()), &cause)
}

fn read_once(
    client: &mut Client,
    world: &World,
    relation: &Relation,
) -> Result<Vec<KnownRow>, postgres::Error> {
    let identity = Identity::of(relation);
    let owner_columns = world.tenancy.owner_columns(relation.oid);
    let query = world.tenancy.owners_query(&world.catalog, relation, &owner_columns);
    let width = owner_columns.len();
    let (place, age) = if relation.is_view() { ("null", "null") } else { (PLACE, AGE) };
    let list = format!("select {age}, {}, {place}, ", identity.select_list());
    let sql = query.replacen("select ", &list, 1);
    let text =
        format!("select {}, r::text from {} as r", identity.select_list(), relation.sql_name());
    let has_owners = {
        let ownership = world.tenancy.ownership(relation.oid);
        ownership.tenant.is_some() || ownership.user.is_some()
    };
    // What names no owner still shows whose data it is made of: a view, or a table that a trigger
    // copies to.
    let texts: BTreeMap<_, _> = if !has_owners || relation.is_view() {
        let rows = session::rows(client, &text)?.into_iter();
        rows.filter_map(|mut row| row.pop().map(|text| (row, text.unwrap_or_default()))).collect()
    } else {
        BTreeMap::new()
    };
    let rows = session::rows(client, &sql)?.into_iter().map(|mut row| {
        let age = row.remove(0).and_then(|age| age.parse::<i64>().ok());
        let user = row.pop().flatten();
        let tenant = row.pop().flatten();
        let owner_values = row.split_off(row.len() - width);
        let place = row.pop().flatten();
        let owner = match texts.get(&row) {
            // A view may say that a row is the asker's, whoever wrote it.
            Some(text) if has_owners => world.names.corrected(RowOwner { tenant, user }, text),
            Some(text) => world.names.owner_in(text),
            None => RowOwner { tenant, user },
        };
        (age, KnownRow { identity: row, place, owner, owner_values })
    });
    let mut rows: Vec<(Option<i64>, KnownRow)> = rows.collect();
    // Where rows lie depends on what was taken back before, and on when the server tidied up. Keys
    // may be random, but not those of old rows.
    rows.sort_by(|(age, one), (other_age, other)| {
        other_age.cmp(age).then_with(|| one.identity.cmp(&other.identity))
    });
    Ok(rows.into_iter().map(|(_, row)| row).collect())
}

/// Where a row of a table is; writing it moves it.
pub(crate) const PLACE: &str = "r.tableoid::text || r.ctid::text";

/// How long ago a row of a table was written, in transactions.
const AGE: &str = "pg_catalog.age(r.xmin)::text";

/// The world's owners by key and by token.
#[derive(Debug, Default)]
pub(crate) struct OwnerNames {
    tenants: BTreeMap<String, String>,
    users: BTreeMap<String, String>,
    /// The names of the world's tenants that a user is a member of, by his key.
    tenants_of: BTreeMap<String, Vec<String>>,
    /// Who is a member of tenants that are not the world's, by the keys of user and tenant: a trigger
    /// may give everybody who signs up a tenant of his own.
    pub(super) joined: BTreeSet<(String, String)>,
}

impl OwnerNames {
    pub(super) fn of(world: &World) -> Result<Self> {
        let mut tenants = BTreeMap::new();
        if world.tenancy.tenant.is_some() {
            for name in TENANTS {
                tenants.insert(world.tenant_key(name)?, name.to_owned());
            }
        }
        let people = world.actors.iter();
        let users = people.filter_map(|a| a.user().map(|user| (user.into(), a.name().into())));
        let people = world.actors.iter();
        let tenants_of =
            people.filter_map(|a| Some((a.user()?.to_owned(), a.member_of().to_vec())));
        Ok(Self {
            tenants,
            users: users.collect(),
            tenants_of: tenants_of.collect(),
            joined: BTreeSet::new(),
        })
    }

    /// Who became a member of what while the world was seeded, as `joined` has it.
    pub(super) fn read_joined(
        &self,
        client: &mut Client,
        world: &World,
    ) -> Result<BTreeSet<(String, String)>> {
        let members = world.tenancy.members.as_ref();
        let table = members.and_then(|members| world.catalog.relation(members.relation));
        let Some((members, table)) = members.zip(table) else { return Ok(BTreeSet::new()) };
        let sql = format!(
            "select {}::text, {}::text from {}",
            identifier(&members.config.user),
            identifier(&members.config.tenant),
            table.sql_name()
        );
        let rows = session::rows(client, &sql).map_err(|cause| unreadable(table, cause))?;
        let pairs = rows.into_iter().filter_map(|row| match <[_; 2]>::try_from(row) {
            Ok([Some(user), Some(tenant)]) => Some((user, tenant)),
            _ => None,
        });
        let is_unplanned = |(user, tenant): &(String, String)| {
            self.users.contains_key(user) && !self.tenants.contains_key(tenant)
        };
        Ok(pairs.filter(is_unplanned).collect())
    }

    /// The tenants, by key, that all users of the world are members of, whatever it wanted.
    pub(crate) fn common_tenants(&self) -> Vec<&str> {
        let tenants: BTreeSet<&str> = self.joined.iter().map(|(_, tenant)| &**tenant).collect();
        let has_all = |tenant: &&str| {
            self.users.keys().all(|user| self.joined.contains(&(user.clone(), tenant.to_string())))
        };
        tenants.into_iter().filter(has_all).collect()
    }

    /// `bob in B`, or what is known of it.
    pub(crate) fn describe(&self, owner: &RowOwner) -> String {
        let name = |key: &Option<String>, names: &BTreeMap<String, String>, what: &str| {
            key.as_ref()
                .map(|key| names.get(key).cloned().unwrap_or_else(|| format!("another {what}")))
        };
        match (name(&owner.user, &self.users, "user"), name(&owner.tenant, &self.tenants, "tenant"))
        {
            (Some(user), Some(tenant)) => format!("of {user} in {tenant}"),
            (Some(user), None) => format!("of {user}"),
            (None, Some(tenant)) => format!("of tenant {tenant}"),
            (None, None) => "of nobody".into(),
        }
    }

    /// Whether a row of a user, and of no tenant, is of somebody in a tenant of the actor's.
    fn are_colleagues(&self, actor: &Actor, owner: &RowOwner) -> bool {
        let tenants = owner.user.as_ref().and_then(|user| self.tenants_of.get(user));
        tenants.is_some_and(|tenants| actor.member_of().iter().any(|name| tenants.contains(name)))
    }

    /// The class of a row in the eyes of an actor.
    pub(crate) fn class(&self, actor: &Actor, owner: &RowOwner, has_owners: bool) -> RowClass {
        let has_joined = actor
            .user()
            .zip(owner.tenant.as_ref())
            .is_some_and(|(user, tenant)| self.joined.contains(&(user.to_owned(), tenant.clone())));
        // Who has left one tenant has not left the others.
        let is_own = actor.user().is_some() && owner.user.as_deref() == actor.user();
        if is_own && !(has_joined && actor.left().is_some()) {
            return RowClass::Own;
        }
        match &owner.tenant {
            Some(key) => match self.tenants.get(key) {
                Some(name) if actor.member_of().contains(name) => RowClass::Tenant,
                None if has_joined => RowClass::Tenant,
                _ => RowClass::Other,
            },
            None if self.are_colleagues(actor, owner) => RowClass::Tenant,
            None if owner.user.is_some() => RowClass::Other,
            None if has_owners => RowClass::Null,
            None => RowClass::Shared,
        }
    }

    /// The owner a row says it has, unless its text has tokens and none of them is of that tenant,
    /// or of that user where there are no tenants: then the one who wrote it.
    fn corrected(&self, said: RowOwner, text: &str) -> RowOwner {
        let mut tokens: Vec<RowOwner> = Vec::new();
        let owner = |tenant: Option<&String>, user: Option<&String>| RowOwner {
            tenant: tenant.cloned(),
            user: user.cloned(),
        };
        let has = |label: &str| text.contains(&super::values::token(label));
        for (tenant_key, tenant) in &self.tenants {
            for (user_key, user) in &self.users {
                if has(&format!("{tenant}/{user}")) {
                    tokens.push(owner(Some(tenant_key), Some(user_key)));
                }
            }
            if has(tenant) {
                tokens.push(owner(Some(tenant_key), None));
            }
        }
        if self.tenants.is_empty() {
            let users = self.users.iter().filter(|(_, user)| has(user));
            tokens.extend(users.map(|(key, _)| owner(None, Some(key))));
        }
        let is_said = |token: &RowOwner| match self.tenants.is_empty() {
            true => token.user == said.user,
            false => token.tenant == said.tenant,
        };
        match tokens.first() {
            Some(first) if !tokens.iter().any(is_said) => first.clone(),
            _ => said,
        }
    }

    /// The owner whose token, or else whose key, a text holds.
    pub(crate) fn owner_in(&self, text: &str) -> RowOwner {
        let mut owner = RowOwner::default();
        for (tenant_key, tenant) in &self.tenants {
            for (user_key, user) in &self.users {
                if text.contains(&super::values::token(&format!("{tenant}/{user}"))) {
                    let (tenant, user) = (Some(tenant_key.clone()), Some(user_key.clone()));
                    return RowOwner { tenant, user };
                }
            }
        }
        let holds = |key: &&String| text.contains(key.as_str());
        let has_token = |name: &String| text.contains(&super::values::token(name));
        let find = |names: &BTreeMap<String, String>| {
            let found = names.iter().find(|(key, name)| holds(key) || has_token(name));
            found.map(|(key, _)| key.clone())
        };
        owner.tenant = find(&self.tenants);
        owner.user = find(&self.users);
        owner
    }
}
