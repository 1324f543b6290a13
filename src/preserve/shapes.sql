-- What guards or describes the rows of each table, an item a row, as the server writes it; without
-- the names that it gives by itself.
select s.oid::bigint as oid, s.kind, s.item
from (
    select c.conrelid as oid, 'statement' as kind,
        pg_catalog.pg_get_constraintdef(c.oid) as item
    from pg_catalog.pg_constraint c
    where c.contype in ('f', 'x', 'c') and c.conparentid = 0
    union all
    -- Be it by a constraint or by an index, and in whatever order.
    select i.indrelid, case when i.indisprimary then 'key' else 'unique' end, pg_catalog.concat(
        '(', pg_catalog.string_agg(a.attname, ', ' order by a.attname), ')'
    )
    from pg_catalog.pg_index i
    join pg_catalog.pg_attribute a on a.attrelid = i.indrelid
        and a.attnum = any((i.indkey::int2[])[0:i.indnkeyatts - 1])
    where i.indisunique and i.indpred is null and i.indexprs is null
    group by i.indexrelid, i.indrelid, i.indisprimary
    union all
    select i.indrelid, 'unique index', pg_catalog.regexp_replace(
        pg_catalog.pg_get_indexdef(i.indexrelid), '^.*? using ', '', 'i'
    )
    from pg_catalog.pg_index i
    where i.indisunique and (i.indpred is not null or i.indexprs is not null)
    union all
    select a.attrelid, case
        when exists (
            select
            from pg_catalog.pg_index i
            where i.indrelid = a.attrelid and i.indisprimary and a.attnum = any(i.indkey)
        ) then 'not null in a key'
        else 'not null'
    end, a.attname
    from pg_catalog.pg_attribute a
    where a.attnum > 0 and not a.attisdropped and a.attnotnull
    union all
    select a.attrelid, 'default', case
        when a.attidentity <> '' or pg_catalog.pg_get_expr(d.adbin, d.adrelid) ~ '^nextval'
            then a.attname || ' numbers itself'
        else a.attname || ' ' || pg_catalog.pg_get_expr(d.adbin, d.adrelid)
    end
    from pg_catalog.pg_attribute a
    left join pg_catalog.pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
    where a.attnum > 0 and not a.attisdropped and (a.attidentity <> '' or d.oid is not null)
    union all
    select t.tgrelid, 'statement', pg_catalog.concat(
        case t.tgenabled when 'D' then 'disabled ' end,
        pg_catalog.regexp_replace(pg_catalog.pg_get_triggerdef(t.oid), '^create ', '', 'i')
    )
    from pg_catalog.pg_trigger t
    where not t.tgisinternal
    union all
    select r.ev_class, 'statement', pg_catalog.concat('rule ', r.rulename, ' ', r.ev_type)
    from pg_catalog.pg_rewrite r
    union all
    select d.objoid, 'comment', case d.objsubid
        when 0 then d.description
        else 'on ' || a.attname || ': ' || d.description
    end
    from pg_catalog.pg_description d
    left join pg_catalog.pg_attribute a on a.attrelid = d.objoid and a.attnum = d.objsubid
    where d.classoid = 'pg_catalog.pg_class'::regclass
    union all
    select x.stxrelid, 'statistics', pg_catalog.regexp_replace(
        pg_catalog.pg_get_statisticsobjdef(x.oid), '^create statistics [^ ]+ | from .*$', '', 'gi'
    )
    from pg_catalog.pg_statistic_ext x
    union all
    select c.oid, 'storage parameter', o.option
    from pg_catalog.pg_class c, pg_catalog.unnest(c.reloptions) as o (option)
    where c.relkind in ('r', 'p')
) as s
join pg_catalog.pg_class c on c.oid = s.oid and c.relkind in ('r', 'p')
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    and n.nspname <> 'information_schema' and not pg_catalog.starts_with(n.nspname, 'pg_')
order by s.oid, s.kind, s.item
