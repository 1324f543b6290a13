-- What the existing chat interface reads. The guide promises that it goes on working: the same
-- questions to the table chat_sessions, and to the view of that name.
-- NOTE: an error says whether it is about a table or a view, so only its code is compared.

-- call: Mia sees her sidebar
-- as: 00000000-0000-4000-8000-000000000003
select s.id, s.title, s.metadata, s.created_at, s.updated_at
from chat_sessions s
order by s.updated_at desc, s.id;

-- call: Rita was a member
-- as: 00000000-0000-4000-8000-000000000005
select s.id from chat_sessions s;

-- call: a visitor looks at the chats
-- as: nobody
-- errors: code
select s.id from chat_sessions s;
