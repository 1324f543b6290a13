-- Unique and exclusion constraints and indexes by name, with every column that they look at, those
-- in expressions and conditions included.
select
    i.indrelid::bigint as relation,
    c.relname as name,
    i.indisunique and i.indexprs is null and i.indpred is null as is_plain,
    (
        select pg_catalog.json_agg(a.attname order by a.attnum)
        from pg_catalog.pg_attribute a
        where a.attrelid = i.indrelid
            and a.attnum > 0
            and (
                a.attnum = any (i.indkey::int2[])
                or exists (
                    select
                    from pg_catalog.pg_depend d
                    where d.classid = 'pg_catalog.pg_class'::regclass
                        and d.objid = i.indexrelid
                        and d.refclassid = 'pg_catalog.pg_class'::regclass
                        and d.refobjid = i.indrelid
                        and d.refobjsubid = a.attnum
                )
            )
    ) as columns
from pg_catalog.pg_index i
join pg_catalog.pg_class c on c.oid = i.indexrelid
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where (i.indisunique or i.indisexclusion)
    and n.nspname not in ('pg_catalog', 'information_schema', 'leakproof', 'pg_toast')
order by i.indexrelid
