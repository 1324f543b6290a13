//! Projects of other tools, with no line of configuration: what is applied, in which order, what is
//! left out and named, and which mistakes are refused.

use leakproof::project::Project;
use leakproof::report::{Outcome, Report, to_json, to_text};

use crate::support::{
    Copy, check_project, check_with, in_parallel, leakproof, shared_server, told, try_check_with,
};

const NOTES: &str = "create table public.notes (id bigint primary key, title text);
revoke truncate on public.notes from anon, authenticated;
";
const TAGS: &str = "create table public.tags (id bigint primary key);
revoke truncate on public.tags from anon, authenticated;
";
const DROP: &str = "drop table public.notes;\n";
const BROKEN: &str = "select 1;\nselect no_such_column;\n";

/// Files of a project, and what comes of it.
struct Case {
    name: &'static str,
    files: &'static [(&'static str, &'static str)],
    /// `V1 notes`, in order.
    applied: &'static [&'static str],
    /// Which tables there are then.
    tables: &'static [&'static str],
    /// Each is in one of the notes.
    notes: &'static [&'static str],
}

const CASES: &[Case] = &[
    Case {
        name: "supabase: any number of digits, and what the CLI skips",
        files: &[
            ("supabase/migrations/20240102030405_add-tags.sql", TAGS),
            ("supabase/migrations/2024_notes.sql", NOTES),
            ("supabase/migrations/notes.sql", BROKEN),
            ("supabase/migrations/20240102-x.sql", BROKEN),
            ("supabase/migrations/README", ""),
            ("supabase/migrations/20240203040506_.sql", ""),
        ],
        applied: &["V1 add-tags", "V2 ", "V3 notes"],
        tables: &["public.notes", "public.tags"],
        notes: &["skips files named so: `20240102-x.sql`, `notes.sql`", "the places in the order"],
    },
    Case {
        name: "supabase: what is written for psql, and the image of the old CLI",
        files: &[
            ("supabase/migrations/20210101000000_init.sql", BROKEN),
            (
                "supabase/migrations/20240102030405_notes.sql",
                "\\restrict it's\nbegin;\ncreate table public.notes (id int primary key, title text);\n\
                 copy public.notes (id, title) from stdin;\n1\tit's; \\\\N\n2\t\\N\n\\.\n\n\
                 create index concurrently on public.notes (title);\ncommit;\nvacuum public.notes;\n",
            ),
            (
                "supabase/migrations/20240102030406_tags.sql",
                "begin; create table public.gone (id int); rollback;
                 create table public.tags as select id from public.notes where title like 'it%';
                 alter table public.tags add constraint one check (id = 1);
                 alter system set work_mem = '1MB';\n",
            ),
        ],
        applied: &["V20240102030405 notes", "V20240102030406 tags"],
        tables: &["public.notes", "public.tags"],
        notes: &[
            "`20210101000000_init.sql`",
            "`begin`, `commit` and their like are left out",
            "what a file takes back with `rollback` is left out",
            "`concurrently` is left out",
            "`vacuum` is left out",
            "`alter system` is left out",
            "psql commands that are no SQL are left out",
        ],
    },
    Case {
        name: "supabase: a value of an enum that is committed before it is used",
        files: &[
            (
                "supabase/migrations/1_notes.sql",
                "create type public.kind as enum ('a');
                 create table public.notes (id int primary key, kind public.kind);",
            ),
            (
                "supabase/migrations/2_kind.sql",
                "begin; alter type public.kind add value 'b'; commit;
                 begin; create index on public.notes (id) where kind = 'b'; commit;",
            ),
            (
                "supabase/migrations/3_type.sql",
                "begin; create type public.own as enum (); alter type public.own add value 'a';
                 commit; alter table public.notes add column own public.own;",
            ),
        ],
        applied: &["V1 notes", "V2 kind", "V3 type"],
        tables: &["public.notes"],
        notes: &["a new value of an enum that is committed on the way is added ahead of the file"],
    },
    Case {
        name: "numbered files, as sqlx has them",
        files: &[
            ("migrations/2_tags.sql", TAGS),
            ("migrations/10_more.sql", "alter table public.tags add column n int;\n"),
            ("migrations/1_notes.sql", NOTES),
            ("migrations/notes.sql", BROKEN),
            // Of another kind than ours, and not taken for it.
            ("api/routes.py", ""),
            ("fixtures/users.json", "{}"),
        ],
        applied: &["V1 notes", "V2 tags", "V10 more"],
        tables: &["public.notes", "public.tags"],
        notes: &["`./migrations` is read as numbered files", "skips files named so: `notes.sql`"],
    },
    Case {
        name: "golang-migrate",
        files: &[
            ("db/migrations/000001_notes.up.sql", NOTES),
            ("db/migrations/000001_notes.down.sql", DROP),
            ("db/migrations/000002_tags.up.sql", TAGS),
            ("db/migrations/000003_gone.down.sql", DROP),
        ],
        applied: &["V1 notes", "V2 tags"],
        tables: &["public.notes", "public.tags"],
        notes: &[
            "the migrations are those of `db/migrations`",
            "read as files `.up.sql` and `.down.sql`",
            "skips files named so: `000003_gone.down.sql`",
        ],
    },
    Case {
        name: "dbmate",
        files: &[
            (
                "db/migrations/20240101000000_notes.sql",
                "-- migrate:up\ncreate table public.notes (id bigint primary key, title text);\n\
                 -- migrate:down\ndrop table public.notes;\n",
            ),
            (
                "db/migrations/20240101000001_index.sql",
                "-- migrate:up transaction:false\ncreate index concurrently i on public.notes (title);\n\
                 -- migrate:down transaction:false\ndrop index concurrently i;\n",
            ),
        ],
        applied: &["V20240101000000 notes", "V20240101000001 index"],
        tables: &["public.notes"],
        notes: &["a section up and a section down", "`concurrently` is left out"],
    },
    Case {
        name: "goose",
        files: &[(
            "migrations/00001_notes.sql",
            "-- +goose Up\n-- +goose StatementBegin\ncreate table public.notes (id int primary key);\n\
             -- +goose StatementEnd\n\n-- +goose Down\ndrop table public.notes;\n",
        )],
        applied: &["V1 notes"],
        tables: &["public.notes"],
        notes: &["a section up and a section down"],
    },
    Case {
        name: "Prisma",
        files: &[
            ("prisma/schema.prisma", ""),
            ("prisma/migrations/migration_lock.toml", "provider = \"postgresql\"\n"),
            ("prisma/migrations/20240101000000_tags/migration.sql", TAGS),
            ("prisma/migrations/0_init/migration.sql", NOTES),
        ],
        applied: &["V0 init", "V20240101000000 tags"],
        tables: &["public.notes", "public.tags"],
        notes: &["`prisma/migrations` is read as Prisma's folders"],
    },
    Case {
        name: "Drizzle",
        files: &[
            (
                "drizzle/meta/_journal.json",
                r#"{"version": "7", "dialect": "postgresql", "entries": [
                    {"idx": 0, "when": 2, "tag": "0000_notes", "breakpoints": true},
                    {"idx": 1, "when": 1, "tag": "0001_tags", "breakpoints": true}]}"#,
            ),
            (
                "drizzle/0000_notes.sql",
                "create table public.notes (id int primary key)--> statement-breakpoint\n\
                 alter table public.notes enable row level security;--> statement-breakpoint\n",
            ),
            ("drizzle/0001_tags.sql", TAGS),
            ("drizzle/0002_forgotten.sql", BROKEN),
        ],
        applied: &["V0 notes", "V1 tags"],
        tables: &["public.notes", "public.tags"],
        notes: &[
            "`drizzle` is read as Drizzle's journal",
            "skips files named so: `0002_forgotten.sql`",
            "`0001_tags` is dated before what comes before it",
        ],
    },
    Case {
        name: "a declared schema, in the order of the config",
        files: &[
            (
                "supabase/config.toml",
                "[db.migrations]\nschema_paths = [\"./schemas/notes.sql\", \"./schemas/*.sql\"]\n",
            ),
            ("supabase/schemas/a_tags.sql", "alter table public.notes add column tag text;\n"),
            ("supabase/schemas/notes.sql", NOTES),
        ],
        applied: &["V1 notes", "V2 a_tags"],
        tables: &["public.notes"],
        notes: &["read as a declared schema, file by file"],
    },
    Case {
        name: "a monorepo: Supabase's folder first, what is aside or of another database never",
        files: &[
            ("apps/web/supabase/migrations/20240101000000_notes.sql", NOTES),
            ("apps/web/db/migrations/1_broken.sql", BROKEN),
            ("apps/stats/clickhouse/migrations/0000_init.sql", BROKEN),
            ("examples/todo/supabase/migrations/20240101000000_broken.sql", BROKEN),
            ("node_modules/x/supabase/migrations/20240101000000_broken.sql", BROKEN),
            ("packages/db/drizzle/meta/_journal.json", r#"{"dialect": "sqlite", "entries": []}"#),
        ],
        applied: &["V20240101000000 notes"],
        tables: &["public.notes"],
        notes: &["the migrations are those of `apps/web/supabase/migrations`; also seen: \
             `apps/web/db/migrations`, `examples/todo/supabase/migrations`, \
             `apps/stats/clickhouse/migrations`, `packages/db/drizzle`"],
    },
    Case {
        name: "exposed schemas, the version of PostgreSQL and seeds come from Supabase's config",
        files: &[
            (
                "supabase/config.toml",
                "project_id = \"x\"\n[api]\nschemas = [\"public\", \"storage\", \"graphql_public\", \
                 \"api\", \"not_there\"]\n[db]\nmajor_version = 9\n[db.seed]\nenabled = true\n\
                 sql_paths = [\"./seeds/*.sql\", \"./gone/*.sql\"]\n[auth]\nsite_url = \"env(URL)\"\n",
            ),
            (
                "supabase/migrations/20240101000000_notes.sql",
                "create schema api; create table api.notes (id int primary key);",
            ),
            ("supabase/seeds/1.sql", "insert into api.notes values (1);"),
            (
                "supabase/seeds/2.sql",
                "insert into api.notes values (2);\n\ninsert into gone values (2);",
            ),
        ],
        applied: &["V20240101000000 notes"],
        tables: &["api.notes"],
        notes: &[
            "`supabase/config.toml` says PostgreSQL 9, and this server is ",
            "no file fits `./gone/*.sql`",
            "no data was loaded, since `./supabase/seeds/2.sql` failed at line 3: relation \"gone\" \
             does not exist",
        ],
    },
];

#[test]
fn each_layout_is_applied_as_its_tool_does() {
    in_parallel(CASES, |case| {
        let project = project_of(case.files);
        // As whoever stands in its folder.
        let mut command = leakproof(&["check", "--format", "json"]);
        let (code, stdout, stderr) = told(&command.current_dir(project.path()).output().unwrap());
        let name = case.name;
        assert!(matches!(code, Some(0 | 1 | 3)), "{name}: {stderr}");
        let report: serde_json::Value = serde_json::from_str(&stdout).expect("JSON");
        let list = |value: &serde_json::Value| value.as_array().cloned().expect("a list");
        let applied: Vec<String> = list(&report["migrations"])
            .iter()
            .map(|one| format!("V{} {}", one["version"], one["name"].as_str().expect("a name")))
            .collect();
        assert_eq!(applied, case.applied, "{name}");
        let tables: Vec<String> = list(&report["matrix"]["subjects"])
            .iter()
            .map(|one| one["relation"].as_str().expect("a name").to_owned())
            .collect();
        assert_eq!(tables, case.tables, "{name}");
        for note in case.notes {
            let is_told = list(&report["notes"])
                .iter()
                .any(|told| told.as_str().is_some_and(|t| t.contains(note)));
            assert!(is_told, "{name}: `{note}` is not in {:#}", report["notes"]);
        }
    });
}

/// Files of a project, and words of what refuses it.
const REFUSED: &[(&[(&str, &str)], &str)] = &[
    (
        &[("supabase/migrations/1_a.sql", ""), ("supabase/migrations/1_b.sql", "")],
        "have the same version 1",
    ),
    (&[("migrations/1_a.up.sql", ""), ("migrations/1_b.up.sql", "")], "have the same version 1"),
    (
        &[("db/migrations/1_a.sql", "-- migrate:up\n"), ("db/migrations/2_b.sql", "select 1;")],
        "2_b.sql` has no section up",
    ),
    (
        &[("prisma/migrations/1_a/migration.sql", ""), ("prisma/migrations/2_b/x.sql", "")],
        "2_b` holds no `migration.sql`",
    ),
    (
        &[
            ("prisma/migrations/migration_lock.toml", "provider = \"sqlite\""),
            ("prisma/migrations/1_a/migration.sql", ""),
        ],
        "what it has is of another database: `<project>/prisma/migrations`",
    ),
    (
        &[("drizzle/meta/_journal.json", r#"{"entries": [{"tag": "0000_a"}]}"#)],
        "0000_a.sql` is missing",
    ),
    (&[("drizzle/meta/_journal.json", "{")], "_journal.json` is not a valid journal"),
    (
        &[("supabase/config.toml", "[api\n"), ("supabase/migrations/1_a.sql", "")],
        "supabase/config.toml` is not valid TOML\n  cause: TOML parse error at line 1",
    ),
    (&[("supabase/migrations/a.sql", "")], "a.sql` is not named like a migration"),
    (&[("src/main.rs", "")], "nothing in it looks like a folder of migrations"),
    (
        &[("a/supabase/migrations/1_a.sql", ""), ("b c/supabase/migrations/1_a.sql", "")],
        "    leakproof check <project>/a\n    leakproof check '<project>/b c'",
    ),
    (
        &[("a/prisma/migrations/1_a/migration.sql", ""), ("a/db/migrations/1_a.sql", "")],
        "    leakproof check <project>/a/db\n    leakproof check <project>/a/prisma/migrations",
    ),
    (&[("supabase/migrations/1_a.sql", "\\i other.sql\n")], "cannot be run: line 1"),
    (
        &[("supabase/migrations/1_a.sql", "copy t from stdin;\n1\n")],
        "needs a client that sends rows",
    ),
    (
        &[
            ("leakproof.toml", ""),
            ("migrations/V1__a.sql", ""),
            ("seed.sql", "\ninsert into gone values (1);"),
        ],
        "seed.sql` failed at line 2",
    ),
];

#[test]
fn mistakes_are_told() {
    for (files, words) in REFUSED {
        let project = project_of(files);
        let outcome = try_check_with(&project.path(), |_| {});
        let told = outcome.err().map(|error| error.to_string()).unwrap_or_default();
        let told = told.replace(&project.path().display().to_string(), "<project>");
        assert!(told.contains(words), "{files:?} should be told `{words}`: {told}");
    }
}

/// The folder of the migrations, or `supabase`, leads to the same project.
#[test]
fn a_folder_inside_the_project_will_do() {
    let project = project_of(&[
        ("web/leakproof.toml", "[project]\nname = \"web\"\n"),
        ("web/supabase/migrations/1_notes.sql", NOTES),
        ("web/supabase/seed.sql", "insert into public.notes values (1);"),
    ]);
    let root = project.path();
    for inside in ["", "web", "web/supabase", "web/supabase/migrations"] {
        let project = Project::read(root.join(inside)).expect(inside);
        assert_eq!(project.name(), "web", "{inside}");
        assert_eq!(project.root(), root.join("web"), "{inside}");
        assert_eq!((project.migrations().len(), project.seeds().len()), (1, 1), "{inside}");
    }
    let run = |folder: &str| {
        let mut command = leakproof(&["check", "--format", "json"]);
        told(&command.current_dir(root.join(folder)).output().unwrap())
    };
    for (inside, path) in [("web/supabase", "./.."), ("web/supabase/migrations", "./../..")] {
        let (code, stdout, stderr) = run(inside);
        assert_eq!(code, Some(1), "{stderr}");
        let report: serde_json::Value = serde_json::from_str(&stdout).expect("JSON");
        assert_eq!((&report["project"], &report["path"]), (&"web".into(), &path.into()));
    }
}

/// The ways back of a layout are travelled like those in `rollback/`.
#[test]
fn ways_back_are_those_of_the_layout() {
    let dbmate = "-- migrate:up\ncreate table public.tags (id int primary key);\n-- migrate:down\n";
    for (first, second, back) in [
        (
            "db/migrations/1_notes.up.sql",
            "db/migrations/2_tags.up.sql",
            ("db/migrations/2_tags.down.sql", "drop table public.tags;"),
        ),
        (
            "db/migrations/1_notes.sql",
            "db/migrations/2_tags.sql",
            ("db/migrations/2_tags.sql", "drop table public.tags;"),
        ),
    ] {
        let in_sections = second == back.0;
        let project = Copy::empty();
        project.write(
            first,
            &if in_sections { format!("-- migrate:up\n{NOTES}") } else { NOTES.into() },
        );
        if in_sections {
            project.write(second, &format!("{dbmate}{}", back.1));
        } else {
            project.write(second, TAGS);
            project.write(back.0, back.1);
        }
        let report = check_with(&project.path(), |options| options.round_trip = true);
        let trip = report.round_trip.expect("a trip");
        assert_eq!((trip.back, trip.differences.len()), (vec![2], 0), "{second}");
        // One that forgets something is told of, at its own line.
        let spoiled = "drop table public.tags;\ncreate table public.rest (id int);";
        project.replace(back.0, back.1, spoiled);
        let report = check_with(&project.path(), |options| options.round_trip = true);
        assert!(to_text(&report).contains("public.rest"), "{}", to_text(&report));
    }
}

/// The lines of errors are those of the file.
#[test]
fn lines_are_those_of_the_file() {
    for (file, text, line) in [
        ("db/migrations/1_a.sql", "-- migrate:up\nselect 1;\nselect gone;\n-- migrate:down\n", 3),
        ("supabase/migrations/1_a.sql", "\\restrict x\nbegin;\n\nselect gone;\ncommit;\n", 4),
        (
            "supabase/migrations/1_a.sql",
            "create table t (a int);\ncopy t from stdin;\n1\n\\.\nselect gone;\n",
            5,
        ),
        ("prisma/migrations/1_a/migration.sql", "select 1;\n\nselect gone;\n", 3),
    ] {
        let project = project_of(&[(file, text)]);
        let error = try_check_with(&project.path(), |_| {}).expect_err("refused").to_string();
        assert!(error.contains(&format!("failed at line {line}\n")), "{file}: {error}");
    }
}

/// What fails is left out, the rest is judged, and it never passes for the whole.
#[test]
fn keep_going() {
    let project = project_of(&[
        ("leakproof.toml", "[project]\ngrants = \"2026\"\n"),
        ("supabase/migrations/1_notes.sql", NOTES),
        (
            "supabase/migrations/2_broken.sql",
            "create table public.half (id int);\n\nselect gone;\n",
        ),
        ("supabase/migrations/3_tags.sql", TAGS),
        ("supabase/migrations/4_psql.sql", "\\copy public.tags from 'tags.csv'\n"),
        ("supabase/migrations/5_last.sql", "alter table public.tags add column n int;\n"),
    ]);
    let path = project.path();
    let stopped = try_check_with(&path, |options| options.keep_going = false);
    assert!(stopped.is_err(), "without it the first error ends the run");

    let keep_going = || check_with(&path, |options| options.keep_going = true);
    let report = keep_going();
    assert_eq!(versions(&report), [1, 3, 5]);
    let tables: Vec<String> =
        report.matrix.subjects().iter().map(|subject| subject.relation.to_string()).collect();
    assert_eq!(tables, ["public.notes", "public.tags"], "nothing of the broken file stays");
    let text = to_text(&report);
    let told = [
        "NOT APPLIED 2 files; all below is true of the others only",
        "2_broken.sql` failed at line 3: column \"gone\" does not exist",
        "4_psql.sql` cannot be run: line 1: a psql command is not SQL",
    ];
    for words in told {
        assert!(text.contains(words), "{text}");
    }
    assert_eq!(report.outcome(), Outcome::Incomplete, "{text}");
    assert!(text.contains("verdict: INCOMPLETE, 2 files could not be applied"), "{text}");
    assert!(to_json(&report).contains("\"verdict\": \"incomplete\""));

    check_with(&path, |options| (options.keep_going, options.accept) = (true, true));
    assert_eq!(keep_going().outcome().exit_code(), 2, "as accepted, and still not the whole");

    // What is found in the rest outweighs that some is missing.
    project.append(
        "supabase/migrations/5_last.sql",
        "create table public.open (user_id uuid references auth.users (id));
         grant all on public.open to authenticated;",
    );
    let report = keep_going();
    let text = to_text(&report);
    assert_eq!(report.outcome().exit_code(), 1, "{text}");
    assert!(text.contains("verdict: FAILED, 2 files could not be applied, "), "{text}");

    // On a whole history it changes nothing.
    let whole = project_of(&[
        ("leakproof.toml", "[project]\ngrants = \"2026\"\npeople = \"none\"\n"),
        ("supabase/migrations/1_notes.sql", NOTES),
    ]);
    check_with(&whole.path(), |options| (options.keep_going, options.accept) = (true, true));
    assert_eq!(check_project(&whole.path()).outcome(), Outcome::Passed);
}

/// Seeds are there when people ask, after the last migration.
#[test]
fn seeds_are_loaded_last() {
    let project = project_of(&[
        ("migrations/V1__notes.sql", NOTES),
        (
            "migrations/V2__empty.sql",
            "do $$ begin assert not exists (select from public.notes); end $$;",
        ),
        ("seed.sql", "begin;\ncopy public.notes from stdin;\n1\ta\n2\tb\n\\.\ncommit;\n"),
    ]);
    let project = Project::read(project.path()).expect("a project");
    let _held = shared_server();
    let scratch = leakproof::Scratch::of(&project).expect("a scratch database");
    let count = "select count(*)::text from public.notes";
    assert_eq!(crate::support::lines(&scratch, count), ["2"]);
}

fn project_of(files: &[(&str, &str)]) -> Copy {
    let project = Copy::empty();
    for (file, text) in files {
        project.write(file, text);
    }
    project
}

fn versions(report: &Report) -> Vec<i64> {
    report.applied.iter().map(|applied| applied.version).collect()
}
