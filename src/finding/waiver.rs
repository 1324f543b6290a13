//! Declared exceptions: each needs a reason, may expire, and must match something.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::finding::rule::Rule;
use crate::finding::subject::Subject;
use crate::finding::symptoms::Symptoms;
use crate::finding::value::{Finding, sort};
use crate::project::config::Waiver;

/// A finding that was declared to be meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waived {
    /// What was found.
    pub finding: Finding,
    /// Why it is meant.
    pub reason: String,
}

/// Takes the waived findings out, and adds one for each waiver that is expired or, where it must,
/// matches nothing. Both lists are in the order of reports.
pub(crate) fn apply_waivers(
    findings: Vec<Finding>,
    waivers: &[Waiver],
    must_match: impl Fn(&Waiver) -> bool,
) -> (Vec<Finding>, Vec<Waived>) {
    apply_waivers_on(today(), findings, waivers, must_match)
}

/// Year, month and day.
type Date = (u16, u8, u8);

fn apply_waivers_on(
    today: Date,
    findings: Vec<Finding>,
    waivers: &[Waiver],
    must_match: impl Fn(&Waiver) -> bool,
) -> (Vec<Finding>, Vec<Waived>) {
    let mut used = vec![false; waivers.len()];
    let mut kept = Vec::new();
    let mut waived = Vec::new();
    for finding in findings {
        let Some(at) = waivers.iter().position(|waiver| matches(waiver, &finding)) else {
            kept.push(finding);
            continue;
        };
        used[at] = true;
        if is_expired(&waivers[at], today) {
            kept.push(about(&waivers[at], Rule::WaiverExpired, "has expired"));
            kept.push(finding);
        } else {
            waived.push(Waived { finding, reason: waivers[at].reason.clone() });
        }
    }
    let unused = waivers.iter().zip(used).filter(|(one, used)| must_match(one) && !used);
    kept.extend(unused.map(|(waiver, _)| about(waiver, Rule::WaiverUnused, "matches nothing")));
    sort(&mut kept);
    (kept, waived)
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
    use crate::names::QualifiedName;

    fn waiver(finding: &str, on: &str, expires: Option<&str>) -> Waiver {
        Waiver {
            finding: finding.to_owned().try_into().expect("a known finding"),
            on: on.into(),
            reason: "it is meant".into(),
            expires: expires.map(|date| date.parse().expect("a date")),
        }
    }

    fn found(rule: Rule, relation: &str) -> Finding {
        let subject = Subject::Relation(QualifiedName::new("public", relation));
        Finding::new(rule, subject, Symptoms::Access(Vec::new()))
    }

    /// What is kept, and after a bar what is waived.
    fn settled(findings: Vec<Finding>, waivers: &[Waiver]) -> String {
        let (kept, waived) = apply_waivers_on((2026, 3, 1), findings, waivers, |_| true);
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
        let (kept, waived) = apply_waivers_on((2026, 3, 1), Vec::new(), &waivers, |_| false);
        assert_eq!((kept, waived), (Vec::new(), Vec::new()));
    }
}
