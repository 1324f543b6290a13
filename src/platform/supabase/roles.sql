-- The roles of a Supabase cluster, as far as migrations and policies name them.
--
-- Roles belong to the whole cluster, so each is created only where it is missing: one that exists,
-- including a `postgres` that is the superuser we connect as, is left exactly as it is. What was
-- created here carries a comment, by which the last scratch database knows what it may drop.
-- NOTE: no role has a password. We are them through `set session authorization`.

do $$
declare
    -- NOTE: supabase_admin cannot log in here, as it can on Supabase: a superuser without a
    -- password on a server that may be somebody's own is more than any migration needs.
    wanted constant text[][] := array[
        ['anon', 'nologin inherit'],
        ['authenticated', 'nologin inherit'],
        ['service_role', 'nologin inherit bypassrls'],
        ['authenticator', 'login noinherit'],
        ['postgres', 'login nosuperuser createrole createdb replication bypassrls'],
        ['supabase_admin', 'nologin superuser createrole createdb replication bypassrls'],
        ['supabase_auth_admin', 'nologin noinherit createrole']
    ];
    memberships constant text[][] := array[
        ['anon', 'authenticator'],
        ['authenticated', 'authenticator'],
        ['service_role', 'authenticator'],
        ['anon', 'postgres'],
        ['authenticated', 'postgres'],
        ['service_role', 'postgres']
    ];
    ours constant text := 'created by leakproof for a scratch database, dropped with the last one';
    pair text[];
begin
    foreach pair slice 1 in array wanted loop
        if not exists (select from pg_catalog.pg_roles r where r.rolname = pair[1]) then
            begin
                execute pg_catalog.format('create role %I %s', pair[1], pair[2]);
                execute pg_catalog.format('comment on role %I is %L', pair[1], ours);
            exception
                -- Another run on this cluster was faster; its role is as good as ours.
                when duplicate_object or unique_violation then null;
            end;
        end if;
    end loop;

    -- A membership is granted only where one side is ours: between two roles that were there
    -- before us it is the cluster's own business. A superuser needs none.
    foreach pair slice 1 in array memberships loop
        if not exists (
            select
            from pg_catalog.pg_auth_members m
            join pg_catalog.pg_roles granted on granted.oid = m.roleid
            join pg_catalog.pg_roles member on member.oid = m.member
            where granted.rolname = pair[1]
            and member.rolname = pair[2]
        ) and not exists (
            select
            from pg_catalog.pg_roles r
            where r.rolname = pair[2]
            and r.rolsuper
        ) and exists (
            select
            from pg_catalog.pg_roles r
            where r.rolname = any(pair)
            and pg_catalog.shobj_description(r.oid, 'pg_authid') = ours
        ) then
            begin
                execute pg_catalog.format('grant %I to %I', pair[1], pair[2]);
            exception
                when duplicate_object or unique_violation then null;
            end;
        end if;
    end loop;
end
$$;
