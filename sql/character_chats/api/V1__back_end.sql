-- What the functions of the back end answer. The guide promises that the responses are identical:
-- the same questions to the array in the user's row, and to the rows of chat_histories.
-- NOTE: what is written without a time is written at now(), which is the same on both sides.
-- NOTE: a function takes milliseconds here, so that only some write, and everybody is read once.


-- Registration and login, before anybody is known.

-- call: everybody logs in
-- as: service_role
select u.email, build_user_response(u.id)
from public.users u
order by u.id collate "C";

-- call: a new user is registered
-- as: service_role
insert into public.users (id, email, name) values ('user-99-new', 'new@example.org', 'Neo');
select build_user_response('user-99-new') - 'created_at';

-- call: an address has one account
-- as: service_role
insert into public.users (id, email) values ('user-99-new', 'regular@example.org');


-- Each reads his own.

-- call: Rhea reads what she has
-- as: user-01-regular
select build_user_response('user-01-regular');
select k.id, fetch_chat_history_entry('user-01-regular', k.id)
from (values
    ('c1000000-0000-4000-8000-000000000001'), ('c1000000-0000-4000-8000-000000000003'),
    ('unknown'), ('many-05'), (null)
) k (id);
select c.id, c.name, c.picture from fetch_recommended_characters('user-01-regular') c;

-- call: Mia reads chats between things that are none
-- as: user-10-mixed
select build_user_response('user-10-mixed');
select k.id, fetch_chat_history_entry('user-10-mixed', k.id)
from (values ('before'), ('after'), ('nested')) k (id);

-- call: Dora reads a chat that she has three times
-- as: user-12-duplicates
select fetch_user_chat_history('user-12-duplicates');
select k.id, fetch_chat_history_entry('user-12-duplicates', k.id)
from (values ('twice'), ('once'), ('Twice')) k (id);
select c.id, c.name, c.picture from fetch_recommended_characters('user-12-duplicates') c;

-- call: Nils has an array that is NULL
-- as: user-03-null
select fetch_user_chat_history('user-03-null'), build_user_response('user-03-null');
select count(*) from fetch_recommended_characters('user-03-null') c;

-- call: Hugo reads a huge chat
-- as: user-21-huge
select fetch_user_chat_history('user-21-huge');


-- Nobody reads or writes what is another's.

-- call: Emil asks for what others have
-- as: user-02-empty
select
    u.id,
    build_user_response(u.id),
    fetch_user_chat_history(u.id),
    fetch_chat_history_entry(u.id, 'many-05')
from (values ('user-01-regular'), ('user-14-many'), ('user-08-number'), ('gone'), (null)) u (id);

-- call: who is not logged in asks for what others have
-- as: nobody
select
    u.id,
    build_user_response(u.id),
    fetch_user_chat_history(u.id),
    fetch_chat_history_entry(u.id, 'many-05')
from (values ('user-01-regular'), ('user-14-many'), ('user-08-number'), ('gone'), (null)) u (id);

-- call: Emil writes to what others have
-- as: user-02-empty
select
    u.id,
    upsert_chat_history_entry(u.id, 'many-05', '{}'),
    rename_chat_history_entry(u.id, 'many-05', 'mine'),
    delete_chat_history_entry(u.id, 'many-05')
from (values ('user-01-regular'), ('user-14-many'), ('user-08-number'), ('gone'), (null)) u (id);

-- call: who is not logged in writes to what others have
-- as: nobody
select
    u.id,
    upsert_chat_history_entry(u.id, 'many-05', '{}'),
    rename_chat_history_entry(u.id, 'many-05', 'mine'),
    delete_chat_history_entry(u.id, 'many-05')
from (values ('user-01-regular'), ('user-14-many'), ('user-08-number'), ('gone'), (null)) u (id);


-- What is written is read afterwards.

-- call: Rhea goes on with a chat
-- as: user-01-regular
select upsert_chat_history_entry('user-01-regular', 'c1000000-0000-4000-8000-000000000002', '{
    "last_updated": "2024-02-20T00:00:00.5+00:00", "messages": [1.0], "character_id": 4,
    "scene_id": 77, "persona_id": 1, "extra": {"a": null}
}');
select build_user_response('user-01-regular');
select c.id from fetch_recommended_characters('user-01-regular') c;

-- call: Rhea begins a chat, renames and deletes others
-- as: user-01-regular
select upsert_chat_history_entry('user-01-regular', 'new', '{}');
select rename_chat_history_entry(
    'user-01-regular', 'c1000000-0000-4000-8000-000000000001', 'New title'
);
select delete_chat_history_entry('user-01-regular', 'c1000000-0000-4000-8000-000000000002');
select delete_chat_history_entry('user-01-regular', 'c1000000-0000-4000-8000-000000000002');
select build_user_response('user-01-regular');

-- call: Nils begins a chat where there was no array
-- as: user-03-null
select upsert_chat_history_entry('user-03-null', 'first', '{"created_at": 1, "title": null}');
select build_user_response('user-03-null');

-- call: Uma begins the chat that is all of her document
-- as: user-06-unwrapped
select rename_chat_history_entry('user-06-unwrapped', 'c6', 'Not in an array');
select upsert_chat_history_entry('user-06-unwrapped', 'c6', '{
    "title": "In an array", "created_at": 1704067200, "last_updated": 1704067201
}');
select build_user_response('user-06-unwrapped');

-- call: Ida renames a chat whose keys are names of columns
-- as: user-11-ids
select rename_chat_history_entry('user-11-ids', k.id, 'New title')
from (values ('names of our columns'), ('')) k (id);
select build_user_response('user-11-ids');

-- call: Dora renames the first of three
-- as: user-12-duplicates
select rename_chat_history_entry('user-12-duplicates', 'twice', 'The first');
select fetch_user_chat_history('user-12-duplicates');

-- call: Dora deletes all three
-- as: user-12-duplicates
select delete_chat_history_entry('user-12-duplicates', 'twice');
select fetch_user_chat_history('user-12-duplicates');

-- call: Maya begins one chat more than is kept
-- as: user-14-many
select upsert_chat_history_entry('user-14-many', 'new', '{"title": "One more"}');
select fetch_user_chat_history('user-14-many');

-- call: Otto goes on with an old one among many
-- as: user-15-many-odd
select upsert_chat_history_entry('user-15-many-odd', 'odd-5', '{"last_updated": "some day"}');
select fetch_user_chat_history('user-15-many-odd');

-- call: Tess renames a title that is too long for a column
-- as: user-19-titles
select rename_chat_history_entry('user-19-titles', 't6', repeat('ß', 256));
select rename_chat_history_entry('user-19-titles', 't3', null);
select fetch_user_chat_history('user-19-titles');


-- What is refused.

-- call: a chat without an id
-- as: user-01-regular
select upsert_chat_history_entry('user-01-regular', '', '{"title": "no id"}');

-- call: a chat whose id is too long
-- as: user-01-regular
select upsert_chat_history_entry('user-01-regular', repeat('x', 256), '{}');

-- call: a chat that is a list
-- as: user-01-regular
select upsert_chat_history_entry('user-01-regular', 'list', '[]');

-- call: a chat that is nothing
-- as: user-01-regular
select upsert_chat_history_entry('user-01-regular', 'nothing', null);
