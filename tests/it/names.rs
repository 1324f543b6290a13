//! A dot in a name is part of it: whatever takes names apart would take another object for it.

use leakproof::check::CheckOptions;
use leakproof::finding::{Finding, Rule, Severity};
use leakproof::report::{Outcome, to_text};

use crate::support::{Copy, check_project, check_with};

/// The schema is the one that the API exposes, and its controls are known as such.
#[test]
fn a_schema_and_a_table_have_a_dot_in_their_names() {
    let copy = Copy::empty();
    copy.write(
        "supabase/migrations/20240101000000_notes.sql",
        "create schema \"a.b\";
         grant usage on schema \"a.b\" to anon, authenticated, service_role;
         create table \"a.b\".\"notes.all\" (
             id uuid primary key, user_id uuid not null references auth.users (id), title text
         );
         grant select on \"a.b\".\"notes.all\" to authenticated;\n",
    );
    let config = "[project]\nschemas = [\"a.b\"]\n";
    copy.write("leakproof.toml", config);
    let relation = "\"a.b\".\"notes.all\"";
    let report = check_with(&copy.path(), |options| options.accept = true);
    let shown = |finding: &Finding| (finding.severity, finding.rule, finding.on());
    let found: Vec<_> = report.findings.iter().map(shown).collect();
    assert_eq!(found, [(Severity::High, Rule::CrossTenantRead, relation.to_owned())]);
    let subjects = report.matrix.subjects().iter().map(|subject| subject.relation.to_string());
    assert_eq!(subjects.collect::<Vec<_>>(), [relation], "no control is among them");
    assert!(report.is_as_accepted(), "{}", to_text(&report));

    let only = |options: &mut CheckOptions| options.only = Some(relation.into());
    let report = check_with(&copy.path(), only);
    assert!(report.is_as_accepted(), "{}", to_text(&report));

    let waiver = "[[waive]]\nfinding = \"cross-tenant-read\"\non = '\"a.b\".*'\nreason = \"x\"\n
        actors = [\"alice\", \"amir\", \"bob\", \"outsider\", \"both\", \"removed\"]\n
        classes = [\"other\"]\ncommands = [\"read\"]\n";
    copy.write("leakproof.toml", &format!("{config}{waiver}"));
    let report = check_project(&copy.path());
    assert_eq!(report.outcome(), Outcome::Failed, "somebody has to accept the waiver");
    check_with(&copy.path(), |options| options.accept = true);
    let report = check_project(&copy.path());
    assert_eq!(report.outcome(), Outcome::Passed, "{}", to_text(&report));
}
