//! The shop chat project: three tables from nothing. Isolation of users and of visitors who have
//! nothing but a token, preservation, the way back, and that sabotage is noticed.

use leakproof::Scratch;
use leakproof::project::Project;
use postgres::Client;

use crate::support::{
    Copy, Sabotage, ask_as, assert_accepted_matrix, assert_passes, assert_snapshot, empty_scratch,
    lines, root, told_of_prepared, told_of_sabotages,
};
use crate::turns::assert_sections;

/// Chats as the shop has them, loaded where the tables have just been made.
const CHATS: [(&str, &str); 3] = [
    ("fixtures/V2__chats.sql", include_str!("shop_chat/V2__chats.sql")),
    ("fixtures/V3__messages.sql", include_str!("shop_chat/V3__messages.sql")),
    ("fixtures/V4__analytics.sql", include_str!("shop_chat/V4__analytics.sql")),
];

fn project() -> Project {
    Project::read(root().join("sql/shop_chat")).expect("a readable project")
}

/// The project as a shop has it after a while.
fn copy_with_chats() -> Copy {
    let copy = Copy::of("sql/shop_chat");
    CHATS.iter().for_each(|(file, text)| copy.write(file, text));
    copy
}

#[test]
fn it_passes_and_says_so() {
    assert_passes("shop_chat");
}

#[test]
fn the_matrix_is_the_accepted_one() {
    assert_accepted_matrix("shop_chat");
}

/// The guide's way back deletes everything; ours wants to be told first. Then it is complete.
#[test]
fn the_way_back_deletes_nothing() {
    let copy = copy_with_chats();
    let project = Project::read(copy.path()).expect("a readable project");
    let mut scratch = empty_scratch(&project);
    scratch.migrate().expect("the way there");
    let mut client = scratch.connect().expect("a connection");
    for (version, table) in
        [(4, "chat_analytics"), (3, "chat_messages"), (2, "chat_sessions"), (1, "users")]
    {
        let rows = format!("select t::text from public.{table} t order by 1");
        let before = lines(&scratch, &rows);
        let refused = scratch.roll_back_to(version - 1).unwrap_err().to_string();
        assert!(refused.contains("which the way back would delete"), "{table}: {refused}");
        assert_eq!(lines(&scratch, &rows), before);
        client.batch_execute(&format!("delete from public.{table}")).expect("an empty table");
        scratch.roll_back_to(version - 1).expect("the way back");
    }
    let left = "select relname::text from pg_class where relnamespace = 'public'::regnamespace";
    assert!(lines(&scratch, left).is_empty());
}

/// Who has which account and token. What is not named is not set.
const VISITORS: &[(&str, &[(&str, &str)])] = &[
    ("nobody", &[]),
    ("settings left empty", &[("app.user_id", ""), ("app.session_token", "")]),
    ("a visitor", &[("app.session_token", "t-visitor")]),
    ("a token that is nobody's", &[("app.session_token", "t-unknown")]),
    ("mia, with her token", &[("app.user_id", MIA), ("app.session_token", "t-mia")]),
    ("mia, elsewhere", &[("app.user_id", MIA)]),
    (
        "mia, logged in on the visitor's browser",
        &[("app.user_id", MIA), ("app.session_token", "t-visitor")],
    ),
    ("mia's browser, logged out", &[("app.session_token", "t-mia")]),
    ("mia, with max's token", &[("app.user_id", MIA), ("app.session_token", "t-max")]),
];

const MIA: &str = "clx1mia0000001";

/// What they try.
const ATTEMPTS: &[&str] = &[
    "select id from public.chat_sessions order by id",
    "select id from public.chat_messages order by id",
    "select id from public.chat_analytics order by id",
    "insert into public.chat_analytics (id, session_id) values ('new', 'visitor')",
    "update public.chat_sessions set message_count = 9 returning id",
    "update public.chat_sessions set user_id = 'clx1mia0000001' where user_id is null returning id",
    "update public.chat_sessions set user_id = 'clx1max0000002'",
    "update public.chat_sessions set user_id = null returning id",
    "update public.chat_sessions set session_token = 't-stolen'",
    "delete from public.chat_sessions",
    "truncate public.chat_messages",
    "insert into public.chat_sessions (id, session_token)
     values ('new', current_setting('app.session_token', true)) returning id",
    "insert into public.chat_sessions (id, session_token) values ('new', 't-new') returning id",
    "insert into public.chat_sessions (id, session_token) values ('new', 't-new')",
    "insert into public.chat_sessions (id, user_id, session_token)
     values ('new', 'clx1mia0000001', 't-new') returning id",
    "insert into public.chat_messages (id, session_id, role, content)
     values ('new', 'visitor', 'user', 'x') returning id",
    "insert into public.chat_messages (id, session_id, role, content)
     values ('new', 'mia', 'user', 'x') returning id",
    "insert into public.chat_messages (id, session_id, role, content)
     values ('new', 'empty token', 'user', 'x')",
    "update public.chat_messages set content = 'never said'",
    "select id from public.users",
];

fn told_by_visitors(client: &mut Client) -> String {
    let mut told = Vec::new();
    for (who, settings) in VISITORS {
        told.push(format!("{who}\n"));
        for sql in ATTEMPTS {
            let answer = ask_as(client, "shop_app", settings, sql).replace('\n', ", ");
            let answer = if answer.is_empty() { "none" } else { &answer };
            let sql: Vec<&str> = sql.split_whitespace().collect();
            told.push(format!("  {}\n      {answer}\n", sql.join(" ")));
        }
    }
    told.concat()
}

fn visitors_of(copy: &Copy) -> String {
    let project = Project::read(copy.path()).expect("a readable project");
    let mut scratch = empty_scratch(&project);
    scratch.migrate().expect("the way there");
    told_by_visitors(&mut scratch.connect().expect("a connection"))
}

#[test]
fn a_token_opens_the_chat_of_its_browser_and_nothing_else() {
    assert_snapshot("shop_chat", "visitors", &visitors_of(&copy_with_chats()), &[]);
}

/// Logging in takes the chat along; from then on the token alone opens nothing. Without the account
/// the chat is its browser's again.
#[test]
fn a_chat_goes_with_whom_it_belongs_to() {
    let copy = copy_with_chats();
    let project = Project::read(copy.path()).expect("a readable project");
    let mut scratch = empty_scratch(&project);
    scratch.migrate().expect("the way there");
    let mut client = scratch.connect().expect("a connection");
    let seen = |client: &mut Client, settings: &[(&str, &str)]| {
        ask_as(client, "shop_app", settings, "select id from public.chat_messages order by id")
    };
    let token = [("app.session_token", "t-visitor")];
    assert_eq!(seen(&mut client, &token), "m6\nm7");
    client
        .batch_execute(
            "begin; set local app.user_id = 'clx1mia0000001';
             set local app.session_token = 't-visitor'; set local role shop_app;
             update public.chat_sessions set user_id = 'clx1mia0000001' where user_id is null;
             commit",
        )
        .expect("mia to take the chat along");
    assert_eq!(seen(&mut client, &token), "");
    assert_eq!(seen(&mut client, &[("app.user_id", MIA)]), "m1\nm2\nm3\nm4\nm6\nm7");
    client
        .batch_execute("delete from public.users where id = 'clx1mia0000001'")
        .expect("mia to leave");
    assert_eq!(seen(&mut client, &token), "m6\nm7");
    assert_eq!(seen(&mut client, &[("app.user_id", MIA)]), "");
}

const SESSIONS: &str = "migrations/V2__chat_sessions.sql";
const MESSAGES: &str = "migrations/V3__chat_messages.sql";
const ANALYTICS: &str = "migrations/V4__chat_analytics.sql";

/// With chats in the tables: each changes data of an earlier version.
const LOSSES: &[Sabotage] = &[
    Sabotage {
        name: "a user is dropped on the way",
        file: SESSIONS,
        from: "create function private.my_token()",
        to: "delete from public.users where id = '07';\ncreate function private.my_token()",
        caught_by: "data-lost",
    },
    Sabotage {
        name: "two users swap their addresses",
        file: SESSIONS,
        from: "create function private.my_token()",
        to: "update public.users set email = id || ' ' || email where id in ('7', '07');\n\
             update public.users set email = case id when '7' then 'oh-seven@example.org' \
             else 'seven@example.org' end where id in ('7', '07');\n\
             create function private.my_token()",
        caught_by: "every user stays who he is",
    },
    Sabotage {
        name: "names are cut",
        file: MESSAGES,
        from: "create function private.my_chats()",
        to: "update public.users set name = left(name, 255);\n\
             create function private.my_chats()",
        caught_by: "data-lost",
    },
    Sabotage {
        name: "a chat is dropped on the way",
        file: MESSAGES,
        from: "create function private.my_chats()",
        to: "delete from public.chat_sessions where id = 'odd';\n\
             create function private.my_chats()",
        caught_by: "data-lost",
    },
    Sabotage {
        name: "two chats swap their users",
        file: MESSAGES,
        from: "create function private.my_chats()",
        to: "update public.chat_sessions set user_id = case id when 'mia' then 'clx1max0000002' \
             else 'clx1mia0000001' end where id in ('mia', 'max');\n\
             create function private.my_chats()",
        caught_by: "every chat stays whose it is",
    },
    Sabotage {
        name: "a visitor's chat is given to a user",
        file: ANALYTICS,
        from: "create index chat_analytics_session_id_idx",
        to: "update public.chat_sessions set user_id = 'clx1mia0000001' where id = 'visitor';\n\
             create index chat_analytics_session_id_idx",
        caught_by: "every chat stays whose it is",
    },
    Sabotage {
        name: "a message is dropped on the way",
        file: ANALYTICS,
        from: "create index chat_analytics_session_id_idx",
        to: "delete from public.chat_messages where content = '';\n\
             create index chat_analytics_session_id_idx",
        caught_by: "data-lost",
    },
    Sabotage {
        name: "two messages swap their chats",
        file: ANALYTICS,
        from: "create index chat_analytics_session_id_idx",
        to: "update public.chat_messages set session_id = case id when 'm5' then 'visitor' \
             else 'max' end where id in ('m5', 'm6');\n\
             create index chat_analytics_session_id_idx",
        caught_by: "every message stays in its chat and says the same",
    },
    Sabotage {
        name: "times are rounded to seconds",
        file: ANALYTICS,
        from: "create index chat_analytics_session_id_idx",
        to: "update public.chat_messages set \"timestamp\" = \"timestamp\"::timestamp(0);\n\
             create index chat_analytics_session_id_idx",
        caught_by: "data-lost",
    },
];

#[test]
fn whatever_is_lost_is_shown() {
    let told = told_of_prepared(copy_with_chats, LOSSES);
    assert_sections("shop_chat", "sabotaged-data", &told);
}

/// Without chats: what the matrix of built-in people notices.
const WIDENED: &[Sabotage] = &[
    Sabotage {
        name: "row level security of chats is not enabled",
        file: SESSIONS,
        from: "alter table public.chat_sessions enable row level security;\n",
        to: "",
        caught_by: "cross-tenant-read",
    },
    Sabotage {
        name: "row level security of messages is not enabled",
        file: MESSAGES,
        from: "alter table public.chat_messages enable row level security;\n",
        to: "",
        caught_by: "cross-tenant-insert",
    },
    Sabotage {
        name: "chats without a user are everybody's",
        file: SESSIONS,
        from: "for select to shop_app\n    using (user_id is null and session_token = \
               (select private.my_token()));",
        to: "for select to shop_app\n    using (user_id is null);",
        caught_by: "ownerless-read",
    },
    Sabotage {
        name: "chats can be begun for others",
        file: SESSIONS,
        from: "for insert to shop_app\n    with check (user_id = (select private.my_id()));",
        to: "for insert to shop_app\n    with check (true);",
        caught_by: "cross-tenant-insert",
    },
    Sabotage {
        name: "chats can be given away",
        file: SESSIONS,
        from: "    using (user_id = (select private.my_id()))\n    with check (user_id = \
               (select private.my_id()));",
        to: "    using (user_id = (select private.my_id()))\n    with check (true);",
        caught_by: "cross-tenant-move",
    },
    Sabotage {
        name: "a policy is forgotten",
        file: SESSIONS,
        from: "create policy select_own on public.chat_sessions for select to shop_app\n    \
               using (user_id = (select private.my_id()));\n",
        to: "create policy select_own on public.chat_sessions for select to shop_app\n    \
             using (false);\n",
        caught_by: "access changed",
    },
    Sabotage {
        name: "messages are read by all who are logged in",
        file: MESSAGES,
        from: "for select to shop_app\n    using (session_id = any(array(select \
               private.my_chats())));",
        to: "for select to shop_app\n    using ((select private.my_id()) is not null);",
        caught_by: "cross-tenant-read",
    },
    Sabotage {
        name: "visitors may read analytics of their chats",
        file: ANALYTICS,
        from: "create index chat_analytics_session_id_idx",
        to: "grant select on public.chat_analytics to shop_app;\n\
             create policy select_own on public.chat_analytics for select to shop_app\n    \
             using (session_id = any(array(select private.my_chats())));\n\
             create index chat_analytics_session_id_idx",
        caught_by: "access changed",
    },
    Sabotage {
        name: "analytics can be truncated",
        file: ANALYTICS,
        from: "create index chat_analytics_session_id_idx",
        to: "grant truncate on public.chat_analytics to shop_app;\n\
             create index chat_analytics_session_id_idx",
        caught_by: "truncate-granted",
    },
];

#[test]
fn whatever_is_opened_is_noticed() {
    let told = told_of_sabotages("sql/shop_chat", WIDENED);
    assert_sections("shop_chat", "sabotaged-policies", &told);
}

/// The file, what is replaced, and by what: each opens something to a token, which the built-in
/// people lack.
const OPENED_TO_TOKENS: &[(&str, &str, &str)] = &[
    (
        SESSIONS,
        "for select to shop_app\n    using (user_id is null and session_token",
        "for select to shop_app\n    using (session_token",
    ),
    (
        SESSIONS,
        "for update to shop_app\n    using (user_id is null and session_token",
        "for update to shop_app\n    using (session_token",
    ),
    (SESSIONS, "        and (user_id is null or user_id = (select private.my_id()))\n", ""),
    (
        SESSIONS,
        "return nullif(current_setting('app.session_token', true), '');",
        "return coalesce(current_setting('app.session_token', true), '');",
    ),
    (MESSAGES, "    where s.user_id is null\n    and s.session_token", "    where s.session_token"),
    (
        SESSIONS,
        "for insert to shop_app\n    with check (user_id is null and session_token = \
         (select private.my_token()));",
        "for insert to shop_app\n    with check (user_id is null);",
    ),
];

#[test]
fn whatever_is_opened_to_tokens_is_noticed() {
    let as_meant = visitors_of(&copy_with_chats());
    for (file, from, to) in OPENED_TO_TOKENS {
        let copy = copy_with_chats();
        copy.replace(file, from, to);
        assert_ne!(visitors_of(&copy), as_meant, "nobody noticed: {from}");
    }
}

#[test]
fn policies_are_index_conditions() {
    let project = project();
    let scratch = Scratch::of(&project).expect("a scratch database");
    let mut isolation = scratch.isolation().expect("a world");
    for table in ["chat_sessions", "chat_messages"] {
        let sql = format!(
            "set local enable_seqscan = off; explain (costs off) select * from public.{table}"
        );
        let plan = isolation.ask("alice", &sql).expect("a plan");
        let plan: Vec<String> = plan.into_iter().flatten().flatten().collect();
        let plan = plan.join("\n");
        assert!(plan.contains("InitPlan"), "{table}: not once per statement\n{plan}");
        assert!(plan.contains("Index Cond"), "{table}: no index\n{plan}");
    }
}
