-- What the view `pg_temp.leakproof_reads` reads, through other views as well: tables and their
-- columns, 0 for a whole row; and whether it calls a function that could read more.
with recursive views (oid) as (
    select 'pg_temp.leakproof_reads'::pg_catalog.regclass::oid
    union
    select d.refobjid
    from views v
    join pg_catalog.pg_rewrite w on w.ev_class = v.oid and w.ev_type = '1'
    join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_rewrite'::regclass
        and d.objid = w.oid and d.refclassid = 'pg_catalog.pg_class'::regclass
), used as (
    -- A row as a whole has the number 0 there, and depends on no column.
    select d.refclassid, d.refobjid, d.refobjsubid, w.ev_action::text ~ ':varattno 0 ' as has_whole
    from views v
    join pg_catalog.pg_rewrite w on w.ev_class = v.oid and w.ev_type = '1'
    join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_rewrite'::regclass
        and d.objid = w.oid
)
select distinct u.refobjid::bigint as relation, u.refobjsubid as number, false as is_open,
    c.relpersistence = 't' as is_passing
from used u
join pg_catalog.pg_class c on c.oid = u.refobjid and c.relkind in ('r', 'p', 'm', 'f')
where u.refclassid = 'pg_catalog.pg_class'::regclass and (u.refobjsubid > 0 or u.has_whole)
union all
select 0, 0, true, false
from used u
join pg_catalog.pg_proc p on p.oid = u.refobjid
join pg_catalog.pg_language l on l.oid = p.prolang and l.lanname not in ('internal', 'c')
where u.refclassid = 'pg_catalog.pg_proc'::regclass
order by 1, 2, 3, 4
