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

create schema storage authorization supabase_admin;
comment on schema storage is 'Files: rows here, contents elsewhere.';

create schema realtime authorization supabase_admin;
comment on schema realtime is 'Messages between clients, and changes of tables.';

create schema supabase_functions authorization supabase_admin;
comment on schema supabase_functions is 'Webhooks on tables.';

create schema graphql_public authorization supabase_admin;
comment on schema graphql_public is 'Where the API calls GraphQL.';

-- NOTE: empty, as long as no migration creates the extension.
create schema pgsodium authorization supabase_admin;

grant usage on schema auth to postgres, anon, authenticated, service_role;
grant all on schema auth to dashboard_user;
grant usage on schema extensions to postgres, anon, authenticated, service_role;
grant all on schema extensions to dashboard_user;
grant all on schema storage to postgres with grant option;
grant all on schema storage to supabase_storage_admin, dashboard_user;
grant usage on schema storage to anon, authenticated, service_role;
grant usage on schema realtime to postgres, anon, authenticated, service_role;
grant all on schema realtime to supabase_realtime_admin;
grant usage on schema supabase_functions to postgres, anon, authenticated, service_role;
grant all on schema supabase_functions to supabase_functions_admin;
grant usage on schema graphql_public to postgres, anon, authenticated, service_role;

-- What the services make is open to the project from the start, each in its own way.
alter default privileges for role supabase_auth_admin in schema auth
    grant all on tables to postgres, dashboard_user;
alter default privileges for role supabase_auth_admin in schema auth
    grant all on functions to postgres, dashboard_user;
alter default privileges for role supabase_auth_admin in schema auth
    grant all on sequences to postgres, dashboard_user;
alter default privileges for role postgres in schema storage
    grant all on tables to postgres, anon, authenticated, service_role;
alter default privileges for role postgres in schema storage
    grant all on functions to postgres, anon, authenticated, service_role;
alter default privileges for role postgres in schema storage
    grant all on sequences to postgres, anon, authenticated, service_role;
alter default privileges for role supabase_admin in schema realtime
    grant select, insert, update, delete, truncate on tables to postgres, dashboard_user;
alter default privileges for role supabase_admin in schema realtime
    grant all on functions to postgres, dashboard_user;
alter default privileges for role supabase_admin in schema extensions
    grant select, insert, update, delete, truncate on tables to postgres with grant option;
alter default privileges for role supabase_admin in schema extensions
    grant all on functions to postgres with grant option;
alter default privileges for role supabase_admin in schema graphql_public
    grant all on functions to postgres, anon, authenticated, service_role;
