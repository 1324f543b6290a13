-- Chats of users and of browsers without one, with every oddity that the columns can hold.

insert into public.chat_sessions (
    id, user_id, session_token, started_at, ended_at, last_message_at, message_count, user_agent,
    ip_address
) values
    ('mia', 'clx1mia0000001', 't-mia', '2024-02-01 10:00:00', null, '2024-02-01 10:05:00', 3,
        'Mozilla/5.0 (X11)', '192.0.2.1'),
    ('mia again', 'clx1mia0000001', 't-mia-2', '2024-02-02 10:00:00', '2024-02-02 10:05:00',
        '2024-02-02 10:05:00', 1, 'Mozilla/5.0 (X11)', '192.0.2.1'),
    ('max', 'clx1max0000002', 't-max', '2024-02-01 10:00:00', null, '2024-02-01 10:05:00', 1,
        'curl/8', '2001:db8::1'),
    ('visitor', null, 't-visitor', '2024-02-01 10:00:00', null, '2024-02-01 10:05:00', 2,
        'Mozilla/5.0 (iPhone)', '192.0.2.2'),
    ('other visitor', null, 't-other', '2024-02-01 10:00:00', null, '2024-02-01 10:05:00', 1,
        'Mozilla/5.0 (iPhone)', '192.0.2.2'),
    -- An account and a token that are the empty string, as an empty setting is.
    ('empty user', '', 't-empty', '2024-02-01 10:00:00', null, '2024-02-01 10:05:00', 1, '', ''),
    ('empty token', null, '', '2024-02-01 10:00:00', null, '2024-02-01 10:05:00', 1, null, null),
    -- Ended before it began, a count that is wrong, no address that anybody knows.
    ('odd', 'ünïcødé-👋', 'tökén 👋', 'infinity', '-infinity', '2024-02-01 10:05:00.000001', -5,
        repeat('x', 5000), 'unknown');
