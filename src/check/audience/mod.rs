//! Who saw which values, followed across all migrations: a table that is unpacked from a protected
//! one, a copy of it, or a policy that is gone for one version must not show anybody more.
//!
//! The people of the data itself ask, the users that the fixtures made and a visitor, after each
//! version. A row is recognised by its key where it is, and wherever else it surfaces by its texts and by
//! what it says of its owner: in another table, inside a document or taken out of one. Only what was in
//! one row of a relation is followed, so that words that many rows share say nothing.

mod seen;
pub(crate) mod value_tokens;
pub(crate) mod widening;

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Deserialize;

use crate::actor::Actor;
use crate::check::audience::seen::{ATTEMPT, Readable, Stored, Tokens, text_of, texts};
use crate::check::audience::value_tokens::token_id;
use crate::check::audience::widening::{Followed, Widening};
use crate::discretion::VISITOR;
use crate::error::Result;
use crate::migrate::applied::MigrationName;
use crate::names::QualifiedName;
use crate::platform::Platform;
use crate::project::Project;
use crate::project::files::SqlFile;
use crate::session::failed::failing;
use crate::session::open::Session;
use crate::session::outcome::{as_json, read_json};
use crate::sql::quote::{identifier, literal, qualified};

/// How many users of the data are asked.
const MOST_USERS: usize = 32;

/// How many of a tenant are asked before others of it: these see what is shared among them.
const OF_A_TENANT: usize = 2;

/// Among how many values that are newly seen one is looked for that no other row has.
const MOST_LOOKED_AT: usize = 16;

/// How many keys of users and of tenants are known for what they are.
const MOST_OWNERS: usize = 100_000;

/// Follows the values of one database while it is migrated.
pub(crate) struct Audience<'p> {
    project: &'p Project,
    platform: Platform,
    schemas: Vec<String>,
    readers: Vec<Reader>,
    /// What users are called whose rows were generated, by their ids.
    pub names: BTreeMap<String, String>,
    /// Whose who saw a value when anybody last did: a bit for each reader.
    known: HashMap<u64, u64>,
    followed: Followed,
}

struct Reader {
    name: String,
    actor: Actor,
}

/// A user as the data has it.
#[derive(Deserialize)]
struct UserRow {
    id: String,
    tenant: Option<String>,
    #[serde(default)]
    claims: serde_json::Map<String, serde_json::Value>,
}

impl<'p> Audience<'p> {
    pub(crate) fn of(project: &'p Project, platform: Platform) -> Self {
        Self {
            project,
            schemas: project.schemas(),
            platform,
            readers: Vec::new(),
            names: BTreeMap::new(),
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
            "select q.id, q.tenant, q.claims from (\
             select u.{key}::text as id, m.tenant, {claims} as claims, pg_catalog.row_number() over \
             (partition by m.tenant order by u.{key}::text collate \"C\") as place \
             from {name} as u left join ({tenants}) as m on m.id = u.{key}::text \
             where u.{key}::text <> all (array[{known}]::text[])) as q \
             order by (q.place - 1) / {OF_A_TENANT}, q.id collate \"C\" limit {MOST_USERS}",
            key = identifier(&table.key),
            name = table.sql_name,
            known = self.readers.iter().map(|r| literal(&r.name)).collect::<Vec<_>>().join(", ")
        );
        let users: Vec<UserRow> = read_json(texts(session, &as_json(&sql, "true"))?)?;
        let count = format!("select pg_catalog.count(*)::text from {}", table.sql_name);
        let count = texts(session, &count)?.first().and_then(|count| count.parse().ok());
        self.followed.of = self.followed.of.max(count.unwrap_or_default());
        for user in users {
            if self.readers.len() > MOST_USERS {
                continue;
            }
            if self.readers.is_empty() {
                let actor = Actor::of_data(&self.platform, None)?;
                self.readers.extend(actor.map(|actor| Reader { name: VISITOR.into(), actor }));
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
            "select {user}::text as id, pg_catalog.min({tenant}::text) as tenant from {} group by {user}",
            sql_name(&members.table),
            user = identifier(&members.user),
            tenant = identifier(&members.tenant),
        );
        // The table may not be there yet, or have other columns.
        let look = format!("select q.id from ({query}) q limit 0");
        let is_there = session.tolerate(|session| texts(session, &look))?.is_ok();
        Ok(if is_there { query } else { nobody })
    }

    fn ask_all(&mut self, session: &mut Session, version: &SqlFile) -> Result<()> {
        let readable = self.readable(session)?;
        let owners = self.owner_keys(session)?;
        let stored = Stored::read(session, &readable, owners)?;
        for relation in readable.iter().filter(|relation| stored.is_partly(relation)) {
            let name = QualifiedName::new(&relation.schema, &relation.name).to_string();
            self.followed.partly.insert(name);
        }
        let (mut widenings, mut unread) = (Vec::new(), Vec::new());
        let (mut now, mut others): (HashMap<u64, u64>, HashMap<u64, u64>) = Default::default();
        let mut open: HashMap<(&str, i64), Tokens> = HashMap::new();
        for (at, reader) in self.readers.iter().enumerate() {
            let role = reader.actor.role();
            let mine: Vec<&Readable> = readable.iter().filter(|r| r.role == role).collect();
            let (shared, asked): (Vec<_>, Vec<_>) =
                mine.into_iter().partition(|r| open.contains_key(&(role, r.relation)));
            let mut seen: Vec<(&Readable, Tokens)> = Vec::new();
            for (relation, tokens) in stored.seen_by(session, &reader.actor, &asked)? {
                match tokens {
                    Ok(tokens) => seen.push((relation, tokens)),
                    Err(refusal) => unread.push(format!(
                        "{}: {} could not read {}.{}: {}",
                        told(version),
                        session.discretion().of_reader(&reader.name),
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
                let new = self.newly_seen(session, version, (at, relation), (&tokens, &stored))?;
                widenings.extend(new);
                for id in &tokens {
                    let seen = if stored.is_telling(*id) { &mut now } else { &mut others };
                    if !stored.owners.contains(id) {
                        *seen.entry(*id).or_default() |= 1 << at;
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

    fn name_of(&self, reader: &Reader) -> String {
        self.names.get(&reader.name).unwrap_or(&reader.name).clone()
    }

    /// What a reader sees of a relation that others saw before, but not he.
    fn newly_seen(
        &self,
        session: &mut Session,
        version: &SqlFile,
        (at, relation): (usize, &Readable),
        (tokens, stored): (&Tokens, &Stored),
    ) -> Result<Option<Widening>> {
        let known_of = |id: &u64| self.known.get(id).copied().unwrap_or_default();
        let is_new = |id: &&u64| {
            let known = known_of(id);
            known != 0 && known & (1 << at) == 0 && !stored.owners.contains(id)
        };
        let new: Vec<u64> = tokens.iter().filter(is_new).copied().collect();
        let mut found = None;
        for id in new.iter().take(MOST_LOOKED_AT) {
            let text = text_of(session, &self.readers[at].actor, (relation, &stored.owners), *id)?;
            // What cannot be shown any more may be rare.
            if text.is_empty() || stored.is_rare(session, &text)? {
                found = Some((id, text));
                break;
            }
        }
        let Some((first, example)) = found else { return Ok(None) };
        let known = known_of(first);
        let names = self.readers.iter().enumerate().filter(|(at, _)| known & (1 << at) != 0);
        let reader = &self.readers[at];
        Ok(Some(Widening {
            migration: told(version),
            relation: QualifiedName::new(&relation.schema, &relation.name),
            reader: self.name_of(reader),
            values: new.len(),
            example,
            audience: names.map(|(_, reader)| self.name_of(reader)).collect(),
            statement: relation.statement(),
        }))
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
    fn owner_keys(&self, session: &mut Session) -> Result<HashSet<u64>> {
        let mut keys = HashSet::new();
        let tenants = self.project.config().tenancy.tenant.as_deref();
        let tenants = tenants.map(|name| keyed(session, name)).transpose()?.flatten();
        for table in self.users_table(session)?.into_iter().chain(tenants) {
            let key = identifier(&table.key);
            let keys_of = format!("select {key}::text from {} limit {MOST_OWNERS}", table.sql_name);
            let found = texts(session, &keys_of)?;
            keys.extend(found.iter().map(|key| token_id(key)));
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
        "select a.attname::text from pg_catalog.pg_index i \
         join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0] \
         where i.indrelid = pg_catalog.to_regclass({}) and i.indisprimary and i.indnatts = 1",
        literal(&sql_name)
    );
    let key = texts(session, &key)?.into_iter().next();
    Ok(key.map(|key| Keyed { sql_name, key }))
}

fn told(file: &SqlFile) -> MigrationName {
    MigrationName { version: file.version(), name: file.name().to_owned() }
}
