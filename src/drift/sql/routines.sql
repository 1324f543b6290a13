-- Functions, procedures and plain aggregates.
with routines as (
    select p.*, s.nspname, s.title as schema_title,
        pg_catalog.format(
            '%I.%I(%s)', s.nspname, p.proname,
            pg_catalog.pg_get_function_identity_arguments(p.oid)
        ) as title,
        case p.prokind when 'p' then 'procedure' when 'a' then 'aggregate' else 'function' end
            as word
    from pg_catalog.pg_proc p
    join schemas s on s.oid = p.pronamespace and not s.is_platform
    where not exists (
        select
        from members m
        where m.classid = 'pg_catalog.pg_proc'::regclass and m.objid = p.oid
    ) and not exists (
        select
        from pg_catalog.pg_depend d
        where d.classid = 'pg_catalog.pg_proc'::regclass and d.objid = p.oid and d.deptype = 'i'
    )
), whole as (
    select f.*,
        case when f.prokind <> 'a' then pg_catalog.pg_get_functiondef(f.oid) end as definition
    from routines f
)
select f.word as kind, f.title as key, f.nspname as schema, f.proname as name,
    'schema ' || f.schema_title as parent,
    'pg_catalog.pg_proc'::regclass::oid::bigint as class, f.oid::bigint as oid, 0 as sub,
    pg_catalog.rtrim(f.definition, E'\n') as create,
    pg_catalog.format('drop %s %s', f.word, f.title) as drop,
    pg_catalog.format('%s %s', f.word, f.title) as phrase, owner.name as owner,
    (
        select pg_catalog.json_agg(part.one)
        from (
            select pg_catalog.json_build_object('name', shape.name, 'value', shape.value) as one
            from (
                values
                    ('arguments', pg_catalog.pg_get_function_arguments(f.oid)),
                    ('result', pg_catalog.pg_get_function_result(f.oid))
            ) as shape (name, value)
            union all
            select pg_catalog.json_build_object(
                'name', part.name, 'value', part.value,
                'set', pg_catalog.rtrim(f.definition, E'\n'),
                'clear', pg_catalog.rtrim(f.definition, E'\n'),
                'is_verbatim', pg_catalog.pg_get_function_sqlbody(f.oid) is null
            )
            from (
                values
                    ('language', (
                        select l.lanname::text
                        from pg_catalog.pg_language l
                        where l.oid = f.prolang
                    )),
                    ('body', coalesce(
                        pg_catalog.pg_get_function_sqlbody(f.oid), f.prosrc
                    )),
                    ('security', case when f.prosecdef then 'definer' else 'invoker' end),
                    ('settings', coalesce(
                        pg_catalog.array_to_string(f.proconfig, ', '), 'none'
                    )),
                    ('volatility', case f.provolatile
                        when 'i' then 'immutable'
                        when 's' then 'stable'
                        else 'volatile'
                    end),
                    ('answer to null', case when f.proisstrict then 'strict' else 'called' end),
                    ('leakproof', case when f.proleakproof then 'yes' else 'no' end),
                    ('parallel', case f.proparallel
                        when 's' then 'safe'
                        when 'r' then 'restricted'
                        else 'unsafe'
                    end),
                    ('cost', f.procost::text), ('rows', f.prorows::text),
                    ('definition', f.definition)
            ) as part (name, value)
        ) as part
    ) as parts
from whole f
join roles owner on owner.oid = f.proowner
where f.prokind <> 'a'
union all
select f.word, f.title, f.nspname, f.proname, 'schema ' || f.schema_title,
    'pg_catalog.pg_proc'::regclass::oid::bigint, f.oid::bigint, 0,
    pg_catalog.format('create aggregate %s (%s)', f.title, options.text),
    pg_catalog.format('drop aggregate %s', f.title), pg_catalog.format('aggregate %s', f.title),
    owner.name,
    pg_catalog.json_build_array(
        pg_catalog.json_build_object('name', 'definition', 'value', options.text)
    )
from whole f
join roles owner on owner.oid = f.proowner
join pg_catalog.pg_aggregate a on a.aggfnoid = f.oid
left join lateral (
    select pg_catalog.concat_ws(
        ', ', 'sfunc = ' || a.aggtransfn::text,
        'stype = ' || pg_catalog.format_type(a.aggtranstype, null),
        'sspace = ' || nullif(a.aggtransspace, 0),
        'finalfunc = ' || nullif(a.aggfinalfn::oid, 0)::regproc::text,
        case when a.aggfinalextra then 'finalfunc_extra' end,
        'combinefunc = ' || nullif(a.aggcombinefn::oid, 0)::regproc::text,
        'serialfunc = ' || nullif(a.aggserialfn::oid, 0)::regproc::text,
        'deserialfunc = ' || nullif(a.aggdeserialfn::oid, 0)::regproc::text,
        'initcond = ' || pg_catalog.quote_literal(a.agginitval),
        'msfunc = ' || nullif(a.aggmtransfn::oid, 0)::regproc::text,
        'minvfunc = ' || nullif(a.aggminvtransfn::oid, 0)::regproc::text,
        'mstype = ' || pg_catalog.format_type(nullif(a.aggmtranstype, 0), null),
        'mfinalfunc = ' || nullif(a.aggmfinalfn::oid, 0)::regproc::text,
        'minitcond = ' || pg_catalog.quote_literal(a.aggminitval),
        'parallel = ' || case f.proparallel
            when 's' then 'safe'
            when 'r' then 'restricted'
            else 'unsafe'
        end
    ) as text
) options on true
where f.prokind = 'a' and a.aggkind = 'n'
