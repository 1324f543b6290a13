-- The sequences, with the column of whole numbers that each numbers as its identity or by its
-- default; 0 where there is none, for all that the catalog knows, or where that is not asked.
select q.seqrelid::bigint as oid, coalesce(s.relation, 0)::bigint as relation,
    coalesce(s.number, 0)::int as number, q.seqincrement as increment, q.seqstart as start,
    n.nspname as schema, c.relname as name
from pg_catalog.pg_sequence q
left join (
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
) as s on s.oid = q.seqrelid
    and :with_columns
    and exists (
        select
        from pg_catalog.pg_attribute a
        where a.attrelid = s.relation and a.attnum = s.number
            and a.atttypid in ('int2'::regtype, 'int4'::regtype, 'int8'::regtype)
    )
join pg_catalog.pg_class c on c.oid = q.seqrelid and c.relpersistence <> 't'
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where q.seqincrement > 0 and n.nspname <> 'leakproof'
    and not exists (
        select
        from pg_catalog.pg_depend d
        where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = q.seqrelid
            and d.deptype = 'e'
    )
    and case c.relkind
        when 'S' then pg_catalog.has_sequence_privilege(q.seqrelid, 'select')
            and pg_catalog.has_schema_privilege(n.oid, 'usage')
        else false
    end
order by 1, 2, 3
