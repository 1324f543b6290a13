-- NOTE: a foreign table of a file can be defined, and not read: the wrapper has no handler.

create foreign data wrapper file_fdw;
grant usage on foreign data wrapper file_fdw to public;
