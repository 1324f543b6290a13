//! Fixtures from dumps and CSV files: their rows are loaded, what is left out is told, and the values of
//! rows that come from a database are nobody's business.

use std::fs;
use std::path::PathBuf;

use leakproof::project::Project;
use leakproof::report::{Report, to_json, to_text};

use crate::support::{
    Copy, check_project, check_with, empty_scratch, leakproof, lines, root, told,
};

const BASE: &str = r#"
create table public.folders (
    id int generated always as identity primary key, name text not null,
    parent int references public.folders, first_note int
);
create table public.notes (
    id bigserial primary key, user_id uuid references auth.users,
    folder_id int references public.folders, email text unique, body text,
    words int generated always as (length(body)) stored
);
alter table public.folders add foreign key (first_note) references public.notes;
create table public."Odd ""table" ("Select" text, b int);
create table public.profiles (id uuid primary key references auth.users, email text);
create function public.make_profile() returns trigger language plpgsql security definer
set search_path = '' as $$
begin insert into public.profiles values (new.id, new.email); return new; end $$;
create trigger make_profile after insert on auth.users
    for each row execute function public.make_profile();
alter table public.notes enable row level security;
alter table public.folders enable row level security;
alter table public.profiles enable row level security;
alter table public."Odd ""table" enable row level security;
create policy own on public.notes to authenticated using (user_id = (select auth.uid()));
grant select, insert, update, delete on public.notes to authenticated;
"#;

const HEAD: &str = "--\n-- PostgreSQL database dump\n--\n\n\\restrict abc\n\n\
    SET statement_timeout = 0;\nSET client_encoding = 'UTF8';\n\
    SET standard_conforming_strings = on;\n\
    SELECT pg_catalog.set_config('search_path', '', false);\nSET row_security = off;\n\n";

const TAIL: &str = "\n--\n-- PostgreSQL database dump complete\n--\n\n\\unrestrict abc\n";

/// In the order of their names, as `pg_dump` has them where keys are circular.
const ROWS: &str = r#"
COPY auth.users (id, email, is_sso_user, made_up) FROM stdin;
00000000-0000-4000-8000-000000000001	ann@real.example	f	x
00000000-0000-4000-8000-000000000002	bob@real.example	t	y
\.

COPY public."Odd ""table" ("Select", b) FROM stdin;
it's; odd	1
\N	2
\.

--
-- Data for Name: folders; Type: TABLE DATA
--

COPY public.folders (id, name, parent, first_note) FROM stdin;
1	Alpha	2	1
2	Beta	1	\N
\.

COPY public.notes (id, user_id, folder_id, email, body) FROM stdin;
1	00000000-0000-4000-8000-000000000001	2	mail1@real.example	secret\tbody\none
2	00000000-0000-4000-8000-000000000002	1	mail2@real.example	secret two
7	00000000-0000-4000-8000-000000000002	1	mail7@real.example	secret seven
\.

COPY supabase_migrations.schema_migrations (version) FROM stdin;
1
2
3
\.

SELECT pg_catalog.setval('public.folders_id_seq', 9, true);
SELECT pg_catalog.setval('public.gone_id_seq', 9, true);
"#;

fn dump(rows: &str) -> String {
    format!("{HEAD}{rows}{TAIL}")
}

/// A project of one version, or of two.
fn project(later: &str) -> Copy {
    let copy = Copy::empty();
    copy.write("leakproof.toml", "[project]\nplatform = \"supabase\"\ngrants = \"2026\"\n");
    copy.write("migrations/V1__base.sql", BASE);
    if !later.is_empty() {
        copy.write("migrations/V2__change.sql", later);
    }
    copy
}

fn write_bytes(copy: &Copy, file: &str, bytes: &[u8]) {
    copy.write(file, "");
    fs::write(copy.path().join(file), bytes).expect("written");
}

const COUNTS: &str = "select (select count(*) from auth.users) || ' ' || (select count(*) from public.folders) \
    || ' ' || (select count(*) from public.notes) || ' ' || (select count(*) from public.\"Odd \"\"table\") \
    || ' ' || (select count(*) from public.profiles)";

/// How many rows there are afterwards, and what was noted.
fn loaded(copy: &Copy) -> (String, Vec<String>) {
    let project = Project::read(copy.path()).expect("a project");
    let mut scratch = empty_scratch(&project);
    scratch.migrate().expect("it is applied");
    (lines(&scratch, COUNTS).join(""), scratch.notes().to_vec())
}

/// Why it is not.
fn refused(copy: &Copy) -> String {
    let project = match Project::read(copy.path()) {
        Ok(project) => project,
        Err(error) => return error.to_string(),
    };
    empty_scratch(&project).migrate().expect_err("it is refused").to_string()
}

fn has(notes: &[String], text: &str) -> bool {
    notes.iter().any(|note| note.contains(text))
}

#[test]
fn rows_of_a_dump_are_loaded_and_the_rest_is_told() {
    let copy = project("");
    copy.write("fixtures/V1__staging.sql", &dump(ROWS));
    let (counts, notes) = loaded(&copy);
    assert_eq!(counts, "2 2 3 2 0", "{notes:?}");
    for said in [
        "9 rows of 4 tables loaded from",
        "no such table at version 1: supabase_migrations.schema_migrations (3 rows)",
        "no such column here: auth.users (made_up)",
        "no such sequence or view at version 1: public.gone_id_seq",
        "does not say what comes next: public.notes.id",
    ] {
        assert!(has(&notes, said), "{said}: {notes:?}");
    }
    assert_eq!(notes.len(), 5, "{notes:?}");
    let project = Project::read(copy.path()).expect("a project");
    let mut scratch = empty_scratch(&project);
    scratch.migrate().expect("it is applied");
    let next = "select nextval('public.folders_id_seq') || ' ' || nextval('public.notes_id_seq')";
    assert_eq!(lines(&scratch, next), ["10 8"]);
    let values = "select body from public.notes where id = 1 union all \
        select coalesce(\"Select\", 'null') from public.\"Odd \"\"table\"";
    let mut values = lines(&scratch, values);
    values.sort();
    assert_eq!(values, ["it's; odd", "null", "secret\tbody\none"]);
}

#[test]
fn other_forms_of_a_dump_bring_the_same_rows() {
    let crlf = format!("\u{feff}{}", dump(ROWS)).replace('\n', "\r\n");
    let schema = "CREATE TABLE public.notes (id int);\nALTER TABLE public.notes OWNER TO nobody;\n\
        CREATE FUNCTION public.f() RETURNS integer LANGUAGE sql BEGIN ATOMIC\n \
        INSERT INTO public.folders (name) VALUES ('no');\n SELECT 1;\nEND;\n";
    let inserts = r#"
INSERT INTO auth.users (id, email, made_up, confirmed_at) VALUES
    ('00000000-0000-4000-8000-000000000001', 'ann@real.example', 'x;
y', DEFAULT),
    ('00000000-0000-4000-8000-000000000002', 'bob@real.example', '', DEFAULT);
INSERT INTO public."Odd ""table" VALUES ('it''s; odd', 1);
INSERT INTO public."Odd ""table" VALUES (NULL, 2);
INSERT INTO public.folders (id, name, parent) OVERRIDING SYSTEM VALUE VALUES (1, 'first', 2);
INSERT INTO public.folders (id, name, parent) OVERRIDING SYSTEM VALUE VALUES (2, 'second', 1);
INSERT INTO public.notes (id, email) VALUES (1, 'a'), (2, 'b'), (7, 'c');
INSERT INTO public.gone VALUES (1, 'a'), (2, 'b');
"#;
    let archive = fs::read(root().join("tests/fixtures/dumps/staging.dump")).expect("a dump");
    for (file, text, counts, said) in [
        ("V1__crlf.sql", crlf.as_bytes(), "2 2 3 2 0", "9 rows of 4 tables"),
        (
            "V1__whole.sql",
            dump(&format!("{schema}{ROWS}")).as_bytes(),
            "2 2 3 2 0",
            "of which only rows are taken: alter table (1), create function (1), create table (1)",
        ),
        ("V1__inserts.sql", dump(inserts).as_bytes(), "2 2 3 2 0", "public.gone (2 rows)"),
        ("V1__text.dump", dump(ROWS).as_bytes(), "2 2 3 2 0", "9 rows of 4 tables"),
        ("V1__staging.dump", &archive, "2 2 5 2 0", "11 rows of 4 tables"),
    ] {
        let copy = project("");
        write_bytes(&copy, &format!("fixtures/{file}"), text);
        let (found, notes) = loaded(&copy);
        assert_eq!(found, counts, "{file}: {notes:?}");
        assert!(has(&notes, said), "{file}: {notes:?}");
    }
}

#[test]
fn csv_files_are_loaded_by_their_header() {
    let copy = project("");
    let folder = "fixtures/V1__staging";
    copy.write(
        &format!("{folder}/auth.users.csv"),
        "\u{feff}id,email,other\r\n00000000-0000-4000-8000-000000000001,\"a,\"\"b\"\"\",1\r\n",
    );
    copy.write(
        &format!("{folder}/notes.csv"),
        "body,id,user_id,words\n\"two\nlines\",3,00000000-0000-4000-8000-000000000001,99\n,4,,\n\"\",5,,\n",
    );
    copy.write(&format!("{folder}/public.\"Odd \"\"table\".csv"), "Select,b\nx,1\n");
    copy.write(&format!("{folder}/public.nobody.csv"), "a\n1\n2\n");
    let (counts, notes) = loaded(&copy);
    assert_eq!(counts, "1 0 3 1 0", "{notes:?}");
    for said in [
        "5 rows of 3 tables",
        "public.nobody (2 rows)",
        "no such column here: auth.users (other)",
        "computed anew, and not as in",
        "comes next: public.notes.id",
    ] {
        assert!(has(&notes, said), "{said}: {notes:?}");
    }
    let project = Project::read(copy.path()).expect("a project");
    let mut scratch = empty_scratch(&project);
    scratch.migrate().expect("it is applied");
    let query = "select id || coalesce(body, ' null') || coalesce(words::text, '') from public.notes order by id";
    // Empty without quotes is NULL.
    assert_eq!(lines(&scratch, query), ["3two\nlines9", "4 null", "50"]);
}

/// What migrations have inserted is in the dump, too; files of one version come in the order of their names.
#[test]
fn rows_that_are_there_stay() {
    let copy = project("");
    copy.append(
        "migrations/V1__base.sql",
        "insert into public.folders (name) values ('first'), ('other');",
    );
    copy.write("fixtures/V1__a.sql", "insert into public.notes (id, email) values (1, 'by hand');");
    copy.write("fixtures/V1__b.sql", &dump(ROWS));
    let (counts, notes) = loaded(&copy);
    assert_eq!(counts, "2 2 3 2 0", "{notes:?}");
    assert!(has(&notes, "already were left out: public.folders (2 rows), public.notes (1 row)"));
}

#[test]
fn policies_that_bind_the_owner_have_no_say() {
    let copy = Copy::empty();
    copy.write("leakproof.toml", "[project]\nplatform = \"plain\"\npeople = \"none\"\n");
    copy.write(
        "migrations/V1__base.sql",
        "create table public.notes (id int primary key, body text);
         alter table public.notes enable row level security;
         alter table public.notes force row level security;
         create table public.closed (id int);
         revoke insert on public.closed from current_user;",
    );
    let rows = "COPY public.notes (id, body) FROM stdin;\n1\ta\n\\.\n\
        COPY public.closed (id) FROM stdin;\n1\n2\n\\.\n";
    copy.write("fixtures/V1__a.sql", &dump(rows));
    copy.write("fixtures/V1__b.sql", &dump("INSERT INTO public.notes VALUES (2, 'b');\n"));
    let project = Project::read(copy.path()).expect("a project");
    let mut scratch = empty_scratch(&project);
    scratch.migrate().expect("it is applied");
    assert_eq!(lines(&scratch, "select count(*)::text from public.notes"), ["2"]);
    assert!(has(scratch.notes(), "may not write there: public.closed (2 rows)"));
}

#[test]
fn what_cannot_be_loaded_has_a_way_out() {
    let notes = "COPY public.notes (id, email) FROM stdin;\n1\ta\n";
    let in_latin = dump("SET client_encoding = 'LATIN1';\n");
    let mut newer = fs::read(root().join("tests/fixtures/dumps/staging.dump")).expect("a dump");
    let cut = newer[..newer.len() - 400].to_vec();
    newer[6] = 99;
    let orphan = "COPY public.notes (id, folder_id) FROM stdin;\n1\t77\n2\t78\n\\.\n";
    for (file, bytes, expected) in [
        ("V1__a.sql", format!("{HEAD}{notes}").into_bytes(), "it ends in the middle of rows"),
        (
            "V1__a.sql",
            format!("{HEAD}{notes}\\.\n").into_bytes(),
            "the dump is cut off: it does not end with",
        ),
        ("V1__a.sql", format!("{HEAD}INSERT INTO").into_bytes(), "in the middle of a statement"),
        ("V1__a.sql", in_latin.into_bytes(), "pg_dump --encoding=UTF8"),
        (
            "V1__a.sql",
            dump("INSERT INTO public.notes VALUES (1, 'a');").into_bytes(),
            "--column-inserts",
        ),
        (
            "V1__a.sql",
            dump(orphan).into_bytes(),
            "has 2 rows of public.notes without what they refer to",
        ),
        ("V1__a.sql", dump(orphan).into_bytes(), "pg_dump --data-only -t public.folders"),
        ("V1__a.sql", b"-- PostgreSQL database cluster dump\n\\connect a\n".to_vec(), "pg_dumpall"),
        ("V1__a.dump", b"select 1;".to_vec(), "is no dump of PostgreSQL"),
        ("V1__a.dump", newer, "put the folder of one as new first on PATH"),
        ("V1__a.dump", cut, "cannot be read"),
        ("V1__a.dmp", Vec::new(), "it does not end in `.sql`"),
        ("V1__a/notes.csv", b"x;y\n1;2\n".to_vec(), "it names no column of public.notes"),
        ("V1__a/notes.csv", Vec::new(), "a column has no name"),
        ("V1__a/notes.csv", b"id\n1\n\\.\n2\n".to_vec(), "leave that line out"),
        ("V1__a/a.b.c.csv", b"id\n".to_vec(), "its name is not that of a table"),
        ("V1__a/notes.tsv", b"id\n".to_vec(), "it does not end in `.csv`"),
        ("V1__a/toc.dat", b"PGDMP".to_vec(), "pg_restore --data-only -f"),
    ] {
        let copy = project("");
        write_bytes(&copy, &format!("fixtures/{file}"), &bytes);
        let error = refused(&copy);
        assert!(error.contains(expected), "{file}, {expected}: {error}");
        assert!(error.contains("help: "), "{error}");
    }
}

/// What a report shows of rows: a lost one, a rewritten one, a pair, a call, and who sees more.
const CHANGE: &str = "update public.notes set body = 'newly written' where id = 2;
    delete from public.notes where id = 7;
    create table public.copies as select * from public.notes;
    grant select on public.copies to authenticated;";

fn promising(rows: impl Fn(&Copy)) -> Copy {
    let copy = project(CHANGE);
    let query = "select id, email, body from public.notes";
    copy.write(
        "preserve/V2__change.sql",
        &format!("-- preserve: all stay\n-- before\n{query};\n-- after\n{query};"),
    );
    copy.write(
        "api/V1__list.sql",
        &format!("-- call: the list\n-- as: service_role\n{query} order by id;"),
    );
    copy.append("migrations/V1__base.sql", "grant select on public.notes to service_role;");
    rows(&copy);
    copy
}

fn all_of(report: &Report) -> String {
    format!("{}\n{}", to_text(report), to_json(report))
}

#[test]
fn values_of_a_dump_are_shown_only_if_asked_for() {
    let of_dump = promising(|copy| copy.write("fixtures/V1__staging.sql", &dump(ROWS)));
    let report = check_project(&of_dump.path());
    let told = all_of(&report);
    for value in ["secret", "real.example", "newly written", "Alpha", "; odd"] {
        assert!(!told.contains(value), "{value}: {told}");
    }
    for shown in [
        "row: {\"id\":\"2\"}",
        "lost: {\"id\":2,\"email\":\"<1>\",\"body\":\"<2>\"}",
        "they differ in: body",
        "before: id = '2', email = '<1>', body = '<2>'",
        "access-widened: public.copies",
        "`--show-values` shows values, too",
    ] {
        assert!(told.contains(shown), "{shown}: {told}");
    }
    let project = Project::read(of_dump.path()).expect("a project").show_values();
    let options = leakproof::check::CheckOptions {
        server: leakproof::server::ServerOptions::from_env().expect("options"),
        ..Default::default()
    };
    let report = leakproof::check::check(&project, &options, &()).expect("a report");
    let told = all_of(&report);
    for shown in ["secret two", "mail7@real.example", "newly written"] {
        assert!(told.contains(shown), "{shown}: {told}");
    }
    assert!(!told.contains("--show-values"), "{told}");
}

/// Nor are they where a file takes other rows in another order.
#[test]
fn values_of_a_dump_are_not_shown_by_runs_in_another_order() {
    let of_dump = promising(|copy| copy.write("fixtures/V1__staging.sql", &dump(ROWS)));
    of_dump.write(
        "migrations/V9__first.sql",
        "create table public.first_said (id bigint primary key, body text);
         insert into public.first_said select 1, body from public.notes limit 1;",
    );
    let told = all_of(&check_with(&of_dump.path(), |options| options.twice = true));
    assert!(told.contains("not-repeatable: public.first_said.body"), "{told}");
    assert!(told.contains("{\"id\":\"1\"}: <"), "{told}");
    assert!(!told.contains("secret"), "{told}");
}

#[test]
fn values_of_written_fixtures_are_shown() {
    let rows = "insert into auth.users (id, email) values
        ('00000000-0000-4000-8000-000000000001', 'ann'), ('00000000-0000-4000-8000-000000000002', 'bob');
        insert into public.notes (id, user_id, email, body) values
        (2, '00000000-0000-4000-8000-000000000001', 'mail', 'secret two'), (7, null, 'm', 'secret seven');";
    let written = promising(|copy| copy.write("fixtures/V1__rows.sql", rows));
    let told = all_of(&check_with(&written.path(), |_| {}));
    assert!(told.contains("secret two") && told.contains("secret seven"), "{told}");
    assert!(!told.contains("--show-values"), "{told}");
    // A dump beside them makes all of it real data.
    written.write("fixtures/V1__z.sql", &dump(""));
    let told = all_of(&check_with(&written.path(), |_| {}));
    assert!(!told.contains("secret two") && told.contains("--show-values"), "{told}");
}

#[test]
fn errors_name_columns_and_no_values() {
    let cases: [(&str, &str, &[&str]); 5] = [
        (
            "COPY public.notes (id, email) FROM stdin;\n1\tsecret\n2\tsecret\n\\.\n",
            "",
            &["notes_email_key", "Key (email)", "COPY notes, line 2"],
        ),
        (
            "COPY public.notes (id) FROM stdin;\nsecret\n\\.\n",
            "",
            &["COPY notes, line 1, column id", "22P02"],
        ),
        (
            ROWS,
            "create unique index one on public.notes ((left(body, 6)))",
            &["Key (\"left\"(body, 6))"],
        ),
        (ROWS, "alter table public.notes alter email type int using email::int", &["22P02"]),
        (
            ROWS,
            "do $$ begin raise exception 'bad %', (select email from public.notes limit 1); end $$",
            &[
                "a function or trigger raised an error",
                "PL/pgSQL function inline_code_block line 1",
            ],
        ),
    ];
    for (rows, change, expected) in cases {
        let copy = project(change);
        copy.write("fixtures/V1__staging.sql", &dump(rows));
        let path: PathBuf = copy.path();
        let path = path.to_str().expect("a path");
        let (_, out, err) = told(&leakproof(&["check", path]).output().expect("it runs"));
        for hidden in ["secret", "real.example"] {
            assert!(!err.contains(hidden) && !out.contains(hidden), "{out}{err}");
        }
        for shown in expected.iter().chain(&["--show-values"]) {
            assert!(err.contains(shown), "{shown}: {err}");
        }
        let command = leakproof(&["check", path, "--show-values"]).output();
        let (_, _, err) = told(&command.expect("it runs"));
        assert!(err.contains("secret") || err.contains("real.example"), "{err}");
    }
}
