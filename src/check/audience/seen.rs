//! What readers see of relations: the texts by which their rows are recognised.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use serde::Deserialize;

use crate::actor::Actor;
use crate::check::audience::value_tokens::{each_value_token, token_id};
use crate::error::Result;
use crate::refusal::Refusal;
use crate::session::failed::failing;
use crate::session::open::Session;
use crate::session::outcome::TextRow;
use crate::sql::quote::{identifier, qualified};
use crate::world::rows::PLACE;

/// What could not be done where a question of ours fails.
pub(super) const ATTEMPT: &str = "ask who sees what after a migration";

/// How long a statement of a reader may take.
const LIMIT: Duration = Duration::from_secs(10);

/// One relation as one role may read it.
#[derive(Deserialize)]
pub(super) struct Readable {
    pub role: String,
    pub relation: i64,
    pub schema: String,
    pub name: String,
    /// Whether its rows have a place, and the role may read all of each.
    is_placed: bool,
    /// Whether everybody of a role sees the same.
    pub is_open: bool,
    columns: Vec<String>,
}

impl Readable {
    pub fn statement(&self) -> String {
        let columns: Vec<String> = self.columns.iter().map(|name| identifier(name)).collect();
        format!("select {} from {}", columns.join(", "), self.sql_name())
    }

    fn sql_name(&self) -> String {
        qualified(&self.schema, &self.name)
    }

    /// Its rows as somebody sees them, whole, each after a number.
    fn whole(&self, at: usize) -> String {
        format!("select {at}, pg_catalog.row_to_json(q)::text from ({}) as q", self.statement())
    }

    /// Their places, which say as much where it is known what is there.
    fn places(&self, at: usize) -> String {
        format!("select {at}, {PLACE} from {} as r", self.sql_name())
    }
}

/// The ids of the texts of rows, each once; see [`token_id`].
pub(super) type Tokens = Vec<u64>;

/// What is stored, whoever sees it.
pub(super) struct Stored {
    /// Of each relation that could be read, the texts of each row that has a place.
    rows: HashMap<i64, HashMap<String, Tokens>>,
    /// The texts that are in only one row of some relation.
    telling: HashSet<u64>,
}

impl Stored {
    pub fn read(session: &mut Session, readable: &[Readable]) -> Result<Self> {
        let mut relations: BTreeMap<i64, &Readable> = BTreeMap::new();
        for one in readable {
            let known = relations.entry(one.relation).or_insert(one);
            if one.is_placed {
                *known = one;
            }
        }
        let mut stored = Self { rows: HashMap::new(), telling: HashSet::new() };
        for relation in relations.values() {
            let place = if relation.is_placed { PLACE } else { "''" };
            let query = format!(
                "select {place} || E'\\n' || pg_catalog.row_to_json(r)::text from {} as r",
                relation.sql_name()
            );
            // A view of its own may raise for us; then others do not tell by it.
            let Ok(found) = session.tolerate(|session| texts(session, &query))? else { continue };
            stored.add(relation, found);
        }
        Ok(stored)
    }

    fn add(&mut self, relation: &Readable, found: Vec<String>) {
        let mut counts: HashMap<u64, usize> = HashMap::new();
        let mut rows = HashMap::new();
        for row in found {
            let (place, json) = row.split_once('\n').unwrap_or(("", &row));
            let tokens = tokens_in(json);
            for id in &tokens {
                *counts.entry(*id).or_default() += 1;
            }
            if relation.is_placed {
                rows.insert(place.to_owned(), tokens);
            }
        }
        self.telling.extend(counts.into_iter().filter(|(_, rows)| *rows == 1).map(|(id, _)| id));
        if relation.is_placed {
            self.rows.insert(relation.relation, rows);
        }
    }

    pub fn is_telling(&self, id: u64) -> bool {
        self.telling.contains(&id)
    }

    /// What is in each place of a relation; none where places would not say what a reader sees.
    fn by_place(&self, relation: &Readable) -> Option<&HashMap<String, Tokens>> {
        self.rows.get(&relation.relation).filter(|_| relation.is_placed)
    }

    /// The texts of what a reader sees of each relation, or why it could not be read: all at once, or one
    /// by one where one fails.
    pub fn seen_by<'r>(
        &self,
        session: &mut Session,
        reader: &Actor,
        relations: &[&'r Readable],
    ) -> Result<Vec<(&'r Readable, Result<Tokens, Refusal>)>> {
        let statements =
            relations.iter().enumerate().map(|(at, relation)| match self.by_place(relation) {
                Some(_) => relation.places(at),
                None => relation.whole(at),
            });
        let statements: Vec<String> = statements.collect();
        if let Ok(found) = ask_as(session, reader, &statements.join("; "))?
            && let Some(tokens) = self.tokens_of(&found, relations)
        {
            return Ok(relations.iter().copied().zip(tokens.into_iter().map(Ok)).collect());
        }
        let mut answers = Vec::new();
        for relation in relations {
            let answer = ask_as(session, reader, &relation.whole(0))?;
            answers.push((*relation, answer.map(|found| tokens_in_all(&found))));
        }
        Ok(answers)
    }

    /// None where a row has come that was not there before anybody asked: a policy may write.
    fn tokens_of(&self, found: &[TextRow], relations: &[&Readable]) -> Option<Vec<Tokens>> {
        let mut rows: Vec<Vec<&str>> = vec![Vec::new(); relations.len()];
        for row in found {
            let [Some(at), Some(text)] = row.as_slice() else { continue };
            rows.get_mut(at.parse::<usize>().ok()?)?.push(text);
        }
        let tokens = relations.iter().zip(rows).map(|(relation, rows)| {
            let Some(known) = self.by_place(relation) else {
                return Some(distinct(rows.into_iter().flat_map(tokens_in)));
            };
            let tokens: Option<Vec<&Tokens>> = rows.iter().map(|place| known.get(*place)).collect();
            Some(distinct(tokens?.into_iter().flatten().copied()))
        });
        tokens.collect()
    }
}

/// The text with this id, as a reader sees it in a relation; empty where he does not see it a second time.
pub(super) fn text_of(
    session: &mut Session,
    reader: &Actor,
    relation: &Readable,
    id: u64,
) -> Result<String> {
    let mut text = None;
    for row in ask_as(session, reader, &relation.whole(0))?.unwrap_or_default() {
        let Some(Some(line)) = row.get(1) else { continue };
        each_value_token(line, &mut |token| {
            if token_id(token) == id {
                text.get_or_insert_with(|| token.to_owned());
            }
        });
    }
    Ok(text.unwrap_or_default())
}

/// The texts of rows that each come after a number.
fn tokens_in_all(found: &[TextRow]) -> Tokens {
    let rows = found.iter().filter_map(|row| row.get(1)?.as_deref());
    distinct(rows.flat_map(tokens_in))
}

fn tokens_in(json: &str) -> Tokens {
    let mut tokens = Tokens::new();
    each_value_token(json, &mut |token| tokens.push(token_id(token)));
    distinct(tokens.into_iter())
}

fn distinct(ids: impl Iterator<Item = u64>) -> Tokens {
    let mut known = HashSet::new();
    ids.filter(|id| known.insert(*id)).collect()
}

/// Asks as a reader; gives the rows, or what the server says to it.
fn ask_as(
    session: &mut Session,
    reader: &Actor,
    sql: &str,
) -> Result<Result<Vec<TextRow>, Refusal>> {
    session.tolerate(|session| {
        session.as_actor(reader.impersonation(), Some(LIMIT), |session| {
            session.rows(sql).map_err(failing(ATTEMPT))
        })
    })
}

/// Asks as who sees all rows for the texts of one column.
pub(super) fn texts(session: &mut Session, query: &str) -> Result<Vec<String>> {
    session.texts_as_auditor(query).map_err(failing(ATTEMPT))
}
