-- What each statement of a file leaves behind itself: a mark with its line. A row that another
-- statement writes carries the number of its subtransaction, and so does the mark.
--
-- NOTE: whoever the file has become must be able to leave one, so the function is everybody's and
-- the table is nobody's. It is unlogged, since a publication of all tables would keep what is in
-- another one from being deleted.
create unlogged table leakproof.marks (line integer not null);

create function leakproof.mark(line integer, runner name) returns void
language plpgsql
security definer
set search_path = ''
as $body$
begin
    if session_user <> runner then
        raise exception 'the session is % and was %', session_user, runner
            using errcode = 'LP001';
    end if;
    insert into leakproof.marks values (line);
end
$body$;

grant usage on schema leakproof to public;
grant execute on function leakproof.mark(integer, name) to public;
