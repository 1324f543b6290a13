-- The extensions which a Supabase project counts on without creating them.
-- NOTE: supabase_vault and pg_graphql are there, too, in schemas of their own; they are stubbed.
--
-- They belong to supabase_admin and not to postgres, as on Supabase: a project that revokes rights
-- on its own functions by default must not hit those of an extension.
-- NOTE: a server without one of them is no error here: the migration that needs it will say so.

do $$
declare
    extension text;
begin
    set local role supabase_admin;
    foreach extension in array array['uuid-ossp', 'pgcrypto', 'pg_stat_statements'] loop
        if exists (select from pg_catalog.pg_available_extensions e where e.name = extension) then
            execute pg_catalog.format('create extension %I schema extensions', extension);
        end if;
    end loop;
    reset role;
end
$$;
