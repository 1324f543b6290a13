//! What somebody asks of the world leaves it as it was, whatever comes of it.

use leakproof::Project;

use crate::support::{empty_scratch, root};

const COUNT: &str = "select count(*)::text from public.conversations";

#[test]
fn each_question_finds_the_world_untouched() {
    let project = Project::read(root().join("sql/conversations")).expect("a project");
    let mut scratch = empty_scratch(&project);
    scratch.migrate().expect("migrated");
    let mut isolation = scratch.isolation().expect("a world");
    let before = isolation.ask("alice", COUNT).expect("a count");
    for (sql, cause) in [
        ("commit", "it would end the transaction"),
        ("select 1; rollback", "it would end the transaction"),
        ("selec 1", "SQLSTATE 42601"),
        ("select 1 / 0", "SQLSTATE 22012"),
        ("select * from auth.users", "SQLSTATE 42501"),
    ] {
        let error = isolation.ask("alice", sql).expect_err(sql).to_string();
        assert!(error.starts_with(&format!("`alice` asked: {sql}")), "{error}");
        assert!(error.contains(cause), "{error}");
        assert_eq!(isolation.ask("alice", COUNT).expect("a count"), before, "after {sql}");
    }
    isolation.ask("alice", "delete from public.conversations").expect("she may delete hers");
    assert_eq!(isolation.ask("alice", COUNT).expect("a count"), before);
}

/// Nothing of a world is ever there for others.
#[test]
fn a_world_is_never_committed() {
    let project = Project::read(root().join("sql/conversations")).expect("a project");
    let mut scratch = empty_scratch(&project);
    scratch.migrate().expect("migrated");
    let mut isolation = scratch.isolation().expect("a world");
    assert_ne!(isolation.ask("alice", COUNT).expect("a count"), [[Some("0".to_owned())]]);
    drop(isolation);
    let mut client = scratch.connect().expect("a connection");
    let made = "select count(*) from pg_namespace where nspname = 'leakproof_controls'";
    let row = client.query_one(made, &[]).expect("a row");
    assert_eq!(row.get::<_, i64>(0), 0);
}
