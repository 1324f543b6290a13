//! Who owns what, told from the schema alone: each way by which a row leads to its owner, designs
//! that only look like tenants, and the config that is written of it.

use leakproof::finding::Rule;
use leakproof::init::inferred_config;
use leakproof::project::Project;
use leakproof::report::{Outcome, to_text};

use crate::support::{Copy, check_project, leakproof, root, shared_server, told};

/// What is inferred of one migration, without its comments.
fn inferred(sql: &str) -> String {
    let copy = Copy::empty();
    copy.write("supabase/migrations/20240101000000_all.sql", sql);
    let project = Project::read(copy.path()).expect("a readable project");
    let config = inferred_config(&project, &shared_server()).unwrap_or_else(|e| panic!("{e}"));
    toml::from_str::<toml::Value>(&config).unwrap_or_else(|e| panic!("{e}\n{config}"));
    config
}

/// Fails unless each line is there, and none of the others.
fn assert_lines(sql: &str, there: &[&str], not_there: &[&str]) {
    let config = inferred(sql);
    for line in there {
        assert!(config.lines().any(|known| known == *line), "no line `{line}` in\n{config}");
    }
    for part in not_there {
        assert!(!config.contains(part), "`{part}` in\n{config}");
    }
}

const ORGS: &str = "
create table public.orgs (id uuid primary key, name text not null);
create type public.org_role as enum ('owner', 'member');
create table public.org_members (
    org_id uuid not null references public.orgs (id),
    user_id uuid not null references auth.users (id),
    role public.org_role not null,
    primary key (org_id, user_id)
);
";

const MEMBERS: &str = "members = { table = \"public.org_members\", tenant = \"org_id\", \
     user = \"user_id\", values = { role = \"member\" } }";

#[test]
fn foreign_keys_lead_to_owners() {
    assert_lines(
        &format!(
            "{ORGS}
            create table public.projects (id uuid primary key, org_id uuid references public.orgs (id));
            create table public.tasks (
                id uuid primary key, project_id uuid references public.projects (id),
                by_whom uuid references auth.users (id)
            );
            create table public.countries (code text primary key);"
        ),
        &[
            "tenant = \"public.orgs\"",
            MEMBERS,
            "\"public.projects\" = { tenant = \"org_id\" }",
            "\"public.tasks\" = { tenant = \"project_id\", user = \"by_whom\" }",
            "# tenant: foreign key to public.projects and on to public.orgs; \
             user: foreign key to auth.users",
            "# \"public.countries\" = \"shared\"",
            "membership = { role = \"owner\" }",
        ],
        &["users ="],
    );
}

#[test]
fn policies_lead_to_owners_where_no_foreign_key_does() {
    assert_lines(
        "create table public.notes (id uuid primary key, writer uuid, topic uuid);
        alter table public.notes enable row level security;
        create policy own on public.notes using ((select auth.uid()) = writer);",
        &[
            "\"public.notes\" = { user = \"writer\" }",
            "# user: a policy compares it with who asks",
            "users = \"auth.users\"",
        ],
        &["tenant ="],
    );
}

#[test]
fn names_and_types_lead_to_owners_where_nothing_else_does() {
    assert_lines(
        "create table public.notes (id uuid primary key, user_id uuid);
        create table public.visits (id int primary key, user_id int);",
        &[
            "\"public.notes\" = { user = \"user_id\" }",
            "# user: its name and type say so, no foreign key does",
            "# \"public.visits\" = \"shared\"",
        ],
        &[],
    );
}

/// A copy of the users that a trigger keeps, without a foreign key, and memberships of it.
#[test]
fn a_profile_is_its_user() {
    assert_lines(
        "create table public.users (id uuid primary key, email text not null);
        alter table public.users enable row level security;
        create policy self on public.users using (id = auth.uid());
        create table public.organizations (id uuid primary key, name text);
        create table public.organization_members (
            id uuid primary key, user_id uuid not null references public.users (id),
            organization_id uuid not null references public.organizations (id),
            unique (user_id, organization_id)
        );
        create table public.projects (
            id uuid primary key, organization_id uuid not null references public.organizations (id)
        );",
        &[
            "tenant = \"public.organizations\"",
            "members = { table = \"public.organization_members\", tenant = \"organization_id\", \
             user = \"user_id\" }",
            "\"public.projects\" = { tenant = \"organization_id\" }",
        ],
        &["users ="],
    );
}

/// Where the token alone says whose somebody is.
#[test]
fn claims_lead_to_tenants() {
    assert_lines(
        "create table public.companies (id uuid primary key);
        create table public.invoices (
            id uuid primary key, company uuid not null references public.companies (id)
        );
        alter table public.invoices enable row level security;
        create policy own on public.invoices
            using (company = (auth.jwt() -> 'app_metadata' ->> 'company')::uuid);",
        &[
            "tenant = \"public.companies\"",
            "claims = [\"app_metadata.company\"]",
            "\"public.invoices\" = { tenant = \"company\" }",
        ],
        &["members"],
    );
}

/// Folders and likes belong to users; they are no tenants.
#[test]
fn what_ties_users_to_things_is_no_membership() {
    assert_lines(
        "create table public.workspaces (
            id uuid primary key, user_id uuid not null references auth.users (id)
        );
        create table public.files (
            id uuid primary key, user_id uuid not null references auth.users (id)
        );
        create table public.file_workspaces (
            user_id uuid not null references auth.users (id),
            file_id uuid not null references public.files (id),
            workspace_id uuid not null references public.workspaces (id),
            primary key (file_id, workspace_id)
        );
        create table public.file_likes (
            user_id uuid not null references auth.users (id),
            file_id uuid not null references public.files (id),
            primary key (user_id, file_id)
        );",
        &["users = \"auth.users\"", "\"public.file_workspaces\" = { user = \"user_id\" }"],
        &["tenant ="],
    );
}

/// A project's own config says the same as what is inferred without it.
#[test]
fn what_is_inferred_is_what_a_person_wrote() {
    let copy = Copy::of("sql/conversations");
    let config = std::fs::read_to_string(root().join("sql/conversations/leakproof.toml"));
    let config = config.expect("a config").replace("../../snapshots", "../snapshots");
    let (before, rest) = config.split_once("[tenancy]").expect("a tenancy");
    let (_, actors) = rest.split_once("# Whoever runs").expect("actors");
    copy.write("leakproof.toml", &format!("{before}# Whoever runs{actors}"));
    let report = check_project(&copy.path());
    assert!(report.is_as_accepted(), "{}", to_text(&report));
    assert_eq!(report.tenants, 2);
}

/// From nothing to a gate: `init`, `check`, `--accept`, and then a table without row security.
#[test]
fn init_accept_and_the_next_mistake() {
    let _server = shared_server();
    let copy = Copy::empty();
    let policies = "
        alter table public.orgs enable row level security;
        alter table public.org_members enable row level security;
        create policy own on public.org_members for select to authenticated
            using (user_id = (select auth.uid()));
        create policy members on public.orgs for select to authenticated using (
            exists (select from public.org_members m where m.org_id = id and m.user_id = auth.uid())
        );
        revoke truncate on public.orgs, public.org_members from anon, authenticated, service_role;
        grant select on public.orgs, public.org_members to authenticated;";
    copy.write("supabase/migrations/20240101000000_orgs.sql", &format!("{ORGS}{policies}"));
    let path = copy.path().display().to_string();
    let run = |arguments: &[&str]| {
        let mut all = arguments.to_vec();
        all.push(&path);
        told(&leakproof(&all).output().expect("the program"))
    };
    let (code, config, _) = run(&["init"]);
    assert_eq!(code, Some(0), "{config}");
    assert!(config.contains(MEMBERS), "{config}");
    let written = std::fs::read_to_string(copy.path().join("leakproof.toml")).expect("a file");
    assert_eq!(written, config);
    let (code, _, refusal) = run(&["init"]);
    assert_eq!(code, Some(2));
    assert!(refusal.contains("leakproof.toml` is there already"), "{refusal}");

    let (code, report, _) = run(&["check"]);
    assert_eq!(code, Some(1), "nothing is accepted yet: {report}");
    assert_eq!(run(&["check", "--accept"]).0, Some(0));
    let (code, report, _) = run(&["check"]);
    assert_eq!(code, Some(0), "{report}");

    copy.write(
        "supabase/migrations/20240102000000_notes.sql",
        "create table public.notes (id uuid primary key, org_id uuid references public.orgs (id));
        grant select on public.notes to authenticated;",
    );
    let (code, report, _) = run(&["check"]);
    assert_eq!(code, Some(1), "{report}");
    assert!(report.contains("cross-tenant-read: public.notes"), "{report}");
}

/// Who signs up may get a tenant of his own, and one that he shares with everybody.
#[test]
fn tenants_that_a_trigger_makes_are_tenants() {
    let copy = Copy::empty();
    let sql = format!(
        "{ORGS}
        insert into public.orgs values ('c0000000-0000-4000-8000-000000000000', 'demo');
        create function public.welcome() returns trigger language plpgsql security definer
        set search_path = '' as $$
        declare
            own uuid := gen_random_uuid();
        begin
            insert into public.orgs values (own, 'own');
            insert into public.org_members values (own, new.id, 'owner'),
                ('c0000000-0000-4000-8000-000000000000', new.id, 'member');
            return new;
        end $$;
        create trigger welcome after insert on auth.users
            for each row execute function public.welcome();
        create function public.mine() returns setof uuid language sql stable security definer
        set search_path = '' as $$
            select org_id from public.org_members where user_id = (select auth.uid())
        $$;
        alter table public.orgs enable row level security;
        alter table public.org_members enable row level security;
        create policy members on public.orgs to authenticated
            using (id in (select public.mine()));
        create policy members on public.org_members for select to authenticated
            using (org_id in (select public.mine()));
        grant select, update, delete on public.orgs to authenticated;
        grant select on public.org_members to authenticated;
        revoke truncate on public.orgs, public.org_members from anon, authenticated, service_role;"
    );
    copy.write("supabase/migrations/20240101000000_all.sql", &sql);
    let report = check_project(&copy.path());
    assert!(report.findings.is_empty(), "{}", to_text(&report));
    let note = "a trigger makes every user a member of c0000000-0000-4000-8000-000000000000 in \
                public.orgs";
    assert!(report.notes.iter().any(|known| known.starts_with(note)), "{:?}", report.notes);

    // The same with a policy that lets everybody see every tenant.
    let open = "create policy everybody on public.orgs for select to authenticated using (true);";
    copy.write("supabase/migrations/20240102000000_open.sql", open);
    let report = check_project(&copy.path());
    let found: Vec<(Rule, String)> =
        report.findings.iter().map(|finding| (finding.rule, finding.on())).collect();
    assert_eq!(found, [(Rule::CrossTenantRead, "public.orgs".to_owned())], "{}", to_text(&report));
}

/// A line of `[tenancy.owners]` outweighs what would be inferred; a wrong one is told.
#[test]
fn a_person_corrects_what_was_inferred() {
    let copy = Copy::empty();
    let sql = "create table public.plans (id uuid primary key, created_by uuid);
        grant select on public.plans to authenticated;
        revoke truncate on public.plans from anon, authenticated, service_role;";
    copy.write("supabase/migrations/20240101000000_plans.sql", sql);
    copy.write("supabase/config.toml", "[api]\nauto_expose_new_tables = false\n");
    let report = check_project(&copy.path());
    let rules: Vec<Rule> = report.findings.iter().map(|finding| finding.rule).collect();
    assert_eq!(rules, [Rule::CrossTenantRead, Rule::OwnerlessRead], "{}", to_text(&report));
    copy.write("leakproof.toml", "[tenancy.owners]\n\"public.plans\" = \"shared\"\n");
    let report = check_project(&copy.path());
    assert!(report.findings.is_empty(), "{}", to_text(&report));
    assert_eq!(report.outcome(), Outcome::Failed, "nothing is accepted yet");
    copy.write("leakproof.toml", "[tenancy.owners]\n\"public.plans\" = { user = \"nobody\" }\n");
    let wrong = crate::support::try_check_with(&copy.path(), |_| {}).unwrap_err().to_string();
    assert!(wrong.contains("`public.plans` has no column `nobody`"), "{wrong}");
    assert!(wrong.contains("correct `owners` under `[tenancy]`"), "{wrong}");
}

/// Policies that ask who is asking, and no owner: told until somebody states whose the rows are.
#[test]
fn an_unknown_owner_is_told_until_it_is_stated() {
    let copy = Copy::empty();
    let sql = "create table public.docs (id uuid primary key, readers uuid[] not null);
        alter table public.docs enable row level security;
        create policy readers on public.docs for select to authenticated
            using (auth.uid() = any (readers));
        revoke all on public.docs from anon, authenticated;";
    copy.write("supabase/migrations/20240101000000_docs.sql", sql);
    let found = || -> Vec<String> {
        let report = check_project(&copy.path());
        let told =
            report.findings.iter().map(|f| format!("{:?} {} {}", f.severity, f.rule, f.subject));
        told.collect()
    };
    // Nobody has a privilege on it.
    assert_eq!(found(), ["Low unknown public.docs"]);
    let grant = "grant select on public.docs to authenticated;";
    copy.write("supabase/migrations/20240102000000_grant.sql", grant);
    assert_eq!(found(), ["High unknown public.docs"]);

    // What is written down does not settle it by itself.
    let project = Project::read(copy.path()).expect("a readable project");
    let config = inferred_config(&project, &shared_server()).unwrap_or_else(|e| panic!("{e}"));
    assert!(config.contains("# unknown: policies relate the rows to who is asking"), "{config}");
    assert!(!config.contains("\n\"public.docs\""), "{config}");
    copy.write("leakproof.toml", &config);
    assert_eq!(found(), ["High unknown public.docs"]);
    copy.write("leakproof.toml", "[tenancy.owners]\n\"public.docs\" = \"shared\"\n");
    // Whose they are is settled; what a reader sees was still not tried, as there is none.
    assert_eq!(found(), ["High untested public.docs"]);
}

/// What a policy reads of members, of a profile or of the token leads to owners under any name.
#[test]
fn what_policies_choose_by_who_asks_leads_to_owners() {
    assert_lines(
        &format!(
            "{ORGS}
            create function public.mine() returns setof uuid language sql stable as $$
                select m.org_id from public.org_members m where m.user_id = (select auth.uid())
            $$;
            create function public.me() returns uuid language plpgsql stable as $$
            declare
                who uuid;
            begin
                select auth.uid() into who;
                return who;
            end $$;
            create table public.plans (id uuid primary key, belongs_to uuid);
            alter table public.plans enable row level security;
            create policy mine on public.plans using (belongs_to in (select public.mine()));
            create table public.letters (id uuid primary key, sender uuid, kept_by text);
            alter table public.letters enable row level security;
            create policy mine on public.letters using (not (kept_by <> public.me()::text));"
        ),
        &[
            "tenant = \"public.orgs\"",
            "\"public.plans\" = { tenant = \"belongs_to\" }",
            "# tenant: a policy compares it with a row that it chooses by who asks",
            "\"public.letters\" = { user = \"kept_by\" }",
            "# user: a policy compares it with who asks",
        ],
        &[],
    );
}
