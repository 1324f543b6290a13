//! Declared exceptions: each needs a reason, may expire, and must match something.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::finding::proof::Proof;
use crate::finding::rule::Rule;
use crate::finding::scope;
use crate::finding::subject::Subject;
use crate::finding::symptoms::{Reached, Symptoms};
use crate::finding::value::{Finding, sort};
use crate::matrix::cell::Matrix;
use crate::matrix::mark::Marks;
use crate::names::QualifiedName;
use crate::project::config::Waiver;

/// A finding that was declared to be meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waived {
    /// What was found.
    pub finding: Finding,
    /// Why it is meant.
    pub reason: String,
}

/// What waivers are held against, beside the findings.
#[derive(Default)]
pub(crate) struct Known<'a> {
    /// Who could do what.
    pub matrix: Option<&'a Matrix>,
    /// What was accepted of it; before the first time, a waiver covers what it names.
    pub accepted: Option<&'a Marks>,
}

/// Takes out of the findings what is waived, and adds one for each waiver that is expired, does not say all
/// that it has to, or, where it must, matches nothing. Both lists are in the order of reports.
pub(crate) fn apply_waivers(
    findings: Vec<Finding>,
    waivers: &[Waiver],
    known: &Known<'_>,
    must_match: impl Fn(&Waiver) -> bool,
) -> (Vec<Finding>, Vec<Waived>) {
    apply_waivers_on(today(), findings, waivers, known, must_match)
}

/// Year, month and day.
type Date = (u16, u8, u8);

fn apply_waivers_on(
    today: Date,
    findings: Vec<Finding>,
    waivers: &[Waiver],
    known: &Known<'_>,
    must_match: impl Fn(&Waiver) -> bool,
) -> (Vec<Finding>, Vec<Waived>) {
    let mut used = vec![false; waivers.len()];
    let mut incomplete: BTreeMap<usize, Vec<Finding>> = BTreeMap::new();
    let mut kept = Vec::new();
    let mut waived = Vec::new();
    for finding in findings {
        let mut rest = Some(finding);
        for (at, waiver) in waivers.iter().enumerate() {
            let Some(finding) = rest.take() else { break };
            if !matches(waiver, &finding) {
                rest = Some(finding);
            } else if !waiver.is_complete_for(&finding) {
                used[at] = true;
                incomplete.entry(at).or_default().push(finding.clone());
                rest = Some(finding);
            } else {
                let (covered, left) = known.split(waiver, finding);
                used[at] |= covered.is_some();
                if is_expired(waiver, today) && covered.is_some() {
                    kept.push(about(waiver, Rule::WaiverExpired, "has expired"));
                    kept.extend(covered);
                } else {
                    let reason = waiver.reason.clone();
                    waived.extend(covered.map(|finding| Waived { finding, reason }));
                }
                rest = left;
            }
        }
        kept.extend(rest);
    }
    for (at, findings) in incomplete {
        let lines = scope::lines(findings.iter());
        let what = format!("waives nothing as long as it lacks\n{}", lines.join("\n"));
        kept.push(about(&waivers[at], Rule::WaiverIncomplete, &what));
    }
    let unused = waivers.iter().zip(used).filter(|(one, used)| must_match(one) && !used);
    kept.extend(unused.map(|(waiver, _)| about(waiver, Rule::WaiverUnused, "matches nothing")));
    sort(&mut kept);
    (kept, waived)
}

impl Known<'_> {
    /// What of a finding a waiver covers, and what is left of it.
    fn split(&self, waiver: &Waiver, finding: Finding) -> (Option<Finding>, Option<Finding>) {
        let (reached, on) = match (&finding.symptoms, &finding.subject) {
            (Symptoms::Access(reached), Subject::Relation(on)) => (reached.clone(), on.clone()),
            (Symptoms::Untried { policy, .. }, _)
                if !waiver.policies.iter().flatten().any(|name| name == policy) =>
            {
                return (None, Some(finding));
            }
            _ => return (Some(finding), None),
        };
        let is_covered = |one: &Reached| {
            waiver.names(one)
                && self.accepted.is_none_or(|marks| scope::is_accepted(marks, &on, one))
        };
        let (covered, left): (Vec<Reached>, Vec<Reached>) =
            reached.into_iter().partition(is_covered);
        let part = |reached: Vec<Reached>| {
            let evidence = reached.first().and_then(|first| self.proof(&on, first));
            let evidence = evidence.map(|proof| proof.after(finding.evidence.as_ref()));
            (!reached.is_empty()).then(|| Finding {
                evidence: evidence.or_else(|| finding.evidence.clone()),
                symptoms: Symptoms::Access(reached),
                ..finding.clone()
            })
        };
        (part(covered), part(left))
    }

    /// What shows that somebody reached that.
    fn proof(&self, on: &QualifiedName, reached: &Reached) -> Option<Proof> {
        let Reached { actor, command, class, .. } = reached;
        let mut cells = self.matrix?.row(on, actor);
        let cell = cells.find(|cell| (cell.command, cell.class) == (*command, *class))?;
        Proof::of(cell)
    }
}

fn about(waiver: &Waiver, rule: Rule, what: &str) -> Finding {
    let Waiver { finding, on, reason, .. } = waiver;
    let symptoms = Symptoms::Stated(format!("the waiver of `{finding}` ({reason}) {what}"));
    Finding::new(rule, Subject::Waived(on.clone()), symptoms)
}

/// What it is on is a name, in which one `*` at the end stands for anything.
fn matches(waiver: &Waiver, finding: &Finding) -> bool {
    let subject = finding.subject.to_string();
    let is_on = match waiver.on.strip_suffix('*') {
        Some(start) => subject.starts_with(start),
        None => subject == waiver.on,
    };
    waiver.finding.is_of(finding.rule) && is_on
}

/// The last day counts.
fn is_expired(waiver: &Waiver, today: Date) -> bool {
    let date = waiver.expires.and_then(|expires| expires.date);
    date.is_some_and(|date| (date.year, date.month, date.day) < today)
}

/// In UTC.
fn today() -> Date {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let now = time::OffsetDateTime::from_unix_timestamp(seconds.try_into().unwrap_or(0));
    now.map_or((1970, 1, 1), |now| {
        (u16::try_from(now.year()).unwrap_or(0), now.month().into(), now.day())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::class::RowClass;
    use crate::matrix::command::Command;
    use crate::matrix::mark::MarkKey;
    use crate::matrix::verdict::Verdict;

    fn waiver(finding: &str, on: &str, expires: Option<&str>) -> Waiver {
        Waiver {
            finding: finding.to_owned().try_into().expect("a known finding"),
            on: on.into(),
            reason: "it is meant".into(),
            expires: expires.map(|date| date.parse().expect("a date")),
            actors: Some(vec!["bob".into()]),
            classes: Some(vec![RowClass::Other]),
            commands: Some(vec![Command::Read]),
            policies: None,
        }
    }

    fn reached(actor: &str, command: Command) -> Reached {
        let verdict = Verdict::Allowed { rows: 1, of: 1, stopped_by: None };
        Reached { actor: actor.into(), command, class: RowClass::Other, verdict }
    }

    fn found(rule: Rule, relation: &str) -> Finding {
        let subject = Subject::Relation(QualifiedName::new("public", relation));
        Finding::new(rule, subject, Symptoms::Access(vec![reached("bob", Command::Read)]))
    }

    /// What is kept, and after a bar what is waived.
    fn settled(findings: Vec<Finding>, waivers: &[Waiver]) -> String {
        let (kept, waived) =
            apply_waivers_on((2026, 3, 1), findings, waivers, &Known::default(), |_| true);
        let told = |one: &Finding| format!("{} {}", one.rule, one.subject);
        let kept: Vec<String> = kept.iter().map(told).collect();
        let waived: Vec<String> = waived.iter().map(|waived| told(&waived.finding)).collect();
        format!("{} | {}", kept.join(", "), waived.join(", "))
    }

    #[test]
    fn a_waiver_takes_out_what_it_names() {
        let read = "cross-tenant-read";
        for (finding, on, expires, expected) in [
            (read, "public.plans", None, " | cross-tenant-read public.plans"),
            ("cross-tenant-*", "public.plans", None, " | cross-tenant-read public.plans"),
            ("*", "*", None, " | cross-tenant-read public.plans"),
            (read, "public.*", None, " | cross-tenant-read public.plans"),
            (read, "public.plans", Some("2026-03-01"), " | cross-tenant-read public.plans"),
            (
                read,
                "public.plans",
                Some("2026-02-28"),
                "cross-tenant-read public.plans, waiver-expired public.plans | ",
            ),
            (
                read,
                "public.plan",
                None,
                "cross-tenant-read public.plans, waiver-unused public.plan | ",
            ),
            (
                "blind-delete",
                "public.plans",
                Some("2026-02-28"),
                "cross-tenant-read public.plans, waiver-unused public.plans | ",
            ),
        ] {
            let findings = vec![found(Rule::CrossTenantRead, "plans")];
            let waivers = [waiver(finding, on, expires)];
            assert_eq!(settled(findings, &waivers), expected, "{finding} on {on} {expires:?}");
        }
    }

    #[test]
    fn findings_come_in_the_order_of_severity_rule_and_subject() {
        let low = found(Rule::StatementRaises, "plans");
        let findings = vec![
            low,
            found(Rule::OwnerlessRead, "b"),
            found(Rule::BlindDelete, "z"),
            found(Rule::OwnerlessRead, "a"),
            found(Rule::OwnerlessRead, "b"),
        ];
        let expected = "blind-delete public.z, ownerless-read public.a, ownerless-read public.b, \
                        statement-raises public.plans | ";
        assert_eq!(settled(findings, &[]), expected);
    }

    /// One that has expired is told of once, however much it covers.
    #[test]
    fn an_expired_waiver_is_one_finding() {
        let findings = ["a", "b"].map(|relation| found(Rule::BlindDelete, relation)).to_vec();
        let waivers = [waiver("blind-delete", "public.*", Some("2025-01-01"))];
        let expected = "blind-delete public.a, blind-delete public.b, waiver-expired public.* | ";
        assert_eq!(settled(findings, &waivers), expected);
    }

    #[test]
    fn a_waiver_that_need_not_match_may_match_nothing() {
        let waivers = [waiver("data-lost", "public.a.b", None)];
        let (kept, waived) =
            apply_waivers_on((2026, 3, 1), Vec::new(), &waivers, &Known::default(), |_| false);
        assert_eq!((kept, waived), (Vec::new(), Vec::new()));
    }

    /// Who of bob and mallory is left of a finding of both, and whether the waiver is incomplete.
    fn left(waiver: &Waiver, accepted: Option<&Marks>) -> String {
        let cells = vec![reached("bob", Command::Read), reached("mallory", Command::Read)];
        let finding =
            Finding { symptoms: Symptoms::Access(cells), ..found(Rule::CrossTenantRead, "plans") };
        let known = Known { matrix: None, accepted };
        let waivers = [waiver.clone()];
        let (kept, waived) =
            apply_waivers_on((2026, 3, 1), vec![finding], &waivers, &known, |_| true);
        let told = |one: &Finding| match &one.symptoms {
            Symptoms::Access(cells) => {
                cells.iter().map(|cell| cell.actor.as_str()).collect::<Vec<_>>().join(" ")
            }
            Symptoms::Stated(sentence) => sentence.clone(),
            other => panic!("{other:?}"),
        };
        let kept: Vec<String> = kept.iter().map(told).collect();
        let waived: Vec<String> = waived.iter().map(|waived| told(&waived.finding)).collect();
        format!("{} | {}", kept.join(", "), waived.join(", "))
    }

    #[test]
    fn a_waiver_covers_what_it_names_and_what_is_accepted() {
        let of = |actors: &[&str]| Waiver {
            actors: Some(actors.iter().map(|actor| (*actor).to_owned()).collect()),
            ..waiver("cross-tenant-read", "public.plans", None)
        };
        assert_eq!(left(&of(&["bob", "mallory"]), None), " | bob mallory");
        assert_eq!(left(&of(&["bob"]), None), "mallory | bob");
        // She is like them but for what she forges.
        assert_eq!(left(&of(&["bob", "outsider"]), None), " | bob mallory");
        let unused = "the waiver of `cross-tenant-read` (it is meant) matches nothing";
        assert_eq!(left(&of(&["alice"]), None), format!("bob mallory, {unused} | "));
        let writes = Waiver { commands: Some(vec![Command::Update]), ..of(&["bob", "mallory"]) };
        assert_eq!(left(&writes, None), format!("bob mallory, {unused} | "));
        let key = |actor: &str| MarkKey {
            relation: "public.plans".into(),
            actor: actor.into(),
            command: Command::Read,
            class: RowClass::Other,
        };
        for (accepted, expected) in [
            (&[("bob", 'X'), ("mallory", 'X')][..], " | bob mallory"),
            (&[("bob", 'X'), ("mallory", '.')], "mallory | bob"),
            (&[("bob", '.'), ("outsider", 'X')], "bob | mallory"),
        ] {
            let marks: Marks = accepted.iter().map(|(actor, mark)| (key(actor), *mark)).collect();
            assert_eq!(left(&of(&["bob", "mallory"]), Some(&marks)), expected);
        }
    }

    #[test]
    fn a_waiver_that_does_not_say_what_it_covers_prints_the_lines_to_add() {
        let incomplete =
            Waiver { classes: None, ..waiver("cross-tenant-read", "public.plans", None) };
        let expected = "bob mallory, the waiver of `cross-tenant-read` (it is meant) waives nothing as long as it \
                        lacks\nactors = [\"bob\", \"mallory\"]\nclasses = [\"other\"]\n\
                        commands = [\"read\"] | ";
        assert_eq!(left(&incomplete, None), expected);
    }
}
