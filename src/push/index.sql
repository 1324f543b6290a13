-- The index of this name in the schema of a table: what it is, and whether it is that table's.
select
    pg_catalog.format('%I.%I', n.nspname, c.relname),
    i.indisvalid::text,
    (i.indrelid = t.oid)::text,
    exists(
        select
        from pg_catalog.pg_stat_progress_create_index p
        where p.index_relid = i.indexrelid
    )::text,
    pg_catalog.pg_get_indexdef(i.indexrelid)
from pg_catalog.pg_class t
join pg_catalog.pg_class c on c.relnamespace = t.relnamespace and c.relname = @name@
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
join pg_catalog.pg_index i on i.indexrelid = c.oid
where t.oid = pg_catalog.to_regclass(@table@)
