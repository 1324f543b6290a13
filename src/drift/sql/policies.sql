-- Policies, those on the platform's tables as well: the platform has none of its own but in `cron`.
select 'policy' as kind, pg_catalog.format('%I on %s', p.polname, r.title) as key,
    r.nspname as schema, r.relname as name, pg_catalog.format('%s %s', r.word, r.title) as parent,
    'pg_catalog.pg_policy'::regclass::oid::bigint as class, p.oid::bigint as oid, 0 as sub,
    pg_catalog.concat_ws(
        ' ', pg_catalog.format('create policy %I on %s', p.polname, r.title),
        case when not p.polpermissive then 'as restrictive' end, 'for', command.word,
        'to', roles.names, 'using (' || condition.text || ')',
        'with check (' || condition.check_text || ')'
    ) as create,
    pg_catalog.format('drop policy %I on %s', p.polname, r.title) as drop,
    pg_catalog.format('policy %I on %s', p.polname, r.title) as phrase,
    pg_catalog.json_build_array(
        pg_catalog.json_build_object(
            'name', 'kind',
            'value', case when p.polpermissive then 'permissive' else 'restrictive' end
        ),
        pg_catalog.json_build_object('name', 'command', 'value', command.word),
        pg_catalog.json_build_object(
            'name', 'roles', 'value', roles.names,
            'set', pg_catalog.format(
                'alter policy %I on %s to %s', p.polname, r.title, roles.names
            )
        ),
        pg_catalog.json_build_object(
            'name', 'using', 'value', condition.text,
            'change', pg_catalog.format(
                'alter policy %I on %s using (%s)', p.polname, r.title, condition.text
            )
        ),
        pg_catalog.json_build_object(
            'name', 'with check', 'value', condition.check_text,
            'change', pg_catalog.format(
                'alter policy %I on %s with check (%s)', p.polname, r.title, condition.check_text
            )
        )
    ) as parts
from pg_catalog.pg_policy p
join relations r on r.oid = p.polrelid
left join lateral (
    select pg_catalog.string_agg(coalesce(pg_catalog.quote_ident(one.name), 'public'), ', '
        order by one.name) as names
    from pg_catalog.unnest(p.polroles) as granted (role)
    left join roles one on one.oid = granted.role
) roles on true
left join lateral (
    select case p.polcmd
        when 'r' then 'select'
        when 'a' then 'insert'
        when 'w' then 'update'
        when 'd' then 'delete'
        else 'all'
    end as word
) command on true
left join lateral (
    select pg_catalog.pg_get_expr(p.polqual, p.polrelid) as text,
        pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid) as check_text
) condition on true
where r.nspname <> 'cron' or not r.is_platform
