-- What is said of each object.
select d.classoid::bigint as class, d.objoid::bigint as oid, d.objsubid as sub, d.description
from pg_catalog.pg_description d
where d.objoid >= 16384 or d.classoid = 'pg_catalog.pg_namespace'::regclass
