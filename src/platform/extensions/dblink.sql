-- NOTE: a scratch database reaches no other one: whatever would connect raises an error.

create function @extschema@.dblink_connect(text) returns text
language plpgsql
as $$
begin
    raise feature_not_supported using
        message = 'dblink_connect does not leave a scratch database';
end
$$;

create function @extschema@.dblink_connect(text, text) returns text
language plpgsql
as $$
begin
    raise feature_not_supported using
        message = 'dblink_connect does not leave a scratch database';
end
$$;

create function @extschema@.dblink_connect_u(text) returns text
language plpgsql
as $$
begin
    raise feature_not_supported using
        message = 'dblink_connect_u does not leave a scratch database';
end
$$;

create function @extschema@.dblink_connect_u(text, text) returns text
language plpgsql
as $$
begin
    raise feature_not_supported using
        message = 'dblink_connect_u does not leave a scratch database';
end
$$;

create function @extschema@.dblink_disconnect() returns text
language plpgsql
as $$
begin
    raise feature_not_supported using
        message = 'dblink_disconnect does not leave a scratch database';
end
$$;

create function @extschema@.dblink_disconnect(text) returns text
language plpgsql
as $$
begin
    raise feature_not_supported using
        message = 'dblink_disconnect does not leave a scratch database';
end
$$;

create function @extschema@.dblink(text) returns setof record
language plpgsql
as $$
begin
    raise feature_not_supported using
        message = 'dblink does not leave a scratch database';
end
$$;

create function @extschema@.dblink(text, boolean) returns setof record
language plpgsql
as $$
begin
    raise feature_not_supported using
        message = 'dblink does not leave a scratch database';
end
$$;

create function @extschema@.dblink(text, text) returns setof record
language plpgsql
as $$
begin
    raise feature_not_supported using
        message = 'dblink does not leave a scratch database';
end
$$;

create function @extschema@.dblink(text, text, boolean) returns setof record
language plpgsql
as $$
begin
    raise feature_not_supported using
        message = 'dblink does not leave a scratch database';
end
$$;

create function @extschema@.dblink_exec(text) returns text
language plpgsql
as $$
begin
    raise feature_not_supported using
        message = 'dblink_exec does not leave a scratch database';
end
$$;

create function @extschema@.dblink_exec(text, boolean) returns text
language plpgsql
as $$
begin
    raise feature_not_supported using
        message = 'dblink_exec does not leave a scratch database';
end
$$;

create function @extschema@.dblink_exec(text, text) returns text
language plpgsql
as $$
begin
    raise feature_not_supported using
        message = 'dblink_exec does not leave a scratch database';
end
$$;

create function @extschema@.dblink_exec(text, text, boolean) returns text
language plpgsql
as $$
begin
    raise feature_not_supported using
        message = 'dblink_exec does not leave a scratch database';
end
$$;

create function @extschema@.dblink_send_query(text, text) returns integer
language plpgsql
as $$
begin
    raise feature_not_supported using
        message = 'dblink_send_query does not leave a scratch database';
end
$$;

create function @extschema@.dblink_get_connections() returns text[]
language plpgsql
as $$
begin
    raise feature_not_supported using
        message = 'dblink_get_connections does not leave a scratch database';
end
$$;

create function @extschema@.dblink_get_result(text) returns setof record
language plpgsql
as $$
begin
    raise feature_not_supported using
        message = 'dblink_get_result does not leave a scratch database';
end
$$;

create function @extschema@.dblink_error_message(text) returns text
language plpgsql
as $$
begin
    raise feature_not_supported using
        message = 'dblink_error_message does not leave a scratch database';
end
$$;
