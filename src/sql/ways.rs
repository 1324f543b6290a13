//! The ways in which a condition can be true, each as the texts of what has to hold at once. Pure.

use squawk_syntax::ast::{self, AstNode, BinOp};

use crate::sql::expr::Unread;
use crate::sql::syntax::parsed;

/// How many ways are told apart; a condition with more is one way as a whole.
const MOST_WAYS: usize = 16;

/// What has to hold for each way, as it is written: `a and (b or c)` gives `[a, b]` and `[a, c]`.
///
/// # Errors
/// The text is not one expression.
pub(crate) fn ways(text: &str) -> Result<Vec<Vec<String>>, Unread> {
    let select = format!("select {text}");
    parsed(&select, |file| {
        if let Some(error) = file.errors.first() {
            return Err(Unread { why: error.clone() });
        }
        let target = file.root.descendants().find_map(ast::Target::cast);
        let expr = target.and_then(|target| target.expr());
        let expr = expr.ok_or_else(|| Unread { why: "it is not one expression".into() })?;
        Ok(split(&expr).unwrap_or_else(|| vec![vec![text.trim().to_owned()]]))
    })
}

/// None where there are too many.
fn split(expr: &ast::Expr) -> Option<Vec<Vec<String>>> {
    let ways = match expr {
        ast::Expr::ParenExpr(parens) => match parens.expr() {
            Some(inner) => split(&inner)?,
            None => whole(expr),
        },
        ast::Expr::BinExpr(binary) => match (binary.op(), binary.lhs(), binary.rhs()) {
            (Some(BinOp::Or(_)), Some(left), Some(right)) => {
                split(&left)?.into_iter().chain(split(&right)?).collect()
            }
            (Some(BinOp::And(_)), Some(left), Some(right)) => both(&split(&left)?, &split(&right)?),
            _ => whole(expr),
        },
        ast::Expr::CaseExpr(case) if case.expr().is_none() => of_case(case)?,
        _ => whole(expr),
    };
    (ways.len() <= MOST_WAYS).then_some(ways)
}

fn whole(expr: &ast::Expr) -> Vec<Vec<String>> {
    vec![vec![expr.syntax().text().to_string()]]
}

fn both(left: &[Vec<String>], right: &[Vec<String>]) -> Vec<Vec<String>> {
    let pairs = left.iter().flat_map(|left| right.iter().map(move |right| (left, right)));
    pairs.map(|(left, right)| left.iter().chain(right).cloned().collect()).collect()
}

/// Each `when` where none before it is true, and `else`.
fn of_case(case: &ast::CaseExpr) -> Option<Vec<Vec<String>>> {
    let mut ways = Vec::new();
    let mut before: Vec<String> = Vec::new();
    for when in case.when_clause_list().iter().flat_map(|list| list.when_clauses()) {
        let (condition, then) = (when.condition()?, when.then()?);
        let condition = condition.syntax().text().to_string();
        let here: Vec<String> = before.iter().cloned().chain([format!("({condition})")]).collect();
        ways.extend(both(&[here], &split(&then)?));
        before.push(format!("(({condition}) is not true)"));
    }
    if let Some(otherwise) = case.else_clause().and_then(|clause| clause.expr()) {
        ways.extend(both(&[before], &split(&otherwise)?));
    }
    ways.retain(|way| !way.iter().any(|one| is_word(one, "false")));
    Some(ways)
}

fn is_word(text: &str, word: &str) -> bool {
    text.trim_matches(['(', ')', ' ']).eq_ignore_ascii_case(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_to_hold_at_once() {
        for (text, expected) in [
            ("true", vec![vec!["true"]]),
            ("(user_id = auth.uid())", vec![vec!["user_id = auth.uid()"]]),
            (
                "(is_public AND (status = 'archived'::text) AND (body IS NULL))",
                vec![vec!["is_public", "status = 'archived'::text", "body IS NULL"]],
            ),
            ("(a AND (b OR (c AND NOT d)))", vec![vec!["a", "b"], vec!["a", "c", "NOT d"]]),
            (
                "\nCASE\n    WHEN (a = 1) THEN b\n    WHEN c THEN false\n    ELSE (d OR e)\nEND",
                vec![
                    vec!["((a = 1))", "b"],
                    vec!["(((a = 1)) is not true)", "((c) is not true)", "d"],
                    vec!["(((a = 1)) is not true)", "((c) is not true)", "e"],
                ],
            ),
            // A sub-select's own conditions are its own.
            (
                "(EXISTS ( SELECT 1 FROM t WHERE ((t.a = 1) OR (t.b = 2))))",
                vec![vec!["EXISTS ( SELECT 1 FROM t WHERE ((t.a = 1) OR (t.b = 2)))"]],
            ),
        ] {
            let read = ways(text).expect("an expression");
            assert_eq!(read, expected, "{text}");
        }
        assert!(ways("(a = ").is_err());
    }

    #[test]
    fn too_many_ways_are_one() {
        let text = ["(a OR b)"; 5].join(" AND ");
        assert_eq!(ways(&text), Ok(vec![vec![text.clone()]]));
    }
}
