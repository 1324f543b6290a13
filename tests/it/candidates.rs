//! What JSON says of a finding beside its words: the cause where it is certain, and the policies that
//! apply to what was tried and who tried it.

use leakproof::report::to_json;
use serde_json::{Value, json};

use crate::support::{Copy, check_project};

/// One table without row security, one with a policy that leaks, and one with two of them, of which
/// one is for a role that people have by another.
const MIGRATION: &str = "
create role staff nologin;
grant staff to authenticated;

create table public.bare (id uuid primary key, user_id uuid not null references auth.users (id));
grant select on public.bare to authenticated;

create table public.docs (id uuid primary key, user_id uuid not null references auth.users (id));
alter table public.docs enable row level security;
grant select, delete on public.docs to authenticated;
create policy own on public.docs for select to authenticated using (user_id = (select auth.uid()));
create policy wipe on public.docs for delete to authenticated using (true);
create policy visitors on public.docs for all to anon using (false);

create table public.logs (id uuid primary key, user_id uuid not null references auth.users (id));
alter table public.logs enable row level security;
grant select on public.logs to authenticated;
create policy everybody on public.logs for select using (true);
create policy staff on public.logs for all to staff using (true);
create policy never on public.logs as restrictive for select to authenticated using (true);

revoke truncate on public.bare, public.docs, public.logs from anon, authenticated;
";

#[test]
fn findings_list_the_policies_that_apply() {
    let copy = Copy::empty();
    copy.write("leakproof.toml", "[project]\ngrants = \"2026\"\n");
    copy.write("supabase/migrations/20240101000000_tables.sql", MIGRATION);
    let report: Value = serde_json::from_str(&to_json(&check_project(&copy.path()))).expect("JSON");
    let findings = report["findings"].as_array().expect("a list");
    let told = findings.iter().map(|finding| {
        let candidates = finding["candidates"].as_array().expect("a list").iter();
        let names: Vec<&Value> = candidates.map(|candidate| &candidate["policy"]).collect();
        json!([finding["rule"], finding["on"], finding["cause"], names])
    });
    let expected = json!([
        ["blind-delete", "public.docs", { "policy": { "name": "wipe" } }, ["wipe"]],
        ["cross-tenant-read", "public.bare", "missing-row-security", []],
        ["cross-tenant-read", "public.logs", null, ["everybody", "never", "staff"]],
    ]);
    assert_eq!(Value::from_iter(told), expected);
    let never = &findings[2]["candidates"][1];
    assert_eq!(
        [&never["policy"], &never["command"], &never["is_permissive"], &never["roles"]],
        [&json!("never"), &json!("select"), &json!(false), &json!(["authenticated"])]
    );
    assert_eq!(never["on"], json!("public.logs"));
    // What made it, by file and line.
    for (place, line) in [(&never["place"], 20), (&findings[0]["place"], 12)] {
        let end = format!("20240101000000_tables.sql:{line}");
        assert!(place.as_str().is_some_and(|place| place.ends_with(&end)), "{place} {end}");
    }
    let first = &findings[0]["symptoms"]["access"][0];
    assert_eq!(
        [&first["actor"], &first["command"], &first["class"], &first["verdict"]],
        ["alice", "blind-delete", "other", "allowed"]
    );
}

/// One table without a leak, behind a view that reads as its owner, one that reads as who asks, and one
/// of each over the other.
const VIEWS: &str = "
create table public.docs (id uuid primary key, user_id uuid not null references auth.users (id));
alter table public.docs enable row level security;
grant select on public.docs to authenticated;
create policy own on public.docs for select to authenticated using (user_id = (select auth.uid()));
create policy shared on public.docs for select to authenticated using (true);

create view public.as_owner as select id, user_id from public.docs;
create view public.as_asker with (security_invoker) as select id, user_id from public.docs;
create view public.over_owner with (security_invoker) as select id, user_id from public.as_owner;
create view public.over_asker as select id, user_id from public.as_asker;
grant select on public.as_owner, public.as_asker, public.over_owner, public.over_asker
    to authenticated;
revoke all on public.docs, public.as_owner, public.as_asker, public.over_owner, public.over_asker
    from anon;
revoke insert, update, delete, truncate on public.docs, public.as_owner, public.as_asker,
    public.over_owner, public.over_asker from authenticated;
";

#[test]
fn a_view_has_the_policies_of_what_it_reads_unless_its_owner_is_asked() {
    let copy = Copy::empty();
    copy.write("supabase/migrations/20240101000000_tables.sql", VIEWS);
    let report: Value = serde_json::from_str(&to_json(&check_project(&copy.path()))).expect("JSON");
    let findings = report["findings"].as_array().expect("a list");
    let told = findings.iter().map(|finding| {
        let candidates = finding["candidates"].as_array().expect("a list").iter();
        let names = candidates.map(|candidate| json!([candidate["on"], candidate["policy"]]));
        json!([finding["rule"], finding["on"], finding["cause"], Value::from_iter(names)])
    });
    let both = json!([["public.docs", "own"], ["public.docs", "shared"]]);
    let expected = json!([
        ["cross-tenant-read", "public.as_asker", null, both],
        ["cross-tenant-read", "public.as_owner", "view-owner", []],
        ["cross-tenant-read", "public.docs", null, both],
        ["cross-tenant-read", "public.over_asker", null, both],
        ["cross-tenant-read", "public.over_owner", "view-owner", []],
    ]);
    assert_eq!(Value::from_iter(told), expected);
}
