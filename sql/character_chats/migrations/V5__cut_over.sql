-- The rows become the truth: all is verified once more, the functions answer from the rows, and the
-- array goes. Whoever calls the functions sees no difference.

-- From here on nobody writes, and what is compared is what is dropped.
lock table public.users, public.chat_histories, public.chat_history_rejects
    in share row exclusive mode;

-- Verify: as many, and each the same. A row in the place of nothing is a difference, too. Each
-- array is taken apart once: to look into it for one element after the other would unpack all of it
-- each time.
-- NOTE: no `limit 1`: the plan would bet on finding something soon, and pair each with all.
do $$
declare
    lost record;
begin
    select
        c.user_id as id,
        count(distinct c.place) as elements,
        count(*) filter (where c.kind = 'chat') as chats,
        count(*) filter (where c.kind = 'reject') as rejects,
        count(*) filter (where c.kind is not null and c.differs) as altered
    into lost
    from (
        select
            coalesce(e.user_id, w.user_id) as user_id,
            e.ordinal as place,
            w.kind,
            e.ordinal is null or e.element::text is distinct from w.element::text as differs
        from (
            select u.id as user_id, a.ordinality as ordinal, a.value as element
            from public.users u
            cross join lateral jsonb_array_elements(
                case when jsonb_typeof(u.chat_history) = 'array' then u.chat_history else '[]' end
            ) with ordinality a
            union all
            select u.id, 0, u.chat_history
            from public.users u
            where jsonb_typeof(u.chat_history) is distinct from 'array'
        ) e
        full join (
            select h.user_id, h.ordinal, 'chat' as kind, private.chat_element(h) as element
            from public.chat_histories h
            union all
            select j.user_id, j.ordinal, 'reject', j.element
            from public.chat_history_rejects j
        ) w on w.user_id = e.user_id and w.ordinal = e.ordinal
    ) c
    group by c.user_id
    having count(distinct c.place) <> count(c.kind)
    or bool_or(c.kind is not null and c.differs)
    order by c.user_id;

    if found then
        raise exception 'user % has % elements, but % chats and % rejects, of which % differ',
            lost.id, lost.elements, lost.chats, lost.rejects, lost.altered
            using hint = 'Run V3__move_chat_histories.sql again; it adds what is missing.';
    end if;
end
$$;


-- The rows as they are written from now on.

-- 0 is the next place. The user's row is locked, so that two who write at once get one place each.
-- Whoever does not see the user is refused by the policy, whatever the place.
create function private.place_chat() returns trigger
language plpgsql volatile set search_path = ''
as $$
begin
    perform from public.users u where u.id = new.user_id for no key update;
    new.ordinal := 1 + greatest(
        (select max(h.ordinal) from public.chat_histories h where h.user_id = new.user_id),
        (select max(j.ordinal) from public.chat_history_rejects j where j.user_id = new.user_id),
        0
    );
    return new;
end
$$;

create trigger place_chat before insert on public.chat_histories
    for each row when (new.ordinal = 0)
    execute function private.place_chat();

-- A column that is changed by itself is not what `legacy` said of it any more.
create function private.forget_legacy() returns trigger
language plpgsql volatile set search_path = ''
as $$
declare
    was public.chat_histories := old;
    now public.chat_histories := new;
begin
    was.legacy := null;
    now.legacy := null;
    new.legacy := (
        select jsonb_object_agg(l.key, l.value)
        from jsonb_each(new.legacy) l
        where (private.chat_element(now) -> l.key)::text
            is not distinct from (private.chat_element(was) -> l.key)::text
    );
    return new;
end
$$;

create trigger forget_legacy before update on public.chat_histories
    for each row when (
        new.legacy is not null and new.legacy::text is not distinct from old.legacy::text
    )
    execute function private.forget_legacy();

-- What was no array becomes the first element of one, unless it was nothing.
create function private.unwrap_document(for_user varchar) returns void
language plpgsql volatile set search_path = ''
as $$
declare
    document jsonb;
begin
    delete from public.chat_history_rejects j
    where j.user_id = for_user
    and j.ordinal = 0
    returning j.element
    into document;
    if found then
        perform private.write_chat_history(for_user, private.as_array(document));
    end if;
end
$$;

create function private.write_chat(for_user varchar, place integer, element jsonb) returns void
language sql volatile set search_path = ''
as $$
    insert into public.chat_histories (
        chat_id, user_id, ordinal, character_id, scene_id, persona_id, character_name,
        character_picture, scene_name, scene_picture, title, messages, last_updated, created_at,
        legacy
    )
    select
        c.chat_id, c.user_id, c.ordinal, c.character_id, c.scene_id, c.persona_id, c.character_name,
        c.character_picture, c.scene_name, c.scene_picture, c.title, c.messages, c.last_updated,
        c.created_at, c.legacy
    from private.read_chat(for_user, place, element) c
    on conflict (user_id, chat_id) do update set
        character_id = excluded.character_id,
        scene_id = excluded.scene_id,
        persona_id = excluded.persona_id,
        character_name = excluded.character_name,
        character_picture = excluded.character_picture,
        scene_name = excluded.scene_name,
        scene_picture = excluded.scene_picture,
        title = excluded.title,
        messages = excluded.messages,
        last_updated = excluded.last_updated,
        created_at = excluded.created_at,
        legacy = excluded.legacy
$$;

-- A chat goes with its duplicates.
create function private.drop_chats(for_user varchar, chats varchar[]) returns void
language sql volatile set search_path = ''
as $$
    delete from public.chat_histories h
    where h.user_id = for_user
    and h.chat_id = any(chats);

    delete from public.chat_history_rejects j
    where j.user_id = for_user
    and j.reason = 'chat_id is a duplicate'
    and j.element ->> 'chat_id' = any(chats);
$$;

-- The rules of private.prune_history(), for rows.
create function private.prune_chats(for_user varchar) returns void
language sql volatile set search_path = ''
as $$
    select private.drop_chats(for_user, array(
        select h.chat_id
        from public.chat_histories h
        where h.user_id = for_user
        order by h.last_updated desc nulls last, h.ordinal desc
        offset 30
    ))
$$;


-- What the back end calls, as in V1, with the same answers.
-- NOTE: build_user_response() and fetch_recommended_characters() ask fetch_user_chat_history() and
-- stay as they are.

-- Place 0 is the whole document. Alone it is shown as it was; beside chats written since, a
-- document that held something is the first element of their array.
create or replace function public.fetch_user_chat_history(for_user varchar) returns jsonb
language sql stable set search_path = ''
as $$
    select (
        select case
            when count(*) = 1 and max(e.ordinal) = 0 then (array_agg(e.element))[1]
            else coalesce(
                jsonb_agg(e.element order by e.ordinal)
                    filter (where e.ordinal > 0 or jsonb_typeof(e.element) <> 'null'),
                '[]'
            )
        end
        from (
            select h.ordinal, private.chat_element(h) as element
            from public.chat_histories h
            where h.user_id = u.id
            union all
            select j.ordinal, j.element
            from public.chat_history_rejects j
            where j.user_id = u.id
        ) e
    )
    from public.users u
    where u.id = for_user
$$;

create or replace function public.fetch_chat_history_entry(for_user varchar, for_chat varchar)
returns jsonb
language sql stable set search_path = ''
as $$
    select private.chat_element(h)
    from public.chat_histories h
    where h.user_id = for_user
    and h.chat_id = for_chat
$$;

create or replace function public.upsert_chat_history_entry(
    for_user varchar, for_chat varchar, payload jsonb
) returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
    entry jsonb;
begin
    perform from public.users u where u.id = for_user for no key update;
    if not found then
        return null;
    end if;

    perform private.unwrap_document(for_user);
    entry := private.merge_entry(
        public.fetch_chat_history_entry(for_user, for_chat), for_chat, payload);
    perform private.write_chat(for_user, 0, entry);
    perform private.prune_chats(for_user);
    return entry;
end
$$;

create or replace function public.rename_chat_history_entry(
    for_user varchar, for_chat varchar, new_title text
) returns jsonb
language plpgsql volatile set search_path = ''
as $$
declare
    entry jsonb;
begin
    perform from public.users u where u.id = for_user for no key update;

    entry := public.fetch_chat_history_entry(for_user, for_chat)
        || jsonb_build_object('title', new_title);
    if entry is not null then
        perform private.write_chat(for_user, 0, entry);
    end if;
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
    perform private.drop_chats(for_user, array[for_chat]);
    return true;
end
$$;


-- Grants. None of these functions may do what the caller may not.
-- NOTE: `id` is not among the columns: nobody chooses the number of a row.

revoke all on function
    private.place_chat(),
    private.forget_legacy(),
    private.unwrap_document(varchar),
    private.write_chat(varchar, integer, jsonb),
    private.drop_chats(varchar, varchar[]),
    private.prune_chats(varchar)
    from public;

grant insert (
    chat_id, user_id, ordinal, character_id, scene_id, persona_id, character_name,
    character_picture, scene_name, scene_picture, title, messages, last_updated, created_at, legacy
), update (
    chat_id, user_id, ordinal, character_id, scene_id, persona_id, character_name,
    character_picture, scene_name, scene_picture, title, messages, last_updated, created_at, legacy
), delete on table public.chat_histories to app_user, app_service;
grant insert, delete on table public.chat_history_rejects to app_user, app_service;
grant execute on function
    private.read_text(jsonb),
    private.read_id(jsonb),
    private.read_chat(varchar, integer, jsonb),
    private.write_chat_history(varchar, jsonb),
    private.unwrap_document(varchar),
    private.write_chat(varchar, integer, jsonb),
    private.drop_chats(varchar, varchar[]),
    private.prune_chats(varchar)
    to app_user, app_service;


-- The array goes, last of all.
-- NOTE: the functions of the triggers stay, for the way back; so does private.prune_history().

drop trigger sync_chat_history on public.users;
drop trigger keep_reference on public.chat_histories;
alter table public.users drop column chat_history;


comment on function private.place_chat() is 'Gives a new chat the next place of its user.';
comment on function private.forget_legacy() is
    'Takes from legacy what is said of a column that a statement changes by itself.';
comment on function private.unwrap_document(varchar) is
    'Makes a document that was no array the first element of one.';
comment on function private.write_chat(varchar, integer, jsonb) is
    'Writes an element to its chat, new or known, with the rights of the caller.';
comment on function private.drop_chats(varchar, varchar[]) is
    'Deletes chats of a user with their duplicates.';
comment on function private.prune_chats(varchar) is 'Deletes all but the 30 chats last used.';
comment on trigger place_chat on public.chat_histories is
    'Fills in the place that a new chat did not say.';
comment on trigger forget_legacy on public.chat_histories is
    'Lets a plain update of a column be seen in the array.';
