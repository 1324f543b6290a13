-- Triggers and rules. Of those on the platform's tables the ones that run the project's functions.
select 'trigger' as kind, pg_catalog.format('%I on %s', t.tgname, r.title) as key,
    r.nspname as schema, r.relname as name, pg_catalog.format('%s %s', r.word, r.title) as parent,
    'pg_catalog.pg_trigger'::regclass::oid::bigint as class, t.oid::bigint as oid, 0 as sub,
    pg_catalog.pg_get_triggerdef(t.oid) as create,
    pg_catalog.format('drop trigger %I on %s', t.tgname, r.title) as drop,
    pg_catalog.format('trigger %I on %s', t.tgname, r.title) as phrase,
    pg_catalog.json_build_array(
        pg_catalog.json_build_object(
            'name', 'definition', 'value', pg_catalog.pg_get_triggerdef(t.oid)
        ),
        pg_catalog.json_build_object(
            'name', 'state',
            'value', case t.tgenabled
                when 'D' then 'disabled'
                when 'R' then 'enabled on replicas'
                when 'A' then 'enabled always'
                else 'enabled'
            end,
            'set', pg_catalog.format(
                'alter table %s %s trigger %I', r.title,
                case t.tgenabled
                    when 'D' then 'disable'
                    when 'R' then 'enable replica'
                    when 'A' then 'enable always'
                    else 'enable'
                end, t.tgname
            ),
            'is_after', t.tgenabled <> 'O'
        )
    ) as parts
from pg_catalog.pg_trigger t
join relations r on r.oid = t.tgrelid
join pg_catalog.pg_proc p on p.oid = t.tgfoid
left join schemas s on s.oid = p.pronamespace
where not t.tgisinternal and t.tgparentid = 0
    and (not r.is_platform or (not s.is_platform and not exists (
        select
        from members m
        where m.classid = 'pg_catalog.pg_proc'::regclass and m.objid = p.oid
    )))
union all
select 'rule', pg_catalog.format('%I on %s', w.rulename, r.title), r.nspname, r.relname,
    pg_catalog.format('%s %s', r.word, r.title),
    'pg_catalog.pg_rewrite'::regclass::oid::bigint, w.oid::bigint, 0,
    pg_catalog.rtrim(pg_catalog.pg_get_ruledef(w.oid), ';'),
    pg_catalog.format('drop rule %I on %s', w.rulename, r.title),
    pg_catalog.format('rule %I on %s', w.rulename, r.title),
    pg_catalog.json_build_array(
        pg_catalog.json_build_object(
            'name', 'definition',
            'value', pg_catalog.rtrim(pg_catalog.pg_get_ruledef(w.oid), ';')
        ),
        pg_catalog.json_build_object(
            'name', 'state',
            'value', case w.ev_enabled when 'D' then 'disabled' else 'enabled' end,
            'set', pg_catalog.format(
                'alter table %s %s rule %I', r.title,
                case w.ev_enabled when 'D' then 'disable' else 'enable' end, w.rulename
            ),
            'is_after', w.ev_enabled = 'D'
        )
    )
from pg_catalog.pg_rewrite w
join relations r on r.oid = w.ev_class
where w.rulename <> '_RETURN' and not r.is_platform
