//! What a database has that its files do not make, and lacks that they do: `leakproof drift`.
//!
//! A throwaway gets exactly the files that the target's history names; the catalogs of both are read by the same
//! queries and compared. Nothing is written to the target.

mod canonical;
mod change;
mod compare;
mod family;
mod item;
mod order;
mod privileges;
mod read;
mod statements;
mod told;
pub(crate) mod value;

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Deserialize;

use crate::drift::compare::compare;
use crate::drift::item::Schema;
use crate::drift::read::{Reading, uncompared};
use crate::drift::told::{Told, drift_json, drift_text};
use crate::error::{Error, Result};
use crate::migrate::history::HistoryKind;
use crate::platform::Platform;
use crate::project::Project;
use crate::push::address::Address;
use crate::push::connected::{connect_to_look, read_histories};
use crate::push::refuse::refuse_layout;
use crate::push::standing::{Histories, Standing, State};
use crate::scratch::Scratch;
use crate::server::instance::Server;
use crate::server::options::ServerOptions;
use crate::session::failed::failing;
use crate::session::open::Session;
use crate::words::joined;

pub use crate::drift::value::{Difference, Kind};

/// What came of a comparison.
#[derive(Debug)]
pub struct Drift {
    /// All differences, in an order in which their statements can be run.
    pub differences: Vec<Difference>,
    /// What is to be known of how it was compared.
    pub notes: Vec<String>,
    text: String,
    json: String,
}

impl Drift {
    /// Where it was looked, and each difference with the statement that removes it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The same as one JSON document.
    pub fn json(&self) -> &str {
        &self.json
    }
}

/// Compares a target with what the files make that its history names; writes nothing to it.
///
/// # Errors
/// A URL that cannot be used, a server that does not let us in, a history that cannot be read, a file that cannot
/// be applied to a throwaway, a database of another platform.
pub fn drift(project: &Project, address: &Address, server: &ServerOptions) -> Result<Drift> {
    refuse_layout(project)?;
    let mut target = connect_to_look(address)?;
    let histories = read_histories(&mut target, project)?;
    let prepared = Platform::of(project).common_sql();
    let major = target.uncommitted(major_version)?;
    let server = ServerOptions { major: Some(major), ..server.clone() };
    let server = Server::shared_for(&server, Some(&prepared))?;
    let scratch = make_as_applied(project, &server, &histories)?;
    let Compared { differences, notes } =
        target.uncommitted(|session| differences(session, &scratch, &histories))?;
    let address = address.met();
    let told = Told {
        target: &address,
        histories: histories.kinds().map(HistoryKind::table).collect(),
        files: scratch.applied().len(),
        server: &server.describe(),
        notes: &notes,
        differences: &differences,
    };
    let (text, json) = (drift_text(&told), drift_json(&told));
    Ok(Drift { differences, notes, text, json })
}

fn major_version(target: &mut Session) -> Result<u32> {
    let query = "select pg_catalog.current_setting('server_version_num')::int / 10000";
    let rows = target.rows(query).map_err(failing("ask the target for its version"))?;
    let number = rows.into_iter().flatten().flatten().next();
    Ok(number.and_then(|number| number.parse().ok()).unwrap_or_default())
}

/// A throwaway to which exactly the files are applied that a target's history names, without rows of ours.
///
/// # Errors
/// A server that refuses, or a file that fails.
pub(crate) fn make_as_applied<'p>(
    project: &'p Project,
    server: &Arc<Server>,
    histories: &Histories,
) -> Result<Scratch<'p>> {
    let mut scratch = Scratch::empty(project, Platform::of(project), server)?;
    scratch.rehearse_those(&|version| histories.has(version))?;
    Ok(scratch)
}

/// What is other on a target, and what is to be known of that.
#[derive(Debug, Default)]
pub(crate) struct Compared {
    pub differences: Vec<Difference>,
    pub notes: Vec<String>,
}

#[derive(Deserialize)]
struct PusherRow {
    pusher: String,
    is_supabase: bool,
}

/// Compares a target with a throwaway to which [`make_as_applied`] has applied its files, and nothing else.
///
/// # Errors
/// A lost connection, or a target of another platform.
pub(crate) fn differences(
    target: &mut Session,
    scratch: &Scratch<'_>,
    histories: &Histories,
) -> Result<Compared> {
    let rows: Vec<PusherRow> = target.values(include_str!("sql/pusher.sql"))?;
    let Some(PusherRow { pusher, is_supabase }) = rows.into_iter().next() else {
        return Ok(Compared::default());
    };
    let platform = scratch.platform();
    let wants_supabase = platform.identity().is_none();
    if wants_supabase && !is_supabase {
        return Err(Error::new("the target is not a Supabase database")
            .cause("it does not have the roles `anon`, `authenticated` and `service_role`, which the files count on")
            .help("name the database of a Supabase project, or set `platform = \"plain\"` in leakproof.toml"));
    }
    let there = Reading {
        owner: pusher.clone(),
        pusher: pusher.clone(),
        is_supabase: wants_supabase,
        is_throwaway: false,
    };
    let here = Reading { owner: platform.owner().role, is_throwaway: true, ..there.clone() };
    let in_target = Schema::read(target, &there)?;
    let (of_files, left_out) = scratch
        .uncommitted(|session| Ok((Schema::read(session, &here)?, uncompared(session, &here)?)))?;
    let mut left_out: BTreeSet<String> = left_out.into_iter().collect();
    left_out.extend(uncompared(target, &there)?);
    let mut notes = notes_on_files(scratch, histories);
    let [major, ours] = [in_target.version, of_files.version].map(|version| version / 10_000);
    if major != ours {
        notes.push(format!(
            "the target is PostgreSQL {major} and the throwaway {ours}: they write some definitions in other words"
        ));
    }
    if !left_out.is_empty() {
        let left_out: Vec<String> = left_out.into_iter().collect();
        notes.push(format!("not compared: {}", joined(&left_out)));
    }
    Ok(Compared { differences: compare(&in_target, &of_files), notes })
}

/// What of the history the throwaway does not have as the target had it.
fn notes_on_files(scratch: &Scratch<'_>, histories: &Histories) -> Vec<String> {
    let standings = histories.beside(scratch.project());
    let note = |one: Standing| {
        let (version, name) = (one.version, one.name);
        match one.state {
            State::OnlyThere => Some(format!(
                "no file here is {version} {name}, which the target has: what it made is told as drift"
            )),
            State::Edited(why) => {
                Some(format!("{version} {name} was edited after it was applied: {why}"))
            }
            State::Applied | State::Pending | State::Torn(_) => None,
        }
    };
    standings.into_iter().filter_map(note).collect()
}

#[cfg(test)]
mod tests {
    use postgres::Client;

    use super::*;
    use crate::server::options::ServerKind;
    use crate::session::connection::Connection;

    const FILES: &str = "
        create schema app;
        create extension citext schema extensions;
        create type app.mood as enum ('sad', 'ok', 'happy');
        create domain app.email as text default 'a@b' constraint has_at check (value like '%@%');
        create type app.pair as (a int, b text);
        create type app.span as range (subtype = int);
        create sequence app.numbers increment by 5 start 5;
        create table app.teams (id bigint generated always as identity primary key, name text not null);
        create table public.notes (
            id serial primary key, team_id bigint references app.teams on delete cascade, owner uuid,
            title text not null default 'untitled', body text,
            size int generated always as (pg_catalog.length(body)) stored, mood app.mood default 'ok',
            mail app.email, constraint notes_owner_key unique (owner)
        );
        alter table public.notes add constraint title_is_short check (length(title) < 80) not valid;
        create index notes_team_idx on public.notes (team_id);
        create statistics app.notes_stats (dependencies) on team_id, owner from public.notes;
        create unlogged table app.cache (key text primary key, value text) with (fillfactor = 70);
        create table app.events (at date not null, what text) partition by range (at);
        create table app.events_2024 partition of app.events for values from ('2024-01-01') to ('2025-01-01');
        create function app.is_mine(owner uuid) returns boolean language sql stable security definer
            set search_path = '' as $$ select owner = auth.uid() $$;
        create function app.touch() returns trigger language plpgsql as $$ begin return new; end $$;
        create procedure app.tidy() language sql as $$ delete from app.cache $$;
        create function app.greet(name text) returns text language sql immutable as $$ select 'hi ' || name $$;
        create aggregate app.total(int) (sfunc = pg_catalog.int4pl, stype = int, initcond = '0');
        revoke execute on function app.is_mine(uuid) from public;
        grant execute on function app.is_mine(uuid) to authenticated;
        create view public.titles with (security_invoker = true) as select id, title from public.notes;
        create view public.short_titles as select id, title from public.titles where length(title) < 9;
        create materialized view app.counts as select team_id, count(*) from public.notes group by team_id;
        create unique index counts_team_idx on app.counts (team_id);
        create rule no_delete as on delete to app.cache do instead nothing;
        create trigger touch before update on public.notes for each row execute function app.touch();
        create trigger made after insert on auth.users for each row execute function app.touch();
        alter table public.notes enable row level security;
        create policy read_own on public.notes for select to authenticated using (app.is_mine(owner));
        create policy add_own on public.notes for insert to authenticated with check (app.is_mine(owner));
        create policy never on public.notes as restrictive for delete to anon using (false);
        create policy files on storage.objects for select to authenticated using (bucket_id = 'notes');
        comment on policy read_own on public.notes is 'Whose notes they are.';
        comment on column public.notes.title is 'What it is called.';
        grant usage on schema app to authenticated;
        grant select, update (title) on public.notes to anon;
        alter default privileges in schema app revoke execute on functions from anon;
        alter default privileges in schema app grant select on tables to authenticated;
        alter publication supabase_realtime add table public.notes;
        create function app.watch() returns event_trigger language plpgsql as $$ begin end $$;
        create publication feed for table app.teams with (publish = 'insert');
    ";

    /// What somebody has done to a target, and as what it is told.
    const DIFFERENCES: &[(Kind, &str)] = &[
        (Kind::Schema, "create schema extra"),
        (Kind::Extension, "create extension hstore schema extensions"),
        (Kind::Extension, "drop extension citext"),
        (Kind::Type, "alter type app.mood add value 'glad' before 'happy'"),
        (Kind::Type, "alter type app.mood rename value 'sad' to 'low'"),
        (Kind::Type, "alter domain app.email drop default"),
        (Kind::Type, "create type app.more as enum ('a')"),
        (Kind::Type, "drop type app.pair"),
        (Kind::Type, "drop type app.span"),
        (Kind::Constraint, "alter domain app.email drop constraint has_at"),
        (Kind::Sequence, "alter sequence app.numbers increment by 7"),
        (Kind::Sequence, "drop sequence app.numbers"),
        (
            Kind::Table,
            "create table app.extra (id serial primary key); create index on app.extra (id)",
        ),
        (Kind::Table, "drop table app.cache"),
        (Kind::Table, "alter table app.cache set logged"),
        (Kind::Table, "alter table app.cache set (fillfactor = 60)"),
        (Kind::Table, "alter table public.notes replica identity full"),
        (Kind::Table, "alter table app.events detach partition app.events_2024"),
        (Kind::RowSecurity, "alter table public.notes disable row level security"),
        (Kind::RowSecurity, "alter table public.notes force row level security"),
        (Kind::Column, "alter table public.notes add column more text"),
        (Kind::Column, "alter table public.notes drop column mail"),
        (Kind::Column, "alter table app.cache alter column value type varchar(9)"),
        (Kind::Column, "alter table public.notes alter column title drop not null"),
        (Kind::Column, "alter table public.notes alter column title set default 'none'"),
        (Kind::Column, "alter table app.teams alter column id set generated by default"),
        (Kind::Column, "alter table app.teams alter column id set increment by 3"),
        (Kind::Column, "alter table app.teams alter column id drop identity"),
        (Kind::Column, "alter table public.notes alter column size drop expression"),
        (Kind::Constraint, "alter table public.notes validate constraint title_is_short"),
        (Kind::Constraint, "alter table public.notes drop constraint notes_team_id_fkey"),
        (Kind::Constraint, "alter table public.notes drop constraint notes_pkey"),
        (Kind::Constraint, "alter table app.teams add constraint short check (length(name) < 9)"),
        (
            Kind::Constraint,
            "alter table public.notes rename constraint notes_owner_key to one_each",
        ),
        (Kind::Index, "drop index public.notes_team_idx"),
        (Kind::Index, "create index more_idx on public.notes (title)"),
        (
            Kind::Index,
            "drop index public.notes_team_idx; create index notes_team_idx on public.notes (team_id) where owner is null",
        ),
        (
            Kind::Index,
            "update pg_catalog.pg_index set indisvalid = false where indexrelid = 'public.notes_team_idx'::regclass",
        ),
        (Kind::EventTrigger, "create event trigger more on sql_drop execute function app.watch()"),
        (
            Kind::Column,
            "alter table public.notes drop column size; alter table public.notes add column size int generated always as (1) stored",
        ),
        (Kind::Statistics, "drop statistics app.notes_stats"),
        (Kind::View, "alter view public.titles reset (security_invoker)"),
        (
            Kind::View,
            "create or replace view public.titles with (security_invoker = true) as select id, title from public.notes where id > 0",
        ),
        (
            Kind::View,
            "create or replace view public.titles with (security_invoker = true) as select id, title, body from public.notes",
        ),
        (Kind::View, "drop view public.short_titles"),
        (Kind::MaterializedView, "drop materialized view app.counts"),
        (Kind::Rule, "drop rule no_delete on app.cache"),
        (Kind::Function, "alter function app.is_mine(uuid) security invoker"),
        (Kind::Function, "alter function app.is_mine(uuid) reset search_path"),
        (
            Kind::Function,
            "create or replace function app.is_mine(owner uuid) returns boolean language sql stable security definer set search_path = '' as 'select true'",
        ),
        (Kind::Function, "alter function app.greet(text) volatile"),
        (Kind::Function, "alter function app.greet(text) parallel safe"),
        (Kind::Function, "create function app.more() returns int language sql return 1"),
        (Kind::Function, "drop function app.greet(text)"),
        (Kind::Procedure, "drop procedure app.tidy()"),
        (Kind::Aggregate, "drop aggregate app.total(int)"),
        (Kind::Trigger, "drop trigger touch on public.notes"),
        (Kind::Trigger, "alter table public.notes disable trigger touch"),
        (
            Kind::Trigger,
            "create trigger more before insert on app.teams for each row execute function app.touch()",
        ),
        (
            Kind::Trigger,
            "drop trigger touch on public.notes; create trigger touch after update on public.notes for each row execute function app.touch()",
        ),
        (Kind::Trigger, "drop trigger made on auth.users"),
        (Kind::Policy, "drop policy read_own on public.notes"),
        (Kind::Policy, "create policy more on public.notes using (true)"),
        (Kind::Policy, "alter policy read_own on public.notes to public"),
        (Kind::Policy, "alter policy read_own on public.notes using (true)"),
        (Kind::Policy, "alter policy add_own on public.notes with check (true)"),
        (
            Kind::Policy,
            "drop policy never on public.notes; create policy never on public.notes for delete to anon using (false)",
        ),
        (
            Kind::Policy,
            "drop policy never on public.notes; create policy never on public.notes as restrictive for select to anon using (false)",
        ),
        (Kind::Policy, "drop policy files on storage.objects"),
        (Kind::Publication, "alter publication feed set (publish = 'insert, delete')"),
        (Kind::Publication, "drop publication feed"),
        (Kind::PublishedTable, "alter publication supabase_realtime drop table public.notes"),
        (Kind::PublishedTable, "alter publication feed add table public.notes"),
        (Kind::Owner, "alter table app.teams owner to service_role"),
        (Kind::Owner, "alter function app.greet(text) owner to service_role"),
        (Kind::Comment, "comment on table public.notes is 'Notes.'"),
        (Kind::Comment, "comment on policy read_own on public.notes is null"),
        (Kind::Comment, "comment on column public.notes.title is 'Else.'"),
        (Kind::Privileges, "grant usage on schema app to public"),
        (Kind::Privileges, "grant delete, truncate on app.teams to anon"),
        (Kind::Privileges, "revoke select on public.notes from anon"),
        (Kind::Privileges, "grant select on public.notes to anon with grant option"),
        (Kind::Privileges, "revoke update (title) on public.notes from anon"),
        (Kind::Privileges, "grant update on public.notes to anon"),
        (Kind::Privileges, "grant usage on sequence app.numbers to anon"),
        (Kind::Privileges, "grant execute on function app.is_mine(uuid) to public"),
        (Kind::Privileges, "revoke usage on type app.mood from public"),
        (
            Kind::DefaultPrivileges,
            "alter default privileges in schema app revoke select on tables from authenticated",
        ),
        (
            Kind::DefaultPrivileges,
            "alter default privileges revoke execute on functions from public",
        ),
        (
            Kind::DefaultPrivileges,
            "alter default privileges in schema app grant all on sequences to anon",
        ),
    ];

    fn project() -> (tempfile::TempDir, Project) {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| {
            std::fs::write(folder.path().join(name), text).expect("written");
        };
        write("leakproof.toml", "[project]\nplatform = \"supabase\"\ngrants = \"2026\"\n");
        std::fs::create_dir(folder.path().join("migrations")).expect("a folder");
        write("migrations/V1__all.sql", FILES);
        let project = Project::read(folder.path()).expect("a project");
        (folder, project)
    }

    fn server() -> Arc<Server> {
        let options = ServerOptions { kind: Some(ServerKind::Local), ..Default::default() };
        Arc::new(Server::start(&options).expect("a server"))
    }

    fn made<'p>(project: &'p Project, server: &Arc<Server>) -> Scratch<'p> {
        let scratch = Scratch::empty(project, Platform::of(project), server);
        let mut scratch = scratch.expect("a database");
        scratch.rehearse_those(&|_| true).expect("the files");
        scratch
    }

    fn read(connection: &mut Connection) -> Schema {
        let reading = Reading {
            owner: "postgres".into(),
            pusher: "postgres".into(),
            is_supabase: true,
            is_throwaway: false,
        };
        connection.uncommitted(|session| Schema::read(session, &reading)).expect("a schema")
    }

    fn shown(all: &[Difference]) -> String {
        let one =
            |one: &Difference| format!("\n  {:?} {}: {:?}", one.kind, one.what, one.statement);
        all.iter().map(one).collect()
    }

    /// As who runs the files, or as a superuser where that one may not.
    fn run(client: &mut Client, sql: &str) {
        let as_owner = format!("set role postgres; {sql}; reset role");
        let done = client
            .batch_execute(&as_owner)
            .or_else(|_| client.batch_execute(&format!("rollback; reset role; {sql}")));
        done.unwrap_or_else(|error| panic!("{sql}: {:?}", error.as_db_error()));
    }

    #[test]
    fn each_difference_is_removed_by_its_statement() {
        let ((_folder, project), server) = (project(), server());
        let (files, target) = (made(&project, &server), made(&project, &server));
        let files = read(&mut files.connection().expect("a connection"));
        let mut connection = target.connection().expect("a connection");
        let mut look = || compare(&read(&mut connection), &files);
        assert_eq!(look(), []);
        let mut client = target.connect().expect("a connection");
        for (kind, sql) in DIFFERENCES {
            run(&mut client, sql);
            let found = look();
            let kinds: Vec<Kind> = found.iter().map(|one| one.kind).collect();
            assert_eq!(kinds, [*kind], "{sql}: {}", shown(&found));
            let statement = found[0].statement.as_deref();
            run(&mut client, statement.unwrap_or_else(|| panic!("{sql}: {}", shown(&found))));
            let left = look();
            assert!(left.is_empty(), "{sql}: {statement:?} leaves: {}", shown(&left));
        }
    }
}
