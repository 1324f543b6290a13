//! Whether a condition is met by a back end alone: it asks for a role that no person has. Pure.

use crate::sql::expr::{Expr, Literal};

/// Roles that are no person's, whatever a token says: Supabase's own, and those of the server's owner.
const BACK_ENDS: [&str; 10] = [
    "dashboard_user",
    "postgres",
    "service_role",
    "supabase_admin",
    "supabase_auth_admin",
    "supabase_functions_admin",
    "supabase_read_only_user",
    "supabase_realtime_admin",
    "supabase_replication_admin",
    "supabase_storage_admin",
];

impl Expr {
    /// Whether only a back end meets it: all of it, or one of what has to hold together.
    pub(crate) fn is_of_back_end(&self) -> bool {
        match self {
            Self::And(all) => all.iter().any(Self::is_of_back_end),
            Self::Binary { operator, left, right, schema: None } if operator == "=" => {
                (left.asks_role() && right.is_back_end())
                    || (right.asks_role() && left.is_back_end())
            }
            Self::In { of, list, negated: false } => {
                of.asks_role() && list.iter().all(Self::is_back_end)
            }
            Self::Quantified { left, operator, is_all: false, right } if operator == "=" => {
                left.asks_role() && right.is_back_end()
            }
            _ => false,
        }
    }

    /// `auth.role()`, `auth.jwt() ->> 'role'`, `current_user`.
    fn asks_role(&self) -> bool {
        match self {
            Self::Cast { of, .. } => of.asks_role(),
            Self::Select(select) => match select.targets.as_slice() {
                [only] => only.value.asks_role(),
                _ => false,
            },
            Self::Call(call) if call.name.last() == "role" => {
                call.name.qualifier() == Some("auth") && call.arguments.is_empty()
            }
            Self::Call(call) => call.is_of_session(),
            Self::Binary { operator, left, right, .. } => {
                let is_role = **right == Self::Literal(Literal::Text("role".into()))
                    || matches!(&**right, Self::Cast { of, .. }
                        if **of == Self::Literal(Literal::Text("role".into())));
                ["->", "->>"].contains(&operator.as_str()) && is_role && left.is_token()
            }
            _ => false,
        }
    }

    /// `auth.jwt()`, also wrapped in a sub-select.
    fn is_token(&self) -> bool {
        match self {
            Self::Cast { of, .. } => of.is_token(),
            Self::Select(select) => match select.targets.as_slice() {
                [only] => only.value.is_token(),
                _ => false,
            },
            Self::Call(call) => call.name.qualifier() == Some("auth") && call.name.last() == "jwt",
            _ => false,
        }
    }

    fn is_back_end(&self) -> bool {
        match self {
            Self::Cast { of, .. } => of.is_back_end(),
            Self::Array(all) => !all.is_empty() && all.iter().all(Self::is_back_end),
            Self::Literal(Literal::Text(text)) => BACK_ENDS.contains(&text.as_str()),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::sql::syntax::read_expr;

    #[test]
    fn a_role_of_no_person_is_a_back_ends() {
        for (text, is_one) in [
            ("(auth.role() = 'service_role'::text)", true),
            ("(( SELECT auth.role() AS role) = 'service_role'::text)", true),
            ("((auth.jwt() ->> 'role'::text) = 'service_role'::text)", true),
            ("((( SELECT auth.jwt() AS jwt) ->> 'role'::text) = 'service_role'::text)", true),
            ("(CURRENT_USER = ANY (ARRAY['postgres'::name, 'supabase_admin'::name]))", true),
            ("(paid AND (auth.role() = 'service_role'::text))", true),
            ("(auth.role() = 'authenticated'::text)", false),
            ("(auth.role() <> 'service_role'::text)", false),
            ("(auth.role() = ANY (ARRAY['service_role'::text, 'anon'::text]))", false),
            ("(role = 'service_role'::text)", false),
            ("(private.role() = 'service_role'::text)", false),
            ("((user_metadata ->> 'role'::text) = 'service_role'::text)", false),
            ("(paid OR (auth.role() = 'service_role'::text))", false),
        ] {
            assert_eq!(read_expr(text).expect("a tree").is_of_back_end(), is_one, "{text}");
        }
    }
}
