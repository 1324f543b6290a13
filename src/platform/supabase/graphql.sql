-- Where the API calls GraphQL. The extension behind it is stubbed.

set role supabase_admin;

create function graphql_public.graphql(
    "operationName" text default null,
    query text default null,
    variables jsonb default null,
    extensions jsonb default null
) returns jsonb language sql
as $$
    select graphql.resolve(query, coalesce(variables, '{}'), "operationName", extensions)
$$;

reset role;
