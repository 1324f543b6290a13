-- One row per chat, a place for what cannot be a chat, and a trigger that keeps both in step with
-- the array, which stays the truth until the cut over. Both tables have row level security on
-- before their first row, no policy and no grant: nobody reads them before the data and the
-- policies are complete.
--
-- Columns, types and references are the guide's, except:
-- * `ordinal`: times of chats may be equal, missing or wrong, so only a number keeps the order of
--   the array. 0 stands for the next place.
-- * `legacy`: what an element of the array had beyond these columns, or other than they can hold,
--   so that the API goes on answering the identical array. NULL for a regular chat.
-- * chat_id is unique per user, not among all of them. The application makes it up, so two users
--   may have one; and a key over everybody's ids would tell each which ids the others have.
-- * a chat refers to a persona together with its user, so that nobody chats as somebody else's.
-- * last_updated, created_at and messages have no default: what the array did not say stays unsaid.
-- NOTE: keys are here from the first row. A chat is one row with all its messages, so there are few
-- of them, and the move is not held up.

-- What a chat refers to. It says nothing new of personas, where id alone is unique.
alter table public.personas add constraint personas_user_id_id_key unique (user_id, id);

create table public.chat_histories (
    id integer generated always as identity primary key,
    chat_id varchar not null
        constraint chat_id_is_usable check (length(chat_id) between 1 and 255),
    user_id varchar not null references public.users (id) on delete cascade,
    ordinal integer not null default 0 constraint ordinal_is_positive check (ordinal >= 1),
    character_id integer references public.characters (id) on delete set null,
    scene_id integer references public.scenes (id) on delete set null,
    persona_id integer,
    character_name varchar,
    character_picture varchar,
    scene_name varchar,
    scene_picture varchar,
    title varchar(255) not null,
    messages jsonb,
    last_updated timestamptz,
    created_at timestamptz,
    legacy jsonb constraint legacy_is_object check (jsonb_typeof(legacy) = 'object'),
    constraint chat_histories_user_id_chat_id_key unique (user_id, chat_id),
    constraint chat_histories_user_id_ordinal_key unique (user_id, ordinal),
    constraint chat_histories_user_id_persona_id_fkey
        foreign key (user_id, persona_id)
        references public.personas (user_id, id)
        on delete set null (persona_id)
);

create table public.chat_history_rejects (
    user_id varchar not null references public.users (id) on delete cascade,
    ordinal integer not null constraint ordinal_is_not_negative check (ordinal >= 0),
    reason text not null constraint reason_is_known check (
        reason in (
            'document is null',
            'document is no array',
            'element is no object',
            'chat_id is missing',
            'chat_id is no text',
            'chat_id is empty',
            'chat_id is too long',
            'chat_id is a duplicate'
        )
    ),
    element jsonb,
    constraint chat_history_rejects_pkey primary key (user_id, ordinal)
);

alter table public.chat_histories enable row level security;
alter table public.chat_history_rejects enable row level security;

revoke all on table public.chat_histories, public.chat_history_rejects from public;

-- NOTE: no index on user_id alone, as the guide has it: both unique keys begin with it. None on
-- chat_id alone: nobody looks for a chat without saying whose.
create index chat_histories_character_id_idx on public.chat_histories (character_id);
create index chat_histories_scene_id_idx on public.chat_histories (scene_id);
create index chat_histories_user_id_persona_id_idx
    on public.chat_histories (user_id, persona_id);


-- From an element to a row, and back. `legacy` is made by comparing the two to the letter, so the
-- way back is right for whatever the way there makes of an element.

create function private.chat_element(chat public.chat_histories) returns jsonb
language sql stable set search_path = ''
as $$
    select jsonb_strip_nulls(jsonb_build_object(
        'chat_id', chat.chat_id,
        'character_id', chat.character_id,
        'scene_id', chat.scene_id,
        'persona_id', chat.persona_id,
        'character_name', chat.character_name,
        'character_picture', chat.character_picture,
        'scene_name', chat.scene_name,
        'scene_picture', chat.scene_picture,
        'title', nullif(chat.title, ''),
        'last_updated', private.write_time(chat.last_updated),
        'created_at', private.write_time(chat.created_at)
    ))
        || case
            when chat.messages is null then '{}'
            else jsonb_build_object('messages', chat.messages)
        end
        || coalesce(chat.legacy, '{}')
$$;

create function private.read_text(value jsonb) returns text
language sql immutable
return case jsonb_typeof(value) when 'string' then value #>> '{}' end;

create function private.read_id(value jsonb) returns integer
language sql immutable
return case
    when jsonb_typeof(value) <> 'number' then null
    when value::numeric between 1 and 2147483647 and value::numeric = trunc(value::numeric)
        then value::numeric::integer
end;

-- What the element refers to is taken over where it exists; a persona where it is the user's own.
-- NOTE: `legacy` is what is left of the element, and not put together from its parts in a query: of
-- values that are thousands of levels deep that needs more of the server's stack than there may be.
create function private.read_chat(for_user varchar, place integer, element jsonb)
returns public.chat_histories
language plpgsql stable set search_path = ''
as $$
declare
    chat public.chat_histories;
    regular jsonb;
    held text[];
begin
    chat.chat_id := element ->> 'chat_id';
    chat.user_id := for_user;
    chat.ordinal := place;
    chat.character_id := (
        select c.id from public.characters c
        where c.id = private.read_id(element -> 'character_id')
    );
    chat.scene_id := (
        select s.id from public.scenes s
        where s.id = private.read_id(element -> 'scene_id')
    );
    chat.persona_id := (
        select p.id from public.personas p
        where p.id = private.read_id(element -> 'persona_id')
        and p.user_id = for_user
    );
    chat.character_name := private.read_text(element -> 'character_name');
    chat.character_picture := private.read_text(element -> 'character_picture');
    chat.scene_name := private.read_text(element -> 'scene_name');
    chat.scene_picture := private.read_text(element -> 'scene_picture');
    chat.title := coalesce(left(private.read_text(element -> 'title'), 255), '');
    chat.messages := element -> 'messages';
    chat.last_updated := private.read_time(element -> 'last_updated');
    chat.created_at := private.read_time(element -> 'created_at');

    regular := private.chat_element(chat);
    held := array(
        select e.key
        from jsonb_each(element) e
        where (regular -> e.key)::text is not distinct from e.value::text
    );
    chat.legacy := nullif(element - held, '{}');
    return chat;
end
$$;


-- Makes the rows of a user say what the array says. What is the same and in its place keeps its
-- row, and is not read again: to put together what is thousands of levels deep needs more of the
-- server's stack, the more calls are around it.
-- The caller holds the lock on the user's row, so two writers of one array take turns.
create function private.write_chat_history(for_user varchar, document jsonb) returns void
language plpgsql volatile set search_path = ''
as $$
begin
    delete from public.chat_histories h
    where h.user_id = for_user
    and not exists (
        select
        from private.read_history(document) r
        where r.ordinal = h.ordinal
        and r.reason is null
        and r.element::text = private.chat_element(h)::text
    );

    delete from public.chat_history_rejects j
    where j.user_id = for_user
    and not exists (
        select
        from private.read_history(document) r
        where r.ordinal = j.ordinal
        and r.reason = j.reason
        and r.element::text is not distinct from j.element::text
    );

    insert into public.chat_histories (
        chat_id, user_id, ordinal, character_id, scene_id, persona_id, character_name,
        character_picture, scene_name, scene_picture, title, messages, last_updated, created_at,
        legacy
    )
    select
        c.chat_id, c.user_id, c.ordinal, c.character_id, c.scene_id, c.persona_id, c.character_name,
        c.character_picture, c.scene_name, c.scene_picture, c.title, c.messages, c.last_updated,
        c.created_at, c.legacy
    from private.read_history(document) r
    cross join lateral private.read_chat(for_user, r.ordinal, r.element) c
    where r.reason is null
    and not exists (
        select
        from public.chat_histories h
        where h.user_id = for_user
        and h.ordinal = r.ordinal
    )
    order by r.ordinal
    on conflict (user_id, ordinal) do nothing;

    insert into public.chat_history_rejects (user_id, ordinal, reason, element)
    select for_user, r.ordinal, r.reason, r.element
    from private.read_history(document) r
    where r.reason is not null
    on conflict (user_id, ordinal) do nothing;
end
$$;

-- While the array is the truth, whoever writes it writes the rows and needs no right on them: hence
-- the definer. As text, since jsonb holds 1.0 and 1.00 to be equal and prints them differently.
create function private.sync_chat_history() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
begin
    if tg_op = 'INSERT' or new.chat_history::text is distinct from old.chat_history::text then
        perform private.write_chat_history(new.id, new.chat_history);
    end if;
    return null;
end
$$;

-- NOTE: a user who is deleted takes his rows with him by the foreign keys, and his id never
-- changes.
create trigger sync_chat_history after insert or update of chat_history on public.users
    for each row execute function private.sync_chat_history();

-- A character, scene or persona that is deleted leaves its number in the array. So that the row
-- goes on saying what the array says, it is kept in `legacy`.
create function private.keep_reference() returns trigger
language plpgsql volatile set search_path = ''
as $$
begin
    new.legacy := nullif(
        jsonb_strip_nulls(jsonb_build_object(
            'character_id', case when new.character_id is null then old.character_id end,
            'scene_id', case when new.scene_id is null then old.scene_id end,
            'persona_id', case when new.persona_id is null then old.persona_id end
        )) || coalesce(old.legacy, '{}'),
        '{}'
    );
    return new;
end
$$;

create trigger keep_reference before update of character_id, scene_id, persona_id
    on public.chat_histories
    for each row execute function private.keep_reference();

revoke all on function
    private.chat_element(public.chat_histories),
    private.read_text(jsonb),
    private.read_id(jsonb),
    private.read_chat(varchar, integer, jsonb),
    private.write_chat_history(varchar, jsonb),
    private.sync_chat_history(),
    private.keep_reference()
    from public;


comment on constraint personas_user_id_id_key on public.personas is
    'What chats refer to, so that a persona is their own user''s.';

comment on table public.chat_histories is 'The chats of users with characters.';
comment on column public.chat_histories.id is 'Numbers the rows.';
comment on column public.chat_histories.chat_id is 'Names the chat among its user''s.';
comment on column public.chat_histories.user_id is 'The user whose chat it is.';
comment on column public.chat_histories.ordinal is
    'Its place in the array, from 1; places may be left out.';
comment on column public.chat_histories.character_id is 'With whom; NULL once that is deleted.';
comment on column public.chat_histories.scene_id is 'Where; NULL once that is deleted.';
comment on column public.chat_histories.persona_id is
    'As whom, of the user''s own; NULL once that is deleted.';
comment on column public.chat_histories.character_name is 'The character''s name at that time.';
comment on column public.chat_histories.character_picture is 'Its picture at that time.';
comment on column public.chat_histories.scene_name is 'The scene''s name at that time.';
comment on column public.chat_histories.scene_picture is 'Its picture at that time.';
comment on column public.chat_histories.title is 'What the list of chats shows; may be empty.';
comment on column public.chat_histories.messages is 'What was said, oldest first.';
comment on column public.chat_histories.last_updated is
    'When it was last used. NULL where the array gave no time, or none to be believed.';
comment on column public.chat_histories.created_at is 'When it began; NULL as above.';
comment on column public.chat_histories.legacy is
    'Keys and values of the element that these columns do not hold to the letter.';
comment on constraint chat_histories_pkey on public.chat_histories is 'No two share a number.';
comment on constraint chat_id_is_usable on public.chat_histories is
    'An id is neither empty nor longer than an index can hold.';
comment on constraint ordinal_is_positive on public.chat_histories is 'Chats count from one.';
comment on constraint legacy_is_object on public.chat_histories is 'It is laid over the columns.';
comment on constraint chat_histories_user_id_chat_id_key on public.chat_histories is
    'A user has a chat once; also serves the policies on user_id.';
comment on constraint chat_histories_user_id_ordinal_key on public.chat_histories is
    'One chat per place, so that moving the data twice makes it once.';
comment on constraint chat_histories_user_id_fkey on public.chat_histories is
    'With its user it is deleted.';
comment on constraint chat_histories_character_id_fkey on public.chat_histories is
    'A chat outlives its character.';
comment on constraint chat_histories_scene_id_fkey on public.chat_histories is
    'A chat outlives its scene.';
comment on constraint chat_histories_user_id_persona_id_fkey on public.chat_histories is
    'A chat is held as a persona of its own user, and outlives it.';
comment on index public.chat_histories_character_id_idx is 'Serves the deletion of characters.';
comment on index public.chat_histories_scene_id_idx is 'Serves the deletion of scenes.';
comment on index public.chat_histories_user_id_persona_id_idx is 'Serves the deletion of personas.';

comment on table public.chat_history_rejects is
    'What the old arrays held and cannot be a chat, so that nothing is lost.';
comment on column public.chat_history_rejects.user_id is 'The user whose array it was in.';
comment on column public.chat_history_rejects.ordinal is
    'Its place among the chats; 0 where the whole document was no array.';
comment on column public.chat_history_rejects.reason is 'Why it cannot be a chat.';
comment on column public.chat_history_rejects.element is
    'The element itself, or the whole document. NULL where the document was.';
comment on constraint ordinal_is_not_negative on public.chat_history_rejects is
    'Elements count from one; 0 is the whole document.';
comment on constraint reason_is_known on public.chat_history_rejects is
    'One of the known reasons.';
comment on constraint chat_history_rejects_pkey on public.chat_history_rejects is
    'One reject per place, so that moving the data twice makes it once.';
comment on constraint chat_history_rejects_user_id_fkey on public.chat_history_rejects is
    'With its user it is deleted.';

comment on function private.chat_element(public.chat_histories) is
    'The element of the array which a chat stands for.';
comment on function private.read_text(jsonb) is 'A JSON text; else NULL.';
comment on function private.read_id(jsonb) is 'A JSON number that can be an id; else NULL.';
comment on function private.read_chat(varchar, integer, jsonb) is
    'The row for an element, from which the element can be rebuilt to the letter.';
comment on function private.write_chat_history(varchar, jsonb) is
    'Makes the rows of a user say what an array says, with the rights of the caller.';
comment on function private.sync_chat_history() is
    'Carries a write of the array to the rows, while the array is the truth.';
comment on function private.keep_reference() is
    'Keeps the number of what a chat referred to, while the array does.';
comment on trigger keep_reference on public.chat_histories is
    'Keeps the row in step with the array until the cut over.';
comment on trigger sync_chat_history on public.users is
    'Keeps chats and rejects in step with the array until the cut over.';
