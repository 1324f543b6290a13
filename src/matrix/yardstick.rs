//! What a matrix is measured against, and how that differs from what was accepted. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

/// A line of what is measured against that is not as accepted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct YardstickChange {
    /// What was accepted; none of what is new.
    pub was: Option<String>,
    /// What is now; none of what is gone.
    pub now: Option<String>,
}

/// The lines that differ; those of one topic, of which there is one on each side, are one change.
pub(crate) fn changes(accepted: &[String], now: &[String]) -> Vec<YardstickChange> {
    let accepted: BTreeSet<&String> = accepted.iter().collect();
    let now: BTreeSet<&String> = now.iter().collect();
    let mut topics: BTreeMap<&str, [Vec<&String>; 2]> = BTreeMap::new();
    for (side, lines) in
        [accepted.difference(&now), now.difference(&accepted)].into_iter().enumerate()
    {
        for line in lines {
            topics.entry(topic(line)).or_default()[side].push(line);
        }
    }
    let mut changes = Vec::new();
    for [was, now] in topics.into_values() {
        if let ([was], [now]) = (was.as_slice(), now.as_slice()) {
            let (was, now) = (Some((*was).clone()), Some((*now).clone()));
            changes.push(YardstickChange { was, now });
            continue;
        }
        let gone =
            was.into_iter().map(|line| YardstickChange { was: Some(line.clone()), now: None });
        let new =
            now.into_iter().map(|line| YardstickChange { was: None, now: Some(line.clone()) });
        changes.extend(gone.chain(new));
    }
    changes
}

/// `platform` of `platform: supabase`.
fn topic(line: &str) -> &str {
    line.split(": ").next().unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_changed_is_one_change_and_what_came_and_went_is_two() {
        let lines =
            |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
        let told = |accepted: &[&str], now: &[&str]| -> Vec<String> {
            let changes = changes(&lines(accepted), &lines(now)).into_iter();
            let side = |side: Option<String>| side.unwrap_or_else(|| "-".into());
            changes.map(|change| format!("{} > {}", side(change.was), side(change.now))).collect()
        };
        for (accepted, now, expected) in [
            (&["platform: plain", "a: 1"][..], &["a: 1", "platform: plain"][..], &[][..]),
            (
                &["platform: plain"],
                &["platform: supabase"],
                &["platform: plain > platform: supabase"],
            ),
            (&[], &["nobody's: public.plans"], &["- > nobody's: public.plans"]),
            (&["waived: a", "waived: b"], &[], &["waived: a > -", "waived: b > -"]),
            (
                &["waived: a"],
                &["waived: b", "waived: c"],
                &["waived: a > -", "- > waived: b", "- > waived: c"],
            ),
        ] {
            assert_eq!(told(accepted, now), expected);
        }
    }
}
