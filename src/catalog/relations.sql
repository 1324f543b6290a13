-- Relations a client can name, with what decides access to them.
select
    c.oid::bigint as oid,
    n.nspname as schema,
    c.relname as name,
    c.relkind::text as kind,
    exists (
        select
        from pg_catalog.pg_trigger g
        -- The bit 16 of tgtype: it fires on update.
        where g.tgrelid = c.oid and not g.tgisinternal and g.tgtype & 16 = 16
    ) as has_update_trigger,
    coalesce((
        select json_agg(json_build_object(
            'attnum', a.attnum,
            'name', a.attname,
            'type_name', pg_catalog.format_type(a.atttypid, a.atttypmod),
            'base_type', coalesce(b.typname, t.typname),
            'category', t.typcategory,
            'length', case when a.atttypid in (1042, 1043) and a.atttypmod > 4
                then a.atttypmod - 4 end,
            'not_null', a.attnotnull or t.typnotnull,
            'has_default', a.atthasdef or t.typdefault is not null,
            'is_generated', a.attgenerated <> '',
            'identity', a.attidentity::text,
            'parts', (
                select count(*)
                from pg_catalog.pg_attribute p
                where p.attrelid = nullif(coalesce(b.typrelid, t.typrelid), 0)
                    and p.attnum > 0
                    and not p.attisdropped
            ),
            'labels', (
                select json_agg(e.enumlabel order by e.enumsortorder)
                from pg_catalog.pg_enum e
                where e.enumtypid = coalesce(b.oid, t.oid)
            )
        ) order by a.attnum)
        from pg_catalog.pg_attribute a
        join pg_catalog.pg_type t on t.oid = a.atttypid
        left join pg_catalog.pg_type b on b.oid = nullif(t.typbasetype, 0)
        where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    ), '[]'::json) as columns
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'v', 'm', 'f')
    and n.nspname not in ('pg_catalog', 'information_schema', 'leakproof')
    and n.nspname not like 'pg\_%'
order by n.nspname collate "C", c.relname collate "C"
