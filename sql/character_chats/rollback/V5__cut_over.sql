-- The array becomes the truth again: it is rebuilt from the rows, with what was edited, added and
-- deleted since, and kept in step with them as before the cut over.

revoke insert, update, delete on table public.chat_histories, public.chat_history_rejects
    from app_user, app_service;
revoke insert (
    chat_id, user_id, ordinal, character_id, scene_id, persona_id, character_name,
    character_picture, scene_name, scene_picture, title, messages, last_updated, created_at, legacy
), update (
    chat_id, user_id, ordinal, character_id, scene_id, persona_id, character_name,
    character_picture, scene_name, scene_picture, title, messages, last_updated, created_at, legacy
) on table public.chat_histories from app_user, app_service;

-- From here on nobody writes, so what is read is what stays.
lock table public.users, public.chat_histories, public.chat_history_rejects
    in share row exclusive mode;

alter table public.users add column chat_history jsonb default '[]';

update public.users u
set chat_history = public.fetch_user_chat_history(u.id)
where public.fetch_user_chat_history(u.id)::text is distinct from u.chat_history::text;

drop trigger place_chat on public.chat_histories;
drop trigger forget_legacy on public.chat_histories;
drop function private.place_chat();
drop function private.forget_legacy();
drop function private.prune_chats(varchar);
drop function private.drop_chats(varchar, varchar[]);
drop function private.write_chat(varchar, integer, jsonb);
drop function private.unwrap_document(varchar);

-- Where chats were deleted in between, places do not count from one without a gap, as they do in an
-- array. What is not in its place is written anew from it.
do $$
begin
    perform private.write_chat_history(u.id, u.chat_history) from public.users u;
end
$$;

create trigger sync_chat_history after insert or update of chat_history on public.users
    for each row execute function private.sync_chat_history();
create trigger keep_reference before update of character_id, scene_id, persona_id
    on public.chat_histories
    for each row execute function private.keep_reference();


-- The functions of V1, word for word.

create or replace function public.fetch_user_chat_history(for_user varchar) returns jsonb
language sql stable set search_path = ''
as $$
    select u.chat_history
    from public.users u
    where u.id = for_user
$$;

create or replace function public.fetch_chat_history_entry(for_user varchar, for_chat varchar)
returns jsonb
language sql stable set search_path = ''
as $$
    select r.element
    from public.users u
    cross join lateral private.read_history(u.chat_history) r
    where u.id = for_user
    and r.chat_id = for_chat
    and r.reason is null
$$;

create or replace function public.upsert_chat_history_entry(
    for_user varchar, for_chat varchar, payload jsonb
) returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
    history jsonb;
    place integer;
    entry jsonb;
begin
    select private.as_array(u.chat_history)
    into history
    from public.users u
    where u.id = for_user
    for no key update;
    if not found then
        return null;
    end if;

    select r.ordinal, r.element
    into place, entry
    from private.read_history(history) r
    where r.chat_id = for_chat
    and r.reason is null;

    entry := private.merge_entry(entry, for_chat, payload);
    history := case
        when place is null then history || jsonb_build_array(entry)
        else jsonb_set(history, array[(place - 1)::text], entry)
    end;

    update public.users u
    set chat_history = private.prune_history(history)
    where u.id = for_user;
    return entry;
end
$$;

create or replace function public.rename_chat_history_entry(
    for_user varchar, for_chat varchar, new_title text
) returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
    place integer;
    entry jsonb;
begin
    perform from public.users u where u.id = for_user for no key update;

    select r.ordinal, r.element || jsonb_build_object('title', new_title)
    into place, entry
    from public.users u
    cross join lateral private.read_history(u.chat_history) r
    where u.id = for_user
    and r.chat_id = for_chat
    and r.reason is null;

    update public.users u
    set chat_history = jsonb_set(u.chat_history, array[(place - 1)::text], entry)
    where u.id = for_user
    and place is not null;
    return entry;
end
$$;

create or replace function public.delete_chat_history_entry(for_user varchar, for_chat varchar)
returns boolean
language plpgsql volatile set search_path = ''
as $$
begin
    perform from public.users u where u.id = for_user for no key update;

    if public.fetch_chat_history_entry(for_user, for_chat) is null then
        return false;
    end if;
    update public.users u
    set chat_history = (
        select coalesce(jsonb_agg(r.element order by r.ordinal), '[]')
        from private.read_history(u.chat_history) r
        where r.chat_id is distinct from for_chat
    )
    where u.id = for_user;
    return true;
end
$$;


grant update (chat_history) on table public.users to app_user;
revoke execute on function
    private.read_text(jsonb),
    private.read_id(jsonb),
    private.read_chat(varchar, integer, jsonb),
    private.write_chat_history(varchar, jsonb)
    from app_user, app_service;


comment on column public.users.chat_history is
    'All his chats, each with all its messages, oldest first. Nothing checks what is in it.';
comment on trigger keep_reference on public.chat_histories is
    'Keeps the row in step with the array until the cut over.';
comment on trigger sync_chat_history on public.users is
    'Keeps chats and rejects in step with the array until the cut over.';
