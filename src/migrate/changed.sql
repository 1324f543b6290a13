-- What the transaction has changed in the catalog, and how long before its own beginning that was
-- in numbers of transactions: a statement of a file has a number of its own, so none is positive.
select 'relation' as kind, oid, pg_catalog.age(xmin)
from pg_catalog.pg_class
where pg_catalog.age(xmin) <= 0 and relkind <> 't'
union all
select 'policy', oid, pg_catalog.age(xmin)
from pg_catalog.pg_policy
where pg_catalog.age(xmin) <= 0
union all
select 'routine', oid, pg_catalog.age(xmin)
from pg_catalog.pg_proc
where pg_catalog.age(xmin) <= 0
union all
select 'trigger', oid, pg_catalog.age(xmin)
from pg_catalog.pg_trigger
where pg_catalog.age(xmin) <= 0 and not tgisinternal
union all
select 'constraint', oid, pg_catalog.age(xmin)
from pg_catalog.pg_constraint
where pg_catalog.age(xmin) <= 0
