-- Chats, the reference of a message to its chat, a place for what a message says of a mentor and no
-- chat can, and a trigger that gives new loose messages their chat until the cut over.
-- The tables have row level security on before their first row, no policy and no grant.
--
-- Beyond the guide's models:
-- * messages keeps `user_id`: a message without a chat must be somebody's, and the guide's model
--   would leave it to everybody or nobody.
-- * a message refers to its chat together with its user, so that it cannot be in somebody else's.
-- * chats has `grouped_by`: the mentor that its loose messages named. Mentors are deleted, and it
--   is then the only thing that tells one such chat from another.

create table public.chats (
    id text primary key default private.new_id(),
    user_id text not null references public.users (id) on delete cascade,
    mentor_id text references public.mentors (id) on delete set null,
    grouped_by text constraint grouped_by_is_usable
        check (btrim(grouped_by) <> '' and length(grouped_by) <= 255),
    title text,
    is_active boolean not null default true,
    created_at timestamptz(3) not null default now(),
    updated_at timestamptz(3) not null default now(),
    metadata jsonb,
    constraint chats_user_id_grouped_by_key unique (user_id, grouped_by),
    constraint chats_user_id_id_key unique (user_id, id)
);

create table public.message_rejects (
    message_id text primary key references public.messages (id) on delete cascade,
    user_id text references public.users (id) on delete set null,
    mentor_id text not null,
    reason text not null constraint reason_is_known check (
        reason in ('mentor is blank', 'mentor is too long', 'user is missing')
    )
);

alter table public.chats enable row level security;
alter table public.message_rejects enable row level security;

revoke all on table public.chats, public.message_rejects from public;

alter table public.messages
    add column chat_id text
        constraint chat_has_user check (chat_id is null or user_id is not null),
    add constraint messages_user_id_chat_id_fkey
        foreign key (user_id, chat_id)
        references public.chats (user_id, id)
        on delete set null (chat_id);

create index chats_user_id_updated_at_idx on public.chats (user_id, updated_at desc);
create index chats_mentor_id_idx on public.chats (mentor_id);
create index message_rejects_user_id_idx on public.message_rejects (user_id);
-- NOTE: neither user_id nor id of the message is in it. The index of V1 has both, and where that is
-- filled to its limit there is no room for a chat beside them.
create index messages_chat_id_created_at_idx on public.messages (chat_id, created_at);


-- The id of the one chat of a user and a mentor: made from both, so that grouping twice is grouping
-- once. Nobody gains by guessing it, since nobody chooses the id of a row.
create function private.chat_id_of(for_user text, for_mentor text) returns text
language sql immutable set search_path = ''
return 'c' || left(md5(jsonb_build_array(for_user, for_mentor)::text), 24);

-- Why a message that names a mentor stays without a chat; NULL where it can be in one.
create function private.why_loose(for_user text, for_mentor text) returns text
language sql immutable set search_path = ''
return case
    when btrim(for_mentor) = '' then 'mentor is blank'
    when length(for_mentor) > 255 then 'mentor is too long'
    when for_user is null then 'user is missing'
end;

-- The application goes on writing loose messages until the cut over. It needs no right on chats for
-- that: hence the definer.
create function private.group_message() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
begin
    if new.chat_id is not null then
        return new;
    end if;
    if private.why_loose(new.user_id, new.mentor_id) is not null then
        return new;
    end if;
    insert into public.chats as c (
        id, user_id, mentor_id, grouped_by, title, created_at, updated_at
    )
    select
        private.chat_id_of(new.user_id, new.mentor_id),
        new.user_id,
        r.id,
        new.mentor_id,
        'Chat with ' || r.name,
        new.created_at,
        new.created_at
    from (select) one
    left join public.mentors r on r.id = new.mentor_id
    on conflict (user_id, grouped_by) do update set
        created_at = least(c.created_at, excluded.created_at),
        updated_at = greatest(c.updated_at, excluded.updated_at)
    returning c.id
    into new.chat_id;
    return new;
end
$$;

create function private.reject_message() returns trigger
language plpgsql volatile security definer set search_path = ''
as $$
begin
    insert into public.message_rejects (message_id, user_id, mentor_id, reason)
    values (
        new.id, new.user_id, new.mentor_id, private.why_loose(new.user_id, new.mentor_id)
    );
    return null;
end
$$;

-- Of a user who is deleted, messages lose the user and, with his chats, their chat. Which comes
-- first is not for sure, and without a user the reference to the chat is not looked at any more.
create function private.leave_chat() returns trigger
language plpgsql volatile set search_path = ''
as $$
begin
    new.chat_id := null;
    return new;
end
$$;

create trigger leave_chat before update of user_id on public.messages
    for each row when (new.user_id is null)
    execute function private.leave_chat();

create trigger group_message before insert on public.messages
    for each row when (new.mentor_id is not null)
    execute function private.group_message();

create trigger reject_message after insert on public.messages
    for each row when (new.mentor_id is not null and new.chat_id is null)
    execute function private.reject_message();

revoke all on function
    private.chat_id_of(text, text),
    private.why_loose(text, text),
    private.group_message(),
    private.reject_message(),
    private.leave_chat()
    from public;


comment on table public.chats is 'The conversations of users, with a mentor or in general.';
comment on column public.chats.id is 'Names the chat.';
comment on column public.chats.user_id is 'The user whose chat it is.';
comment on column public.chats.mentor_id is
    'With whom; NULL for a general chat, and once the mentor is deleted.';
comment on column public.chats.grouped_by is
    'The mentor named by the loose messages it was made of; NULL for a chat made since.';
comment on column public.chats.title is 'What the list of chats shows.';
comment on column public.chats.is_active is 'False once the user has deleted it.';
comment on column public.chats.created_at is 'When it began.';
comment on column public.chats.updated_at is 'When it was last used.';
comment on column public.chats.metadata is 'What the application wants to remember of it.';
comment on constraint chats_pkey on public.chats is 'No two chats share an id.';
comment on constraint chats_user_id_fkey on public.chats is 'With its user it is deleted.';
comment on constraint chats_mentor_id_fkey on public.chats is 'A chat outlives its mentor.';
comment on constraint grouped_by_is_usable on public.chats is
    'A blank is no mentor, and an id is no longer than an index can hold.';
comment on constraint chats_user_id_grouped_by_key on public.chats is
    'The loose messages of a user and a mentor are one chat.';
comment on constraint chats_user_id_id_key on public.chats is
    'What messages refer to, so that a chat has only messages of its own user.';
comment on index public.chats_user_id_updated_at_idx is
    'The chats of a user, last used first; serves the policies on user_id.';
comment on index public.chats_mentor_id_idx is 'Serves the deletion of mentors.';

comment on table public.message_rejects is
    'What messages without a chat say of a mentor, so that nothing is lost.';
comment on column public.message_rejects.message_id is 'The message.';
comment on column public.message_rejects.user_id is 'Its user.';
comment on column public.message_rejects.mentor_id is 'What it names as its mentor.';
comment on column public.message_rejects.reason is 'Why there is no chat for it.';
comment on constraint message_rejects_pkey on public.message_rejects is
    'One reject per message, so that grouping twice is grouping once.';
comment on constraint message_rejects_message_id_fkey on public.message_rejects is
    'With its message it is deleted.';
comment on constraint message_rejects_user_id_fkey on public.message_rejects is
    'It outlives its user, as the message does.';
comment on constraint reason_is_known on public.message_rejects is 'One of the known reasons.';
comment on index public.message_rejects_user_id_idx is 'Serves the policies on user_id.';

comment on column public.messages.chat_id is
    'The chat it is part of; NULL for a message that stands alone.';
comment on constraint chat_has_user on public.messages is 'What is nobody''s stands alone.';
comment on constraint messages_user_id_chat_id_fkey on public.messages is
    'A message is in a chat of its own user, and stands alone once that is gone.';
comment on index public.messages_chat_id_created_at_idx is
    'The messages of a chat, oldest first; serves the reference to it.';

comment on function private.chat_id_of(text, text) is
    'The id of the chat that loose messages of a user and a mentor become.';
comment on function private.why_loose(text, text) is
    'Why a message that names a mentor can be in no chat; NULL where it can.';
comment on function private.group_message() is
    'Gives a new loose message its chat, and makes the chat if it is the first.';
comment on function private.reject_message() is
    'Keeps what a new message without a chat says of a mentor.';
comment on function private.leave_chat() is 'Takes a message out of its chat.';
comment on trigger leave_chat on public.messages is 'What becomes nobody''s stands alone.';
comment on trigger group_message on public.messages is 'Groups loose messages until the cut over.';
comment on trigger reject_message on public.messages is 'The same for those that fit in no chat.';
