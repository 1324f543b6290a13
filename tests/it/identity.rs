//! Plain projects without a config: the platform and who asks are told from the SQL, said, and never
//! guessed in silence.

use leakproof::finding::Rule;
use leakproof::init::inferred_config;
use leakproof::project::Project;
use leakproof::report::{Outcome, Report, to_json, to_text};
use leakproof::{Result, Scratch};

use crate::support::{Copy, check_project, high, shared_server, try_check_with};

fn plain(sql: &str) -> Copy {
    let copy = Copy::empty();
    copy.write("migrations/V1__all.sql", sql);
    copy
}

fn checked(sql: &str) -> Result<Report> {
    try_check_with(&plain(sql).path(), |_| {})
}

fn config_of(sql: &str) -> String {
    let copy = plain(sql);
    let project = Project::read(copy.path()).expect("a readable project");
    inferred_config(&project, &shared_server()).unwrap_or_else(|error| panic!("{error}"))
}

/// A design of who asks, what is inferred of it, a tight policy, and the finding where it is opened.
struct Design {
    name: &'static str,
    tables: &'static str,
    config: &'static [&'static str],
    opened: &'static str,
    leaks: &'static str,
}

const DESIGNS: &[Design] = &[
    Design {
        name: "a setting that holds the user, and a role that a migration makes",
        tables: "
            create role id_app login;
            create table public.users (id uuid primary key, email text);
            create table public.notes (
                id uuid primary key default gen_random_uuid(),
                owner uuid not null references public.users (id), title text
            );
            alter table public.users enable row level security;
            alter table public.notes enable row level security;
            create policy own on public.users
                using (id = nullif(current_setting('app.user_id', true), '')::uuid);
            create policy own on public.notes
                using (owner = nullif(current_setting('app.user_id', true), '')::uuid);
            grant select, insert, update, delete on public.users, public.notes to id_app;",
        config: &[
            "platform = \"plain\"",
            "# no other role of people is granted rows or named by a policy",
            "role = \"id_app\"",
            "# policies compare it with `public.notes.owner` and 1 more",
            "user = \"app.user_id\"",
            "users = \"public.users\"",
            "\"public.notes\" = { user = \"owner\" }",
        ],
        opened: "create policy open on public.notes for select using (true);",
        leaks: "public.notes",
    },
    Design {
        name: "a setting that holds the tenant, no users, and a role that nobody makes",
        tables: "
            create table public.tenants (id bigint primary key, name text);
            create table public.bills (
                id bigint generated always as identity primary key,
                tenant_id bigint not null references public.tenants (id), total numeric
            );
            create function public.tenant() returns bigint language sql stable as
                $$ select nullif(current_setting('app.tenant_id', true), '')::bigint $$;
            alter table public.tenants enable row level security;
            alter table public.bills enable row level security;
            create policy own on public.tenants for select using (id = public.tenant());
            create policy own on public.bills using (tenant_id = public.tenant());
            do $$ begin
                grant select on public.tenants to id_web;
                grant select, insert, update, delete on public.bills to id_web;
            end $$;",
        config: &[
            "role = \"id_web\"",
            "tenant = \"app.tenant_id\"",
            "tenant = \"public.tenants\"",
            "\"public.bills\" = { tenant = \"tenant_id\" }",
        ],
        opened: "create policy open on public.bills for delete using (true);",
        leaks: "public.bills",
    },
    Design {
        name: "claims of PostgREST, and a role of visitors",
        tables: "
            create role id_anon; create role id_user;
            create schema api; grant usage on schema api to id_anon, id_user;
            create table api.people (id uuid primary key, name text);
            create table api.todos (
                id uuid primary key default gen_random_uuid(),
                person uuid not null references api.people (id), task text
            );
            alter table api.people enable row level security;
            alter table api.todos enable row level security;
            create policy own on api.todos to id_user using (person =
                (nullif(current_setting('request.jwt.claims', true), '')::json ->> 'sub')::uuid);
            grant select, insert on api.todos to id_user;",
        config: &[
            "role = \"id_user\"",
            "user = \"request.jwt.claims\"",
            "anonymous_role = \"id_anon\"",
            "users = \"api.people\"",
            "\"api.todos\" = { user = \"person\" }",
        ],
        opened: "create policy open on api.todos for select using (true);",
        leaks: "api.todos",
    },
    Design {
        name: "members of tenants, and a role that policies name among others",
        tables: "
            create role id_back; create role id_report;
            create table public.accounts (id uuid primary key, email text);
            create table public.orgs (id uuid primary key, name text);
            create table public.memberships (
                org_id uuid references public.orgs (id),
                account uuid references public.accounts (id), primary key (org_id, account)
            );
            create table public.docs (
                id uuid primary key default gen_random_uuid(),
                org_id uuid not null references public.orgs (id), body text
            );
            alter table public.docs enable row level security;
            create policy own on public.docs to id_back using (org_id in (
                select m.org_id from public.memberships m
                where m.account = nullif(current_setting('my.user', true), '')::uuid
            ));
            alter table public.accounts enable row level security;
            alter table public.orgs enable row level security;
            alter table public.memberships enable row level security;
            create policy own on public.memberships to id_back
                using (account = nullif(current_setting('my.user', true), '')::uuid);
            grant select on public.memberships, public.orgs to id_back;
            grant select, insert, update, delete on public.docs to id_back;
            grant select on public.docs to id_report;",
        config: &[
            "# no other role of people is named by a policy",
            "role = \"id_back\"",
            "user = \"my.user\"",
            "users = \"public.accounts\"",
            "tenant = \"public.orgs\"",
        ],
        opened: "create policy open on public.docs for select to id_back using (true);",
        leaks: "public.docs",
    },
    Design {
        name: "an application that owns its tables, bound by FORCE",
        tables: "
            create table public.users (id uuid primary key, email text);
            create table public.notes (
                id uuid primary key default gen_random_uuid(),
                user_id uuid not null references public.users (id), title text
            );
            alter table public.users enable row level security;
            alter table public.notes enable row level security;
            alter table public.users force row level security;
            alter table public.notes force row level security;
            create policy own on public.users
                using (id = nullif(current_setting('app.current_user', true), '')::uuid);
            create policy own on public.notes
                using (user_id = nullif(current_setting('app.current_user', true), '')::uuid);",
        config: &["role = \"pg_database_owner\"", "user = \"app.current_user\""],
        opened: "alter table public.notes no force row level security;",
        leaks: "public.notes",
    },
];

#[test]
fn who_asks_is_told_from_the_schema() {
    for design in DESIGNS {
        let name = design.name;
        let config = config_of(design.tables);
        for line in design.config {
            assert!(config.lines().any(|known| known == *line), "{name}: no `{line}` in\n{config}");
        }
        let report = checked(design.tables).unwrap_or_else(|error| panic!("{name}: {error}"));
        let text = to_text(&report);
        assert_eq!(high(&report), [], "{name}: {text}");
        assert!(text.contains("inferred: no migration names Supabase's roles"), "{text}");
        assert!(text.contains("the identity is inferred: "), "{name}: {text}");
        let opened = format!("{}\n{}", design.tables, design.opened);
        let report = checked(&opened).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(high(&report).iter().any(|(_, on)| on == design.leaks), "{name}: {report:?}");
        // What is written down is what was inferred.
        let copy = plain(&opened);
        copy.write("leakproof.toml", &config);
        let written = check_project(&copy.path());
        assert_eq!(high(&written), high(&report), "{name}: {config}");
        assert_eq!(written.platform_why, None);
        assert_eq!(written.matrix.to_string(), report.matrix.to_string(), "{name}");
    }
}

/// The same by hand, as a test of the project's own would.
#[test]
fn a_scratch_database_knows_who_asks() {
    let copy = plain(DESIGNS[0].tables);
    let project = Project::read(copy.path()).expect("a project");
    let _held = shared_server();
    for _ in 0..2 {
        let scratch = Scratch::of(&project).expect("a scratch database");
        let mut isolation = scratch.isolation().expect("a world");
        let seen = isolation.ask("alice", "select owner from public.notes").expect("rows");
        assert!(!seen.is_empty());
        assert!(isolation.matrix().is_ok());
    }
}

#[test]
fn what_is_not_settled_is_one_error_with_the_lines_to_write() {
    const NOTES: &str = "
        create table public.notes (id uuid primary key, owner uuid, site uuid);
        alter table public.notes enable row level security;";
    for (sql, cause, lines) in [
        (
            "create policy own on public.notes using (owner = current_setting('app.user_id')::uuid);
             grant all on public.notes to id_one, id_two;",
            "rows are granted to several roles (id_one, id_two)",
            "role = \"id_one\"  # or id_two\n    user = \"app.user_id\"",
        ),
        (
            "create policy own on public.notes using (
                owner in (current_setting('app.user_id')::uuid, current_setting('my.uid')::uuid));
             grant all on public.notes to id_one;",
            "several settings could hold a user (app.user_id, my.uid)",
            "role = \"id_one\"\n    user = \"app.user_id\"  # or my.uid",
        ),
        (
            "create policy own on public.notes using (id = current_setting('app.what')::uuid);
             grant all on public.notes to id_one;",
            "nothing says whether `app.what` holds a user or a tenant",
            "user = \"app.what\"\n    tenant = \"app.what\"",
        ),
        (
            "create policy own on public.notes using (owner = current_setting('app.user_id')::uuid);",
            "no role is granted rows or named by a policy, and no table binds its owner by FORCE",
            "role = \"app_user\"\n    user = \"app.user_id\"",
        ),
        (
            "create policy own on public.notes using
                (owner = (current_setting('app.who')::json ->> 'id')::uuid);
             grant all on public.notes to id_one;",
            "policies look into documents in settings (app.who)",
            "role = \"id_one\"",
        ),
        (
            "create policy all_of_them on public.notes using (true);
             grant all on public.notes to id_one;",
            "no policy compares a setting with a column",
            "role = \"id_one\"\n    user = \"app.user_id\"",
        ),
    ] {
        let told = match checked(&format!("{NOTES}{sql}")) {
            Ok(report) => panic!("{sql}: {}", to_text(&report)),
            Err(error) => error.to_string(),
        };
        let fact = "nothing settles as whom the application asks the database";
        assert!(told.contains(fact) && told.contains(cause) && told.contains(lines), "{told}");
    }
}

/// Whoever names the role has only the rest inferred, and whoever names all of it nothing.
#[test]
fn what_is_said_wins() {
    let design = &DESIGNS[0];
    for (config, user) in [
        ("[identity]\nrole = \"id_app\"\n", "identity from `app.user_id`"),
        ("[identity]\nuser = \"app.user_id\"\n", "identity from `app.user_id`"),
        ("[identity]\nrole = \"id_app\"\nuser = \"app.other\"\n", "identity from `app.other`"),
    ] {
        let copy = plain(design.tables);
        copy.write("leakproof.toml", config);
        let report = check_project(&copy.path());
        assert_eq!(report.platform, format!("plain, {user}"), "{config}");
    }
}

/// Without a policy or a grant nobody asks, and what happens to rows is checked all the same.
#[test]
fn a_project_that_is_for_nobody_proves_nothing_of_access() {
    let copy = plain("create table public.notes (id bigint primary key, title text);");
    copy.write("fixtures/V1__all.sql", "insert into public.notes values (1, 'one');");
    let report = check_project(&copy.path());
    assert_eq!(report.outcome(), Outcome::Untrusted);
    let text = to_text(&report);
    assert!(text.contains("nothing tells who asks the database"), "{text}");
    copy.write("migrations/V2__title.sql", "alter table public.notes drop title;");
    let report = check_project(&copy.path());
    assert!(report.findings.iter().any(|finding| finding.rule == Rule::DataLost), "{report:?}");
    copy.write("leakproof.toml", "[project]\npeople = \"none\"\n");
    fs_remove(&copy, "migrations/V2__title.sql");
    let accepted = try_check_with(&copy.path(), |options| options.accept = true);
    assert_eq!(accepted.map(|report| report.outcome()).ok(), Some(Outcome::Passed));
}

fn fs_remove(copy: &Copy, file: &str) {
    std::fs::remove_file(copy.path().join(file)).expect("a file");
}

#[test]
fn the_wrong_platform_is_told() {
    const ON_SUPABASE: &str = "[project]\nplatform = \"supabase\"\n";
    const ON_PLAIN: &str = "[project]\nplatform = \"plain\"\n";
    for (config, sql, help) in [
        (
            ON_PLAIN,
            "create table a (id uuid references auth.users (id));",
            "`auth.users` is Supabase's, and this is checked as a plain project",
        ),
        (
            ON_SUPABASE,
            "create role anon nologin;",
            "`anon` is Supabase's, and this is checked as a Supabase project",
        ),
        (
            ON_SUPABASE,
            "create schema auth;",
            "`auth` is Supabase's, and this is checked as a Supabase project",
        ),
        (
            "[identity]\nrole = \"id_app\"\nuser = \"app.user_id\"\n",
            "create table a (id int); grant select on a to id_other;",
            "made before the first migration where `roles` under `[identity]` names it",
        ),
        (
            "[identity]\nrole = \"id_app\"\nuser = \"app.user_id\"\n",
            "create table a (id uuid references auth.users (id));",
            "write `platform = \"plain\"` under `[project]`",
        ),
    ] {
        let copy = plain(sql);
        copy.write("leakproof.toml", config);
        let told = try_check_with(&copy.path(), |_| {}).map(|report| to_text(&report));
        let told = told.expect_err(sql).to_string();
        assert!(told.contains(help), "{sql}: {told}");
    }
}

/// What is inferred of the platform is in each form of the report.
#[test]
fn the_platform_is_said() {
    let copy = plain("create table public.a (id uuid primary key references auth.users (id));");
    let report = check_project(&copy.path());
    let why = "`V1__all.sql` line 1 names `auth.users`";
    assert_eq!(report.platform_why.as_deref(), Some(why));
    assert!(
        to_text(&report).contains(&format!("supabase, grants legacy\n            inferred: {why}"))
    );
    assert!(to_json(&report).contains("\"platform_inferred\": \"`V1__all.sql` line 1 names"));
    let config =
        config_of("create table public.a (id uuid primary key references auth.users (id));");
    assert!(
        config.contains(
            "[project]\n# `V1__all.sql` line 1 names `auth.users`\nplatform = \"supabase\""
        )
    );
}

/// A role and a schema for each tenant: what is in the schema is of whoever has the role that is named after it.
#[test]
fn a_schema_may_be_a_tenants() {
    const CONFIG: &str = r#"
        [project]
        platform = "plain"
        schemas = ["acme", "globex"]
        [identity]
        role = "tenant_acme"
        user = "app.user_id"
        roles = ["tenant_globex"]
        [tenancy]
        users = "public.users"
        [actors.globex]
        role = "tenant_globex"
    "#;
    const TABLES: &str = "
        create table public.users (id uuid primary key, email text);
        create schema acme;
        create schema globex;
        create table acme.orders (id bigint generated always as identity primary key, item text, sold_by uuid);
        create table globex.orders (like acme.orders including all);
        grant usage on schema acme to tenant_acme;
        grant usage on schema globex to tenant_globex;
        grant select, insert, update, delete on acme.orders to tenant_acme;
        grant select, insert, update, delete on globex.orders to tenant_globex;";
    let copy = plain(TABLES);
    copy.write("leakproof.toml", CONFIG);
    let report = check_project(&copy.path());
    let text = to_text(&report);
    assert_eq!(high(&report), [], "{text}");
    assert!(text.contains("`acme` of `tenant_acme`, `globex` of `tenant_globex`"), "{text}");
    let open = "grant usage on schema globex to tenant_acme; grant select on globex.orders to tenant_acme;";
    copy.write("migrations/V2__open.sql", open);
    let found = [(Rule::CrossTenantRead, "globex.orders".to_owned())];
    let report = check_project(&copy.path());
    assert_eq!(high(&report), found, "{}", to_text(&report));
    // Somebody may say that it is not so.
    let stated = "[tenancy.owners]\n\"globex.orders\" = \"shared\"\n";
    copy.write("leakproof.toml", &format!("{CONFIG}\n{stated}"));
    let found = [(Rule::SharedWrite, "globex.orders".to_owned())];
    let report = check_project(&copy.path());
    assert_eq!(high(&report), found, "{}", to_text(&report));
}
