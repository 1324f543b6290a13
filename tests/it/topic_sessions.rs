//! The topic sessions project: rows become arrays. Isolation, preservation, the way back, the same
//! answers of the service before and after, and that sabotage is noticed.

use leakproof::Scratch;
use leakproof::project::Project;
use postgres::Client;

use crate::support::{
    Sabotage, ask_as, assert_accepted_matrix, assert_passes, assert_snapshot, empty_scratch, lines,
    recorded_answers, root, told_of_sabotages,
};
use crate::turns::assert_sections;

fn project() -> Project {
    Project::read(root().join("sql/topic_sessions")).expect("a readable project")
}

#[test]
fn it_passes_and_says_so() {
    assert_passes("topic_sessions");
}

#[test]
fn the_matrix_is_the_accepted_one() {
    assert_accepted_matrix("topic_sessions");
}

#[test]
fn the_baseline_goes_only_when_nobody_said_anything() {
    let project = project();
    let mut scratch = empty_scratch(&project);
    scratch.migrate_to(1).expect("the baseline");
    let refused = scratch.roll_back_to(0).unwrap_err().to_string();
    assert!(refused.contains("which the way back would delete"), "{refused}");
    let mut client = scratch.connect().expect("a connection");
    client.batch_execute("truncate public.users cascade").expect("empty tables");
    scratch.roll_back_to(0).expect("the way back");
    let left = "select relname::text from pg_class where relnamespace = 'public'::regnamespace";
    assert!(lines(&scratch, left).is_empty());
}

#[test]
fn moving_the_data_again_changes_nothing() {
    let project = project();
    let mut scratch = empty_scratch(&project);
    scratch.migrate_to(5).expect("the migrations up to the move");
    let places = "select ctid || ' ' || s::text from public.chat_sessions s order by 1";
    let once = lines(&scratch, places);
    assert!(once.len() > 25, "only {} chats were put together", once.len());
    let step = project.migrations().iter().find(|file| file.version() == 5).expect("the move");
    let mut client = scratch.connect().expect("a connection");
    client.batch_execute(step.raw()).expect("the move, again");
    assert_eq!(lines(&scratch, places), once, "chats were written again");
}

/// Between the first trigger and the cut over the old code writes rows; the chats follow.
#[test]
fn what_is_written_meanwhile_is_in_the_chats() {
    let project = project();
    let mut scratch = empty_scratch(&project);
    scratch.migrate_to(4).expect("the migrations up to the trigger");
    let mut client = scratch.connect().expect("a connection");
    let is_in_step = "
        select coalesce(h::text, '') || ' <> ' || coalesce(s::text, '')
        from private.history_as_sessions h
        full join public.chat_sessions s using (id)
        where row(h.messages, h.phase, h.created_at, h.updated_at)
            is distinct from row(s.messages, s.phase, s.created_at, s.updated_at)";
    let write = "
        select public.save_chat_message(
            '00000000-0000-4000-8000-000000000001', 'fractions', 'halves', 'user', 'x', 'session');
        select public.save_chat_message(
            '00000000-0000-4000-8000-000000000004', null, null, 'user', 'first', null);
        update public.chat_history set content = 'changed', topic_id = 'moved'
        where subtopic_id = 'equal';
        update public.chat_history set content = 'changed' where user_id is null;
        delete from public.chat_history where subtopic_id in ('micro', 'again')
        and content <> 'early'";
    client.batch_execute(write).expect("rows to be written");
    assert!(!lines(&scratch, is_in_step).is_empty(), "nothing was moved yet");
    scratch.migrate_to(5).expect("the move");
    assert_eq!(lines(&scratch, is_in_step), [""; 0]);
    client.batch_execute(write).expect("rows to be written");
    client.batch_execute("delete from public.users where name = 'Max'").expect("an account to go");
    assert_eq!(lines(&scratch, is_in_step), [""; 0]);
    scratch.migrate_to(6).expect("the cut over");
}

/// What was saved, changed and taken away after the cut over is so after the way back.
#[test]
fn the_way_back_carries_what_was_said_since() {
    let project = project();
    let mut scratch = empty_scratch(&project);
    scratch.migrate().expect("the way there");
    let mut client = scratch.connect().expect("a connection");
    client
        .batch_execute(
            "select public.save_chat_message(
                '00000000-0000-4000-8000-000000000001', 'fractions', 'halves', 'user', 'since',
                'feedback');
             update public.chat_sessions
             set messages = jsonb_set(messages, '{0,content}', '\"edited\"') #- '{1}'
             where id = (select id from public.chat_sessions where topic_id = 'roles')",
        )
        .expect("chats to be written");
    let answers = answers(&mut client);
    scratch.roll_back_to(1).expect("the way back");
    let mut client = scratch.connect().expect("a connection");
    assert_eq!(self::answers(&mut client), answers);
    scratch.migrate().expect("the way there again");
}

/// What chat_history cannot hold stops the way back; nothing is half done.
#[test]
fn the_way_back_stops_at_what_is_no_row() {
    let project = project();
    for element in
        ["42", "{\"role\": \"user\"}", "{\"id\": \"x\"}", "{\"id\": 7}", "\"text\"", "null"]
    {
        let mut scratch = empty_scratch(&project);
        scratch.migrate().expect("the way there");
        let mut client = scratch.connect().expect("a connection");
        let odd = format!("update public.chat_sessions set messages = messages || '[{element}]'");
        client.batch_execute(&odd).expect("an odd element");
        let refused = scratch.roll_back_to(1).unwrap_err().to_string();
        assert!(refused.contains("is no row of chat_history"), "{element}: {refused}");
        let rows = lines(&scratch, "select count(*)::text from public.chat_sessions");
        assert_eq!(rows, ["30"], "{element}");
    }
}

#[test]
fn the_clean_up_refuses_while_counts_differ() {
    let project = project();
    for (spoil, place) in [
        ("update public.chat_sessions set messages = messages - 0", "rows in chat_history,"),
        ("delete from public.chat_sessions where topic_id is null", "rows in chat_history,"),
        (
            "update public.chat_sessions set messages = messages || messages",
            "rows in chat_history,",
        ),
        ("delete from public.chat_history where role is null", "none"),
        (
            "delete from public.chat_history where role is null;
             update public.chat_sessions set messages = '[]' where topic_id = 'roles'",
            "rows in chat_history,",
        ),
        (
            "delete from public.chat_history;
             update public.chat_sessions set messages = messages - 1",
            "rows in chat_history_backup,",
        ),
    ] {
        let mut scratch = empty_scratch(&project);
        scratch.migrate_to(6).expect("the migrations up to the cut over");
        scratch.connect().expect("a connection").batch_execute(spoil).expect("a difference");
        match scratch.migrate() {
            Ok(()) => assert_eq!(place, "none", "{spoil}"),
            Err(refused) => assert!(refused.to_string().contains(place), "{spoil}: {refused}"),
        }
    }
}

/// That no migration changes them is part of the check.
#[test]
fn the_service_answers_as_recorded() {
    assert_snapshot("topic_sessions", "calls", &recorded_answers(&project()), &[]);
}

const MIA: &str = "00000000-0000-4000-8000-000000000001";
const MAX: &str = "00000000-0000-4000-8000-000000000002";
const OLGA: &str = "00000000-0000-4000-8000-000000000004";

/// What the service answers each user of the fixtures about each chat there is, his own or not.
fn answers(client: &mut Client) -> Vec<String> {
    let is_there = "select to_regclass('public.chat_history') is not null";
    let table = match client.query_one(is_there, &[]).expect("an answer").get(0) {
        true => "chat_history",
        false => "chat_sessions",
    };
    let keys = format!(
        "select format('select get_chat_history(%L, %L, %L)', k.user_id, k.topic_id, k.subtopic_id)
         from (select distinct user_id, topic_id, subtopic_id from public.{table}) k
         order by k.user_id, k.topic_id collate \"C\", k.subtopic_id collate \"C\""
    );
    let keys = client.query(&keys, &[]).expect("chats");
    let calls: Vec<String> = keys.iter().map(|row| row.get(0)).collect();
    let ask = |sql: &String| {
        [MIA, MAX, OLGA, ""].map(|user| ask_as(client, "app_user", &[("app.user_id", user)], sql))
    };
    calls.iter().flat_map(ask).collect()
}

const MOVE: &str = "migrations/V5__move_messages.sql";
const CUT_OVER: &str = "migrations/V6__cut_over.sql";
const CLEAN_UP: &str = "migrations/V7__clean_up.sql";
const STEP: &str = "migrations/V4__keep_in_step.sql";
const SESSIONS: &str = "migrations/V2__chat_sessions.sql";
const UNALTERED: &str = "every row is a message of its chat, in its place and unaltered";

const SABOTAGES: &[Sabotage] = &[
    Sabotage {
        name: "the backup lacks one row",
        file: "migrations/V3__backup.sql",
        from: "from public.chat_history h\norder by h.id;",
        to: "from public.chat_history h\nwhere h.role is not null or h.content is null\norder by h.id;",
        caught_by: "the backup has every row of chat_history",
    },
    Sabotage {
        name: "one chat is dropped by the move",
        file: MOVE,
        from: "order by h.id\n",
        to: "where h.subtopic_id is distinct from 'quarters'\norder by h.id\n",
        caught_by: UNALTERED,
    },
    Sabotage {
        name: "messages of nobody are dropped by the move",
        file: MOVE,
        from: "order by h.id\n",
        to: "where h.user_id is not null\norder by h.id\n",
        caught_by: UNALTERED,
    },
    Sabotage {
        name: "messages without a role are dropped",
        file: STEP,
        from: "from public.chat_history h\ngroup by",
        to: "from public.chat_history h\nwhere h.role is not null\ngroup by",
        caught_by: UNALTERED,
    },
    Sabotage {
        name: "messages of one instant are swapped",
        file: STEP,
        from: "        order by h.created_at nulls first, h.id\n",
        to: "        order by h.created_at nulls first, h.id desc\n",
        caught_by: UNALTERED,
    },
    Sabotage {
        name: "messages without a time come last",
        file: STEP,
        from: "        order by h.created_at nulls first, h.id\n",
        to: "        order by h.created_at, h.id\n",
        caught_by: UNALTERED,
    },
    Sabotage {
        name: "content is cut",
        file: STEP,
        from: "        private.write_message(h.role, h.content, h.created_at, h.phase)\n",
        to: "        private.write_message(h.role, left(h.content, 1000), h.created_at, h.phase)\n",
        caught_by: UNALTERED,
    },
    Sabotage {
        name: "times are rounded to seconds",
        file: STEP,
        from: "        private.write_message(h.role, h.content, h.created_at, h.phase)\n",
        to: "        private.write_message(\n            h.role, h.content, h.created_at::timestamp(0), h.phase)\n",
        caught_by: UNALTERED,
    },
    Sabotage {
        name: "unknown roles become user",
        file: STEP,
        from: "        private.write_message(h.role, h.content, h.created_at, h.phase)\n",
        to: "        private.write_message(\n            case when h.role in ('user', 'assistant') then h.role else 'user' end,\n            h.content, h.created_at, h.phase)\n",
        caught_by: UNALTERED,
    },
    Sabotage {
        name: "a message takes the phase of its chat",
        file: MOVE,
        from: "analyze public.chat_sessions;",
        to: "update public.chat_sessions set messages = jsonb_set(messages, '{0,phase}', to_jsonb(phase))\nwhere subtopic_id = 'circles';\nanalyze public.chat_sessions;",
        caught_by: UNALTERED,
    },
    Sabotage {
        name: "two chats of one user swap their messages",
        file: MOVE,
        from: "analyze public.chat_sessions;",
        to: "update public.chat_sessions s set messages = o.messages from public.chat_sessions o\nwhere s.user_id = o.user_id and s.id <> o.id\nand s.subtopic_id in ('micro', 'ends') and o.subtopic_id in ('micro', 'ends');\nanalyze public.chat_sessions;",
        caught_by: UNALTERED,
    },
    Sabotage {
        name: "the ids of messages are forgotten",
        file: STEP,
        from: "        || jsonb_build_object('id', h.id)\n        order by",
        to: "        order by",
        caught_by: UNALTERED,
    },
    Sabotage {
        name: "a chat begins with its last message",
        file: STEP,
        from: "    min(h.created_at) as created_at,\n",
        to: "    max(h.created_at) as created_at,\n",
        caught_by: "there is one chat for each user, topic and subtopic",
    },
    Sabotage {
        name: "a time is written with an offset",
        file: MOVE,
        from: "analyze public.chat_sessions;",
        to: "update public.chat_sessions\nset messages = replace(messages::text, '10:00:09Z', '10:00:09+00:00')::jsonb;\nanalyze public.chat_sessions;",
        caught_by: "a time is written as in the guide",
    },
    Sabotage {
        name: "the new function shows the newest message first",
        file: CUT_OVER,
        from: "            order by e.ordinality\n",
        to: "            order by e.ordinality desc\n",
        caught_by: "answer-changed",
    },
    Sabotage {
        name: "the new function takes NULL for a topic of its own",
        file: CUT_OVER,
        from: "    and s.subtopic_id is not distinct from subtopic\n",
        to: "    and s.subtopic_id = subtopic\n",
        caught_by: "answer-changed",
    },
    Sabotage {
        name: "a new message is the last even where one is from the future",
        file: CUT_OVER,
        from: "        when private.read_time(messages -> -1 ->> 'timestamp')\n            >= private.read_time(message -> 0 ->> 'timestamp')\n",
        to: "        when false\n",
        caught_by: "\"Max goes on with a chat from the future\"",
    },
    Sabotage {
        name: "a role may be as long as it likes",
        file: CUT_OVER,
        from: "    said_by constant varchar(20) := role;\n",
        to: "    said_by constant text := role;\n",
        caught_by: "\"a role that is too long\"",
    },
    Sabotage {
        name: "who saves is told the id of the message",
        file: CUT_OVER,
        from: "    return message;\n",
        to: "    return message || '{\"id\": 1}';\n",
        caught_by: "\"Mia goes on with a chat\"",
    },
    Sabotage {
        name: "reading is not granted any more",
        file: CLEAN_UP,
        from: "drop view private.history_as_sessions;",
        to: "revoke execute on function public.get_chat_history(uuid, varchar, varchar) from app_user;\ndrop view private.history_as_sessions;",
        caught_by: "answer-changed",
    },
    Sabotage {
        name: "a message is altered by the clean-up",
        file: CLEAN_UP,
        from: "drop view private.history_as_sessions;",
        to: "update public.chat_sessions set messages = jsonb_set(messages, '{0,content}', '\"?\"')\nwhere subtopic_id = 'again';\ndrop view private.history_as_sessions;",
        caught_by: "every row of chat_history is a message of its chat",
    },
    Sabotage {
        name: "an account goes with the clean-up",
        file: CLEAN_UP,
        from: "drop view private.history_as_sessions;",
        to: "delete from public.users where name = 'Nora';\ndrop view private.history_as_sessions;",
        caught_by: "data-lost",
    },
    Sabotage {
        name: "row level security is not enabled",
        file: SESSIONS,
        from: "alter table public.chat_sessions enable row level security;\n",
        to: "",
        caught_by: "cross-tenant-read",
    },
    Sabotage {
        name: "chats of nobody are everybody's",
        file: SESSIONS,
        from: "for select to app_user\n    using (user_id = (select private.my_id()));",
        to: "for select to app_user\n    using (user_id = (select private.my_id()) or user_id is null);",
        caught_by: "ownerless-read",
    },
    Sabotage {
        name: "who is not logged in is everybody",
        file: SESSIONS,
        from: "for select to app_user\n    using (user_id = (select private.my_id()));",
        to: "for select to app_user\n    using (user_id = (select private.my_id()) or (select private.my_id()) is null);",
        caught_by: "cross-tenant-read",
    },
    Sabotage {
        name: "chats can be begun for others",
        file: SESSIONS,
        from: "for insert to app_user\n    with check (user_id = (select private.my_id()));",
        to: "for insert to app_user\n    with check (true);",
        caught_by: "cross-tenant-insert",
    },
    Sabotage {
        name: "chats can be given away",
        file: SESSIONS,
        from: "    using (user_id = (select private.my_id()))\n    with check (user_id = (select private.my_id()));",
        to: "    using (user_id = (select private.my_id()))\n    with check (user_id is not null);",
        caught_by: "access changed",
    },
    Sabotage {
        name: "everybody may update, who cannot see",
        file: SESSIONS,
        from: "    using (user_id = (select private.my_id()))\n    with check (user_id = (select private.my_id()));",
        to: "    using (true)\n    with check (true);",
        caught_by: "blind-update",
    },
    Sabotage {
        name: "deleting is granted",
        file: CUT_OVER,
        from: "grant insert, update on table public.chat_sessions to app_user;",
        to: "grant insert, update, delete on table public.chat_sessions to app_user;",
        caught_by: "access changed",
    },
    Sabotage {
        name: "truncating is granted",
        file: CUT_OVER,
        from: "grant insert, update on table public.chat_sessions to app_user;",
        to: "grant insert, update, truncate on table public.chat_sessions to app_user;",
        caught_by: "truncate-granted",
    },
];

#[test]
fn sabotage_is_caught_by_the_check_meant_for_it() {
    let told = told_of_sabotages("sql/topic_sessions", SABOTAGES);
    assert_sections("topic_sessions", "sabotaged", &told);
}

#[test]
fn policies_are_index_conditions() {
    let project = project();
    let scratch = Scratch::of(&project).expect("a scratch database");
    let mut isolation = scratch.isolation().expect("a world");
    let sql = "set local enable_seqscan = off;
        explain (costs off) select * from public.chat_sessions order by updated_at desc limit 20";
    let plan = isolation.ask("alice", sql).expect("a plan");
    let plan: Vec<String> = plan.into_iter().flatten().flatten().collect();
    let plan = plan.join("\n");
    assert!(plan.contains("InitPlan"), "not once per statement\n{plan}");
    assert!(plan.contains("Index Cond"), "no index\n{plan}");
}
