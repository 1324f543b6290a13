-- What the shop made of them.

insert into public.chat_analytics (
    id, session_id, products_viewed, products_added_to_cart, query_type, user_satisfaction,
    conversion_occurred, total_cost_usd, created_at
) values
    ('a1', 'mia', '[7, 8]', '[7]', 'search', 5, 1, 0.0123, '2024-02-01 11:00:00'),
    ('a2', 'mia', '[7, 8]', '[7]', 'search', 5, 1, 0.0123, '2024-02-01 11:00:00'),
    ('a3', 'visitor', null, null, null, null, null, null, '2024-02-01 11:00:00'),
    ('a4', 'odd', '', 'no JSON', '👋', -1, 7, -999999.9999, '2024-02-01 11:00:00.000001');
