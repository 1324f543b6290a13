-- NOTE: a secret is encoded and not encrypted: in a scratch database there is nothing to hide.

create table @extschema@.secrets (
    id uuid primary key default gen_random_uuid(),
    name text,
    description text not null default '',
    secret text not null,
    key_id uuid,
    nonce bytea default decode(replace(gen_random_uuid()::text, '-', ''), 'hex'),
    created_at timestamptz not null default current_timestamp,
    updated_at timestamptz not null default current_timestamp
);

create unique index secrets_name_idx on @extschema@.secrets (name) where name is not null;

create view @extschema@.decrypted_secrets as
select
    s.id,
    s.name,
    s.description,
    s.secret,
    convert_from(decode(s.secret, 'base64'), 'utf8') as decrypted_secret,
    s.key_id,
    s.nonce,
    s.created_at,
    s.updated_at
from @extschema@.secrets s;

create function @extschema@.create_secret(
    new_secret text,
    new_name text default null,
    new_description text default '',
    new_key_id uuid default null
) returns uuid language sql security definer set search_path = pg_catalog, pg_temp
as $$
    insert into @extschema@.secrets (secret, name, description)
    values (encode(convert_to(new_secret, 'utf8'), 'base64'), new_name, new_description)
    returning id
$$;

create function @extschema@.update_secret(
    secret_id uuid,
    new_secret text default null,
    new_name text default null,
    new_description text default null,
    new_key_id uuid default null
) returns void language sql security definer set search_path = pg_catalog, pg_temp
as $$
    update @extschema@.secrets s
    set
        secret = coalesce(encode(convert_to(new_secret, 'utf8'), 'base64'), s.secret),
        name = coalesce(new_name, s.name),
        description = coalesce(new_description, s.description),
        updated_at = now()
    where s.id = secret_id
$$;

revoke all on function @extschema@.create_secret(text, text, text, uuid) from public;
revoke all on function @extschema@.update_secret(uuid, text, text, text, uuid) from public;
grant usage on schema @extschema@ to @owner@ with grant option;
grant select, delete on @extschema@.secrets, @extschema@.decrypted_secrets
    to @owner@ with grant option;
grant execute on function @extschema@.create_secret(text, text, text, uuid)
    to @owner@ with grant option;
grant execute on function @extschema@.update_secret(uuid, text, text, text, uuid)
    to @owner@ with grant option;

do $$
begin
    if exists (select from pg_catalog.pg_roles where rolname = 'service_role') then
        grant usage on schema @extschema@ to service_role;
        grant select, delete on @extschema@.secrets, @extschema@.decrypted_secrets to service_role;
        grant execute on function @extschema@.create_secret(text, text, text, uuid) to service_role;
        grant execute on function @extschema@.update_secret(uuid, text, text, text, uuid)
            to service_role;
    end if;
end
$$;
