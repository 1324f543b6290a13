-- Takes away the tables, the trigger, and what the trigger called.
-- NOTE: uuid-ossp stays. It may have been there before, and others may use it.

drop trigger sync_messages on public.conversations;

drop table public.messages;
drop table public.message_rejects;

drop function private.sync_messages();
drop function private.write_messages(uuid, uuid, timestamptz, jsonb, jsonb);
drop function private.plan_messages(uuid, timestamptz, jsonb, integer);
drop function private.read_elements(jsonb, timestamptz, integer);
drop function private.message_metadata(uuid, jsonb, timestamptz);
drop function private.message_element(uuid, text, text, jsonb, timestamptz);
drop function private.read_time(jsonb);
drop type private.planned_message;
