-- What was said in them: every role, equal times, calls of functions, nothing, very much.

insert into public.chat_messages (
    id, session_id, role, content, function_name, function_args, function_result, "timestamp"
) values
    ('m1', 'mia', 'user', 'Red shoes?', null, null, null, '2024-02-01 10:00:00'),
    ('m2', 'mia', 'function', '', 'find_products', '{"q": "red shoes"}', '[{"id": 7}]',
        '2024-02-01 10:00:00'),
    ('m3', 'mia', 'assistant', 'There is one pair.', null, null, null,
        '2024-02-01 10:00:00'),
    ('m4', 'mia again', 'user', 'Red shoes?', null, null, null, '2024-02-02 10:00:00'),
    ('m5', 'max', 'user', 'My address is a secret.', null, null, null, '2024-02-01 10:00:00'),
    ('m6', 'visitor', 'user', 'Opening hours?', null, null, null, '2024-02-01 10:00:00'),
    ('m7', 'visitor', 'assistant', 'Nine to five.', null, null, null, '2024-02-01 10:00:01'),
    ('m8', 'other visitor', 'user', 'Is anybody here?', null, null, null, '2024-02-01 10:00:00'),
    ('m9', 'empty user', 'robot', 'unknown role', 'f', 'no JSON', 'null', '2024-02-01 10:00:00'),
    ('m10', 'empty token', '', '', '', '', '', 'infinity'),
    ('m11', 'odd', 'user', repeat('👋 é שלום ', 2000), null, null, null,
        '2024-02-01 10:00:00.000001');
