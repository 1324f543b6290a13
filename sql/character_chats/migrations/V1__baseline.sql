-- The application before the change: all chats of a user with its characters are one JSONB array in
-- his row of `users`, and the functions of the back end read and write that.
-- The back end connects as `app_user` and says in the setting `app.user_id` who is asking. Before
-- anybody is known (registration, login by e-mail) it connects as `app_service`.
-- What the guide leaves open is decided here:
-- * characters and scenes are everybody's, a persona is its user's: how he calls and describes
--   himself to a character.
-- * `identity` stands for the guide's `serial`: the same integers, from a sequence that nobody
--   needs a right on, and that nobody can set or read.

create schema private;

comment on schema private is 'What policies, triggers and the functions of the back end call.';

revoke all on schema private from public;
grant usage on schema private to app_user, app_service;


-- users

create table public.users (
    id varchar primary key
        constraint id_is_usable check (length(id) between 1 and 255),
    email varchar not null constraint users_email_key unique,
    name varchar,
    created_at timestamptz not null default now(),
    chat_history jsonb default '[]'
);

alter table public.users enable row level security;


-- characters

create table public.characters (
    id integer generated always as identity primary key,
    name varchar not null,
    picture varchar
);

alter table public.characters enable row level security;


-- scenes

create table public.scenes (
    id integer generated always as identity primary key,
    name varchar not null,
    picture varchar
);

alter table public.scenes enable row level security;


-- personas

create table public.personas (
    id integer generated always as identity primary key,
    user_id varchar not null references public.users (id) on delete cascade,
    name varchar not null,
    description varchar
);

alter table public.personas enable row level security;


-- Who is asking; NULL where nobody said so, which equals no id.

create function private.my_id() returns varchar
language sql stable set search_path = ''
return nullif(current_setting('app.user_id', true), '');

revoke all on function private.my_id() from public;
grant execute on function private.my_id() to app_user;


-- Policies.
-- NOTE: none inserts or deletes users: an account begins and ends by way of app_service.
-- NOTE: none writes characters or scenes: their editors use app_service, too.

create policy select_own on public.users for select to app_user
    using (id = (select private.my_id()));

create policy update_own on public.users for update to app_user
    using (id = (select private.my_id()))
    with check (id = (select private.my_id()));

create policy select_all on public.characters for select to app_user
    using (true);

create policy select_all on public.scenes for select to app_user
    using (true);

create policy select_own on public.personas for select to app_user
    using (user_id = (select private.my_id()));

create policy insert_own on public.personas for insert to app_user
    with check (user_id = (select private.my_id()));

create policy update_own on public.personas for update to app_user
    using (user_id = (select private.my_id()))
    with check (user_id = (select private.my_id()));

create policy delete_own on public.personas for delete to app_user
    using (user_id = (select private.my_id()));


-- Grants.
-- NOTE: update of users names its columns. Who could change his e-mail address would learn from the
-- key on it which addresses others have.

revoke all on table public.users, public.characters, public.scenes, public.personas from public;
grant select on table public.users, public.characters, public.scenes to app_user;
grant update (name, chat_history) on table public.users to app_user;
grant select, insert, update, delete on table public.personas to app_user;
grant select, insert, update, delete
    on table public.users, public.characters, public.scenes, public.personas to app_service;


-- Indexes.

create index personas_user_id_idx on public.personas (user_id);


-- How the array is read. Nothing ever checked what is in it, so all of it is looked at twice: these
-- functions compute, read no table, and do not depend on the session's time zone or date style.

-- Text is cast only where it is a strict ISO form with a zone: the cast alone would take 'now',
-- 'infinity', '20240102', and read zone-less text in the session's zone. The day is checked against
-- its month, since the cast raises on the 30th of February. Numbers are seconds since 1970, or
-- milliseconds where seconds would be past 2099. Rounding comes first: numeric has numbers too
-- small for a double, and the cast raises. `[0-9]` and not `\d`, which in some locales is more
-- digits than a cast takes.
create function private.read_time(stamp jsonb) returns timestamptz
language sql stable
return case jsonb_typeof(stamp)
    when 'number' then case
        when round(stamp::numeric, 6) <= 0 then null
        when stamp::numeric < 4102444800 then
            to_timestamp(round(stamp::numeric, 6)::double precision)
        when stamp::numeric < 4102444800000 then
            to_timestamp(round(stamp::numeric / 1000, 6)::double precision)
    end
    when 'string' then case
        when stamp #>> '{}' ~ (
            '^(19[789][0-9]|20[0-9]{2})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])'
            'T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?'
            '(Z|[+-](0[0-9]|1[0-4]):[0-5][0-9])$'
        ) then case
            when substr(stamp #>> '{}', 9, 2)::integer <= extract(
                day from make_date(
                    substr(stamp #>> '{}', 1, 4)::integer, substr(stamp #>> '{}', 6, 2)::integer, 1
                ) + interval '1 month - 1 day'
            ) then (stamp #>> '{}')::timestamptz
        end
    end
end;

-- As Python's `datetime.isoformat()` has it: six digits after the point, or none.
create function private.write_time(moment timestamptz) returns text
language sql stable
return to_char(
    moment at time zone 'UTC',
    case
        when extract(microseconds from moment)::integer % 1000000 = 0
            then 'YYYY-MM-DD"T"HH24:MI:SS"+00:00"'
        else 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"'
    end
);

-- Every element of a document with its place, and either why it is no chat, or nothing. A document
-- that is no array is one element, in place 0. Of several with one id the first is the chat.
-- In plpgsql, since that plans it once a session and not with each call.
create function private.read_history(document jsonb) returns table (
    ordinal integer,
    element jsonb,
    chat_id text,
    last_updated timestamptz,
    reason text
)
language plpgsql stable set search_path = ''
as $$
begin
    return query
    with elements as (
        select e.ordinality::integer as ordinal, e.value as element
        from jsonb_array_elements(
            case when jsonb_typeof(document) = 'array' then document else '[]' end
        ) with ordinality e
        union all
        select 0, document
        where jsonb_typeof(document) is distinct from 'array'
    ), judged as (
        select
            e.ordinal,
            e.element,
            case
                when e.element is null then 'document is null'
                when e.ordinal = 0 then 'document is no array'
                when jsonb_typeof(e.element) <> 'object' then 'element is no object'
                when not e.element ? 'chat_id' then 'chat_id is missing'
                when jsonb_typeof(e.element -> 'chat_id') <> 'string' then 'chat_id is no text'
                when e.element ->> 'chat_id' = '' then 'chat_id is empty'
                when length(e.element ->> 'chat_id') > 255 then 'chat_id is too long'
            end as reason
        from elements e
    ), named as (
        select
            j.*,
            case when j.reason is null then j.element ->> 'chat_id' end as chat_id
        from judged j
    )
    select
        n.ordinal,
        n.element,
        n.chat_id,
        case when n.reason is null then private.read_time(n.element -> 'last_updated') end,
        case
            when n.reason is null
                and row_number() over (partition by n.chat_id order by n.ordinal) > 1
                then 'chat_id is a duplicate'
            else n.reason
        end
    from named n
    order by n.ordinal;
end
$$;

-- The array to add a chat to. What was no array becomes its first element, unless it was nothing.
create function private.as_array(document jsonb) returns jsonb
language sql immutable
return case coalesce(jsonb_typeof(document), 'null')
    when 'array' then document
    when 'null' then '[]'
    else jsonb_build_array(document)
end;

-- A chat after it was written: what it had, under what the payload says.
create function private.merge_entry(entry jsonb, for_chat varchar, payload jsonb) returns jsonb
language plpgsql stable set search_path = ''
as $$
begin
    if coalesce(length(for_chat), 0) not between 1 and 255 then
        raise exception 'a chat_id has 1 to 255 characters';
    end if;
    if jsonb_typeof(payload) is distinct from 'object' then
        raise exception 'the payload of a chat is an object';
    end if;
    return coalesce(entry, jsonb_build_object(
        'title', 'New Chat', 'messages', '[]'::jsonb, 'created_at', private.write_time(now())
    ))
        || jsonb_build_object('last_updated', private.write_time(now()))
        || payload
        || jsonb_build_object('chat_id', for_chat);
end
$$;

-- The array without all but the 30 chats last used; of two used at one time, or never, the later
-- one in the array counts as newer. A chat goes with its duplicates. What is no chat stays.
create function private.prune_history(history jsonb) returns jsonb
language sql stable set search_path = ''
as $$
    with elements as materialized (
        select r.* from private.read_history(history) r
    ), stale as (
        select e.chat_id
        from elements e
        where e.reason is null
        order by e.last_updated desc nulls last, e.ordinal desc
        offset 30
    )
    select coalesce(jsonb_agg(e.element order by e.ordinal), '[]')
    from elements e
    where not exists (select from stale s where s.chat_id = e.chat_id)
$$;


-- What the back end calls. All of it runs with the rights of whoever calls, under his policies: to
-- ask for somebody else's chats is to ask for a user that does not exist.

-- The array; NULL where there is no such user, or where his array is NULL.
create function public.fetch_user_chat_history(for_user varchar) returns jsonb
language sql stable set search_path = ''
as $$
    select u.chat_history
    from public.users u
    where u.id = for_user
$$;

-- The chat; NULL where there is none.
create function public.fetch_chat_history_entry(for_user varchar, for_chat varchar) returns jsonb
language sql stable set search_path = ''
as $$
    select r.element
    from public.users u
    cross join lateral private.read_history(u.chat_history) r
    where u.id = for_user
    and r.chat_id = for_chat
    and r.reason is null
$$;

-- The chat as written; NULL where there is no such user. A new one is the last of the array.
create function public.upsert_chat_history_entry(
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

-- The chat under its new title; NULL where there is none. To rename it is not to use it.
create function public.rename_chat_history_entry(
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

-- Whether there was one. All of that id go.
create function public.delete_chat_history_entry(for_user varchar, for_chat varchar) returns boolean
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

-- All fields of the user, the array among them; NULL where there is no such user.
create function public.build_user_response(for_user varchar) returns jsonb
language sql stable set search_path = ''
as $$
    select jsonb_build_object(
        'id', u.id,
        'email', u.email,
        'name', u.name,
        'created_at', private.write_time(u.created_at),
        'chat_history', public.fetch_user_chat_history(u.id)
    )
    from public.users u
    where u.id = for_user
$$;

-- The characters that the user has not chatted with.
create function public.fetch_recommended_characters(for_user varchar)
returns setof public.characters
language sql stable set search_path = ''
as $$
    select c.*
    from public.characters c
    where c.id not in (
        select case jsonb_typeof(r.element -> 'character_id')
            when 'number' then (r.element -> 'character_id')::numeric
            else 0
        end
        from private.read_history(public.fetch_user_chat_history(for_user)) r
    )
    order by c.id
$$;

revoke all on function
    private.read_time(jsonb),
    private.write_time(timestamptz),
    private.read_history(jsonb),
    private.as_array(jsonb),
    private.merge_entry(jsonb, varchar, jsonb),
    private.prune_history(jsonb),
    public.fetch_user_chat_history(varchar),
    public.fetch_chat_history_entry(varchar, varchar),
    public.upsert_chat_history_entry(varchar, varchar, jsonb),
    public.rename_chat_history_entry(varchar, varchar, text),
    public.delete_chat_history_entry(varchar, varchar),
    public.build_user_response(varchar),
    public.fetch_recommended_characters(varchar)
    from public;
grant execute on function
    private.read_time(jsonb),
    private.write_time(timestamptz),
    private.read_history(jsonb),
    private.as_array(jsonb),
    private.merge_entry(jsonb, varchar, jsonb),
    private.prune_history(jsonb),
    public.fetch_user_chat_history(varchar),
    public.fetch_chat_history_entry(varchar, varchar),
    public.upsert_chat_history_entry(varchar, varchar, jsonb),
    public.rename_chat_history_entry(varchar, varchar, text),
    public.delete_chat_history_entry(varchar, varchar),
    public.build_user_response(varchar),
    public.fetch_recommended_characters(varchar)
    to app_user, app_service;


comment on table public.users is 'Who has an account.';
comment on column public.users.id is 'Names the user; the application makes it up.';
comment on column public.users.email is 'Where he is reached, and what he logs in with.';
comment on column public.users.name is 'What he calls himself.';
comment on column public.users.chat_history is
    'All his chats, each with all its messages, oldest first. Nothing checks what is in it.';
comment on column public.users.created_at is 'When the account began.';
comment on constraint users_pkey on public.users is 'No two users share an id.';
comment on constraint id_is_usable on public.users is
    'An id is no longer than an index can hold, beside whatever is named in it.';
comment on constraint users_email_key on public.users is 'An address has one account.';

comment on table public.characters is 'Whom one can chat with.';
comment on column public.characters.id is 'Names the character.';
comment on column public.characters.name is 'What the character is called.';
comment on column public.characters.picture is 'The address of its picture.';
comment on constraint characters_pkey on public.characters is 'No two characters share an id.';

comment on table public.scenes is 'Where a chat can take place.';
comment on column public.scenes.id is 'Names the scene.';
comment on column public.scenes.name is 'What the scene is called.';
comment on column public.scenes.picture is 'The address of its picture.';
comment on constraint scenes_pkey on public.scenes is 'No two scenes share an id.';

comment on table public.personas is 'As whom a user can chat.';
comment on column public.personas.id is 'Names the persona.';
comment on column public.personas.user_id is 'The user who made it up.';
comment on column public.personas.name is 'What the persona is called.';
comment on column public.personas.description is 'What a character is told about it.';
comment on constraint personas_pkey on public.personas is 'No two personas share an id.';
comment on constraint personas_user_id_fkey on public.personas is 'With its user it is deleted.';

comment on policy select_own on public.users is 'A user sees himself.';
comment on policy update_own on public.users is 'A user changes what is said of him.';
comment on policy select_all on public.characters is 'Characters are everybody''s.';
comment on policy select_all on public.scenes is 'Scenes are everybody''s.';
comment on policy select_own on public.personas is 'A user sees his own personas.';
comment on policy insert_own on public.personas is 'A user makes personas of his own.';
comment on policy update_own on public.personas is
    'A user changes his own personas; they stay his.';
comment on policy delete_own on public.personas is 'A user deletes his own personas.';

comment on index public.personas_user_id_idx is 'Serves the policies on user_id.';

comment on function private.my_id() is 'The user who is asking; NULL for nobody.';
comment on function private.read_time(jsonb) is
    'A time in strict ISO form with a zone, or in seconds or milliseconds since 1970; else NULL.';
comment on function private.write_time(timestamptz) is 'A time as the back end writes it.';
comment on function private.read_history(jsonb) is
    'The elements of an array of chats: place, id and time of each, or why it is no chat.';
comment on function private.as_array(jsonb) is 'The document, made an array if it is none.';
comment on function private.merge_entry(jsonb, varchar, jsonb) is
    'A chat, new or known, with what a payload says of it.';
comment on function private.prune_history(jsonb) is
    'The array with no more than the 30 chats last used.';
comment on function public.fetch_user_chat_history(varchar) is 'All chats of a user as an array.';
comment on function public.fetch_chat_history_entry(varchar, varchar) is 'One chat of a user.';
comment on function public.upsert_chat_history_entry(varchar, varchar, jsonb) is
    'Writes a chat, new or known, and keeps the 30 last used.';
comment on function public.rename_chat_history_entry(varchar, varchar, text) is
    'Gives a chat another title.';
comment on function public.delete_chat_history_entry(varchar, varchar) is 'Deletes a chat.';
comment on function public.build_user_response(varchar) is
    'What the API answers of a user, his chats included.';
comment on function public.fetch_recommended_characters(varchar) is
    'Characters that are new to a user.';
