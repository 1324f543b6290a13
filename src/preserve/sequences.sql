-- The sequences that number a column of whole numbers, as its identity or by its default.
select q.seqrelid::bigint as oid, s.relation::bigint as relation, s.number::int as number,
    q.seqincrement as increment, n.nspname as schema, c.relname as name
from (
    select d.objid as oid, d.refobjid as relation, d.refobjsubid as number
    from pg_catalog.pg_depend d
    where d.classid = 'pg_catalog.pg_class'::regclass
        and d.refclassid = 'pg_catalog.pg_class'::regclass and d.deptype = 'i'
    union
    select d.refobjid, a.adrelid, a.adnum
    from pg_catalog.pg_depend d
    join pg_catalog.pg_attrdef a on a.oid = d.objid
    where d.classid = 'pg_catalog.pg_attrdef'::regclass
        and d.refclassid = 'pg_catalog.pg_class'::regclass
) as s
join pg_catalog.pg_sequence q on q.seqrelid = s.oid and q.seqincrement > 0
join pg_catalog.pg_class c on c.oid = q.seqrelid
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
join pg_catalog.pg_attribute a on a.attrelid = s.relation and a.attnum = s.number
    and a.atttypid in ('int2'::regtype, 'int4'::regtype, 'int8'::regtype)
where case c.relkind
    when 'S' then pg_catalog.has_sequence_privilege(q.seqrelid, 'select')
    else false
end
order by 1, 2, 3
