-- The roles of a Supabase cluster, as far as migrations and policies name them.
--
-- Roles belong to the whole cluster, so each is created only where it is missing: one that exists,
-- including a `postgres` that is the superuser we connect as, is left exactly as it is. What was
-- created here carries a comment, by which the last scratch database knows what it may drop.
-- NOTE: none may replicate or make databases, as some do on Supabase: that leads out of this one.

do $$
declare
    -- NOTE: supabase_admin and the services cannot log in, as they can on Supabase: a superuser
    -- without a password on a server that may be somebody's own is more than any migration needs.
    wanted constant text[][] := array[
        ['anon', 'nologin inherit'],
        ['authenticated', 'nologin inherit'],
        ['service_role', 'nologin inherit bypassrls'],
        ['authenticator', 'login noinherit'],
        ['postgres', 'login nosuperuser createrole bypassrls'],
        ['supabase_admin', 'nologin superuser createrole createdb replication bypassrls'],
        ['supabase_auth_admin', 'nologin noinherit createrole'],
        ['supabase_storage_admin', 'nologin noinherit createrole'],
        ['supabase_functions_admin', 'nologin noinherit createrole'],
        ['supabase_realtime_admin', 'nologin noinherit'],
        ['supabase_replication_admin', 'nologin'],
        ['supabase_read_only_user', 'nologin bypassrls'],
        ['dashboard_user', 'nologin createrole'],
        ['pgbouncer', 'nologin'],
        ['pgsodium_keyiduser', 'nologin'],
        ['pgsodium_keyholder', 'nologin'],
        ['pgsodium_keymaker', 'nologin']
    ];
    -- `postgres` administers the roles of the API, and is a member of those that own what policies
    -- and triggers of a project are put on.
    memberships constant text[][] := array[
        ['anon', 'authenticator', ''],
        ['authenticated', 'authenticator', ''],
        ['service_role', 'authenticator', ''],
        ['anon', 'postgres', 'with admin option'],
        ['authenticated', 'postgres', 'with admin option'],
        ['service_role', 'postgres', 'with admin option'],
        ['authenticator', 'postgres', 'with admin option'],
        ['supabase_auth_admin', 'postgres', ''],
        ['supabase_storage_admin', 'postgres', ''],
        ['supabase_functions_admin', 'postgres', ''],
        ['supabase_realtime_admin', 'postgres', ''],
        ['pgsodium_keyiduser', 'postgres', ''],
        ['pgsodium_keyholder', 'postgres', ''],
        ['pg_monitor', 'postgres', ''],
        ['pg_read_all_data', 'supabase_read_only_user', '']
    ];
    ours constant text := 'created by leakproof for a scratch database, dropped with the last one';
    entry text[];
begin
    foreach entry slice 1 in array wanted loop
        if not exists (select from pg_catalog.pg_roles r where r.rolname = entry[1]) then
            begin
                execute pg_catalog.format('create role %I %s', entry[1], entry[2]);
                execute pg_catalog.format('comment on role %I is %L', entry[1], ours);
            exception
                -- Another run on this cluster was faster; its role is as good as ours.
                when duplicate_object or unique_violation then null;
            end;
        end if;
    end loop;

    -- A membership is granted only where one side is ours: between two roles that were there
    -- before us it is the cluster's own business. A superuser needs none. Nobody administers a role
    -- that is not ours: what is granted of it could stay.
    foreach entry slice 1 in array memberships loop
        -- What others do on a server that is not ours is not for a project to see.
        continue when entry[1] = 'pg_monitor'
            and pg_catalog.current_setting('leakproof.is_shared', true) = 'on';
        if not exists (
            select
            from pg_catalog.pg_auth_members m
            join pg_catalog.pg_roles granted on granted.oid = m.roleid
            join pg_catalog.pg_roles member on member.oid = m.member
            where granted.rolname = entry[1]
            and member.rolname = entry[2]
        ) and not exists (
            select
            from pg_catalog.pg_roles r
            where r.rolname = entry[2]
            and r.rolsuper
        ) and exists (
            select
            from pg_catalog.pg_roles r
            where r.rolname = any(entry[1:2])
            and pg_catalog.shobj_description(r.oid, 'pg_authid') = ours
        ) then
            begin
                execute pg_catalog.format('grant %I to %I %s', entry[1], entry[2], case
                    when pg_catalog.shobj_description(entry[1]::regrole, 'pg_authid') = ours
                    then entry[3]
                end);
            exception
                when duplicate_object or unique_violation then null;
            end;
        end if;
    end loop;
end
$$;
