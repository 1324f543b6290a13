-- NOTE: a vector is its text: nothing checks its form or dimensions until a distance is asked for.
-- An index of hnsw or ivfflat is a hash of the whole, which helps nobody to find what is near.

create access method hnsw type index handler hashhandler;
create access method ivfflat type index handler hashhandler;

create function bit_hash(bit) returns integer language internal immutable strict parallel safe
as 'hashvarlena';

create operator class bit_hamming_ops for type bit using hnsw as
    operator 1 =,
    function 1 bit_hash(bit);

create operator class bit_hamming_ops for type bit using ivfflat as
    operator 1 =,
    function 1 bit_hash(bit);

create operator class bit_jaccard_ops for type bit using hnsw as
    operator 1 =,
    function 1 bit_hash(bit);

create function hamming_distance(bit, bit) returns double precision
language sql immutable strict parallel safe
as $$
    select length(replace(($1 # $2)::text, '0', ''))::double precision
$$;

create function jaccard_distance(bit, bit) returns double precision
language sql immutable strict parallel safe
as $$
    select coalesce(
        1 - length(replace(($1 & $2)::text, '0', ''))::double precision
            / nullif(length(replace(($1 | $2)::text, '0', '')), 0),
        1
    )
$$;

create operator <~> (leftarg = bit, rightarg = bit, function = hamming_distance);
create operator <%> (leftarg = bit, rightarg = bit, function = jaccard_distance);
