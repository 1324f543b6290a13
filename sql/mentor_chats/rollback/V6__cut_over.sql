-- `mentor_id` is the truth again: it is filled from chats and rejects, with what was said since.
-- NOTE: the old functions know of no chats. What was in a chat that its user has deleted is in
-- their answers again; V3 is not taken back while there are such chats.

revoke insert (user_id, mentor_id, title, is_active, created_at, updated_at, metadata),
    update (mentor_id, title, is_active, updated_at, metadata)
    on table public.chats from app_user;
revoke insert (chat_id) on table public.messages from app_user;
revoke insert, update, delete on table public.chats from app_service;
revoke execute on function
    private.chat_json(public.chats),
    private.message_json(public.messages),
    private.add_message(text, text, jsonb),
    private.use_chat(text, text),
    public.create_chat(text, text, text, jsonb),
    public.get_user_chats(text, text, boolean, integer, integer),
    public.get_chat_messages(text, text),
    public.get_chat(text, text),
    public.update_chat(text, text, jsonb),
    public.delete_chat(text, text),
    public.create_message(text, text, jsonb),
    public.create_standalone_message(text, jsonb),
    public.save_conversation(text, text, jsonb, jsonb),
    public.get_or_create_mentor_chat(text, text),
    public.get_chat_stats(text)
    from app_user, app_service;

-- From here on nobody writes, so what is read is what stays.
lock table public.messages, public.chats, public.message_rejects in share row exclusive mode;

alter table public.messages add column mentor_id text;
grant insert (mentor_id) on table public.messages to app_user;

update public.messages m
set mentor_id = coalesce(c.grouped_by, c.mentor_id)
from public.chats c
where c.user_id = m.user_id
and c.id = m.chat_id
and coalesce(c.grouped_by, c.mentor_id) is not null;

update public.messages m
set mentor_id = r.mentor_id
from public.message_rejects r
where r.message_id = m.id;

create trigger group_message before insert on public.messages
    for each row when (new.mentor_id is not null)
    execute function private.group_message();

create trigger reject_message after insert on public.messages
    for each row when (new.mentor_id is not null and new.chat_id is null)
    execute function private.reject_message();


-- The functions of V1, word for word.

create or replace function public.get_messages(
    for_user text, max_rows integer, skipped integer default 0
) returns jsonb
language sql stable set search_path = ''
as $$
    select coalesce(
        jsonb_agg(private.loose_message(p, p.mentor_id) order by p.created_at desc, p.id desc), '[]'
    )
    from (
        select m.*
        from public.messages m
        where m.user_id = for_user
        order by m.created_at desc, m.id desc
        limit max_rows
        offset skipped
    ) m
    join public.messages p on p.id = m.id
$$;

create or replace function public.get_mentor_messages(for_user text, for_mentor text) returns jsonb
language sql stable set search_path = ''
as $$
    select coalesce(
        jsonb_agg(private.loose_message(m, m.mentor_id) order by m.created_at, m.id), '[]'
    )
    from public.messages m
    where m.user_id = for_user
    and m.mentor_id = for_mentor
$$;

create or replace function public.save_message(for_user text, for_mentor text, message jsonb)
returns jsonb
language sql volatile set search_path = ''
as $$
    insert into public.messages as m (
        user_id, mentor_id, role, content, prompt, model, tokens, metadata, task_id, created_at
    )
    select
        u.id,
        for_mentor,
        message ->> 'role',
        message ->> 'content',
        message ->> 'prompt',
        message ->> 'model',
        (message ->> 'tokens')::integer,
        message -> 'metadata',
        message ->> 'taskId',
        clock_timestamp()
    from public.users u
    where u.id = for_user
    returning private.loose_message(m, m.mentor_id)
$$;


comment on column public.messages.mentor_id is
    'The mentor it was said to or by. Nothing checks that there is one.';
comment on function public.get_messages(text, integer, integer) is
    'The messages of a user, newest first, page by page.';
comment on trigger group_message on public.messages is 'Groups loose messages until the cut over.';
comment on trigger reject_message on public.messages is 'The same for those that fit in no chat.';
