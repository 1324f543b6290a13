-- Who owns the database and its schemas before the first migration.
--
-- The project's migrations run as `postgres`, which is no superuser but owns the database, and
-- through pg_database_owner the schema `public`.

do $$
begin
    execute pg_catalog.format(
        'alter database %I owner to postgres', pg_catalog.current_database());
end
$$;

alter schema public owner to pg_database_owner;

create schema auth authorization supabase_auth_admin;
comment on schema auth is 'Who signs in: owned by the auth service, read through its functions.';

create schema extensions authorization postgres;
comment on schema extensions is 'Extensions live here; it is on the search_path of every role.';

grant usage on schema auth to postgres, anon, authenticated, service_role;
grant usage on schema extensions to postgres, anon, authenticated, service_role;
