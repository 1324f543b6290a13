-- Default privileges, profile `2026`: new hosted projects from 2026-05-30, all from 2026-10-30.
-- This file holds what is taken back and is run after grants_legacy.sql.
-- NOTE: TRUNCATE, REFERENCES and TRIGGER on tables, UPDATE (setval) on sequences, and EXECUTE on
-- functions through PUBLIC stay, exactly as on Supabase. A project must revoke them itself.

alter default privileges for role postgres, supabase_admin in schema public
    revoke select, insert, update, delete on tables from anon, authenticated, service_role;
alter default privileges for role postgres, supabase_admin in schema public
    revoke usage, select on sequences from anon, authenticated, service_role;
alter default privileges for role postgres, supabase_admin in schema public
    revoke execute on functions from anon, authenticated, service_role;
