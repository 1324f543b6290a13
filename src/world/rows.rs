//! Every row of a relation as the auditor sees it: how to name it, and whose it is.

use std::collections::BTreeMap;
use std::mem;

use crate::catalog::relation::Relation;
use crate::error::Result;
use crate::session::failed::{Failed, failing};
use crate::session::open::Session;
use crate::sql::quote::{equals, identifier, literal};
use crate::world::owner_names::RowOwner;
use crate::world::value::World;

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
    /// In whose names, together, all rows are shown to us: statements that say who asks, for a view
    /// that looks at it. The empty one is for nobody.
    pub claims: Vec<String>,
    /// Why nothing could be read.
    pub failure: Option<String>,
}

/// Reads all rows with their identities, places and owners, as the auditor. A view is read in the
/// name of everybody, too: it may show nobody what it shows somebody.
pub(crate) fn read_rows(
    session: &mut Session,
    world: &World,
    relation: &Relation,
) -> Result<Reading> {
    let attempt = format!("read the rows of {}", relation.title());
    let unreadable = failing(&attempt);
    if !relation.is_view() {
        let rows = read_once(session, world, relation, &[]).map_err(&unreadable)?;
        return Ok(Reading { rows, claims: vec![String::new()], failure: None });
    }
    let mut reading = Reading::default();
    let claims = world.actors.iter().filter_map(|actor| actor.impersonation().claims());
    let is_told_apart = Identity::of(relation) != Identity::Text;
    for claims in std::iter::once(String::new()).chain(claims) {
        // Without a key rows that differ in what they say of the asker are not told apart.
        if !reading.rows.is_empty() && !is_told_apart {
            break;
        }
        let read = session.tolerate(|session| {
            if !claims.is_empty() {
                session.say(claims.clone());
            }
            read_once(session, world, relation, &reading.rows).map_err(&unreadable)
        })?;
        match read {
            Ok(more) => {
                if claims.is_empty() || !more.is_empty() {
                    reading.claims.push(claims);
                }
                reading.rows.extend(more);
            }
            Err(refusal) => {
                reading.failure.get_or_insert(refusal.reason());
            }
        }
    }
    Ok(reading)
}

/// Reads the rows whose identity is not known yet.
fn read_once(
    session: &mut Session,
    world: &World,
    relation: &Relation,
    known: &[KnownRow],
) -> Result<Vec<KnownRow>, Failed> {
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
    let rows = session.as_auditor(&sql)?.into_iter().map(|mut row| {
        let age = row.remove(0).and_then(|age| age.parse::<i64>().ok());
        let user = row.pop().flatten();
        let tenant = row.pop().flatten();
        let owner_values = row.split_off(row.len() - width);
        let place = row.pop().flatten();
        let owner = RowOwner { tenant, user };
        (age, KnownRow { identity: row, place, owner, owner_values })
    });
    let is_new = |row: &KnownRow| !known.iter().any(|known| known.identity == row.identity);
    let mut rows: Vec<(Option<i64>, KnownRow)> = rows.filter(|(_, row)| is_new(row)).collect();
    // What names no owner still shows whose data it is made of: a view, or a table that a trigger
    // copies to.
    if !rows.is_empty() && (!has_owners || relation.is_view()) {
        let texts = session.as_auditor(&text)?.into_iter();
        let texts: BTreeMap<_, _> = texts
            .filter_map(|mut row| row.pop().map(|text| (row, text.unwrap_or_default())))
            .collect();
        for (_, row) in &mut rows {
            let Some(text) = texts.get(&row.identity) else { continue };
            // A view may say that a row is the asker's, whoever wrote it.
            row.owner = match has_owners {
                true => world.names.corrected(mem::take(&mut row.owner), text),
                false => world.names.owner_in(text),
            };
        }
    }
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
