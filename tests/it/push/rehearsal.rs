//! The files on a throwaway before the push: what they open, what they meet, what they lock.

use serde_json::Value;

use super::project;
use super::target::Target;
use crate::support::{Copy, leakproof, told};

const CONFIG: &str = "[project]\nplatform = \"plain\"\n[identity]\nrole = \"app_user\"\nuser = \"app.user_id\"\n\
    [tenancy]\nusers = \"public.users\"\n";

const BASE: &str = "
    create table public.users (id uuid primary key);
    create table public.messages (
        id bigint generated always as identity primary key, owner uuid not null references public.users, body text
    );
    alter table public.messages enable row level security;
    create policy own on public.messages
        using (owner = nullif(current_setting('app.user_id', true), '')::uuid);
    grant select, insert, update, delete on public.messages to app_user;
";

/// What is asked for by who rehearses.
const REHEARSED: [&str; 2] = ["--server", "local"];

/// A database that has the first version, and the project, whose access is accepted.
fn begun() -> (Target, Copy) {
    let target = Target::start();
    let copy = project(&[("V1__base", BASE)]);
    copy.write("leakproof.toml", CONFIG);
    // Roles are the server's, which many share.
    let role = "do $$ begin create role app_user; exception when duplicate_object or unique_violation then null; end $$";
    target.admin().batch_execute(role).expect("a role");
    copy.write(
        "migrations/V0__role.sql",
        "do $$ begin if to_regrole('app_user') is null then create role app_user; end if; end $$",
    );
    accept(&copy);
    let (code, stdout, stderr) = target.push(&copy, &REHEARSED);
    assert!(code == 0 && stdout.contains("check       ok"), "{stdout}{stderr}");
    (target, copy)
}

fn accept(copy: &Copy) {
    let path = copy.path().display().to_string();
    let output = leakproof(&["check", &path, "--accept", "--server", "local"]).output();
    let (code, stdout, stderr) = told(&output.expect("it runs"));
    assert_eq!(code, Some(0), "{stdout}{stderr}");
}

/// Exit code and all that is said.
fn push(target: &Target, copy: &Copy, arguments: &[&str]) -> (i32, String) {
    let (code, stdout, stderr) = target.push(copy, &[&REHEARSED, arguments].concat());
    (code, format!("{stdout}{stderr}"))
}

#[test]
fn what_opens_a_table_is_not_pushed() {
    let (target, copy) = begun();
    copy.write(
        "migrations/V2__open.sql",
        "create policy opened on public.messages for select using (true)",
    );
    let (code, told) = push(&target, &copy, &[]);
    assert!(code == 2 && told.contains("since the rehearsal did not pass"), "{told}");
    assert!(
        told.contains("granted  public.messages  read") && told.contains("cross-tenant-read"),
        "{told}"
    );
    let policies =
        "select polname::text from pg_policy where polrelid = 'public.messages'::regclass";
    assert_eq!(target.ask(policies), ["own"]);
    assert_eq!(push(&target, &copy, &["--dry-run"]).0, 1);
    // The same file, closed.
    copy.write(
        "migrations/V2__open.sql",
        "create policy closed on public.messages for select using (false)",
    );
    let (code, told) = push(&target, &copy, &[]);
    assert!(code == 0 && told.contains("access      does not change"), "{told}");
    let verdict =
        "select receipt -> 'rehearsed' ->> 'verdict' from leakproof.receipts where version = 2";
    assert!(target.ask(verdict).concat().contains("verdict: ok"), "{told}");
    copy.write("migrations/V3__more.sql", "select 1");
    target.expect_pushed(&copy);
    let said = "select (receipt -> 'rehearsed')::text from leakproof.receipts where version = 3";
    assert_eq!(target.ask(said), ["false"]);
}

#[test]
fn what_has_drifted_is_not_taken_for_rehearsed() {
    let (target, copy) = begun();
    target
        .connect()
        .batch_execute("create index by_body on public.messages (body)")
        .expect("an index");
    copy.write("migrations/V2__apart.sql", "create table public.apart (id int)");
    accept(&copy);
    let (code, told) = push(&target, &copy, &[]);
    assert!(code == 0 && told.contains("drift       1 difference"), "{told}");
    copy.write("migrations/V3__title.sql", "alter table public.messages add column title text");
    accept(&copy);
    let (code, told) = push(&target, &copy, &[]);
    let why = "V3 title is not rehearsed: it touches what has drifted: index public.by_body";
    assert!(code == 2 && told.contains(why), "{told}");
    target.connect().batch_execute("drop index by_body").expect("it goes");
    let (code, told) = push(&target, &copy, &[]);
    assert!(code == 0 && told.contains("drift       none"), "{told}");
}

#[test]
fn the_plan_tells_what_is_locked_and_rewritten() {
    let (target, copy) = begun();
    let fill = "insert into public.users values (gen_random_uuid());
        insert into public.messages (owner, body) select id, repeat('x', 500) from public.users, generate_series(1, 500);
        analyze public.messages";
    target.connect().batch_execute(fill).expect("rows");
    copy.write(
        "migrations/V2__all.sql",
        "alter table public.messages add column title text;\nselect 1;\n\
         alter table public.messages alter column body type varchar(900);\n\
         create index on public.messages (owner);\n\
         alter table public.messages add constraint short check (length(body) < 901);\n\
         update public.users set id = id;",
    );
    copy.write("migrations/V3__index.sql", "create index concurrently i on public.messages (id)");
    accept(&copy);
    let (code, stdout, stderr) =
        target.push(&copy, &[&REHEARSED[..], &["--dry-run", "--format", "json"]].concat());
    assert_eq!(code, 0, "{stdout}{stderr}");
    let plan: Value = serde_json::from_str(&stdout).expect("one document");
    assert_eq!(plan["schema"], 1);
    let touches = plan["files"][0]["touches"].as_array().expect("a list").clone();
    let of = |name: &str| touches.iter().find(|one| one["relation"] == name).expect(name).clone();
    let messages = of("public.messages");
    assert_eq!(messages["lock"], "ACCESS EXCLUSIVE");
    let lines = ["line", "rewritten", "index_built", "scanned"].map(|key| messages[key].as_i64());
    assert_eq!(lines, [Some(1), Some(3), Some(4), Some(4)], "{messages}");
    assert_eq!(messages["size"]["rows"], 500);
    assert_eq!(of("public.users")["lock"], "ROW EXCLUSIVE");
    let outside = &plan["files"][1];
    assert!(outside["is_outside"] == true && outside["touches"].is_null(), "{outside}");
    let (code, told) = push(&target, &copy, &[]);
    assert!(code == 0 && told.contains("500 rows"), "{told}");
}
