//! What a push leaves behind of itself in the database.

use super::target::Target;
use super::{NOTES, project};
use crate::support::Copy;

#[test]
fn a_receipt_says_what_was_done_and_no_value_of_a_row() {
    let target = Target::start();
    let copy = project(&[NOTES]);
    target.expect_pushed(&copy);
    copy.append(
        "leakproof.toml",
        "[[waive]]\nfinding = \"data-lost\"\non = \"public.notes\"\nreason = \"unused\"",
    );
    copy.write(
        "migrations/V2__change.sql",
        "update public.notes set body = 'three' where id = 2; delete from public.notes where id = 1;",
    );
    copy.write(
        "preserve/V2__change.sql",
        "-- preserve: ids stay\n-- covers: public.notes.body\n-- before
        select id from public.notes where id = 2;\n-- after\nselect id from public.notes where id = 2;\n",
    );
    copy.write("migrations/V3__index.sql", "create index concurrently i on public.notes (body)");
    target.expect_pushed(&copy);
    let told =
        "select concat_ws(' ', version, name, action, applied_by, logged_in_as, took_ms >= 0,
            applied_at <= now(), length(sha256)) from leakproof.receipts order by id";
    let told = target.ask(told);
    assert_eq!(
        told,
        [
            "1 notes push clerk clerk t t 64",
            "2 change push clerk clerk t t 64",
            "3 index push clerk clerk t t 64"
        ]
    );
    let second = "select receipt::text from leakproof.receipts where version = 2";
    let second = target.ask(second).concat();
    for part in [
        r#""rows_counted": 2"#,
        r#""tables_counted": 1"#,
        r#"[{"name": "ids stay", "rows": 1}]"#,
        r#""reason": "unused""#,
        r#"{"mode": "RowExclusiveLock", "relation": "public.notes"}"#,
    ] {
        assert!(second.contains(part), "{part}: {second}");
    }
    let all = target.ask("select string_agg(receipt::text, '') from leakproof.receipts").concat();
    for value in ["\"one\"", "two", "three"] {
        assert!(!all.contains(value), "{value}: {all}");
    }
    assert!(all.contains("rows were not counted: it runs outside a transaction"), "{all}");
}

#[test]
fn receipts_are_closed_to_others_whatever_new_tables_are() {
    let target = Target::start();
    let open = "alter default privileges grant all on tables to public";
    target.connect().batch_execute(open).expect("open");
    let copy = project(&[NOTES, ("V2__vacuum", "vacuum public.notes")]);
    target.expect_pushed(&copy);
    let granted = "select c.relname || ' ' || a.grantee::regrole::text from pg_class c,
            aclexplode(c.relacl) a
        where c.relnamespace = 'leakproof'::regnamespace and a.grantee <> c.relowner";
    assert_eq!(target.ask(granted), Vec::<String>::new());
    assert!(target.has("leakproof.receipts") && target.has("leakproof.push_progress"));
}

#[test]
fn nothing_of_ours_stays_where_the_first_file_fails() {
    let target = Target::start();
    let copy = project(&[("V1__fails", "select 1 / 0")]);
    assert_eq!(target.push(&copy, &[]).0, 2);
    let ours = "select nspname::text from pg_namespace where nspname = 'leakproof'";
    assert_eq!(target.ask(ours), Vec::<String>::new());
}

#[test]
fn a_table_of_receipts_that_was_changed_is_one_clear_error() {
    for change in [
        "alter table leakproof.receipts drop column sha256",
        "create function public.f() returns trigger language plpgsql as 'begin return null; end';
         create trigger t before insert on leakproof.receipts
             for each row execute function public.f()",
        "alter table leakproof.receipts enable row level security",
    ] {
        let target = Target::start();
        let copy = project(&[NOTES]);
        target.expect_pushed(&copy);
        target.connect().batch_execute(change).expect("a change");
        copy.write("migrations/V2__more.sql", "create table public.more (id int)");
        let (code, _, told) = target.push(&copy, &[]);
        let why = "leakproof.receipts is not as leakproof has made it";
        assert!(code == 2 && told.contains(why), "{change}: {told}");
        assert!(target.status(&copy).1.contains(why) && !target.has("public.more"));
    }
}

#[test]
fn an_edited_file_is_told_by_its_receipt_where_no_history_can() {
    let target = Target::start();
    let copy = Copy::empty();
    let file = "supabase/migrations/20240101000000_notes.sql";
    copy.write(file, "create table public.notes (id int);\n");
    target.expect_pushed(&copy);
    // As older versions of that CLI have kept it, and without refinery's.
    let forget = "update supabase_migrations.schema_migrations set statements = null;
        delete from leakproof.refinery_schema_history";
    target.connect().batch_execute(forget).expect("forgotten");
    assert_eq!(target.status(&copy).0, 0);
    copy.write(file, "create table public.notes (id int);\r\n");
    assert_eq!(target.status(&copy).0, 0);
    copy.write(file, "create table public.notes (id int, more text);\n");
    let (code, told) = target.status(&copy);
    assert!(code == 1 && told.contains("its text is not that of its receipt"), "{told}");
}

#[test]
fn who_may_make_no_schema_pushes_without_a_receipt_and_says_so() {
    let target = Target::start();
    let table = "create table public.refinery_schema_history
        (version int8 primary key, name text, applied_on text, checksum text)";
    target.connect().batch_execute(table).expect("a history");
    let revoke = format!("alter database {} owner to tester", target.name);
    target.admin().batch_execute(&revoke).expect("revoked");
    target.admin().batch_execute("grant create on schema public to clerk").expect("granted");
    let told = target.expect_pushed(&project(&[NOTES]));
    assert!(told.contains("no receipt is stored: who is connected may not make"), "{told}");
}
