//! One binary for all tests against a real Postgres. The server is the first that works, or what
//! `LEAKPROOF_SERVER` and `LEAKPROOF_DATABASE_URL` say; a kind asked for that is missing fails.

mod asking;
mod attacks;
mod audience;
mod candidates;
mod character_chats;
mod controls;
mod containers;
mod conversations;
mod hanging;
mod hostile;
mod inference;
mod kills;
mod large;
mod layouts;
mod leaks;
mod mentor_chats;
mod names;
mod new_files;
mod owner_session;
mod places;
mod plans;
mod platform;
mod preservation;
mod random_schemas;
mod recorded_calls;
mod rehearsal;
mod round_trip;
mod seeding;
mod shop_chat;
mod support;
mod tidy;
mod topic_sessions;
mod turns;
mod url_server;
mod wrong_inputs;
