-- Takes away the whole application, if nobody has an account in it.

lock table public.users in access exclusive mode;

do $$
begin
    if exists (select from public.users) then
        raise exception 'there are users'
            using hint = 'Before the baseline there is no place for them.';
    end if;
end
$$;

drop function public.fetch_recommended_characters(varchar);
drop function public.build_user_response(varchar);
drop function public.delete_chat_history_entry(varchar, varchar);
drop function public.rename_chat_history_entry(varchar, varchar, text);
drop function public.upsert_chat_history_entry(varchar, varchar, jsonb);
drop function public.fetch_chat_history_entry(varchar, varchar);
drop function public.fetch_user_chat_history(varchar);

drop table public.personas;
drop table public.scenes;
drop table public.characters;
drop table public.users;

drop function private.prune_history(jsonb);
drop function private.merge_entry(jsonb, varchar, jsonb);
drop function private.as_array(jsonb);
drop function private.read_history(jsonb);
drop function private.write_time(timestamptz);
drop function private.read_time(jsonb);
drop function private.my_id();
drop schema private;
