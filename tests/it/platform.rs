//! What a migration of Supabase may count on: the platform, extensions that the server lacks, and
//! the rights of `postgres`. Each item is used by a migration of its own.

use std::sync::Arc;

use leakproof::finding::Rule;
use leakproof::platform::Platform;
use leakproof::project::Grants;
use leakproof::report::{Report, to_text};
use leakproof::server::{ROLE_MARK, Server, ServerKind, ServerOptions};
use leakproof::{Project, Scratch};
use postgres::Client;

use crate::support::{
    Copy, check_project, check_with, empty_scratch, in_parallel, lines, try_check_with,
};

const NOTES: &str = "
create table public.notes (id int primary key, user_id uuid references auth.users);
";

/// A project of the Supabase platform with one migration for each text.
fn project(migrations: &[&str]) -> Copy {
    let project = Copy::empty();
    project.write("leakproof.toml", "[project]\nmigrations = \"migrations\"\n");
    for (at, sql) in migrations.iter().enumerate() {
        project.write(&format!("migrations/V{}__step.sql", at + 1), sql);
    }
    project
}

/// The same on the plain platform.
fn plain_project(migration: &str) -> Copy {
    let copy = project(&[migration]);
    copy.write(
        "leakproof.toml",
        "[project]\nmigrations = \"migrations\"\nplatform = \"plain\"\n
         [identity]\nrole = \"app_user\"\nuser = \"app.user_id\"\n
         [tenancy]\nusers = \"public.users\"\n",
    );
    copy
}

/// Whether the server of the tests has the extension itself.
fn has(extension: &str) -> bool {
    let copy = project(&["select 1"]);
    let project = Project::read(copy.path()).expect("a project");
    let query =
        format!("select name::text from pg_available_extensions where name = '{extension}'");
    !lines(&empty_scratch(&project), &query).is_empty()
}

/// What of the platform is used, and a migration that uses it as `postgres`, without more rights.
const USES: &[(&str, &str)] = &[
    ("auth.users", "insert into auth.users (id, email) values (gen_random_uuid(), 'a@b.c')"),
    ("auth.identities", "
        insert into auth.users (id) values ('00000000-0000-4000-8000-000000000001');
        insert into auth.identities (provider_id, user_id, identity_data, provider) values
            ('x', '00000000-0000-4000-8000-000000000001', '{\"email\": \"A@b.c\"}', 'email')"),
    ("auth.sessions", "select id, user_id, aal, not_after from auth.sessions"),
    ("auth.refresh_tokens", "select token, session_id from auth.refresh_tokens"),
    ("factors", "
        create policy mfa on public.notes to authenticated using (array[auth.jwt() ->> 'aal'] <@ (
            select array['aal1', 'aal2'] from auth.mfa_factors where user_id = auth.uid()))"),
    ("a trigger on users", "
        create function public.made() returns trigger language plpgsql security definer as
            $$ begin return new; end $$;
        create trigger made after insert on auth.users for each row execute function public.made();
        drop trigger made on auth.users"),
    ("a bucket", "insert into storage.buckets (id, name, public) values ('a', 'a', true)"),
    ("policies on files", "
        create policy own on storage.objects for select to authenticated
            using (bucket_id = 'a' and (storage.foldername(name))[1] = auth.uid()::text);
        alter table storage.objects enable row level security;
        drop policy own on storage.objects"),
    ("paths", "
        do $$ begin
            assert storage.foldername('a/b/c.d.e') = array['a', 'b'];
            assert storage.filename('a/b/c.d.e') = 'c.d.e';
            assert storage.extension('a/b/c.d.e') = 'e';
        end $$"),
    ("a search for files", "
        insert into storage.buckets (id, name) values ('a', 'a');
        insert into storage.objects (bucket_id, name, metadata) values
            ('a', 'f/g', '{\"size\": 3}'), ('a', 'h', '{\"size\": 4}');
        do $$ begin
            assert (select array_agg(name) from storage.search('', 'a')) = array['f', 'h'];
            assert (select array_agg(path_tokens) from storage.objects where name = 'f/g')
                = array[array['f', 'g']];
            assert (select size from storage.get_size_by_bucket()) = 7;
        end $$"),
    ("messages", "
        create policy join_own on realtime.messages for select to authenticated
            using (realtime.topic() = auth.uid()::text);
        select realtime.send('{}', 'event', 'topic', false);
        do $$ begin assert (select count(*) from realtime.messages) = 1; end $$"),
    ("changes", "
        create function public.tell() returns trigger language plpgsql security definer as $$ begin
            perform realtime.broadcast_changes(
                'topic', tg_op, tg_op, tg_table_name, tg_table_schema, new, old);
            return null;
        end $$;
        create trigger tell after insert on public.notes for each row execute function public.tell();
        insert into public.notes values (1);
        do $$ begin
            assert (select payload #>> '{record,id}' from realtime.messages) = '1';
        end $$"),
    ("the publication", "
        alter publication supabase_realtime add table public.notes;
        drop publication if exists supabase_realtime;
        create publication supabase_realtime for table public.notes"),
    ("a publication of all", "create publication everything for all tables"),
    ("secrets", "
        select vault.create_secret('hidden', 'key', 'of the door');
        do $$ declare one uuid := (select id from vault.secrets); begin
            perform vault.update_secret(one, 'known');
            assert (select decrypted_secret from vault.decrypted_secrets where name = 'key')
                = 'known';
        end $$"),
    ("graphql", "
        comment on schema public is '@graphql({\"inflect_names\": true})';
        select graphql_public.graphql(query => '{ notes { id } }');
        grant usage on schema graphql to anon"),
    ("a webhook", "
        create trigger hook after insert on public.notes for each row
            execute function supabase_functions.http_request('http://x', 'POST', '{}', '{}', '9')"),
    ("what is installed", "
        create extension if not exists \"uuid-ossp\" with schema extensions;
        create extension if not exists pgcrypto with schema extensions;
        create extension if not exists pg_stat_statements with schema extensions;
        create extension if not exists supabase_vault with schema vault;
        create extension if not exists pg_graphql with schema graphql;
        alter table public.notes add column token uuid default extensions.uuid_generate_v4();
        select gen_salt('bf'), extensions.digest('a', 'sha256')"),
    ("roles", "
        grant select on public.notes to supabase_auth_admin, dashboard_user, authenticator;
        alter role authenticator set pgrst.db_pre_request = 'public.check';
        alter role authenticated set statement_timeout = '9s'"),
    ("an event trigger", "
        create function public.watch() returns event_trigger language plpgsql as
            $$ begin null; end $$;
        create event trigger watch on ddl_command_end execute function public.watch();
        drop event trigger watch"),
];

#[test]
fn the_platform_is_there() {
    let failures = in_parallel(USES, |(name, sql)| {
        let report = check_project(&project(&[NOTES, sql]).path());
        let notes = report.notes.iter().filter(|note| is_of_migrations(note));
        let notes: Vec<&str> = notes.map(String::as_str).collect();
        (report.applied.len() != 2 || !notes.is_empty()).then(|| format!("{name}: {notes:?}"))
    });
    let failures: Vec<String> = failures.into_iter().flatten().collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// What a project does with an extension that the server need not have.
const EXTENSIONS: &[(&str, &str)] = &[
    (
        "http",
        "
        do $$ begin assert (extensions.http_get('http://x')).status = 503; end $$;
        select status, content from extensions.http((
            'GET', 'http://x', array[extensions.http_header('a', 'b')], null, null
        )::extensions.http_request)",
    ),
    (
        "pg_net",
        "
        select net.http_get('http://x'), net.http_delete('http://x'),
            net.http_post(url := 'http://x', body := '{}', headers := '{\"a\": \"b\"}');
        do $$ begin assert (select count(*) from net.http_request_queue) = 3; end $$",
    ),
    (
        "pg_cron",
        "
        select cron.schedule('nightly', '0 3 * * *', 'select 1');
        select cron.schedule('nightly', '0 4 * * *', $$select 2$$);
        do $$ begin assert (select array_agg(schedule) from cron.job) = array['0 4 * * *']; end $$;
        select cron.alter_job(jobid, active := false) from cron.job;
        select cron.schedule_in_database('other', '* * * * *', 'select 1', 'postgres');
        select cron.unschedule('nightly'); select cron.unschedule(jobid) from cron.job;
        select * from cron.job_run_details",
    ),
    (
        "pgjwt",
        "
        do $$ declare token text := extensions.sign('{\"sub\": \"1234567890\"}', 'secret'); begin
            assert (select valid and payload ->> 'sub' = '1234567890'
                from extensions.verify(token, 'secret'));
            assert not (select valid from extensions.verify(token, 'other'));
        end $$",
    ),
    (
        "pg_jsonschema",
        "
        alter table public.notes add column body json
            check (extensions.json_matches_schema('{\"type\": \"object\"}', body))",
    ),
    (
        "pgsodium",
        "
        select id from pgsodium.create_key(name := 'mine');
        select key_id, name from pgsodium.valid_key; select pgsodium.crypto_aead_det_noncegen()",
    ),
    ("pg_hashids", "select extensions.id_decode(extensions.id_encode(1001, 'salt', 8), 'salt', 8)"),
    (
        "timescaledb",
        "
        create table public.ticks (at timestamptz not null);
        select extensions.create_hypertable('public.ticks', 'at', if_not_exists => true);
        select extensions.time_bucket('1 hour', at) from public.ticks",
    ),
    (
        "wrappers",
        "
        create foreign data wrapper stripe_wrapper
            handler stripe_fdw_handler validator stripe_fdw_validator;
        create server stripe foreign data wrapper stripe_wrapper options (api_key 'x');
        create foreign table public.customers (id text) server stripe options (object 'customers');
        drop foreign data wrapper stripe_wrapper cascade",
    ),
    (
        "pgmq",
        "
        select pgmq.create('jobs'), pgmq.send('jobs', '{\"a\": 1}');
        do $$ begin
            assert (select message ->> 'a' from pgmq.read('jobs', 30, 1)) = '1';
            assert (select pgmq.archive('jobs', 1));
            assert (select count(*) from pgmq.a_jobs) = 1;
        end $$;
        select pgmq.drop_queue('jobs')",
    ),
    (
        "vector",
        "
        create table public.documents (id int primary key, embedding vector(3), half halfvec(3));
        insert into public.documents values
            (1, '[1,2,3]', array[1, 2, 3]::real[]::halfvec), (2, '[3,2,2]', '[1,1,1]');
        create index on public.documents using hnsw (embedding vector_cosine_ops)
            with (m = 16, ef_construction = 64);
        create index on public.documents using ivfflat (embedding) with (lists = 100);
        create index on public.documents using hnsw ((embedding::halfvec(3)) halfvec_l2_ops);
        create function public.near(query vector(3), threshold float) returns setof int
            language sql stable as $$
                select id from public.documents where 1 - (embedding <=> query) > threshold
                order by embedding <=> query $$;
        do $$ begin
            assert (select array_agg(n) from public.near('[1,2,3]', 0.9) n) = array[1];
            assert (select embedding <-> '[1,2,5]' from public.documents where id = 1) = 2;
            assert (select embedding <#> '[1,1,1]' from public.documents where id = 1) = -6;
            assert (select avg(embedding) = '[2,2,2.5]' from public.documents);
            assert (select embedding + '[1,1,1]' = '[2,3,4]' from public.documents where id = 1);
        end $$;
        drop table public.documents; drop function public.near",
    ),
    (
        "pg_tle",
        "
        select pgtle.install_extension('mine', '1.0', 'a package', 'select 1');
        create extension mine; drop extension mine;
        select pgtle.uninstall_extension_if_exists('mine')",
    ),
    ("hypopg", "select 1"),
    ("index_advisor", "select 1"),
    ("plpgsql_check", "select 1"),
];

/// It is created as projects do, used, asked for again, commented on and dropped; and nothing of it
/// stays.
#[test]
fn stubs_work_and_go() {
    let failures = in_parallel(EXTENSIONS, |(name, sql)| {
        let copy = project(&[
            NOTES,
            &format!("create extension {name} with schema extensions cascade"),
            sql,
            &format!(
                "create extension if not exists {name} with schema extensions;
                 comment on extension {name} is 'of a test';
                 alter table public.notes drop column if exists body;
                 drop extension {name}"
            ),
        ]);
        let report = match try_check_with(&copy.path(), |_| {}) {
            Ok(report) => report,
            Err(error) => return Some(format!("{name}: {error}")),
        };
        let noted: Vec<&String> =
            report.notes.iter().filter(|note| is_of_migrations(note)).collect();
        let is_told = |note: &String| note.starts_with("stubbed") && note.ends_with(name);
        let is_noted = has(name) || (noted.len() == 1 && is_told(noted[0]));
        (!is_noted).then(|| format!("{name}: {noted:?}"))
    });
    let failures: Vec<String> = failures.into_iter().flatten().collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Nothing of a stub is left, and what depends on one holds it as it would hold the real one.
#[test]
fn a_stub_is_dropped_as_an_extension_is() {
    const ALL: &str = "
        select 'schema ' || nspname from pg_namespace where nspname not like 'pg\\_temp%'
            and nspname not like 'pg\\_toast\\_temp%' and nspname <> 'leakproof'
        union all select 'relation ' || oid::regclass from pg_class where relkind <> 't'
            and relname not like 'pg\\_toast%' and relnamespace <> 'leakproof'::regnamespace
        union all select 'function ' || oid::regprocedure from pg_proc
        union all select 'type ' || oid::regtype from pg_type where typrelid = 0
            and typname not like '%pg\\_toast%'
        union all select 'method ' || amname from pg_am union all
        select 'cast ' || castsource::regtype || ' ' || casttarget::regtype from pg_cast
        union all select 'operator ' || oid::regoperator from pg_operator
        order by 1";
    for (name, _) in EXTENSIONS.iter().filter(|(name, _)| *name != "pgjwt") {
        let create = format!("create extension {name}");
        let copy = project(&["select 1", &create, &format!("drop extension {name}")]);
        let project = Project::read(copy.path()).expect("a project");
        let mut scratch = empty_scratch(&project);
        scratch.migrate_to(1).expect("the first version");
        let before = lines(&scratch, ALL);
        scratch.migrate_to(2).expect("the extension");
        let with: Vec<String> = lines(&scratch, ALL);
        scratch.migrate_to(3).expect("the extension is dropped");
        // A schema that only it can have stays, as it does where it was the extension's fixed one.
        let after: Vec<String> = lines(&scratch, ALL)
            .into_iter()
            .filter(|one| before.contains(one) || !one.starts_with("schema "))
            .collect();
        assert_eq!(before, after, "{name}");
        assert!(with.len() >= before.len(), "{name}");
    }
    let copy = project(&[
        "create extension vector; create table public.t (v vector)",
        "
        drop extension vector",
    ]);
    let error = try_check_with(&copy.path(), |_| {}).expect_err("a column needs the type");
    assert!(error.to_string().contains("(SQLSTATE 2BP01)"), "{error}");
}

/// On any platform.
#[test]
fn a_plain_project_gets_stubs_too() {
    let copy = plain_project(
        "create table public.users (id uuid primary key); create extension pg_cron;
         select cron.schedule('* * * * *', 'select 1');",
    );
    let report = check_project(&copy.path());
    let noted = report.notes.iter().any(|note| note.ends_with(": pg_cron"));
    assert!(noted || has("pg_cron"), "{}", to_text(&report));
}

/// One that is neither here nor among the stubs, and a schema that is not there, fail as they do on
/// the server, at their line.
#[test]
fn what_is_unknown_is_one_clear_error() {
    let refused = |sql: &str| {
        let copy = project(&[sql]);
        let error = try_check_with(&copy.path(), |_| {}).expect_err("a refusal").to_string();
        error.replace(&copy.path().display().to_string(), "<project>")
    };
    let error = refused("select 1;\n\ncreate extension nonsense;");
    assert!(error.starts_with("`<project>/migrations/V1__step.sql` failed at line 3\n"), "{error}");
    assert!(error.contains("help: install it on the server"), "{error}");
    let error = refused("select 1;\ncreate extension pg_hashids schema nowhere;");
    assert!(error.contains("line 2") && error.contains("(SQLSTATE 3F000)"), "{error}");
    let error = refused("create extension pg_cron;\ncreate extension pg_cron;");
    assert!(error.contains("line 2") && error.contains("(SQLSTATE 42710)"), "{error}");
}

/// A version that the server does not have is another one.
#[test]
fn versions_of_elsewhere() {
    let copy = project(&[NOTES, "create extension citext with schema extensions version '0.1'"]);
    let report = check_project(&copy.path());
    let note = "in another version, as this server has it: citext 0.1";
    assert!(report.notes.iter().any(|told| told == note), "{}", to_text(&report));
}

/// What `postgres` may not do on a hosted project fails here, too, and says so.
#[test]
fn what_needs_a_superuser() {
    for (sql, line) in [
        (
            "create function public.quiet() returns boolean language sql leakproof\n\
             as 'select true'",
            2,
        ),
        ("select 1;\nalter role postgres superuser", 3),
        ("do $$ begin create publication p for all tables; end $$", 2),
        ("copy public.notes to program 'true'", 2),
        ("alter role all set work_mem = '5MB'", 2),
        ("create publication p for all tables; create role other superuser", 2),
    ] {
        let copy = project(&[NOTES, &format!("\n{sql}")]);
        let project = Project::read(copy.path()).expect("a project");
        let mut scratch = empty_scratch(&project);
        let is_superuser = "select rolsuper::text from pg_roles where rolname = 'postgres'";
        if lines(&scratch, is_superuser) == ["true"] {
            return;
        }
        let error = scratch.migrate().expect_err("a refusal").to_string();
        let place = format!("V2__step.sql` failed at line {line}\n");
        assert!(error.contains(&place) && error.contains("(SQLSTATE 42501)"), "{sql}: {error}");
        assert!(error.contains("\n  help: it fails on a hosted project, too"), "{sql}: {error}");
    }
}

/// What others may not do, nobody may: a role that the file sets is not made a superuser.
#[test]
fn what_a_role_may_not_do() {
    let copy = project(&[NOTES, "set role anon;\ncreate table auth.t (id int)"]);
    let error = try_check_with(&copy.path(), |_| {}).expect_err("a refusal").to_string();
    assert!(error.contains("line 2") && error.contains("(SQLSTATE 42501)"), "{error}");
}

/// What a migration does to roles goes with its database, and with the last one of the server.
#[test]
fn roles_are_left_as_they_were() {
    const SETTINGS: &str = "
        select setdatabase = 0, setconfig::text from pg_db_role_setting
        where setrole = 'leakproof_test_reader'::regrole";
    let migrations = [
        "create role leakproof_test_reader nologin;
         alter role leakproof_test_reader set statement_timeout = '7s'",
        "alter role leakproof_test_reader set work_mem = '5MB'",
        "alter role leakproof_test_reader reset statement_timeout",
    ];
    let copy = project(&migrations);
    let project = Project::read(copy.path()).expect("a project");
    let options = ServerOptions { kind: Some(ServerKind::Local), ..Default::default() };
    let server = Arc::new(Server::start(&options).expect("a server"));
    let platform = Platform::of(&project);
    let mut first = Scratch::empty(&project, platform.clone(), &server).expect("a database");
    let settings = |client: &mut Client| -> Vec<(bool, String)> {
        let rows = client.query(SETTINGS, &[]).expect("rows");
        rows.iter().map(|row| (row.get(0), row.get(1))).collect()
    };
    let mut client = first.connect().expect("a connection");
    for (version, expected) in [
        (1, "{statement_timeout=7s}"),
        (2, "{statement_timeout=7s,work_mem=5MB}"),
        (3, "{work_mem=5MB}"),
    ] {
        first.migrate_to(version).expect("a version");
        assert_eq!(settings(&mut client), [(false, expected.to_owned())]);
    }
    // The role is there when a second database of the same server is to have it, too.
    let mut second = Scratch::empty(&project, platform, &server).expect("a database");
    second.migrate().expect("the role is there already");
    let mark = "select shobj_description('leakproof_test_reader'::regrole, 'pg_authid')";
    let mark: String = client.query_one(mark, &[]).expect("a row").get(0);
    assert!(mark.starts_with(ROLE_MARK), "{mark}");
}

fn is_of_migrations(note: &str) -> bool {
    ["stubbed", "in another version"].iter().any(|start| note.starts_with(start))
}

/// Where nothing says what new tables are granted, they are open, and it is said which.
#[test]
fn grants_that_are_guessed_are_said() {
    let copy = project(&[NOTES]);
    let said = |report: &Report| {
        let part = "nothing says what new tables are granted, so they are open to the API roles";
        report.notes.iter().any(|note| note.contains(part) && note.contains("public.notes"))
    };
    let is_open = |report: &Report| {
        report.findings.iter().any(|finding| finding.rule == Rule::CrossTenantRead)
    };
    let report = check_project(&copy.path());
    assert!(said(&report) && is_open(&report), "{:?}", report.notes);
    let report = check_with(&copy.path(), |options| options.grants = Some(Grants::Explicit2026));
    assert!(!said(&report) && !is_open(&report), "{:?}", report.notes);
    // Who has chosen the profile knows.
    for (file, text, is_exposed) in [
        ("leakproof.toml", "[project]\nmigrations = \"migrations\"\ngrants = \"2026\"\n", false),
        ("leakproof.toml", "[project]\nmigrations = \"migrations\"\ngrants = \"legacy\"\n", true),
        ("supabase/config.toml", "[api]\nauto_expose_new_tables = false\n", false),
        ("supabase/config.toml", "[api]\nauto_expose_new_tables = true\n", true),
    ] {
        let copy = match file {
            "leakproof.toml" => project(&[NOTES]),
            _ => {
                let copy = Copy::empty();
                copy.write("supabase/migrations/20240101000000_notes.sql", NOTES);
                copy
            }
        };
        copy.write(file, text);
        let report = check_project(&copy.path());
        assert_eq!((said(&report), is_open(&report)), (false, is_exposed), "{text}");
    }
}
