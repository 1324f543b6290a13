//! The character chats project: each user's array of chats becomes one row per chat, the functions
//! of the back end answer the same, and sabotage is noticed.

use leakproof::project::Project;
use leakproof::scratch::Scratch;

use crate::support::{
    Sabotage, answers, assert_accepted_matrix, assert_passes, assert_snapshot, empty_scratch,
    lines, recorded_answers, root, told_of_sabotages,
};
use crate::turns::assert_sections;

fn project() -> Project {
    Project::read(root().join("sql/character_chats")).expect("a readable project")
}

#[test]
fn it_passes_and_says_so() {
    assert_passes("character_chats");
}

#[test]
fn the_matrix_is_the_accepted_one() {
    assert_accepted_matrix("character_chats");
}

#[test]
fn moving_the_data_again_changes_nothing() {
    let places = "select ctid || ' ' || to_jsonb(h) from public.chat_histories h
        union all select ctid || ' ' || to_jsonb(j) from public.chat_history_rejects j order by 1";
    let project = project();
    let mut scratch = empty_scratch(&project);
    scratch.migrate_to(3).expect("the migrations up to the move");
    let once = lines(&scratch, places);
    assert!(once.len() > 150, "only {} elements were moved", once.len());
    let step = project.migrations().iter().find(|file| file.version() == 3).expect("the move");
    let mut client = scratch.connect().expect("a connection");
    client.batch_execute(step.raw()).expect("the move, again");
    assert_eq!(lines(&scratch, places), once, "rows were written again");
}

/// Nobody is cut down to 30 chats by the migration, and no chat with a known id is dropped.
#[test]
fn the_move_keeps_more_than_the_application_does() {
    let project = project();
    let scratch = Scratch::of(&project).expect("a scratch database");
    let query = "
        select concat_ws(' | ', u.id,
            (select count(*) from public.chat_histories h where h.user_id = u.id),
            (select string_agg(j.ordinal || ' ' || j.reason, ', ' order by j.ordinal)
             from public.chat_history_rejects j where j.user_id = u.id))
        from public.users u
        where u.id ~ '^user-(12|13|14|15)' order by u.id";
    assert_eq!(
        lines(&scratch, query),
        [
            "user-12-duplicates | 3 | 3 chat_id is a duplicate, 4 chat_id is a duplicate",
            "user-13-same-ids | 2",
            "user-14-many | 37",
            "user-15-many-odd | 38 | 3 element is no object, 20 element is no object, \
         35 chat_id is a duplicate",
        ]
    );
}

/// That no migration changes them is part of the check.
#[test]
fn the_functions_answer_as_recorded() {
    assert_snapshot("character_chats", "calls", &recorded_answers(&project()), &[]);
}

/// Everybody tries everything, one after the other: too much to be asked across each migration.
#[test]
fn the_functions_answer_the_same_before_and_after() {
    let project = project();
    let mut scratch = empty_scratch(&project);
    scratch.migrate_to(1).expect("the baseline");
    let users = lines(&scratch, "select id::text from public.users order by id collate \"C\"");
    let calls = calls();
    let ask = |scratch: &Scratch<'_>| -> Vec<Vec<String>> {
        users.iter().map(|user| answers(scratch, user, &calls)).collect()
    };
    let before = ask(&scratch);
    scratch.migrate().expect("the way there");
    let after = ask(&scratch);
    for ((user, before), after) in users.iter().zip(before).zip(after) {
        for ((call, before), after) in calls.iter().zip(before).zip(after) {
            assert_eq!(before, after, "{user}: {call}");
        }
    }
}

/// What each user asks and writes, one after the other.
fn calls() -> Vec<String> {
    const ME: &str = "current_setting('app.user_id')";
    const KNOWN: &[&str] = &[
        "twice",
        "once",
        "many-05",
        "odd-1",
        "odd-5",
        "k2",
        "k3",
        "r3",
        "r6",
        "t2",
        "t6",
        "c6",
        "before",
        "time-22",
        "huge",
        "names of our columns",
        "c1000000-0000-4000-8000-000000000001",
    ];
    let all = format!("public.build_user_response({ME})");
    let upsert = |id: &str, payload: &str| {
        format!("public.upsert_chat_history_entry({ME}, '{id}', '{payload}')")
    };
    let mut calls = vec![
        all.clone(),
        format!("public.fetch_user_chat_history({ME})"),
        format!("select string_agg(c.name, ', ') from public.fetch_recommended_characters({ME}) c"),
        format!("public.fetch_chat_history_entry({ME}, 'unknown')"),
        format!("public.rename_chat_history_entry({ME}, 'unknown', 'New')"),
        format!("public.delete_chat_history_entry({ME}, 'unknown')"),
        upsert("", r#"{"title": "no id"}"#),
        upsert("list", "[]"),
        upsert(&"x".repeat(256), "{}"),
    ];
    for id in KNOWN {
        calls.push(format!("public.fetch_chat_history_entry({ME}, '{id}')"));
    }
    for id in KNOWN.iter().filter(|id| **id != "c6") {
        // Only those who have it, so that few are pruned at first.
        let rename = format!("public.rename_chat_history_entry({ME}, '{id}', 'New name of {id}')");
        let write = format!(
            "case when public.fetch_chat_history_entry({ME}, '{id}') is not null then {} end",
            upsert(
                id,
                r#"{"last_updated": "2024-02-20T00:00:00.5+00:00", "messages": [1.0],
                "character_id": 2, "scene_id": 77, "extra": {"a": null}}"#
            )
        );
        calls.extend([rename, all.clone(), write, all.clone()]);
    }
    // The one that turns a document into an array comes late, for those who have one.
    let new = |at: &str| {
        format!(
            r#"{{"character_id": 3, "character_name": "Cleo", "title": "", "messages": [],
                "last_updated": {at}, "created_at": "2024-04-01T00:00:00+00:00"}}"#
        )
    };
    for (id, at) in [
        ("new", r#""2024-04-01T00:00:00+00:00""#),
        ("old", r#""2020-01-01T00:00:00+00:00""#),
        ("when", r#""some day""#),
        ("new", "1712016000"),
        ("c6", "null"),
    ] {
        calls.extend([upsert(id, &new(at)), all.clone()]);
    }
    for id in KNOWN {
        calls.push(format!("public.delete_chat_history_entry({ME}, '{id}')"));
        calls.push(all.clone());
    }
    for other in ["user-01-regular", "user-14-many", "nobody"] {
        let other = format!("(select nullif('{other}', {ME}))");
        calls.push(format!("public.build_user_response({other})"));
        calls.push(format!("public.fetch_chat_history_entry({other}, 'many-05')"));
        calls.push(format!("public.upsert_chat_history_entry({other}, 'many-05', '{{}}')"));
        calls.push(format!("public.rename_chat_history_entry({other}, 'many-05', 'mine')"));
        calls.push(format!("public.delete_chat_history_entry({other}, 'many-05')"));
    }
    calls
}

/// `entry.title = "New Title"; db.commit()`, as the guide has it, and `db.add(ChatHistory(...))`.
#[test]
fn columns_written_by_themselves_are_seen_in_the_array() {
    let project = project();
    let scratch = Scratch::of(&project).expect("a scratch database");
    let update = |user: &str, id: &str, set: &str| {
        let mut client = scratch.connect().expect("a connection");
        let sql = format!(
            "update public.chat_histories h set {set} where user_id = '{user}' and chat_id = '{id}'
             returning private.chat_element(h)::text"
        );
        client.query_one(&sql, &[]).expect("an element").get::<_, String>(0)
    };
    let titles = "user-19-titles";
    assert_eq!(update(titles, "t3", "title = 'x'"), r#"{"title": "x", "chat_id": "t3"}"#);
    let kept = r#"{"title": "x", "chat_id": "k3", "": "an empty key", "big": "#;
    assert!(update("user-17-keys", "k3", "title = 'x'").contains(r#""score": 1.0"#), "{kept}");
    let gone = update("user-18-references", "r1", "character_id = 1");
    let left = r#"{"title": "a", "chat_id": "r1", "scene_id": 98, "persona_id": 97, "#;
    assert_eq!(gone, format!("{left}\"character_id\": 1}}"));
    let mut client = scratch.connect().expect("a connection");
    let insert = "insert into public.chat_histories (user_id, chat_id, title)
        values ('user-19-titles', 'added', 'Added')";
    client.batch_execute(insert).expect("a chat");
    let last = "select public.fetch_user_chat_history('user-19-titles') ->> -1";
    assert_eq!(lines(&scratch, last), [r#"{"title": "Added", "chat_id": "added"}"#]);
}

/// While the array is the truth the rows follow it, and the cut over finds nothing to complain of.
#[test]
fn the_old_functions_may_write_until_the_cut_over() {
    let project = project();
    let mut scratch = empty_scratch(&project);
    scratch.migrate_to(4).expect("the migrations up to the cut over");
    let mut client = scratch.connect().expect("a connection");
    client
        .batch_execute(
            "select public.upsert_chat_history_entry(id, 'late', '{\"title\": \"late\"}'),
                public.delete_chat_history_entry(id, 'twice'),
                public.rename_chat_history_entry(id, 'k1', 'renamed')
             from public.users;
             delete from public.characters where id = 2",
        )
        .expect("writes of the old application");
    let all = "select public.build_user_response(id)::text from public.users order by 1";
    let before = lines(&scratch, all);
    scratch.migrate().expect("the cut over");
    assert_eq!(lines(&scratch, all), before);
    let applied = scratch.applied().iter();
    let broken: Vec<_> = applied.filter(|applied| !applied.preservation.holds()).collect();
    assert!(broken.is_empty(), "{broken:?}");
}

#[test]
fn what_was_written_since_comes_along_on_the_way_back() {
    let project = project();
    let mut scratch = empty_scratch(&project);
    scratch.migrate().expect("the way there");
    let mut client = scratch.connect().expect("a connection");
    client
        .batch_execute(
            "select public.upsert_chat_history_entry(id, 'late', '{\"title\": \"late\"}'),
                public.delete_chat_history_entry(id, 'twice'),
                public.delete_chat_history_entry(id, 'before')
             from public.users",
        )
        .expect("writes of the new application");
    let all = "select public.build_user_response(id)::text from public.users order by 1";
    let before = lines(&scratch, all);
    scratch.roll_back_to(1).expect("the way back");
    assert_eq!(lines(&scratch, all), before);
    scratch.migrate().expect("the way there again");
    assert_eq!(lines(&scratch, all), before);
}

#[test]
fn the_baseline_is_not_taken_from_under_its_users() {
    let project = project();
    let mut scratch = empty_scratch(&project);
    scratch.migrate().expect("the way there");
    let refused = scratch.roll_back_to(0).unwrap_err().to_string();
    assert!(refused.contains("there are users"), "{refused}");
    let mut client = scratch.connect().expect("a connection");
    client.batch_execute("delete from public.users").expect("nobody");
    scratch.roll_back_to(0).expect("the whole way back");
    let left = "select c.relname::text from pg_catalog.pg_class c
        join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        where n.nspname in ('public', 'private')";
    assert_eq!(lines(&scratch, left), [""; 0]);
}

/// The column stays while a single row is missing, or is one too many.
#[test]
fn the_array_stays_while_counts_differ() {
    for change in [
        "delete from public.chat_histories where chat_id = 'once'",
        "delete from public.chat_history_rejects where reason = 'document is null'",
        "insert into public.chat_history_rejects values
            ('user-02-empty', 1, 'element is no object', '1')",
    ] {
        let project = project();
        let mut scratch = empty_scratch(&project);
        scratch.migrate_to(4).expect("the migrations up to the cut over");
        let mut client = scratch.connect().expect("a connection");
        client.batch_execute(change).expect("a row less or more");
        let refused = scratch.migrate().unwrap_err().to_string();
        assert!(refused.contains("elements, but"), "{change}: {refused}");
        let arrays = lines(&scratch, "select id::text from public.users where chat_history <> '0'");
        assert_eq!(arrays.len(), 20, "{change}");
    }
}

const SABOTAGES: &[Sabotage] = &[
    Sabotage {
        name: "one chat is dropped by the move",
        file: MOVE,
        from: "where e.reason is null\n",
        to: "where e.reason is null and e.element ->> 'chat_id' <> 'once'\n",
        caught_by: "V3 move_chat_histories: \"every element of every array",
    },
    Sabotage {
        name: "users are cut down to 30 chats by the move",
        file: MOVE,
        from: "where e.reason is null\n",
        to: "where e.reason is null and e.ordinal <= 30\n",
        caught_by: "V3 move_chat_histories: \"every element of every array",
    },
    Sabotage {
        name: "duplicates are dropped by the move",
        file: MOVE,
        from: "where e.reason is not null\n",
        to: "where e.reason <> 'chat_id is a duplicate'\n",
        caught_by: "V3 move_chat_histories: \"every element of every array",
    },
    Sabotage {
        name: "two chats of one array are swapped by the move",
        file: MOVE,
        from: "    c.ordinal,\n",
        to: "    case when c.user_id = 'user-01-regular' and c.ordinal < 3 then 3 - c.ordinal
        else c.ordinal end,\n",
        caught_by: "V3 move_chat_histories: \"every element of every array",
    },
    Sabotage {
        name: "one title is altered by the move",
        file: MOVE,
        from: "    c.title,\n",
        to: "    replace(c.title, 'Tea', 'Coffee'),\n",
        caught_by: "V3 move_chat_histories: \"an object with an id of its own",
    },
    Sabotage {
        name: "unknown keys are forgotten by the move",
        file: MOVE,
        from: "    c.legacy\nfrom",
        to: "    c.legacy - 'zeta'\nfrom",
        caught_by: "V3 move_chat_histories: \"every element of every array",
    },
    Sabotage {
        name: "times are rounded by the move",
        file: MOVE,
        from: "    c.last_updated,\n    c.created_at,\n",
        to: "    date_trunc('milliseconds', c.last_updated),\n    c.created_at,\n",
        caught_by: "V3 move_chat_histories: \"a time as the back end writes it",
    },
    Sabotage {
        name: "chats are tied to no persona by the move",
        file: MOVE,
        from: "    c.persona_id,\n",
        to: "    null,\n",
        caught_by: "V3 move_chat_histories: \"a chat refers to the character and scene",
    },
    Sabotage {
        name: "one chat is deleted after the cut over has verified it",
        file: CUT_OVER,
        from: "drop trigger sync_chat_history",
        to: "delete from public.chat_histories where chat_id = 'once';\n\
             drop trigger sync_chat_history",
        caught_by: "data-lost on public.chat_histories",
    },
    Sabotage {
        name: "the API turns the arrays round",
        file: CUT_OVER,
        from: "jsonb_agg(e.element order by e.ordinal)",
        to: "jsonb_agg(e.element order by e.ordinal desc)",
        caught_by: "V5 cut_over: \"the API answers every user the identical array",
    },
    Sabotage {
        name: "the API leaves out what is no chat",
        file: CUT_OVER,
        from: "            where j.user_id = u.id\n        ) e",
        to: "            where j.user_id = u.id and j.ordinal = 0\n        ) e",
        caught_by: "V5 cut_over: \"the API answers every user the identical array",
    },
    Sabotage {
        name: "the API keeps one chat more",
        file: CUT_OVER,
        from: "        offset 30\n",
        to: "        offset 31\n",
        caught_by: "\"Maya begins one chat more than is kept\"",
    },
    Sabotage {
        name: "duplicates outlive the chat",
        file: CUT_OVER,
        from: "    and j.reason = 'chat_id is a duplicate'\n",
        to: "    and j.reason = 'chat_id is a duplicate' and false\n",
        caught_by: "\"Dora deletes all three\"",
    },
    Sabotage {
        name: "a document that was no array stays beside the chats",
        file: CUT_OVER,
        from: "    perform private.unwrap_document(for_user);\n",
        to: "",
        caught_by: "\"Uma begins the chat that is all of her document\"",
    },
    Sabotage {
        name: "the back end may not begin an account any more",
        file: POLICIES,
        from: "grant select on table public.chat_histories, public.chat_history_rejects to app_user, app_service;",
        to: "grant select on table public.chat_histories, public.chat_history_rejects to app_user, app_service;
revoke insert on table public.users from app_service;",
        caught_by: "\"a new user is registered\"",
    },
    Sabotage {
        name: "a user may read everybody's chats",
        file: POLICIES,
        from: "create policy select_own on public.chat_histories for select to app_user
    using (user_id = (select private.my_id()));",
        to: "create policy select_own on public.chat_histories for select to app_user
    using (user_id = (select private.my_id()) or title <> '');",
        caught_by: "cross-tenant-read on public.chat_histories",
    },
    Sabotage {
        name: "whoever is logged in deletes everybody's rejects",
        file: POLICIES,
        from: "create policy delete_own on public.chat_history_rejects for delete to app_user
    using (user_id = (select private.my_id()));",
        to: "create policy delete_own on public.chat_history_rejects for delete to app_user
    using ((select private.my_id()) is not null);",
        caught_by: "blind-delete on public.chat_history_rejects",
    },
    Sabotage {
        name: "titles are cut on the way",
        file: "migrations/V4__policies.sql",
        from: "-- Who reads and writes chats and rejects: each user his own.\n",
        to: "update public.chat_histories set title = left(title, 3);\n",
        caught_by: "public.chat_histories.title was cut",
    },
    Sabotage {
        name: "row security is forgotten on the chats",
        file: "migrations/V2__chat_histories.sql",
        from: "alter table public.chat_histories enable row level security;\n",
        to: "",
        caught_by: "cross-tenant-read on public.chat_histories",
    },
];

const MOVE: &str = "migrations/V3__move_chat_histories.sql";
const POLICIES: &str = "migrations/V4__policies.sql";
const CUT_OVER: &str = "migrations/V5__cut_over.sql";

#[test]
fn sabotage_is_caught_by_the_check_meant_for_it() {
    let told = told_of_sabotages("sql/character_chats", SABOTAGES);
    assert_sections("character_chats", "sabotaged", &told);
}
