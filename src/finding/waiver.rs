//! Declared exceptions: each needs a reason, may expire, and must match something.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

use crate::finding::explain;
use crate::finding::value::{Finding, Severity};
use crate::project::config::Waiver;

/// A finding that was declared to be meant.
#[derive(Debug, Clone, Serialize)]
pub struct Waived {
    /// What was found.
    pub finding: Finding,
    /// Why it is meant.
    pub reason: String,
}

/// Takes the waived findings out, and adds one for each waiver that is expired or, where it must,
/// matches nothing.
pub(crate) fn apply_waivers(
    findings: Vec<Finding>,
    waivers: &[Waiver],
    must_match: impl Fn(&Waiver) -> bool,
) -> (Vec<Finding>, Vec<Waived>) {
    let today = today();
    let mut used = vec![false; waivers.len()];
    let mut kept = Vec::new();
    let mut waived = Vec::new();
    for finding in findings {
        let matching = waivers.iter().position(|waiver| matches(waiver, &finding));
        match matching {
            Some(at) => {
                used[at] = true;
                if is_expired(&waivers[at], today) {
                    kept.push(about(&waivers[at], "waiver-expired", "has expired"));
                    kept.push(finding);
                } else {
                    waived.push(Waived { finding, reason: waivers[at].reason.clone() });
                }
            }
            None => kept.push(finding),
        }
    }
    for (waiver, _) in waivers.iter().zip(used).filter(|(one, used)| must_match(one) && !used) {
        kept.push(about(waiver, "waiver-unused", "matches nothing"));
    }
    kept.sort();
    kept.dedup();
    (kept, waived)
}

fn about(waiver: &Waiver, rule: &'static str, what: &str) -> Finding {
    Finding {
        severity: Severity::High,
        rule,
        on: waiver.on.clone(),
        message: format!("the waiver of `{}` ({}) {what}", waiver.finding, waiver.reason),
        help: explain(rule).map_or(String::new(), |page| page.help.to_owned()),
        evidence: Vec::new(),
    }
}

/// A pattern is a name, in which one `*` at the end stands for anything.
fn matches(waiver: &Waiver, finding: &Finding) -> bool {
    let fits = |pattern: &str, name: &str| match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == pattern,
    };
    fits(&waiver.finding, finding.rule) && fits(&waiver.on, &finding.on)
}

/// The last day counts.
fn is_expired(waiver: &Waiver, today: (u16, u8, u8)) -> bool {
    let date = waiver.expires.and_then(|expires| expires.date);
    date.is_some_and(|date| (date.year, date.month, date.day) < today)
}

/// Year, month, day in UTC.
fn today() -> (u16, u8, u8) {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let now = time::OffsetDateTime::from_unix_timestamp(seconds.try_into().unwrap_or(0));
    now.map_or((1970, 1, 1), |now| {
        (u16::try_from(now.year()).unwrap_or(0), now.month().into(), now.day())
    })
}
