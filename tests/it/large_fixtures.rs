//! Fixtures with many rows: some of each kind are tried, some are followed, all are compared.

use leakproof::finding::Finding;
use leakproof::report::{Report, to_text};

use crate::support::{Copy, check_project, try_check_with};

const USERS: &str = "
insert into auth.users (id, email) values
    ('00000000-0000-4000-8000-000000000001', 'ann@example.org'),
    ('00000000-0000-4000-8000-000000000002', 'bob@example.org');
";

/// Folders and what is in them, of two users by turns; one folder of so many is open to everybody.
fn folders(rows: usize, later: &[&str]) -> Copy {
    let copy = Copy::empty();
    copy.write("leakproof.toml", "[project]\nplatform = \"supabase\"\ngrants = \"2026\"\n");
    copy.write(
        "migrations/V1__base.sql",
        "create table public.folders (
            id int primary key, user_id uuid not null references auth.users (id),
            kind text not null default 'own'
        );
        create table public.papers (
            id int primary key, folder_id int not null references public.folders (id), pages int
        );
        alter table public.folders enable row level security;
        alter table public.papers enable row level security;
        create policy readers on public.folders for select to authenticated
            using (kind = 'open' or user_id = (select auth.uid()));
        create policy readers on public.papers for select to authenticated using (
            exists (select from public.folders f where f.id = folder_id and f.user_id = (select auth.uid()))
        );
        grant select on public.folders, public.papers to authenticated;
        create function public.repair() returns void language sql as
            'update public.papers set pages = 0 where id = 7';",
    );
    copy.write(
        "fixtures/V1__rows.sql",
        &format!(
            "{USERS}
            insert into public.folders select n, ('00000000-0000-4000-8000-00000000000'
                || 1 + n % 2)::uuid, case n when 3 then 'open' else 'own' end
            from generate_series(1, {rows}) n;
            insert into public.papers select n, n, n * 10 from generate_series(1, {rows}) n;"
        ),
    );
    for (at, sql) in later.iter().enumerate() {
        copy.write(&format!("migrations/V{}__later.sql", at + 2), sql);
    }
    copy
}

fn found(report: &Report) -> Vec<String> {
    report.findings.iter().map(|one: &Finding| format!("{} {}", one.rule, one.on())).collect()
}

#[test]
fn each_kind_of_row_is_tried() {
    let [few, many] = [12, 3_000].map(|rows| check_project(&folders(rows, &[]).path()));
    assert_eq!(found(&few), found(&many), "{}", to_text(&many));
    assert!(found(&many).iter().any(|one| one == "cross-tenant-read public.folders"));
    let is_said = |report: &Report, text: &str| report.notes.iter().any(|note| note.contains(text));
    for table in ["folders", "papers"] {
        let text = format!("of the 3000 rows of public.{table} are tried, some of each kind");
        assert!(is_said(&many, &text), "{:?}", many.notes);
    }
    assert!(!is_said(&few, "are tried"), "{:?}", few.notes);
}

#[test]
fn some_rows_of_each_table_are_followed() {
    let open = "alter table public.papers disable row level security";
    let closed = "alter table public.papers enable row level security";
    let report = check_project(&folders(3_000, &[open, closed]).path());
    assert!(
        found(&report).contains(&"access-widened public.papers".into()),
        "{:?}",
        found(&report)
    );
    assert!(report.followed.partly.contains("public.papers"));
    let quiet = check_project(&folders(3_000, &["create index on public.papers (pages)"]).path());
    assert!(
        !found(&quiet).iter().any(|one| one.starts_with("access-widened")),
        "{:?}",
        found(&quiet)
    );
}

/// The file does not name what a function of another file changes.
#[test]
fn rows_that_were_not_kept_are_compared_all_the_same() {
    let lost = |change: &str| {
        let report = check_project(&folders(30_000, &[change]).path());
        let losses = report.applied[1].preservation.losses.iter();
        losses.map(|loss| format!("{} {:?}", loss.sentence(), loss.rows)).collect::<Vec<_>>()
    };
    assert_eq!(
        lost("select public.repair()"),
        [
            "public.papers.pages holds other values than before (1 of 30000) [\"{\\\"id\\\" : \\\"7\\\"}\"]"
        ]
    );
    assert_eq!(lost("select 1"), [""; 0]);
}

/// The rows that a pair shows of large tables are kept once it has differed.
#[test]
fn pairs_over_large_tables_tell_the_rows_that_differ() {
    let checked = |change: &str, after: &str| {
        let copy = Copy::empty();
        copy.write("leakproof.toml", "[project]\nplatform = \"plain\"\npeople = \"none\"\n");
        copy.write(
            "migrations/V1__scans.sql",
            "create table public.scans (id int primary key, pages int, image text);
            alter table public.scans alter column image set storage external;",
        );
        copy.write(
            "fixtures/V1__rows.sql",
            "insert into public.scans select n, n * 10, repeat('x', 900000) from generate_series(1, 10) n;",
        );
        copy.write("migrations/V2__change.sql", change);
        let before =
            "-- preserve: pages\n-- before\nselect id, pages from public.scans;\n-- after\n";
        copy.write("preserve/V2__change.sql", &format!("{before}{after};\n"));
        try_check_with(&copy.path(), |_| ())
    };
    let lines = |change: &str, after: &str| {
        let report = checked(change, after).expect("a report");
        let pair = &report.applied[1].preservation.pairs[0];
        assert_eq!(pair.rows, 10);
        [&pair.lost, &pair.appeared].map(|side| format!("{} {}", side.count, side.first.join(" ")))
    };
    let same = "select id, pages from public.scans";
    assert_eq!(
        lines("update public.scans set pages = 1 where id = 7", same),
        [r#"1 {"id":7,"pages":70}"#, r#"1 {"id":7,"pages":1}"#]
    );
    assert_eq!(lines("alter table public.scans add note text", same), ["0 ", "0 "]);
    assert_eq!(
        lines(
            "alter table public.scans rename pages to sheets",
            "select id, sheets from public.scans"
        ),
        ["0 ", "0 "]
    );
    // A lock of the session outlives the transaction that is rolled back.
    let first = "select id, case when exists (select from pg_catalog.pg_locks where objid = 7 and locktype = 'advisory') \
        then pages else pages + length(pg_catalog.pg_advisory_lock(7)::text) + 1 end as pages from public.scans";
    let error = checked("select 1", first).expect_err("it differs once").to_string();
    assert!(error.contains("differs one time and not the next"), "{error}");
}
