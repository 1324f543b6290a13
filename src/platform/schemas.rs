//! Which schemas are Supabase's own, or an extension's.

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

/// Whether a schema is the platform's own.
pub(crate) fn owns_schema(schema: &str) -> bool {
    PLATFORM_SCHEMAS.contains(&schema)
}
