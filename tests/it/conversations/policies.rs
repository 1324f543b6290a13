//! Each policy, each `enable row level security`, each WITH CHECK taken away, TRUNCATE granted: the
//! check fails and names relation, command, actor and row class.

use std::fs;

use leakproof::matrix::compare::Comparison;
use leakproof::report::{Outcome, Report};

use crate::support::{Copy, check_project};
use crate::turns::{assert_sections, in_turn};

/// Turns a statement into another, or takes it away.
type Change = Box<dyn Fn(&str) -> Option<String> + Sync>;

/// One way to weaken the project.
struct Sabotage {
    name: String,
    /// Applied to each statement of each file.
    change: Change,
    /// What is appended as the last migration.
    more: Option<String>,
}

/// As many that the suite stays short; `.ci/long` tries each.
const EVERY: usize = 5;

#[test]
fn what_is_taken_away_is_noticed() {
    let some = sabotages().into_iter().step_by(EVERY).collect();
    assert_sections("conversations", "some-sabotaged-policies", &noticed(some));
}

#[test]
#[ignore = "takes minutes: .ci/long runs it"]
fn whatever_is_taken_away_is_noticed() {
    assert_sections("conversations", "sabotaged-policies", &noticed(sabotages()));
}

/// What was noticed of each.
fn noticed(sabotages: Vec<Sabotage>) -> Vec<Option<String>> {
    in_turn(&sabotages, |sabotage| {
        let copy = Copy::of("sql/conversations");
        let changed = apply(sabotage, &copy);
        assert!(changed > 0, "{} changed nothing", sabotage.name);
        tell(&sabotage.name, &check_project(&copy.path()))
    })
}

/// The first changes, and the rules that found something; fails if nothing was noticed.
fn tell(name: &str, report: &Report) -> String {
    assert_eq!(report.outcome(), Outcome::Failed, "{name} was not noticed");
    let Some(Comparison::Compared { changes, .. }) = &report.comparison else {
        panic!("{name}: nothing was compared")
    };
    assert!(!changes.is_empty(), "{name} changed no cell");
    let mut lines = vec![format!("{name}: {} cells changed", changes.len())];
    for change in changes.iter().take(3) {
        lines.push(format!(
            "    {} {} {} was {}, now {}",
            change.relation,
            change.command,
            change.who,
            change.was.as_deref().unwrap_or("not there"),
            change.now.as_deref().unwrap_or("gone"),
        ));
    }
    for finding in &report.findings {
        let on = finding.on().replace(&report.path, "<project>");
        lines.push(format!("    finds {} on {on}", finding.rule));
    }
    lines.join("\n")
}

fn apply(sabotage: &Sabotage, copy: &Copy) -> usize {
    let folder = copy.path().join("migrations");
    let mut changed = 0;
    for entry in fs::read_dir(&folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let text = fs::read_to_string(&path).expect("a file");
        let mut kept = String::new();
        for statement in statements(&text) {
            match (sabotage.change)(statement) {
                Some(other) => {
                    changed += usize::from(other != statement);
                    kept.push_str(&other);
                }
                None => changed += 1,
            }
        }
        fs::write(&path, kept).expect("written");
    }
    if let Some(more) = &sabotage.more {
        copy.write("migrations/V99__sabotage.sql", more);
        changed += 1;
    }
    changed
}

/// The project's statements each end a line with their semicolon; bodies of functions are kept
/// together by their own quotes.
fn statements(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut start = 0;
    for (at, _) in text.match_indices(";\n") {
        let end = at + 2;
        if text[start..end].matches("$$").count().is_multiple_of(2) {
            found.push(&text[start..end]);
            start = end;
        }
    }
    found.push(&text[start..]);
    found
}

fn sabotages() -> Vec<Sabotage> {
    let copy = Copy::of("sql/conversations");
    let mut all = String::new();
    let mut files: Vec<_> = fs::read_dir(copy.path().join("migrations"))
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    for path in files {
        all.push_str(&fs::read_to_string(path).expect("a file"));
    }
    let mut sabotages = Vec::new();
    for statement in statements(&all) {
        let code = code_of(statement);
        if let Some(rest) = code.strip_prefix("create policy ") {
            let (name, table) = policy(rest);
            sabotages.push(without_policy(&name, &table));
            if code.contains("with check (") {
                sabotages.push(without_check(&name, &table));
            }
        }
        if code.starts_with("alter table ") && code.contains("enable row level security") {
            let table = code.split_whitespace().nth(2).expect("a table").to_owned();
            sabotages.push(without_row_security(&table));
            let table = current(&table);
            sabotages.push(with_more(
                format!("truncate granted on {table}"),
                format!("grant truncate on {table} to authenticated;\n"),
            ));
        }
    }
    sabotages.push(with_more(
        "security_invoker taken from the view".into(),
        "alter view public.chat_sessions reset (security_invoker);\n".into(),
    ));
    assert!(sabotages.len() >= 30, "only {} ways were found", sabotages.len());
    sabotages
}

/// A statement without the comments in front of it.
fn code_of(statement: &str) -> String {
    let lines = statement.lines().filter(|line| !line.trim_start().starts_with("--"));
    lines.collect::<Vec<_>>().join("\n").trim_start().to_owned()
}

/// `select_own on public.messages for ...` as its name and table.
fn policy(rest: &str) -> (String, String) {
    let mut words = rest.split_whitespace();
    let name = words.next().expect("a name").to_owned();
    assert_eq!(words.next(), Some("on"));
    (name, words.next().expect("a table").to_owned())
}

/// The table's name after all migrations.
fn current(table: &str) -> String {
    table.replace("public.chat_sessions", "public.conversations")
}

fn without_policy(name: &str, table: &str) -> Sabotage {
    let (name, table) = (name.to_owned(), table.to_owned());
    let starts = [
        format!("create policy {name} on {table} "),
        format!("comment on policy {name} on {table} "),
        format!("comment on policy {name} on {} ", current(&table)),
    ];
    Sabotage {
        name: format!("policy {name} on {} removed", current(&table)),
        change: Box::new(move |statement| {
            let code = code_of(statement).replacen('\n', " ", 1);
            let is_gone = starts.iter().any(|start| code.starts_with(start.as_str()));
            (!is_gone).then(|| statement.to_owned())
        }),
        more: None,
    }
}

fn without_check(name: &str, table: &str) -> Sabotage {
    let start = format!("create policy {name} on {table} ");
    Sabotage {
        name: format!("with check of {name} on {} removed", current(table)),
        change: Box::new(move |statement| {
            let code = code_of(statement);
            match code.find("with check (") {
                Some(at) if code.starts_with(&start) => Some(format!("{};\n", &code[..at])),
                _ => Some(statement.to_owned()),
            }
        }),
        more: None,
    }
}

fn without_row_security(table: &str) -> Sabotage {
    let whole = format!("alter table {table} enable row level security");
    Sabotage {
        name: format!("row level security on {} not enabled", current(table)),
        change: Box::new(move |statement| {
            (!code_of(statement).starts_with(&whole)).then(|| statement.to_owned())
        }),
        more: None,
    }
}

fn with_more(name: String, more: String) -> Sabotage {
    let change = Box::new(|statement: &str| Some(statement.to_owned()));
    Sabotage { name, change, more: Some(more) }
}
