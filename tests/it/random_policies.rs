//! Random policies over columns whose names say nothing: the owner is found or not known, and nothing is called
//! fine that a second judge reaches, who knows whose the rows are and tries rows of every value by brute force.
//!
//! `LEAKPROOF_SCHEMAS=100 LEAKPROOF_SEED=7 cargo test --release --test it random_policies -- --nocapture` tries
//! more of them.

mod judge;
mod table;

use leakproof::Scratch;
use leakproof::finding::{Finding, Rule, Symptoms};
use leakproof::project::Project;
use leakproof::report::Report;

use self::judge::{Deed, Judge};
use self::table::{BASE, Owner, Table};
use crate::hostile::dice::Dice;
use crate::random_schemas::{Dimensions, say};
use crate::support::{Copy, check_project, high, in_parallel};

/// Few: `.ci/long` tries more.
const PROJECTS: usize = 3;
const TABLES: usize = 10;
const SEED: u64 = 20_261_130;

#[test]
fn nothing_is_fine_that_a_brute_force_judge_reaches() {
    let Dimensions { places, seed, is_asked } = Dimensions::or(PROJECTS, SEED);
    let judged: Vec<Judged> =
        in_parallel(&places, |place| judge(seed, *place)).into_iter().flatten().collect();
    let unknown = judged.iter().filter(|table| !table.is_known).count();
    let undecided =
        judged.iter().filter_map(|table| table.is_undecided.as_deref()).collect::<Vec<_>>();
    let open = judged.iter().filter(|table| table.is_open).count();
    let wrong: Vec<&str> =
        judged.iter().flat_map(|table| &table.wrong).map(String::as_str).collect();
    let all = judged.len();
    if is_asked {
        say(&format!(
            "{all} tables, seed {seed}: {open} open, {} not decided, {unknown} of unknown owners\n{}",
            undecided.len(),
            undecided.join("\n")
        ));
    }
    assert!(wrong.is_empty(), "{} of {all}\n{}", wrong.len(), wrong.join("\n"));
    assert!(unknown * 20 <= all, "the owner is not known of {unknown} of {all} tables");
    assert!(undecided.len() * 16 <= all, "{} of {all} tables are not decided", undecided.len());
    assert!(open * 4 >= all && open * 4 <= all * 3, "{open} of {all} tables are open");
}

/// What came of a table.
struct Judged {
    is_known: bool,
    is_open: bool,
    /// Its SQL, where all that is said of something that is open, or of all, is that it was not tried.
    is_undecided: Option<String>,
    wrong: Vec<String>,
}

fn judge(seed: u64, place: usize) -> Vec<Judged> {
    let mut dice = Dice::of(seed, place);
    let mut tables: Vec<Table> = Vec::new();
    for at in 0..TABLES {
        tables.push(Table::of(&mut dice, at, &tables));
    }
    let copy = Copy::empty();
    copy.write(
        "leakproof.toml",
        "[project]\nmigrations = \"migrations\"\nplatform = \"supabase\"\ngrants = \"legacy\"\n",
    );
    let sql: String = tables.iter().map(|table| table.sql.as_str()).collect();
    copy.write("migrations/V1__all.sql", &format!("{BASE}{sql}"));
    let report = check_project(&copy.path());
    let project = Project::read(copy.path()).expect("a project");
    let scratch = Scratch::of(&project).expect("a scratch database");
    let mut judge = Judge::of(&scratch);
    let tables = tables.iter().map(|table| {
        let reached = judge.reached(table, &tables);
        let mut judged = compare(table, &reached, &report);
        let parent = tables.iter().find(|one| Some(&one.name) == table.parent.as_ref());
        let before = parent.map_or("", |parent| &parent.sql);
        for wrong in &mut judged.wrong {
            let (name, sql) = (&table.name, &table.sql);
            *wrong = format!("seed {seed}, project {place}, public.{name}: {wrong}\n{before}{sql}");
        }
        judged
    });
    tables.collect()
}

/// What is wrong with what the report says of a table.
fn compare(table: &Table, reached: &[Deed], report: &Report) -> Judged {
    let on = format!("public.{}", table.name);
    let mut wrong = Vec::new();
    let subjects = report.matrix.subjects();
    let subject = subjects.iter().find(|subject| subject.relation.to_string() == on);
    let owner = subject.and_then(|subject| subject.owner.clone()).unwrap_or_default();
    // One finding tells of all that have its cause.
    let is_told_of = |finding: &&Finding| match &finding.symptoms {
        Symptoms::Unknown { more, .. }
        | Symptoms::Untried { more, .. }
        | Symptoms::Unseeded { more, .. } => {
            finding.on() == on || more.iter().any(|name| name.to_string() == on)
        }
        _ => finding.on() == on,
    };
    let told: Vec<&Finding> = report.findings.iter().filter(is_told_of).collect();
    let is_unknown = told.iter().any(|finding| finding.rule == Rule::Unknown);
    let kind = match table.owner {
        Owner::User => "user by",
        Owner::Tenant => "tenant by",
        Owner::Parent => "by",
    };
    let is_known = owner.contains(kind) && owner.contains(table.column);
    if !is_known && !is_unknown {
        wrong.push(format!("the owner is told as `{owner}`"));
    }
    // What is said of it, whatever it is about.
    let rules: Vec<Rule> = told.iter().map(|finding| finding.rule).collect();
    let is_undecided = rules.iter().any(|rule| [Rule::Unknown, Rule::Untested].contains(rule));
    let is_found = |what: &&Deed| rules.iter().any(|rule| what.is_told_by(*rule));
    let is_undecided = is_undecided && !reached.iter().all(|what| is_found(&what));
    for what in reached.iter().filter(|what| !is_found(what)) {
        if !is_undecided {
            wrong.push(format!("{what:?} is reached, and only {rules:?} found"));
        }
    }
    let high = high(report);
    // What nobody can meet was not tried.
    let is_said = |rule: &Rule| [Rule::Unknown, Rule::Untested].contains(rule);
    let is_alarm = |(rule, subject): &&(Rule, String)| !is_said(rule) && *subject == on;
    let alarms: Vec<Rule> = high.iter().filter(is_alarm).map(|(rule, _)| *rule).collect();
    if reached.is_empty() && !alarms.is_empty() {
        wrong.push(format!("nothing is reached, and {alarms:?} found"));
    }
    let is_open = !reached.is_empty();
    let is_undecided = match is_open {
        true => is_undecided,
        false => rules.contains(&Rule::Untested),
    };
    Judged { is_known, is_open, is_undecided: is_undecided.then(|| table.sql.clone()), wrong }
}
