-- What people can reach in the schemas that are looked at, and in the platform's storage, that no
-- probe tries. A schema is reached by who may use it. What belongs to an extension is not the
-- project's.
with people as (
    select r.oid, r.rolname
    from pg_catalog.pg_roles r
    where r.rolname in (
        select named.role
        from pg_catalog.json_array_elements_text(@roles@) as named (role)
    ) and not r.rolsuper and not r.rolbypassrls
), reached as (
    select n.oid, n.nspname, p.oid as person
    from pg_catalog.pg_namespace n, people p
    where n.nspname in (
        select named.schema
        from pg_catalog.json_array_elements_text(@schemas@) as named (schema)
    )
        and pg_catalog.has_schema_privilege(p.oid, n.oid, 'usage')
), functions as (
    select distinct pg_catalog.format(
        '%I.%I(%s)', s.nspname, f.proname, pg_catalog.oidvectortypes(f.proargtypes)
    ) as name
    from pg_catalog.pg_proc f
    join reached s on s.oid = f.pronamespace
    where f.prokind in ('f', 'p')
        and f.prorettype not in ('trigger'::pg_catalog.regtype, 'event_trigger'::pg_catalog.regtype)
        and pg_catalog.has_function_privilege(s.person, f.oid, 'execute')
        and not exists (
            select from pg_catalog.pg_depend d
            where d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass and d.objid = f.oid
                and d.deptype = 'e'
        )
), triggers as (
    -- What an event is to `tgtype`: 4 an insert, 8 a delete, 16 an update.
    select distinct pg_catalog.format('%I on %I.%I', t.tgname, s.nspname, c.relname) as name
    from pg_catalog.pg_trigger t
    join pg_catalog.pg_class c on c.oid = t.tgrelid
    join reached s on s.oid = c.relnamespace
    join pg_catalog.pg_proc f on f.oid = t.tgfoid
    where not t.tgisinternal
        and t.tgenabled in ('O', 'A')
        and f.prosecdef
        and (
            t.tgtype & 4 <> 0
                and pg_catalog.has_any_column_privilege(s.person, c.oid, 'insert')
            or t.tgtype & 8 <> 0 and pg_catalog.has_table_privilege(s.person, c.oid, 'delete')
            or t.tgtype & 16 <> 0
                and pg_catalog.has_any_column_privilege(s.person, c.oid, 'update')
        )
), sequences as (
    select distinct pg_catalog.format('%I.%I', s.nspname, c.relname) as name
    from pg_catalog.pg_class c
    join reached s on s.oid = c.relnamespace
    where c.relkind = 'S'
        and pg_catalog.has_sequence_privilege(s.person, c.oid, 'usage, select, update')
), storage as (
    select distinct pg_catalog.format('%I on %I.%I', p.polname, n.nspname, c.relname) as name
    from pg_catalog.pg_policy p
    join pg_catalog.pg_class c on c.oid = p.polrelid
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where n.nspname = 'storage'
        and (
            0::pg_catalog.oid = any (p.polroles)
            or exists (select from people where people.oid = any (p.polroles))
        )
)
select
    array(select f.name from functions f order by f.name collate "C") as functions,
    array(select t.name from triggers t order by t.name collate "C") as definer_triggers,
    array(select s.name from sequences s order by s.name collate "C") as sequences,
    array(select s.name from storage s order by s.name collate "C") as storage_policies
