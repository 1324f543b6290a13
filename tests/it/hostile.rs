//! Hostile legacy documents: whatever a server lets into the legacy tables comes through the
//! migrations of each project unaltered, in its place and once, and comes back by the way back.
//!
//! `LEAKPROOF_DOCUMENTS=100000 LEAKPROOF_SEED=7 cargo test --release --test it hostile -- --nocapture`
//! tries more documents, and tells the times. What it compares with is reckoned here, in Rust, from
//! what the legacy table held: it knows what the projects promise, but none of their SQL.

mod character_chats;
mod conversations;
pub mod dice;
mod documents;
mod json;
mod load;
mod mentor_chats;
mod sabotage;
mod shop_chat;
mod times;
mod topic_sessions;
mod trial;

use std::env;
use std::io::Write;

use leakproof::project::Project;

use self::dice::Dice;
use self::load::Row;
use self::trial::{Subject, Told, least, try_rows};
use crate::support::root;

/// What the environment says, or what is quick.
struct Run {
    documents: usize,
    seed: u64,
    is_told: bool,
}

impl Run {
    fn from_env() -> Self {
        let number = |name: &str| {
            let text = env::var(name).ok()?;
            Some(text.parse::<u64>().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
        };
        let documents = number("LEAKPROOF_DOCUMENTS");
        Self {
            documents: documents.map_or(DOCUMENTS, |documents| documents as usize),
            seed: number("LEAKPROOF_SEED").unwrap_or(SEED),
            is_told: documents.is_some(),
        }
    }

    fn tell(&self, name: &str, told: &Told) {
        assert!(!told.refused.is_empty(), "{name}: the server took everything: it is not hostile");
        assert!(told.loaded * 2 > self.documents, "{name}: the server refused almost everything");
        if self.is_told {
            let Self { documents, seed, .. } = self;
            say(&format!("{name}, seed {seed}, {documents} documents: {}", told.sentence()));
        }
    }

    fn rows(&self, subject: &Subject) -> Vec<Row> {
        let mut rows = Vec::new();
        for place in 0..self.documents {
            (subject.write)(&mut Dice::of(self.seed, place), place, &mut rows);
        }
        // With as many documents as are to be tried at all, arrays are of 10 MB.
        let bytes = (self.documents * 100).clamp(50_000, 10_000_000);
        (subject.write_large)(&mut Dice::of(self.seed, self.documents), bytes, &mut rows);
        rows
    }
}

/// Past the capture of the test harness.
fn say(line: &str) {
    std::io::stderr().write_all(format!("{line}\n").as_bytes()).expect("written");
}

/// All of them together are tried in a few seconds.
const DOCUMENTS: usize = 200;
const SEED: u64 = 20_240_229;

fn project(name: &str) -> Project {
    Project::read(root().join("sql").join(name)).expect("a readable project")
}

fn try_project(name: &str, subject: &Subject) {
    let run = Run::from_env();
    let project = project(name);
    let rows = run.rows(subject);
    match try_rows(&project, subject, &rows) {
        Ok(told) => run.tell(name, &told),
        Err(error) => {
            say(&format!("{name} failed, the least rows are looked for: {error}"));
            let fails = |rows: &[Row]| try_rows(&project, subject, rows).err();
            let least = least(&fails, &rows, error);
            panic!("{name}, seed {}, {} documents: {least}", run.seed, run.documents);
        }
    }
}

#[test]
fn every_conversation_comes_through() {
    try_project("conversations", &conversations::SUBJECT);
}

#[test]
fn every_character_chat_comes_through() {
    try_project("character_chats", &character_chats::SUBJECT);
}

#[test]
fn every_topic_comes_through() {
    try_project("topic_sessions", &topic_sessions::SUBJECT);
}

#[test]
fn every_loose_message_comes_through() {
    try_project("mentor_chats", &mentor_chats::SUBJECT);
}

#[test]
fn every_visitor_comes_through() {
    let run = Run::from_env();
    match shop_chat::try_stages(&project("shop_chat"), run.seed, run.documents) {
        Ok(told) => run.tell("shop_chat", &told),
        Err(error) => panic!("shop_chat, seed {}, {} documents: {error}", run.seed, run.documents),
    }
}
