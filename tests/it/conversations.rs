//! The conversations project: isolation, preservation, the way back, and that sabotage of either
//! kind is noticed.

mod change_over;
mod data;
mod policies;

use std::num::NonZeroUsize;

use leakproof::matrix::compare::Comparison;
use leakproof::project::{Grants, Project};
use leakproof::report::{to_json, to_text};
use leakproof::scratch::Scratch;

use crate::support::{
    assert_accepted_matrix, assert_passes, check_with, empty_scratch, lines, root,
};

fn project() -> Project {
    Project::read(root().join("sql/conversations")).expect("a readable project")
}

#[test]
fn it_passes_and_says_so() {
    let report = assert_passes("conversations");
    let json: serde_json::Value = serde_json::from_str(&to_json(&report)).expect("JSON");
    assert_eq!(json["verdict"], "passed");
    assert_eq!(json["matrix"]["cells"].as_array().map(Vec::len), Some(report.matrix.cells().len()));
}

#[test]
fn the_matrix_is_the_accepted_one() {
    assert_accepted_matrix("conversations");
}

/// The project revokes what default privileges give, so they make no difference.
#[test]
fn both_grant_profiles_give_the_same_access() {
    let path = root().join("sql/conversations");
    for grants in [Grants::Legacy, Grants::Explicit2026] {
        let report = check_with(&path, |options| options.grants = Some(grants));
        let Some(Comparison::Compared { changes, yardstick, .. }) = &report.comparison else {
            panic!("it was not compared");
        };
        assert_eq!(changes.as_slice(), [], "{}", to_text(&report));
        // Which it is, is accepted.
        assert_eq!(yardstick.is_empty(), grants == Grants::Explicit2026, "{}", to_text(&report));
    }
}

/// Each actor asks in one of several worlds; together they come to know the same.
#[test]
fn the_number_of_jobs_makes_no_difference() {
    let path = root().join("sql/conversations");
    let [alone, together] = [1, 3]
        .map(|jobs| to_json(&check_with(&path, |options| options.jobs = NonZeroUsize::new(jobs))));
    assert_eq!(alone, together);
}

#[test]
fn people_can_be_asked() {
    let project = project();
    let scratch = Scratch::of(&project).expect("a scratch database");
    let mut isolation = scratch.isolation().expect("a world");
    let mut titles = |actor: &str| {
        let sql = "select title from public.conversations where title is not null order by 1";
        isolation.ask(actor, sql).expect("an answer").len()
    };
    assert!(titles("alice") > 0);
    assert_eq!(titles("outsider"), 0);
    assert_eq!(titles("removed"), 0);
    let refused = isolation.ask("anon", "select * from public.conversations").unwrap_err();
    assert!(refused.to_string().contains("42501"), "{refused}");
    let unknown = isolation.ask("nobody", "select 1").unwrap_err();
    assert!(unknown.to_string().contains("alice, amir"), "{unknown}");
}

/// There and back and there again: the old array comes back equal, and so do the rows.
#[test]
fn the_way_back_rebuilds_every_array() {
    let project = project();
    let mut scratch = empty_scratch(&project);
    scratch.migrate_to(1).expect("the baseline");
    let original = lines(&scratch, OLD_SHAPE);
    assert!(original.len() > 30, "the fixtures hold only {} chats", original.len());

    scratch.migrate().expect("the way there");
    let first = lines(&scratch, NEW_SHAPE);
    assert!(first.len() > original.len(), "the arrays were not unpacked");

    scratch.roll_back_to(1).expect("the way back");
    assert_eq!(lines(&scratch, OLD_SHAPE), original);

    scratch.migrate().expect("the way there again");
    assert_eq!(lines(&scratch, NEW_SHAPE), first);
    let applied = scratch.applied().iter();
    let broken: Vec<_> = applied.filter(|applied| !applied.preservation.holds()).collect();
    assert!(broken.is_empty(), "{broken:?}");
}

/// Every column of the legacy table as text: jsonb that equals may still print differently.
const OLD_SHAPE: &str = "
    select concat_ws(' | ', id, tenant_id, user_id, title, coalesce(messages::text, 'NULL'),
        coalesce(metadata::text, 'NULL'), created_at, updated_at)
    from public.chat_sessions order by id";

const NEW_SHAPE: &str = "
    select line from (
        select concat_ws(' | ', 'message', conversation_id, lpad(ordinal::text, 6, '0'), id,
            tenant_id, role, content, coalesce(metadata::text, 'NULL'), created_at)
        from public.messages
        union all
        select concat_ws(' | ', 'reject', conversation_id, lpad(ordinal::text, 6, '0'), tenant_id,
            reason, coalesce(element::text, 'NULL'))
        from public.message_rejects
        union all
        select concat_ws(' | ', 'conversation', id, tenant_id, user_id, title,
            coalesce(metadata::text, 'NULL'), created_at, updated_at)
        from public.conversations
    ) t (line) order by line collate \"C\"";
