//! The census and the preserve pairs, on small migrations: each loss is found by the check meant for
//! it, and what only looks like a loss is not.

use std::fs;

use leakproof::project::Project;
use leakproof::scratch::Scratch;
use tempfile::TempDir;

use crate::support::{in_parallel, shared_server};

const CONFIG: &str = "
[project]
platform = \"plain\"

[identity]
role = \"app_user\"
user = \"app.user_id\"
roles = [\"app_user\"]

[tenancy]
users = \"public.users\"
";

const BASELINE: &str = "
create table public.users (id uuid primary key, name varchar(20));
create table public.notes (
    id int primary key, user_id uuid references public.users (id), body text, score numeric,
    tags text[], extra json, at timestamptz
);
create table public.empty (id int primary key, note text);
";

const FIXTURE: &str = "
insert into public.users values
    ('00000000-0000-4000-8000-000000000001', 'one'), ('00000000-0000-4000-8000-000000000002', null);
insert into public.notes values
    (1, '00000000-0000-4000-8000-000000000001', 'first', 1.50, '{a,b}', '{\"b\":1, \"a\":2}',
        '2024-01-01 00:00:00+00'),
    (2, null, 'second', null, null, null, null),
    (3, '00000000-0000-4000-8000-000000000002', 'first', 1.50, '{}', 'null', 'infinity');
";

/// A name, the second migration, its preserve file, and what must be said.
struct Case(&'static str, &'static str, Option<&'static str>, &'static [&'static str]);

const CASES: &[Case] = &[
    Case("nothing happens", "select 1", None, &[]),
    Case("a table is dropped", "drop table public.notes", None, &[
        "public.notes is gone; it had 3 rows",
    ]),
    Case("an empty table is dropped", "drop table public.empty", None, &[]),
    Case("a column is dropped", "alter table public.notes drop column body", None, &[
        "public.notes.body is gone; it had 3 values",
    ]),
    Case("an empty column is dropped", "alter table public.empty drop column note", None, &[]),
    Case("a row is deleted", "delete from public.notes where id = 2", None, &[
        "public.notes had 3 rows and has 2",
    ]),
    Case("a table is truncated", "truncate public.notes", None, &[
        "public.notes had 3 rows and has 0",
    ]),
    Case("one value is changed", "update public.notes set body = 'First' where id = 1", None, &[
        "public.notes.body holds other values than before (3 then, 3 now)",
    ]),
    Case("one value is emptied", "update public.notes set score = null where id = 3", None, &[
        "public.notes.score holds other values than before (2 then, 1 now)",
    ]),
    Case("a number is rounded", "alter table public.notes alter score type numeric(3, 1)", None, &[
        "public.notes.score holds other values than before (2 then, 2 now)",
    ]),
    Case("values are swapped between rows and columns stay the same", "
        update public.notes set id = -id", None, &[
        "public.notes.id holds other values than before (3 then, 3 now)",
    ]),
    Case("json is normalised", "alter table public.notes alter extra type jsonb", None, &[
        "public.notes.extra holds other values than before (2 then, 2 now)",
    ]),
    Case("a row is added", "insert into public.notes (id) values (4)", None, &[]),
    Case("a row is added and another changed", "
        insert into public.notes (id, body) values (4, 'x');
        update public.notes set body = 'y' where id = 1", None, &[
        "public.notes.body holds other values than before (3 then, 2 now)",
        "public.notes.id holds other values than before (3 then, 2 now)",
        "public.notes.score holds other values than before (2 then, 1 now)",
        "public.notes.tags holds other values than before (2 then, 1 now)",
        "public.notes.extra holds other values than before (2 then, 1 now)",
        "public.notes.at holds other values than before (2 then, 1 now)",
        "public.notes.user_id holds other values than before (2 then, 1 now)",
    ]),
    Case("a row is replaced by another", "
        delete from public.notes where id = 1; insert into public.notes (id) values (9)", None, &[
        "public.notes.at holds other values than before (2 then, 1 now)",
        "public.notes.body holds other values than before (3 then, 2 now)",
        "public.notes.extra holds other values than before (2 then, 1 now)",
        "public.notes.id holds other values than before (3 then, 3 now)",
        "public.notes.score holds other values than before (2 then, 1 now)",
        "public.notes.tags holds other values than before (2 then, 1 now)",
        "public.notes.user_id holds other values than before (2 then, 1 now)",
    ]),
    Case("all is renamed", "
        alter table public.notes rename to memos; alter table public.memos rename body to text;
        create schema other; alter table public.memos set schema other", None, &[]),
    Case("types that keep the text", "
        alter table public.users alter name type text; alter table public.notes alter id type bigint",
        None, &[]),
    Case("the files set formats of their own", "
        set timezone = 'Asia/Tokyo'; set datestyle = 'German'; set extra_float_digits = -3", None, &[]),
    Case("a planned loss is covered", "alter table public.notes drop column body", Some("
-- preserve: bodies are dropped on purpose
-- covers: public.notes.body
-- before
select id from public.notes;
-- after
select id from public.notes;
"), &[]),
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

#[test]
fn each_loss_is_found_and_nothing_else() {
    let wrong: Vec<String> = in_parallel(CASES, |case| {
        let Case(name, _, _, expected) = case;
        let mut expected: Vec<String> = expected.iter().map(|line| (*line).to_owned()).collect();
        expected.sort();
        let found = losses(case);
        (found != expected).then(|| format!("{name}: expected {expected:#?}, found {found:#?}"))
    })
    .into_iter()
    .flatten()
    .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is said of version 2, sorted.
fn losses(Case(_, migration, preserve, _): &Case) -> Vec<String> {
    let folder = project(migration, *preserve);
    let project = Project::read(folder.path()).expect("a readable project");
    let server = shared_server();
    let platform = leakproof::platform::Platform::of(&project);
    let mut scratch = Scratch::empty(&project, platform, &server).expect("a scratch database");
    scratch.migrate().expect("migrations that apply");
    let last = &scratch.applied().last().expect("two migrations").preservation;
    let broken = last.pairs.iter().filter(|pair| !pair.holds()).map(|pair| {
        let (lost, appeared) = (pair.lost.first.join(", "), pair.appeared.first.join(", "));
        format!("\"{}\": lost {lost}, appeared {appeared}", pair.name)
    });
    let mut said: Vec<String> =
        last.losses.iter().map(|loss| loss.sentence()).chain(broken).collect();
    said.sort();
    said
}

fn project(migration: &str, preserve: Option<&str>) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut files = vec![
        ("leakproof.toml", CONFIG),
        ("migrations/V1__baseline.sql", BASELINE),
        ("migrations/V2__change.sql", migration),
        ("fixtures/V1__rows.sql", FIXTURE),
    ];
    files.extend(preserve.map(|pair| ("preserve/V2__pair.sql", pair)));
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(path, text).expect("a file");
    }
    folder
}
