//! An element dropped, moved or altered on the way: the check fails and shows the row.

use leakproof::report::{Outcome, to_text};

use crate::support::{Copy, assert_snapshot, check_project, in_parallel};

/// The name, the file, what is replaced, and by what.
const SABOTAGES: &[(&str, &str, &str, &str)] = &[
    (
        "one message is dropped by the move",
        MOVE,
        "from identified i\n",
        "from identified i where (i.conversation_id, i.ordinal) <> (FIRST, 2)\n",
    ),
    (
        "one reject is dropped by the move",
        MOVE,
        "where e.reason is not null\n",
        "where e.reason is not null and e.element is distinct from '42.00'\n",
    ),
    (
        "two messages of one array are swapped by the move",
        MOVE,
        "    i.tenant_id,\n    i.ordinal,\n",
        "    i.tenant_id,\n    case when i.conversation_id = FIRST and i.ordinal in (1, 2) \
         then 3 - i.ordinal else i.ordinal end,\n",
    ),
    (
        "the text of one message is altered by the move",
        MOVE,
        "    i.element ->> 'content',\n",
        "    case when i.conversation_id = FIRST and i.ordinal = 3 then 'Sales fell.' \
         else i.element ->> 'content' end,\n",
    ),
    (
        "one extra key of one element is forgotten by the move",
        MOVE,
        "    private.message_metadata(i.id, i.element, i.created_at),\n",
        "    private.message_metadata(i.id, i.element, i.created_at) #- '{legacy,usage}',\n",
    ),
    (
        "times are rounded by the move",
        MOVE,
        "    i.created_at\nfrom identified i",
        "    date_trunc('second', i.created_at)\nfrom identified i",
    ),
    (
        "one message is deleted after the move",
        KEYS,
        "-- Keys and indexes,",
        "delete from public.messages where conversation_id = FIRST and ordinal = 1;\n\
         -- Keys and indexes,",
    ),
    (
        "titles are cut after the move",
        KEYS,
        "-- Keys and indexes,",
        "update public.conversations set title = left(title, 5);\n-- Keys and indexes,",
    ),
    (
        "the old view turns the arrays round",
        CUT_OVER,
        "jsonb_agg(e.element order by e.ordinal)",
        "jsonb_agg(e.element order by e.ordinal desc)",
    ),
    (
        "the old view forgets the rejects",
        CUT_OVER,
        "where r.conversation_id = c.id\n        ) e",
        "where r.conversation_id = c.id and false\n        ) e",
    ),
];

const MOVE: &str = "migrations/V4__move_messages.sql";
const KEYS: &str = "migrations/V5__keys.sql";
const CUT_OVER: &str = "migrations/V7__cut_over.sql";

/// The first chat of the fixtures: three messages with ids and increasing times.
const FIRST: &str = "'c0000000-0000-4000-8000-000000000001'";

#[test]
fn whatever_is_lost_is_shown() {
    let told = in_parallel(SABOTAGES, |(name, file, from, to)| {
        let copy = Copy::of("sql/conversations");
        copy.replace(file, from, &to.replace("FIRST", FIRST));
        let report = check_project(&copy.path());
        assert_eq!(report.outcome(), Outcome::Failed, "{name}: {}", to_text(&report));
        assert!(!report.findings.is_empty(), "{name} is not found");
        let folder = copy.path().display().to_string();
        let findings: Vec<String> = report
            .findings
            .iter()
            .map(|finding| {
                let evidence: String =
                    finding.evidence.iter().map(|line| format!("\n      {line}")).collect();
                format!(
                    "    {} on {}\n      {}{evidence}",
                    finding.rule, finding.on, finding.message
                )
            })
            .collect();
        format!("{name}\n{}", findings.join("\n")).replace(&folder, "<project>")
    });
    assert_snapshot("conversations", "sabotaged-data", &told.join("\n\n"), &[]);
}
