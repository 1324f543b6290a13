-- Unique indexes over plain columns that no constraint owns.
select
    i.indrelid::bigint as relation,
    (
        select pg_catalog.json_agg(a.attname order by k.ordinal)
        from pg_catalog.unnest(i.indkey::int2[]) with ordinality as k (attnum, ordinal)
        join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
        where k.ordinal <= i.indnkeyatts
    ) as columns
from pg_catalog.pg_index i
join pg_catalog.pg_class c on c.oid = i.indrelid
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where i.indisunique
    and i.indexprs is null
    and n.nspname not in ('pg_catalog', 'information_schema', 'leakproof', 'pg_toast')
order by i.indexrelid
