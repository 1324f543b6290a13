-- Writes a receipt down, with the locks that our session holds just before it commits.
insert into leakproof.receipts
    (version, name, action, sha256, applied_at, applied_by, logged_in_as, took_ms, receipt)
select
    @version@, @name@, @action@, @sha256@, pg_catalog.clock_timestamp(), current_user,
    session_user, @took@, @receipt@::jsonb || pg_catalog.jsonb_build_object('locks', (
        select coalesce(pg_catalog.jsonb_agg(
            pg_catalog.jsonb_build_object(
                'relation', pg_catalog.format('%I.%I', n.nspname, c.relname),
                'mode', l.mode
            ) order by n.nspname, c.relname, l.mode
        ), '[]')
        from pg_catalog.pg_locks l
        join pg_catalog.pg_class c on c.oid = l.relation
        join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        where l.pid = pg_catalog.pg_backend_pid() and l.locktype = 'relation' and l.granted
            and l.mode <> 'AccessShareLock' and c.relkind in ('r', 'p', 'm', 'v', 'f')
            and n.nspname not in ('leakproof', 'supabase_migrations')
            and not pg_catalog.starts_with(n.nspname, 'pg_')
    ))
returning id
