-- NOTE: a foreign table of another service can be defined, and not read: its handler only raises an
-- error.

create function @extschema@.airtable_fdw_handler() returns fdw_handler
language internal strict
as 'fdw_handler_in';

create function @extschema@.airtable_fdw_validator(options text[], catalog oid) returns void
language plpgsql
as $$
begin
    null;
end
$$;

create function @extschema@.auth0_fdw_handler() returns fdw_handler
language internal strict
as 'fdw_handler_in';

create function @extschema@.auth0_fdw_validator(options text[], catalog oid) returns void
language plpgsql
as $$
begin
    null;
end
$$;

create function @extschema@.big_query_fdw_handler() returns fdw_handler
language internal strict
as 'fdw_handler_in';

create function @extschema@.big_query_fdw_validator(options text[], catalog oid) returns void
language plpgsql
as $$
begin
    null;
end
$$;

create function @extschema@.click_house_fdw_handler() returns fdw_handler
language internal strict
as 'fdw_handler_in';

create function @extschema@.click_house_fdw_validator(options text[], catalog oid) returns void
language plpgsql
as $$
begin
    null;
end
$$;

create function @extschema@.cognito_fdw_handler() returns fdw_handler
language internal strict
as 'fdw_handler_in';

create function @extschema@.cognito_fdw_validator(options text[], catalog oid) returns void
language plpgsql
as $$
begin
    null;
end
$$;

create function @extschema@.firebase_fdw_handler() returns fdw_handler
language internal strict
as 'fdw_handler_in';

create function @extschema@.firebase_fdw_validator(options text[], catalog oid) returns void
language plpgsql
as $$
begin
    null;
end
$$;

create function @extschema@.hello_world_fdw_handler() returns fdw_handler
language internal strict
as 'fdw_handler_in';

create function @extschema@.hello_world_fdw_validator(options text[], catalog oid) returns void
language plpgsql
as $$
begin
    null;
end
$$;

create function @extschema@.iceberg_fdw_handler() returns fdw_handler
language internal strict
as 'fdw_handler_in';

create function @extschema@.iceberg_fdw_validator(options text[], catalog oid) returns void
language plpgsql
as $$
begin
    null;
end
$$;

create function @extschema@.logflare_fdw_handler() returns fdw_handler
language internal strict
as 'fdw_handler_in';

create function @extschema@.logflare_fdw_validator(options text[], catalog oid) returns void
language plpgsql
as $$
begin
    null;
end
$$;

create function @extschema@.mssql_fdw_handler() returns fdw_handler
language internal strict
as 'fdw_handler_in';

create function @extschema@.mssql_fdw_validator(options text[], catalog oid) returns void
language plpgsql
as $$
begin
    null;
end
$$;

create function @extschema@.redis_fdw_handler() returns fdw_handler
language internal strict
as 'fdw_handler_in';

create function @extschema@.redis_fdw_validator(options text[], catalog oid) returns void
language plpgsql
as $$
begin
    null;
end
$$;

create function @extschema@.s3_fdw_handler() returns fdw_handler
language internal strict
as 'fdw_handler_in';

create function @extschema@.s3_fdw_validator(options text[], catalog oid) returns void
language plpgsql
as $$
begin
    null;
end
$$;

create function @extschema@.s3vectors_fdw_handler() returns fdw_handler
language internal strict
as 'fdw_handler_in';

create function @extschema@.s3vectors_fdw_validator(options text[], catalog oid) returns void
language plpgsql
as $$
begin
    null;
end
$$;

create function @extschema@.stripe_fdw_handler() returns fdw_handler
language internal strict
as 'fdw_handler_in';

create function @extschema@.stripe_fdw_validator(options text[], catalog oid) returns void
language plpgsql
as $$
begin
    null;
end
$$;

create function @extschema@.wasm_fdw_handler() returns fdw_handler
language internal strict
as 'fdw_handler_in';

create function @extschema@.wasm_fdw_validator(options text[], catalog oid) returns void
language plpgsql
as $$
begin
    null;
end
$$;
