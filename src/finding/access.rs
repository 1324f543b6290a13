//! What somebody reaches that is nobody's business, by the cells of the matrix. The yardstick does not
//! come from any policy: what belongs to another tenant is nobody's business, unless the team has
//! declared it with a reason.

use std::collections::BTreeMap;

use crate::catalog::policy::RowSecurity;
use crate::finding::broken_rule::rule_of;
use crate::finding::candidate::{Candidate, ProtectedBy, Protection, deciding};
use crate::finding::cause::Cause;
use crate::finding::proof::Proof;
use crate::finding::rule::{Rule, Severity};
use crate::finding::subject::Subject;
use crate::finding::symptoms::{Reached, Symptoms};
use crate::finding::value::Finding;
use crate::matrix::cell::{Cell, Matrix};
use crate::matrix::class::RowClass;
use crate::matrix::command::Command;
use crate::matrix::person::{Person, Promotion};
use crate::names::{Place, QualifiedName};

/// What was seen of access, and what is known of who asked and whom.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SeenAccess<'a> {
    /// Who could do what.
    pub matrix: &'a Matrix,
    /// Who asked.
    pub people: &'a [Person],
    /// The schemas that the API exposes, where there is an API between.
    pub api: Option<&'a [String]>,
    /// What the catalog knows of the relations.
    pub protections: &'a [Protection],
}

/// The findings of the matrix, one per rule and relation.
pub(crate) fn judge(seen: &SeenAccess<'_>) -> Vec<Finding> {
    let mut grouped: BTreeMap<(Rule, &QualifiedName), Vec<Case<'_>>> = BTreeMap::new();
    for cell in seen.matrix.cells() {
        let person = seen.people.iter().find(|person| person.name == cell.actor);
        let Some(person) = person.filter(|person| !person.is_service) else { continue };
        let rule = rule_of(seen.people, seen.matrix, person, cell);
        if let Some(rule) = rule.or_else(|| seen.secret_read(cell)) {
            grouped.entry((rule, &cell.relation)).or_default().push(Case { person, cell });
        }
    }
    let findings = grouped.into_iter().map(|((rule, on), cases)| seen.finding(rule, on, &cases));
    findings.collect()
}

/// A cell that breaks a rule, and whose it is.
struct Case<'a> {
    person: &'a Person,
    cell: &'a Cell,
}

impl SeenAccess<'_> {
    /// Whether the cell is of rows of nobody's that were read, with a column that is named like a secret or like
    /// personal data.
    fn secret_read(&self, cell: &Cell) -> Option<Rule> {
        let is_read = cell.command == Command::Read && cell.class == RowClass::Shared;
        let subject = self.matrix.subjects().iter().find(|one| one.relation == cell.relation)?;
        let is_told = subject.confidants.contains(&cell.actor);
        (is_read && is_told && cell.verdict.is_allowed()).then_some(Rule::SecretRead)
    }

    fn finding(&self, rule: Rule, on: &QualifiedName, cases: &[Case<'_>]) -> Finding {
        let is_exposed = self.api.map(|schemas| schemas.iter().any(|name| name == on.schema()));
        let protection = self.protections.iter().find(|protection| protection.relation == *on);
        let reached = cases.iter().map(|case| Reached::of(case.cell)).collect();
        let (cause, place) = common_cause(rule, protection, cases).unzip();
        Finding {
            severity: match rule {
                // Whoever should see rows sees none.
                Rule::StatementRaises if cases.iter().any(keeps_from_own) => Severity::High,
                // Nothing that is revoked keeps the owner from it.
                Rule::TruncateGranted if cause == Some(Cause::Owner) => Severity::Low,
                rule => rule.severity(is_exposed),
            },
            help: match rule {
                Rule::TruncateGranted if cause == Some(Cause::Owner) => {
                    "let the application connect as a role that does not own the table".into()
                }
                rule => rule.help(),
            },
            cause,
            place: place.flatten(),
            evidence: cases.first().and_then(|case| evidence(rule, case)),
            candidates: protection
                .map_or(Vec::new(), |protection| all_candidates(protection, cases)),
            ..Finding::new(rule, Subject::Relation(on.clone()), Symptoms::Access(reached))
        }
    }
}

/// What shows that a case is so.
fn evidence(rule: Rule, case: &Case<'_>) -> Option<Proof> {
    let proof = Proof::of(case.cell)?;
    Some(match &case.person.promotion {
        Some(Promotion { by, statement }) if rule == Rule::PrivilegeEscalation => {
            let (actor, statement) = (by.clone(), statement.clone());
            Proof::Escalation { actor, statement, then: Box::new(proof) }
        }
        _ => proof,
    })
}

/// Whether an error keeps somebody from reading what is theirs, or their tenant's.
fn keeps_from_own(case: &Case<'_>) -> bool {
    case.cell.command == Command::Read
        && matches!(case.cell.class, RowClass::Own | RowClass::Tenant)
}

/// The cause that all cases have in common, and where it stands.
fn common_cause(
    rule: Rule,
    protection: Option<&Protection>,
    cases: &[Case<'_>],
) -> Option<(Cause, Option<Place>)> {
    if rule == Rule::TruncateGranted {
        let is_owner = |case: &Case<'_>| match protection.map(|protection| &protection.by) {
            Some(ProtectedBy::Table { owner, .. }) => case.person.roles.contains(owner),
            _ => false,
        };
        let cause = if cases.iter().all(is_owner) { Cause::Owner } else { Cause::Grant };
        return Some((cause, None));
    }
    let mut causes = cases.iter().map(|case| cause(protection?, case));
    let first = causes.next()??;
    causes.all(|other| other.as_ref() == Some(&first)).then_some(first)
}

fn cause(protection: &Protection, case: &Case<'_>) -> Option<(Cause, Option<Place>)> {
    if !case.cell.verdict.is_allowed() {
        return None;
    }
    let place = protection.place.clone();
    let (owner, row_security, policies) = match &protection.by {
        ProtectedBy::Table { owner, row_security, policies } => (owner, row_security, policies),
        ProtectedBy::View { of_invoker, of_owner, is_unbound: true }
            if of_invoker.is_empty() && of_owner.is_empty() =>
        {
            return Some((Cause::ViewOwner, place));
        }
        ProtectedBy::View { .. } | ProtectedBy::Foreign => return None,
    };
    match row_security {
        RowSecurity::Off => return Some((Cause::MissingRowSecurity, place)),
        RowSecurity::On if case.person.roles.contains(owner) => {
            return Some((Cause::Owner, place));
        }
        RowSecurity::On | RowSecurity::Forced => {}
    }
    match deciding(policies, case.cell.command, case.person).as_slice() {
        [Candidate { policy, place, .. }] => {
            Some((Cause::Policy { name: policy.clone() }, place.clone()))
        }
        _ => None,
    }
}

fn all_candidates(protection: &Protection, cases: &[Case<'_>]) -> Vec<Candidate> {
    let each = cases.iter().flat_map(|case| protection.candidates(case.cell.command, case.person));
    let mut all: Vec<Candidate> = each.cloned().collect();
    all.sort();
    all.dedup();
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::policy::PolicyCommand;
    use crate::finding::candidate::tests::{person, policy};
    use crate::matrix::cell::Subject as Shown;
    use crate::matrix::person::Asked;
    use crate::matrix::verdict::{Evidence, Verdict};

    fn chats() -> QualifiedName {
        QualifiedName::new("public", "chats")
    }

    fn cell(actor: &str, command: Command, class: RowClass, verdict: Verdict) -> Cell {
        let statement = format!("{} chats", command.name());
        let evidence = Some(Evidence { statement, row: Some("id 1".into()) });
        Cell { relation: chats(), actor: actor.into(), command, class, verdict, evidence }
    }

    fn allowed() -> Verdict {
        Verdict::Allowed { rows: 1, of: 2, stopped_by: None }
    }

    fn matrix(is_of_users_only: bool, cells: Vec<Cell>) -> Matrix {
        let subject = Shown { is_of_users_only, ..Shown::table(chats()) };
        let actors = ["alice", "bob", "removed", "service_role"].map(Asked::alone);
        Matrix::new(vec![subject], actors.to_vec(), cells)
    }

    fn people() -> Vec<Person> {
        let named = |name: &str| Person { name: name.into(), ..person(&["authenticated"]) };
        vec![
            named("alice"),
            named("bob"),
            Person { has_left: true, ..named("removed") },
            Person { is_service: true, ..named("service_role") },
        ]
    }

    fn judged(matrix: &Matrix, api: Option<&[String]>, protections: &[Protection]) -> Vec<Finding> {
        judge(&SeenAccess { matrix, people: &people(), api, protections })
    }

    fn rules(is_of_users_only: bool, cells: Vec<Cell>) -> Vec<&'static str> {
        let findings = judged(&matrix(is_of_users_only, cells), None, &[]);
        findings.iter().map(|finding| finding.rule.name()).collect()
    }

    #[test]
    fn each_rule_is_caught_where_it_is_broken_and_quiet_where_it_is_not() {
        use Command::*;
        use RowClass::{Null, Other, Own, Shared, Tenant, Whole};
        let broken = |sqlstate: &str| Verdict::Broken { sqlstate: sqlstate.into() };
        let stopped = Verdict::Allowed { rows: 0, of: 1, stopped_by: Some("23505".into()) };
        let untested = Verdict::Untested { reason: "no row".into() };
        let denied = [Verdict::Hidden, Verdict::NoGrant, Verdict::Refused, untested];
        for (command, class, verdict, expected) in [
            (Read, Other, allowed(), Some("cross-tenant-read")),
            (Insert, Other, allowed(), Some("cross-tenant-insert")),
            (Insert, Other, stopped, Some("cross-tenant-insert")),
            (InsertReturning, Other, allowed(), Some("cross-tenant-insert")),
            (Update, Other, allowed(), Some("cross-tenant-update")),
            (BlindUpdate, Other, allowed(), Some("blind-update")),
            (Delete, Other, allowed(), Some("cross-tenant-delete")),
            (BlindDelete, Other, allowed(), Some("blind-delete")),
            (Give, Other, allowed(), Some("cross-tenant-move")),
            (BlindGive, Other, allowed(), Some("cross-tenant-move")),
            (Take, Other, allowed(), Some("cross-tenant-move")),
            (BlindTake, Other, allowed(), Some("cross-tenant-move")),
            (Truncate, Whole, allowed(), Some("truncate-granted")),
            (Read, Null, allowed(), Some("ownerless-read")),
            (Insert, Null, allowed(), Some("ownerless-write")),
            (Give, Null, allowed(), Some("ownerless-write")),
            (Read, Own, allowed(), None),
            (BlindDelete, Own, allowed(), None),
            (Update, Tenant, allowed(), None),
            (Read, Shared, allowed(), None),
            (Insert, Shared, allowed(), Some("shared-write")),
            (BlindDelete, Shared, allowed(), Some("shared-write")),
            (Read, Other, broken("42P17"), Some("statement-raises")),
            (Read, Own, broken("P0001"), Some("statement-raises")),
            (Insert, Other, broken("P0001"), None),
            (Insert, Other, broken("22012"), Some("statement-raises")),
        ] {
            let found = rules(false, vec![cell("bob", command, class, verdict.clone())]);
            let expected: Vec<&str> = expected.into_iter().collect();
            assert_eq!(found, expected, "{command:?} on {class:?}: {verdict:?}");
            let by_service = rules(false, vec![cell("service_role", command, class, verdict)]);
            assert_eq!(by_service, [""; 0], "who bypasses row security is meant to");
            for denied in &denied {
                let found = rules(false, vec![cell("bob", command, class, denied.clone())]);
                assert_eq!(found, [""; 0], "{command:?} on {class:?}: {denied:?}");
            }
        }
    }

    #[test]
    fn blind_is_a_finding_of_its_own_only_where_a_condition_stops_it() {
        use Command::{BlindDelete, BlindUpdate, Delete, Update};
        for (with, blind, stopped, together) in [
            (Update, BlindUpdate, "blind-update", "cross-tenant-update"),
            (Delete, BlindDelete, "blind-delete", "cross-tenant-delete"),
        ] {
            let found = |actor: &str, with_verdict| {
                let blindly = cell("bob", blind, RowClass::Other, allowed());
                rules(false, vec![cell(actor, with, RowClass::Other, with_verdict), blindly])
            };
            assert_eq!(found("bob", Verdict::Hidden), [stopped]);
            assert_eq!(found("bob", allowed()), [together]);
            assert_eq!(found("alice", allowed()), [stopped, together], "another's is no excuse");
        }
    }

    #[test]
    fn who_has_left_a_tenant_has_left_its_rows() {
        let own = |command| cell("removed", command, RowClass::Own, allowed());
        let tenant = || cell("alice", Command::Read, RowClass::Tenant, Verdict::Hidden);
        for (is_of_users_only, cells, expected) in [
            (false, vec![own(Command::Read), tenant()], &["removed-member-read"][..]),
            (false, vec![own(Command::BlindDelete), tenant()], &["removed-member-write"]),
            // Rows of users, who have not left themselves.
            (true, vec![own(Command::Read), tenant()], &[]),
            (false, vec![own(Command::Read)], &[]),
        ] {
            assert_eq!(rules(is_of_users_only, cells), expected);
        }
        let member = cell("alice", Command::Read, RowClass::Own, allowed());
        assert_eq!(rules(false, vec![member, tenant()]), [""; 0]);
        // Rows of others, too, unless somebody reaches them who was never there.
        let other = |actor: &str| cell(actor, Command::Update, RowClass::Other, allowed());
        assert_eq!(rules(false, vec![other("removed")]), ["removed-member-write"]);
        let both = rules(false, vec![other("bob"), other("removed")]);
        assert_eq!(both, ["cross-tenant-update"]);
    }

    #[test]
    fn a_finding_tells_of_all_its_cells_and_proves_the_first() {
        let cells = vec![
            cell("bob", Command::Give, RowClass::Other, allowed()),
            cell("alice", Command::Take, RowClass::Other, allowed()),
        ];
        let found = judged(&matrix(false, cells), None, &[]);
        let [finding] = found.as_slice() else { panic!("{found:?}") };
        let Symptoms::Access(reached) = &finding.symptoms else { panic!("{finding:?}") };
        let told: Vec<_> = reached.iter().map(|one| (one.actor.as_str(), one.command)).collect();
        assert_eq!(told, [("alice", Command::Take), ("bob", Command::Give)]);
        let proof = Proof::Attempt {
            actor: "alice".into(),
            statement: "take chats".into(),
            row: Some("id 1".into()),
        };
        assert_eq!(finding.evidence, Some(proof));
        assert_eq!((&finding.cause, &finding.place), (&None, &None));
    }

    #[test]
    fn what_a_forger_alone_reaches_is_forgeable() {
        let read = |actor: &str| cell(actor, Command::Read, RowClass::Other, allowed());
        let people = vec![
            Person { name: "outsider".into(), ..person(&["authenticated"]) },
            Person { name: "mallory".into(), is_forger: true, ..person(&["authenticated"]) },
            Person { name: "alice:admin".into(), is_special: true, ..person(&["authenticated"]) },
        ];
        for (actors, expected) in [
            (&["mallory"][..], &["forgeable-claim"][..]),
            (&["mallory", "outsider"], &["cross-tenant-read"]),
            (&["alice:admin"], &[]),
        ] {
            let matrix = matrix(false, actors.iter().map(|actor| read(actor)).collect());
            let (people, protections) = (people.as_slice(), &[][..]);
            let found = judge(&SeenAccess { matrix: &matrix, people, api: None, protections });
            let rules: Vec<&str> = found.iter().map(|finding| finding.rule.name()).collect();
            assert_eq!(rules, expected, "{actors:?}");
        }
    }

    #[test]
    fn a_secret_of_nobody_is_told_of() {
        for (confidant, class, expected) in [
            ("bob", RowClass::Shared, &["secret-read"][..]),
            ("bob", RowClass::Own, &[]),
            ("alice", RowClass::Shared, &[]),
        ] {
            let read = cell("bob", Command::Read, class, allowed());
            let confidants = [confidant.to_owned()].into();
            let subject = Shown { confidants, ..Shown::table(chats()) };
            let actors = ["alice", "bob"].map(Asked::alone);
            let matrix = Matrix::new(vec![subject], actors.to_vec(), vec![read]);
            let rules: Vec<&str> =
                judged(&matrix, None, &[]).iter().map(|finding| finding.rule.name()).collect();
            assert_eq!(rules, expected, "{confidant} {class:?}");
        }
    }

    #[test]
    fn what_no_api_exposes_matters_less() {
        let leak = || matrix(false, vec![cell("bob", Command::Read, RowClass::Other, allowed())]);
        let schemas = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        for (api, expected) in [
            (None, Severity::High),
            (Some(schemas(&["api", "public"])), Severity::High),
            (Some(schemas(&["api"])), Severity::Low),
        ] {
            let api: Option<Vec<String>> = api;
            let found = judged(&leak(), api.as_deref(), &[]);
            assert_eq!(found[0].severity, expected, "{api:?}");
        }
    }

    /// A table of somebody else's, with row security, with policies of those names and commands.
    fn protection(row_security: RowSecurity, policies: &[(&str, PolicyCommand)]) -> Protection {
        let policies = policies.iter().map(|(name, command)| Candidate {
            place: Some(Place::new("V1__chats.sql", 7)),
            ..policy(name, *command, &["authenticated"])
        });
        let policies = policies.collect();
        protected(ProtectedBy::Table { owner: "postgres".into(), row_security, policies })
    }

    fn protected(by: ProtectedBy) -> Protection {
        let place = Some(Place::new("V1__chats.sql", 1));
        Protection { relation: chats(), place, by }
    }

    fn view(policies: Vec<Candidate>, is_unbound: bool) -> Protection {
        let of_invoker = policies;
        protected(ProtectedBy::View { of_invoker, of_owner: Vec::new(), is_unbound })
    }

    #[test]
    fn a_cause_is_told_only_where_it_is_certain() {
        use PolicyCommand::{All, Delete, Select};
        use RowSecurity::{Forced, Off, On};
        let one = || protection(On, &[("wipe", Delete), ("own", Select)]);
        let by_policy = Some(Cause::Policy { name: "wipe".into() });
        let restrictive = Candidate { is_permissive: false, ..policy("wipe", Delete, &["public"]) };
        let owned = |row_security| match one().by {
            ProtectedBy::Table { policies, .. } => {
                let owner = "authenticated".into();
                protected(ProtectedBy::Table { owner, row_security, policies })
            }
            other => protected(other),
        };
        let beneath = || policy("wipe", Delete, &["public"]);
        for (what, protection, cause, line) in [
            ("off", protection(Off, &[]), Some(Cause::MissingRowSecurity), Some(1)),
            (
                "off, with a policy",
                protection(Off, &[("wipe", Delete)]),
                Some(Cause::MissingRowSecurity),
                Some(1),
            ),
            ("one policy", one(), by_policy.clone(), Some(7)),
            ("two", protection(On, &[("wipe", Delete), ("all", All)]), None, None),
            ("of another command", protection(On, &[("own", Select)]), None, None),
            (
                "none that lets through",
                protected(ProtectedBy::Table {
                    owner: "postgres".into(),
                    row_security: On,
                    policies: vec![restrictive],
                }),
                None,
                None,
            ),
            ("of the owner", owned(On), Some(Cause::Owner), Some(1)),
            ("of the owner, forced", owned(Forced), by_policy, Some(7)),
            ("a view of its owner", view(Vec::new(), true), Some(Cause::ViewOwner), Some(1)),
            ("a view of the invoker", view(vec![beneath()], false), None, None),
            ("a view of both", view(vec![beneath()], true), None, None),
            ("a foreign table", protected(ProtectedBy::Foreign), None, None),
        ] {
            let leak = cell("bob", Command::BlindDelete, RowClass::Other, allowed());
            let found = judged(&matrix(false, vec![leak]), None, &[protection]);
            assert_eq!(found[0].cause, cause, "{what}");
            assert_eq!(found[0].place.as_ref().map(Place::line), line, "{what}");
        }
        let truncate = cell("bob", Command::Truncate, RowClass::Whole, allowed());
        let raise = Verdict::Broken { sqlstate: "42P17".into() };
        let raise = cell("bob", Command::Read, RowClass::Own, raise);
        let found = judged(&matrix(false, vec![truncate, raise]), None, &[one()]);
        let causes: Vec<_> = found.iter().map(|finding| (finding.rule, &finding.cause)).collect();
        let grant = Some(Cause::Grant);
        assert_eq!(causes, [(Rule::StatementRaises, &None), (Rule::TruncateGranted, &grant)]);
    }

    #[test]
    fn candidates_are_the_policies_of_all_that_was_tried() {
        use PolicyCommand::{Delete, Insert, Select};
        let policies = [("wipe", Delete), ("own", Select), ("add", Insert)];
        let names = |protection: Protection, commands: &[Command]| -> Vec<String> {
            let cells = commands.iter().map(|c| cell("bob", *c, RowClass::Other, allowed()));
            let found = judged(&matrix(false, cells.collect()), None, &[protection]);
            found[0].candidates.iter().map(|candidate| candidate.policy.clone()).collect()
        };
        let on = || protection(RowSecurity::On, &policies);
        assert_eq!(names(on(), &[Command::BlindDelete]), ["wipe"]);
        assert_eq!(names(on(), &[Command::Delete, Command::BlindDelete]), ["own", "wipe"]);
        assert_eq!(names(on(), &[Command::Insert]), ["add"]);
        assert_eq!(names(on(), &[Command::Insert, Command::InsertReturning]), ["add", "own"]);
        assert_eq!(names(protection(RowSecurity::Off, &policies), &[Command::Read]), [""; 0]);
        let through = view(vec![policy("wipe", Delete, &["public"])], false);
        assert_eq!(names(through, &[Command::BlindDelete]), ["wipe"]);
        let another = Protection { relation: QualifiedName::new("api", "chats"), ..on() };
        assert_eq!(names(another, &[Command::Read]), [""; 0]);
    }
}
