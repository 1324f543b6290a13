-- NOTE: a job is written down and never run.

create schema cron;

create sequence cron.jobid_seq;
create sequence cron.runid_seq;

create table cron.job (
    jobid bigint primary key default nextval('cron.jobid_seq'),
    schedule text not null,
    command text not null,
    nodename text not null default 'localhost',
    nodeport integer not null default 5432,
    database text not null default current_database(),
    username text not null default current_user,
    active boolean not null default true,
    jobname text,
    constraint jobname_username_uniq unique (jobname, username)
);

create table cron.job_run_details (
    jobid bigint,
    runid bigint primary key default nextval('cron.runid_seq'),
    job_pid integer,
    database text,
    username text,
    command text,
    status text,
    return_message text,
    start_time timestamptz,
    end_time timestamptz
);

-- Whoever is asked about is the one who schedules, and not who owns the functions.
alter table cron.job enable row level security;
create policy cron_job_policy on cron.job using (username = current_user);
alter table cron.job_run_details enable row level security;
create policy cron_job_run_details_policy on cron.job_run_details using (username = current_user);

create function cron.schedule(job_name text, schedule text, command text) returns bigint
language sql
as $$
    insert into cron.job (jobname, schedule, command)
    values (job_name, schedule, command)
    on conflict on constraint jobname_username_uniq
        do update set schedule = excluded.schedule, command = excluded.command
    returning jobid
$$;

create function cron.schedule(schedule text, command text) returns bigint language sql
as $$
    insert into cron.job (schedule, command) values (schedule, command) returning jobid
$$;

create function cron.schedule_in_database(
    job_name text,
    schedule text,
    command text,
    database text,
    username text default null,
    active boolean default true
) returns bigint language sql
as $$
    insert into cron.job (jobname, schedule, command, database, username, active)
    values (job_name, schedule, command, database, coalesce(username, current_user), active)
    on conflict on constraint jobname_username_uniq
        do update set schedule = excluded.schedule, command = excluded.command
    returning jobid
$$;

create function cron.alter_job(
    job_id bigint,
    schedule text default null,
    command text default null,
    database text default null,
    username text default null,
    active boolean default null
) returns void language sql
as $$
    update cron.job j
    set
        schedule = coalesce(alter_job.schedule, j.schedule),
        command = coalesce(alter_job.command, j.command),
        database = coalesce(alter_job.database, j.database),
        username = coalesce(alter_job.username, j.username),
        active = coalesce(alter_job.active, j.active)
    where j.jobid = job_id
$$;

create function cron.unschedule(job_id bigint) returns boolean language plpgsql
as $$
begin
    delete from cron.job j where j.jobid = job_id;
    if not found then
        raise exception 'could not find valid entry for job ''%''', job_id;
    end if;
    return true;
end
$$;

create function cron.unschedule(job_name text) returns boolean language plpgsql
as $$
begin
    delete from cron.job j where j.jobname = job_name and j.username = current_user;
    if not found then
        raise exception 'could not find valid entry for job ''%''', job_name;
    end if;
    return true;
end
$$;

create function cron.job_cache_invalidate() returns trigger language plpgsql
as $$
begin
    return coalesce(new, old);
end
$$;

grant usage on schema cron to @owner@ with grant option;
grant all on all sequences in schema cron to @owner@;
grant all on cron.job, cron.job_run_details to @owner@ with grant option;
