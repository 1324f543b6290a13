-- What is not compared, by sort: how many there are, but for an extension's and the platform's.
with found as (
    select 'operators' as sort, 'pg_catalog.pg_operator'::regclass as class, o.oid,
        o.oprnamespace as namespace
    from pg_catalog.pg_operator o
    union all
    select 'operator classes', 'pg_catalog.pg_opclass'::regclass, o.oid, o.opcnamespace
    from pg_catalog.pg_opclass o
    union all
    select 'casts', 'pg_catalog.pg_cast'::regclass, c.oid, null
    from pg_catalog.pg_cast c
    union all
    select 'collations', 'pg_catalog.pg_collation'::regclass, c.oid, c.collnamespace
    from pg_catalog.pg_collation c
    union all
    select 'conversions', 'pg_catalog.pg_conversion'::regclass, c.oid, c.connamespace
    from pg_catalog.pg_conversion c
    union all
    select 'text search configurations', 'pg_catalog.pg_ts_config'::regclass, c.oid, c.cfgnamespace
    from pg_catalog.pg_ts_config c
    union all
    select 'text search dictionaries', 'pg_catalog.pg_ts_dict'::regclass, d.oid, d.dictnamespace
    from pg_catalog.pg_ts_dict d
    union all
    select 'foreign tables', 'pg_catalog.pg_class'::regclass, c.oid, c.relnamespace
    from pg_catalog.pg_class c
    where c.relkind = 'f'
    union all
    select 'foreign servers', 'pg_catalog.pg_foreign_server'::regclass, s.oid, null
    from pg_catalog.pg_foreign_server s
    union all
    select 'foreign data wrappers', 'pg_catalog.pg_foreign_data_wrapper'::regclass, w.oid, null
    from pg_catalog.pg_foreign_data_wrapper w
    union all
    select 'ordered-set aggregates', 'pg_catalog.pg_proc'::regclass, p.oid, p.pronamespace
    from pg_catalog.pg_proc p
    join pg_catalog.pg_aggregate a on a.aggfnoid = p.oid and a.aggkind <> 'n'
    union all
    select 'defaults of views', 'pg_catalog.pg_class'::regclass, c.oid, c.relnamespace
    from pg_catalog.pg_class c
    join pg_catalog.pg_attrdef d on d.adrelid = c.oid
    where c.relkind = 'v'
    union all
    select 'languages', 'pg_catalog.pg_language'::regclass, l.oid, null
    from pg_catalog.pg_language l
    union all
    select 'subscriptions', 'pg_catalog.pg_subscription'::regclass, s.oid, null
    from pg_catalog.pg_subscription s
    where s.subdbid = (
        select d.oid from pg_catalog.pg_database d where d.datname = pg_catalog.current_database()
    )
)
select f.sort, pg_catalog.count(*) as count
from found f
left join schemas s on s.oid = f.namespace
where f.oid >= 16384 and (f.namespace is null or s.oid is not null and not s.is_platform)
    and not exists (select from members m where (m.classid, m.objid) = (f.class, f.oid))
group by f.sort
order by f.sort
