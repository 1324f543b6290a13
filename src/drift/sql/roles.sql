-- The roles of the server.
select r.name, s.rolsuper as is_superuser
from roles r
join pg_catalog.pg_roles s on s.oid = r.oid
