-- The sequences that number a column, as its identity or by its default, and the next number.
with sequences as materialized (
    select q.seqrelid as oid, q.seqstart, q.seqincrement
    from pg_catalog.pg_sequence q
    where q.seqincrement > 0 and pg_catalog.has_sequence_privilege(q.seqrelid, 'select, usage')
)
select q.oid::bigint as oid, s.relation::bigint as relation, s.number::int as number,
    coalesce(pg_catalog.pg_sequence_last_value(q.oid) + q.seqincrement, q.seqstart) as next
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
join sequences q on q.oid = s.oid
order by 1, 2, 3
