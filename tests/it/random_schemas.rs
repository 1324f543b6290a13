//! Random schemas: every owner has a row in every table, or it is told why not, and that is true.
//!
//! `LEAKPROOF_SCHEMAS=1000 LEAKPROOF_SEED=7 cargo test --release --test it random_schemas --
//! --nocapture` tries more of them. The generator knows which tables nobody can seed.

mod schema;

use std::env;
use std::io::Write;
use std::sync::Arc;

use leakproof::platform::Platform;
use leakproof::{Project, Scratch};

use self::schema::{Fate, Schema};
use crate::support::{Copy, MEMBERS_CONFIG, in_parallel, shared_server};

/// As many as are tried in a few seconds.
const SCHEMAS: usize = 12;
const SEED: u64 = 20_240_229;

#[test]
fn every_owner_has_a_row_or_a_reason() {
    let asked = asked_number("LEAKPROOF_SCHEMAS");
    let count = asked.map_or(SCHEMAS, |count| count as usize);
    let seed = asked_number("LEAKPROOF_SEED").unwrap_or(SEED);
    let places: Vec<usize> = (0..count).collect();
    let told = in_parallel(&places, |place| try_schema(seed, *place));
    let tables: usize = told.iter().map(|told| told.tables).sum();
    let hard: usize = told.iter().map(|told| told.hard).sum();
    let wrong: Vec<String> = told.into_iter().flat_map(|told| told.wrong).collect();
    if asked.is_some() {
        say(&format!("{count} schemas, seed {seed}: {tables} tables, {hard} of them hard"));
    }
    assert!(wrong.is_empty(), "{} of {tables}\n{}", wrong.len(), wrong.join("\n"));
    assert!(hard * 8 <= tables, "{hard} of {tables} tables were too hard");
}

/// What somebody wants more of, by a variable.
pub fn asked_number(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

/// Says a line past the capture of the test harness.
pub fn say(line: &str) {
    std::io::stderr().write_all(format!("{line}\n").as_bytes()).expect("written");
}

#[derive(Default)]
struct Told {
    tables: usize,
    /// Tables that could be seeded by somebody, and were not.
    hard: usize,
    wrong: Vec<String>,
}

fn try_schema(seed: u64, place: usize) -> Told {
    let schema = Schema::of(seed, place);
    let copy = Copy::empty();
    copy.write("leakproof.toml", MEMBERS_CONFIG);
    copy.write("migrations/V1__schema.sql", &schema.sql());
    let server = shared_server();
    let project = Project::read(copy.path()).expect("a project");
    let name = format!("seed {seed}, schema {place}");
    let platform = Platform::of(&project);
    let mut scratch = Scratch::empty(&project, platform, &Arc::clone(&server)).expect("a database");
    if let Err(error) = scratch.migrate() {
        panic!("{name}: {error}\n{}", schema.sql());
    }
    let mut isolation = scratch.isolation().unwrap_or_else(|error| panic!("{name}: {error}"));
    let notes = isolation.seeding_notes();
    let mut told = Told { tables: schema.tables().len(), ..Told::default() };
    for table in schema.tables() {
        let title = format!("public.{}", table.name);
        let start = format!("{title} has no row for ");
        let note = notes.iter().find(|note| note.starts_with(&start));
        let missing: Vec<String> = table
            .owners
            .iter()
            .filter(|query| {
                let rows = isolation.ask("service_role", query);
                let rows = rows.unwrap_or_else(|error| panic!("{name}: {error}"));
                rows[0][0].as_deref() != Some("t")
            })
            .cloned()
            .collect();
        match (&table.fate, missing.is_empty(), note) {
            (Fate::Seeded | Fate::Hard, true, None) => {}
            // A reason for a row that is beside the owners', such as one of nobody.
            (Fate::Seeded | Fate::Hard, true, Some(note)) if note.contains("nobody") => {}
            (Fate::Hard, false, Some(_)) => told.hard += 1,
            // Of several reasons any is true; that of the references comes first.
            (Fate::Impossible(reason), false, Some(note))
                if note.contains(reason.as_str()) || note.contains("it refers to public.") => {}
            (fate, ..) => told.wrong.push(format!(
                "{name}, {title} is {fate:?}\n    note: {note:?}\n    missing: {missing:?}\n    {}",
                table.sql.replace('\n', "\n    ")
            )),
        }
    }
    told
}
