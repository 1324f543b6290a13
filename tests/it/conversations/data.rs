//! An element dropped, moved or altered on the way: the check fails and shows the row.

use crate::support::{Sabotage, told_of_sabotages};
use crate::turns::assert_sections;

/// The chat they spoil is the first of the fixtures: three messages with ids and increasing times.
const SABOTAGES: &[Sabotage] = &[
    Sabotage {
        name: "one message is dropped by the move",
        file: MOVE,
        from: "from identified i\n",
        to: "from identified i where (i.conversation_id, i.ordinal) <> ('c0000000-0000-4000-8000-000000000001', 2)\n",
        caught_by: "every element of every array is a message or a reject",
    },
    Sabotage {
        name: "one reject is dropped by the move",
        file: MOVE,
        from: "where e.reason is not null\n",
        to: "where e.reason is not null and e.element is distinct from '42.00'\n",
        caught_by: "every element of every array is a message or a reject",
    },
    Sabotage {
        name: "two messages of one array are swapped by the move",
        file: MOVE,
        from: "    i.tenant_id,\n    i.ordinal,\n",
        to: "    i.tenant_id,\n    case when i.conversation_id = 'c0000000-0000-4000-8000-000000000001' and i.ordinal in (1, 2) \
         then 3 - i.ordinal else i.ordinal end,\n",
        caught_by: "every element of every array is a message or a reject",
    },
    Sabotage {
        name: "the text of one message is altered by the move",
        file: MOVE,
        from: "    i.element ->> 'content',\n",
        to: "    case when i.conversation_id = 'c0000000-0000-4000-8000-000000000001' and i.ordinal = 3 then 'Sales fell.' \
         else i.element ->> 'content' end,\n",
        caught_by: "is a message and says the same",
    },
    Sabotage {
        name: "one extra key of one element is forgotten by the move",
        file: MOVE,
        from: "    private.message_metadata(i.id, i.element, i.created_at),\n",
        to: "    private.message_metadata(i.id, i.element, i.created_at) #- '{legacy,usage}',\n",
        caught_by: "every element of every array is a message or a reject",
    },
    Sabotage {
        name: "times are rounded by the move",
        file: MOVE,
        from: "    i.created_at\nfrom identified i",
        to: "    date_trunc('second', i.created_at)\nfrom identified i",
        caught_by: "no message is earlier than the one before it",
    },
    Sabotage {
        name: "one message is deleted after the move",
        file: KEYS,
        from: "-- Keys and indexes,",
        to: "delete from public.messages where conversation_id = 'c0000000-0000-4000-8000-000000000001' and ordinal = 1;\n\
         -- Keys and indexes,",
        caught_by: "data-lost",
    },
    Sabotage {
        name: "titles are cut after the move",
        file: KEYS,
        from: "-- Keys and indexes,",
        to: "update public.conversations set title = left(title, 5);\n-- Keys and indexes,",
        caught_by: "data-lost",
    },
    Sabotage {
        name: "the old view turns the arrays round",
        file: CUT_OVER,
        from: "jsonb_agg(e.element order by e.ordinal)",
        to: "jsonb_agg(e.element order by e.ordinal desc)",
        caught_by: "the old name shows every element of every array",
    },
    Sabotage {
        name: "the old view forgets the rejects",
        file: CUT_OVER,
        from: "where r.conversation_id = c.id\n        ) e",
        to: "where r.conversation_id = c.id and false\n        ) e",
        caught_by: "the old name shows every element of every array",
    },
    Sabotage {
        name: "a chat that the old application begins has no array",
        file: CUT_OVER,
        from: "        new.id, new.tenant_id, coalesce(new.created_at, new.updated_at), new.messages, null);",
        to: "        new.id, new.tenant_id, coalesce(new.created_at, new.updated_at), null, null);",
        caught_by: "\"Mia begins a chat\"",
    },
    Sabotage {
        name: "the old application is told that it deleted what it could not",
        file: CUT_OVER,
        from: "    delete from public.conversations c where c.id = old.id;\n    if not found then\n",
        to: "    delete from public.conversations c where c.id = old.id;\n    if false then\n",
        caught_by: "\"Adam reads a member's chat and cannot change it\"",
    },
];

const MOVE: &str = "migrations/V4__move_messages.sql";
const KEYS: &str = "migrations/V5__keys.sql";
const CUT_OVER: &str = "migrations/V7__cut_over.sql";

#[test]
fn whatever_is_lost_is_shown() {
    let told = told_of_sabotages("sql/conversations", SABOTAGES);
    assert_sections("conversations", "sabotaged-data", &told);
}
