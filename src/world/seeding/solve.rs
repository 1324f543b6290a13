//! Values that satisfy several checks at once: the server is asked which of the values in question
//! do, in combination, before any row is inserted.

use std::collections::BTreeSet;

use crate::catalog::relation::Relation;
use crate::error::Result;
use crate::session::open::Session;
use crate::sql::quote::identifier;
use crate::sql::statement::has_name;
use crate::world::seeding::attempt::{self, Attempt, Outcome, try_all};
use crate::world::seeding::seed::value_sql;

/// What may come into a column.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Candidate {
    /// What the row has already; none where the column is left to its default.
    Current(Option<Option<String>>),
    /// The value at a place of the column's pool.
    Place(usize, String),
    /// Another value, which means something for this row only.
    Value(String),
    Null,
}

/// A column and what may come into it, the best first.
#[derive(Debug, Clone)]
pub(crate) struct Choice {
    pub column: String,
    pub candidates: Vec<Candidate>,
}

/// One candidate for each of the columns.
pub(crate) type Solution = Vec<(String, Candidate)>;

/// In which order solutions come.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Order {
    /// Those first that change least.
    Likely,
    /// As a seed says, for what must differ from other rows.
    Mixed(u64),
}

/// How many combinations the server looks at.
const MOST_COMBINATIONS: usize = 20_000;

/// How many of them are wanted.
const MOST_SOLUTIONS: usize = 40;

/// How far back NULL comes among the candidates.
const RANK_OF_NULL: usize = 50;

/// What some columns must satisfy together; without text they only belong together.
#[derive(Debug, Clone)]
pub(crate) struct Condition {
    pub sql: String,
    pub columns: Vec<String>,
}

/// How many combinations are tried one by one where a condition raises an error for some.
const MOST_SINGLE: usize = 600;

/// The best combinations that satisfy all conditions, few if any. Columns that no condition ties
/// together are chosen apart.
pub(crate) fn solve(
    session: &mut Session,
    relation: &Relation,
    mut choices: Vec<Choice>,
    conditions: &[Condition],
    order: Order,
) -> Result<Vec<Solution>> {
    remove_misfits(session, relation, &mut choices)?;
    let mut parts: Vec<Vec<Solution>> = Vec::new();
    for group in groups(choices, conditions) {
        let names: Vec<&String> = group.iter().map(|choice| &choice.column).collect();
        let is_of_it =
            |condition: &&Condition| condition.columns.iter().any(|name| names.contains(&name));
        let conditions: Vec<String> = conditions
            .iter()
            .filter(is_of_it)
            .map(|condition| condition.sql.clone())
            .filter(|sql| !sql.is_empty())
            .collect();
        let solutions = solve_group(session, relation, group, &conditions, order)?;
        if solutions.is_empty() {
            return Ok(Vec::new());
        }
        parts.push(solutions);
    }
    let longest = parts.iter().map(Vec::len).max().unwrap_or(0);
    let nth = |at: usize| parts.iter().flat_map(move |part| part[at % part.len()].clone());
    Ok((0..longest).map(|at| nth(at).collect()).collect())
}

/// Splits the columns where no condition ties them together.
fn groups(choices: Vec<Choice>, conditions: &[Condition]) -> Vec<Vec<Choice>> {
    let mut groups: Vec<Vec<Choice>> = choices.into_iter().map(|choice| vec![choice]).collect();
    for condition in conditions {
        let is_of_it =
            |group: &Vec<Choice>| group.iter().any(|c| condition.columns.contains(&c.column));
        let (tied, mut apart): (Vec<_>, Vec<_>) = groups.into_iter().partition(is_of_it);
        if !tied.is_empty() {
            apart.push(tied.into_iter().flatten().collect());
        }
        groups = apart;
    }
    groups
}

fn solve_group(
    session: &mut Session,
    relation: &Relation,
    mut choices: Vec<Choice>,
    conditions: &[String],
    order: Order,
) -> Result<Vec<Solution>> {
    limit(&mut choices, order);
    if choices.iter().any(|choice| choice.candidates.is_empty()) {
        return Ok(Vec::new());
    }
    let query = query(relation, &choices, conditions, order);
    let mut places = Vec::new();
    match run_queries(session, vec![query])?.into_iter().next().flatten() {
        Some(found) => places = found,
        // Where a condition raises an error for one, the others have to be asked for apart.
        None => {
            let singles = combinations(&choices);
            let queries = singles.iter().map(|places| {
                let one = choices.iter().zip(places).map(|(choice, at)| Choice {
                    column: choice.column.clone(),
                    candidates: vec![choice.candidates[*at].clone()],
                });
                query_of_one(relation, one.collect(), conditions)
            });
            let found = run_queries(session, queries.collect())?;
            for (single, found) in singles.into_iter().zip(found) {
                if found.is_some_and(|rows| !rows.is_empty()) && places.len() < MOST_SOLUTIONS {
                    places.push(single);
                }
            }
        }
    }
    let solutions = places.into_iter().map(|places| {
        let each = choices.iter().zip(places);
        each.map(|(choice, at)| (choice.column.clone(), choice.candidates[at].clone())).collect()
    });
    Ok(solutions.collect())
}

fn query_of_one(relation: &Relation, one: Vec<Choice>, conditions: &[String]) -> String {
    query(relation, &one, conditions, Order::Likely)
}

/// Combinations of places, those first that are near the beginning.
fn combinations(choices: &[Choice]) -> Vec<Vec<usize>> {
    let mut all: Vec<Vec<usize>> = vec![Vec::new()];
    // As many of each as leaves enough of all.
    let each = (MOST_SINGLE as f64).powf(1.0 / choices.len().max(1) as f64) as usize;
    for choice in choices {
        let places = 0..choice.candidates.len().min(each.max(2));
        all = all
            .into_iter()
            .flat_map(|before| {
                places.clone().map(move |at| before.iter().copied().chain([at]).collect())
            })
            .collect();
        all.truncate(MOST_SINGLE * 4);
    }
    all.sort_by_key(|places: &Vec<usize>| places.iter().sum::<usize>());
    all.truncate(MOST_SINGLE);
    all
}

/// Takes away values that the type refuses, its domain's checks included.
fn remove_misfits(
    session: &mut Session,
    relation: &Relation,
    choices: &mut [Choice],
) -> Result<()> {
    let mut asked: Vec<(&str, Vec<String>)> = Vec::new();
    let text = |candidate: &Candidate| match candidate {
        Candidate::Current(Some(Some(value)))
        | Candidate::Place(_, value)
        | Candidate::Value(value) => Some(value.clone()),
        _ => None,
    };
    for choice in choices.iter() {
        let Some(column) = relation.column(&choice.column) else { continue };
        asked.push((&column.type_name, choice.candidates.iter().filter_map(text).collect()));
    }
    let asked: Vec<(&str, &[String])> = asked.iter().map(|(t, v)| (*t, v.as_slice())).collect();
    let fitting = attempt::castable(session, &asked)?;
    for (choice, fitting) in choices.iter_mut().zip(fitting) {
        let fitting: BTreeSet<usize> = fitting.into_iter().collect();
        let mut at = 0;
        choice.candidates.retain(|candidate| {
            if text(candidate).is_none() {
                return true;
            }
            at += 1;
            fitting.contains(&(at - 1))
        });
    }
    Ok(())
}

/// Cuts the longest lists until there are few enough combinations. NULL stays.
fn limit(choices: &mut [Choice], order: Order) {
    loop {
        let product =
            choices.iter().fold(1_usize, |all, c| all.saturating_mul(c.candidates.len().max(1)));
        let longest = choices.iter_mut().max_by_key(|choice| choice.candidates.len());
        let Some(longest) = longest.filter(|_| product > MOST_COMBINATIONS) else { return };
        // What must differ needs those at the end, which are the row's own.
        let is_mixed = matches!(order, Order::Mixed(_));
        let is_first = |c: &Candidate| !matches!(c, Candidate::Null | Candidate::Current(_));
        let one = match is_mixed {
            true => longest.candidates.iter().position(is_first),
            false => longest.candidates.iter().rposition(|c| *c != Candidate::Null),
        };
        longest.candidates.remove(one.unwrap_or(0));
    }
}

/// A query for the places of the candidates of each solution.
fn query(relation: &Relation, choices: &[Choice], conditions: &[String], order: Order) -> String {
    let mut from = Vec::new();
    for (at, choice) in choices.iter().enumerate() {
        let Some(column) = relation.column(&choice.column) else { continue };
        let rows: Vec<String> = choice
            .candidates
            .iter()
            .enumerate()
            .map(|(place, candidate)| {
                let rank = if *candidate == Candidate::Null { RANK_OF_NULL } else { place };
                let value = match candidate {
                    Candidate::Current(Some(value)) => value_sql(value.as_deref()),
                    Candidate::Current(None) => column.default.clone().unwrap_or("null".into()),
                    Candidate::Place(_, value) | Candidate::Value(value) => value_sql(Some(value)),
                    Candidate::Null => "null".into(),
                };
                // A domain that is NOT NULL would raise for a NULL that is no candidate.
                let typed = if value == "null" && column.not_null {
                    "null".into()
                } else {
                    format!("({value})::{}", column.type_name)
                };
                format!("({place}, {rank}, {typed})")
            })
            .collect();
        from.push(format!(
            "(values {}) as \"leakproof {at}\" (\"place {at}\", \"rank {at}\", {})",
            rows.join(", "),
            identifier(&choice.column)
        ));
    }
    let mut tables = from.join(" cross join ");
    let is_asked = |name: &str| conditions.iter().any(|condition| has_name(condition, name));
    for column in &relation.columns {
        if let Some(generation) = column.generation.as_ref().filter(|_| is_asked(&column.name)) {
            tables.push_str(&format!(
                " cross join lateral (select {generation} as {0}) as {0}",
                identifier(&column.name)
            ));
        }
    }
    let all = |what: &str, glue: &str| {
        let each: Vec<String> = (0..choices.len()).map(|at| format!("\"{what} {at}\"")).collect();
        each.join(glue)
    };
    let sum = match order {
        Order::Likely => format!("{}, {}", all("rank", " + "), all("rank", ", ")),
        Order::Mixed(seed) => {
            let places: Vec<String> =
                (0..choices.len()).map(|at| format!("\"place {at}\"::text")).collect();
            // Values that are made alike lie as far from the end, and close to each other.
            let ends: Vec<String> = choices
                .iter()
                .enumerate()
                .map(|(at, choice)| format!("{} - \"place {at}\"", choice.candidates.len()))
                .collect();
            let ends = ends.join(", ");
            format!(
                "greatest({ends}) - least({ends}) > 1, \
                 pg_catalog.md5(pg_catalog.concat_ws(' ', '{seed}', {}))",
                places.join(", ")
            )
        }
    };
    let conditions: Vec<String> =
        conditions.iter().map(|condition| format!("({condition}) is not false")).collect();
    let condition = if conditions.is_empty() { "true".into() } else { conditions.join(" and ") };
    format!(
        "select pg_catalog.json_agg(array[{}]::text[]) from (select * from {tables} \
         where {condition} order by {sum} limit {MOST_SOLUTIONS}) as solutions",
        all("place", ", ")
    )
}

/// The places that each query gives; none where it raises an error.
fn run_queries(
    session: &mut Session,
    queries: Vec<String>,
) -> Result<Vec<Option<Vec<Vec<usize>>>>> {
    let attempts: Vec<Attempt> = queries
        .into_iter()
        .map(|query| Attempt {
            statement: format!("select pg_catalog.to_json(array[({query})::text])"),
            ..Attempt::default()
        })
        .collect();
    let read = |outcome: Outcome| {
        let Outcome::Stored(answer) = outcome else { return None };
        let text = answer.into_iter().next().flatten().unwrap_or("[]".into());
        let rows: Vec<Vec<String>> = serde_json::from_str(&text).unwrap_or_default();
        let numbers = |row: Vec<String>| row.iter().filter_map(|at| at.parse().ok()).collect();
        Some(rows.into_iter().map(numbers).collect())
    };
    Ok(try_all(session, &attempts)?.into_iter().map(read).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::catalog::sample;

    /// A table with columns `a` of text, `b` that may not be NULL, and `ab` that is generated of them.
    fn table() -> Relation {
        let columns = [
            json!({ "name": "a" }),
            json!({
                "name": "b", "type_name": "code", "base_type": "code", "not_null": true,
                "has_default": true, "default": "lower('B')",
            }),
            json!({ "name": "ab", "is_generated": true, "generation": "(a || b)" }),
        ];
        sample::relation(json!({}), &columns)
    }

    fn choice(column: &str, candidates: Vec<Candidate>) -> Choice {
        Choice { column: column.into(), candidates }
    }

    fn places(count: usize) -> Vec<Candidate> {
        (0..count).map(|at| Candidate::Place(at, at.to_string())).collect()
    }

    fn condition(sql: &str, columns: &[&str]) -> Condition {
        let columns = columns.iter().map(|name| (*name).to_owned()).collect();
        Condition { sql: sql.into(), columns }
    }

    #[test]
    fn each_candidate_is_a_row_of_its_place_its_rank_and_its_value() {
        let current = |value: Option<&str>| Candidate::Current(Some(value.map(str::to_owned)));
        for (column, candidate, expected) in [
            ("a", Candidate::Place(7, "it's".into()), "(0, 0, ('it''s')::text)"),
            ("a", Candidate::Value("x".into()), "(0, 0, ('x')::text)"),
            ("a", current(Some("x")), "(0, 0, ('x')::text)"),
            ("a", current(None), "(0, 0, (null)::text)"),
            ("a", Candidate::Current(None), "(0, 0, (null)::text)"),
            ("a", Candidate::Null, "(0, 50, (null)::text)"),
            ("b", Candidate::Current(None), "(0, 0, (lower('B'))::code)"),
            // A domain's own NOT NULL would refuse it.
            ("b", Candidate::Null, "(0, 50, null)"),
        ] {
            let sql = query_of_one(&table(), vec![choice(column, vec![candidate])], &[]);
            let from = format!(
                "(values {expected}) as \"leakproof 0\" (\"place 0\", \"rank 0\", {column})"
            );
            assert!(sql.contains(&from), "{from}\nis not in\n{sql}");
        }
    }

    #[test]
    fn a_query_asks_for_all_conditions_in_the_order_of_ranks() {
        let choices = [choice("a", places(1)), choice("b", places(1))];
        let conditions = ["a <> b".to_owned(), "length(a) > 1".to_owned()];
        let from = "(values (0, 0, ('0')::text)) as \"leakproof 0\" (\"place 0\", \"rank 0\", a) \
                    cross join \
                    (values (0, 0, ('0')::code)) as \"leakproof 1\" (\"place 1\", \"rank 1\", b)";
        let generated = " cross join lateral (select (a || b) as ab) as ab";
        let likely = "\"rank 0\" + \"rank 1\", \"rank 0\", \"rank 1\"";
        for (conditions, from, asked) in [
            (&[][..], from.to_owned(), "true"),
            (
                &conditions,
                from.to_owned(),
                "(a <> b) is not false and (length(a) > 1) is not false",
            ),
            // What is generated comes in only where it is asked for.
            (&["ab <> ''".to_owned()], format!("{from}{generated}"), "(ab <> '') is not false"),
        ] {
            let expected = format!(
                "select pg_catalog.json_agg(array[\"place 0\", \"place 1\"]::text[]) \
                 from (select * from {from} where {asked} order by {likely} limit 40) as solutions"
            );
            assert_eq!(query(&table(), &choices, conditions, Order::Likely), expected);
        }
        let mixed = query(&table(), &choices, &[], Order::Mixed(9));
        let order = "order by greatest(1 - \"place 0\", 1 - \"place 1\") - \
                     least(1 - \"place 0\", 1 - \"place 1\") > 1, \
                     pg_catalog.md5(pg_catalog.concat_ws(' ', '9', \"place 0\"::text, \
                     \"place 1\"::text)) limit 40";
        assert!(mixed.contains(order), "{mixed}");
    }

    #[test]
    fn columns_are_chosen_apart_unless_a_condition_ties_them() {
        for (conditions, expected) in [
            (vec![], "a|b|c|d"),
            (vec![condition("a > 1", &["a"])], "b|c|d|a"),
            (vec![condition("a > b", &["a", "b"])], "c|d|ab"),
            (vec![condition("", &["a", "b"]), condition("b > c", &["b", "c"])], "d|abc"),
            (vec![condition("a > b", &["a", "b"]), condition("c > d", &["c", "d"])], "ab|cd"),
            (vec![condition("x > y", &["x", "y"])], "a|b|c|d"),
        ] {
            let choices = ["a", "b", "c", "d"].map(|name| choice(name, places(1))).to_vec();
            let groups = groups(choices, &conditions);
            let told = groups.iter().map(|group| {
                let mut names: Vec<&str> = group.iter().map(|one| one.column.as_str()).collect();
                names.sort_unstable();
                names.concat()
            });
            assert_eq!(told.collect::<Vec<_>>().join("|"), expected, "{conditions:?}");
        }
    }

    #[test]
    fn the_longest_lists_are_cut_and_null_stays() {
        let with_null = |count| [places(count), vec![Candidate::Null]].concat();
        for (sizes, order, expected, first) in [
            ([100, 200], Order::Likely, [100, 200], Some(0)),
            ([1000, 30], Order::Likely, [666, 30], Some(0)),
            ([500, 500], Order::Likely, [141, 141], Some(0)),
            // What must differ needs those at the end.
            ([1000, 30], Order::Mixed(1), [666, 30], Some(334)),
        ] {
            let [a, b] = sizes;
            let mut choices = [choice("a", with_null(a - 1)), choice("b", with_null(b - 1))];
            limit(&mut choices, order);
            let left = [&choices[0], &choices[1]].map(|choice| choice.candidates.len());
            assert_eq!(left, expected, "{sizes:?} {order:?}");
            assert!(
                choices.iter().all(|choice| choice.candidates.last() == Some(&Candidate::Null))
            );
            let at = choices[0].candidates.first().and_then(|candidate| match candidate {
                Candidate::Place(at, _) => Some(*at),
                _ => None,
            });
            assert_eq!(at, first, "{sizes:?} {order:?}");
        }
    }

    #[test]
    fn combinations_near_the_beginning_come_first() {
        let two = [choice("a", places(2)), choice("b", places(3))];
        let expected = [[0, 0], [0, 1], [1, 0], [0, 2], [1, 1], [1, 2]];
        assert_eq!(combinations(&two), expected);
        assert_eq!(combinations(&[]), [Vec::<usize>::new()]);
        let many = [choice("a", places(100)), choice("b", places(100)), choice("c", places(100))];
        let many = combinations(&many);
        assert_eq!(many.len(), 512, "as many of each as leaves enough of all");
        assert_eq!(many[0], [0, 0, 0]);
    }
}
