-- What the shop learns from a chat. It is about visitors and not for them: row level security is
-- on, there is no policy, and no visitor has a grant. The service writes and reads it.
-- Columns, types, defaults and the names of constraints are the guide's.

create table public.chat_analytics (
    id text primary key not null,
    session_id text not null,
    products_viewed text,
    products_added_to_cart text,
    query_type text,
    user_satisfaction integer,
    conversion_occurred integer default 0,
    total_cost_usd numeric(10, 4),
    created_at timestamp default now() not null
);

alter table public.chat_analytics
    add constraint chat_analytics_session_id_chat_sessions_id_fk
    foreign key (session_id) references public.chat_sessions (id)
    on delete cascade on update no action;

alter table public.chat_analytics enable row level security;


revoke all on table public.chat_analytics from public, shop_app, shop_service;
grant select, insert, update, delete on table public.chat_analytics to shop_service;


create index chat_analytics_session_id_idx on public.chat_analytics (session_id);


comment on table public.chat_analytics is 'What the shop learns from a chat.';
comment on column public.chat_analytics.id is 'Names the record.';
comment on column public.chat_analytics.session_id is 'The chat it is about.';
comment on column public.chat_analytics.products_viewed is
    'Which products were shown, as JSON text.';
comment on column public.chat_analytics.products_added_to_cart is
    'Which products were put into the cart, as JSON text.';
comment on column public.chat_analytics.query_type is 'What the visitor wanted.';
comment on column public.chat_analytics.user_satisfaction is 'How the visitor rated the chat.';
comment on column public.chat_analytics.conversion_occurred is '1 if the visitor bought, else 0.';
comment on column public.chat_analytics.total_cost_usd is 'What the chat cost the shop.';
comment on column public.chat_analytics.created_at is 'When it was recorded.';
comment on constraint chat_analytics_pkey on public.chat_analytics is
    'No two records share an id.';
comment on constraint chat_analytics_session_id_chat_sessions_id_fk on public.chat_analytics is
    'With its chat a record is deleted.';
comment on index public.chat_analytics_session_id_idx is 'What is known of a chat.';
