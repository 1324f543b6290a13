-- Before the baseline there is nothing, so there is no place to keep the users: as long as there is
-- one, this refuses.

lock table public.users in share row exclusive mode;

do $$
begin
    if exists (select from public.users) then
        raise exception 'there are users, which the way back would delete'
            using hint = 'Keep them elsewhere, or delete them if they may really go.';
    end if;
end
$$;

drop table public.users;
drop function private.my_id();
drop schema private;
