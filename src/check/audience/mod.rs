//! Who saw which values, followed across all migrations: a table that is unpacked from a protected
//! one, a copy of it, or a policy that is gone for one version must not show anybody more.
//!
//! The people of the data itself ask, the users that the fixtures made and a visitor, after each
//! version. A value is recognised by its text, wherever it surfaces: through renames, in another
//! table, inside a document or taken out of one. Only texts that were in one row of a relation are
//! followed, so that words that many rows share say nothing.

pub(crate) mod value_tokens;
pub(crate) mod widening;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use serde::Deserialize;

use crate::actor::Actor;
use crate::check::audience::value_tokens::{each_value_token, token_id};
use crate::check::audience::widening::{Followed, Widening};
use crate::error::Result;
use crate::migrate::applied::MigrationName;
use crate::names::QualifiedName;
use crate::platform::Platform;
use crate::project::Project;
use crate::project::files::SqlFile;
use crate::refusal::Refusal;
use crate::session::failed::failing;
use crate::session::open::Session;
use crate::session::outcome::{TextRow, as_json, read_json};
use crate::sql::quote::{identifier, literal, qualified};

/// What could not be done where a question of ours fails.
const ATTEMPT: &str = "ask who sees what after a migration";

/// How long a statement of a reader may take.
const LIMIT: Duration = Duration::from_secs(10);

/// How many users of the data are asked.
const MOST_USERS: usize = 32;

/// Follows the values of one database while it is migrated.
pub(crate) struct Audience<'p> {
    project: &'p Project,
    platform: Platform,
    schemas: Vec<String>,
    readers: Vec<Reader>,
    /// Whose who saw a value when anybody last did: a bit for each reader.
    known: HashMap<u64, u64>,
    followed: Followed,
}

struct Reader {
    name: String,
    actor: Actor,
}

/// One relation as one role may read it.
#[derive(Deserialize)]
struct Readable {
    role: String,
    relation: i64,
    schema: String,
    name: String,
    /// Whether everybody of a role sees the same.
    is_open: bool,
    columns: Vec<String>,
}

impl Readable {
    fn statement(&self) -> String {
        let columns: Vec<String> = self.columns.iter().map(|name| identifier(name)).collect();
        format!("select {} from {}", columns.join(", "), qualified(&self.schema, &self.name))
    }
}

/// A user as the data has it.
#[derive(Deserialize)]
struct UserRow {
    id: String,
    tenant: Option<String>,
    #[serde(default)]
    claims: serde_json::Map<String, serde_json::Value>,
}

/// The texts of the rows of one relation, as somebody sees them.
type Tokens = Vec<String>;

impl<'p> Audience<'p> {
    pub(crate) fn of(project: &'p Project, platform: Platform) -> Self {
        Self {
            project,
            schemas: project.schemas(),
            platform,
            readers: Vec::new(),
            known: HashMap::new(),
            followed: Followed::default(),
        }
    }

    /// Asks everybody what he sees now, right after `version`.
    ///
    /// # Errors
    /// A lost connection, or a role that is missing.
    pub(crate) fn look(&mut self, session: &mut Session, version: &SqlFile) -> Result<()> {
        session.undone(|session| {
            session.steady();
            self.meet(session)?;
            if self.readers.len() > 1 { self.ask_all(session, version) } else { Ok(()) }
        })
    }

    /// As [`Self::look`], after rows have come: who sees more for their sake is no finding.
    pub(crate) fn look_anew(&mut self, session: &mut Session, version: &SqlFile) -> Result<()> {
        let known = self.followed.widenings.len();
        self.look(session, version)?;
        self.followed.widenings.truncate(known);
        Ok(())
    }

    pub(crate) fn into_followed(self) -> Followed {
        let (users, values) = (self.readers.len().saturating_sub(1), self.known.len());
        Followed { users, values, ..self.followed }
    }

    /// Adds the users that came with this version, and a visitor before the first of them.
    fn meet(&mut self, session: &mut Session) -> Result<()> {
        let Some(table) = self.users_table(session)? else { return Ok(()) };
        let tenants = self.tenants_query(session)?;
        let claims = match self.platform.has_users() {
            true => {
                "pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object(\
                 'email', u.email, 'app_metadata', u.raw_app_meta_data))"
            }
            false => "'{}'::jsonb",
        };
        let sql = format!(
            "select u.{key}::text as id, m.tenant, {claims} as claims \
             from {name} as u left join ({tenants}) as m on m.id = u.{key}::text \
             order by u.{key}::text collate \"C\"",
            key = identifier(&table.key),
            name = table.sql_name
        );
        let users: Vec<UserRow> = read_json(asked(session, &as_json(&sql, "true"))?)?;
        self.followed.of = self.followed.of.max(users.len());
        for user in users {
            let is_known = self.readers.iter().any(|reader| reader.name == user.id);
            if is_known || self.readers.len() > MOST_USERS {
                continue;
            }
            if self.readers.is_empty() {
                let actor = Actor::of_data(&self.platform, None)?;
                self.readers.extend(actor.map(|actor| Reader { name: "a visitor".into(), actor }));
            }
            let actor =
                Actor::of_data(&self.platform, Some((&user.id, user.tenant, &user.claims)))?;
            self.readers.extend(actor.map(|actor| Reader { name: user.id, actor }));
        }
        Ok(())
    }

    fn users_table(&self, session: &mut Session) -> Result<Option<Keyed>> {
        let default = self.platform.has_users().then_some("auth.users");
        match self.project.config().tenancy.users.as_deref().or(default) {
            Some(name) => keyed(session, name),
            None => Ok(None),
        }
    }

    /// A query for each user's first tenant.
    fn tenants_query(&self, session: &mut Session) -> Result<String> {
        let nobody = "select null::text as id, null::text as tenant".to_owned();
        let Some(members) = &self.project.config().tenancy.members else { return Ok(nobody) };
        let query = format!(
            "select {user}::text as id, min({tenant}::text) as tenant from {} group by {user}",
            sql_name(&members.table),
            user = identifier(&members.user),
            tenant = identifier(&members.tenant),
        );
        // The table may not be there yet, or have other columns.
        let look = format!("select 1 from ({query}) q limit 0");
        let is_there = session.tolerate(|session| asked(session, &look))?.is_ok();
        Ok(if is_there { query } else { nobody })
    }

    fn ask_all(&mut self, session: &mut Session, version: &SqlFile) -> Result<()> {
        let readable = self.readable(session)?;
        let owners = self.owner_keys(session)?;
        let telling = telling_tokens(session, &readable)?;
        let (mut widenings, mut unread) = (Vec::new(), Vec::new());
        let (mut now, mut others): (HashMap<u64, u64>, HashMap<u64, u64>) = Default::default();
        let mut open: HashMap<(&str, i64), Tokens> = HashMap::new();
        for (at, reader) in self.readers.iter().enumerate() {
            let role = reader.actor.role();
            let mine: Vec<&Readable> = readable.iter().filter(|r| r.role == role).collect();
            let (shared, asked): (Vec<_>, Vec<_>) =
                mine.into_iter().partition(|r| open.contains_key(&(role, r.relation)));
            let mut seen: Vec<(&Readable, Tokens)> = Vec::new();
            for (relation, tokens) in seen_by(session, reader, &asked)? {
                match tokens {
                    Ok(tokens) => seen.push((relation, tokens)),
                    Err(refusal) => unread.push(format!(
                        "{}: {} could not read {}.{}: {}",
                        told(version),
                        reader.name,
                        relation.schema,
                        relation.name,
                        refusal.reason()
                    )),
                }
            }
            for relation in shared {
                let tokens = open.get(&(role, relation.relation)).cloned().unwrap_or_default();
                seen.push((relation, tokens));
            }
            for (relation, tokens) in seen {
                widenings.extend(self.newly_seen(version, (at, relation), &tokens, &owners));
                for token in &tokens {
                    let id = token_id(token);
                    let seen = if telling.contains(&id) { &mut now } else { &mut others };
                    if !owners.contains(token) {
                        *seen.entry(id).or_default() |= 1 << at;
                    }
                }
                if relation.is_open {
                    open.insert((role, relation.relation), tokens);
                }
            }
        }
        self.known.extend(now);
        // What no longer tells whose it is was told of once.
        for (id, bits) in others {
            self.known.entry(id).and_modify(|known| *known |= bits);
        }
        self.followed.widenings.extend(widenings);
        self.followed.unread.extend(unread);
        Ok(())
    }

    /// What a reader sees of a relation that others saw before, but not he.
    fn newly_seen(
        &self,
        version: &SqlFile,
        (at, relation): (usize, &Readable),
        tokens: &Tokens,
        owners: &HashSet<String>,
    ) -> Option<Widening> {
        let mut values: HashSet<u64> = HashSet::new();
        let mut first = None;
        for token in tokens {
            let id = token_id(token);
            let known = self.known.get(&id).copied().unwrap_or_default();
            if known != 0 && known & (1 << at) == 0 && !owners.contains(token) && values.insert(id)
            {
                first.get_or_insert((token, known));
            }
        }
        let (example, known) = first?;
        let names = self.readers.iter().enumerate().filter(|(at, _)| known & (1 << at) != 0);
        Some(Widening {
            migration: told(version),
            relation: QualifiedName::new(&relation.schema, &relation.name),
            reader: self.readers[at].name.clone(),
            values: values.len(),
            example: example.clone(),
            audience: names.map(|(_, reader)| reader.name.clone()).collect(),
            statement: relation.statement(),
        })
    }

    fn readable(&self, session: &mut Session) -> Result<Vec<Readable>> {
        let mut roles: Vec<&str> = self.readers.iter().map(|reader| reader.actor.role()).collect();
        roles.sort_unstable();
        roles.dedup();
        let missing = format!(
            "select name from pg_catalog.unnest(array[{}]::text[]) as r (name) \
             where pg_catalog.to_regrole(pg_catalog.quote_ident(name)) is null",
            roles.iter().map(|role| literal(role)).collect::<Vec<_>>().join(", ")
        );
        let missing = session
            .rows(&missing)
            .map_err(failing(ATTEMPT))?
            .into_iter()
            .flatten()
            .flatten()
            .collect::<Vec<_>>();
        // A migration may make it later.
        roles.retain(|role| !missing.iter().any(|name| name == role));
        session.say(format!(
            "select pg_catalog.set_config('leakproof.schemas', {}, true), \
             pg_catalog.set_config('leakproof.roles', {}, true)",
            literal(&self.schemas.join("\n")),
            literal(&roles.join("\n"))
        ));
        session.values(include_str!("readable.sql"))
    }

    /// The keys of users and tenants: they name owners, they are not what owners have.
    fn owner_keys(&self, session: &mut Session) -> Result<HashSet<String>> {
        let mut keys = HashSet::new();
        let tenants = self.project.config().tenancy.tenant.as_deref();
        let tenants = tenants.map(|name| keyed(session, name)).transpose()?.flatten();
        for table in self.users_table(session)?.into_iter().chain(tenants) {
            let key = identifier(&table.key);
            let found = asked(session, &format!("select {key}::text from {}", table.sql_name))?;
            keys.extend(found.into_iter().flatten().flatten());
        }
        Ok(keys)
    }
}

/// A table and its key of one column.
struct Keyed {
    sql_name: String,
    key: String,
}

fn sql_name(name: &str) -> String {
    let (schema, table) = name.split_once('.').unwrap_or(("public", name));
    qualified(schema, table)
}

/// The table of that name and its primary key, if it is there and has one of one column.
fn keyed(session: &mut Session, name: &str) -> Result<Option<Keyed>> {
    let sql_name = sql_name(name);
    let key = format!(
        "select a.attname from pg_catalog.pg_index i \
         join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0] \
         where i.indrelid = pg_catalog.to_regclass({}) and i.indisprimary and i.indnatts = 1",
        literal(&sql_name)
    );
    let key = asked(session, &key)?.into_iter().flatten().flatten().next();
    Ok(key.map(|key| Keyed { sql_name, key }))
}

fn told(file: &SqlFile) -> MigrationName {
    MigrationName { version: file.version(), name: file.name().to_owned() }
}

/// The texts that are in only one row of some relation, whoever sees it.
fn telling_tokens(session: &mut Session, readable: &[Readable]) -> Result<HashSet<u64>> {
    let relations: BTreeMap<i64, String> = readable
        .iter()
        .map(|r| (r.relation, format!("select * from {}", qualified(&r.schema, &r.name))))
        .collect();
    let mut telling = HashSet::new();
    for statement in relations.values() {
        // A view of its own may raise for us; then others do not tell by it.
        let query = format!("select {}", json_of(statement));
        let Ok(found) = session.tolerate(|session| asked(session, &query))? else { continue };
        let mut counts: HashMap<u64, usize> = HashMap::new();
        for row in found.into_iter().flatten().flatten() {
            let mut in_row = HashSet::new();
            each_value_token(&row, &mut |token| {
                in_row.insert(token_id(token));
            });
            for id in in_row {
                *counts.entry(id).or_default() += 1;
            }
        }
        telling.extend(counts.into_iter().filter(|(_, rows)| *rows == 1).map(|(id, _)| id));
    }
    Ok(telling)
}

/// What follows `select`.
fn json_of(statement: &str) -> String {
    format!("pg_catalog.row_to_json(q)::text from ({statement}) as q")
}

/// The tokens of a relation, or why it could not be read.
type Answer = Result<Tokens, Refusal>;

/// What a reader sees of each relation: all at once, or one by one where one fails.
fn seen_by<'r>(
    session: &mut Session,
    reader: &Reader,
    relations: &[&'r Readable],
) -> Result<Vec<(&'r Readable, Answer)>> {
    let statements: Vec<String> = relations
        .iter()
        .enumerate()
        .map(|(at, relation)| format!("select {at}, {}", json_of(&relation.statement())))
        .collect();
    if let Ok(found) = ask_as(session, reader, &statements.join("; "))? {
        let tokens = tokens_of(found, relations.len());
        return Ok(relations.iter().copied().zip(tokens.into_iter().map(Ok)).collect());
    }
    let mut answers = Vec::new();
    for relation in relations {
        let statement = format!("select 0, {}", json_of(&relation.statement()));
        let answer = ask_as(session, reader, &statement)?;
        let answer = answer.map(|found| tokens_of(found, 1).into_iter().flatten().collect());
        answers.push((*relation, answer));
    }
    Ok(answers)
}

/// The tokens of so many statements; each row begins with the place of its own.
fn tokens_of(found: Vec<TextRow>, statements: usize) -> Vec<Tokens> {
    let mut tokens: Vec<Tokens> = vec![Vec::new(); statements];
    for row in found {
        let [Some(at), Some(line)] = row.as_slice() else { continue };
        let at = at.parse::<usize>().ok();
        if let Some(tokens) = at.and_then(|at| tokens.get_mut(at)) {
            each_value_token(line, &mut |token| tokens.push(token.to_owned()));
        }
    }
    tokens
}

/// Asks as a reader; gives the rows, or what the server says to it.
fn ask_as(
    session: &mut Session,
    reader: &Reader,
    sql: &str,
) -> Result<Result<Vec<TextRow>, Refusal>> {
    session.tolerate(|session| {
        session.as_actor(reader.actor.impersonation(), Some(LIMIT), |session| {
            session.rows(sql).map_err(failing(ATTEMPT))
        })
    })
}

/// Asks as who sees all rows.
fn asked(session: &mut Session, query: &str) -> Result<Vec<TextRow>> {
    session.as_auditor(query).map_err(failing(ATTEMPT))
}
