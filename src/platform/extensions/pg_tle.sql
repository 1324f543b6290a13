-- NOTE: what is installed is written down; `create extension` then makes an empty one of its name.

create table @extschema@.installed (name text primary key, version text, description text);

create function @extschema@.install_extension(
    name text,
    version text,
    description text,
    ext text,
    requires text[] default null
) returns boolean language sql security definer set search_path = pg_catalog, pg_temp
as $$
    insert into @extschema@.installed (name, version, description)
    values (name, version, description)
    on conflict do nothing
    returning true
$$;

create function @extschema@.install_update_path(
    name text,
    fromvers text,
    tovers text,
    ext text
) returns boolean language sql
as $$
    select true
$$;

create function @extschema@.uninstall_extension(extname text) returns boolean
language sql security definer set search_path = pg_catalog, pg_temp
as $$
    delete from @extschema@.installed where name = extname returning true
$$;

create function @extschema@.uninstall_extension_if_exists(extname text) returns boolean
language sql security definer set search_path = pg_catalog, pg_temp
as $$
    with gone as (delete from @extschema@.installed where name = extname returning 1)
    select exists (select from gone)
$$;

create function @extschema@.set_default_version(name text, version text) returns boolean
language sql
as $$
    select true
$$;

create function @extschema@.available_extensions() returns table (
    name text,
    default_version text,
    comment text
) language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
    select name, version, description from @extschema@.installed
$$;

grant usage on schema @extschema@ to public;
grant select on @extschema@.installed to public;
