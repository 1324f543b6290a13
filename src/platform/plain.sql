-- Who owns the database of a plain project, and who may become whom.

do $leakproof$
declare
    asking name;
begin
    execute pg_catalog.format(
        'alter database %I owner to @owner@', pg_catalog.current_database());
    -- Calls are recorded, and made again, in the transaction of a file. Those of further actors are
    -- there when the migrations are done: see `leakproof.admit_actors`.
    for asking in
        select r.rolname from pg_catalog.pg_roles r
        where r.rolname in (@roles@) and not r.rolsuper
    loop
        begin
            execute pg_catalog.format('grant %I to @login@', asking);
            execute pg_catalog.format('grant %I to @owner@', asking);
        exception when unique_violation then
            null;
        end;
    end loop;
end
$leakproof$;

alter schema public owner to pg_database_owner;
