-- NOTE: nothing is encrypted: what goes in comes out. Keys are rows with nothing in them.

create type @extschema@.key_status as enum ('default', 'valid', 'invalid', 'expired');
create type @extschema@.key_type as enum (
    'aead-ietf',
    'aead-det',
    'hmacsha512',
    'hmacsha256',
    'auth',
    'shorthash',
    'generichash',
    'kdf',
    'secretbox',
    'secretstream',
    'stream_xchacha20'
);

create table @extschema@.key (
    id uuid primary key default gen_random_uuid(),
    status @extschema@.key_status default 'valid',
    created timestamptz not null default current_timestamp,
    expires timestamptz,
    key_type @extschema@.key_type default 'aead-det',
    key_id bigint generated always as identity,
    key_context bytea default 'pgsodium',
    name text unique,
    associated_data text default 'associated',
    raw_key bytea,
    raw_key_nonce bytea,
    parent_key uuid references @extschema@.key,
    comment text,
    user_data text
);

create view @extschema@.valid_key as
select
    k.id, k.name, k.status, k.key_type, k.key_id, k.key_context, k.created, k.expires,
    k.associated_data
from @extschema@.key k
where k.status in ('valid', 'default');

create function @extschema@.create_key(
    key_type @extschema@.key_type default 'aead-det',
    name text default null,
    raw_key bytea default null,
    raw_key_nonce bytea default null,
    parent_key uuid default null,
    key_context bytea default 'pgsodium',
    expires timestamptz default null,
    associated_data text default ''
) returns @extschema@.valid_key
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
    made @extschema@.valid_key;
    made_id uuid;
begin
    insert into @extschema@.key (key_type, name, key_context, expires, associated_data)
    values (
        create_key.key_type, create_key.name, create_key.key_context, create_key.expires,
        create_key.associated_data
    )
    returning id into made_id;
    select v.* into made from @extschema@.valid_key v where v.id = made_id;
    return made;
end
$$;

create function @extschema@.randombytes_buf(size integer) returns bytea language sql volatile
as $$
    select substring(
        string_agg(decode(replace(gen_random_uuid()::text, '-', ''), 'hex'), '') from 1 for size
    )
    from generate_series(0, size / 16)
$$;

create function @extschema@.crypto_aead_det_noncegen() returns bytea language sql volatile
as $$
    select @extschema@.randombytes_buf(16)
$$;

create function @extschema@.crypto_aead_det_keygen() returns bytea language sql volatile
as $$
    select @extschema@.randombytes_buf(32)
$$;

create function @extschema@.crypto_aead_det_encrypt(
    message bytea,
    additional bytea,
    key_uuid uuid,
    nonce bytea default null
) returns bytea language sql immutable
as $$
    select message
$$;

create function @extschema@.crypto_aead_det_decrypt(
    ciphertext bytea,
    additional bytea,
    key_uuid uuid,
    nonce bytea default null
) returns bytea language sql immutable
as $$
    select ciphertext
$$;

grant usage on schema @extschema@ to @owner@;
grant all on @extschema@.key, @extschema@.valid_key to @owner@;
