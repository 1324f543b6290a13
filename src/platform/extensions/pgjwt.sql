-- Tokens signed with a shared secret: they are real where pgcrypto is.

create function @extschema@.url_encode(data bytea) returns text language sql immutable
as $$
    select translate(encode(data, 'base64'), E'+/=\n', '-_')
$$;

create function @extschema@.url_decode(data text) returns bytea language sql immutable
as $$
    select decode(
        rpad(t.plain, (length(t.plain) + 3) / 4 * 4, '='),
        'base64'
    )
    from translate(data, '-_', '+/') as t (plain)
$$;

create function @extschema@.algorithm_sign(signables text, secret text, algorithm text)
returns text language plpgsql immutable
as $$
begin
    return @extschema@.url_encode(@extschema:pgcrypto@.hmac(
        signables,
        secret,
        case algorithm
            when 'HS256' then 'sha256'
            when 'HS384' then 'sha384'
            when 'HS512' then 'sha512'
        end
    ));
end
$$;

create function @extschema@.sign(payload json, secret text, algorithm text default 'HS256')
returns text language plpgsql immutable
as $$
declare
    signables text := @extschema@.url_encode(convert_to(
            '{"alg":"' || algorithm || '","typ":"JWT"}', 'utf8'
        )) || '.' || @extschema@.url_encode(convert_to(payload::text, 'utf8'));
begin
    return signables || '.' || @extschema@.algorithm_sign(signables, secret, algorithm);
end
$$;

create function @extschema@.try_cast_double(inp text) returns double precision
language plpgsql immutable
as $$
begin
    return inp::double precision;
exception
    when others then return null;
end
$$;

create function @extschema@.verify(token text, secret text, algorithm text default 'HS256')
returns table (header json, payload json, valid boolean) language plpgsql immutable
as $$
declare
    parts constant text[] := string_to_array(token, '.');
begin
    header := convert_from(@extschema@.url_decode(parts[1]), 'utf8')::json;
    payload := convert_from(@extschema@.url_decode(parts[2]), 'utf8')::json;
    valid := parts[3] = @extschema@.algorithm_sign(parts[1] || '.' || parts[2], secret, algorithm)
        and now() <@ tstzrange(
            to_timestamp(@extschema@.try_cast_double(payload ->> 'nbf')),
            to_timestamp(@extschema@.try_cast_double(payload ->> 'exp'))
        );
    return next;
end
$$;
