-- Between vectors, and between them and arrays.

create function vector_to_float4(vector, integer, boolean) returns real[]
language sql immutable strict parallel safe
as $$
    select translate($1::text, '[]', '{}')::real[]
$$;

create function halfvec_to_float4(halfvec, integer, boolean) returns real[]
language sql immutable strict parallel safe
as $$
    select translate($1::text, '[]', '{}')::real[]
$$;

-- As in `{1:0.5,7:2}/9`: the place and the value of what is not 0, and how many there are.
create function sparsevec_to_float4(sparsevec, integer, boolean) returns real[]
language sql immutable strict parallel safe
as $$
    select array(
        select coalesce(e.value ->> n.n::text, '0')::real
        from (values (
            regexp_replace(split_part($1::text, '/', 1), '(\d+):', '"\1":', 'g')::jsonb
        )) as e (value), generate_series(1, split_part($1::text, '/', 2)::integer) as n (n)
        order by n.n
    )
$$;

create function vector_to_sparsevec(vector, integer, boolean) returns sparsevec
language sql immutable strict parallel safe
as $$
    select (
        '{' || coalesce(
            string_agg(v.n || ':' || v.v, ',' order by v.n) filter (where v.v <> 0), ''
        ) || '}/' || count(*)
    )::@extschema@.sparsevec
    from unnest(@extschema@.vector_to_float4($1, -1, false)) with ordinality as v (v, n)
$$;

create function array_to_vector(integer[], integer, boolean) returns vector
language sql immutable strict parallel safe
as $$
    select translate($1::text, '{}', '[]')::@extschema@.vector
$$;

create cast (integer[] as vector)
    with function array_to_vector(integer[], integer, boolean) as assignment;

create function array_to_vector(real[], integer, boolean) returns vector
language sql immutable strict parallel safe
as $$
    select translate($1::text, '{}', '[]')::@extschema@.vector
$$;

create cast (real[] as vector)
    with function array_to_vector(real[], integer, boolean) as assignment;

create function array_to_vector(double precision[], integer, boolean) returns vector
language sql immutable strict parallel safe
as $$
    select translate($1::text, '{}', '[]')::@extschema@.vector
$$;

create cast (double precision[] as vector)
    with function array_to_vector(double precision[], integer, boolean) as assignment;

create function array_to_vector(numeric[], integer, boolean) returns vector
language sql immutable strict parallel safe
as $$
    select translate($1::text, '{}', '[]')::@extschema@.vector
$$;

create cast (numeric[] as vector)
    with function array_to_vector(numeric[], integer, boolean) as assignment;

create function array_to_halfvec(integer[], integer, boolean) returns halfvec
language sql immutable strict parallel safe
as $$
    select translate($1::text, '{}', '[]')::@extschema@.halfvec
$$;

create cast (integer[] as halfvec)
    with function array_to_halfvec(integer[], integer, boolean) as assignment;

create function array_to_halfvec(real[], integer, boolean) returns halfvec
language sql immutable strict parallel safe
as $$
    select translate($1::text, '{}', '[]')::@extschema@.halfvec
$$;

create cast (real[] as halfvec)
    with function array_to_halfvec(real[], integer, boolean) as assignment;

create function array_to_halfvec(double precision[], integer, boolean) returns halfvec
language sql immutable strict parallel safe
as $$
    select translate($1::text, '{}', '[]')::@extschema@.halfvec
$$;

create cast (double precision[] as halfvec)
    with function array_to_halfvec(double precision[], integer, boolean) as assignment;

create function array_to_halfvec(numeric[], integer, boolean) returns halfvec
language sql immutable strict parallel safe
as $$
    select translate($1::text, '{}', '[]')::@extschema@.halfvec
$$;

create cast (numeric[] as halfvec)
    with function array_to_halfvec(numeric[], integer, boolean) as assignment;

create cast (vector as real[])
    with function vector_to_float4(vector, integer, boolean) as implicit;
create cast (halfvec as real[])
    with function halfvec_to_float4(halfvec, integer, boolean) as assignment;
create cast (vector as halfvec) without function as implicit;
create cast (halfvec as vector) without function as assignment;
create cast (vector as sparsevec)
    with function vector_to_sparsevec(vector, integer, boolean) as implicit;
