//! How a session turns into somebody else until the transaction, or the savepoint around it, ends.

use crate::sql::quote::{identifier, literal};

/// Who a session turns into: what the request says, and the role.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Impersonation {
    settings: Vec<(String, String)>,
    role: String,
}

impl Impersonation {
    /// A role that requests with these settings are given by who has logged in.
    pub(crate) fn new(settings: Vec<(String, String)>, role: &str) -> Self {
        Self { settings, role: role.to_owned() }
    }

    /// The same with other values of some settings.
    pub(crate) fn with_settings(&self, more: &[(String, String)]) -> Self {
        let is_kept = |(name, _): &&(String, String)| !more.iter().any(|(other, _)| other == name);
        let kept = self.settings.iter().filter(is_kept).cloned();
        Self { settings: kept.chain(more.iter().cloned()).collect(), role: self.role.clone() }
    }

    /// The statements that turn a session into him.
    pub(crate) fn statements(&self) -> Vec<String> {
        let settings = set(self.settings.iter().map(|(name, value)| (&**name, &**value)));
        let role = format!("set local role {}", identifier(&self.role));
        settings.into_iter().chain([role]).collect()
    }

    /// A statement that says who asks without becoming him: for triggers, defaults and views that
    /// want to know.
    pub(crate) fn claims(&self) -> Option<String> {
        set(self.claimed())
    }

    /// A statement that takes [`Self::claims`] back.
    pub(crate) fn no_claims(&self) -> Option<String> {
        set(self.claimed().map(|(name, _)| (name, "")))
    }

    fn claimed(&self) -> impl Iterator<Item = (&str, &str)> {
        let settings = self.settings.iter().map(|(name, value)| (&**name, &**value));
        settings.filter(|(name, _)| *name != "search_path")
    }
}

/// The statements that end every impersonation.
pub(crate) const RESET_ROLE: &str = "reset role; set local row_security = on";

/// How many statements that is.
pub(crate) const RESETS: usize = 2;

/// A statement that sets all of them; none where there are none.
fn set<'a>(settings: impl Iterator<Item = (&'a str, &'a str)>) -> Option<String> {
    let each: Vec<String> = settings
        .map(|(name, value)| {
            format!("pg_catalog.set_config({}, {}, true)", literal(name), literal(value))
        })
        .collect();
    (!each.is_empty()).then(|| format!("select {}", each.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alice() -> Impersonation {
        let setting = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let settings = vec![setting("search_path", "public"), setting("app.user", "a'b")];
        Impersonation::new(settings, "Role")
    }

    #[test]
    fn settings_then_role() {
        assert_eq!(
            alice().statements(),
            [
                "select pg_catalog.set_config('search_path', 'public', true), \
                 pg_catalog.set_config('app.user', 'a''b', true)",
                "set local role \"Role\"",
            ]
        );
    }

    #[test]
    fn a_search_path_is_no_claim() {
        let claims = "select pg_catalog.set_config('app.user', 'a''b', true)";
        assert_eq!(alice().claims().as_deref(), Some(claims));
        let none = "select pg_catalog.set_config('app.user', '', true)";
        assert_eq!(alice().no_claims().as_deref(), Some(none));
        assert_eq!(Impersonation::new(Vec::new(), "owner").claims(), None);
    }

    #[test]
    fn all_resets_are_counted() {
        assert_eq!(RESET_ROLE.split("; ").count(), RESETS);
    }
}
