-- The copy that the guide asks for before anything is moved.
-- NOTE: it is nobody's to read: row level security is on, and there is neither policy nor grant.
-- NOTE: it has the reference to users, too. Who deletes his account is not kept in a backup.

create table public.chat_history_backup (
    like public.chat_history including comments,
    primary key (id),
    foreign key (user_id) references public.users (id) on delete cascade
);

alter table public.chat_history_backup enable row level security;

revoke all on table public.chat_history_backup from public, app_user;

insert into public.chat_history_backup
select h.*
from public.chat_history h
order by h.id;

create index chat_history_backup_user_id_idx on public.chat_history_backup (user_id);


comment on table public.chat_history_backup is
    'chat_history as it was before its rows were moved, until the clean-up.';
comment on constraint chat_history_backup_pkey on public.chat_history_backup is
    'No two messages share an id.';
comment on constraint chat_history_backup_user_id_fkey on public.chat_history_backup is
    'With its user it is deleted.';
comment on index public.chat_history_backup_user_id_idx is 'Serves the deletion of users.';
