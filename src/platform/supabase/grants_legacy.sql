-- Default privileges, profile `legacy`: self-hosted projects, and hosted ones made before
-- 2026-05-30. Whatever a migration makes in `public` is open to all four roles until it says
-- otherwise; only row level security stands between.

grant usage on schema public to postgres, anon, authenticated, service_role;

alter default privileges for role postgres, supabase_admin in schema public
    grant all on tables to postgres, anon, authenticated, service_role;
alter default privileges for role postgres, supabase_admin in schema public
    grant all on functions to postgres, anon, authenticated, service_role;
alter default privileges for role postgres, supabase_admin in schema public
    grant all on sequences to postgres, anon, authenticated, service_role;
