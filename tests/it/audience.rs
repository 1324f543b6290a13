//! Who sees what from version to version, on small migrations: whoever sees more than before is
//! found, and what only looks like it is not.

use leakproof::finding::Rule;
use leakproof::report::Report;

use crate::support::{Copy, PLAIN_CONFIG, check_project, in_parallel};
use crate::turns::is_in_turn;

const BASELINE: &str = "
create table public.users (id uuid primary key);
grant select on public.users to app_user;
create table public.notes (
    id uuid primary key, user_id uuid not null references public.users (id), title text, body json
);
create table public.drafts (id int primary key, user_id uuid not null, line text);
alter table public.notes enable row level security;
create policy own on public.notes to app_user using (user_id::text = current_setting('app.user_id', true));
grant select, update on public.notes to app_user;
";

const FIXTURE: &str = "
insert into public.users values
    ('00000000-0000-4000-8000-000000000001'), ('00000000-0000-4000-8000-000000000002');
insert into public.notes values
    ('10000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-000000000001', 'the first title',
        '{\"lines\": [{\"by\": \"somebody\", \"text\": \"w\\u00f6rds of one\"}]}'),
    ('10000000-0000-4000-8000-000000000002', '00000000-0000-4000-8000-000000000002', 'the other title',
        '{\"lines\": [{\"by\": \"somebody\", \"text\": \"words of two\"}]}');
insert into public.drafts values
    (1, '00000000-0000-4000-8000-000000000001', 'a draft of one'),
    (2, '00000000-0000-4000-8000-000000000002', 'a draft of two');
";

const UNPACK: &str = "
create table public.lines (note uuid references public.notes (id), text text);
insert into public.lines select n.id, l ->> 'text' from public.notes n, json_array_elements(body -> 'lines') l;
grant select on public.lines to app_user;
";

const PROTECT: &str = "
alter table public.lines enable row level security;
create policy own on public.lines to app_user using (note in (select id from public.notes));
";

/// A name, the migrations from the second on, and what must be said: where, and by which version.
struct Case(&'static str, &'static [&'static str], &'static [&'static str]);

const CASES: &[Case] = &[
    Case("nothing happens", &["select 1"], &[]),
    Case("lines are unpacked for all", &[UNPACK], &["V2 change: public.lines"]),
    Case("lines are unpacked as the notes were", &[UNPACK, PROTECT], &["V2 change: public.lines"]),
    Case("lines are unpacked under protection", &[
        "create table public.lines (note uuid references public.notes (id), text text);
         alter table public.lines enable row level security;
         create policy own on public.lines to app_user using (note in (select id from public.notes))",
        "insert into public.lines
             select n.id, l ->> 'text' from public.notes n, json_array_elements(body -> 'lines') l;
         grant select on public.lines to app_user",
    ], &[]),
    Case("lines are unpacked in secret and opened later", &[
        "create table public.lines (note uuid references public.notes (id), text text);
         insert into public.lines
             select n.id, l ->> 'text' from public.notes n, json_array_elements(body -> 'lines') l;
         alter table public.notes drop column body",
        "select 1",
        "grant select on public.lines to app_user",
    ], &["V4 change: public.lines"]),
    Case("a copy is granted", &[
        "create table public.backup as select * from public.notes; grant select on public.backup to app_user",
    ], &["V2 change: public.backup"]),
    Case("a copy is kept", &["create table public.backup as select * from public.notes"], &[]),
    Case("one column is copied beside what all may see", &[
        "alter table public.users add column headline text;
         update public.users u set headline = (select title from public.notes where user_id = u.id)",
    ], &["V2 change: public.users"]),
    Case("row security is off for one version", &[
        "alter table public.notes disable row level security",
        "alter table public.notes enable row level security",
    ], &["V2 change: public.notes"]),
    Case("all may read", &[
        "create policy all_read on public.notes for select to app_user using (true)",
    ], &["V2 change: public.notes"]),
    Case("a view of the owner", &[
        "create view public.titles as select title from public.notes; grant select on public.titles to app_user",
    ], &["V2 change: public.titles"]),
    Case("a view of the invoker", &[
        "create view public.titles with (security_invoker) as select title from public.notes;
         grant select on public.titles to app_user",
    ], &[]),
    Case("a column grant to all", &[
        "create table public.shown as select id, title, body::text from public.notes;
         grant select (id) on public.shown to app_user",
    ], &["V2 change: public.shown"]),
    Case("one column of the same is granted", &[
        "create table public.shown as select id, title, body::text from public.notes;
         grant select (body) on public.shown to app_user",
    ], &["V2 change: public.shown"]),
    Case("a copy in parts is granted", &[
        "create table public.parts (title text, part int) partition by list (part);
         create table public.part_1 partition of public.parts for values in (1);
         insert into public.parts select title, 1 from public.notes;
         grant select on public.parts to app_user",
    ], &["V2 change: public.parts"]),
    Case("a policy moves the rows that are opened", &[
        "create table public.before_notes (a int);
         insert into public.before_notes values (1);
         create function public.touch() returns boolean language plpgsql security definer as $$
         begin update public.notes set title = title; return true; end $$;
         alter table public.before_notes enable row level security;
         create policy touches on public.before_notes to app_user using (public.touch());
         grant select on public.before_notes to app_user;
         create policy all_read on public.notes for select to app_user using (true)",
    ], &["V2 change: public.notes"]),
    Case("all is renamed", &[
        "alter table public.notes rename to memos; alter table public.memos rename title to subject",
    ], &[]),
    Case("reading is taken away and given back", &[
        "revoke select on public.notes from app_user", "grant select on public.notes to app_user",
    ], &[]),
    Case("reading is taken away and given to all", &[
        "revoke select on public.notes from app_user",
        "grant select on public.notes to app_user; alter table public.notes disable row level security",
    ], &["V3 change: public.notes"]),
    Case("what nobody saw is opened to its owners", &[
        "alter table public.drafts enable row level security;
         create policy own on public.drafts to app_user
             using (user_id::text = current_setting('app.user_id', true));
         grant select on public.drafts to app_user",
    ], &[]),
    Case("words that many rows share", &[
        "create table public.authors (name text); insert into public.authors values ('somebody');
         grant select on public.authors to app_user",
    ], &[]),
    Case("keys of owners", &[
        "create table public.badges (user_id uuid); insert into public.badges select id from public.users;
         grant select on public.badges to app_user",
    ], &[]),
    Case("a policy that raises is told", &[
        "create table public.odd (a int); alter table public.odd enable row level security;
         insert into public.odd values (0); grant select on public.odd to app_user;
         create policy odd on public.odd to app_user using (1 / a > 0)",
    ], &["unread public.odd"]),
];

#[test]
fn whoever_sees_more_is_found_and_nothing_else() {
    let wrong: Vec<String> = in_parallel(CASES, |Case(name, migrations, expected)| {
        let report = check(migrations);
        let found = said(&report);
        (found != *expected).then(|| format!("{name}: expected {expected:?}, found {found:#?}"))
    })
    .into_iter()
    .flatten()
    .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn it_tells_who_saw_what_where() {
    let report = check(&[UNPACK]);
    let finding = report.findings.iter().find(|finding| finding.rule == Rule::AccessWidened);
    let finding = finding.expect("a finding");
    assert_eq!(
        finding.message(),
        "V2 change: a visitor and 2 more see 4 values here that only others saw before"
    );
    assert_eq!(
        finding.evidence_lines(),
        [
            "as a visitor: select note, text from public.lines",
            "seen: \"10000000-0000-4000-8000-000000000001\"",
            "before only by: 00000000-0000-4000-8000-000000000001",
        ]
    );
    assert_eq!((report.followed.users, report.followed.of), (2, 2));
}

fn check(migrations: &[&str]) -> Report {
    let copy = Copy::empty();
    copy.write("leakproof.toml", PLAIN_CONFIG);
    copy.write("migrations/V1__baseline.sql", BASELINE);
    copy.write("fixtures/V1__rows.sql", FIXTURE);
    for (at, migration) in migrations.iter().enumerate() {
        copy.write(&format!("migrations/V{}__change.sql", at + 2), migration);
    }
    check_project(&copy.path())
}

/// Where somebody sees more and since when, and what could not be read by all.
fn said(report: &Report) -> Vec<String> {
    let findings = report.findings.iter().filter(|finding| finding.rule == Rule::AccessWidened);
    let widened = findings.map(|finding| {
        let message = finding.message();
        let version = message.split(": ").next().unwrap_or_default();
        format!("{version}: {}", finding.on())
    });
    let is_odd = |reason: &&String| reason.contains("public.odd: division by zero");
    let unread = report.followed.unread.iter().filter(is_odd).count();
    // Everybody but the visitor, who is of the same role, is asked.
    let unread = (unread == 3).then(|| "unread public.odd".to_owned());
    widened.chain(unread).collect()
}

/// What a project we ship opens with one of its versions, and closes again with the last.
struct Opening {
    project: &'static str,
    file: &'static str,
    opened: &'static str,
    closed: &'static str,
    widened: &'static str,
}

const OPENINGS: &[Opening] = &[
    Opening {
        project: "sql/conversations",
        file: "migrations/V4__move_messages.sql",
        opened: "grant select on public.messages to authenticated;
            create policy on_the_way on public.messages for select to authenticated using (true);",
        closed: "drop policy on_the_way on public.messages",
        widened: "public.messages",
    },
    Opening {
        project: "sql/topic_sessions",
        file: "migrations/V5__move_messages.sql",
        opened: "grant select on public.chat_sessions to app_user;
            create policy on_the_way on public.chat_sessions for select to app_user using (true);",
        closed: "drop policy on_the_way on public.chat_sessions",
        widened: "public.chat_sessions",
    },
    Opening {
        project: "sql/character_chats",
        file: "migrations/V3__move_chat_histories.sql",
        opened: "grant select on public.chat_histories to app_user;
            create policy on_the_way on public.chat_histories for select to app_user using (true);",
        closed: "drop policy on_the_way on public.chat_histories",
        widened: "public.chat_histories",
    },
    Opening {
        project: "sql/mentor_chats",
        file: "migrations/V3__group_messages.sql",
        opened: "alter table public.messages disable row level security;",
        closed: "alter table public.messages enable row level security",
        widened: "public.messages",
    },
    Opening {
        project: "sql/shop_chat",
        file: "migrations/V2__chat_sessions.sql",
        opened: "create policy on_the_way on public.users for select to shop_app using (true);",
        closed: "drop policy on_the_way on public.users",
        widened: "public.users",
    },
];

/// Who may do what in the end is as accepted: only following the way shows it.
#[test]
fn a_policy_that_is_gone_on_the_way_is_found() {
    let in_turn = OPENINGS.iter().enumerate().filter(|(at, _)| is_in_turn(*at));
    for (_, opening) in in_turn {
        let copy = Copy::of(opening.project);
        copy.append(opening.file, opening.opened);
        copy.write("migrations/V99__close.sql", opening.closed);
        let report = check_project(&copy.path());
        let project = opening.project;
        assert!(report.is_as_accepted(), "{project}: the matrix changed, too");
        // A recorded call may be answered with more, too.
        let others = report.findings.iter().filter(|f| f.rule != Rule::AnswerChanged);
        let found: Vec<_> = others.map(|f| (f.rule, f.on())).collect();
        assert_eq!(found, [(Rule::AccessWidened, opening.widened.to_owned())], "{project}");
    }
}
