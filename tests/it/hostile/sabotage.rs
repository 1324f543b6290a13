//! That the comparison can fail: each project with a step at its end that loses, moves or alters
//! something of what was generated. The project's own promises are not asked.

use leakproof::project::Project;

use super::dice::Dice;
use super::load::Row;
use super::trial::{Subject, compare_rows};
use super::{SEED, character_chats, conversations, mentor_chats, topic_sessions};
use crate::support::Copy;
use crate::turns::in_turn;

struct Sabotage {
    project: &'static str,
    subject: &'static Subject,
    file: &'static str,
    /// What is done before which statement, with which all is verified and done.
    before: &'static str,
    does: &'static str,
    /// Words of the difference that must be seen.
    seen_as: &'static str,
}

const CONVERSATIONS: Sabotage = Sabotage {
    project: "conversations",
    subject: &conversations::SUBJECT,
    file: "migrations/V7__cut_over.sql",
    before: "alter table public.conversations drop column messages;",
    does: "",
    seen_as: "the old name shows another chat",
};
const CHARACTERS: Sabotage = Sabotage {
    project: "character_chats",
    subject: &character_chats::SUBJECT,
    file: "migrations/V5__cut_over.sql",
    before: "alter table public.users drop column chat_history;",
    does: "",
    seen_as: "the API answers something else",
};
const TOPICS: Sabotage = Sabotage {
    project: "topic_sessions",
    subject: &topic_sessions::SUBJECT,
    file: "migrations/V7__clean_up.sql",
    before: "drop view private.history_as_sessions;",
    does: "",
    seen_as: "another message",
};
const MENTORS: Sabotage = Sabotage {
    project: "mentor_chats",
    subject: &mentor_chats::SUBJECT,
    file: "migrations/V6__cut_over.sql",
    before: "alter table public.messages drop column mentor_id;",
    does: "",
    seen_as: "another message",
};

const SABOTAGES: &[Sabotage] = &[
    Sabotage { does: "delete from public.messages where ordinal = 2;", ..CONVERSATIONS },
    Sabotage { does: "delete from public.message_rejects where ordinal = 0;", ..CONVERSATIONS },
    Sabotage {
        does: "update public.messages set content = normalize(content, nfd);",
        ..CONVERSATIONS
    },
    Sabotage {
        does: "update public.messages m set role = o.role, content = o.content,
            metadata = o.metadata
            from public.messages o
            where o.conversation_id = m.conversation_id and o.ordinal + m.ordinal = 3;",
        ..CONVERSATIONS
    },
    // The element is whole in `legacy`, and only the time is another.
    Sabotage {
        does: "update public.messages set created_at = created_at + interval '1 second'
            where metadata ? 'legacy';",
        seen_as: "a message of another time",
        ..CONVERSATIONS
    },
    Sabotage {
        does: "insert into public.message_rejects
            select conversation_id, tenant_id, 1000, 'role is missing', '{}'
            from public.messages where ordinal = 1;",
        ..CONVERSATIONS
    },
    Sabotage {
        does: "update public.chat_histories set legacy = legacy - 'title' where legacy ? 'title';",
        ..CHARACTERS
    },
    Sabotage {
        does: "delete from public.chat_history_rejects where reason = 'element is no object';",
        ..CHARACTERS
    },
    // 1.00 and 1.0 are equal, and not the same.
    Sabotage {
        does: "update public.chat_histories set messages = '[0.0]'
            where messages::text like '%.00%';",
        ..CHARACTERS
    },
    // The API answers the same, and only the column says something else.
    Sabotage {
        does: "update public.chat_histories
            set legacy = coalesce(legacy, '{}') || jsonb_build_object('title', title), title = 'x'
            where title <> '' and not coalesce(legacy, '{}') ? 'title';",
        seen_as: "another id or title",
        ..CHARACTERS
    },
    Sabotage {
        does: "update public.chat_sessions set messages = (
                select jsonb_agg(e.value order by e.ordinality desc)
                from jsonb_array_elements(messages) with ordinality e
            );",
        ..TOPICS
    },
    Sabotage {
        does: "update public.chat_sessions set messages = messages - -1;",
        seen_as: "rows, ",
        ..TOPICS
    },
    Sabotage {
        does: "update public.chat_sessions set updated_at = created_at;",
        seen_as: "another phase or time",
        ..TOPICS
    },
    Sabotage {
        does: "update public.messages set metadata = metadata || '[]'
            where jsonb_typeof(metadata) = 'number';",
        ..MENTORS
    },
    Sabotage {
        does: "update public.messages set chat_id = null where chat_id is not null;",
        seen_as: "in a chat, or in none, by mistake",
        ..MENTORS
    },
    Sabotage {
        does: "update public.chats set updated_at = updated_at + interval '1 millisecond'
            where isfinite(updated_at);",
        seen_as: "another chat",
        ..MENTORS
    },
];

const DOCUMENTS: usize = 50;

#[test]
fn sabotage_is_seen_without_the_promises_of_the_project() {
    in_turn(SABOTAGES, |sabotage| {
        let Sabotage { project, subject, file, before, does, seen_as } = sabotage;
        let copy = Copy::of(&format!("sql/{project}"));
        copy.replace(file, before, &format!("{does}\n{before}"));
        let spoiled = Project::read(copy.path()).expect("a readable project");
        let mut rows: Vec<Row> = Vec::new();
        for place in 0..DOCUMENTS {
            (subject.write)(&mut Dice::of(SEED, place), place, &mut rows);
        }
        let seen = compare_rows(&spoiled, subject, &rows).err().unwrap_or_default();
        assert!(seen.contains(seen_as), "{project}: `{does}` is not seen as {seen_as}: {seen}");
    });
}
