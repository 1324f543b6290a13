//! New files meet generated rows where there are no fixtures: what they lose, whom they let in on the
//! way, and whether they can be applied at all. Each mistake beside the same change done well.

use leakproof::report::{Outcome, Report, to_text};

use crate::support::{Copy, MEMBERS_CONFIG, TENANTS_AND_MEMBERS, check_with, try_check_with};
use crate::turns::in_turn;

const NOTES: &str = "
create table public.notes (
    id uuid primary key,
    tenant_id uuid not null references public.tenants on delete cascade,
    author uuid not null references auth.users on delete cascade,
    title text not null,
    body text,
    size integer not null,
    price numeric(10, 2) not null,
    at timestamptz not null
);
create function public.mine() returns setof uuid language sql stable security definer
set search_path = '' as $$
    select tenant_id from public.members where user_id = (select auth.uid())
$$;
alter table public.tenants enable row level security;
alter table public.members enable row level security;
alter table public.notes enable row level security;
create policy own on public.tenants for select to authenticated using (id in (select mine()));
create policy own on public.members for select to authenticated
    using (user_id = (select auth.uid()));
create policy own on public.notes to authenticated
    using (author = (select auth.uid()) and tenant_id in (select mine()));
revoke truncate on public.tenants, public.members, public.notes
    from anon, authenticated, service_role;
";

/// A project of two files whose access is accepted.
fn accepted_project() -> Copy {
    let copy = Copy::empty();
    copy.write("leakproof.toml", MEMBERS_CONFIG);
    copy.write("migrations/V1__members.sql", TENANTS_AND_MEMBERS);
    copy.write("migrations/V2__notes.sql", NOTES);
    let report = check_with(&copy.path(), |options| options.accept = true);
    assert!(report.findings.is_empty(), "{}", to_text(&report));
    assert!(report.rehearsal.is_none(), "there is nothing new");
    copy
}

/// The same with more files, checked.
fn with_files(files: &[&str]) -> Report {
    let copy = accepted_project();
    for (at, sql) in files.iter().enumerate() {
        copy.write(&format!("migrations/V{}__change.sql", at + 3), sql);
    }
    check_with(&copy.path(), |_| ())
}

/// Rule and place of each finding.
fn findings(report: &Report) -> Vec<String> {
    report.findings.iter().map(|finding| format!("{} {}", finding.rule, finding.on())).collect()
}

const TOUCHED: &str = "
alter table public.notes add column touched timestamptz not null default '2020-01-01';
create function public.touch() returns trigger language plpgsql as $$
begin new.touched := now(); return new; end $$;
create trigger touch before update on public.notes for each row execute function public.touch();
";

/// New files, and what must be found of them: nothing where the list is empty.
const PAIRS: &[(&[&str], &[&str])] = &[
    (&["alter table public.notes drop column body"], &["data-lost public.notes.body"]),
    (&["alter table public.notes rename column body to content"], &[]),
    (&["update public.notes set title = left(title, 3)"], &["data-lost public.notes.title"]),
    (&["alter table public.notes alter column size type bigint"], &[]),
    (
        &["alter table public.notes alter column price type integer using round(price)"],
        &["data-lost public.notes.price"],
    ),
    (&["alter table public.notes alter column price type numeric(12, 4)"], &[]),
    (&["update public.notes set at = date_trunc('day', at)"], &["data-lost public.notes.at"]),
    (&["delete from public.notes where size >= 0"], &["data-lost public.notes"]),
    // A table that comes with a new file has rows when the next one comes.
    (
        &[
            "create table public.tags (id uuid primary key, tenant_id uuid not null
                references public.tenants, label text not null);
            alter table public.tags enable row level security;
            revoke truncate on public.tags from anon, authenticated, service_role;",
            "alter table public.tags drop column label",
        ],
        &["data-lost public.tags.label"],
    ),
    (&["alter table public.notes add column kind text not null"], &["fails-on-rows public.notes"]),
    // A table of the same name that has rows as well is not the one.
    (
        &[
            "create schema aaa;
            create table aaa.notes (id uuid primary key,
                tenant_id uuid not null references public.tenants, label text);",
            "alter table public.notes add column kind text not null",
        ],
        &["fails-on-rows public.notes"],
    ),
    (&["alter table public.notes add column kind text not null default 'note'"], &[]),
    // It fails on a row whose body is NULL: that is told of, since no other one does.
    (
        &["alter table public.notes add column kind text; update public.notes set kind = body;
            alter table public.notes alter column kind set not null"],
        &[],
    ),
    // Where there was no value, none is lost.
    (&["update public.notes set body = 'none' where body is null"], &[]),
    (&["update public.notes set body = 'none'"], &["data-lost public.notes.body"]),
    // Somebody's own token is no value of a table, when another table cannot be read.
    (
        &[
            "alter table public.notes add column contact text;
            update public.notes n set contact = u.email from auth.users u where u.id = author",
            "create table public.plans (id integer primary key, name text);
            create table public.invites (id uuid primary key, email text);
            alter table public.invites enable row level security;
            create policy broken on public.invites to authenticated
                using (email = (select u.email from auth.users u where u.id = auth.uid()));
            revoke all on public.plans from anon, authenticated, service_role;
            grant select on public.plans to authenticated;
            revoke truncate on public.invites from anon, authenticated, service_role;",
        ],
        // It asks for a table that people may not read.
        &["statement-raises public.invites"],
    ),
    // Who sees more for the sake of rows that came is no finding, now or later.
    (
        &[
            "create table public.shares (note_id uuid primary key references public.notes
                on delete cascade);
            alter table public.shares enable row level security;
            create policy open on public.shares for select to anon using (true);
            create policy shared on public.notes for select to anon
                using (id in (select note_id from public.shares));
            revoke truncate on public.shares from anon, authenticated, service_role;",
            "comment on table public.shares is 'what is shared'",
            "comment on table public.shares is 'what is shared with others'",
        ],
        &["cross-tenant-read public.notes", "cross-tenant-read public.shares"],
    ),
    // A table that is built anew has its columns in other places.
    (
        &[
            "create table public.log (id integer primary key, note text not null, at timestamptz);
            alter table public.log enable row level security;
            revoke truncate on public.log from anon, authenticated, service_role;",
            "create table public.log_anew (id integer primary key, at timestamptz, note text not null);
            insert into public.log_anew select id, at, note || '!' from public.log;
            drop table public.log;
            alter table public.log_anew rename to log;
            alter table public.log enable row level security;
            revoke truncate on public.log from anon, authenticated, service_role;
            create function public.stamp() returns trigger language plpgsql as $$
            begin new.at := now(); return new; end $$;
            create trigger stamp before update on public.log
                for each row execute function public.stamp();",
        ],
        &["data-lost public.log.note"],
    ),
    // A time that a trigger sets anew has lost nothing; one that the file sets has.
    (&[TOUCHED, "update public.notes set body = 'none' where body is null"], &[]),
    (
        &[
            TOUCHED,
            "alter table public.notes disable trigger user;
            update public.notes set touched = '2001-01-01';
            alter table public.notes enable trigger user;",
        ],
        &["data-lost public.notes.touched"],
    ),
    // The last one closes again what the first one opens.
    (
        &[
            "create policy anybody on public.notes for select to authenticated using (true)",
            "drop policy anybody on public.notes",
        ],
        &["access-widened public.notes"],
    ),
    (
        &[
            "create policy again on public.notes for select to authenticated
                using (author = (select auth.uid()) and tenant_id in (select mine()))",
            "drop policy again on public.notes",
        ],
        &[],
    ),
];

#[test]
fn new_files_meet_rows() {
    let told = in_turn(PAIRS, |(files, expected)| {
        let report = with_files(files);
        let rehearsal = report.rehearsal.as_ref().expect("a rehearsal");
        assert!(rehearsal.rows > 20, "{files:?}: {}", rehearsal.rows);
        let found = findings(&report);
        (found != *expected).then(|| format!("{files:?}: {expected:?}\n{}", to_text(&report)))
    });
    let wrong: Vec<String> = told.into_iter().flatten().flatten().collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Rows that no user would have may be in the way: then the file is not tried on rows, it is said, and
/// the next one is tried.
#[test]
fn what_fails_on_generated_rows_alone_is_told() {
    let report = with_files(&[
        "alter table public.notes add constraint short check (length(title) < 3)",
        "alter table public.notes drop column body",
    ]);
    let text = to_text(&report);
    assert_eq!(findings(&report), ["data-lost public.notes.body"], "{text}");
    assert!(text.contains("V3 change: fails where there are rows: "), "{text}");
    assert!(
        text.contains("violated by some row (SQLSTATE 23514); see whether your rows"),
        "{text}"
    );
}

#[test]
fn all_files_meet_rows_if_asked_for() {
    let copy = Copy::empty();
    copy.write("leakproof.toml", MEMBERS_CONFIG);
    copy.write("migrations/V1__members.sql", TENANTS_AND_MEMBERS);
    copy.write("migrations/V2__notes.sql", NOTES);
    copy.write("migrations/V3__change.sql", "alter table public.notes drop column body");
    let report = check_with(&copy.path(), |_| ());
    assert!(report.rehearsal.is_none(), "nothing was accepted");
    let report = check_with(&copy.path(), |options| options.rows_from = Some(0));
    assert_eq!(findings(&report), ["data-lost public.notes.body"]);
    assert_eq!(report.outcome(), Outcome::Failed);
}

/// Whoever accepts does not take what is lost for meant; a waiver does, and is of no use afterwards.
#[test]
fn what_is_lost_is_not_accepted() {
    let copy = accepted_project();
    copy.write("migrations/V3__change.sql", "alter table public.notes drop column size");
    let accept = || check_with(&copy.path(), |options| options.accept = true);
    assert_eq!(findings(&accept()), ["data-lost public.notes.size"]);
    assert_eq!(findings(&accept()), ["data-lost public.notes.size"], "it is new as before");
    copy.append(
        "leakproof.toml",
        "\n[[waive]]\nfinding = \"data-lost\"\non = \"public.notes.size\"\nreason = \"unused\"\n",
    );
    assert_eq!(accept().outcome(), Outcome::Passed);
    let report = check_with(&copy.path(), |_| ());
    assert_eq!(report.outcome(), Outcome::Passed, "{}", to_text(&report));
    assert!(report.rehearsal.is_none());
}

/// The actors are probed where none of the rows is: access is as accepted, whatever is new.
#[test]
fn access_is_the_same_with_and_without() {
    let copy = accepted_project();
    copy.write("migrations/V3__change.sql", "comment on table public.notes is 'what was noted'");
    let report = check_with(&copy.path(), |_| ());
    assert!(report.rehearsal.as_ref().is_some_and(|rehearsal| rehearsal.applied.len() == 1));
    assert_eq!(report.outcome(), Outcome::Passed, "{}", to_text(&report));
}

#[test]
fn fixtures_and_generated_rows_exclude_each_other() {
    let copy = Copy::of("sql/shop_chat");
    let refusal = try_check_with(&copy.path(), |options| options.rows_from = Some(1));
    let refusal = refusal.expect_err("a refusal").to_string();
    assert!(refusal.contains("leave out `--rows-from`"), "{refusal}");
}
