-- What is asked of two values of a type of vectors, or of one. It is slow, and right.

create function l2_distance(@type@, @type@) returns double precision
language sql immutable strict parallel safe
as $$
    select sqrt(sum((x - y) ^ 2))
    from unnest(
        @extschema@.@type@_to_float4($1, -1, false)::double precision[],
        @extschema@.@type@_to_float4($2, -1, false)::double precision[]
    ) as pair (x, y)
$$;

create operator <-> (leftarg = @type@, rightarg = @type@, function = l2_distance, commutator = <->);

create function l1_distance(@type@, @type@) returns double precision
language sql immutable strict parallel safe
as $$
    select sum(abs(x - y))
    from unnest(
        @extschema@.@type@_to_float4($1, -1, false)::double precision[],
        @extschema@.@type@_to_float4($2, -1, false)::double precision[]
    ) as pair (x, y)
$$;

create operator <+> (leftarg = @type@, rightarg = @type@, function = l1_distance, commutator = <+>);

create function inner_product(@type@, @type@) returns double precision
language sql immutable strict parallel safe
as $$
    select sum(x * y)
    from unnest(
        @extschema@.@type@_to_float4($1, -1, false)::double precision[],
        @extschema@.@type@_to_float4($2, -1, false)::double precision[]
    ) as pair (x, y)
$$;

create function @type@_negative_inner_product(@type@, @type@) returns double precision
language sql immutable strict parallel safe
as $$
    select - sum(x * y)
    from unnest(
        @extschema@.@type@_to_float4($1, -1, false)::double precision[],
        @extschema@.@type@_to_float4($2, -1, false)::double precision[]
    ) as pair (x, y)
$$;

create operator <#> (
    leftarg = @type@, rightarg = @type@, function = @type@_negative_inner_product,
    commutator = <#>
);

create function cosine_distance(@type@, @type@) returns double precision
language sql immutable strict parallel safe
as $$
    select 1 - sum(x * y) / nullif(sqrt(sum(x ^ 2) * sum(y ^ 2)), 0)
    from unnest(
        @extschema@.@type@_to_float4($1, -1, false)::double precision[],
        @extschema@.@type@_to_float4($2, -1, false)::double precision[]
    ) as pair (x, y)
$$;

create operator <=> (
    leftarg = @type@, rightarg = @type@, function = cosine_distance, commutator = <=>
);

create function l2_norm(@type@) returns double precision
language sql immutable strict parallel safe
as $$
    select sqrt(sum(x ^ 2))
    from unnest(@extschema@.@type@_to_float4($1, -1, false)::double precision[]) as one (x)
$$;

create function vector_dims(@type@) returns integer
language sql immutable strict parallel safe
as $$
    select cardinality(@extschema@.@type@_to_float4($1, -1, false))
$$;
