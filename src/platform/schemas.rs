//! Which schemas are Supabase's own, or an extension's, and the SQL that makes them.

/// Schemas that are Supabase's own, or an extension's.
pub(crate) const PLATFORM_SCHEMAS: [&str; 14] = [
    "auth",
    "cron",
    "extensions",
    "graphql",
    "graphql_public",
    "net",
    "pgbouncer",
    "pgmq",
    "pgsodium",
    "pgtle",
    "realtime",
    "storage",
    "supabase_functions",
    "vault",
];

/// What makes roles, schemas and what is in them. It runs before the extensions, which need these.
pub(crate) const SUPABASE: &str = concat!(
    include_str!("supabase/roles.sql"),
    include_str!("supabase/schemas.sql"),
    include_str!("supabase/grants_legacy.sql"),
    include_str!("supabase/extensions.sql"),
    include_str!("supabase/auth.sql"),
    include_str!("supabase/auth_sessions.sql"),
    include_str!("supabase/storage.sql"),
    include_str!("supabase/storage_functions.sql"),
    include_str!("supabase/realtime.sql"),
    include_str!("supabase/webhooks.sql"),
);

/// What needs the extensions.
pub(crate) const SUPABASE_GRAPHQL: &str = include_str!("supabase/graphql.sql");

/// Whether a schema is the platform's own.
pub(crate) fn owns_schema(schema: &str) -> bool {
    PLATFORM_SCHEMAS.contains(&schema)
}
