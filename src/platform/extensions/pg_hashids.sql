-- NOTE: an id is told in base 16 behind the length that was asked for, and not as hashids would.

create function @extschema@.id_encode(
    number bigint,
    salt text default '',
    min_length integer default 0,
    alphabet text default ''
) returns text language sql immutable
as $$
    select lpad(to_hex(number), greatest(min_length, length(to_hex(number))), '0')
$$;

create function @extschema@.id_decode_once(
    id text,
    salt text default '',
    min_length integer default 0,
    alphabet text default ''
) returns bigint language sql immutable
as $$
    select ('x' || lpad(id, 16, '0'))::bit(64)::bigint
$$;

create function @extschema@.id_decode(
    id text,
    salt text default '',
    min_length integer default 0,
    alphabet text default ''
) returns bigint[] language sql immutable
as $$
    select array[@extschema@.id_decode_once(id, salt, min_length, alphabet)]
$$;
