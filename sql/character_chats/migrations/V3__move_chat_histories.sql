-- Moves every element of every array into a row of its own: all of them, also of users who have
-- more than the 30 that the application keeps. It changes no user, and run again it changes
-- nothing. The users' rows are locked against edits of their arrays, not against readers nor new
-- users: without the lock an edit that commits meanwhile leaves rows of its old array. Edits before
-- and after are carried by the trigger; where it was first, its rows stay.

with source as materialized (
    select u.id, u.chat_history
    from public.users u
    order by u.id
    for no key update
), elements as materialized (
    select s.id as user_id, r.ordinal, r.element, r.reason
    from source s
    cross join lateral private.read_history(s.chat_history) r
), rejected as (
    insert into public.chat_history_rejects (user_id, ordinal, reason, element)
    select e.user_id, e.ordinal, e.reason, e.element
    from elements e
    where e.reason is not null
    on conflict (user_id, ordinal) do nothing
)
insert into public.chat_histories (
    chat_id, user_id, ordinal, character_id, scene_id, persona_id, character_name,
    character_picture, scene_name, scene_picture, title, messages, last_updated, created_at, legacy
)
select
    c.chat_id,
    c.user_id,
    c.ordinal,
    c.character_id,
    c.scene_id,
    c.persona_id,
    c.character_name,
    c.character_picture,
    c.scene_name,
    c.scene_picture,
    c.title,
    c.messages,
    c.last_updated,
    c.created_at,
    c.legacy
from elements e
cross join lateral private.read_chat(e.user_id, e.ordinal, e.element) c
where e.reason is null
order by e.user_id, e.ordinal
on conflict (user_id, ordinal) do nothing;

-- The policies that follow are planned by these numbers.
analyze public.chat_histories, public.chat_history_rejects;
