-- What this transaction holds of relations so far, and what it has done to their files.
select held.oid, held.modes, c.oid is not null as is_there, i.indrelid::bigint as index_of,
    pg_catalog.pg_relation_filenode(c.oid)::bigint as file,
    pg_catalog.pg_stat_get_xact_numscans(c.oid) as scans
from (
    select l.relation, l.relation::bigint as oid,
        pg_catalog.array_agg(l.mode order by l.mode) as modes
    from pg_catalog.pg_locks l
    where l.pid = pg_catalog.pg_backend_pid() and l.locktype = 'relation' and l.granted
        and l.relation >= 16384
        and l.database = (
            select d.oid
            from pg_catalog.pg_database d
            where d.datname = pg_catalog.current_database()
        )
    group by l.relation
) held
left join pg_catalog.pg_class c on c.oid = held.relation
left join pg_catalog.pg_index i on i.indexrelid = held.relation
