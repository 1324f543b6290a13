-- NOTE: every address answers 503: nothing is sent from a scratch database.

create domain @extschema@.http_method as text;
create type @extschema@.http_header as (field varchar, value varchar);
create type @extschema@.http_request as (
    method @extschema@.http_method,
    uri varchar,
    headers @extschema@.http_header[],
    content_type varchar,
    content varchar
);
create type @extschema@.http_response as (
    status integer,
    content_type varchar,
    headers @extschema@.http_header[],
    content varchar
);

create function @extschema@.http(request @extschema@.http_request)
returns @extschema@.http_response language sql
as $$
    select row(503, 'application/json', null, '[]')::@extschema@.http_response
$$;

create function @extschema@.http_header(field varchar, value varchar)
returns @extschema@.http_header language sql immutable
as $$
    select $1, $2
$$;

create function @extschema@.http_get(uri varchar)
returns @extschema@.http_response language sql
as $$
    select @extschema@.http(null)
$$;

create function @extschema@.http_get(uri varchar, data jsonb)
returns @extschema@.http_response language sql
as $$
    select @extschema@.http(null)
$$;

create function @extschema@.http_head(uri varchar)
returns @extschema@.http_response language sql
as $$
    select @extschema@.http(null)
$$;

create function @extschema@.http_post(uri varchar, content varchar, content_type varchar)
returns @extschema@.http_response language sql
as $$
    select @extschema@.http(null)
$$;

create function @extschema@.http_post(uri varchar, data jsonb)
returns @extschema@.http_response language sql
as $$
    select @extschema@.http(null)
$$;

create function @extschema@.http_put(uri varchar, content varchar, content_type varchar)
returns @extschema@.http_response language sql
as $$
    select @extschema@.http(null)
$$;

create function @extschema@.http_patch(uri varchar, content varchar, content_type varchar)
returns @extschema@.http_response language sql
as $$
    select @extschema@.http(null)
$$;

create function @extschema@.http_delete(uri varchar)
returns @extschema@.http_response language sql
as $$
    select @extschema@.http(null)
$$;

create function @extschema@.http_delete(uri varchar, content varchar, content_type varchar)
returns @extschema@.http_response language sql
as $$
    select @extschema@.http(null)
$$;

create function @extschema@.http_set_curlopt(curlopt varchar, value varchar)
returns boolean language sql
as $$
    select true
$$;

create function @extschema@.http_reset_curlopt() returns boolean language sql
as $$
    select true
$$;

create function @extschema@.http_list_curlopt() returns table (curlopt text, value text)
language sql
as $$
    select null::text, null::text where false
$$;

-- It replaces what is no letter, digit or one of `-_.~` by the bytes it consists of.
create function @extschema@.urlencode(string varchar) returns text language sql immutable strict
as $$
    select coalesce(string_agg(
        case
            when c.c ~ '[A-Za-z0-9_.~-]' then c.c
            when c.c = ' ' then '+'
            else upper(regexp_replace(encode(convert_to(c.c, 'utf8'), 'hex'), '(..)', '%\1', 'g'))
        end, '' order by c.place
    ), '')
    from regexp_split_to_table(string, '') with ordinality as c (c, place)
$$;

create function @extschema@.urlencode(string bytea) returns text language sql immutable strict
as $$
    select upper(regexp_replace(encode(string, 'hex'), '(..)', '%\1', 'g'))
$$;
