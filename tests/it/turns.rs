//! Cases that are many and long, shared between the versions of the server that the suite is run on.

use std::env;
use std::fs;
use std::sync::OnceLock;

use crate::support::{assert_snapshot, in_parallel, root, shared_server};

/// Whether this run tries a case, of many that all take long: a third of them, by the version of the server, so
/// that 15, 17 and 18 together try each. All of them with `LEAKPROOF_CASES=all`.
pub fn is_in_turn(at: usize) -> bool {
    static TURN: OnceLock<Option<usize>> = OnceLock::new();
    let turn = || match env::var("LEAKPROOF_CASES") {
        Ok(cases) => {
            assert_eq!(cases, "all", "LEAKPROOF_CASES is all, or not there");
            None
        }
        Err(_) => {
            let server = shared_server().describe();
            let is_of = |version: &&str| server.contains(&format!("PostgreSQL {version}."));
            Some(["15", "17", "18"].iter().position(is_of).unwrap_or_default())
        }
    };
    TURN.get_or_init(turn).is_none_or(|turn| at % 3 == turn)
}

/// As [`in_parallel`], with those whose turn it is; `None` for the others.
pub fn in_turn<T: Sync, R: Send>(all: &[T], run: impl Fn(&T) -> R + Sync) -> Vec<Option<R>> {
    let all: Vec<(usize, &T)> = all.iter().enumerate().collect();
    in_parallel(&all, |(at, one)| is_in_turn(*at).then(|| run(one)))
}

/// Compares what was told of cases with a snapshot of all of them, a blank line between them. Those whose turn
/// it was not are as they are in there.
pub fn assert_sections(folder: &str, name: &str, told: &[Option<String>]) {
    let path = root().join("snapshots").join(folder).join(format!("{name}.snap"));
    let known = fs::read_to_string(path).unwrap_or_default();
    let known = known.splitn(3, "---\n").nth(2).unwrap_or_default().trim_end();
    let known: Vec<&str> = known.split("\n\n").collect();
    let is_whole = told.iter().all(Option::is_some);
    assert!(is_whole || told.len() == known.len(), "{name} has {} sections", known.len());
    let told = told.iter().enumerate();
    let told = told.map(|(at, told)| told.clone().unwrap_or_else(|| known[at].to_owned()));
    assert_snapshot(folder, name, &told.collect::<Vec<_>>().join("\n\n"), &[]);
}
