//! `check --twice`: what depends on the session, or on the order of rows, is told, each kind in both
//! directions, and what comes of the clock or chance is not taken for it.

use std::fs;

use leakproof::finding::Rule;
use leakproof::preserve::Circumstance;
use leakproof::report::to_text;

use crate::preservation::project;
use crate::support::{Copy, PLAIN_CONFIG, check_with, in_parallel};

const BASELINE: &str = "
create table public.events (
    id int primary key, raw text, day text, span interval, size float8, said text,
    at timestamptz, made_at timestamptz, d date
);
create table public.people (id int primary key, name text not null, note text);
create table public.pairs (name text, note text);
create function public.stamp() returns trigger language plpgsql as $$
begin new.made_at := clock_timestamp(); return new; end $$;
create trigger stamp before update on public.events for each row execute function public.stamp();
";

const FIXTURE: &str = "
insert into public.events (id, raw, day, span, size) values
    (1, '2024-01-02 10:00', '01/02/2024', '1 day 02:00', 0.1::float8 + 0.2),
    (2, '2024-07-02 10:00', '02/03/2024', '3 days', 1.5), (3, null, null, null, null);
insert into public.people values (1, 'ann', 'x'), (2, 'bob', 'y'), (3, 'ann', 'z');
insert into public.pairs values ('a', 'x'), ('a', 'y'), ('b', 'z');
";

/// A name, a migration, what differs, and what is taken for chance.
type Case = (&'static str, &'static str, &'static [&'static str], &'static [&'static str]);

const STAMPED: &[&str] = &["public.events.made_at"];

const CASES: &[Case] = &[
    ("times without a zone", "update public.events set at = raw::timestamptz",
        &["TimeZone public.events.at 2 of 3"], STAMPED),
    ("times with one", "update public.events set at = raw::timestamp at time zone 'UTC'", &[], STAMPED),
    ("a zone that is set", "set local time zone 'UTC'; update public.events set at = raw::timestamptz", &[],
        STAMPED),
    ("days as they are read here", "update public.events set d = day::date",
        &["DateStyle public.events.d 2 of 3"], STAMPED),
    ("days of a format", "update public.events set d = to_date(day, 'MM/DD/YYYY')", &[], STAMPED),
    ("days that fail elsewhere", "
        update public.events set day = '01/13/2024' where id = 1;
        update public.events set d = day::date where id = 1", &["DateStyle fails 22008"], STAMPED),
    ("intervals as text", "update public.events set said = span::text",
        &["IntervalStyle public.events.said 2 of 3"], STAMPED),
    ("intervals as seconds", "update public.events set said = extract(epoch from span)::text", &[], STAMPED),
    ("floats as text", "update public.events set said = size::text",
        &["FloatDigits public.events.said 1 of 3"], STAMPED),
    ("rounded floats as text", "update public.events set said = round(size::numeric, 2)::text", &[], STAMPED),
    ("numbers of any order", "
        alter table public.people add n bigint;
        update public.people p set n = o.n
        from (select id, row_number() over () as n from public.people) o where o.id = p.id",
        &["RowOrder public.people.n 2 of 3"], &[]),
    ("numbers of an order", "
        alter table public.people add n bigint;
        update public.people p set n = o.n
        from (select id, row_number() over (order by id) as n from public.people) o where o.id = p.id",
        &[], &[]),
    ("the first of several", "
        create table public.firsts as
        select distinct on (name) name, note from public.people order by name",
        &["RowOrder public.firsts 1 of 2"], &[]),
    ("the first by a key", "
        create table public.firsts as
        select distinct on (name) name, note from public.people order by name, id", &[], &[]),
    ("any one stays", "
        delete from public.people p using public.people q where p.name = q.name and p.ctid > q.ctid",
        &["RowOrder public.people 1 of 2"], &[]),
    ("the least stays", "
        delete from public.people p using public.people q where p.name = q.name and p.id > q.id", &[], &[]),
    ("any one is taken", "
        update public.events set said = (select note from public.people where name = 'ann' limit 1)
        where id = 1", &["RowOrder public.events.said 1 of 3"], STAMPED),
    ("the first is taken", "
        update public.events
        set said = (select note from public.people where name = 'ann' order by id limit 1)
        where id = 1", &[], STAMPED),
    ("a list of any order", "
        create table public.lists (name text primary key, notes text[]);
        insert into public.lists select name, array_agg(note) from public.pairs group by name",
        &["RowOrder public.lists.notes 1 of 2"], &[]),
    ("a list of an order", "
        create table public.lists (name text primary key, notes text[]);
        insert into public.lists select name, array_agg(note order by note) from public.pairs group by name",
        &[], &[]),
    ("keys by any order", "
        create table public.copies (id int generated always as identity primary key, name text);
        insert into public.copies (name) select note from public.pairs",
        &["RowOrder public.copies.id 2 of 3"], &[]),
    ("keys by an order", "
        create table public.copies (id int generated always as identity primary key, name text);
        insert into public.copies (name) select note from public.pairs order by note", &[], &[]),
    ("a serial that goes on", "
        create table public.copies (id int generated always as identity primary key, name text);
        insert into public.copies (name) values ('a'); insert into public.copies (name) values ('b')", &[], &[]),
    ("the clock", "alter table public.people add at timestamptz default clock_timestamp()", &[],
        &["public.people.at"]),
    ("chance in a key", "
        create table public.copies (id uuid primary key default gen_random_uuid(), name text);
        insert into public.copies (name) select name from public.people", &[], &["public.copies.id"]),
    ("chance in a key, and a zone", "
        create table public.copies (id uuid primary key default gen_random_uuid(), at timestamptz);
        insert into public.copies (at) select raw::timestamptz from public.events",
        &["TimeZone public.copies 2 of 3"], &["public.copies.id"]),
    ("rows by chance", "
        create table public.some as select id from public.people where random() < 0.5 or random() < 2;
        create table public.shuffled as
            select row_number() over (order by random()) as n, i from generate_series(1, 50) i", &[],
        &["public.shuffled"]),
    ("nothing of rows", "comment on table public.people is 'people'", &[], &[]),
];

#[test]
fn each_dependence_is_told_and_what_states_it_is_quiet() {
    let wrong: Vec<String> = in_parallel(CASES, |(name, migration, expected, chance)| {
        let folder = project(&[BASELINE, migration], FIXTURE, "", None);
        let report = check_with(folder.path(), |options| {
            options.data_only = true;
            options.twice = true;
        });
        let repeated = report.applied[1].repeated.as_ref().expect("it was applied again");
        let found = report.findings.iter().filter(|one| one.rule == Rule::NotRepeatable);
        let mut told: Vec<String> = repeated.differences.iter().map(sketch).collect();
        told.sort();
        let is_so =
            told == *expected && found.count() == expected.len() && repeated.by_chance == *chance;
        (!is_so).then(|| format!("{name}: {told:?}, by chance {:?}", repeated.by_chance))
    })
    .into_iter()
    .flatten()
    .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// `TimeZone public.events.at 2 of 3`
fn sketch(difference: &leakproof::preserve::RunDifference) -> String {
    use leakproof::preserve::What;
    let under: Vec<Circumstance> = difference.under.iter().map(|one| one.circumstance).collect();
    let [under] = under.as_slice() else { return format!("{under:?}") };
    match &difference.what {
        What::Fails { sqlstate, .. } => {
            format!("{under:?} fails {}", sqlstate.as_deref().unwrap_or_default())
        }
        What::Table { table, columns, rows, of, kind, .. } => match (kind, columns.as_slice()) {
            (leakproof::preserve::DifferenceKind::Rows, _) | (_, []) => {
                format!("{under:?} {table} {rows} of {of}")
            }
            (_, columns) => format!("{under:?} {table}.{} {rows} of {of}", columns.join(" ")),
        },
    }
}

/// The report names file, line, rows with both values, and the way out; and what the text says of chance.
#[test]
fn the_report_tells_where_and_how() {
    let change = "\nupdate public.events set at = raw::timestamptz;\n\
        update public.people set note = gen_random_uuid()::text;";
    let folder = project(&[BASELINE, change], FIXTURE, "", None);
    let report = check_with(folder.path(), |options| {
        options.data_only = true;
        options.twice = true;
    });
    let text = to_text(&report);
    for line in [
        "  not-repeatable: public.events.at\n    V2 a, line 2: with the time zone \"Pacific/Auckland\", \
         public.events.at holds other values (2 of 3)\n    \
         {\"id\" : \"1\"}: 2024-01-02 10:00:00+00, then 2024-01-01 21:00:00+00\n",
        "    help: say in which zone the times are: `at time zone 'UTC'`",
        "note        V2 a writes, or chooses rows by, what is another value on each run: \
         `gen_random_uuid()` into public.people.note (line 3)\n",
        "twice       1 file applied once more under another time zone,",
        "  V2 a: by the clock or chance, each time another: public.events.made_at, public.people.note\n",
    ] {
        assert!(text.contains(line), "`{line}` is not in\n{text}");
    }
    let quiet = to_text(&check_with(folder.path(), |options| options.data_only = true));
    assert!(!quiet.contains("twice ") && !quiet.contains("not-repeatable"), "{quiet}");
    // A zone that the database has itself is that of every session.
    let fixed = format!(
        "{BASELINE}; do $$ begin execute format(\
        'alter database %I set timezone to ''UTC''', current_database()); end $$"
    );
    let folder = project(&[&fixed, change], FIXTURE, "", None);
    let report = check_with(folder.path(), |options| {
        options.data_only = true;
        options.twice = true;
    });
    let text = to_text(&report);
    assert!(!text.contains("not-repeatable"), "{text}");
    assert!(
        text.contains("not tried: another time zone, since it is set for the database"),
        "{text}"
    );
}

/// A file runs with the date style of its session, whatever the census reads rows in.
#[test]
fn days_are_read_as_a_server_reads_them() {
    let change = "update public.events set d = '01/13/2024'";
    let folder = project(&[BASELINE, change], FIXTURE, "", None);
    let report = check_with(folder.path(), |options| options.data_only = true);
    assert!(report.stopped.is_none(), "{}", to_text(&report));
}

const NUMBERED: &str = "alter table public.people add n bigint; update public.people p set n = o.n
    from (select id, row_number() over () as n from public.people) o where o.id = p.id";

/// Where there are no fixtures, new files are applied once more on generated rows.
#[test]
fn generated_rows_are_met_again() {
    let folder = Copy::empty();
    folder.write("leakproof.toml", "[project]\nplatform = \"plain\"\npeople = \"none\"\n");
    folder.write(
        "migrations/V1__a.sql",
        "create table public.people (id int primary key, name text)",
    );
    folder.write("migrations/V2__a.sql", NUMBERED);
    let report = check_with(&folder.path(), |options| {
        options.data_only = true;
        options.twice = true;
        options.rows_from = Some(1);
    });
    let found = report.findings.iter().filter(|one| one.rule == Rule::NotRepeatable);
    let told: Vec<String> = found.map(|one| one.message()).collect();
    assert_eq!(
        told,
        [
            "on generated rows, V2 a, line 1: with rows in another order, public.people.n holds other values (2 of 2)"
        ]
    );
}

/// What is meant can be waived, and such a waiver need not match where nothing is applied again.
#[test]
fn a_difference_can_be_waived() {
    let folder = project(&[BASELINE, NUMBERED], FIXTURE, "", None);
    let waiver =
        "[[waive]]\nfinding = \"not-repeatable\"\non = \"public.people.n\"\nreason = \"any\"\n";
    let config = format!("{PLAIN_CONFIG}\n{waiver}");
    fs::write(folder.path().join("leakproof.toml"), config).expect("a file");
    for (twice, expected) in [(true, 1), (false, 0)] {
        let report = check_with(folder.path(), |options| {
            options.data_only = true;
            options.twice = twice;
        });
        assert_eq!((report.findings.len(), report.waived.len()), (0, expected));
    }
}
