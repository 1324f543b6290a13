//! What is accepted: the matrix and what it is measured against, older forms of it, waivers, and what a
//! branch has changed of all that.

use std::fs;
use std::process::Command;

use leakproof::report::{Outcome, Report, to_text};

use crate::support::{Copy, check_project, check_with, try_check_with};

/// Notes of users, one of which a visitor wrote, a list that everybody reads, and a note on plans.
const NOTES: &str = "
create table public.notes (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null references auth.users (id), body text
);
create table public.plans (id int primary key, name text, price int);
alter table public.notes enable row level security;
alter table public.plans enable row level security;
create policy own on public.notes to authenticated using (user_id = auth.uid());
create policy all_of_them on public.plans for select to authenticated using (true);
revoke truncate on all tables in schema public from anon, authenticated;
";

/// With it, new files need not meet generated rows.
const FIXTURE: &str = "fixtures/V20240101000000__notes.sql";

const OPEN: &str = "create policy open on public.notes for select to authenticated using (true);";

const WAIVER: &str = "
[[waive]]
finding = \"cross-tenant-read\"
on = \"public.notes\"
reason = \"they are public\"
";

const WHOM: &str = "
actors = [\"alice\", \"amir\", \"bob\", \"both\", \"outsider\", \"removed\"]
classes = [\"other\"]
commands = [\"read\"]
";

/// The notes in a project whose access is accepted.
fn accepted() -> Copy {
    let copy = Copy::empty();
    copy.write("supabase/migrations/20240101000000_notes.sql", NOTES);
    copy.write(FIXTURE, "insert into public.plans values (1, 'a', 2);");
    accept(&copy);
    copy
}

fn accept(copy: &Copy) -> Report {
    check_with(&copy.path(), |options| options.accept = true)
}

fn snapshot(copy: &Copy) -> String {
    fs::read_to_string(copy.path().join("access.snap")).expect("it was accepted")
}

/// Whether the report says so of a check that failed for nothing but that.
fn assert_yardstick(copy: &Copy, told: &str) {
    let report = check_project(&copy.path());
    let text = to_text(&report);
    assert_eq!(report.outcome(), Outcome::Failed, "{text}");
    assert!(text.contains("verdict: FAILED, the yardstick changed"), "{text}");
    assert!(text.contains(told), "no {told:?} in\n{text}");
}

#[test]
fn a_change_of_the_yardstick_is_red_until_it_is_accepted() {
    let copy = accepted();
    assert_eq!(check_project(&copy.path()).outcome(), Outcome::Passed);
    for (config, told) in [
        (
            "[tenancy.owners]\n\"public.plans\" = \"shared\"\n",
            "  was  nobody's: public.plans, since no column leads to an owner\n  \
             now  nobody's: public.plans, as stated\n",
        ),
        ("[actors.carol]\nmember_of = []\n", "  new  actor carol: member of none\n"),
        ("[actors.bob.claims]\naal = \"aal2\"\n", "  new  actor bob: claims {\"aal\":\"aal2\"}\n"),
        ("[check]\nfail_on = \"low\"\n", "  new  fails on: low\n"),
        (
            "[tenancy.owners]\n\"public.notes\" = \"shared\"\n",
            "  new  nobody's: public.notes, as stated\n",
        ),
    ] {
        copy.write("leakproof.toml", config);
        let report = check_project(&copy.path());
        assert_eq!(report.outcome(), Outcome::Failed, "{config}: {}", to_text(&report));
        let text = to_text(&report);
        assert!(text.contains(told), "no {told:?} in\n{text}");
        assert!(text.contains("verdict: FAILED, the yardstick changed"), "{text}");
    }
    copy.write("leakproof.toml", "[tenancy.owners]\n\"public.plans\" = \"shared\"\n");
    accept(&copy);
    assert_eq!(check_project(&copy.path()).outcome(), Outcome::Passed);
    copy.write(
        "supabase/migrations/20240102000000_call.sql",
        "create function public.touch() returns void language sql as '';",
    );
    assert_yardstick(&copy, "  new  not checked: function public.touch()\n");
}

#[test]
fn what_a_role_may_name_is_accepted_too() {
    let copy = accepted();
    copy.write(
        "supabase/migrations/20240102000000_columns.sql",
        "revoke select on public.plans from anon, authenticated;
         grant select (id, name) on public.plans to authenticated;",
    );
    let text = to_text(&check_project(&copy.path()));
    let line = text.lines().find(|line| line.starts_with("  changed  public.plans  columns "));
    let told = "was all or none, now reads all but price";
    assert!(
        line.is_some_and(|line| line.contains(" alice (authenticated) ") && line.ends_with(told)),
        "{text}"
    );
    accept(&copy);
    let lines = "    owner: user by user_id\n";
    assert!(snapshot(&copy).contains(lines), "{}", snapshot(&copy));
    let line = "    columns of alice (authenticated): reads all but price\n";
    assert!(snapshot(&copy).contains(line), "{}", snapshot(&copy));
    assert_eq!(check_project(&copy.path()).outcome(), Outcome::Passed);
    copy.write(
        "supabase/migrations/20240103000000_column.sql",
        "grant select (price) on public.plans to authenticated;",
    );
    let report = check_project(&copy.path());
    assert_eq!(report.outcome(), Outcome::Failed, "{}", to_text(&report));
}

/// As it was written before there was a head.
#[test]
fn the_first_form_is_compared_by_cell_and_rewritten() {
    const FIRST: &str = "\
---
source: leakproof check
expression: matrix
description: accepted at version 20240101000000 of 1 files
---
public.notes (table; own other)
                  read   insert        update        delete        give          take          trunc
                         plain  ret    where  blind  where  blind  where  blind  where  blind
  anon            _.     _!     _!     _.     _.     _.     _.     __     __     __     __     -
  alice           O.     O!     O!     O.     O.     O.     O.     _!     _!     _.     _.     -
  amir            O.     O!     O!     O.     O.     O.     O.     _!     _!     _.     _.     -
  bob             O.     O!     O!     O.     O.     O.     O.     _!     _!     _.     _.     -
  outsider        O.     O!     O!     O.     O.     O.     O.     _!     _!     _.     _.     -
  both            O.     O!     O!     O.     O.     O.     O.     _!     _!     _.     _.     -
  removed         O.     O!     O!     O.     O.     O.     O.     _!     _!     _.     _.     -
  service_role    _X     _X     _X     _X     _X     _X     _X     __     __     __     __     A

public.plans (table; shared)
                  read   insert        update        delete        give          take          trunc
                         plain  ret    where  blind  where  blind  where  blind  where  blind
  anon            .      !      !      .      .      .      .      _      _      _      _      -
  alice           S      !      !      .      .      .      .      _      _      _      _      -
  amir            S      !      !      .      .      .      .      _      _      _      _      -
  bob             S      !      !      .      .      .      .      _      _      _      _      -
  outsider        S      !      !      .      .      .      .      _      _      _      _      -
  both            S      !      !      .      .      .      .      _      _      _      _      -
  removed         S      !      !      .      .      .      .      _      _      _      _      -
  service_role    S      S      S      S      S      S      S      _      _      _      _      A

legend
  A cell has a mark for each class of rows, in the order given after the relation's name:
";
    let copy = accepted();
    let now = snapshot(&copy);
    copy.write("access.snap", FIRST);
    let report = check_project(&copy.path());
    let text = to_text(&report);
    assert!(report.is_as_accepted(), "{text}");
    assert_eq!(report.outcome(), Outcome::Passed, "{text}");
    assert!(text.contains("\n  the yardstick is not accepted yet: the file is older;"), "{text}");
    copy.write("access.snap", &FIRST.replacen("O.     O!", "OX     O!", 1));
    let report = check_project(&copy.path());
    assert!(to_text(&report).contains("access changed in 1 of "), "{}", to_text(&report));
    copy.write("access.snap", FIRST);
    accept(&copy);
    assert_eq!(snapshot(&copy), now);
    assert_eq!(check_project(&copy.path()).outcome(), Outcome::Passed);
}

#[test]
fn a_waiver_covers_what_it_names_and_nothing_that_comes_later() {
    let copy = accepted();
    copy.write("supabase/migrations/20240102000000_open.sql", OPEN);
    // It waives nothing, and says what to add.
    copy.write("leakproof.toml", WAIVER);
    let text = to_text(&accept(&copy));
    for part in [
        "  cross-tenant-read: public.notes\n",
        "  waiver-incomplete: public.notes\n",
        "actors = [\"alice\", \"amir\", \"bob\", \"outsider\", \"both\", \"removed\"]",
        "classes = [\"other\"]",
        "commands = [\"read\"]",
    ] {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
    copy.write("leakproof.toml", &format!("{WAIVER}{WHOM}"));
    assert_yardstick(&copy, "waived: cross-tenant-read on public.notes, by alice amir bob both");
    accept(&copy);
    let report = check_project(&copy.path());
    assert_eq!(report.outcome(), Outcome::Passed, "{}", to_text(&report));
    // Somebody else who reads them, and another command.
    copy.write(
        "supabase/migrations/20240103000000_wider.sql",
        "create policy wider on public.notes for select to anon using (true);
         create policy change on public.notes for update to authenticated using (true);",
    );
    let text = to_text(&accept(&copy));
    for part in [
        "  cross-tenant-read: public.notes\n    read on other rows by anon:",
        "  cross-tenant-update: public.notes\n",
    ] {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
    // What is not accepted is not covered, whatever the lists say.
    copy.write(
        "leakproof.toml",
        &format!("{WAIVER}{}", WHOM.replace("[\"alice\"", "[\"anon\", \"alice\"")),
    );
    accept(&copy);
    copy.replace("access.snap", "  anon           _X", "  anon           _.");
    let text = to_text(&check_project(&copy.path()));
    let part = "  cross-tenant-read: public.notes\n    read on other rows by anon:";
    assert!(text.contains(part), "no {part:?} in\n{text}");
}

#[test]
fn what_a_branch_has_changed_is_told() {
    let copy = accepted();
    let git = |arguments: &[&str]| {
        let mut git = Command::new("git");
        git.args(["-c", "user.name=x", "-c", "user.email=x@example.org"]).args(arguments);
        let output = git.current_dir(copy.path()).output().expect("git");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    let since =
        |base: &str| try_check_with(&copy.path(), |options| options.base = Some(base.into()));
    fs::remove_dir(copy.path().join("../.git")).expect("an empty folder");
    git(&["init", "--quiet", ".."]);
    git(&["add", "--all", ".."]);
    git(&["commit", "--quiet", "--message", "as it was"]);
    git(&["branch", "base"]);
    let text = to_text(&since("base").expect("a report"));
    assert!(text.contains("branch      measured as at base\n"), "{text}");
    copy.write("supabase/migrations/20240102000000_open.sql", OPEN);
    copy.write(FIXTURE, "insert into public.plans values (1, 'a', 3);");
    copy.write("leakproof.toml", &format!("{WAIVER}{WHOM}"));
    accept(&copy);
    let text = to_text(&since("base").expect("a report"));
    for part in [
        "branch      what it is measured against has changed since base\n",
        "  new  waive: { actors = [\"alice\",",
        "  accepted yardstick: 1 line\n  new  waived: cross-tenant-read on public.notes,",
        "  granted  public.notes  read  alice on other     was hidden, now allowed\n",
        "  changed fixtures/V20240101000000__notes.sql\n",
    ] {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
    for wrong in ["gone", "--output=x", ""] {
        let error = since(wrong).expect_err("there is no such commit").to_string();
        assert!(error.contains(&format!("there is no commit `{wrong}`")), "{error}");
    }
}
