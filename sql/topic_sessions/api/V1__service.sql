-- What the service functions answer. The guide promises that they work exactly as before: the same
-- questions to the rows of chat_history, to both, and to the arrays of chat_sessions.
-- NOTE: the time of what is saved here is the time of day, which is left out of the answers. Of an
-- error that names a table only the code is compared: the table is another one afterwards.


-- Everybody reads his own.

-- call: Mia reads all chats that are hers, and some that are none
-- as: 00000000-0000-4000-8000-000000000001
select k.topic, k.subtopic,
    get_chat_history('00000000-0000-4000-8000-000000000001', k.topic, k.subtopic)
from (values
    ('fractions', 'halves'),
    ('fractions', 'quarters'),
    ('decimals', 'halves'),
    ('roles', 'odd'),
    ('content', 'odd'),
    ('fractions', null),
    ('fractions', ''),
    (null, null),
    (null, 'halves'),
    ('order', 'equal'),
    ('order', 'timeless'),
    ('order', 'gaps'),
    ('no such topic', null),
    ('', '')
) k (topic, subtopic);

-- call: Max reads all chats that are his, and some that are none
-- as: 00000000-0000-4000-8000-000000000002
select k.topic, k.subtopic,
    get_chat_history('00000000-0000-4000-8000-000000000002', k.topic, k.subtopic)
from (values
    ('fractions', 'halves'),
    ('shapes', 'circles'),
    ('shapes ', 'circles'),
    ('Shapes', 'circles'),
    (repeat('ü', 100), repeat('ß', 100)),
    ('', ''),
    (null, null),
    ('again', 'again'),
    ('order', 'future'),
    ('long', 'chat'),
    ('long', 'content'),
    ('', null)
) k (topic, subtopic);

-- call: Nora reads all chats that are hers, and some that are none
-- as: 00000000-0000-4000-8000-000000000003
select k.topic, k.subtopic,
    get_chat_history('00000000-0000-4000-8000-000000000003', k.topic, k.subtopic)
from (values
    ('phases', 'odd'),
    ('phases', 'none'),
    ('Grüße 👋', 'שלום'),
    ('order', 'micro'),
    ('order', 'ends'),
    ('phases', null)
) k (topic, subtopic);

-- call: Olga has never said anything
-- as: 00000000-0000-4000-8000-000000000004
select get_chat_history('00000000-0000-4000-8000-000000000004', 'fractions', 'halves'),
    get_chat_history('00000000-0000-4000-8000-000000000004', null, null);

-- call: the owner of the tables is asked for the chats of nobody
select k.topic, k.subtopic, get_chat_history(null, k.topic, k.subtopic)
from (values ('fractions', 'halves'), (null, null), ('fractions', null)) k (topic, subtopic);


-- Nobody reads what is another's, or nobody's.

-- call: Olga asks for the chats of others and of nobody
-- as: 00000000-0000-4000-8000-000000000004
select u.id, k.topic, k.subtopic, get_chat_history(u.id, k.topic, k.subtopic)
from (values
    ('00000000-0000-4000-8000-000000000001'::uuid), ('00000000-0000-4000-8000-000000000002'),
    ('00000000-0000-4000-8000-000000000003'), ('00000000-0000-4000-8000-00000000ffff'),
    (null)
) u (id)
cross join (values
    ('fractions', 'halves'), ('shapes', 'circles'), ('phases', 'odd'), (null, null)
) k (topic, subtopic);

-- call: who is not logged in asks for chats of all
-- as: nobody
select u.id, k.topic, k.subtopic, get_chat_history(u.id, k.topic, k.subtopic)
from (values
    ('00000000-0000-4000-8000-000000000001'::uuid), ('00000000-0000-4000-8000-000000000002'),
    ('00000000-0000-4000-8000-000000000003'), ('00000000-0000-4000-8000-00000000ffff'),
    (null)
) u (id)
cross join (values
    ('fractions', 'halves'), ('shapes', 'circles'), ('phases', 'odd'), (null, null)
) k (topic, subtopic);

-- call: who has no account asks for chats of all
-- as: 00000000-0000-4000-8000-00000000ffff
select u.id, k.topic, k.subtopic, get_chat_history(u.id, k.topic, k.subtopic)
from (values
    ('00000000-0000-4000-8000-000000000001'::uuid), ('00000000-0000-4000-8000-000000000002'),
    ('00000000-0000-4000-8000-000000000003'), ('00000000-0000-4000-8000-00000000ffff'),
    (null)
) u (id)
cross join (values
    ('fractions', 'halves'), ('shapes', 'circles'), ('phases', 'odd'), (null, null)
) k (topic, subtopic);

-- call: who has no id that could be one
-- as: no uuid
select get_chat_history(null, null, null);

-- call: an id that is none
-- as: 00000000-0000-4000-8000-000000000001
select get_chat_history('no uuid', 'fractions', 'halves');


-- What is saved is answered, and is the last of its chat.

-- call: Mia goes on with a chat
-- as: 00000000-0000-4000-8000-000000000001
select save_chat_message(
    '00000000-0000-4000-8000-000000000001', 'fractions', 'halves', 'user', 'one', 'playtime'
) - 'timestamp' as saved;
select save_chat_message(
    '00000000-0000-4000-8000-000000000001', 'fractions', 'halves', 'assistant', 'two', null
) - 'timestamp' as saved;
select m.ordinality, case
    when m.value ->> 'timestamp' ~ '^(2024-01|2124)' then m.value
    else m.value - 'timestamp'
end as message
from jsonb_array_elements(
    get_chat_history('00000000-0000-4000-8000-000000000001', 'fractions', 'halves')
) with ordinality m;

-- call: Mia goes on with a topic as a whole, and says nothing
-- as: 00000000-0000-4000-8000-000000000001
select save_chat_message(
    '00000000-0000-4000-8000-000000000001', 'fractions', null, null, null, null
) - 'timestamp' as saved;
select m.ordinality, case
    when m.value ->> 'timestamp' ~ '^(2024-01|2124)' then m.value
    else m.value - 'timestamp'
end as message
from jsonb_array_elements(
    get_chat_history('00000000-0000-4000-8000-000000000001', 'fractions', null)
) with ordinality m;

-- call: Mia goes on with a chat whose messages have no time
-- as: 00000000-0000-4000-8000-000000000001
select save_chat_message(
    '00000000-0000-4000-8000-000000000001', 'order', 'timeless', 'user', 'last', 'session'
) - 'timestamp' as saved;
select m.ordinality, case
    when m.value ->> 'timestamp' ~ '^(2024-01|2124)' then m.value
    else m.value - 'timestamp'
end as message
from jsonb_array_elements(
    get_chat_history('00000000-0000-4000-8000-000000000001', 'order', 'timeless')
) with ordinality m;

-- call: Max goes on with a chat from the future
-- as: 00000000-0000-4000-8000-000000000002
select save_chat_message(
    '00000000-0000-4000-8000-000000000002', 'order', 'future', 'user', 'in between', 'session'
) - 'timestamp' as saved;
select save_chat_message(
    '00000000-0000-4000-8000-000000000002', 'order', 'future', 'user', 'and next', 'session'
) - 'timestamp' as saved;
select m.ordinality, case
    when m.value ->> 'timestamp' ~ '^(2024-01|2124)' then m.value
    else m.value - 'timestamp'
end as message
from jsonb_array_elements(
    get_chat_history('00000000-0000-4000-8000-000000000002', 'order', 'future')
) with ordinality m;

-- call: Olga begins a chat, and another about the topic as a whole
-- as: 00000000-0000-4000-8000-000000000004
select save_chat_message(
    '00000000-0000-4000-8000-000000000004', 'new', 'new', 'user', 'first', 'session'
) - 'timestamp' as saved;
select save_chat_message(
    '00000000-0000-4000-8000-000000000004', 'new', null, 'user', 'elsewhere', 'session'
) - 'timestamp' as saved;
select save_chat_message(
    '00000000-0000-4000-8000-000000000004', 'new', 'new', 'assistant', 'second', 'session'
) - 'timestamp' as saved;
select m.ordinality, case
    when m.value ->> 'timestamp' ~ '^(2024-01|2124)' then m.value
    else m.value - 'timestamp'
end as message
from jsonb_array_elements(
    get_chat_history('00000000-0000-4000-8000-000000000004', 'new', 'new')
) with ordinality m;

-- call: a time of now is written as in the guide
-- as: 00000000-0000-4000-8000-000000000003
select save_chat_message(
    '00000000-0000-4000-8000-000000000003', 'phases', 'odd', 'user', 'now', 'feedback'
) ->> 'timestamp' ~ '^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$';

-- call: Nora says again what there is of every kind
-- as: 00000000-0000-4000-8000-000000000003
select save_chat_message(
    '00000000-0000-4000-8000-000000000003', 'again', null, m.role, m.content, m.phase
) - 'timestamp' as saved
from (values
    ('', '', ''), ('USER', '   ', 'SESSION'), (repeat('r', 20), 'null', repeat('ü', 50)),
    ('user', '{"role": "assistant"}', 'recess'), ('user', E'שלום 👋\r\n\t"\\', null)
) m (role, content, phase);
select m.value - 'timestamp' as message
from jsonb_array_elements(
    get_chat_history('00000000-0000-4000-8000-000000000003', 'again', null)
) m;


-- What is refused; what were answered instead would have a time.

-- call: Mia speaks for Max
-- as: 00000000-0000-4000-8000-000000000001
-- errors: code
select save_chat_message(
    '00000000-0000-4000-8000-000000000002', 'fractions', 'halves', 'user', 'x', null
) - 'timestamp';

-- call: Mia speaks for Max where there is no chat yet
-- as: 00000000-0000-4000-8000-000000000001
-- errors: code
select save_chat_message(
    '00000000-0000-4000-8000-000000000002', 'new', 'new', 'user', 'x', null
) - 'timestamp';

-- call: Mia speaks for nobody
-- as: 00000000-0000-4000-8000-000000000001
-- errors: code
select save_chat_message(null, 'fractions', 'halves', 'user', 'x', null);

-- call: who is not logged in speaks for Mia
-- as: nobody
-- errors: code
select save_chat_message(
    '00000000-0000-4000-8000-000000000001', 'fractions', 'halves', 'user', 'x', null
) - 'timestamp';

-- call: who is not logged in speaks for nobody
-- as: nobody
-- errors: code
select save_chat_message(null, 'fractions', 'halves', 'user', 'x', null);

-- call: who has no account speaks for himself
-- as: 00000000-0000-4000-8000-00000000ffff
-- errors: code
select save_chat_message(
    '00000000-0000-4000-8000-00000000ffff', 'fractions', 'halves', 'user', 'x', null
) - 'timestamp';

-- call: a role that is too long
-- as: 00000000-0000-4000-8000-000000000001
select save_chat_message(
    '00000000-0000-4000-8000-000000000001', 'a', 'b', repeat('r', 21), 'x', 'session'
) - 'timestamp';

-- call: a phase that is too long
-- as: 00000000-0000-4000-8000-000000000001
select save_chat_message(
    '00000000-0000-4000-8000-000000000001', 'a', 'b', 'user', 'x', repeat('p', 51)
) - 'timestamp';

-- call: a topic that is too long
-- as: 00000000-0000-4000-8000-000000000001
select save_chat_message(
    '00000000-0000-4000-8000-000000000001', repeat('t', 101), 'b', 'user', 'x', 'session'
) - 'timestamp';

-- call: a subtopic that is too long
-- as: 00000000-0000-4000-8000-000000000001
select save_chat_message(
    '00000000-0000-4000-8000-000000000001', 'a', repeat('t', 101), 'user', 'x', 'session'
) - 'timestamp';
