-- NOTE: a foreign table of another server can be defined, and not read: the wrapper has no handler.

create foreign data wrapper postgres_fdw;
grant usage on foreign data wrapper postgres_fdw to public;
