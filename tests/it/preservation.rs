//! The census and the preserve pairs, on small migrations: each loss is found by the check meant for
//! it, and what only looks like a loss is not.

use std::fs;

use leakproof::project::Project;
use tempfile::TempDir;

use crate::support::{PLAIN_CONFIG, empty_scratch, in_parallel};

pub const BASELINE: &str = "
create table public.users (id uuid primary key, name varchar(20));
create table public.notes (
    id int primary key, user_id uuid references public.users (id), body text, score numeric,
    tags text[], extra json, at timestamptz
);
create table public.empty (id int primary key, note text);
create table public.marks (n int, word text);
create table public.many (id int primary key, word text);
create table public.times (id int primary key, naive timestamp);
";

pub const FIXTURE: &str = "
insert into public.users values
    ('00000000-0000-4000-8000-000000000001', 'one'), ('00000000-0000-4000-8000-000000000002', null);
insert into public.notes values
    (1, '00000000-0000-4000-8000-000000000001', 'first', 1.55, '{a,b}', '{\"b\":1, \"a\":2}',
        '2024-01-01 00:00:00+00'),
    (2, null, 'second', null, null, null, null),
    (3, '00000000-0000-4000-8000-000000000002', 'first', 1.50, '{}', 'null', 'infinity');
insert into public.marks values (1, 'x'), (2, 'y'), (3, 'y');
insert into public.times values (1, '2024-03-01 10:00:00'), (2, '2024-07-01 10:00:00.25');
";

/// A name, the second migration, its preserve file, and what must be said.
pub struct Case(
    pub &'static str,
    pub &'static str,
    pub Option<&'static str>,
    pub &'static [&'static str],
);

const CASES: &[Case] = &[
    Case("nothing happens", "select 1", None, &[]),
    Case("a table is dropped", "drop table public.notes", None, &[
        "public.notes is gone; it had 3 rows",
    ]),
    Case("an empty table is dropped", "drop table public.empty", None, &[]),
    Case("a table is built anew", "
        create table public.notes_new (like public.notes including all);
        insert into public.notes_new select * from public.notes order by id desc;
        drop table public.notes; alter table public.notes_new rename to notes;
        alter table public.notes add foreign key (user_id) references public.users", None, &[]),
    Case("a table is built anew with other values", "
        create table public.notes_new (like public.notes including all);
        insert into public.notes_new
            select id, user_id, upper(body), score, tags, extra, at from public.notes;
        drop table public.notes; alter table public.notes_new rename to notes", None, &[
        "public.notes was built anew and lacks FOREIGN KEY (user_id) REFERENCES users(id)",
        "public.notes.body holds other values than before (3 of 3) \
            {\"id\" : \"1\"} {\"id\" : \"2\"} {\"id\" : \"3\"}",
    ]),
    Case("a column is dropped", "alter table public.notes drop column body", None, &[
        "public.notes.body is gone; it had 3 values",
    ]),
    Case("a column is built anew", "
        alter table public.notes add column body_new text;
        update public.notes set body_new = body; alter table public.notes drop column body;
        alter table public.notes rename body_new to body", None, &[]),
    Case("an empty column is dropped", "alter table public.empty drop column note", None, &[]),
    Case("a column is emptied", "update public.notes set body = null", None, &[
        "public.notes.body is empty; it had 3 values {\"id\" : \"1\"} {\"id\" : \"2\"} {\"id\" : \"3\"}",
    ]),
    Case("a row is deleted", "delete from public.notes where id = 2", None, &[
        "public.notes lost 1 of its 3 rows {\"id\" : \"2\"}",
    ]),
    Case("a row is deleted and the table has no key", "delete from public.marks where n = 1", None, &[
        "public.marks lost 1 of its 3 rows",
    ]),
    Case("a table is truncated", "truncate public.notes", None, &[
        "public.notes is empty; it had 3 rows",
    ]),
    Case("one value is changed", "update public.notes set body = 'First' where id = 1", None, &[
        "public.notes.body holds other values than before (1 of 3) {\"id\" : \"1\"}",
    ]),
    Case("one value is emptied", "update public.notes set score = null where id = 3", None, &[
        "public.notes.score holds other values than before (1 of 2) {\"id\" : \"3\"}",
    ]),
    Case("a number is rounded", "alter table public.notes alter score type numeric(3, 1)", None, &[
        "public.notes.score holds other values as numeric(3,1) than it held as numeric \
            {\"id\" : \"1\"}",
    ]),
    Case("texts are cut", "
        alter table public.notes alter body type varchar(3) using left(body, 3)", None, &[
        "public.notes.body was cut: its longest text had 6 bytes, now 3 \
            {\"id\" : \"1\"} {\"id\" : \"2\"} {\"id\" : \"3\"}",
    ]),
    Case("a time is rounded", "
        alter table public.times alter naive type timestamp(0)", None, &[
        "public.times.naive holds other values as timestamp(0) without time zone than it held as \
            timestamp without time zone {\"id\" : \"2\"}",
    ]),
    Case("keys are other ones", "update public.notes set id = -id", None, &[
        "public.notes.id holds other values than before (3 of 3)",
    ]),
    Case("values are swapped between rows", "
        update public.notes n set body = o.body from public.notes o
        where n.id <> o.id and n.id < 3 and o.id < 3", None, &[
        "public.notes.body holds the values of before, but in other rows \
            {\"id\" : \"1\"} {\"id\" : \"2\"}",
    ]),
    Case("values are swapped between rows of a table without a key", "
        update public.marks set word = case word when 'x' then 'y' else 'x' end where n < 3", None, &[
        "public.marks holds the values of before, but in other rows",
    ]),
    Case("json is normalised", "alter table public.notes alter extra type jsonb", None, &[
        "public.notes.extra: json became jsonb, every value is the same",
    ]),
    Case("json gets another value", "
        alter table public.notes alter extra type jsonb using replace(extra::text, '2', '3')::jsonb", None, &[
        "public.notes.extra holds other values as jsonb than it held as json {\"id\" : \"1\"}",
    ]),
    Case("a row is added", "insert into public.notes (id) values (4)", None, &[]),
    Case("a row is added to a table without a key", "insert into public.marks values (1, 'x')", None, &[]),
    Case("a row is added and another changed", "
        insert into public.notes (id, body) values (4, 'x');
        update public.notes set body = 'y' where id = 1", None, &[
        "public.notes.body holds other values than before (1 of 3) {\"id\" : \"1\"}",
    ]),
    Case("a row is added and another changed in a table without a key", "
        insert into public.marks values (9, 'z'); update public.marks set n = 8 where n = 1", None, &[
        "1 of the 3 rows of public.marks hold other values than before",
    ]),
    Case("a row is replaced by another", "
        delete from public.notes where id = 1; insert into public.notes (id) values (9)", None, &[
        "public.notes lost 1 of its 3 rows {\"id\" : \"1\"}",
    ]),
    Case("all is renamed", "
        alter table public.notes rename to memos; alter table public.memos rename body to text;
        alter table public.memos rename id to number;
        create schema other; alter table public.memos set schema other", None, &[]),
    Case("types that keep the text", "
        alter table public.users alter name type text; alter table public.notes alter id type bigint",
        None, &[
        "public.notes.id: integer became bigint, every value is the same",
        "public.users.name: character varying(20) became text, every value is the same",
    ]),
    Case("types that keep the value", "
        alter table public.notes alter id type numeric(9, 2);
        alter table public.marks alter n type text", None, &[
        "public.marks.n: integer became text, every value is the same",
        "public.notes.id: integer became numeric(9,2), every value is the same",
    ]),
    Case("a type that keeps the value, and a row is added", "
        alter table public.notes alter score type numeric(9, 4);
        insert into public.notes (id) values (4)", None, &[
        "public.notes.score: numeric became numeric(9,4), every value is the same",
    ]),
    Case("a type that keeps the value, and one is changed", "
        alter table public.notes alter score type numeric(9, 4);
        update public.notes set score = 1.5501 where id = 1", None, &[
        "public.notes.score holds other values as numeric(9,4) than it held as numeric \
            {\"id\" : \"1\"}",
    ]),
    Case("times get the zone that the file states", "
        alter table public.times alter naive type timestamptz using naive at time zone 'Asia/Tokyo'",
        None, &[
        "public.times.naive: timestamp without time zone became timestamp with time zone read in \
            asia/tokyo, every value is the same",
    ]),
    Case("times get the zone that the file sets", "
        set time zone 'Europe/Berlin'; alter table public.times alter naive type timestamptz", None, &[
        "public.times.naive: timestamp without time zone became timestamp with time zone read in \
            europe/berlin, every value is the same",
    ]),
    Case("times lose the zone that the file states", "
        alter table public.notes alter at type timestamp using at at time zone 'utc'", None, &[
        "public.notes.at: timestamp with time zone became timestamp without time zone read in utc, \
            every value is the same",
    ]),
    Case("times get the zone of whoever runs the file", "
        alter table public.times alter naive type timestamptz", None, &[
        "public.times.naive was timestamp without time zone and is timestamp with time zone, and the \
            file does not state in which time zone {\"id\" : \"1\"} {\"id\" : \"2\"}",
    ]),
    Case("times are read in one zone and not in the stated one", "
        alter table public.times alter naive type timestamptz
            using (naive at time zone 'utc') + interval '1 hour'", None, &[
        "public.times.naive holds other values as timestamp with time zone than it held as \
            timestamp without time zone {\"id\" : \"1\"} {\"id\" : \"2\"}",
    ]),
    Case("the files set formats of their own", "
        set timezone = 'Asia/Tokyo'; set datestyle = 'German'; set extra_float_digits = -3", None, &[]),
    Case("a planned loss is covered", "
        alter table public.notes add column text text; update public.notes set text = body;
        alter table public.notes drop column body", Some("
-- preserve: bodies are texts
-- covers: public.notes.body
-- before
select id, body from public.notes;
-- after
select id, text from public.notes;
"), &[]),
    Case("a pair that does not show the column vouches for nothing", "
        alter table public.notes drop column body", Some("
-- preserve: bodies are dropped on purpose
-- covers: public.notes.body
-- before
select id from public.notes;
-- after
select id from public.notes;
"), &["public.notes.body is gone; it had 3 values"]),
    Case("a cover of another column covers nothing", "
        alter table public.notes drop column body", Some("
-- preserve: something else
-- covers: public.notes.score
-- before
select 1;
-- after
select 1;
"), &["public.notes.body is gone; it had 3 values"]),
    Case("a pair counts how often a row is there", "
        update public.notes set body = 'second' where id = 1", Some("
-- preserve: bodies stay as many
-- covers: public.notes.body
-- before
select body from public.notes;
-- after
select body from public.notes;
"), &[
        "\"bodies stay as many\": lost {\"body\":\"first\"}, appeared {\"body\":\"second\"}",
    ]),
];

/// The same at a size at which memory and time tell.
const LARGE: &[Case] = &[
    Case("nothing happens to many rows", "select 1", None, &[]),
    Case("one of many rows is added", "insert into public.many values (0, '0')", None, &[]),
    Case(
        "one of many rows is deleted",
        "delete from public.many where id = 5",
        None,
        &["public.many lost 1 of its 100001 rows {\"id\" : \"5\"}"],
    ),
    Case(
        "one of many values is changed",
        "update public.many set word = 'x' where id = 5",
        None,
        &["public.many.word holds other values than before (1 of 100001) {\"id\" : \"5\"}"],
    ),
    Case(
        "one of many rows is changed and one added",
        "
        update public.many set word = 'x' where id = 5; insert into public.many values (0, '0')",
        None,
        &["public.many.word holds other values than before (1 of 100001) {\"id\" : \"5\"}"],
    ),
    Case(
        "two of many rows swap their values",
        "
        update public.many set word = (11 - id)::text where id in (5, 6)",
        None,
        &[
            "public.many.word holds the values of before, but in other rows {\"id\" : \"5\"} {\"id\" : \"6\"}",
        ],
    ),
    Case(
        "many rows get another type",
        "alter table public.many alter id type bigint",
        None,
        &["public.many.id: integer became bigint, every value is the same"],
    ),
];

#[test]
fn each_loss_among_many_rows_is_found_and_nothing_else() {
    let many = "insert into public.many select g, g::text from generate_series(1, 100001) g;";
    assert_said(BASELINE, LARGE, many);
}

#[test]
fn each_loss_is_found_and_nothing_else() {
    assert_said(BASELINE, CASES, FIXTURE);
}

pub fn assert_said(baseline: &str, cases: &[Case], fixture: &str) {
    let wrong: Vec<String> = in_parallel(cases, |case| {
        let Case(name, _, _, expected) = case;
        let mut expected: Vec<String> = expected.iter().map(|line| (*line).to_owned()).collect();
        expected.sort();
        let found = losses(baseline, case, fixture);
        (found != expected).then(|| format!("{name}: expected {expected:#?}, found {found:#?}"))
    })
    .into_iter()
    .flatten()
    .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is said of version 2, sorted; else why it fails.
fn losses(baseline: &str, Case(_, migration, preserve, _): &Case, fixture: &str) -> Vec<String> {
    let folder = project(&[baseline, migration], fixture, "preserve/V2__pair.sql", *preserve);
    let project = Project::read(folder.path()).expect("a readable project");
    let mut scratch = empty_scratch(&project);
    if let Err(error) = scratch.migrate() {
        let folder = folder.path().display().to_string();
        let first = error.to_string().lines().next().unwrap_or_default().to_owned();
        return vec![first.replace(&folder, "<project>")];
    }
    let last = &scratch.applied()[1].preservation;
    let broken = last.pairs.iter().filter(|pair| !pair.holds()).map(|pair| {
        let (lost, appeared) = (pair.lost.first.join(", "), pair.appeared.first.join(", "));
        format!("\"{}\": lost {lost}, appeared {appeared}", pair.name)
    });
    let told = last.losses.iter().map(|loss| {
        let rows: String = loss.rows.iter().map(|row| format!(" {row}")).collect();
        format!("{}{rows}", loss.sentence())
    });
    let mut said: Vec<String> = told.chain(broken).chain(last.retyped.clone()).collect();
    let root = folder.path().display().to_string();
    let noted = last.noted.iter().map(|sentence| sentence.replace(&root, "<project>"));
    said.extend(noted.map(|sentence| format!("note: {sentence}")));
    said.extend(last.stamped.iter().map(|column| format!("stamped: {column}")));
    said.sort();
    said
}

/// A project with these migrations, rows, and a file beside them.
pub fn project(migrations: &[&str], fixture: &str, beside: &str, text: Option<&str>) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut files =
        vec![("leakproof.toml".into(), PLAIN_CONFIG), ("fixtures/V1__rows.sql".into(), fixture)];
    let numbered = migrations.iter().enumerate();
    files.extend(numbered.map(|(at, sql)| (format!("migrations/V{}__a.sql", at + 1), *sql)));
    files.extend(text.map(|text| (beside.to_owned(), text)));
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(path, text).expect("a file");
    }
    folder
}
