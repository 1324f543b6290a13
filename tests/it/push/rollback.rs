//! The last version is taken back.

use super::target::Target;
use super::{NOTES, project};
use crate::support::Copy;

/// Two versions that are applied, and the way back from the second.
fn applied(second: &str, back: &str) -> (Target, Copy) {
    let target = Target::start();
    let copy = project(&[NOTES, ("V2__second", second)]);
    copy.write("rollback/V2__second.sql", back);
    target.expect_pushed(&copy);
    (target, copy)
}

const MORE: &str = "create table public.more (id int); alter table public.notes add more text;";

const LESS: &str = "drop table public.more; alter table public.notes drop column more;";

const VERSIONS: &str = "select version::text from leakproof.refinery_schema_history order by 1";

#[test]
fn the_last_version_goes_and_can_be_pushed_again() {
    let (target, copy) = applied(MORE, LESS);
    let (code, told) = target.command("rollback", &copy, &["--dry-run"]);
    for line in [
        "takes back  V2 second  ",
        "  table public.more goes, with 0 rows\n",
        "  column public.notes.more goes, with 0 values\n",
    ] {
        assert!(code == 0 && told.contains(line), "{told}");
    }
    let (code, told) = target.command("rollback", &copy, &[]);
    assert!(code == 2 && told.contains("nobody has consented to taking back V2 second"), "{told}");
    assert!(target.has("public.more"));
    let (code, told) = target.command("rollback", &copy, &["--yes"]);
    assert!(code == 0 && told.contains("taken back  V2 second: 2 statements in"), "{told}");
    assert!(!target.has("public.more") && target.ask(VERSIONS) == ["1"]);
    let receipt = "select concat_ws(' ', version, action, sha256 is null)
        from leakproof.receipts order by id";
    assert_eq!(target.ask(receipt), ["1 push f", "2 push f", "2 rollback t"]);
    let (code, told) = target.command("rollback", &copy, &["--yes"]);
    assert!(code == 2 && told.contains("V1 notes has no way back"), "{told}");
    target.expect_pushed(&copy);
    assert!(target.has("public.more") && target.status(&copy).0 == 0);
}

#[test]
fn rows_and_values_go_only_where_that_is_allowed() {
    let (target, copy) = applied(MORE, LESS);
    let rows = "insert into public.more values (1), (2); update public.notes set more = 'x'";
    target.connect().batch_execute(rows).expect("rows");
    let (code, told) = target.command("rollback", &copy, &["--yes"]);
    for part in [
        "  table public.more goes, with 2 rows\n",
        "  column public.notes.more goes, with 2 values\n",
        "kept        V2 second: taking it back would lose this\n",
        "data-lost: public.more\n",
        "data-lost: public.notes.more\n",
    ] {
        assert!(code == 1 && told.contains(part), "{told}");
    }
    assert!(target.has("public.more") && target.ask(VERSIONS) == ["1", "2"]);
    let (code, told) = target.command("rollback", &copy, &["--yes", "--allow-loss"]);
    let gone = "  gone: public.more is gone; it had 2 rows\n";
    assert!(code == 0 && told.contains(gone) && !target.has("public.more"), "{told}");
    let receipt = "select receipt ->> 'lost' from leakproof.receipts where action = 'rollback'";
    assert!(target.ask(receipt)[0].contains("public.more is gone"));
    // What no word of the file says is found all the same.
    let (target, copy) = applied(
        "create function public.f() returns void language sql as 'delete from public.notes'",
        "select public.f(); drop function public.f();",
    );
    let (code, told) = target.command("rollback", &copy, &["--yes"]);
    assert!(code == 1 && told.contains("what `select` does to rows is seen only when"), "{told}");
    assert!(told.contains("data-lost: public.notes\n"), "{told}");
    assert_eq!(target.ask("select count(*)::text from public.notes"), ["2"]);
}

#[test]
fn only_the_last_version_as_it_is_here_and_in_one_transaction() {
    for (back, why) in [
        ("begin; drop table public.more; commit", "each file is one transaction"),
        ("drop index concurrently i", "it would run outside a transaction"),
        ("drop table public.nowhere", "V2__second.sql` failed at line 1"),
    ] {
        let (target, copy) = applied(MORE, back);
        let (code, told) = target.command("rollback", &copy, &["--yes"]);
        assert!(code == 2 && told.contains(why), "{told}");
        assert!(target.has("public.more") && target.ask(VERSIONS) == ["1", "2"]);
    }
    let (target, copy) = applied(MORE, LESS);
    copy.append("migrations/V2__second.sql", "select 1;");
    let (code, told) = target.command("rollback", &copy, &["--yes"]);
    assert!(code == 2 && told.contains("it is the last version there, and not as it is"), "{told}");
    let empty = Target::start();
    let (code, told) = empty.command("rollback", &copy, &["--yes"]);
    assert!(code == 2 && told.contains("there is nothing to take back"), "{told}");
}

#[test]
fn both_histories_forget_it_and_the_api_is_told() {
    let target = Target::start();
    let copy = Copy::empty();
    copy.write("supabase/migrations/20240101000000_notes.sql", NOTES.1);
    copy.write("supabase/migrations/20240102000000_more.sql", MORE);
    copy.write("rollback/20240102000000_more.sql", LESS);
    let mut api = target.connect();
    api.batch_execute("listen pgrst").expect("it listens");
    let mut told = move || -> Vec<String> {
        api.batch_execute("select 1").expect("heard");
        let mut all = Vec::new();
        let mut heard = api.notifications();
        let mut heard = heard.iter();
        while let Ok(Some(one)) = postgres::fallible_iterator::FallibleIterator::next(&mut heard) {
            all.push(one.payload().to_owned());
        }
        all
    };
    target.expect_pushed(&copy);
    assert_eq!(told(), ["reload schema"]);
    let (code, said) = target.command("rollback", &copy, &["--yes"]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(told(), ["reload schema"]);
    let rows = "select version from supabase_migrations.schema_migrations
        union all select version::text from leakproof.refinery_schema_history";
    assert_eq!(target.ask(rows), ["20240101000000", "20240101000000"]);
}
