//! Who asks, as far as the judges of a matrix need it.

/// Who bypasses row security on Supabase.
pub(crate) const SERVICE_ROLE: &str = "service_role";

/// Who asks, as far as the judges of a matrix need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Person {
    /// The actor's name in the matrix.
    pub name: String,
    /// The database role, and those whose policies apply to it, too.
    pub roles: Vec<String>,
    /// Whether row security is bypassed on purpose.
    pub is_service: bool,
    /// Whether a membership has ended, and the token still carries its claims.
    pub has_left: bool,
    /// Whether it has what only the project gives, such as a role beyond that of ordinary people.
    pub is_special: bool,
    /// Whether it knows what opens a row, such as the token of a shared link.
    pub is_bearer: bool,
    /// Whether it forges what a client may forge.
    pub is_forger: bool,
}

/// Whom somebody is like but for what makes them another, by their names; none where it is nobody.
pub(crate) fn reference_of(name: &str) -> Option<&str> {
    match name {
        "guest" | "mallory" => Some("outsider"),
        _ => name.split_once(':').map(|(reference, _)| reference),
    }
}
