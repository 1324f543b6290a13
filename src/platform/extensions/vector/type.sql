-- A type of vectors: it is stored and compared as a text is, byte by byte.

create type @type@;

create function @type@_in(cstring, oid, integer) returns @type@
language internal immutable strict parallel safe
as 'textin';

create function @type@_out(@type@) returns cstring
language internal immutable strict parallel safe
as 'textout';

create function @type@_recv(internal, oid, integer) returns @type@
language internal stable strict parallel safe
as 'textrecv';

create function @type@_send(@type@) returns bytea
language internal stable strict parallel safe
as 'textsend';

create function @type@_typmod_in(cstring[]) returns integer
language internal immutable strict parallel safe
as 'varchartypmodin';

create function @type@_typmod_out(integer) returns cstring
language internal immutable strict parallel safe
as 'varchartypmodout';

create type @type@ (
    input = @type@_in,
    output = @type@_out,
    receive = @type@_recv,
    send = @type@_send,
    typmod_in = @type@_typmod_in,
    typmod_out = @type@_typmod_out,
    internallength = variable,
    alignment = int4,
    storage = external
);

create function @type@_lt(@type@, @type@) returns boolean
language internal immutable strict parallel safe
as 'bytealt';

create function @type@_le(@type@, @type@) returns boolean
language internal immutable strict parallel safe
as 'byteale';

create function @type@_eq(@type@, @type@) returns boolean
language internal immutable strict parallel safe
as 'byteaeq';

create function @type@_ne(@type@, @type@) returns boolean
language internal immutable strict parallel safe
as 'byteane';

create function @type@_ge(@type@, @type@) returns boolean
language internal immutable strict parallel safe
as 'byteage';

create function @type@_gt(@type@, @type@) returns boolean
language internal immutable strict parallel safe
as 'byteagt';

create function @type@_cmp(@type@, @type@) returns integer
language internal immutable strict parallel safe
as 'byteacmp';

create function @type@_hash(@type@) returns integer
language internal immutable strict parallel safe
as 'hashvarlena';

create operator < (
    leftarg = @type@, rightarg = @type@, function = @type@_lt, commutator = >, negator = >=
);
create operator <= (
    leftarg = @type@, rightarg = @type@, function = @type@_le, commutator = >=, negator = >
);
create operator = (
    leftarg = @type@, rightarg = @type@, function = @type@_eq, commutator = =, negator = <>
);
create operator <> (
    leftarg = @type@, rightarg = @type@, function = @type@_ne, commutator = <>, negator = =
);
create operator >= (
    leftarg = @type@, rightarg = @type@, function = @type@_ge, commutator = <=, negator = <
);
create operator > (
    leftarg = @type@, rightarg = @type@, function = @type@_gt, commutator = <, negator = <=
);

create operator class @type@_ops default for type @type@ using btree as
    operator 1 <,
    operator 2 <=,
    operator 3 =,
    operator 4 >=,
    operator 5 >,
    function 1 @type@_cmp(@type@, @type@);

create operator class @type@_l2_ops for type @type@ using hnsw as
    operator 1 =,
    function 1 @type@_hash(@type@);

create operator class @type@_ip_ops for type @type@ using hnsw as
    operator 1 =,
    function 1 @type@_hash(@type@);

create operator class @type@_cosine_ops for type @type@ using hnsw as
    operator 1 =,
    function 1 @type@_hash(@type@);

create operator class @type@_l1_ops for type @type@ using hnsw as
    operator 1 =,
    function 1 @type@_hash(@type@);

create operator class @type@_l2_ops default for type @type@ using ivfflat as
    operator 1 =,
    function 1 @type@_hash(@type@);

create operator class @type@_ip_ops for type @type@ using ivfflat as
    operator 1 =,
    function 1 @type@_hash(@type@);

create operator class @type@_cosine_ops for type @type@ using ivfflat as
    operator 1 =,
    function 1 @type@_hash(@type@);

create operator class @type@_l1_ops for type @type@ using ivfflat as
    operator 1 =,
    function 1 @type@_hash(@type@);
