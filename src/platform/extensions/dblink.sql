-- NOTE: a scratch database reaches no other one: whatever would connect raises an error.

do $stub$
declare
    signature text;
    told text;
begin
    foreach signature in array array[
        'dblink_connect(text) returns text',
        'dblink_connect(text, text) returns text',
        'dblink_connect_u(text) returns text',
        'dblink_connect_u(text, text) returns text',
        'dblink_disconnect() returns text',
        'dblink_disconnect(text) returns text',
        'dblink(text) returns setof record',
        'dblink(text, boolean) returns setof record',
        'dblink(text, text) returns setof record',
        'dblink(text, text, boolean) returns setof record',
        'dblink_exec(text) returns text',
        'dblink_exec(text, boolean) returns text',
        'dblink_exec(text, text) returns text',
        'dblink_exec(text, text, boolean) returns text',
        'dblink_send_query(text, text) returns integer',
        'dblink_get_connections() returns text[]',
        'dblink_get_result(text) returns setof record',
        'dblink_error_message(text) returns text'
    ] loop
        told := pg_catalog.split_part(signature, '(', 1) || ' does not leave a scratch database';
        execute 'create function @extschema@.' || signature || pg_catalog.format(
            ' language plpgsql as %L',
            pg_catalog.format(
                'begin raise feature_not_supported using message = %L; end', told));
    end loop;
end
$stub$;
