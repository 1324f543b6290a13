//! Recorded calls, on small migrations: a changed answer is found, the same answer is quiet, and a
//! call that could never tell is refused.

use leakproof::migrate::Applied;
use leakproof::project::Project;

use crate::preservation::{BASELINE, FIXTURE, project};
use crate::support::{empty_scratch, in_parallel, lines};

/// What the recorded calls ask.
const API: &str = "
create function public.my_id() returns uuid language sql stable
    return nullif(current_setting('app.user_id', true), '')::uuid;
alter table public.notes enable row level security;
create policy own on public.notes to app_user using (user_id = public.my_id());
grant select, insert, delete on public.notes to app_user;
create function public.bodies() returns table (body text) language sql stable
    as 'select body from public.notes order by id';
create function public.refuse() returns void language plpgsql
    as 'begin raise exception using message = ''not today'', errcode = ''ZZ001''; end';
create table public.log (id int primary key, note int constraint log_note references public.notes (id)
    deferrable initially deferred);
grant insert on public.log to app_user;
create sequence public.numbers;
";

const BODIES: &str = "-- call: all bodies\nselect * from public.bodies();";
const MY_BODIES: &str = "-- call: my bodies\n-- as: 00000000-0000-4000-8000-000000000001
select * from public.bodies(); select count(*) from public.notes;";
const NO_BODIES: &str = "-- call: no bodies\n-- as: nobody\nselect * from public.bodies();";
const REFUSED: &str = "-- call: refused\nselect 1; select public.refuse();";

/// A name, the migrations from the second on, the calls at version 1, and what must be said.
struct Asked(&'static str, &'static [&'static str], &'static str, &'static [&'static str]);

const ASKED: &[Asked] = &[
    Asked("nothing happens", &["select 1"], BODIES, &["V2: 1 as before"]),
    Asked(
        "one value changes",
        &["update public.notes set body = 'zweiter' where id = 2"],
        BODIES,
        &["V2 all bodies: body = 'second', body = 'zweiter'", "V2: 0 as before"],
    ),
    Asked(
        "a value becomes NULL",
        &["update public.notes set body = null where id = 2"],
        BODIES,
        &["V2 all bodies: body = 'second', body = null", "V2: 0 as before"],
    ),
    Asked(
        "NULL becomes a word",
        &["update public.notes set extra = '0' where id = 2"],
        "
-- call: extras
select extra from public.notes where id = 2",
        &["V2 extras: extra = null, extra = '0'", "V2: 0 as before"],
    ),
    Asked(
        "a row more",
        &["insert into public.notes (id, body) values (4, 'x')"],
        BODIES,
        &["V2 all bodies: nothing, body = 'x'", "V2: 0 as before"],
    ),
    Asked(
        "no row any more",
        &["create or replace function public.bodies() returns table (body text)
        language sql stable as 'select body from public.notes where false'"],
        BODIES,
        &[
            "V2 all bodies: body = 'first', no row of body",
            "V2 all bodies: body = 'second', nothing",
            "V2 all bodies: body = 'first', nothing",
            "V2: 0 as before",
        ],
    ),
    Asked(
        "another order",
        &["create or replace function public.bodies() returns table (body text)
        language sql stable as 'select body from public.notes order by id = 1, id'"],
        BODIES,
        &[
            "V2 all bodies: body = 'first', body = 'second'",
            "V2 all bodies: body = 'second', body = 'first'",
            "V2: 0 as before",
        ],
    ),
    Asked(
        "another function, the same answer",
        &["
        create or replace function public.bodies() returns table (body text) language plpgsql stable
        as 'begin return query select n.body from public.notes n order by n.id; end'"],
        BODIES,
        &["V2: 1 as before"],
    ),
    Asked(
        "a column of the answer is renamed",
        &["drop function public.bodies();
        create function public.bodies() returns table (text text) language sql stable
        as 'select body from public.notes where id = 2'"],
        BODIES,
        &[
            "V2 all bodies: body = 'first', text = 'second'",
            "V2 all bodies: body = 'second', nothing",
            "V2 all bodies: body = 'first', nothing",
            "V2: 0 as before",
        ],
    ),
    Asked(
        "a function is gone",
        &["drop function public.bodies()"],
        BODIES,
        &[
            "V2 all bodies: body = 'first', error 42883: function public.bodies() does not exist",
            "V2 all bodies: body = 'second', nothing",
            "V2 all bodies: body = 'first', nothing",
            "V2: 0 as before",
        ],
    ),
    Asked(
        "a function that went is told of once",
        &["drop function public.bodies()", "select 1"],
        "-- call: a\nselect count(*) from public.bodies()",
        &[
            "V2 a: count = '3', error 42883: function public.bodies() does not exist",
            "V2: 0 as before",
            "V3: 1 as before",
        ],
    ),
    Asked(
        "others' rows become visible",
        &["drop policy own on public.notes;
        create policy own on public.notes to app_user using (user_id is not null)"],
        MY_BODIES,
        &[
            "V2 my bodies: 2. count = '1', 1. body = 'first'",
            "V2 my bodies: nothing, 2. count = '2'",
            "V2: 0 as before",
        ],
    ),
    Asked(
        "a visitor sees nothing and goes on to",
        &["alter policy own on public.notes
        using (user_id = public.my_id() or false)"],
        NO_BODIES,
        &["V2: 1 as before"],
    ),
    Asked(
        "a visitor sees something",
        &["alter policy own on public.notes
        using (user_id = public.my_id() or user_id is null)"],
        NO_BODIES,
        &["V2 no bodies: no row of body, body = 'second'", "V2: 0 as before"],
    ),
    Asked(
        "the same error",
        &["alter table public.notes add column more int"],
        REFUSED,
        &["V2: 1 as before"],
    ),
    Asked(
        "another message",
        &["create or replace function public.refuse() returns void
        language plpgsql as 'begin raise ''never'' using errcode = ''ZZ001''; end'"],
        REFUSED,
        &["V2 refused: error ZZ001: not today, error ZZ001: never", "V2: 0 as before"],
    ),
    Asked(
        "another message, where the code is enough",
        &["create or replace function
        public.refuse() returns void language plpgsql as
        'begin raise ''never'' using errcode = ''ZZ001''; end'"],
        "-- call: refused\n-- errors: code\nselect public.refuse()",
        &["V2: 1 as before"],
    ),
    Asked(
        "another code",
        &["create or replace function public.refuse() returns void
        language plpgsql as 'begin raise ''not today''; end'"],
        "-- call: refused\n-- errors: code\nselect public.refuse()",
        &["V2 refused: error ZZ001, error P0001", "V2: 0 as before"],
    ),
    Asked(
        "an end on purpose",
        &["select 1", "drop function public.bodies()"],
        "-- call: old\n-- until: V3\nselect * from public.bodies();\n-- call: one\nselect 1",
        &["V2: 2 as before", "V3: 1 as before"],
    ),
    Asked(
        "what a call writes does not stay",
        &["select 1"],
        "
-- call: writes
-- as: 00000000-0000-4000-8000-000000000001
insert into public.notes (id, user_id) values (5, public.my_id());
delete from public.notes where id = 1;
set local timezone = 'Asia/Tokyo'; set role app_user;
select id, now() from public.notes;
-- call: draws a number
do $$ begin perform nextval('public.numbers'); end $$;
-- call: afterwards
select id, current_user, current_setting('timezone') from public.notes",
        &["V2: 3 as before"],
    ),
    Asked(
        "how many rows a statement reaches",
        &["create policy others on public.notes for delete
        to app_user using (true)"],
        "
-- call: deletes
-- as: 00000000-0000-4000-8000-000000000001
delete from public.notes",
        &["V2 deletes: 1 rows reached, 3 rows reached", "V2: 0 as before"],
    ),
    Asked(
        "what is deferred to the commit",
        &["alter table public.log drop constraint log_note"],
        "
-- call: logs
-- as: nobody
insert into public.log values (1, 99)",
        &[
            "V2 logs: error 23503: insert or update on table \"log\" violates foreign key constraint \
         \"log_note\", 1 rows reached",
            "V2: 0 as before",
        ],
    ),
    Asked(
        "a migration after a call is nobody's but the owner's",
        &["do $$ begin
        if current_user <> 'leakproof_owner' or current_setting('app.user_id', true) <> ''
        then raise 'not put back'; end if; end $$; select 1"],
        MY_BODIES,
        &["V2: 1 as before"],
    ),
];

#[test]
fn each_changed_answer_is_found_and_nothing_else() {
    let wrong: Vec<String> = in_parallel(ASKED, |Asked(name, changes, calls, expected)| {
        let found = migrated(changes, calls, |applied| {
            applied.expect("migrations that apply").iter().flat_map(answers).collect::<Vec<_>>()
        });
        (found != *expected).then(|| format!("{name}: expected {expected:#?}, found {found:#?}"))
    })
    .into_iter()
    .flatten()
    .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The calls that would never answer the same, or nothing but that they cannot be understood.
#[test]
fn calls_that_prove_nothing_are_refused() {
    for (call, why) in [
        ("select gen_random_uuid()", "answers differently when it is made again"),
        ("select clock_timestamp()", "answers differently when it is made again"),
        ("select nextval('public.numbers')", "answers differently when it is made again"),
        ("select now(); select random()", "answers differently when it is made again"),
        ("select * from public.bodys()", "does not fit the schema of version 1"),
        ("select nobody from public.notes", "does not fit the schema of version 1"),
        ("selct 1", "does not fit the schema of version 1"),
        ("select 'a", "does not fit the schema of version 1"),
    ] {
        let calls = format!("-- call: fine\nselect now();\n\n-- call: bad\n{call}");
        let told = migrated(&["select 1"], &calls, |applied| applied.unwrap_err());
        assert!(told.contains("api/V1__calls.sql:4` ") && told.contains(why), "{call}: {told}");
    }
}

/// Applies the baseline and the changes; gives what `tell` makes of what was applied.
fn migrated<T>(
    changes: &[&str],
    calls: &str,
    tell: impl FnOnce(Result<&[Applied], String>) -> T,
) -> T {
    let baseline = format!("{BASELINE}{API}");
    let migrations: Vec<&str> =
        [baseline.as_str()].into_iter().chain(changes.iter().copied()).collect();
    let folder = project(&migrations, FIXTURE, "api/V1__calls.sql", Some(calls));
    let project = Project::read(folder.path()).expect("a readable project");
    let mut scratch = empty_scratch(&project);
    let outcome = scratch.migrate();
    if outcome.is_ok() {
        let left = "select id::text from public.notes where id not in (1, 2, 3, 4)
            union all select 'number ' || last_value from public.numbers where is_called";
        assert_eq!(lines(&scratch, left), [""; 0], "a call was not taken back");
    }
    tell(outcome.map(|()| scratch.applied()).map_err(|error| error.to_string()))
}

/// What differs, and how many answers do not, of a migration that had calls to leave alone.
fn answers(applied: &Applied) -> Vec<String> {
    let (version, calls) = (applied.version, &applied.preservation.calls);
    let mut told = Vec::new();
    for call in calls {
        let rows = call.first.iter();
        told.extend(
            rows.map(|row| format!("V{version} {}: {}, {}", call.name, row.before, row.after)),
        );
    }
    let same = calls.iter().filter(|call| call.holds()).count();
    told.extend((!calls.is_empty()).then(|| format!("V{version}: {same} as before")));
    told
}
