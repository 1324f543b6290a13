-- NOTE: a request waits in its queue for ever: nothing is sent from a scratch database.

create schema net;

create type net.request_status as enum ('PENDING', 'SUCCESS', 'ERROR');
create domain net.http_method as text
    check (value ilike any (array['get', 'post', 'delete']));
create type net.http_response as (status_code integer, headers jsonb, body text);
create type net.http_response_result as (
    status net.request_status,
    message text,
    response net.http_response
);

create sequence net.http_request_queue_id_seq;

create table net.http_request_queue (
    id bigint not null default nextval('net.http_request_queue_id_seq'),
    method net.http_method not null,
    url text not null,
    headers jsonb,
    body bytea,
    timeout_milliseconds integer not null
);

create table net._http_response (
    id bigint,
    status_code integer,
    content_type text,
    headers jsonb,
    content text,
    timed_out boolean,
    error_msg text,
    created timestamptz not null default now()
);

create function net.http_get(
    url text,
    params jsonb default '{}',
    headers jsonb default '{}',
    timeout_milliseconds integer default 5000
) returns bigint language sql security definer set search_path = pg_catalog, pg_temp
as $$
    insert into net.http_request_queue (method, url, headers, timeout_milliseconds)
    values ('GET', url, headers, timeout_milliseconds)
    returning id
$$;

create function net.http_post(
    url text,
    body jsonb default '{}',
    params jsonb default '{}',
    headers jsonb default '{"Content-Type": "application/json"}',
    timeout_milliseconds integer default 5000
) returns bigint language sql security definer set search_path = pg_catalog, pg_temp
as $$
    insert into net.http_request_queue (method, url, headers, body, timeout_milliseconds)
    values ('POST', url, headers, convert_to(body::text, 'utf8'), timeout_milliseconds)
    returning id
$$;

create function net.http_delete(
    url text,
    params jsonb default '{}',
    headers jsonb default '{}',
    timeout_milliseconds integer default 5000,
    body jsonb default null
) returns bigint language sql security definer set search_path = pg_catalog, pg_temp
as $$
    insert into net.http_request_queue (method, url, headers, body, timeout_milliseconds)
    values ('DELETE', url, headers, convert_to(body::text, 'utf8'), timeout_milliseconds)
    returning id
$$;

create function net.http_collect_response(request_id bigint, async boolean default true)
returns net.http_response_result language sql
as $$
    select row('PENDING', 'nothing is sent from a scratch database', null)::net.http_response_result
$$;

create function net.worker_restart() returns boolean language sql
as $$
    select true
$$;

grant usage on schema net to public;
grant select on net.http_request_queue, net._http_response to @owner@ with grant option;
