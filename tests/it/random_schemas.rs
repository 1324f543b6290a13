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
const SCHEMAS: usize = 8;
const SEED: u64 = 20_240_229;

#[test]
fn every_owner_has_a_row_or_a_reason() {
    let Dimensions { places, seed, is_asked } = Dimensions::or(SCHEMAS, SEED);
    let told = in_parallel(&places, |place| try_schema(seed, *place));
    let count = places.len();
    let tables: usize = told.iter().map(|told| told.tables).sum();
    let hard: usize = told.iter().map(|told| told.hard).sum();
    let wrong: Vec<String> = told.into_iter().flat_map(|told| told.wrong).collect();
    if is_asked {
        say(&format!("{count} schemas, seed {seed}: {tables} tables, {hard} of them hard"));
    }
    assert!(wrong.is_empty(), "{} of {tables}\n{}", wrong.len(), wrong.join("\n"));
    assert!(hard * 8 <= tables, "{hard} of {tables} tables were too hard");
}

/// How many are tried, and which.
pub struct Dimensions {
    pub places: Vec<usize>,
    pub seed: u64,
    /// Whether somebody has asked for so many, and is told what came of it.
    pub is_asked: bool,
}

impl Dimensions {
    /// As the variables say, or else these.
    pub fn or(count: usize, seed: u64) -> Self {
        let number = |name: &str| {
            let text = env::var(name).ok()?;
            Some(text.parse::<u64>().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
        };
        let asked = number("LEAKPROOF_SCHEMAS");
        let count = asked.map_or(count, |count| count as usize);
        let seed = number("LEAKPROOF_SEED").unwrap_or(seed);
        Self { places: (0..count).collect(), seed, is_asked: asked.is_some() }
    }
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
