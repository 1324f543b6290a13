-- Which object needs which: a view by its rule, a column by its default.
with edges as (
    select d.classid, d.objid, d.objsubid, d.refclassid, d.refobjid, d.refobjsubid
    from pg_catalog.pg_depend d
    where d.deptype in ('n', 'a', 'i') and d.objid >= 16384 and d.refobjid >= 16384
        and d.refclassid <> 'pg_catalog.pg_namespace'::regclass
        -- A sequence goes with its column, and is there before it.
        and not (d.classid = 'pg_catalog.pg_class'::regclass and d.refobjsubid > 0
            and d.refclassid = 'pg_catalog.pg_class'::regclass
            and exists (select from pg_catalog.pg_sequence q where q.seqrelid = d.objid))
), meant as (
    select
        case
            when w.oid is not null and w.rulename = '_RETURN' then 'pg_catalog.pg_class'::regclass
            when b.oid is not null then 'pg_catalog.pg_class'::regclass
            when composite.oid is not null then 'pg_catalog.pg_type'::regclass
            when t.typrelid > 0 and c.relkind <> 'c' then 'pg_catalog.pg_class'::regclass
            else e.classid
        end as class,
        case
            when w.oid is not null and w.rulename = '_RETURN' then w.ev_class
            when b.oid is not null then b.adrelid
            when t.typrelid > 0 and c.relkind <> 'c' then t.typrelid
            when composite.oid is not null then composite.reltype
            else e.objid
        end as oid,
        case when composite.oid is null then coalesce(b.adnum::int, e.objsubid) else 0 end as sub,
        case
            when k.oid is not null then 'pg_catalog.pg_constraint'::regclass
            when y.typrelid > 0 and rc.relkind <> 'c' then 'pg_catalog.pg_class'::regclass
            else e.refclassid
        end as needed_class,
        case
            when k.oid is not null then k.oid
            when y.typrelid > 0 and rc.relkind <> 'c' then y.typrelid
            when y.typelem > 0 and y.typcategory = 'A' then y.typelem
            else e.refobjid
        end as needed_oid,
        e.refobjsubid as needed_sub
    from edges e
    left join pg_catalog.pg_rewrite w
        on e.classid = 'pg_catalog.pg_rewrite'::regclass and w.oid = e.objid
    left join pg_catalog.pg_attrdef b
        on e.classid = 'pg_catalog.pg_attrdef'::regclass and b.oid = e.objid
    left join pg_catalog.pg_type t on e.classid = 'pg_catalog.pg_type'::regclass and t.oid = e.objid
    left join pg_catalog.pg_class c on c.oid = t.typrelid
    left join pg_catalog.pg_class composite on e.classid = 'pg_catalog.pg_class'::regclass
        and composite.oid = e.objid and composite.relkind = 'c'
    left join pg_catalog.pg_type y
        on e.refclassid = 'pg_catalog.pg_type'::regclass and y.oid = e.refobjid
    left join pg_catalog.pg_class rc on rc.oid = y.typrelid
    left join pg_catalog.pg_constraint k on e.refclassid = 'pg_catalog.pg_class'::regclass
        and k.conindid = e.refobjid and k.contype in ('p', 'u', 'x')
)
select distinct m.class::oid::bigint, m.oid::bigint, m.sub::int, m.needed_class::oid::bigint,
    m.needed_oid::bigint, m.needed_sub::int
from meant m
where (m.class, m.oid, m.sub) <> (m.needed_class, m.needed_oid, m.needed_sub)
