//! The time of the change-over: the old application reads and writes through the view, the data step
//! may run again, policies are served by indexes, realtime sends what it should.

use leakproof::Scratch;

use super::{NEW_SHAPE, project};
use crate::support::{empty_scratch, lines};

/// Runs statements as alice on the untouched world and gives the last column of the last row.
fn last_value(scratch: &Scratch<'_>, sql: &str) -> Option<String> {
    let mut isolation = scratch.isolation().expect("a world");
    let rows = isolation.ask("alice", sql).unwrap_or_else(|error| panic!("{error}"));
    rows.last().and_then(|row| row.last().cloned()).flatten()
}

#[test]
fn the_old_application_keeps_working() {
    let project = project();
    let scratch = Scratch::of(&project).expect("a scratch database");
    let own = "(select id from public.chat_sessions order by id limit 1)";
    let insert = "insert into public.chat_sessions (id, tenant_id, user_id, messages)
        select '77777777-7777-4777-8777-777777777777', tenant_id, auth.uid(),
            '[{\"role\": \"user\", \"content\": \"one\"}, 2, {\"role\": \"robot\", \"x\": null}]'
        from public.tenant_users limit 1";
    let new = "where id = '77777777-7777-4777-8777-777777777777'";
    for (sql, expected) in [
        (format!("{insert} returning title"), Some("New Conversation")),
        (
            format!("{insert}; select messages from public.chat_sessions {new}"),
            Some(r#"[{"role": "user", "content": "one"}, 2, {"x": null, "role": "robot"}]"#),
        ),
        (
            format!(
                "{insert}; update public.chat_sessions
                 set messages = messages || '{{\"role\": \"assistant\", \"content\": \"three\"}}'
                 {new} returning jsonb_array_length(messages)"
            ),
            Some("4"),
        ),
        (
            format!(
                "{insert}; update public.chat_sessions set messages = '[]' {new};
                 select count(*) from public.messages m
                 where m.conversation_id = '77777777-7777-4777-8777-777777777777'"
            ),
            Some("0"),
        ),
        (
            format!("update public.chat_sessions set title = 'x' where id = {own} returning title"),
            Some("x"),
        ),
        (
            "delete from public.chat_sessions; select count(*) from public.conversations".into(),
            Some("0"),
        ),
    ] {
        assert_eq!(last_value(&scratch, &sql).as_deref(), expected, "{sql}");
    }
}

#[test]
fn moving_the_data_again_changes_nothing() {
    let project = project();
    let mut scratch = empty_scratch(&project);
    scratch.migrate_to(4).expect("the migrations up to the move");
    let places = "select ctid || ' ' || id from public.messages order by 1";
    let (rows, once) = (lines(&scratch, NEW_SHAPE), lines(&scratch, places));
    assert!(once.len() > 100, "only {} messages were moved", once.len());
    let step = project.migrations().iter().find(|file| file.version() == 4).expect("the move");
    let mut client = scratch.connect().expect("a connection");
    client.batch_execute(step.raw()).expect("the move, again");
    assert_eq!(lines(&scratch, NEW_SHAPE), rows);
    assert_eq!(lines(&scratch, places), once, "rows were written again");
}

/// `= any (array(select ...))` is evaluated once and is a condition that an index serves.
#[test]
fn policies_are_index_conditions() {
    let project = project();
    let scratch = Scratch::of(&project).expect("a scratch database");
    let mut isolation = scratch.isolation().expect("a world");
    for table in ["conversations", "messages", "message_rejects"] {
        let sql = format!(
            "set local enable_seqscan = off; explain (costs off) select * from public.{table}
             where tenant_id = 'a0000000-0000-4000-8000-00000000000a'"
        );
        let plan = isolation.ask("alice", &sql).expect("a plan");
        let plan: Vec<String> = plan.into_iter().flatten().flatten().collect();
        let plan = plan.join("\n");
        assert!(plan.contains("InitPlan"), "{table}: not once per statement\n{plan}");
        assert!(plan.contains("Index Cond"), "{table}: no index\n{plan}");
        assert!(!plan.contains("Seq Scan on"), "{table}: read as a whole\n{plan}");
        assert!(!plan.contains("Filter: (SubPlan"), "{table}: per row\n{plan}");
    }
}

#[test]
fn realtime_sends_both_tables() {
    let project = project();
    let scratch = Scratch::of(&project).expect("a scratch database");
    let published = "select tablename::text from pg_publication_tables
        where pubname = 'supabase_realtime' order by 1";
    assert_eq!(lines(&scratch, published), ["conversations", "messages"]);
}
