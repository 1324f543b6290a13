//! What readers see of relations: the texts by which their rows are recognised.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use serde::Deserialize;

use crate::actor::Actor;
use crate::check::audience::value_tokens::SeenRow;
use crate::error::Result;
use crate::refusal::Refusal;
use crate::session::failed::failing;
use crate::session::open::Session;
use crate::session::outcome::{TextRow, read_json};
use crate::sql::quote::{hash, identifier, literal, qualified};
use crate::world::rows::PLACE;

/// What could not be done where a question of ours fails.
pub(super) const ATTEMPT: &str = "ask who sees what after a migration";

/// Of how many rows of a relation it is followed who sees them; of a larger one the same each time.
const MOST_ROWS: usize = 500;

/// Of rows that hold more than this together it is followed for fewer, but not for fewer than these.
const MOST_BYTES: usize = 1 << 20;
const FEWEST_ROWS: usize = 50;

/// Among how many rows of a reader one is looked for that is to be shown.
const MOST_SHOWN: usize = 20_000;

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
    /// The columns of its primary key.
    key: Vec<String>,
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
    fn whole(&self, at: usize, most: usize) -> String {
        format!(
            "(select {at}, pg_catalog.row_to_json(q)::text from ({}) as q limit {most})",
            self.statement()
        )
    }

    /// Their places, which say as much where it is known what is there.
    fn places(&self, at: usize, followed: Option<&[String]>) -> String {
        let condition = followed.map_or(String::new(), |ids| {
            format!(" where r.ctid = any({}::tid[])", literal(&format!("{{{}}}", ids.join(","))))
        });
        format!("select {at}, {PLACE} from {} as r{condition}", self.sql_name())
    }

    /// An expression for the key of a row as one text; NULL where it has none.
    fn key_text(&self, row: &str) -> String {
        let values = self.key.iter().map(|name| format!("{row}.{}::text", identifier(name)));
        match values.collect::<Vec<_>>().join(", ") {
            none if none.is_empty() => "null".into(),
            values => format!("pg_catalog.concat_ws(', ', {values})"),
        }
    }

    /// All of it, or as much as is followed: the place of each row, where it has one, its key, and the
    /// row itself.
    fn stored(&self) -> String {
        let place = if self.is_placed { PLACE } else { "''" };
        let key = self.key_text("r");
        let (name, most) = (self.sql_name(), MOST_ROWS + 1);
        // Which ones depends on what they are, and not on where.
        let order = match self.key.is_empty() {
            true => hash("r::text", "0"),
            false => hash(&key, "0"),
        };
        let chosen = match self.is_placed {
            false => format!("limit {most}"),
            true => format!(
                "where (r.tableoid, r.ctid) in (select r.tableoid, r.ctid from {name} as r \
                 order by {order} limit {most}) order by {order}"
            ),
        };
        format!(
            "select pg_catalog.row_to_json(s)::text from (select {place} as place, {key} as key, \
             pg_catalog.row_to_json(r)::text as json from {name} as r {chosen}) as s"
        )
    }
}

/// A row as it is stored.
#[derive(Deserialize)]
struct StoredRow {
    place: String,
    key: Option<String>,
    json: String,
}

/// The ids of the texts of rows, each once; see [`token_id`].
pub(super) type Tokens = Vec<u64>;

/// What is stored, whoever sees it.
pub(super) struct Stored {
    /// Of each relation that could be read, the texts of each row that has a place.
    rows: HashMap<i64, HashMap<String, Tokens>>,
    /// The relations of which not all rows are followed, by the places of those that are.
    partly: BTreeMap<i64, Vec<String>>,
    /// Of how many rows of a relation it is followed who sees them.
    most: HashMap<i64, usize>,
    /// As who sees all names those.
    partly_names: Vec<String>,
    /// The texts that are in only one row of some relation.
    telling: HashSet<u64>,
    /// The keys of users and tenants: they name owners, they are not what owners have.
    pub owners: HashSet<u64>,
}

impl Stored {
    pub fn read(
        session: &mut Session,
        readable: &[Readable],
        owners: HashSet<u64>,
    ) -> Result<Self> {
        let mut relations: BTreeMap<i64, &Readable> = BTreeMap::new();
        for one in readable {
            let known = relations.entry(one.relation).or_insert(one);
            if one.is_placed {
                *known = one;
            }
        }
        let mut stored = Self {
            rows: HashMap::new(),
            partly: BTreeMap::new(),
            most: HashMap::new(),
            partly_names: Vec::new(),
            telling: HashSet::new(),
            owners,
        };
        for relation in relations.values() {
            let query = relation.stored();
            // A view of its own may raise for us; then others do not tell by it.
            let Ok(found) = session.tolerate(|session| texts(session, &query))? else { continue };
            stored.add(relation, read_json(found)?);
        }
        Ok(stored)
    }

    fn add(&mut self, relation: &Readable, mut found: Vec<StoredRow>) {
        let bytes: usize = found.iter().map(|row| row.json.len()).sum();
        let of_so_many_bytes = (found.len() * MOST_BYTES).checked_div(bytes).unwrap_or(MOST_ROWS);
        let most = of_so_many_bytes.clamp(FEWEST_ROWS, MOST_ROWS);
        let is_partly = found.len() > most;
        found.truncate(most);
        self.most.insert(relation.relation, most);
        let mut counts: HashMap<u64, usize> = HashMap::new();
        let mut rows = HashMap::new();
        if is_partly {
            let place =
                |row: &StoredRow| row.place.split_once('(').map(|(_, at)| format!("\"({at}\""));
            self.partly.insert(relation.relation, found.iter().filter_map(place).collect());
            self.partly_names.push(relation.sql_name());
        }
        for row in found {
            let key = row.key.as_deref().filter(|_| relation.is_placed);
            let seen = SeenRow { relation: relation.relation, key, json: &row.json };
            let tokens = self.tokens_of_row(&seen);
            for id in &tokens {
                *counts.entry(*id).or_default() += 1;
            }
            if relation.is_placed {
                rows.insert(row.place, tokens);
            }
        }
        self.telling.extend(counts.into_iter().filter(|(_, rows)| *rows == 1).map(|(id, _)| id));
        if relation.is_placed {
            self.rows.insert(relation.relation, rows);
        }
    }

    fn most_of(&self, relation: &Readable) -> usize {
        self.most.get(&relation.relation).copied().unwrap_or(MOST_ROWS)
    }

    /// Whether only some of a relation's rows are followed.
    pub fn is_partly(&self, relation: &Readable) -> bool {
        self.partly.contains_key(&relation.relation)
    }

    /// Whether a text that is in one of the rows that are followed is in no other row either.
    pub fn is_rare(&self, session: &mut Session, text: &str) -> Result<bool> {
        let inside = serde_json::Value::from(text).to_string();
        let inside = literal(&inside[1..inside.len() - 1]);
        for name in &self.partly_names {
            let query = format!(
                "select 'x' from {name} as r \
                 where pg_catalog.strpos(pg_catalog.row_to_json(r)::text, {inside}) > 0 limit 2"
            );
            let found = session.tolerate(|session| texts(session, &query))?;
            if found.is_ok_and(|rows| rows.len() > 1) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn tokens_of_row(&self, row: &SeenRow<'_>) -> Tokens {
        let mut tokens = Tokens::new();
        row.each_token(&self.owners, &mut |id, _| tokens.push(id));
        distinct(tokens.into_iter())
    }

    /// The tokens of rows that each come after a number, of which no key is known.
    fn tokens_in_all<'t>(&self, relation: i64, rows: impl Iterator<Item = &'t str>) -> Tokens {
        let rows = rows.map(|json| SeenRow { relation, key: None, json });
        distinct(rows.flat_map(|row| self.tokens_of_row(&row)))
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
                Some(_) => {
                    let followed = self.partly.get(&relation.relation);
                    relation.places(at, followed.map(Vec::as_slice))
                }
                None => relation.whole(at, self.most_of(relation)),
            });
        let statements: Vec<String> = statements.collect();
        if let Ok(found) = ask_as(session, reader, &statements.join("; "))?
            && let Some(tokens) = self.tokens_of(&found, relations)
        {
            return Ok(relations.iter().copied().zip(tokens.into_iter().map(Ok)).collect());
        }
        let mut answers = Vec::new();
        for relation in relations {
            let answer = ask_as(session, reader, &relation.whole(0, self.most_of(relation)))?;
            let tokens = |found: Vec<TextRow>| {
                let rows = found.iter().filter_map(|row| row.get(1)?.as_deref());
                self.tokens_in_all(relation.relation, rows)
            };
            answers.push((*relation, answer.map(tokens)));
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
                return Some(self.tokens_in_all(relation.relation, rows.into_iter()));
            };
            let tokens: Vec<Option<&Tokens>> = rows.iter().map(|place| known.get(*place)).collect();
            // Partitions have rows in the same places.
            if !self.is_partly(relation) && tokens.contains(&None) {
                return None;
            }
            Some(distinct(tokens.into_iter().flatten().flatten().copied()))
        });
        tokens.collect()
    }
}

/// What a token of this id says, as a reader sees it in a relation; empty where he does not see it a second
/// time.
pub(super) fn text_of(
    session: &mut Session,
    reader: &Actor,
    (relation, owners): (&Readable, &HashSet<u64>),
    id: u64,
) -> Result<String> {
    let is_readable = relation.key.iter().all(|name| relation.columns.contains(name));
    let key = if is_readable { relation.key_text("q") } else { "null".into() };
    let query = format!(
        "select {key}, pg_catalog.row_to_json(q)::text from ({}) as q limit {MOST_SHOWN}",
        relation.statement()
    );
    let mut text = None;
    for row in ask_as(session, reader, &query)?.unwrap_or_default() {
        let [key, Some(json)] = row.as_slice() else { continue };
        let row = SeenRow { relation: relation.relation, key: key.as_deref(), json };
        row.each_token(owners, &mut |token, said| {
            if token == id {
                text.get_or_insert_with(|| said.to_owned());
            }
        });
    }
    Ok(text.unwrap_or_default())
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
