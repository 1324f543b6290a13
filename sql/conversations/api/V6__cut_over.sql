-- What the existing chat interface reads and writes, asked only across the cut over, which takes
-- the array away.
-- NOTE: an error names the table whose policy refuses: only its code is compared.

-- call: Mia reads all that is hers
-- as: 00000000-0000-4000-8000-000000000003
select * from chat_sessions s order by s.id;

-- call: Olga owns the tenant and reads all of it
-- as: 00000000-0000-4000-8000-000000000001
select * from chat_sessions s order by s.id;

-- call: the back end reads everything
-- as: service_role
select s.id, md5(s.messages::text), jsonb_typeof(s.messages) from chat_sessions s order by s.id;

-- call: Mia opens a chat
-- as: 00000000-0000-4000-8000-000000000003
select * from chat_sessions s where s.id = 'c0000000-0000-4000-8000-000000000001';

-- call: Adam runs the tenant and sees whose chats there are
-- as: 00000000-0000-4000-8000-000000000002
select s.tenant_id, s.user_id, count(*) from chat_sessions s group by 1, 2 order by 1, 2;

-- call: Owen looks for a chat of another tenant
-- as: 00000000-0000-4000-8000-000000000006
select * from chat_sessions s where s.id = 'c0000000-0000-4000-8000-000000000001';

-- call: Mia begins a chat
-- as: 00000000-0000-4000-8000-000000000003
insert into chat_sessions (id, tenant_id, user_id)
values (
    '77777777-7777-4777-8777-777777777777', 'a0000000-0000-4000-8000-00000000000a',
    '00000000-0000-4000-8000-000000000003'
)
returning title, messages, metadata, created_at = now(), updated_at = now();
update chat_sessions
set messages = messages || '[{"role": "user", "content": "one"}, 2, {"role": "robot", "x": null}]',
    title = 'Odd', updated_at = now()
where id = '77777777-7777-4777-8777-777777777777';
select s.tenant_id, s.user_id, s.title, s.messages, s.metadata
from chat_sessions s
where s.id = '77777777-7777-4777-8777-777777777777';

-- call: Mia goes on with a chat
-- as: 00000000-0000-4000-8000-000000000003
update chat_sessions s
set messages = s.messages || '{"role": "user", "content": "And now?"}'
where s.id = 'c0000000-0000-4000-8000-000000000001'
returning *;
select * from chat_sessions s where s.id = 'c0000000-0000-4000-8000-000000000001';

-- call: Mia takes a message back
-- as: 00000000-0000-4000-8000-000000000003
update chat_sessions s
set messages = s.messages - 1
where s.id = 'c0000000-0000-4000-8000-000000000001';
select s.messages from chat_sessions s where s.id = 'c0000000-0000-4000-8000-000000000001';

-- call: Mia deletes a chat
-- as: 00000000-0000-4000-8000-000000000003
delete from chat_sessions s where s.id = 'c0000000-0000-4000-8000-000000000001' returning s.title;
delete from chat_sessions s where s.id = 'c0000000-0000-4000-8000-000000000001' returning s.title;
select s.id from chat_sessions s order by s.id;

-- call: Adam reads a member's chat and cannot change it
-- as: 00000000-0000-4000-8000-000000000002
update chat_sessions s
set title = 'x'
where s.id = 'c0000000-0000-4000-8000-000000000001'
returning s.title;
delete from chat_sessions s where s.id = 'c0000000-0000-4000-8000-000000000001' returning s.title;
select s.title from chat_sessions s where s.id = 'c0000000-0000-4000-8000-000000000001';

-- call: Owen begins a chat in another tenant
-- as: 00000000-0000-4000-8000-000000000006
-- errors: code
insert into chat_sessions (id, tenant_id, user_id)
values (
    '77777777-7777-4777-8777-777777777777', 'a0000000-0000-4000-8000-00000000000a',
    '00000000-0000-4000-8000-000000000006'
);

-- call: Mia begins a chat for Max
-- as: 00000000-0000-4000-8000-000000000003
-- errors: code
insert into chat_sessions (id, tenant_id, user_id)
values (
    '77777777-7777-4777-8777-777777777777', 'a0000000-0000-4000-8000-00000000000a',
    '00000000-0000-4000-8000-000000000004'
);

-- call: Mia gives a chat away
-- as: 00000000-0000-4000-8000-000000000003
-- errors: code
update chat_sessions s
set user_id = '00000000-0000-4000-8000-000000000004'
where s.id = 'c0000000-0000-4000-8000-000000000001';
