-- Whether a partition is still one, is half way out, or is out; no row where either is not there.
select case i.inhdetachpending
    when true then 'half'
    when false then 'in'
    else 'out'
end
from pg_catalog.pg_class p
cross join pg_catalog.pg_class t
left join pg_catalog.pg_inherits i on i.inhrelid = p.oid and i.inhparent = t.oid
where p.oid = pg_catalog.to_regclass(@partition@) and t.oid = pg_catalog.to_regclass(@table@)
