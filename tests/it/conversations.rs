//! The conversations project.

use crate::support::{check_project, root};

#[test]
fn it_passes() {
    let report = check_project(&root().join("sql/conversations"));
    assert_eq!(
        leakproof::report::to_text(&report).lines().last(),
        Some("verdict: ok, access is as accepted and no row was lost")
    );
}
