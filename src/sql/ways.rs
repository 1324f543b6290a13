//! The ways in which a condition can be true, each as the texts of what has to hold at once. Pure.

use squawk_syntax::ast::{self, AstNode, BinOp, PrefixOp};
use squawk_syntax::{SyntaxKind, SyntaxNode};

use crate::sql::convert::folded;
use crate::sql::expr::{Name, Unread};
use crate::sql::select::{alias_name, is_alias, path};
use crate::sql::statement;
use crate::sql::syntax::parsed;

/// One way, as the parts that have to hold at once.
type Parts = Vec<String>;

/// How many combinations of what may hold on either side of an `and` are told apart.
const MOST_COMBINED: usize = 16;

/// What has to hold for each way, as it is written: `a and (b or c)` gives `[a, b]` and `[a, c]`. A query that
/// only has to find a row has a way for each of its own.
///
/// # Errors
/// The text is not one expression.
pub(crate) fn ways(text: &str) -> Result<Vec<Parts>, Unread> {
    let select = format!("select {text}");
    parsed(&select, |file| {
        if let Some(error) = file.errors.first() {
            return Err(Unread { why: error.clone() });
        }
        let target = file.root.descendants().find_map(ast::Target::cast);
        let expr = target.and_then(|target| target.expr());
        let expr = expr.ok_or_else(|| Unread { why: "it is not one expression".into() })?;
        Ok(split(&expr))
    })
}

fn split(expr: &ast::Expr) -> Vec<Parts> {
    match expr {
        ast::Expr::ParenExpr(parens) => match parens.expr() {
            Some(inner) => split(&inner),
            None => of_value(expr),
        },
        ast::Expr::PrefixExpr(prefix) if matches!(prefix.op(), Some(PrefixOp::Not(_))) => {
            prefix.expr().map_or_else(|| whole(expr), |inner| split_not(&inner))
        }
        ast::Expr::BinExpr(binary) => match (binary.op(), binary.lhs(), binary.rhs()) {
            (Some(BinOp::Or(_)), Some(left), Some(right)) => {
                split(&left).into_iter().chain(split(&right)).collect()
            }
            (Some(BinOp::And(_)), Some(left), Some(right)) => {
                combined([split(&left), split(&right)], [whole(&left), whole(&right)])
            }
            (Some(BinOp::Is(_)), Some(of), Some(right)) if is_true(&right) => split(&of),
            (Some(BinOp::Eq(_)), Some(of), Some(right)) if is_true(&right) => split(&of),
            (Some(BinOp::In(_)), ..) => of_query(expr),
            (Some(BinOp::Eq(_)), _, Some(right)) if is_any(&right) => of_query(expr),
            _ => whole(expr),
        },
        ast::Expr::CallExpr(call) if call.exists_fn().is_some() => of_query(expr),
        ast::Expr::CaseExpr(case) if case.expr().is_none() => {
            of_case(case).unwrap_or_else(|| whole(expr))
        }
        _ => whole(expr),
    }
}

fn whole(expr: &ast::Expr) -> Vec<Parts> {
    vec![vec![expr.syntax().text().to_string()]]
}

/// `not (a and b)` is `not a or not b`.
fn split_not(expr: &ast::Expr) -> Vec<Parts> {
    match expr {
        ast::Expr::ParenExpr(parens) => {
            parens.expr().map_or_else(|| not_whole(expr), |inner| split_not(&inner))
        }
        ast::Expr::PrefixExpr(prefix) if matches!(prefix.op(), Some(PrefixOp::Not(_))) => {
            prefix.expr().map_or_else(|| not_whole(expr), |inner| split(&inner))
        }
        ast::Expr::BinExpr(binary) => match (binary.op(), binary.lhs(), binary.rhs()) {
            (Some(BinOp::And(_)), Some(left), Some(right)) => {
                split_not(&left).into_iter().chain(split_not(&right)).collect()
            }
            (Some(BinOp::Or(_)), Some(left), Some(right)) => {
                let wholes = [not_whole(&left), not_whole(&right)];
                combined([split_not(&left), split_not(&right)], wholes)
            }
            _ => not_whole(expr),
        },
        _ => not_whole(expr),
    }
}

fn not_whole(expr: &ast::Expr) -> Vec<Parts> {
    vec![vec![format!("NOT ({})", expr.syntax().text())]]
}

/// `(select a or b)` stands for what it shows.
fn of_value(expr: &ast::Expr) -> Vec<Parts> {
    let query = expr.syntax().children().find(|node| node.kind() == SyntaxKind::SELECT);
    let is_value = |query: &SyntaxNode| {
        query.children().all(|clause| clause.kind() == SyntaxKind::SELECT_CLAUSE)
    };
    let target = query
        .filter(is_value)
        .and_then(|query| query.descendants().find_map(ast::Target::cast)?.expr());
    target.map_or_else(|| whole(expr), |target| split(&target))
}

fn is_true(expr: &ast::Expr) -> bool {
    is_word(&expr.syntax().text().to_string(), "true")
}

/// The ways of a condition that a query has to find a row: each with another condition in the query.
fn of_query(expr: &ast::Expr) -> Vec<Parts> {
    const TIED: [SyntaxKind; 3] =
        [SyntaxKind::COMPOUND_SELECT, SyntaxKind::GROUP_BY_CLAUSE, SyntaxKind::HAVING_CLAUSE];
    let node = expr.syntax();
    let is_tied = node.descendants().any(|inner| TIED.contains(&inner.kind()));
    let query = node.descendants().find(|inner| inner.kind() == SyntaxKind::SELECT);
    let condition = query.filter(|_| !is_tied).and_then(|query| condition_of(&query));
    let Some(condition) = condition else { return whole(expr) };
    let (start, text) = (node.text_range().start(), node.text().to_string());
    let range = condition.syntax().text_range() - start;
    let (before, after) = (&text[..range.start().into()], &text[range.end().into()..]);
    let ways = split(&condition);
    let ways: Vec<_> =
        ways.iter().map(|parts| vec![format!("{before}({}){after}", all_of(parts))]).collect();
    if ways.len() > 1 { ways } else { whole(expr) }
}

/// Whether it is `any (...)`, of which one element is enough.
fn is_any(expr: &ast::Expr) -> bool {
    let first = expr.syntax().first_token();
    first.is_some_and(|token| ["any", "some"].contains(&token.text().to_lowercase().as_str()))
}

/// The body of a function with one of the ways in which it answers yes, or finds a row; none where there is
/// but one. With each body, the way by itself.
pub(crate) fn bodies(body: &str) -> Vec<(String, String)> {
    let found = parsed(body, |file| {
        let mut queries = file.root.children().filter(|node| ast::Stmt::can_cast(node.kind()));
        let (Some(query), None) = (queries.next(), queries.next()) else { return Ok(Vec::new()) };
        let has = |kind| query.children().any(|child| child.kind() == kind);
        let is_tied = has(SyntaxKind::GROUP_BY_CLAUSE) || has(SyntaxKind::HAVING_CLAUSE);
        if query.kind() != SyntaxKind::SELECT || is_tied {
            return Ok(Vec::new());
        }
        let shown = query.descendants().find_map(ast::Target::cast).and_then(|one| one.expr());
        let either = condition_of(&query).into_iter().chain(shown);
        let mut either = either.map(|expr| (split(&expr), expr));
        let several = either.find(|(ways, _)| ways.len() > 1);
        let Some((ways, expr)) = several else { return Ok(Vec::new()) };
        let range = expr.syntax().text_range();
        let (before, after) = (&body[..range.start().into()], &body[range.end().into()..]);
        let each = ways.iter().map(|parts| {
            let way = all_of(parts);
            (format!("{before}({way}){after}"), way)
        });
        Ok(each.collect())
    });
    let found: Vec<_> = found.unwrap_or_default();
    if found.len() > 1 { found } else { Vec::new() }
}

/// The same for a function in plpgsql: one `return` with one of its ways, where the others give nothing.
pub(crate) fn plpgsql_bodies(body: &str) -> Vec<(String, String)> {
    const NOTHING: [&str; 2] = ["false", "null"];
    let words: Vec<&str> = statement::raw_words(body).collect();
    let start_of = |word: &str| offset(body, word);
    let mut returned: Vec<(usize, usize)> = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let Some(next) = words.get(at + 1).filter(|_| word.eq_ignore_ascii_case("return")) else {
            continue;
        };
        let is_of_rows = ["query", "next", ";"].iter().any(|one| next.eq_ignore_ascii_case(one));
        let end = words[at..].iter().find(|word| **word == ";");
        if let (Some(end), false) = (end, is_of_rows) {
            returned.push((start_of(next), start_of(end)));
        }
    }
    let mut found = Vec::new();
    for (start, end) in &returned {
        let text = &body[*start..*end];
        if NOTHING.iter().any(|word| is_word(text, word)) {
            continue;
        }
        for parts in ways(text).unwrap_or_else(|_| vec![vec![text.to_owned()]]) {
            let way = all_of(&parts);
            let mut replaced = body.to_owned();
            for (other, its_end) in returned.iter().rev() {
                let value = if other == start { way.as_str() } else { "null" };
                replaced.replace_range(other..its_end, value);
            }
            found.push((replaced, format!("return {way}")));
        }
    }
    if found.len() > 1 { found } else { Vec::new() }
}

/// Where a word that was cut out of a text begins in it.
fn offset(text: &str, word: &str) -> usize {
    word.as_ptr() as usize - text.as_ptr() as usize
}

/// The conditions after `if` and `elsif` in bodies in plpgsql, as they are written.
pub(crate) fn plpgsql_conditions(bodies: &str) -> Vec<String> {
    let is = |word: &str, one: &str| word.eq_ignore_ascii_case(one);
    let words: Vec<&str> = statement::raw_words(bodies).collect();
    let start_of = |word: &str| offset(bodies, word);
    let mut found: Vec<String> = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let is_end = at.checked_sub(1).is_some_and(|before| is(words[before], "end"));
        if is_end || !["if", "elsif", "elseif"].iter().any(|one| is(word, one)) {
            continue;
        }
        let after = &words[at + 1..];
        let end = after.iter().find(|word| is(word, "then") || **word == ";");
        if let (Some(first), Some(end)) = (after.first(), end.filter(|end| is(end, "then"))) {
            let condition = bodies[start_of(first)..start_of(end)].trim().to_owned();
            if !condition.is_empty() && !found.contains(&condition) {
                found.push(condition);
            }
        }
    }
    found
}

fn condition_of(query: &SyntaxNode) -> Option<ast::Expr> {
    query.children().find_map(ast::WhereClause::cast)?.expr()
}

/// A relation that a query reads, and what the query asks of it.
#[derive(Debug, PartialEq)]
pub(crate) struct Read {
    pub relation: Name,
    /// By what name its columns are qualified.
    pub alias: String,
    /// What has to hold for each way, as it is written.
    pub ways: Vec<Parts>,
}

/// What the queries in a text read: in an expression, or in a query. None where it cannot be read.
pub(crate) fn reads(text: &str) -> Vec<Read> {
    let found = parsed(text, |file| {
        let queries = file.root.descendants().filter(|node| node.kind() == SyntaxKind::SELECT);
        Ok(queries.flat_map(|query| reads_of(&query)).collect())
    });
    found.unwrap_or_default()
}

fn reads_of(query: &SyntaxNode) -> Vec<Read> {
    let Some(condition) = condition_of(query) else { return Vec::new() };
    let ways = split(&condition);
    let from = query.children().filter(|child| child.kind() == SyntaxKind::FROM_CLAUSE);
    let items = from.flat_map(|from| from.descendants().collect::<Vec<_>>());
    let items = items.filter_map(ast::RelationFromItem::cast);
    let read = items.filter_map(|item| {
        let relation = path(item.relation_name_ref()?.syntax());
        let alias = item.syntax().children().find(is_alias).as_ref().and_then(alias_name);
        let alias = alias.unwrap_or_else(|| relation.last().to_owned());
        Some(Read { relation, alias, ways: ways.clone() })
    });
    read.collect()
}

/// An expression with `alias.column` as `column`; none where it names something of another.
pub(crate) fn without_alias(text: &str, alias: &str) -> Option<String> {
    let select = format!("select {text}");
    let read = parsed(&select, |file| {
        let tokens = file.root.descendants_with_tokens().filter_map(|one| one.into_token());
        let tokens: Vec<(bool, String)> = tokens
            .map(|token| (token.kind() == SyntaxKind::DOT, token.text().to_owned()))
            .collect();
        let mut kept = String::new();
        let mut at = 0;
        while let Some((_, token)) = tokens.get(at) {
            let is_qualifier = tokens.get(at + 1).is_some_and(|(is_dot, _)| *is_dot);
            let name = token.trim_matches('"');
            if is_qualifier && name == alias {
                at += 2;
                continue;
            }
            kept.push_str(token);
            at += 1;
        }
        let fields = file.root.descendants().filter_map(ast::FieldExpr::cast);
        let is_others = |field: &ast::FieldExpr| {
            let base = field.base();
            base.is_none_or(|base| folded(base.syntax()) != alias)
        };
        Ok(fields.into_iter().all(|field| !is_others(&field)).then_some(kept))
    });
    let kept = read.ok().flatten()?;
    kept.strip_prefix("select ").map(str::to_owned)
}

/// What has to hold at once, as one condition.
pub(crate) fn all_of(parts: &[String]) -> String {
    let parts: Vec<String> = parts.iter().map(|part| format!("({part})")).collect();
    parts.join(" and ")
}

/// The ways of `left and right`: each of the one with each of the other, or, where that were too many, each
/// with the other side as a whole.
fn combined([left, right]: [Vec<Parts>; 2], [all_left, all_right]: [Vec<Parts>; 2]) -> Vec<Parts> {
    if left.len() * right.len() <= MOST_COMBINED {
        return both(&left, &right);
    }
    both(&left, &all_right).into_iter().chain(both(&all_left, &right)).collect()
}

fn both(left: &[Parts], right: &[Parts]) -> Vec<Parts> {
    let pairs = left.iter().flat_map(|left| right.iter().map(move |right| (left, right)));
    pairs.map(|(left, right)| left.iter().chain(right).cloned().collect()).collect()
}

/// Each `when` where none before it is true, and `else`.
fn of_case(case: &ast::CaseExpr) -> Option<Vec<Parts>> {
    let mut ways = Vec::new();
    let mut before: Vec<String> = Vec::new();
    for when in case.when_clause_list().iter().flat_map(|list| list.when_clauses()) {
        let (condition, then) = (when.condition()?, when.then()?);
        let condition = condition.syntax().text().to_string();
        let here: Vec<String> = before.iter().cloned().chain([format!("({condition})")]).collect();
        ways.extend(both(&[here], &split(&then)));
        before.push(format!("(({condition}) is not true)"));
    }
    if let Some(otherwise) = case.else_clause().and_then(|clause| clause.expr()) {
        ways.extend(both(&[before], &split(&otherwise)));
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
    fn a_body_asks_what_stands_behind_if() {
        let body = "begin
            if new.n < 100 and new.owner <> auth.uid() then return null; end if;
            if tg_op = 'UPDATE' then x := 1; elsif old.flag then raise 'if so then'; end if;
            return new;
        end";
        let found = ["new.n < 100 and new.owner <> auth.uid()", "tg_op = 'UPDATE'", "old.flag"];
        assert_eq!(plpgsql_conditions(body), found);
        assert_eq!(plpgsql_conditions("drop table if exists t; select 1"), Vec::<String>::new());
    }

    #[test]
    fn what_has_to_hold_at_once() {
        for (text, expected) in [
            ("true", vec![vec!["true"]]),
            ("(user_id = auth.uid())", vec![vec!["user_id = auth.uid()"]]),
            (
                "(is_public AND (status = 'archived'::text) AND (body IS NULL))",
                vec![vec!["is_public", "status = 'archived'::text", "body IS NULL"]],
            ),
            ("(a AND (b OR (c AND NOT d)))", vec![vec!["a", "b"], vec!["a", "c", "NOT (d)"]]),
            (
                "\nCASE\n    WHEN (a = 1) THEN b\n    WHEN c THEN false\n    ELSE (d OR e)\nEND",
                vec![
                    vec!["((a = 1))", "b"],
                    vec!["(((a = 1)) is not true)", "((c) is not true)", "d"],
                    vec!["(((a = 1)) is not true)", "((c) is not true)", "e"],
                ],
            ),
            // What has to find a row finds it one way or another; what must not, must not at all.
            (
                "(EXISTS ( SELECT 1 FROM t WHERE ((t.a = 1) OR (t.b = 2))))",
                vec![
                    vec!["EXISTS ( SELECT 1 FROM t WHERE ((t.a = 1)))"],
                    vec!["EXISTS ( SELECT 1 FROM t WHERE ((t.b = 2)))"],
                ],
            ),
            (
                "(NOT (EXISTS ( SELECT 1 FROM t WHERE (t.a OR t.b))))",
                vec![vec!["NOT (EXISTS ( SELECT 1 FROM t WHERE (t.a OR t.b)))"]],
            ),
            ("(NOT (a AND (NOT (b OR c))))", vec![vec!["NOT (a)"], vec!["b"], vec!["c"]]),
            ("(NOT (a OR b))", vec![vec!["NOT (a)", "NOT (b)"]]),
            ("((a OR b) IS TRUE)", vec![vec!["a"], vec!["b"]]),
            ("((a OR b) = true)", vec![vec!["a"], vec!["b"]]),
            ("( SELECT (a OR b) AS x)", vec![vec!["a"], vec!["b"]]),
            (
                "(EXISTS ( SELECT 1 WHERE (a OR b)))",
                vec![
                    vec!["EXISTS ( SELECT 1 WHERE ((a)))"],
                    vec!["EXISTS ( SELECT 1 WHERE ((b)))"],
                ],
            ),
            (
                "(id IN ( SELECT t.id FROM t WHERE (t.a OR t.b)))",
                vec![
                    vec!["id IN ( SELECT t.id FROM t WHERE ((t.a)))"],
                    vec!["id IN ( SELECT t.id FROM t WHERE ((t.b)))"],
                ],
            ),
        ] {
            let read = ways(text).expect("an expression");
            assert_eq!(read, expected, "{text}");
        }
        assert!(ways("(a = ").is_err());
    }

    #[test]
    fn functions_answer_in_ways() {
        for (body, expected) in [
            ("select o = me() or late()", vec!["select ((o = me()))", "select ((late()))"]),
            (
                "select 1 from t where t.a or t.b limit 1",
                vec![
                    "select 1 from t where ((t.a)) limit 1",
                    "select 1 from t where ((t.b)) limit 1",
                ],
            ),
            ("select a and b", vec![]),
            (
                "select a or b from t where c",
                vec!["select ((a)) from t where c", "select ((b)) from t where c"],
            ),
            ("select count(*) > 1 from t where a or b group by c", vec![]),
            ("begin return a or b; end", vec![]),
        ] {
            let told: Vec<String> = bodies(body).into_iter().map(|(body, _)| body).collect();
            assert_eq!(told, expected, "{body}");
        }
    }

    #[test]
    fn functions_return_in_ways() {
        let body = "begin if a then return true; end if; return b or c; end";
        let told: Vec<(String, String)> = plpgsql_bodies(body);
        let expected = [
            ("begin if a then return (true); end if; return null; end", "return (true)"),
            ("begin if a then return null; end if; return (b); end", "return (b)"),
            ("begin if a then return null; end if; return (c); end", "return (c)"),
        ];
        let expected = expected.map(|(body, way)| (body.to_owned(), way.to_owned()));
        assert_eq!(told, expected);
        let one = "begin if a then return b; end if; return false; end";
        assert!(plpgsql_bodies(one).is_empty());
    }

    #[test]
    fn what_queries_read() {
        let text = "select exists (select 1 from public.posts p join t on t.id = p.id \
                    where p.id = $1 and (p.is_open or t.a))";
        let read = reads(text);
        let told: Vec<(&str, &str)> =
            read.iter().map(|read| (read.relation.last(), read.alias.as_str())).collect();
        assert_eq!(told, [("posts", "p"), ("t", "t")]);
        assert_eq!(read[0].ways, [["p.id = $1", "p.is_open"], ["p.id = $1", "t.a"]]);
        for (text, expected) in [
            ("p.is_open", Some("is_open")),
            ("(p.status = 'p.x'::text)", Some("(status = 'p.x'::text)")),
            ("is_open", Some("is_open")),
            ("p.id = t.id", None),
        ] {
            assert_eq!(without_alias(text, "p").as_deref(), expected, "{text}");
        }
    }

    /// No number of others hides a way.
    #[test]
    fn each_way_stands_by_itself_among_many() {
        let own = |way: &[&str]| way.iter().map(|part| (*part).to_owned()).collect::<Vec<_>>();
        let many = vec!["a"; 40].join(" OR ");
        let found = ways(&format!("b OR {many}")).expect("an expression");
        assert_eq!(found.len(), 41);
        assert!(found.contains(&own(&["b"])), "{found:?}");
        let factor = ["(a OR b)"; 6].join(" AND ");
        let found = ways(&format!("{factor} AND (c OR d)")).expect("an expression");
        assert!(found.contains(&own(&[&factor, "d"])), "{found:?}");
        assert!(found.len() < 64, "{}", found.len());
    }
}
