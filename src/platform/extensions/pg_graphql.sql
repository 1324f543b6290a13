-- NOTE: no query is ever answered: what GraphQL shows is what the tables show.

create function @extschema@.resolve(
    query text,
    variables jsonb default '{}',
    "operationName" text default null,
    extensions jsonb default null
) returns jsonb language sql
as $$
    select jsonb_build_object('data', null, 'errors', jsonb_build_array(jsonb_build_object(
        'message', 'pg_graphql is stubbed in a scratch database'
    )))
$$;

create sequence @extschema@.seq_schema_version cycle;

create function @extschema@.get_schema_version() returns integer language sql
as $$
    select last_value::integer from @extschema@.seq_schema_version
$$;

create function @extschema@.increment_schema_version() returns event_trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
    perform nextval('@extschema@.seq_schema_version');
end
$$;

create function @extschema@.comment_directive(comment_ text) returns jsonb language sql immutable
as $$
    select coalesce(substring(comment_ from '@graphql\((.*)\)')::jsonb, '{}')
$$;

grant usage on schema @extschema@ to public;
