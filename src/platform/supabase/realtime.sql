-- The publication which Supabase's Realtime listens to. It is postgres's, so that a migration may
-- add its tables.
-- NOTE: it starts empty, as on Supabase: a table is published only where a migration says so.

create publication supabase_realtime;
alter publication supabase_realtime owner to postgres;
comment on publication supabase_realtime is 'Tables whose changes Realtime sends to subscribers.';
