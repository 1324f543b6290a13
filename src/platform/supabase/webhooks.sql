-- Webhooks: a trigger on a table that calls an address.
-- NOTE: nothing is ever called from a scratch database.

set role supabase_functions_admin;

create table supabase_functions.hooks (
    id bigserial primary key,
    hook_table_id integer not null,
    hook_name text not null,
    created_at timestamptz not null default now(),
    request_id bigint
);

create function supabase_functions.http_request() returns trigger language plpgsql
security definer set search_path = supabase_functions
as $$
begin
    insert into supabase_functions.hooks (hook_table_id, hook_name)
    values (tg_relid::integer, tg_name);
    return coalesce(new, old);
end
$$;
comment on function supabase_functions.http_request() is
    'Would call the address in its first argument; here it only writes down that it was asked to.';

grant all on supabase_functions.hooks to postgres, anon, authenticated, service_role;
grant all on sequence supabase_functions.hooks_id_seq
    to postgres, anon, authenticated, service_role;

reset role;
