//! What a push finds out of rows, and what it does not.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::target::Target;
use super::{NOTES, project};

#[test]
fn a_file_that_loses_rows_is_rolled_back_and_shows_keys_only() {
    let target = Target::start();
    let copy = project(&[NOTES]);
    target.expect_pushed(&copy);
    let by_function = "create function public.f() returns void language sql as
        'update public.notes set body = null where id = 2'; select public.f();";
    for (sql, lost) in [
        ("alter table public.notes drop column body", "data-lost: public.notes.body\n"),
        ("delete from public.notes where id = 2", "data-lost: public.notes\n"),
        (by_function, "data-lost: public.notes.body\n"),
    ] {
        copy.write("migrations/V2__lose.sql", sql);
        let (code, told, _) = target.push(&copy, &[]);
        assert!(code == 1 && told.contains(lost), "{told}");
        assert!(
            told.contains("rolled back V2 lose: nothing of it stays") && !told.contains("two"),
            "{told}"
        );
        assert_eq!(target.ask("select body from public.notes order by id"), ["one", "two"]);
        assert_eq!(
            target.ask("select version::text from leakproof.refinery_schema_history"),
            ["1"]
        );
    }
    copy.write("migrations/V2__lose.sql", "update public.notes set body = 'three' where id = 2");
    let promise = "-- preserve: texts stay\n-- covers: public.notes\n-- before
        select id, body from public.notes;\n-- after\nselect id, body from public.notes;\n";
    copy.write("preserve/V2__lose.sql", promise);
    let broken = "promise-broken: ";
    let (code, told, _) = target.push(&copy, &[]);
    assert!(code == 1 && told.contains(broken) && told.contains("lost: {\"id\":2,"), "{told}");
    assert!(!told.contains("two") && !told.contains("three\""), "{told}");
    let (code, told, _) = target.push(&copy, &["--show-values"]);
    assert!(code == 1 && told.contains(broken) && told.contains("\"two\""), "{told}");
    // A promise that covers it says that it is meant, and so does a waiver.
    copy.write(
        "migrations/V2__lose.sql",
        "alter table public.notes rename to old;
        create table public.notes (id int primary key, title text);
        insert into public.notes select id, body from public.old; drop table public.old;",
    );
    copy.write(
        "preserve/V2__lose.sql",
        "-- preserve: each note keeps its text
-- covers: public.notes
-- before
select id, body from public.notes;
-- after
select id, title as body from public.notes;
",
    );
    let told = target.expect_pushed(&copy);
    assert!(told.contains("holds: \"each note keeps its text\" (2 rows)"), "{told}");
    copy.write("migrations/V3__drop.sql", "alter table public.notes drop column title");
    copy.append(
        "leakproof.toml",
        "[[waive]]\nfinding = \"data-lost\"\non = \"public.notes.title\"\nreason = \"unused\"",
    );
    let told = target.expect_pushed(&copy);
    assert!(
        told.contains("waived: V3 drop: public.notes.title is gone") && told.contains("(unused)"),
        "{told}"
    );
}

#[test]
fn what_cannot_be_counted_is_said_to_be_not_counted() {
    let target = Target::start();
    let theirs =
        "create table public.theirs (id int, a text); insert into public.theirs values (1, 'x');
        create function public.clear() returns void security definer language sql
            as 'update public.theirs set a = null'";
    target.admin().batch_execute(theirs).expect("a table of somebody else");
    let copy = project(&[("V1__clear", "select public.clear()")]);
    let told = target.expect_pushed(&copy);
    let why = "rows of public.theirs were not counted: who is connected may not read it";
    assert!(told.contains(why), "{told}");
    let bound = "grant select, update on public.theirs to clerk;
        alter table public.theirs enable row level security";
    target.admin().batch_execute(bound).expect("policies");
    copy.write("migrations/V2__again.sql", "select public.clear()");
    let told = target.expect_pushed(&copy);
    assert!(
        told.contains("rows of public.theirs were not counted: policies bind who is connected"),
        "{told}"
    );
    copy.write("migrations/V3__name.sql", "update public.theirs set a = 'y'");
    let (_, told, _) = target.push(&copy, &["--dry-run"]);
    assert!(told.contains("rows of public.theirs would not be counted: policies bind"), "{told}");
}

#[test]
fn what_others_do_meanwhile_is_no_loss_of_the_file() {
    let target = Target::start();
    let copy = project(&[NOTES]);
    target.expect_pushed(&copy);
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut writer = target.connect();
            for id in (100..).take_while(|_| !is_over.load(Ordering::Relaxed)) {
                let sql = format!(
                    "insert into public.notes values ({id}, 'x'); update public.notes set body = 'y'
                         where id = {id}; delete from public.notes where id = {id} - 3"
                );
                writer.batch_execute(&sql).expect("written");
            }
        });
        for version in 2..=9 {
            let sql = match version % 2 {
                0 => "alter table public.notes alter column body type varchar(40)",
                _ => {
                    "update public.notes set body = body; alter table public.notes alter body type text"
                }
            };
            copy.write(&format!("migrations/V{version}__change.sql"), sql);
            target.expect_pushed(&copy);
        }
        copy.write("migrations/V10__lose.sql", "delete from public.notes where id = 1");
        let (code, told, _) = target.push(&copy, &[]);
        is_over.store(true, Ordering::Relaxed);
        assert!(code == 1 && told.contains("public.notes lost 1 of its"), "{told}");
        assert!(told.contains("{\"id\":\"1\"}"), "{told}");
    });
    assert_eq!(target.ask("select body from public.notes where id = 1"), ["one"]);
}
