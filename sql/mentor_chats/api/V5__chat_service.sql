-- What the chat service answers, asked by the owner of its functions: nobody else may call them
-- before the cut over, which must leave chats as they are.

-- call: the chats of everybody
select u.id, get_user_chats(u.id), get_user_chats(u.id, 'cmentor000000000000health'),
    get_user_chats(u.id, null, true, 1, 1), get_chat_stats(u.id)
from public.users u
order by u.id collate "C";

-- call: every chat with its messages
select c.user_id, get_chat(c.user_id, c.id), get_chat_messages(c.user_id, c.id)
from public.chats c
order by c.user_id collate "C", c.grouped_by collate "C";

-- call: a chat of another user is none
select get_chat(b.id, c.id), get_chat_messages(b.id, c.id),
    update_chat(b.id, c.id, '{"title": "x"}'), delete_chat(b.id, c.id),
    create_message(b.id, c.id, '{"role": "user", "content": "x"}')
from public.chats c
cross join (values ('cuser0000000000000000bert')) b (id)
where c.user_id = 'cuser0000000000000000anna'
order by c.grouped_by collate "C";

-- call: Anna begins a chat and talks
select create_chat('cuser0000000000000000anna', null, 'New', '{"a": 1.0}')
    - '{id,createdAt,updatedAt}'::text[] as chat;
select create_message(c.user_id, c.id, '{"role": "user", "content": "one"}')
    - '{id,chatId,createdAt}'::text[] as message
from public.chats c
where c.title = 'New';
select m.key, m.value - '{id,chatId,createdAt}'::text[] as message
from public.chats c
cross join lateral jsonb_each(
    save_conversation(c.user_id, c.id, '{"content": "two"}', '{"content": "three"}')
) m
where c.title = 'New';
select m.ordinality, m.value - '{id,chatId,createdAt}'::text[] as message
from public.chats c
cross join lateral jsonb_array_elements(get_chat_messages(c.user_id, c.id)) with ordinality m
where c.title = 'New';
select get_chat_stats('cuser0000000000000000anna');

-- call: Anna renames, deletes and brings back a chat
select update_chat(c.user_id, c.id, '{"title": "Newer", "metadata": [1]}') - 'updatedAt',
    delete_chat(c.user_id, c.id), delete_chat(c.user_id, c.id), get_chat(c.user_id, c.id),
    update_chat(c.user_id, c.id, '{"isActive": true}') - 'updatedAt'
from public.chats c
where c.user_id = 'cuser0000000000000000anna' and c.grouped_by = 'cmentor000000000000health';

-- call: Anna's chat with a mentor is there, or is made
select m.id,
    get_or_create_mentor_chat('cuser0000000000000000anna', m.id)
        - '{id,createdAt,updatedAt}'::text[] as chat
from (values
    ('cmentor000000000000career'), ('cmentor00000000000unasked'), ('cmentor00000000000unasked'),
    ('nobody'), (null)
) m (id);
select get_chat_stats('cuser0000000000000000anna');

-- call: a chat with a mentor that does not exist
select create_chat('cuser0000000000000000anna', 'nobody');

-- call: a message that stands alone
select create_standalone_message(
    'cuser0000000000000000anna', '{"role": "user", "content": "alone"}'
) - '{id,createdAt}'::text[] as message;
