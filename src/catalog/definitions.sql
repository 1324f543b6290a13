-- Everything that migrations can define, a row each, as the server itself would write it. What
-- belongs to an extension, and what is ours, is left out.
with schemas as (
    select n.oid, n.nspname, n.nspowner, n.nspacl
    from pg_catalog.pg_namespace n
    where n.nspname not in ('information_schema', 'leakproof')
        and not pg_catalog.starts_with(n.nspname, 'pg_')
), owned as (
    select d.classid, d.objid
    from pg_catalog.pg_depend d
    where d.deptype = 'e'
), relations as materialized (
    select c.*, pg_catalog.format('%I.%I', s.nspname, c.relname) as title
    from pg_catalog.pg_class c
    join schemas s on s.oid = c.relnamespace
    where (1259, c.oid) not in (select classid, objid from owned)
), functions as materialized (
    select p.*, pg_catalog.format(
        '%I.%I(%s)', s.nspname, p.proname, pg_catalog.pg_get_function_identity_arguments(p.oid)
    ) as title
    from pg_catalog.pg_proc p
    join schemas s on s.oid = p.pronamespace
    where (1255, p.oid) not in (select classid, objid from owned)
), types as (
    select t.*, pg_catalog.format('%I.%I', s.nspname, t.typname) as title
    from pg_catalog.pg_type t
    join schemas s on s.oid = t.typnamespace
    where t.typtype in ('d', 'e', 'r') and (1247, t.oid) not in (select classid, objid from owned)
), grants as (
    select 'schema ' || s.nspname as title, a.*
    from schemas s, pg_catalog.aclexplode(s.nspacl) a
    union all
    select r.title, a.*
    from relations r, pg_catalog.aclexplode(r.relacl) a
    union all
    select pg_catalog.format('%s.%I', r.title, c.attname), a.*
    from relations r
    join pg_catalog.pg_attribute c on c.attrelid = r.oid and not c.attisdropped,
        pg_catalog.aclexplode(c.attacl) a
    union all
    select f.title, a.*
    from functions f,
        pg_catalog.aclexplode(coalesce(f.proacl, pg_catalog.acldefault('f', f.proowner))) a
    union all
    select t.title, a.*
    from types t, pg_catalog.aclexplode(t.typacl) a
), definitions (kind, title, definition) as (
    select 'schema', s.nspname::text, pg_catalog.pg_get_userbyid(s.nspowner)::text
    from schemas s
    union all
    select 'relation', r.title, pg_catalog.concat_ws(
        ' ', r.relkind, r.relpersistence, r.relrowsecurity, r.relforcerowsecurity, r.reloptions,
        pg_catalog.pg_get_userbyid(r.relowner), pg_catalog.pg_get_expr(r.relpartbound, r.oid),
        r.relreplident
    )
    from relations r
    where r.relkind not in ('i', 'I')
    union all
    -- Not its place: a column that was dropped can come back only as the last.
    select 'column', pg_catalog.format('%s.%I', r.title, a.attname), pg_catalog.concat_ws(
        ' ', pg_catalog.format_type(a.atttypid, a.atttypmod),
        case when a.attnotnull then 'not null' end,
        nullif(a.attidentity, ''), nullif(a.attgenerated, ''),
        'default ' || pg_catalog.pg_get_expr(d.adbin, d.adrelid)
    )
    from relations r
    join pg_catalog.pg_attribute a on a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped
    left join pg_catalog.pg_attrdef d on d.adrelid = r.oid and d.adnum = a.attnum
    where r.relkind in ('r', 'p', 'v', 'm', 'f', 'c')
    union all
    select 'constraint', pg_catalog.format('%I on %s', c.conname, r.title),
        pg_catalog.pg_get_constraintdef(c.oid)
    from relations r
    join pg_catalog.pg_constraint c on c.conrelid = r.oid
    -- From PostgreSQL 18 on NOT NULL is one, too; the column says it already.
    where c.contype <> 'n'
    union all
    select 'index', r.title, pg_catalog.pg_get_indexdef(r.oid)
    from relations r
    where r.relkind in ('i', 'I')
    union all
    select 'view', r.title, pg_catalog.pg_get_viewdef(r.oid)
    from relations r
    where r.relkind in ('v', 'm')
    union all
    select 'rule', pg_catalog.format('%I on %s', w.rulename, r.title),
        pg_catalog.pg_get_ruledef(w.oid)
    from relations r
    join pg_catalog.pg_rewrite w on w.ev_class = r.oid and w.rulename <> '_RETURN'
    union all
    select 'trigger', pg_catalog.format('%I on %s', t.tgname, r.title), pg_catalog.concat_ws(
        ' ', t.tgenabled, pg_catalog.pg_get_triggerdef(t.oid)
    )
    from relations r
    join pg_catalog.pg_trigger t on t.tgrelid = r.oid and not t.tgisinternal
    union all
    select 'policy', pg_catalog.format('%I on %s', p.polname, r.title), pg_catalog.concat_ws(
        ' ', p.polcmd, case when p.polpermissive then 'permissive' else 'restrictive' end,
        (
            select pg_catalog.string_agg(
                case role when 0 then 'public' else pg_catalog.pg_get_userbyid(role) end, ', '
                order by role
            )
            from pg_catalog.unnest(p.polroles) as role
        ),
        'using ' || pg_catalog.pg_get_expr(p.polqual, p.polrelid),
        'with check ' || pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid)
    )
    from relations r
    join pg_catalog.pg_policy p on p.polrelid = r.oid
    union all
    select 'function', f.title, pg_catalog.concat_ws(
        ' ', pg_catalog.pg_get_userbyid(f.proowner),
        case f.prokind when 'a' then 'aggregate' else pg_catalog.pg_get_functiondef(f.oid) end
    )
    from functions f
    union all
    select 'type', t.title, pg_catalog.concat_ws(
        ' ', t.typtype, pg_catalog.format_type(nullif(t.typbasetype, 0), t.typtypmod), t.typnotnull,
        t.typdefault,
        (
            select pg_catalog.string_agg(e.enumlabel, ', ' order by e.enumsortorder)
            from pg_catalog.pg_enum e
            where e.enumtypid = t.oid
        ),
        (
            select pg_catalog.string_agg(
                pg_catalog.pg_get_constraintdef(c.oid), ', ' order by c.conname
            )
            from pg_catalog.pg_constraint c
            where c.contypid = t.oid and c.contype <> 'n'
        )
    )
    from types t
    union all
    select 'sequence', r.title, pg_catalog.concat_ws(
        ' ', pg_catalog.format_type(q.seqtypid, null), q.seqstart, q.seqincrement, q.seqmin,
        q.seqmax, q.seqcache, q.seqcycle
    )
    from relations r
    join pg_catalog.pg_sequence q on q.seqrelid = r.oid
    union all
    select 'extension', e.extname::text, n.nspname::text
    from pg_catalog.pg_extension e
    join pg_catalog.pg_namespace n on n.oid = e.extnamespace
    union all
    select 'publication', p.pubname::text, pg_catalog.concat_ws(
        ' ', p.puballtables, p.pubinsert, p.pubupdate, p.pubdelete, p.pubtruncate,
        (
            select pg_catalog.string_agg(r.title, ', ' order by r.title)
            from pg_catalog.pg_publication_rel m
            join relations r on r.oid = m.prrelid
            where m.prpubid = p.oid
        )
    )
    from pg_catalog.pg_publication p
    union all
    select 'grant', pg_catalog.concat_ws(
            ' ', pg_catalog.lower(g.privilege_type), 'on', g.title, 'to',
            case g.grantee when 0 then 'public' else pg_catalog.pg_get_userbyid(g.grantee) end
        ), case when g.is_grantable then 'with grant option' else '' end
    from grants g
    union all
    select 'default privileges', pg_catalog.concat_ws(
            ' ', pg_catalog.pg_get_userbyid(d.defaclrole), d.defaclnamespace::regnamespace,
            d.defaclobjtype
        ), d.defaclacl::text
    from pg_catalog.pg_default_acl d
    union all
    select 'comment', pg_catalog.concat_ws(' ', o.type, o.identity), c.description
    from pg_catalog.pg_description c
    join lateral pg_catalog.pg_identify_object(c.classoid, c.objoid, c.objsubid) o on true
    where c.objoid >= 16384 and (c.classoid, c.objoid) not in (select classid, objid from owned)
)
select kind, title, definition
from definitions
where @condition@
order by kind, title, definition
