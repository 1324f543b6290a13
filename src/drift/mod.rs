//! What a database has that its files do not make, and lacks that they do: `leakproof drift`.
//!
//! A throwaway gets exactly the files that the target's history names; the catalogs of both are read by the same
//! queries and compared. Nothing is written to the target.

mod change;
mod compare;
mod item;
mod order;
mod read;
mod statements;
mod told;
mod value;

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
pub fn drift(
    project: &Project,
    url: &str,
    password: Option<String>,
    server: &ServerOptions,
) -> Result<Drift> {
    refuse_layout(project)?;
    let address = Address::read(url, password)?;
    let mut target = connect_to_look(&address)?;
    let histories = read_histories(&mut target, project)?;
    let prepared = Platform::of(project).common_sql();
    let server = Server::shared_for(server, Some(&prepared))?;
    let scratch = make_as_applied(project, &server, &histories)?;
    let Compared { differences, notes } =
        target.uncommitted(|session| differences(session, &scratch, &histories))?;
    let address = address.to_string();
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
