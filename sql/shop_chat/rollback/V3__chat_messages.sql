-- Takes the table away. The guide does so at once and warns that everything in it is deleted; this
-- refuses as long as there is anything. Who means it empties the table first.

lock table public.chat_messages in share row exclusive mode;

do $$
begin
    if exists (select from public.chat_messages) then
        raise exception 'there are messages, which the way back would delete'
            using hint = 'Keep them elsewhere, or delete them if they may really go.';
    end if;
end
$$;

drop table public.chat_messages;
drop function private.my_chats();
