//! The mentor chats project: loose messages are grouped into chats by user and mentor, the old
//! functions answer as promised, the chat service works, and sabotage is noticed.

use leakproof::project::Project;
use leakproof::scratch::Scratch;

use crate::support::{
    Sabotage, answers, assert_accepted_matrix, assert_passes, assert_snapshot, empty_scratch,
    lines, recorded_answers, root, told_of_sabotages,
};
use crate::turns::assert_sections;

const ANNA: &str = "cuser0000000000000000anna";
const BERT: &str = "cuser0000000000000000bert";
const ME: &str = "current_setting('app.user_id')";

fn project() -> Project {
    Project::read(root().join("sql/mentor_chats")).expect("a readable project")
}

#[test]
fn it_passes_and_says_so() {
    assert_passes("mentor_chats");
}

#[test]
fn the_matrix_is_the_accepted_one() {
    assert_accepted_matrix("mentor_chats");
}

#[test]
fn grouping_again_changes_nothing() {
    let project = project();
    let mut scratch = empty_scratch(&project);
    scratch.migrate_to(3).expect("the migrations up to the grouping");
    let places = "select ctid || ' ' || m::text from public.messages m
        union all select ctid || ' ' || c::text from public.chats c
        union all select ctid || ' ' || r::text from public.message_rejects r order by 1";
    let once = lines(&scratch, places);
    assert!(once.len() > 100, "only {} rows were grouped", once.len());
    let step = project.migrations().iter().find(|file| file.version() == 3).expect("the step");
    let mut client = scratch.connect().expect("a connection");
    client.batch_execute(step.raw()).expect("the grouping, again");
    assert_eq!(lines(&scratch, places), once, "rows were written again");
}

/// Mentors that are gone have a chat each; what is no mentor, and what is nobody's, stands alone.
#[test]
fn odd_messages_are_where_they_should_be() {
    let project = project();
    let scratch = Scratch::of(&project).expect("a scratch database");
    let chats = "
        select concat_ws(' | ', c.grouped_by, coalesce(c.mentor_id, 'no mentor'), count(m.id))
        from public.chats c join public.messages m on m.chat_id = c.id
        where c.user_id like '%cora' and length(c.grouped_by) < 30
        group by c.id order by min(m.id)";
    assert_eq!(
        lines(&scratch, chats),
        [
            "cmentor00000000000deleted | no mentor | 2",
            "cmentor000000000deleted-2 | no mentor | 1",
            "CMENTOR000000000000CAREER | no mentor | 1",
            " cmentor000000000000career | no mentor | 1",
            "null | no mentor | 1",
            "\", \"👋\\\n | no mentor | 1",
        ]
    );
    let rejects = "
        select concat_ws(' | ', right(r.message_id, 2), r.user_id, left(r.mentor_id, 5), r.reason)
        from public.message_rejects r order by r.message_id";
    assert_eq!(
        lines(&scratch, rejects),
        [
            "25 | cuser0000000000000000cora |  | mentor is blank",
            "26 | cuser0000000000000000cora |     | mentor is blank",
            "27 | cuser0000000000000000cora | mmmmm | mentor is too long",
            "61 | cment | user is missing",
            "63 |   | mentor is blank",
        ]
    );
}

/// That no migration changes them is part of the check.
#[test]
fn the_functions_answer_as_recorded() {
    assert_snapshot("mentor_chats", "calls", &recorded_answers(&project()), &[]);
}

#[test]
fn nothing_is_said_to_a_mentor_that_does_not_exist() {
    let project = project();
    let scratch = Scratch::of(&project).expect("a scratch database");
    let save = format!(
        "public.save_message({ME}, 'nobody', '{{\"role\": \"user\", \"content\": \"x\"}}')"
    );
    assert_eq!(answers(&scratch, ANNA, &[save]), ["there is no mentor nobody"]);
}

#[test]
fn the_chat_service_works() {
    let project = project();
    let scratch = Scratch::of(&project).expect("a scratch database");
    let new = "(select id from public.chats where title in ('New', 'Newer'))";
    let bare = |call: &str| {
        let random = "{id,userId,createdAt,updatedAt,chatId}";
        format!("jsonb_strip_nulls({call} - '{random}'::text[])")
    };
    let message = |content: &str| format!(r#"'{{"role": "user", "content": "{content}"}}'"#);
    let contents = |call: &str| {
        format!("select string_agg(e ->> 'content', ', ') from jsonb_array_elements({call}) e")
    };
    let cases: &[(String, &str)] = &[
        (
            bare(&format!("public.create_chat({ME}, null, 'New', '{{\"a\": 1.0}}')")),
            r#"{"title": "New", "isActive": true, "metadata": {"a": 1.0}}"#,
        ),
        (
            bare(&format!("public.create_message({ME}, {new}, {})", message("1"))),
            r#"{"role": "user", "content": "1"}"#,
        ),
        (
            format!(
                "select string_agg(e.value ->> 'role', ', ' order by e.key desc) from jsonb_each(
                    public.save_conversation({ME}, {new}, '{{\"content\": \"2\"}}',
                        '{{\"content\": \"3\", \"tokens\": 5}}')) e"
            ),
            "user, assistant",
        ),
        (contents(&format!("public.get_chat_messages({ME}, {new})")), "1, 2, 3"),
        (contents(&format!("public.get_chat({ME}, {new}) -> 'messages'")), "1, 2, 3"),
        (
            bare(&format!("public.update_chat({ME}, {new}, '{{\"title\": \"Newer\"}}')")),
            r#"{"title": "Newer", "isActive": true, "metadata": {"a": 1.0}}"#,
        ),
        (format!("public.get_user_chats({ME}) -> 0 ->> 'title'"), "Newer"),
        (format!("jsonb_array_length(public.get_user_chats({ME}))"), "4"),
        (format!("jsonb_array_length(public.get_user_chats({ME}, null, false, 2, 3))"), "1"),
        (
            format!("public.get_user_chats({ME}, 'cmentor000000000000health') -> 0 ->> 'title'"),
            "Chat with Health",
        ),
        // Deleted softly: gone for its user, but for the one call that brings it back.
        (format!("public.delete_chat({ME}, {new})"), "true"),
        (format!("public.delete_chat({ME}, {new})"), "false"),
        (format!("public.get_chat({ME}, {new})"), "NULL"),
        (format!("public.get_chat_messages({ME}, {new})"), "NULL"),
        (format!("public.create_message({ME}, {new}, {})", message("4")), "NULL"),
        (format!("jsonb_array_length(public.get_user_chats({ME}))"), "3"),
        (format!("jsonb_array_length(public.get_user_chats({ME}, null, true))"), "4"),
        (format!("select count(*) from public.messages where chat_id = {new}"), "3"),
        (
            format!("public.get_chat_stats({ME})"),
            "{\"totalChats\": 4, \"activeChats\": 3, \"mentorChats\": 2, \"totalTokens\": 63, \
             \"totalMessages\": 11, \"standaloneMessages\": 2}",
        ),
        (
            format!("public.update_chat({ME}, {new}, '{{\"isActive\": true}}') ->> 'isActive'"),
            "true",
        ),
        (contents(&format!("public.get_chat_messages({ME}, {new})")), "1, 2, 3"),
        // The mentor's chat is the one that the grouping made; of a deleted one there is a new one.
        (
            format!(
                "public.get_or_create_mentor_chat({ME}, 'cmentor000000000000career') ->> 'id'
                = private.chat_id_of({ME}, 'cmentor000000000000career')"
            ),
            "permission denied for function chat_id_of",
        ),
        (
            format!(
                "public.get_or_create_mentor_chat({ME}, 'cmentor000000000000career') ->> 'id'
                = (select id from public.chats where grouped_by = 'cmentor000000000000career')"
            ),
            "true",
        ),
        (
            format!(
                "public.delete_chat({ME},
                (select id from public.chats where grouped_by = 'cmentor000000000000career'))"
            ),
            "true",
        ),
        (format!("public.get_mentor_messages({ME}, 'cmentor000000000000career')"), "[]"),
        (
            bare(&format!("public.get_or_create_mentor_chat({ME}, 'cmentor000000000000career')")),
            "{\"title\": \"Chat with Career\", \"isActive\": true, \
             \"mentorId\": \"cmentor000000000000career\"}",
        ),
        (
            format!(
                "select count(distinct public.get_or_create_mentor_chat({ME}, id) ->> 'id')
                from public.mentors, generate_series(1, 3)"
            ),
            "4",
        ),
        (format!("public.get_or_create_mentor_chat({ME}, 'nobody')"), "NULL"),
        (
            format!("public.create_chat({ME}, 'nobody')"),
            "insert or update on table \"chats\" violates foreign key constraint \
             \"chats_mentor_id_fkey\"",
        ),
        // Alone.
        (format!("public.create_standalone_message({ME}, {}) ->> 'chatId'", message("5")), "NULL"),
        (format!("public.get_messages({ME}, 1) -> 0 ->> 'content'"), "5"),
        (format!("jsonb_array_length(public.get_messages({ME}, 10))"), "3"),
    ];
    let calls: Vec<String> = cases.iter().map(|(call, _)| call.clone()).collect();
    for ((call, expected), told) in cases.iter().zip(answers(&scratch, ANNA, &calls)) {
        assert_eq!(told, *expected, "{call}");
    }
}

/// Somebody else's user and chat are as good as none, whatever is called.
#[test]
fn nobody_calls_for_another_user() {
    let project = project();
    let scratch = Scratch::of(&project).expect("a scratch database");
    let chat =
        "select id from public.chats where user_id like '%anna' and mentor_id like '%career'";
    let chat = lines(&scratch, chat).concat();
    let message = r#"'{"role": "user", "content": "x"}'"#;
    let career = "'cmentor000000000000career'";
    let mut cases = vec![
        (format!("public.create_chat('{ANNA}', {career})"), "NULL"),
        (format!("public.get_user_chats('{ANNA}')"), "[]"),
        (format!("public.get_or_create_mentor_chat('{ANNA}', {career})"), "NULL"),
        (format!("public.create_standalone_message('{ANNA}', {message})"), "NULL"),
        (format!("public.get_chat_stats('{ANNA}')"), "NULL"),
        (format!("public.get_messages('{ANNA}', 10)"), "[]"),
        (format!("public.get_mentor_messages('{ANNA}', {career})"), "[]"),
        (format!("public.save_message('{ANNA}', null, {message})"), "NULL"),
    ];
    for user in [ANNA, BERT] {
        cases.extend([
            (format!("public.get_chat('{user}', '{chat}')"), "NULL"),
            (format!("public.get_chat_messages('{user}', '{chat}')"), "NULL"),
            (format!("public.update_chat('{user}', '{chat}', '{{\"title\": \"x\"}}')"), "NULL"),
            (format!("public.delete_chat('{user}', '{chat}')"), "false"),
            (format!("public.create_message('{user}', '{chat}', {message})"), "NULL"),
            (format!("public.save_conversation('{user}', '{chat}', {message}, {message})"), "NULL"),
        ]);
    }
    let calls: Vec<String> = cases.iter().map(|(call, _)| call.clone()).collect();
    for ((call, expected), told) in cases.iter().zip(answers(&scratch, BERT, &calls)) {
        assert_eq!(told, *expected, "{call}");
    }
    // Nor does a row of one's own name another's chat: the answer is that of a chat that is none.
    let mut client = scratch.connect().expect("a connection");
    let mut refuse = |chat: &str| {
        let sql = format!(
            "begin; set local app.user_id = '{BERT}'; set local role app_user;
             insert into public.messages (user_id, chat_id, role, content)
             values ('{BERT}', '{chat}', 'user', 'x')"
        );
        let refused = client.batch_execute(&sql).expect_err("refused");
        client.batch_execute("rollback").expect("taken back");
        let refused = refused.as_db_error().expect("an answer");
        let detail = refused.detail().unwrap_or_default().replace(chat, "<chat>");
        format!("{} {} {detail}", refused.code().code(), refused.message())
    };
    assert!(refuse(&chat).starts_with("23503"), "{}", refuse(&chat));
    assert_eq!(refuse("nothing"), refuse(&chat));
}

/// While `mentor_id` is the truth, what the old functions write is grouped at once; and users,
/// mentors that are deleted meanwhile are no obstacle.
#[test]
fn the_old_functions_may_write_until_the_cut_over() {
    let project = project();
    let mut scratch = empty_scratch(&project);
    scratch.migrate_to(5).expect("the migrations up to the cut over");
    let mut client = scratch.connect().expect("a connection");
    client
        .batch_execute(
            "select public.save_message(u.id, m.id, '{\"role\": \"user\", \"content\": \"late\"}')
             from public.users u
             cross join (values ('cmentor000000000000career'), ('nobody'), (' '), (null)) m (id);
             delete from public.users where id like '%dirk';
             delete from public.mentors where id like '%health'",
        )
        .expect("writes of the old application");
    let memory = "select public.get_mentor_messages(u.id, m.id)::text
        from public.users u
        cross join (values ('cmentor000000000000career'), ('cmentor000000000000health'), ('nobody'))
            m (id)
        order by u.id, m.id";
    let before = lines(&scratch, memory);
    scratch.migrate().expect("the cut over");
    assert_eq!(lines(&scratch, memory), before);
    let applied = scratch.applied().iter();
    let broken: Vec<_> = applied.filter(|applied| !applied.preservation.holds()).collect();
    assert!(broken.is_empty(), "{broken:?}");
    let late = "select concat_ws(' | ', u.name, count(m.chat_id), count(*) - count(m.chat_id))
        from public.users u join public.messages m on m.user_id = u.id and m.content = 'late'
        group by u.id having u.name is not null order by 1";
    assert_eq!(lines(&scratch, late).len(), 5);
    assert!(lines(&scratch, late).iter().all(|line| line.ends_with("| 2 | 2")));
}

/// The way back carries messages said since; it stops before a chat that would be lost.
#[test]
fn what_was_said_since_comes_along_on_the_way_back() {
    let project = project();
    let mut scratch = empty_scratch(&project);
    scratch.migrate().expect("the way there");
    let mut client = scratch.connect().expect("a connection");
    client
        .batch_execute(
            "select public.save_message(u.id, 'cmentor000000000000career',
                '{\"role\": \"user\", \"content\": \"late\"}')
             from public.users u",
        )
        .expect("writes of the new application");
    let late = "select concat_ws(' | ', user_id, mentor_id) from public.messages
        where content = 'late' order by 1";
    scratch.roll_back_to(5).expect("the way back to the old functions");
    let found = lines(&scratch, late);
    assert_eq!(found.len(), 6);
    assert!(found.iter().all(|line| line.ends_with("career")), "{found:?}");
    // Cora and Fred had no chat with that mentor: theirs were begun since.
    let refused = scratch.roll_back_to(1).unwrap_err().to_string();
    assert!(refused.contains("would be lost"), "{refused}");
    scratch.migrate().expect("the way there again");
    let grouped = "select count(*)::text from public.messages where content = 'late'
        and chat_id is not null";
    assert_eq!(lines(&scratch, grouped), ["6"]);
}

#[test]
fn the_column_stays_while_a_message_is_not_grouped() {
    for change in [
        "update public.messages set chat_id = null where id like '%001' and chat_id is not null",
        "update public.messages set chat_id = (
            select c.id from public.chats c
            where c.user_id = messages.user_id and c.grouped_by like '%health'
         ) where id like '%001' and user_id like '%anna'",
        "delete from public.message_rejects where reason = 'mentor is blank';
         update public.messages set mentor_id = null where mentor_id = ''",
        "update public.chats set grouped_by = 'another' where grouped_by like '%deleted-2'",
    ] {
        let project = project();
        let mut scratch = empty_scratch(&project);
        scratch.migrate_to(5).expect("the migrations up to the cut over");
        let named = "select id || ' ' || mentor_id from public.messages where mentor_id is not null
            order by 1";
        let mut client = scratch.connect().expect("a connection");
        let outcome = client.batch_execute(change);
        outcome.expect("a row changed");
        let before = lines(&scratch, named);
        match scratch.migrate() {
            Err(refused) => assert!(refused.to_string().contains("names mentor"), "{refused}"),
            // Rejects are written again, where the message still says what they said.
            Ok(()) => {
                assert!(change.contains("message_rejects"), "{change}");
                continue;
            }
        }
        assert_eq!(lines(&scratch, named), before, "{change}");
    }
}

#[test]
fn the_baseline_is_not_taken_from_under_its_users() {
    let project = project();
    let mut scratch = empty_scratch(&project);
    scratch.migrate().expect("the way there");
    let refused = scratch.roll_back_to(0).unwrap_err().to_string();
    assert!(refused.contains("there are users or messages"), "{refused}");
    let mut client = scratch.connect().expect("a connection");
    client.batch_execute("delete from public.messages; delete from public.users").expect("nobody");
    scratch.roll_back_to(0).expect("the whole way back");
    let left = "select c.relname::text from pg_catalog.pg_class c
        join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        where n.nspname in ('public', 'private')";
    assert_eq!(lines(&scratch, left), [""; 0]);
}

const SABOTAGES: &[Sabotage] = &[
    Sabotage {
        name: "messages with deleted mentors are left loose",
        file: GROUP,
        from: "left join public.mentors r on r.id = m.mentor_id\n",
        to: "join public.mentors r on r.id = m.mentor_id\n",
        caught_by: "V3 group_messages: \"every message is what it was",
    },
    Sabotage {
        name: "all that a user said goes into one of his chats",
        file: GROUP,
        from: "and c.grouped_by = m.mentor_id\n",
        to: "",
        caught_by: "V3 group_messages: \"there is one chat for each user and mentor",
    },
    Sabotage {
        name: "one message is left out of its chat",
        file: GROUP,
        from: "and m.chat_id is null;\n",
        to: "and m.chat_id is null\nand m.id <> 'cmsg000000000000000000003';\n",
        caught_by: "V3 group_messages: \"there is one chat for each user and mentor",
    },
    Sabotage {
        name: "two messages of one chat are swapped",
        file: GROUP,
        from: "-- The policies that follow",
        to: "update public.messages m set created_at = o.created_at from public.messages o
where m.id ~ '000[12]$' and o.id ~ '000[12]$' and m.id <> o.id and m.user_id = o.user_id
and m.user_id like '%anna';\n-- The policies that follow",
        caught_by: "V3 group_messages: \"there is one chat for each user and mentor",
    },
    Sabotage {
        name: "what two users said is swapped",
        file: GROUP,
        from: "-- The policies that follow",
        to: "update public.messages m set content = o.content from public.messages o
where m.id ~ '0000(05|11)$' and o.id ~ '0000(05|11)$' and m.id <> o.id;
-- The policies that follow",
        caught_by: "V3 group_messages: \"every message is what it was",
    },
    Sabotage {
        name: "the text of one message is altered",
        file: GROUP,
        from: "set chat_id = c.id\n",
        to: "set chat_id = c.id, content = replace(m.content, 'The people', 'Nothing')\n",
        caught_by: "data-lost on public.messages.content",
    },
    Sabotage {
        name: "rejects are dropped",
        file: GROUP,
        from: "and private.why_loose(m.user_id, m.mentor_id) is not null\non conflict",
        to: "and false\non conflict",
        caught_by: "V3 group_messages: \"every message is what it was",
    },
    Sabotage {
        name: "chats begin when they were grouped",
        file: GROUP,
        from: "    min(m.created_at),\n",
        to: "    '2024-06-01T00:00:00Z',\n",
        caught_by: "V3 group_messages: \"there is one chat for each user and mentor",
    },
    Sabotage {
        name: "chats forget their mentor",
        file: GROUP,
        from: "    r.id,\n",
        to: "    null,\n",
        caught_by: "V3 group_messages: \"a chat is with the mentor",
    },
    Sabotage {
        name: "messages with a mentor are deleted with the column",
        file: CUT_OVER,
        from: "alter table public.messages drop column mentor_id;",
        to: "delete from public.messages where mentor_id = 'null';
alter table public.messages drop column mentor_id;",
        caught_by: "data-lost on public.messages",
    },
    Sabotage {
        name: "the old listing goes on with everything",
        file: CUT_OVER,
        from: "        and m.chat_id is null\n        order by",
        to: "        order by",
        caught_by: "V6 cut_over: \"the old listing answers what stands alone",
    },
    Sabotage {
        name: "a mentor remembers backwards",
        file: CUT_OVER,
        from: "for_mentor) order by m.created_at, m.id",
        to: "for_mentor) order by m.created_at desc, m.id",
        caught_by: "V6 cut_over: \"what mentors remember of Anna\"",
    },
    Sabotage {
        name: "what names no mentor is told with one",
        file: CUT_OVER,
        from: "private.loose_message(p, r.mentor_id) order",
        to: "private.loose_message(p, coalesce(r.mentor_id, '')) order",
        caught_by: "\"Anna reads what stands alone\"",
    },
    Sabotage {
        name: "a message is saved without what it cost",
        file: CUT_OVER,
        from: "from private.add_message(for_user, chat, message) m;",
        to: "from private.add_message(for_user, chat, message - 'tokens') m;",
        caught_by: "\"Anna goes on with a mentor\"",
    },
    Sabotage {
        name: "chats change their title with the cut over",
        file: CUT_OVER,
        from: "drop trigger group_message on public.messages;",
        to: "create or replace function private.chat_json(chat public.chats) returns jsonb
language sql stable set search_path = '' as $$
    select to_jsonb(chat)
$$;
drop trigger group_message on public.messages;",
        caught_by: "\"the chats of everybody\"",
    },
    Sabotage {
        name: "chats without a title are everybody's",
        file: POLICIES,
        from: "create policy select_own on public.chats for select to app_user
    using (user_id = (select private.my_id()));",
        to: "create policy select_own on public.chats for select to app_user
    using (user_id = (select private.my_id()) or title is null);",
        caught_by: "cross-tenant-read on public.chats",
    },
    Sabotage {
        name: "messages of nobody are everybody's",
        file: "migrations/V1__baseline.sql",
        from: "create policy select_own on public.messages for select to app_user
    using (user_id = (select private.my_id()));",
        to: "create policy select_own on public.messages for select to app_user
    using (user_id is not distinct from (select private.my_id()) or user_id is null);",
        caught_by: "ownerless-read on public.messages",
    },
    Sabotage {
        name: "messages are cut on the way",
        file: POLICIES,
        from: "-- Who reads and writes chats and rejects: each user his own.\n",
        to: "update public.messages set content = left(content, 20);\n",
        caught_by: "public.messages.content was cut",
    },
    Sabotage {
        name: "times are rounded on the way",
        file: POLICIES,
        from: "-- Who reads and writes chats and rejects: each user his own.\n",
        to: "update public.messages set created_at = date_trunc('second', created_at)
            where created_at < '2025-01-01';\n",
        caught_by: "public.messages.created_at holds other values than before",
    },
    Sabotage {
        name: "whoever is logged in changes everybody's chats",
        file: POLICIES,
        from: "create policy update_own on public.chats for update to app_user
    using (user_id = (select private.my_id()))
    with check (user_id = (select private.my_id()));",
        to: "create policy update_own on public.chats for update to app_user
    using (true) with check (true);",
        caught_by: "blind-update on public.chats",
    },
];

const GROUP: &str = "migrations/V3__group_messages.sql";
const POLICIES: &str = "migrations/V4__policies.sql";
const CUT_OVER: &str = "migrations/V6__cut_over.sql";

#[test]
fn sabotage_is_caught_by_the_check_meant_for_it() {
    let told = told_of_sabotages("sql/mentor_chats", SABOTAGES);
    assert_sections("mentor_chats", "sabotaged", &told);
}
