-- Relations a client can name, with what decides access to them.
with recursive domains as (
    -- Down to the type at the bottom, whatever lies between.
    select t.oid as domain, t.typbasetype as base, t.typtypmod as modifier, t.typnotnull as not_null
    from pg_catalog.pg_type t
    where t.typtype = 'd'
    union all
    select d.domain, t.typbasetype, greatest(d.modifier, t.typtypmod), d.not_null or t.typnotnull
    from domains d
    join pg_catalog.pg_type t on t.oid = d.base
    where t.typtype = 'd'
), bases as materialized (
    select d.domain, d.base, d.modifier, d.not_null
    from domains d
    join pg_catalog.pg_type t on t.oid = d.base
    where t.typtype <> 'd'
)
select
    c.oid::bigint as oid,
    n.nspname as schema,
    c.relname as name,
    c.relkind::text as kind,
    pg_catalog.pg_get_userbyid(c.relowner) as owner,
    (
        select r.rolsuper or r.rolbypassrls from pg_catalog.pg_roles r where r.oid = c.relowner
    ) as is_owner_unbound,
    coalesce((
        select o.option_value::boolean
        from pg_catalog.pg_options_to_table(c.reloptions) o
        where o.option_name = 'security_invoker'
    ), false) as is_security_invoker,
    case when not c.relrowsecurity then 'off' when c.relforcerowsecurity then 'forced' else 'on' end
        as row_security,
    -- What its triggers say that fire on update: the bit 16 of tgtype. Of one in another language
    -- than PL/pgSQL nothing is known, and `new` stands for that.
    (
        select pg_catalog.string_agg(
            case when l.lanname = 'plpgsql' then f.prosrc else 'new' end, ' ' order by g.tgname
        )
        from pg_catalog.pg_trigger g
        join pg_catalog.pg_proc f on f.oid = g.tgfoid
        join pg_catalog.pg_language l on l.oid = f.prolang
        where g.tgrelid = c.oid and not g.tgisinternal and g.tgtype & 16 = 16
    ) as update_triggers,
    -- Whether an update that reached nothing may have found rows, or would with other values: by a
    -- rule, or by a trigger of it or of a table below it that is of the whole statement (no bit 1),
    -- or comes before a row (the bit 2) and does more than to set columns, so that it may return
    -- nothing.
    exists (
        select
        from pg_catalog.pg_rewrite w
        where w.ev_class = c.oid and w.rulename <> '_RETURN'
    ) or exists (
        with recursive below as (
            select c.oid
            union
            select i.inhrelid
            from below
            join pg_catalog.pg_inherits i on i.inhparent = below.oid
        )
        select
        from below
        join pg_catalog.pg_trigger g on g.tgrelid = below.oid
        join pg_catalog.pg_proc f on f.oid = g.tgfoid
        join pg_catalog.pg_language l on l.oid = f.prolang
        where not g.tgisinternal
            and g.tgtype & 16 = 16
            and (
                g.tgtype & 1 = 0
                or (
                    g.tgtype & 2 = 2
                    and (
                        l.lanname <> 'plpgsql'
                        or f.prosrc !~* (
                            E'^\\s*begin\\s+(new\\s*\\.\\s*\\w+\\s*:?=\\s*[^;]+;\\s*)*'
                            || E'return\\s+new\\s*;\\s*end\\s*;?\\s*$'
                        )
                    )
                )
            )
    ) as may_swallow_updates,
    exists (
        select
        from pg_catalog.pg_trigger g
        -- The bit 32: on truncate.
        where g.tgrelid = c.oid and not g.tgisinternal and g.tgtype & 32 = 32
    ) as has_truncate_trigger,
    -- What its triggers say that fire on insert: the bit 4 of tgtype.
    (
        select pg_catalog.string_agg(f.prosrc, ' ' order by g.tgname)
        from pg_catalog.pg_trigger g
        join pg_catalog.pg_proc f on f.oid = g.tgfoid
        where g.tgrelid = c.oid and not g.tgisinternal and g.tgtype & 4 = 4
    ) as trigger_source,
    -- Constraints and triggers of its own that may wait for the end of the transaction.
    exists (
        select
        from pg_catalog.pg_trigger g
        where g.tgrelid = c.oid and g.tgdeferrable
    ) or exists (
        select
        from pg_catalog.pg_constraint k
        where k.conrelid = c.oid and k.condeferrable
    ) as is_deferrable,
    -- What its rows must be to lie in one of the partitions below it, or in itself.
    case when c.relkind = 'p' or c.relispartition then (
        select pg_catalog.string_agg(
            -- A default partition that is alone takes everything.
            '(' || coalesce(pg_catalog.pg_get_partition_constraintdef(l.oid), 'true') || ')',
            ' or ' order by l.oid
        )
        from (
            select p.relid::oid as oid
            from pg_catalog.pg_partition_tree(c.oid) p
            where p.isleaf
            order by p.relid::oid
            limit 64
        ) l
    ) end as bounds,
    coalesce((
        select pg_catalog.json_agg(pg_catalog.json_build_object(
            'attnum', a.attnum,
            'name', a.attname,
            'type_name', pg_catalog.format_type(a.atttypid, a.atttypmod),
            'base_type', coalesce(b.typname, t.typname),
            'category', t.typcategory,
            'length', case
                when coalesce(d.base, a.atttypid) in (1042, 1043)
                    and greatest(d.modifier, a.atttypmod) > 4
                then greatest(d.modifier, a.atttypmod) - 4
            end,
            'not_null', a.attnotnull or coalesce(d.not_null, false),
            'has_default', a.atthasdef or t.typdefault is not null,
            'default', case
                when a.attgenerated = '' then pg_catalog.pg_get_expr(g.adbin, g.adrelid)
            end,
            'is_generated', a.attgenerated <> '',
            'generation', case
                when a.attgenerated <> '' then pg_catalog.pg_get_expr(g.adbin, g.adrelid)
            end,
            'identity', a.attidentity::text,
            'parts', (
                select pg_catalog.count(*)
                from pg_catalog.pg_attribute p
                where p.attrelid = nullif(coalesce(b.typrelid, t.typrelid), 0)
                    and p.attnum > 0
                    and not p.attisdropped
            ),
            'labels', (
                select pg_catalog.json_agg(e.enumlabel order by e.enumsortorder)
                from pg_catalog.pg_enum e
                where e.enumtypid = coalesce(b.oid, t.oid)
            ),
            'element_labels', (
                select pg_catalog.json_agg(e.enumlabel order by e.enumsortorder)
                from pg_catalog.pg_enum e
                where e.enumtypid = nullif(coalesce(b.typelem, t.typelem), 0)
            )
        ) order by a.attnum)
        from pg_catalog.pg_attribute a
        join pg_catalog.pg_type t on t.oid = a.atttypid
        left join bases d on d.domain = t.oid
        left join pg_catalog.pg_type b on b.oid = d.base
        left join pg_catalog.pg_attrdef g on g.adrelid = a.attrelid and g.adnum = a.attnum
        where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    ), '[]'::json) as columns
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'v', 'm', 'f')
    and n.nspname not in ('pg_catalog', 'information_schema', 'leakproof')
    and not pg_catalog.starts_with(n.nspname, 'pg_')
order by n.nspname collate "C", c.relname collate "C"
