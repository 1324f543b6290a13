//! Where in the files each object was changed last, exact also where a `do` block or a function did
//! it.

use leakproof::migrate::ObjectKind;
use leakproof::{Project, Scratch};

use crate::support::{Copy, PLAIN_CONFIG, empty_scratch};

const FIRST: &str = "create table public.notes (id int primary key, owner uuid);

create function public.one() returns int language sql as 'select 1';
create view public.shown as select id from public.notes;

do $$ begin
    execute 'create policy made_in_do on public.notes using (true)';
    -- What is taken back leaves nothing.
    begin
        create policy taken_back on public.notes using (true);
        raise exception 'no';
    exception when others then
        alter table public.notes enable row level security;
    end;
end $$;
create policy plain on public.notes for select using (owner is null);
create policy left_alone on public.notes for insert with check (true);
create or replace function public.make_policy(name text) returns void language plpgsql as
    $$ begin execute format('create policy %I on public.notes using (false)', name); end $$;
select public.make_policy('made_in_function');
create table public.later (id int check (id > 0));
";

/// Two changes of one thing in one file, and some of what an earlier one made.
const SECOND: &str = "alter policy plain on public.notes using (true);
alter policy plain on public.notes using (false);
create or replace function public.one() returns int language sql as 'select 2';
comment on policy left_alone on public.notes is 'no row of the catalog changes by that';
create function public.touch() returns trigger language plpgsql as 'begin return new; end';
create trigger touch before insert on public.later for each row execute function public.touch();
";

const BACK: &str = "
drop trigger touch on public.later;
drop function public.touch();
create or replace function public.one() returns int language sql as 'select 1';
alter policy plain on public.notes using (owner is null);
";

const POLICY: &str = "select oid::bigint from pg_policy where polname = ";
const RELATION: &str = "select oid::bigint from pg_class where relname = ";
const ROUTINE: &str = "select oid::bigint from pg_proc where proname = ";
const TRIGGER: &str = "select oid::bigint from pg_trigger where tgname = ";
const CONSTRAINT: &str = "select oid::bigint from pg_constraint where conname = ";

/// Where it was changed last, as `V1:3`.
fn place(scratch: &Scratch<'_>, kind: ObjectKind, query: &str, name: &str) -> String {
    let mut client = scratch.connect().expect("a connection");
    let oid = client
        .query_one(&format!("{query}'{name}' order by 1 limit 1"), &[])
        .expect("it is there")
        .get(0);
    let Some(place) = scratch.places().of(kind, oid) else { return "nowhere".into() };
    let file = place.file().file_stem().expect("a name").to_string_lossy();
    format!("{file}:{}", place.line())
}

fn expect(scratch: &Scratch<'_>, expected: &[(ObjectKind, &str, &str, &str)]) {
    for (kind, query, name, told) in expected {
        assert_eq!(place(scratch, *kind, query, name), *told, "{name}");
    }
}

fn travel(config: &str) {
    use ObjectKind::{Constraint, Policy, Relation, Routine, Trigger};
    let copy = Copy::empty();
    copy.write("leakproof.toml", config);
    copy.write("migrations/V1__a.sql", FIRST);
    copy.write("migrations/V2__b.sql", SECOND);
    copy.write("rollback/V2__b.sql", BACK);
    let project = Project::read(copy.path()).expect("a project");
    let mut scratch = empty_scratch(&project);
    scratch.migrate_to(1).expect("the first");
    expect(
        &scratch,
        &[
            (Relation, RELATION, "notes", "V1__a:6"),
            (Relation, RELATION, "notes_pkey", "V1__a:1"),
            (Constraint, CONSTRAINT, "notes_pkey", "V1__a:1"),
            (Routine, ROUTINE, "one", "V1__a:3"),
            (Relation, RELATION, "shown", "V1__a:4"),
            (Policy, POLICY, "made_in_do", "V1__a:6"),
            (Policy, POLICY, "plain", "V1__a:16"),
            (Policy, POLICY, "made_in_function", "V1__a:20"),
            (Relation, RELATION, "later", "V1__a:21"),
            (Relation, RELATION, "pg_proc", "nowhere"),
        ],
    );
    scratch.migrate_to(2).expect("the second");
    expect(
        &scratch,
        &[
            (Policy, POLICY, "plain", "V2__b:2"),
            (Policy, POLICY, "left_alone", "V1__a:17"),
            (Policy, POLICY, "made_in_do", "V1__a:6"),
            (Routine, ROUTINE, "one", "V2__b:3"),
            (Relation, RELATION, "later", "V2__b:6"),
            (Trigger, TRIGGER, "touch", "V2__b:6"),
            (Constraint, CONSTRAINT, "later_id_check", "V1__a:21"),
        ],
    );
    scratch.roll_back_to(1).expect("the way back");
    expect(
        &scratch,
        &[
            (Policy, POLICY, "plain", "V2__b:5"),
            (Routine, ROUTINE, "one", "V2__b:4"),
            (Policy, POLICY, "made_in_function", "V1__a:20"),
        ],
    );
    let left = "select count(*)::text from leakproof.marks";
    assert_eq!(crate::support::lines(&scratch, left), ["0"]);
}

/// The owner is no superuser there.
#[test]
fn of_a_supabase_project() {
    travel("[project]\nmigrations = \"migrations\"\n");
}

#[test]
fn of_a_plain_project() {
    travel(PLAIN_CONFIG);
}

/// What is done on the owner's behalf, and as whom the file has become.
#[test]
fn of_what_others_do() {
    let copy = Copy::empty();
    copy.write("leakproof.toml", "[project]\nmigrations = \"migrations\"\n");
    let sql = "create extension pg_hashids with schema extensions;
        create schema hers authorization authenticated;
        set role authenticated;
        create table hers.notes (id int);
        create policy hers on hers.notes using (true);
        reset role;
        create publication tells for table public.told_of;";
    let sql = format!("create table public.told_of (id int);\n{sql}");
    copy.write("migrations/V1__a.sql", &sql);
    let project = Project::read(copy.path()).expect("a project");
    let mut scratch = empty_scratch(&project);
    scratch.migrate().expect("it applies");
    expect(
        &scratch,
        &[
            (ObjectKind::Routine, ROUTINE, "id_encode", "V1__a:2"),
            (ObjectKind::Relation, RELATION, "notes", "V1__a:5"),
            (ObjectKind::Policy, POLICY, "hers", "V1__a:6"),
            (ObjectKind::Relation, RELATION, "told_of", "V1__a:1"),
        ],
    );
}
