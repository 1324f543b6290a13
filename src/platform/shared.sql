-- What belongs to the whole server and a file could change, a line each: roles, memberships,
-- settings, databases, tablespaces, slots, subscriptions. Of this database only what others may see
-- of it.
--
-- NOTE: what a file makes is not in it: roles with the mark of migrations, and what is granted to
-- them.
with ours as (
    select r.oid
    from pg_catalog.pg_roles r
    where r.rolname ~ '^leakproof_'
    or pg_catalog.shobj_description(r.oid, 'pg_authid') = @mark@ || @migrations@
)
select
    pg_catalog.format('role %I', a.rolname),
    pg_catalog.md5(a::text || coalesce(pg_catalog.shobj_description(a.oid, 'pg_authid'), ''))
from pg_catalog.pg_authid a
where a.oid not in (select oid from ours)
union all
select
    pg_catalog.format(
        'membership of %s in %s by %s', m.member::regrole, m.roleid::regrole, m.grantor::regrole),
    -- From 16 on it has more options than one, and a number.
    pg_catalog.md5((pg_catalog.to_jsonb(m) - 'oid')::text)
from pg_catalog.pg_auth_members m
where m.member not in (select oid from ours)
-- Who runs files, and the platform's roles, may be given what a file makes; nobody else.
and not (m.roleid in (select oid from ours) and m.member in (
    select r.oid
    from pg_catalog.pg_roles r
    where r.rolname in ('postgres', 'authenticator')
    or pg_catalog.starts_with(
        coalesce(pg_catalog.shobj_description(r.oid, 'pg_authid'), ''), @mark@
    )
))
union all
select
    pg_catalog.format('settings of %s', s.setrole::regrole), pg_catalog.md5(s.setconfig::text)
from pg_catalog.pg_db_role_setting s
where s.setrole not in (select oid from ours) and s.setdatabase not in (
    select d.oid from pg_catalog.pg_database d where d.datname = @here@
)
union all
select
    pg_catalog.format('database %I', d.datname),
    pg_catalog.md5(pg_catalog.concat_ws(
        ' ', d.datdba, d.datallowconn, d.datconnlimit, d.dattablespace,
        case when d.datname <> @here@ then pg_catalog.concat_ws(
            ' ', d.datistemplate, d.datacl,
            pg_catalog.shobj_description(d.oid, 'pg_database')
        ) end
    ))
from pg_catalog.pg_database d
where d.datname !~ '^leakproof_' or d.datname = @here@
union all
select pg_catalog.format('tablespace %I', t.spcname), pg_catalog.md5(t::text)
from pg_catalog.pg_tablespace t
union all
select pg_catalog.format('slot %I', s.slot_name), pg_catalog.md5(coalesce(s.plugin, ''))
from pg_catalog.pg_replication_slots s
union all
select pg_catalog.format('subscription %I', s.subname), pg_catalog.md5(s.oid::text)
from pg_catalog.pg_subscription s
order by 1, 2
