//! There, back and there again: what a rollback file forgets is found, and a way back that is
//! complete is quiet.

use leakproof::finding::{Finding, Rule};
use leakproof::report::{Outcome, Report, to_text};

use crate::support::{Copy, PLAIN_CONFIG, check_with, in_parallel, root, try_check_with};

const BASELINE: &str = "
create table public.users (id uuid primary key, name varchar(20) default 'nobody');
create table public.notes (id int primary key, user_id uuid references public.users (id), body text);
create type public.mood as enum ('good', 'bad');
alter table public.notes enable row level security;
create policy own on public.notes to app_user using (user_id::text = current_setting('app.user_id', true));
grant select on public.notes to app_user;
comment on table public.notes is 'What users write.';
";

const FIXTURE: &str = "
insert into public.users (id) values ('00000000-0000-4000-8000-000000000001');
insert into public.notes values (1, '00000000-0000-4000-8000-000000000001', 'first'), (2, null, 'second');
";

/// A name, the second migration, its way back, and what is shown of the difference.
struct Case(&'static str, &'static str, &'static str, &'static [&'static str]);

const CASES: &[Case] = &[
    Case("nothing happens", "select 1", "select 1", &[]),
    Case("all of it is taken back", "
        create table public.tags (id int primary key, word text); grant select on public.tags to app_user;
        alter table public.notes add column at timestamptz; create index on public.notes (user_id);
        create function public.f() returns int language sql as 'select 1';
        insert into public.tags values (1, 'x')", "
        drop function public.f(); drop table public.tags; alter table public.notes drop column at;
        drop index public.notes_user_id_idx", &[]),
    Case("a dropped column comes back as the last", "
        alter table public.notes add column text text; update public.notes set text = body;
        alter table public.notes drop column body", "
        alter table public.notes add column body text; update public.notes set body = text;
        alter table public.notes drop column text", &[]),
    Case("a table is forgotten", "create table public.tags (id int)", "select 1", &[
        "new: column public.tags.id: integer", "new: relation public.tags: r p f f leakproof_owner d",
    ]),
    Case("an index is forgotten", "create index i on public.notes (body)", "select 1", &[
        "new: index public.i: CREATE INDEX i ON public.notes USING btree (body)",
    ]),
    Case("a function is forgotten", "
        create function public.f() returns int language sql as 'select 1'", "
        create or replace function public.f() returns int language sql as 'select 2'", &[
        "new: function public.f(): leakproof_owner CREATE OR REPLACE FUNCTION public.f()",
        "new: grant execute on public.f() to leakproof_owner: ",
        "new: grant execute on public.f() to public: ",
    ]),
    Case("a policy comes back weaker", "drop policy own on public.notes", "
        create policy own on public.notes to app_user using (true)", &[
        "is: policy own on public.notes: * permissive app_user using true",
        "was: policy own on public.notes: * permissive app_user using ((user_id)::text = current_setting('app.user_id'::text, true))",
    ]),
    Case("row security stays off", "alter table public.notes disable row level security", "select 1", &[
        "is: relation public.notes: r p f f leakproof_owner d",
        "was: relation public.notes: r p t f leakproof_owner d",
    ]),
    Case("a grant stays", "grant update on public.notes to app_user", "select 1", &[
        "new: grant update on public.notes to app_user: ",
    ]),
    Case("a default does not come back", "alter table public.users alter name drop default", "select 1", &[
        "is: column public.users.name: character varying(20)",
        "was: column public.users.name: character varying(20) default 'nobody'::character varying",
    ]),
    Case("a comment does not come back", "comment on table public.notes is null", "select 1", &[
        "gone: comment table public.notes: What users write.",
    ]),
    Case("a label of an enum stays", "alter type public.mood add value 'so so'", "select 1", &[
        "is: type public.mood: e f good, bad, so so", "was: type public.mood: e f good, bad",
    ]),
    Case("a row is lost on the way back", "
        create table public.kept as select * from public.notes; delete from public.notes where id = 2", "
        drop table public.kept", &[
        "is: rows of public.notes: 1 rows", "was: rows of public.notes: 2 rows",
    ]),
    Case("a value is another after the way back", "
        update public.notes set body = upper(body)", "update public.notes set body = initcap(body)", &[
        "is: rows of public.notes.body", "was: rows of public.notes.body",
    ]),
    Case("the way there again has another end", "
        create sequence public.s; alter table public.notes add column number int;
        update public.notes set number = nextval('public.s')", "
        alter table public.notes drop column number; alter sequence public.s rename to t", &[
        "new: relation public.t: S", "new: sequence public.t", 
    ]),
];

#[test]
fn what_a_way_back_forgets_is_shown_and_nothing_else() {
    let wrong: Vec<String> = in_parallel(CASES, |Case(name, there, back, expected)| {
        let copy = project(&[(2, there)], &[(2, back)]);
        let shown = shown(&check_there_and_back(&copy));
        let is_as_expected = shown.is_empty() == expected.is_empty()
            && expected.iter().all(|words| shown.iter().any(|line| line.starts_with(words)));
        (!is_as_expected).then(|| format!("{name}: expected {expected:#?}, shown {shown:#?}"))
    })
    .into_iter()
    .flatten()
    .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_end_there_again_is_compared() {
    // The way back keeps what the second way there trips over.
    let there = "create table if not exists public.log (n int);
        insert into public.log select count(*) from public.log";
    let copy = project(&[(2, there), (3, "select 1")], &[(2, "select 1"), (3, "select 1")]);
    let shown = shown(&check_there_and_back(&copy));
    assert!(shown.iter().any(|line| line == "is: rows of public.log: 2 rows"), "{shown:#?}");
}

#[test]
fn a_version_without_a_way_back_ends_the_trip() {
    let three = [(2, "select 2"), (3, "select 3"), (4, "select 4")];
    let report = check_there_and_back(&project(&three, &[(3, "select 1"), (4, "select 1")]));
    let text = to_text(&report);
    assert!(text.contains("round trip  back over V4, V3 to V2, and there again\n"), "{text}");
    assert!(
        text.contains("  V2 is not the first version, but has no file in `rollback/`\n"),
        "{text}"
    );

    let copy = project(&three, &[(3, "select 1")]);
    let error = try_check_with(&copy.path(), |options| options.round_trip = true).unwrap_err();
    let error = error.to_string();
    assert!(error.contains("version 4 has no way back"), "{error}");
    assert!(error.contains("add `rollback/V4__<name>.sql`"), "{error}");

    let failing = project(&[(2, "select 2")], &[(2, "select 1;\nselect 1 / 0")]);
    let shown = shown(&check_there_and_back(&failing));
    assert!(shown[0].starts_with("fails: `"), "{shown:#?}");
    assert!(shown.iter().any(|line| line.contains("failed at line 2")), "{shown:#?}");
}

#[test]
fn rows_of_later_fixtures_are_no_difference() {
    let there = [(2, "create table public.tags (id int)"), (3, "select 1")];
    let copy = project(&there, &[(2, "drop table public.tags"), (3, "select 1")]);
    copy.write("fixtures/V2__tags.sql", "insert into public.notes values (3, null, 'third')");
    let report = check_there_and_back(&copy);
    assert_eq!(shown(&report), [""; 0]);
    let text = to_text(&report);
    let told = "  V2: only the schema was compared, since fixtures came later\n";
    assert!(text.contains(told), "{text}");
}

#[test]
fn the_projects_lead_back_and_there_again() {
    let names = ["conversations", "topic_sessions", "character_chats", "mentor_chats", "shop_chat"];
    in_parallel(&names, |name| {
        let path = root().join("sql").join(name);
        let report = check_with(&path, |options| options.round_trip = true);
        assert_eq!(report.outcome(), Outcome::Passed, "{name}: {}", to_text(&report));
        let trip = report.round_trip.expect("a round trip");
        assert_eq!((trip.turned_at, trip.is_cut_short), (1, false), "{name}");
        assert_eq!(trip.back.len(), report.applied.len() - 1, "{name}");
        assert!(trip.without_data.is_empty(), "{name}: {:?}", trip.without_data);
    });
}

fn project(there: &[(i64, &str)], back: &[(i64, &str)]) -> Copy {
    let copy = Copy::empty();
    copy.write("leakproof.toml", PLAIN_CONFIG);
    copy.write("migrations/V1__baseline.sql", BASELINE);
    copy.write("fixtures/V1__rows.sql", FIXTURE);
    for (version, sql) in there {
        copy.write(&format!("migrations/V{version}__there.sql"), sql);
    }
    for (version, sql) in back {
        copy.write(&format!("rollback/V{version}__back.sql"), sql);
    }
    copy
}

fn check_there_and_back(copy: &Copy) -> Report {
    check_with(&copy.path(), |options| options.round_trip = true)
}

/// What is shown of the differences, sorted.
fn shown(report: &Report) -> Vec<String> {
    let findings = report.findings.iter().filter(|finding| finding.rule == Rule::RoundTripDiffers);
    let mut lines: Vec<String> = findings.flat_map(Finding::evidence_lines).collect();
    lines.sort();
    lines
}
