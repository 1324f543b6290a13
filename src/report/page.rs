//! The page of a rule, as `leakproof explain` shows it.

use crate::finding::rule::{Page, Rule};

/// What a rule means, how it is exploited and how it is closed, with a line end.
pub fn to_page(rule: Rule) -> String {
    let Page { name, meaning, exploit, help, .. } = rule.page();
    format!(
        "{name}\n  what it means: {meaning}\n  how it is exploited: {exploit}\n  \
         how to fix it: {help}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_has_a_page_of_four_lines() {
        for rule in Rule::ALL {
            let page = to_page(*rule);
            assert_eq!(page.lines().count(), 4, "{page}");
            assert!(page.starts_with(&format!("{rule}\n  what it means: ")), "{page}");
            assert!(
                page.ends_with(&format!("\n  how to fix it: {}\n", rule.page().help)),
                "{page}"
            );
        }
    }
}
