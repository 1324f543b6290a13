//! How a waiver names rules: one of them, or all whose names begin alike.

use std::fmt;

use serde::Deserialize;

use crate::finding::rule::Rule;

/// One rule, or with a `*` at the end all whose names begin so.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) enum RulePattern {
    /// This one.
    One(Rule),
    /// All that begin so, of which there is at least one.
    Beginning(String),
}

impl RulePattern {
    /// Whether it names the rule.
    pub(crate) fn is_of(&self, rule: Rule) -> bool {
        match self {
            Self::One(one) => *one == rule,
            Self::Beginning(start) => rule.name().starts_with(start),
        }
    }

    /// Whether it names a rule that is about what migrations do to rows.
    pub(crate) fn is_about_rows(&self) -> bool {
        matches!(self, Self::One(rule) if rule.page().is_about_rows)
    }
}

impl TryFrom<String> for RulePattern {
    type Error = String;

    fn try_from(pattern: String) -> Result<Self, Self::Error> {
        let found = match pattern.strip_suffix('*') {
            Some(start) => {
                let is_known = Rule::ALL.iter().any(|rule| rule.name().starts_with(start));
                is_known.then(|| Self::Beginning(start.to_owned()))
            }
            None => Rule::named(&pattern).map(Self::One),
        };
        found.ok_or_else(|| {
            format!("there is no finding `{pattern}`; the known ones are {}", known_rules())
        })
    }
}

impl fmt::Display for RulePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(rule) => rule.fmt(f),
            Self::Beginning(start) => write!(f, "{start}*"),
        }
    }
}

/// The names of all rules, for who has named one that is not there.
pub fn known_rules() -> String {
    Rule::ALL.iter().map(|rule| rule.name()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_names_one_rule_or_all_that_begin_so() {
        for (pattern, count) in [
            ("cross-tenant-read", 1),
            ("truncate-granted", 1),
            ("cross-tenant-*", 5),
            ("blind-*", 2),
            ("data-lost*", 1),
            ("*", Rule::ALL.len()),
        ] {
            let read = RulePattern::try_from(pattern.to_owned()).expect("a known name");
            assert_eq!(Rule::ALL.iter().filter(|rule| read.is_of(**rule)).count(), count);
            assert_eq!(read.to_string(), pattern);
        }
    }

    #[test]
    fn an_unknown_name_is_told_of_with_the_known_ones() {
        for pattern in ["cross-tenant-raed", "crosstenant*", "", "*-read", "Blind-delete"] {
            let error = RulePattern::try_from(pattern.to_owned()).expect_err("no such finding");
            let start =
                format!("there is no finding `{pattern}`; the known ones are access-widened");
            assert!(error.starts_with(&start), "{error}");
        }
    }
}
