-- NOTE: nothing is downloaded: a package is written down under its name.

create schema dbdev;

create table dbdev.installed (name text primary key);

create function dbdev.install(package_name text, base_url text default '', api_key text default '')
returns boolean language sql security definer set search_path = pg_catalog, pg_temp
as $$
    with new as (insert into dbdev.installed values (package_name) on conflict do nothing)
    select true
$$;

grant usage on schema dbdev to public;
grant select on dbdev.installed to public;
