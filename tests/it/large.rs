//! Projects with many tables: the summary comes first, what is alike is told once, and one relation
//! can be checked alone.

use leakproof::finding::Finding;
use leakproof::report::{Outcome, Report, to_text};

use crate::support::{Copy, check_project, check_with, try_check_with};

/// Tables of notes: three that everybody reads, the others only their owners.
fn notebooks(count: usize) -> Copy {
    let copy = Copy::empty();
    let table = |at: usize| {
        let who = if at < 3 { "true" } else { "user_id = (select auth.uid())" };
        format!(
            "create table public.notes_{at:02} (
                id uuid primary key, user_id uuid not null references auth.users (id), title text
            );
            alter table public.notes_{at:02} enable row level security;
            create policy readers on public.notes_{at:02} for select using ({who});
            grant select on public.notes_{at:02} to authenticated;\n"
        )
    };
    let sql: String = (0..count).map(table).collect();
    copy.write("supabase/migrations/20240101000000_notes.sql", &sql);
    copy
}

#[test]
fn the_summary_comes_first() {
    let copy = notebooks(14);
    let report = check_project(&copy.path());
    let text = to_text(&report);
    for part in [
        "relations   3 with findings, 11 isolated",
        "access, where there is a finding; the accepted file has the rest",
        "findings    17: 3 high, 14 low",
        "  truncate-granted (low): public.*\n    14 tables: public.notes_00, public.notes_01,",
        "  what is meant is declared in leakproof.toml, with the reason, such as:\n    [[waive]]\n    \
         finding = \"cross-tenant-read\"\n    on = \"public.notes_00\"\n    \
         actors = [\"anon\", \"alice\", \"amir\", \"bob\", \"outsider\", \"both\", \"removed\"]\n    \
         classes = [\"other\"]\n    commands = [\"read\"]\n",
    ] {
        assert!(text.contains(part), "no `{part}` in\n{text}");
    }
    assert!(text.contains("\npublic.notes_02   table"), "{text}");
    assert!(!text.contains("\npublic.notes_03   table"), "{text}");
    assert_eq!(report.matrix.subjects().len(), 14, "the report has them all");
}

#[test]
fn one_relation_alone() {
    let copy = notebooks(4);
    copy.write(
        "leakproof.toml",
        "[[waive]]\nfinding = \"cross-tenant-read\"\non = \"public.notes_00\"\nreason = \"x\"\n
        actors = [\"alice\"]\nclasses = [\"other\"]\ncommands = [\"read\"]\n
        [[waive]]\nfinding = \"truncate-granted\"\non = \"public.*\"\nreason = \"no SQL\"\n
        actors = [\"anon\", \"alice\", \"amir\", \"bob\", \"outsider\", \"both\", \"removed\"]\n
        classes = [\"all\"]\ncommands = [\"truncate\"]\n",
    );
    check_with(&copy.path(), |options| options.accept = true);
    let report = check_with(&copy.path(), |options| options.only = Some("public.notes_01".into()));
    assert_eq!(report.matrix.subjects().len(), 1);
    assert!(report.is_as_accepted(), "{}", to_text(&report));
    let found: Vec<String> = report.findings.iter().map(Finding::on).collect();
    assert_eq!(found, ["public.notes_01"], "{}", to_text(&report));
    assert_eq!(report.waived.len(), 1, "the waiver of all is one of this, too");
    assert_eq!(report.outcome(), Outcome::Failed);
    assert!(report.controls.checked > 0 && report.controls.failed.is_empty());
    let wrong = try_check_with(&copy.path(), |options| options.only = Some("public.note".into()));
    let wrong = wrong.unwrap_err().to_string();
    assert!(wrong.contains("there is no `public.note` to probe"), "{wrong}");
    assert!(wrong.contains("name one of public.notes_00, public.notes_01"), "{wrong}");
}

/// Nobody has the claim that the policy wants: that is no proof of anything, and is said.
#[test]
fn policies_that_let_nobody_in_are_named() {
    let copy = Copy::empty();
    let table = |name: &str, condition: &str| {
        format!(
            "create table public.{name} (id uuid primary key, user_id uuid references auth.users);
            alter table public.{name} enable row level security;
            create policy readers on public.{name} for select using ({condition});
            grant select on public.{name} to authenticated;
            revoke truncate on public.{name} from anon, authenticated, service_role;\n"
        )
    };
    let sql = [
        table("premium", "length(auth.jwt() ->> 'plan') = 3 and user_id = auth.uid()"),
        table("notes", "user_id = auth.uid()"),
        "create table public.jobs (id uuid primary key);
        alter table public.jobs enable row level security;
        create policy workers on public.jobs to service_role using (true);
        grant select on public.jobs to authenticated;"
            .into(),
    ];
    copy.write("supabase/migrations/20240101000000_all.sql", &sql.concat());
    let said = |report: &Report| {
        let about = report.notes.iter().filter(|note| note.contains("let nobody in"));
        about.map(|note| note.split(';').next().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    let report = check_project(&copy.path());
    assert_eq!(said(&report), ["the policies of public.premium let nobody in"]);
    copy.write("leakproof.toml", "[actors.alice]\nclaims = { plan = \"pro\" }\n");
    let report = check_project(&copy.path());
    assert!(said(&report).is_empty(), "{:?}", report.notes);
}
