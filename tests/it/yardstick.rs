//! Who is who: membership in one's own row, people whom policies tell apart, and rows as a sign-up makes
//! them. Each open form has its finding, each tight one none.

use std::collections::BTreeSet;

use leakproof::finding::{Rule, Severity};
use leakproof::matrix::{Command, RowClass};
use leakproof::report::{Outcome, Report, to_text};

use crate::support::{Copy, check_project, check_with, high};

pub fn supabase(sql: &str) -> Copy {
    let copy = Copy::empty();
    copy.write("supabase/migrations/20240101000000_all.sql", sql);
    copy
}

/// What is marked of an actor's reading of a relation, class by class.
pub fn row(report: &Report, relation: &str, actor: &str) -> String {
    let subjects = report.matrix.marks().into_iter().filter(|(key, _)| key.relation == relation);
    let read: Vec<_> = subjects.filter(|(key, _)| key.command == Command::Read).collect();
    let classes: BTreeSet<RowClass> = read.iter().map(|(key, _)| key.class).collect();
    let mark = |class: RowClass| {
        let mut of = read.iter().filter(|(key, _)| key.actor == actor && key.class == class);
        of.next().map_or('_', |(_, mark)| *mark)
    };
    classes.into_iter().map(mark).collect()
}

const PROFILES: &str = "
create table public.tenants (id uuid primary key default gen_random_uuid(), name text not null);
create table public.profiles (
    id uuid primary key references auth.users (id) on delete cascade,
    email text, tenant_id uuid references public.tenants (id)
);
create table public.products (
    id uuid primary key default gen_random_uuid(),
    tenant_id uuid not null references public.tenants (id), name text
);
alter table public.tenants enable row level security;
alter table public.profiles enable row level security;
alter table public.products enable row level security;
create policy own on public.profiles for select to authenticated using (id = auth.uid());
create policy own on public.products to authenticated
    using (tenant_id = (select p.tenant_id from public.profiles p where p.id = auth.uid()));
";

const SIGN_UP: &str = "
create function public.handle_new_user() returns trigger language plpgsql security definer
set search_path = '' as $$
begin
    insert into public.profiles (id, email) values (new.id, new.email);
    return new;
end $$;
create trigger sign_up after insert on auth.users
    for each row execute function public.handle_new_user();
";

#[test]
fn membership_may_stand_in_the_row_of_the_user() {
    for more in ["", SIGN_UP] {
        let copy = supabase(&format!("{PROFILES}{more}"));
        let report = check_project(&copy.path());
        assert_eq!(high(&report), [], "{}", to_text(&report));
        let text = to_text(&report);
        assert_eq!(row(&report, "public.products", "alice"), "T.", "{text}");
        assert_eq!(row(&report, "public.products", "outsider"), "_.", "{text}");
        assert_eq!(row(&report, "public.products", "removed"), "_.", "{text}");
        copy.write(
            "supabase/migrations/20240102000000_open.sql",
            "create policy open on public.products for select to authenticated using (true);",
        );
        let report = check_project(&copy.path());
        let expected = (Rule::CrossTenantRead, "public.products".to_owned());
        assert!(high(&report).contains(&expected), "{}", to_text(&report));
    }
}

/// What a trigger asks for at sign-up is said; what is in the way of a row is told with its function.
#[test]
fn users_sign_up_with_what_triggers_ask_for() {
    let copy = supabase(
        "create table public.profiles (
            id uuid primary key references auth.users (id), full_name text not null,
            role text not null check (role in ('member', 'admin'))
        );
        create function public.handle_new_user() returns trigger language plpgsql security definer
        set search_path = '' as $$
        begin
            insert into public.profiles (id, full_name, role) values (
                new.id, new.raw_user_meta_data ->> 'fullName', new.raw_user_meta_data->>'role'
            );
            return new;
        end $$;
        create trigger sign_up after insert on auth.users
            for each row execute function public.handle_new_user();
        alter table public.profiles enable row level security;
        create policy own on public.profiles for select to authenticated using (id = auth.uid());",
    );
    let report = check_project(&copy.path());
    let text = to_text(&report);
    assert_eq!(high(&report), [], "{text}");
    assert_eq!(row(&report, "public.profiles", "alice"), "O.", "{text}");
    let copy = supabase(
        "create table public.orgs (
            id uuid primary key default gen_random_uuid(),
            kind text not null default 'team' check (kind in ('personal', 'team')),
            user_id uuid not null references auth.users (id)
        );
        create function public.boom() returns trigger language plpgsql as
            $$ begin perform no_such_function(new.id); return null; end $$;
        create trigger boom after insert on public.orgs for each row execute function public.boom();
        alter table public.orgs enable row level security;
        create policy own on public.orgs to authenticated using (user_id = auth.uid());",
    );
    let report = check_project(&copy.path());
    let told =
        "function no_such_function(uuid) does not exist (SQLSTATE 42883), in PL/pgSQL function";
    assert!(report.notes.iter().any(|note| note.contains(told)), "{:?}", report.notes);
}

/// Where a role is more than others are, somebody has it, and what that opens is no finding.
#[test]
fn who_is_more_than_others_is_in_the_matrix() {
    let copy = supabase(
        "create table public.notes (
            id uuid primary key default gen_random_uuid(),
            user_id uuid not null references auth.users (id), body text
        );
        alter table public.notes enable row level security;
        create policy own on public.notes to authenticated
            using (user_id = auth.uid() or auth.jwt() -> 'app_metadata' ->> 'role' = 'support');",
    );
    let report = check_project(&copy.path());
    let text = to_text(&report);
    assert_eq!(high(&report), [], "{text}");
    assert_eq!(row(&report, "public.notes", "alice"), "O.", "{text}");
    assert_eq!(row(&report, "public.notes", "alice:support"), "OX", "{text}");
}

const DOCS: &str = "
create table public.tenants (id uuid primary key default gen_random_uuid(), name text not null);
create table public.members (
    tenant_id uuid not null references public.tenants (id),
    user_id uuid not null references auth.users (id), primary key (tenant_id, user_id)
);
create table public.docs (
    id uuid primary key default gen_random_uuid(),
    tenant_id uuid not null references public.tenants (id), body text
);
alter table public.members enable row level security;
alter table public.docs enable row level security;
alter table public.tenants enable row level security;
create policy own on public.members for select to authenticated using (user_id = auth.uid());
create policy own on public.docs to authenticated using (tenant_id in (
    select m.tenant_id from public.members m where m.user_id = auth.uid()
));
";

/// A table of administrators, and a function that answers by a body in a language.
fn docs_and_admins(language: &str, body: &str) -> String {
    format!(
        "{DOCS}
        create table public.admins (user_id uuid primary key references auth.users (id));
        alter table public.admins enable row level security;
        create policy own on public.admins for select to authenticated
            using (user_id = auth.uid());
        create function public.is_admin() returns boolean language {language} stable
            security definer set search_path = '' as $$ {body} $$;"
    )
}

/// Who is listed in a table of staff is somebody of their own, however policies ask for that; nobody else is
/// listed, so that nothing is opened to them.
#[test]
fn ordinary_people_are_not_of_the_staff() {
    let listed = "exists (select from public.admins where user_id = auth.uid())";
    let in_steps = format!("begin if {listed} then return true; end if; return false; end");
    let found = "begin perform from public.admins a where a.user_id = (select auth.uid());
        return found; end";
    for (policy, language, body) in [
        (listed, "sql", "select true"),
        ("auth.uid() in (select user_id from public.admins)", "sql", "select true"),
        (
            "(select count(*) from public.admins a where a.user_id = auth.uid()) > 0",
            "sql",
            "select true",
        ),
        ("public.is_admin()", "sql", &format!("select {listed}")),
        ("(select public.is_admin())", "plpgsql", &in_steps),
        ("public.is_admin()", "plpgsql", found),
    ] {
        let staff = format!(
            "create policy staff on public.docs for select to authenticated using ({policy});"
        );
        let copy = supabase(&format!("{}{staff}", docs_and_admins(language, body)));
        let report = check_project(&copy.path());
        let text = to_text(&report);
        assert_eq!(high(&report), [], "{policy} {body}: {text}");
        assert_eq!(row(&report, "public.docs", "alice"), "T.", "{text}");
        assert_eq!(row(&report, "public.docs", "alice:admins"), "TX", "{text}");
        assert_eq!(row(&report, "public.admins", "outsider"), "__.", "{text}");
        assert!(text.contains("has a row in public.admins (`alice:admins`)"), "{text}");
        assert!(is_for_the_team(&report), "{text}");
        copy.write("leakproof.toml", "[tenancy]\nstaff = [\"public.admins\"]\n");
        let report = check_project(&copy.path());
        assert!(!is_for_the_team(&report), "{}", to_text(&report));
    }
}

/// Whether somebody is asked to say that what a table of staff opens is meant.
fn is_for_the_team(report: &Report) -> bool {
    report.findings.iter().any(|finding| finding.rule == Rule::StaffReach)
}

/// A list of everybody is no list of staff; the config has the last word.
#[test]
fn who_lists_everybody_is_told_or_said() {
    let policy = |table: &str, column: &str| {
        format!(
            "create policy more on public.docs for select to authenticated
             using (exists (select from public.{table} t where t.{column} = auth.uid()));"
        )
    };
    let profiles = "create table public.profiles (id uuid primary key references auth.users (id));
        alter table public.profiles enable row level security;
        create policy own on public.profiles for select to authenticated using (id = auth.uid());";
    let leak = [(Rule::CrossTenantRead, "public.docs".to_owned())];
    let copy = supabase(&format!("{DOCS}{profiles}{}", policy("profiles", "id")));
    let report = check_project(&copy.path());
    assert_eq!(high(&report), leak, "{}", to_text(&report));
    copy.write("leakproof.toml", "[tenancy]\nstaff = [\"public.profiles\"]\n");
    let report = check_project(&copy.path());
    assert_eq!(high(&report), [], "{}", to_text(&report));
    let admins = docs_and_admins("sql", "select true");
    let copy = supabase(&format!("{admins}{}", policy("admins", "user_id")));
    copy.write("leakproof.toml", "[tenancy]\nstaff = []\n");
    let report = check_project(&copy.path());
    assert_eq!(high(&report), leak, "{}", to_text(&report));
}

/// What names people by their e-mail is theirs, however policies ask for that.
#[test]
fn rows_may_be_known_by_an_email() {
    for mine in [
        "email = auth.email()",
        "email = (auth.jwt() ->> 'email')",
        "lower(email) = lower((select auth.jwt()) ->> 'email')",
        "email = public.my_email() and status = 'pending'",
        "email = auth.email() or invited_by = auth.uid()",
    ] {
        let copy = supabase(&format!(
            "{DOCS}
            create function public.my_email() returns text language sql stable security definer
            set search_path = '' as $$ select email from auth.users where id = auth.uid() $$;
            create table public.invitations (
                id uuid primary key default gen_random_uuid(), email text not null,
                invited_by uuid references auth.users (id), status text not null default 'pending'
            );
            alter table public.invitations enable row level security;
            create policy mine on public.invitations for select to authenticated using ({mine});"
        ));
        let report = check_project(&copy.path());
        let text = to_text(&report);
        assert_eq!(high(&report), [], "{mine}: {text}");
        assert!(
            row(&report, "public.invitations", "alice").starts_with(['O', 'o']),
            "{mine}: {text}"
        );
        copy.write(
            "supabase/migrations/20240102000000_open.sql",
            "create policy open on public.invitations for select to authenticated
             using (auth.uid() is not null);",
        );
        let report = check_project(&copy.path());
        let expected = (Rule::CrossTenantRead, "public.invitations".to_owned());
        assert!(high(&report).contains(&expected), "{mine}: {}", to_text(&report));
    }
}

/// On a plain server the e-mail of the token is that of the row of users.
#[test]
fn an_email_of_a_token_may_name_people() {
    for (more, expected) in [
        ("", vec![]),
        (
            "create policy open on public.letters using (true);",
            vec![(Rule::CrossTenantRead, "public.letters".to_owned())],
        ),
    ] {
        let copy = Copy::empty();
        copy.write(
            "leakproof.toml",
            "[project]\nplatform = \"plain\"\n[identity]\nrole = \"web_user\"\n\
             user = \"request.jwt.claims\"\n[tenancy]\nusers = \"public.people\"\n",
        );
        copy.write(
            "migrations/V1__letters.sql",
            &format!(
                "create table public.people (id uuid primary key, email text not null unique);
                create table public.letters (id uuid primary key, recipient text not null);
                alter table public.letters enable row level security;
                create policy own on public.letters using (recipient =
                    nullif(current_setting('request.jwt.claims', true), '')::json ->> 'email');
                grant select on public.letters to web_user; {more}"
            ),
        );
        let report = check_project(&copy.path());
        let text = to_text(&report);
        assert_eq!(high(&report), expected, "{text}");
        assert!(row(&report, "public.letters", "alice").starts_with('O'), "{text}");
    }
}

/// As whom nobody asks is said: what a list in a token opens, and people beyond those who are asked.
#[test]
fn whom_nobody_asks_as_is_not_checked() {
    let notes = "create table public.notes (
            id uuid primary key default gen_random_uuid(),
            user_id uuid not null references auth.users (id), body text
        );
        alter table public.notes enable row level security;
        create policy own on public.notes to authenticated using (user_id = auth.uid());";
    let role = "auth.jwt() -> 'app_metadata' ->> 'role' in ('a', 'b', 'c', 'd', 'e', 'f', 'g')";
    for (condition, told) in [
        ("false", None),
        (
            "auth.jwt() -> 'user_metadata' -> 'roles' ? 'admin'",
            Some("`user_metadata.roles ? admin`"),
        ),
        (role, Some("alice:g")),
    ] {
        let more = format!(
            "create policy more on public.notes for select to authenticated using ({condition});"
        );
        let report = check_project(&supabase(&format!("{notes}{more}")).path());
        let start = "not checked: whom policies let in by ";
        let said = report.notes.iter().find_map(|note| note.strip_prefix(start));
        let said = said.map(|rest| rest.split(';').next().unwrap_or_default());
        assert_eq!(said, told, "{:?}", report.notes);
    }
}

const LETTERS: &str = "
create table public.firms (id uuid primary key default gen_random_uuid(), name text not null);
create table public.letters (
    id uuid primary key default gen_random_uuid(),
    firm_id uuid not null references public.firms (id), body text
);
alter table public.letters enable row level security;
grant select, insert, update, delete on public.letters to web_user;
";

/// A plain project without any users, and one that PostgREST asks with claims.
#[test]
fn tenants_may_be_of_a_setting_or_of_a_token() {
    for (config, tenant) in [
        (
            "user = \"app.user_id\"\ntenant = \"app.tenant_id\"\n[tenancy]\ntenant = \"public.firms\"",
            "nullif(current_setting('app.tenant_id', true), '')::uuid",
        ),
        (
            "user = \"request.jwt.claims\"\n[tenancy]\ntenant = \"public.firms\"\nclaims = [\"firm\"]",
            "(nullif(current_setting('request.jwt.claims', true), '')::json ->> 'firm')::uuid",
        ),
    ] {
        for (policy, expected) in [
            ("", vec![]),
            (
                "create policy open on public.letters for select using (true);",
                vec![(Rule::CrossTenantRead, "public.letters".to_owned())],
            ),
        ] {
            let copy = Copy::empty();
            let head = "[project]\nplatform = \"plain\"\n[identity]\nrole = \"web_user\"\n";
            copy.write("leakproof.toml", &format!("{head}{config}\n"));
            let own = format!("create policy own on public.letters using (firm_id = {tenant});");
            copy.write("migrations/V1__letters.sql", &format!("{LETTERS}{own}{policy}"));
            let report = check_project(&copy.path());
            let text = to_text(&report);
            assert_eq!(high(&report), expected, "{text}");
            assert!(row(&report, "public.letters", "alice").starts_with('T'), "{text}");
        }
    }
}

/// What is low is told of in the verdict, and fails a check only where that is asked for.
#[test]
fn low_findings_do_not_fail_by_themselves() {
    let copy = supabase(PROFILES);
    check_with(&copy.path(), |options| options.accept = true);
    let report = check_project(&copy.path());
    let text = to_text(&report);
    assert_eq!(report.outcome(), Outcome::Passed, "{text}");
    assert!(text.contains("verdict: ok with 1 low finding, access is as accepted"), "{text}");
    let report = check_with(&copy.path(), |options| options.fail_on = Some(Severity::Low));
    assert_eq!(report.outcome(), Outcome::Failed);
    copy.write("leakproof.toml", "[check]\nfail_on = \"low\"\n");
    check_with(&copy.path(), |options| options.accept = true);
    let report = check_project(&copy.path());
    assert!(report.is_as_accepted(), "{}", to_text(&report));
    assert_eq!(report.outcome(), Outcome::Failed);
}

const LINKS: &str = "
create table public.docs (
    id uuid primary key default gen_random_uuid(),
    owner_id uuid not null references auth.users (id), share_token text unique, title text
);
alter table public.docs enable row level security;
create policy own on public.docs for select to authenticated using (owner_id = auth.uid());
create policy by_link on public.docs for select to anon, authenticated
    using (share_token = current_setting('request.headers', true)::json ->> 'x-share-token');
";

/// Whoever has the token of a shared link reads one row, and that is no leak.
#[test]
fn a_shared_link_opens_its_row_to_who_knows_it() {
    let copy = supabase(LINKS);
    let report = check_project(&copy.path());
    let text = to_text(&report);
    assert_eq!(high(&report), [], "{text}");
    assert_eq!(row(&report, "public.docs", "anon:share_token"), "_x", "{text}");
    assert_eq!(row(&report, "public.docs", "anon"), "_.", "{text}");
    copy.write(
        "supabase/migrations/20240102000000_open.sql",
        "create policy listed on public.docs for select to anon using (share_token is not null);",
    );
    let expected = (Rule::CrossTenantRead, "public.docs".to_owned());
    let report = check_project(&copy.path());
    assert_eq!(high(&report), [expected], "{}", to_text(&report));
}

/// A role that tokens may say is somebody in the matrix.
#[test]
fn a_role_of_tokens_asks_too() {
    let copy = supabase(&format!(
        "{LINKS}
        create role auditor; grant auditor to authenticator; grant usage on schema public to auditor;
        grant select on public.docs to auditor;
        create policy audit on public.docs for select to auditor using (true);"
    ));
    let report = check_project(&copy.path());
    let text = to_text(&report);
    assert_eq!(row(&report, "public.docs", "alice:auditor"), "OX", "{text}");
    assert_eq!(high(&report), [], "{text}");
}

/// What nobody meets was not tried, and says so; one condition is one finding, and a row or somebody who
/// meets it ends it.
#[test]
fn a_way_that_nobody_goes_is_a_finding() {
    let policy = |on: &str| {
        format!(
            "create policy staff on public.{on} for select to authenticated
             using ((select count(*) from public.profiles p where p.id = auth.uid()) > 1);"
        )
    };
    let copy = supabase(&format!("{PROFILES}{}{}", policy("products"), policy("tenants")));
    let report = check_project(&copy.path());
    let expected = [(Rule::Untested, "public.products".to_owned())];
    assert_eq!(high(&report), expected, "{}", to_text(&report));
    let message = report.findings.iter().find(|one| one.rule == Rule::Untested);
    let message = message.expect("it was found").message();
    assert!(message.contains("the policy `staff` (and of public.tenants)"), "{message}");
}

/// Where nobody reaches anything nothing is proved, unless the project says that it is meant.
#[test]
fn a_project_that_nobody_is_to_reach_says_so() {
    let copy = supabase(
        "create table public.jobs (id bigint primary key, what text);
        alter table public.jobs enable row level security;
        create function public.run_job(job bigint) returns void language sql as 'select';
        create sequence public.tickets;",
    );
    let report = check_project(&copy.path());
    assert_eq!(report.outcome(), Outcome::Untrusted, "{}", to_text(&report));
    assert!(to_text(&report).contains("say `people = \"none\"` under `[project]`"));

    copy.write("leakproof.toml", "[project]\npeople = \"none\"\n");
    check_with(&copy.path(), |options| options.accept = true);
    let report = check_project(&copy.path());
    let text = to_text(&report);
    assert_eq!(report.outcome(), Outcome::Passed, "{text}");
    // Nobody tries these.
    assert!(text.contains("1 function that people may call: public.run_job\n"), "{text}");
    assert!(text.contains("1 sequence that people may use: public.tickets\n"), "{text}");
    assert!(text.contains("but 2 not checked; access is as accepted"), "{text}");

    copy.write(
        "supabase/migrations/20240102000000_open.sql",
        "create policy open on public.jobs for select to anon using (true);",
    );
    let expected = (Rule::PeopleReach, "public.jobs".to_owned());
    assert!(high(&check_project(&copy.path())).contains(&expected));
}

/// Where no row could be made nothing was tried.
#[test]
fn a_table_without_rows_is_a_finding() {
    let copy = supabase(&format!(
        "{PROFILES}
        alter table public.products add price int not null check (price > 5 and price < 3);"
    ));
    let report = check_project(&copy.path());
    let untested = report.findings.iter().find(|one| one.rule == Rule::Untested);
    let untested = untested.unwrap_or_else(|| panic!("{}", to_text(&report)));
    assert_eq!((untested.on().as_str(), untested.severity), ("public.products", Severity::High));
    let message = untested.message();
    assert!(message.starts_with("not tried: no row of A, B could be made: "), "{message}");
    assert!(untested.help.contains("seed_stub"), "{}", untested.help);
}
