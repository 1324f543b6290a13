//! What a migration loses beside plain values, each kind in both directions: what does it is told, and
//! what does the same rightly is not.

use leakproof::project::Project;
use leakproof::report::value::Outcome;

use crate::preservation::{Case, assert_said, project};
use crate::support::{check_with, empty_scratch, in_parallel};

const BASELINE: &str = "
create type public.state as enum ('draft', 'live');
create table public.posts (
    id serial primary key, title text not null, state public.state not null default 'draft',
    pinned boolean default false, created_at timestamptz not null default '2023-01-01Z',
    updated_at timestamptz not null default '2023-01-01Z', expires_at timestamptz,
    read_at timestamp, ends_at timestamp,
    constraint title_is_short check (char_length(title) < 100)
);
create unique index posts_title on public.posts (lower(title));
create function public.touch() returns trigger language plpgsql as $$
begin
    if new.expires_at < new.created_at then raise exception 'expires_at too early'; end if;
    new.updated_at := now();
    return new;
end $$;
create trigger touch before update on public.posts
    for each row execute function public.touch();
comment on table public.posts is 'What people write.';
create table public.logs (at date, line text, n int);
create table public.events (id bigint primary key, at date not null, v text);
create table public.parts (at date, v text) partition by range (at);
create table public.part partition of public.parts default;
create materialized view public.titles as select title from public.posts;
create table public.codes (code text primary key, of regclass);
";

const FIXTURE: &str = "
insert into public.posts (title, state, expires_at, read_at, ends_at) values
    ('One', 'live', '2023-12-01Z', '2024-03-01 10:00', '2024-03-01 12:00'),
    ('Two', 'draft', '2023-11-01Z', null, '2024-07-01 10:00'), ('Three', 'live', null, null, null);
insert into public.logs values
    ('2024-01-01', 'a', 1), ('2024-01-01', 'a', 1), ('2024-01-02', 'b', 2), (null, null, null);
insert into public.events values (1, '2024-01-05', 'jan'), (2, '2024-02-05', 'feb'), (3, '2030-01-01', 'x');
insert into public.codes values ('p', 'public.posts');
insert into public.parts values ('2024-01-01', 'a'), ('2024-01-02', 'b');
refresh materialized view public.titles;
";

/// A table of posts in the place of the old one, with all that `like` copies.
const REBUILT: &str = "
create table public.posts_new (like public.posts including all);
insert into public.posts_new select * from public.posts;
alter sequence public.posts_id_seq owned by public.posts_new.id;
drop materialized view public.titles;
drop table public.posts; alter table public.posts_new rename to posts;
create materialized view public.titles as select title from public.posts;
";

const WHOLE: &str = "
create trigger touch before update on public.posts for each row execute function public.touch();
comment on table public.posts is 'What people write.';
";

fn kinds() -> Vec<Case> {
    let leaked = |parts: &[&str]| -> &'static str { String::leak(parts.concat()) };
    vec![
        Case("a trigger stamps what is named like it", "
            alter table public.posts add slug text; update public.posts set slug = lower(title)", None,
            &["stamped: public.posts.updated_at"]),
        Case("a time that the trigger only mentions", "
            update public.posts set expires_at = '2099-12-31Z' where id = 1", None, &[
            "public.posts.expires_at holds other values than before (1 of 2) {\"id\" : \"1\"}",
            "stamped: public.posts.updated_at",
        ]),
        Case("a time that no trigger stamps", "
            update public.posts set created_at = now() where id = 3", None, &[
            "public.posts.created_at holds other values than before (1 of 3) {\"id\" : \"3\"}",
            "stamped: public.posts.updated_at",
        ]),
        Case("one zone is stated and the other not", "
            alter table public.posts
                alter read_at type timestamptz using read_at at time zone 'UTC',
                alter ends_at type timestamptz", None, &[
            "public.posts.ends_at was timestamp without time zone and is timestamp with time zone, and \
                the file does not state in which time zone {\"id\" : \"1\"} {\"id\" : \"2\"}",
            "public.posts.read_at: timestamp without time zone became timestamp with time zone read in \
                utc, every value is the same",
        ]),
        Case("a label is renamed", "alter type public.state rename value 'live' to 'published'", None, &[]),
        Case("a label is renamed and a state changed", "
            update public.posts set state = 'draft' where id = 1;
            alter type public.state rename value 'live' to 'published'", None, &[
            "public.posts.state holds other values than before (1 of 3) {\"id\" : \"1\"}",
            "stamped: public.posts.updated_at",
        ]),
        Case("a table is renamed that a value refers to", "
            alter table public.posts rename to entries; update public.codes set code = code", None, &[]),
        Case("a NULL gets a value where there is no key", "
            update public.logs set n = 0 where n is null", None, &[]),
        Case("all get a value where there is no key", "update public.logs set n = 0", None, &[
            "public.logs.n holds other values than before (3 of 3)",
        ]),
        Case("one of two that are alike goes, another comes", "
            delete from public.logs where ctid = (select min(ctid) from public.logs);
            insert into public.logs values ('2024-03-01', 'new', 9)", None, &[
            "1 of the 4 rows of public.logs hold other values than before",
        ]),
        Case("rows get another key", "
            alter table public.events add uid uuid not null default gen_random_uuid();
            alter table public.events drop constraint events_pkey, add primary key (uid)", None, &[]),
        Case("rows get another key and two are swapped", "
            alter table public.events add uid uuid not null default gen_random_uuid();
            alter table public.events drop constraint events_pkey, add primary key (uid);
            update public.events e set v = o.v from public.events o
            where e.id in (1, 2) and o.id = 3 - e.id;
            alter table public.events drop column id", None, &[
            "public.events holds the values of before, but in other rows",
            "public.events.id is gone; it had 3 values",
        ]),
        Case("a table becomes partitioned", "
            alter table public.events rename to old;
            create table public.events (id bigint, at date not null, v text) partition by range (at);
            create table public.first partition of public.events
                for values from (minvalue) to ('2024-02-01');
            create table public.rest partition of public.events default;
            insert into public.events select * from public.old; drop table public.old", None, &[
            "note: public.events was built anew without its key",
        ]),
        Case("a table becomes partitioned without its later rows", "
            alter table public.events rename to old;
            create table public.events (id bigint, at date not null, v text) partition by range (at);
            create table public.rest partition of public.events default;
            insert into public.events select * from public.old where at < '2025-01-01';
            drop table public.old", None, &[
            "note: public.events was built anew without its key",
            "public.events lost 1 of its 3 rows {\"id\" : \"3\"}",
        ]),
        Case("a partition goes its own way with its rows", "
            alter table public.parts detach partition public.part", None, &[
            "note: public.part is no partition of public.parts any more, and has kept its rows",
        ]),
        Case("a partition goes its own way without a row", "
            alter table public.parts detach partition public.part;
            delete from public.part where v = 'a'", None, &[
            "note: public.part is no partition of public.parts any more, and has kept its rows",
            "public.parts lost 1 of its 2 rows",
        ]),
        Case("a file throws away what is compared", "
            delete from public.logs; discard temp", None, &[
            "what a file does to rows cannot be seen",
        ]),
        Case("a table is built anew, whole", leaked(&[REBUILT, WHOLE]), None, &[]),
        Case("a table is built anew without a trigger", leaked(&[REBUILT]), None, &[
            "public.posts was built anew and lacks comment What people write.; TRIGGER touch BEFORE \
                UPDATE ON public.posts FOR EACH ROW EXECUTE FUNCTION touch()",
        ]),
        Case("a table is built anew without checks and defaults", leaked(&[
            &REBUILT.replace("including all", "including indexes"), WHOLE,
        ]), None, &[
            "public.posts was built anew and lacks default created_at \
                '2023-01-01 00:00:00+00'::timestamp with time zone; default id numbers itself; default \
                pinned false; default state 'draft'::state; default updated_at \
                '2023-01-01 00:00:00+00'::timestamp with time zone; CHECK ((char_length(title) < 100))",
        ]),
        Case("a unique index is lost on the way", leaked(&[
            &REBUILT.replace("including all", "including all excluding indexes"), WHOLE,
        ]), None, &[
            "note: public.posts was built anew without its key",
            "public.posts was built anew and lacks unique index btree (lower(title))",
        ]),
        Case("a table is built anew with another key", "
            create table public.codes_new (id bigint generated always as identity primary key, code text, of regclass);
            insert into public.codes_new (code, of) select * from public.codes;
            drop table public.codes; alter table public.codes_new rename to codes", None, &[
            "note: public.codes was built anew without its key",
        ]),
        Case("triggers stay disabled", "
            alter table public.posts disable trigger user; update public.posts set title = title", None, &[
            "public.posts has triggers that do not fire any more: touch",
        ]),
        Case("triggers are disabled for a moment", "
            alter table public.posts disable trigger user; update public.posts set title = title;
            alter table public.posts enable trigger user", None, &[]),
        Case("a sequence begins again", "
            alter table public.posts alter id drop default; drop sequence public.posts_id_seq;
            alter table public.posts alter id add generated always as identity", None, &[
            "the next number for public.posts.id is 1, and the column has 3 already",
        ]),
        Case("a sequence is set to the number after the last", "
            select setval('public.posts_id_seq', (select max(id) + 1 from public.posts), false)", None,
            &[]),
        Case("a sequence begins further on", "
            alter table public.posts alter id drop default; drop sequence public.posts_id_seq;
            alter table public.posts alter id add generated always as identity (start with 100)", None,
            &[]),
        Case("a sequence goes back", "alter sequence public.posts_id_seq restart with 2", None, &[
            "the next number for public.posts.id is 2, and the column has 3 already",
        ]),
        Case("a sequence goes on", "
            alter table public.posts alter id drop default; drop sequence public.posts_id_seq;
            alter table public.posts alter id add generated always as identity;
            select setval(pg_get_serial_sequence('public.posts', 'id'), 3)", None, &[]),
        Case("a table loses its log", "alter table public.posts set unlogged", None, &[
            "public.posts is unlogged now; a crash would empty it",
        ]),
        Case("a view is left empty", "refresh materialized view public.titles with no data", None, &[
            "public.titles holds no rows until it is refreshed; it held 3",
        ]),
        Case("a view is refreshed", "refresh materialized view public.titles", None, &[]),
        Case("a pair without rows", "drop table public.logs", Some("
-- preserve: nothing at all
-- covers: public.logs
-- before
select * from public.logs where false;
-- after
select 1 where false;
"), &["public.logs is gone; it had 4 rows"]),
        Case("a pair that counts", "drop table public.logs", Some("
-- preserve: as many as before
-- covers: public.events, public.logs
-- before
select count(*), 4 = any(array[4]) from public.logs;
-- after
select count(*), true from public.events;
"), &[
            "\"as many as before\": lost {\"count\":4,\"?column?\":true}, appeared {\"count\":3,\"?column?\":true}",
            "public.logs is gone; it had 4 rows",
        ]),
        Case("a pair that only counts", "drop table public.logs", Some("
-- preserve: as many as before
-- covers: public.events, public.logs
-- before
select count(*) from public.events;
-- after
select count(*) from public.events;
"), &["public.logs is gone; it had 4 rows"]),
        Case("a pair that reads another table", "drop table public.logs", Some("
-- preserve: events stay
-- covers: public.logs
-- before
select id, v from public.events;
-- after
select id, v from public.events;
"), &["public.logs is gone; it had 4 rows"]),
        Case("a key becomes a unique column", "
            create table public.codes_new (code text not null unique, of regclass);
            insert into public.codes_new select * from public.codes;
            drop table public.codes; alter table public.codes_new rename to codes", None, &[
            "note: public.codes was built anew without its key",
        ]),
        Case("a table is another one under its name", "
            alter table public.logs rename to old_logs; create table public.logs (line text)", None, &[
            "note: public.logs is another table now; the rows of before are in public.old_logs",
        ]),
        Case("a pair that covers two", "
            create table public.lines as table public.logs; drop table public.logs", Some("
-- preserve: each line stays
-- covers: public.events, public.logs
-- before
select at, line, n from public.logs;
-- after
select at, line as text, n as number from public.lines;
"), &[]),
        Case("a pair that covers what is not there", "drop table public.logs", Some("
-- preserve: each line stays
-- covers: public.log
-- before
select line from public.logs;
-- after
select 'a';
"), &["`<project>/preserve/V2__pair.sql:2` covers `public.log`, which nothing has"]),
    ]
}

#[test]
fn each_kind_is_found_and_nothing_else() {
    assert_said(BASELINE, &kinds(), FIXTURE);
}

/// One statement that fails does not hide what the others do.
#[test]
fn what_a_failing_file_does_to_rows_is_told() {
    let wrong: Vec<String> = in_parallel(
        &[
            ("delete from public.logs where n = 2", &["public.logs lost 1 of its 4 rows"][..]),
            ("insert into public.logs values ('2024-05-01', 'c', 3)", &[]),
        ],
        |(other, expected)| {
            let broken = format!("alter table public.logs alter line set not null; {other}");
            let folder = project(&[BASELINE, &broken], FIXTURE, "", None);
            let project = Project::read(folder.path()).expect("a readable project");
            let mut scratch = empty_scratch(&project);
            let error = scratch.migrate().expect_err("it fails").to_string();
            assert!(error.contains("failed at line 1"), "{error}");
            let tried = scratch.tried().iter().flat_map(|one| &one.preservation.losses);
            let told: Vec<String> = tried.map(|loss| loss.sentence()).collect();
            (told != *expected).then(|| format!("{other}: {told:#?}"))
        },
    )
    .into_iter()
    .flatten()
    .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is gone and what came that is like it are named together, with the statement that renames.
#[test]
fn what_may_have_been_renamed_is_said() {
    let change = "alter table public.logs add body text; update public.logs set body = line;
        alter table public.logs drop line;
        create table public.happenings as table public.events; drop table public.events";
    let folder = project(&[BASELINE, change], FIXTURE, "", None);
    let report = check_with(folder.path(), |options| options.data_only = true);
    let mut help: Vec<String> = report.findings.iter().map(|one| one.help.clone()).collect();
    help.sort();
    assert_eq!(
        help,
        [
            "`line` is gone and `body` came: if it was renamed, write `alter table public.logs rename \
            column line to body`",
            "`public.events` is gone and `public.happenings` came: if it was renamed, write `alter table \
            public.events rename to happenings`",
        ]
    );
}

/// Rows alone can be looked at where nobody is known to ask; without rows that proves nothing.
#[test]
fn data_is_checked_without_people() {
    let outcome = |fixture: &str, change: &str| {
        let folder = project(&["create table t (a int primary key)", change], fixture, "", None);
        let report = check_with(folder.path(), |options| options.data_only = true);
        (report.outcome(), report.matrix.cells().len())
    };
    let rows = "insert into t values (1), (2)";
    assert_eq!(outcome(rows, "alter table t rename a to b"), (Outcome::Passed, 0));
    assert_eq!(outcome(rows, "delete from t where a = 1"), (Outcome::Failed, 0));
    assert_eq!(outcome("select 1", "delete from t where a = 1"), (Outcome::Untrusted, 0));
}
