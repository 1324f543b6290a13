-- What an unfinished `reindex concurrently` leaves behind on a table, or on the table of an index.
select pg_catalog.format('%I.%I', n.nspname, c.relname)
from pg_catalog.pg_class t
join pg_catalog.pg_index i on i.indrelid in (t.oid, t.reltoastrelid)
join pg_catalog.pg_class c on c.oid = i.indexrelid
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where not i.indisvalid and c.relname ~ '_cc(new|old)[0-9]*$'
    and t.oid = coalesce(
        (
            select x.indrelid
            from pg_catalog.pg_index x
            where x.indexrelid = pg_catalog.to_regclass(@name@)
        ),
        pg_catalog.to_regclass(@name@)
    )
order by 1
