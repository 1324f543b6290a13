-- Counting with values of a type of vectors.

create function l2_normalize(@type@) returns @type@
language sql immutable strict parallel safe
as $$
    select array(
        select x / coalesce(nullif(@extschema@.l2_norm($1), 0), 1)
        from unnest(@extschema@.@type@_to_float4($1, -1, false)) with ordinality as one (x, n)
        order by n
    )::@extschema@.@type@
$$;

create function @type@_add(@type@, @type@) returns @type@
language sql immutable strict parallel safe
as $$
    select array(
        select x + y
        from unnest(
            @extschema@.@type@_to_float4($1, -1, false),
            @extschema@.@type@_to_float4($2, -1, false)
        ) with ordinality as pair (x, y, n)
        order by n
    )::@extschema@.@type@
$$;

create operator + (leftarg = @type@, rightarg = @type@, function = @type@_add);

create function @type@_sub(@type@, @type@) returns @type@
language sql immutable strict parallel safe
as $$
    select array(
        select x - y
        from unnest(
            @extschema@.@type@_to_float4($1, -1, false),
            @extschema@.@type@_to_float4($2, -1, false)
        ) with ordinality as pair (x, y, n)
        order by n
    )::@extschema@.@type@
$$;

create operator - (leftarg = @type@, rightarg = @type@, function = @type@_sub);

create function @type@_mul(@type@, @type@) returns @type@
language sql immutable strict parallel safe
as $$
    select array(
        select x * y
        from unnest(
            @extschema@.@type@_to_float4($1, -1, false),
            @extschema@.@type@_to_float4($2, -1, false)
        ) with ordinality as pair (x, y, n)
        order by n
    )::@extschema@.@type@
$$;

create operator * (leftarg = @type@, rightarg = @type@, function = @type@_mul);

create function @type@_average(@type@[]) returns @type@
language sql immutable parallel safe
as $$
    select array_agg(place.mean order by place.n)::@extschema@.@type@
    from (
        select one.n, avg(one.x) as mean
        from unnest($1) as v (v),
            unnest(@extschema@.@type@_to_float4(v.v, -1, false)) with ordinality as one (x, n)
        group by one.n
    ) as place
$$;

-- The strict function makes the first value the one that the others are added to.
create aggregate sum(@type@) (sfunc = @type@_add, stype = @type@);
create aggregate avg(@type@) (
    sfunc = array_append, stype = @type@[], finalfunc = @type@_average
);
