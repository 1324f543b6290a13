-- Who pushes to a target: the owner of a history, else who is connected; and whether the roles of
-- Supabase are there.
select coalesce((
    select pg_catalog.pg_get_userbyid(c.relowner)::text
    from pg_catalog.pg_class c
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where (n.nspname, c.relname) in (
        ('leakproof', 'refinery_schema_history'), ('public', 'refinery_schema_history'),
        ('supabase_migrations', 'schema_migrations')
    )
    order by n.nspname
    limit 1
), current_user::text) as pusher,
    (
        select pg_catalog.count(*) = 3
        from pg_catalog.pg_roles r
        where r.rolname in ('anon', 'authenticated', 'service_role')
    ) as is_supabase
