-- Takes away the operations of the chat service.

drop function public.get_chat_stats(text);
drop function public.get_or_create_mentor_chat(text, text);
drop function public.save_conversation(text, text, jsonb, jsonb);
drop function public.create_standalone_message(text, jsonb);
drop function public.create_message(text, text, jsonb);
drop function public.delete_chat(text, text);
drop function public.update_chat(text, text, jsonb);
drop function public.get_chat(text, text);
drop function public.get_chat_messages(text, text);
drop function public.get_user_chats(text, text, boolean, integer, integer);
drop function public.create_chat(text, text, text, jsonb);

drop function private.use_chat(text, text);
drop function private.add_message(text, text, jsonb);
drop function private.message_json(public.messages);
drop function private.chat_json(public.chats);
