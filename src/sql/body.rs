//! What the body of a routine evaluates, step by step: `sql` bodies whole, `plpgsql` ones as far as
//! their expressions go. Pure.
//!
//! Which step comes after which is not told: those of all branches stand in the order of the text.

use squawk_syntax::ast::{self, AstNode};
use squawk_syntax::{SyntaxKind, SyntaxNode};

use crate::sql::convert::{Converter, folded, is_query};
use crate::sql::expr::{Expr, Name, Select, Unread};
use crate::sql::select::path;
use crate::sql::statement;
use crate::sql::syntax::{Parsed, parsed, parsed_with, read_select};

/// How many variables one statement may set: each gets a copy of what it reads.
const MOST_VARIABLES: usize = 100;

/// The steps of a routine, and what could not be read of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Body {
    pub steps: Vec<Step>,
    /// Why, for each part that was not read.
    pub unread: Vec<Unread>,
}

/// Something that a routine evaluates.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Step {
    /// What it gives back: a value, or a query of rows.
    Returned(Expr),
    /// A variable gets a value, or the first row of a query.
    Assigned { name: Name, value: Expr },
    /// What decides whether other steps are reached.
    Condition(Expr),
    /// Everything else.
    Evaluated(Expr),
}

impl Step {
    /// The expression in it.
    pub(crate) fn expr(&self) -> &Expr {
        match self {
            Self::Returned(expr) | Self::Condition(expr) | Self::Evaluated(expr) => expr,
            Self::Assigned { value, .. } => value,
        }
    }
}

/// Reads the statements of a body in language `sql`; what the last one shows is returned.
pub(crate) fn read_sql(text: &str) -> Body {
    finished(parsed(text, |file| Ok(sql_body(file, &file.root))))
}

/// Reads the body in `create function ... begin atomic ... end` or `... return ...`, as the server
/// writes a function that has no text.
pub(crate) fn read_atomic(definition: &str) -> Body {
    finished(parsed(definition, |file| {
        let body = file.root.descendants().find(|node| ast::RoutineBody::can_cast(node.kind()));
        match body {
            Some(body) => Ok(sql_body(file, &body)),
            None => Err(Unread { why: "it has no body".into() }),
        }
    }))
}

/// Reads a body in language `plpgsql`.
pub(crate) fn read_plpgsql(text: &str) -> Body {
    let tag = (0..).map(|n| format!("$leakproof{n}$")).find(|tag| !text.contains(tag.as_str()));
    let tag = tag.unwrap_or_default();
    let before = format!("do {tag}");
    finished(parsed_with(&format!("{before}{text}{tag}"), text, |file| {
        let block = file.root.descendants().find_map(ast::Do::cast);
        let Some(block) = block.and_then(|block| block.plpgsql()) else {
            return Err(Unread { why: "it is no block".into() });
        };
        let mut body = Body::default();
        body.add_step(&block.syntax());
        let strays = block.errors().into_iter().filter(|error| {
            let at = usize::from(error.range().start()).saturating_sub(before.len());
            !is_in_error(&block.syntax(), at)
        });
        body.unread.extend(strays.map(|error| Unread { why: error.message().to_owned() }));
        Ok(body)
    }))
}

fn finished(read: Result<Body, Unread>) -> Body {
    read.unwrap_or_else(|unread| Body { steps: Vec::new(), unread: vec![unread] })
}

/// Whether what stands there was skipped by the parser as a whole, which is looked at by itself.
fn is_in_error(root: &SyntaxNode, at: usize) -> bool {
    let mut skipped = root.descendants().filter(|node| node.kind() == SyntaxKind::ERROR);
    skipped.any(|node| {
        let range = node.text_range();
        (usize::from(range.start())..=usize::from(range.end())).contains(&at)
    })
}

fn sql_body(file: &Parsed, node: &SyntaxNode) -> Body {
    let mut body = Body::default();
    body.unread.extend(file.errors.first().map(|error| Unread { why: error.clone() }));
    let statements: Vec<SyntaxNode> = match node.kind() {
        SyntaxKind::RETURN_STMT => vec![node.clone()],
        _ => node.children().collect(),
    };
    for (at, statement) in statements.iter().enumerate() {
        let is_last = at + 1 == statements.len();
        let shown = body.made(|c| c.node(statement));
        for expr in shown.into_iter().flatten() {
            let is_shown = is_last && matches!(expr, Expr::Select(_));
            let is_returned = is_shown || statement.kind() == SyntaxKind::RETURN_STMT;
            body.steps.push(if is_returned { Step::Returned(expr) } else { Step::Evaluated(expr) });
        }
    }
    body
}

impl Body {
    /// Makes something of a node, or notes why it cannot be made.
    fn made<T>(&mut self, make: impl FnOnce(&mut Converter) -> T) -> Option<T> {
        match Converter::convert(make) {
            Ok(made) => Some(made),
            Err(unread) => {
                self.unread.push(unread);
                None
            }
        }
    }

    fn note(&mut self, why: &str) {
        let unread = Unread { why: why.into() };
        if !self.unread.contains(&unread) {
            self.unread.push(unread);
        }
    }

    /// Adds the steps of a `plpgsql` node and of all below it.
    fn add_step(&mut self, node: &SyntaxNode) {
        match node.kind() {
            SyntaxKind::ERROR => self.add_skipped(node),
            SyntaxKind::PLPGSQL_RETURN_STMT
            | SyntaxKind::PLPGSQL_RETURN_NEXT_STMT
            | SyntaxKind::PLPGSQL_RETURN_QUERY_STMT => self.add_each(node, Step::Returned),
            SyntaxKind::PLPGSQL_ASSIGN_STMT
            | SyntaxKind::PLPGSQL_VAR_DECL
            | SyntaxKind::PLPGSQL_CURSOR_DECL
            | SyntaxKind::PLPGSQL_FETCH_STMT => self.add_assignment(node),
            SyntaxKind::PLPGSQL_RETURN_QUERY_EXECUTE_STMT
            | SyntaxKind::PLPGSQL_DYN_EXECUTE_STMT
            | SyntaxKind::PLPGSQL_FOR_DYN_STMT
            | SyntaxKind::PLPGSQL_OPEN_EXECUTE => {
                self.note("it executes a text that it puts together");
                self.add_assignment(node);
                self.add_blocks(node);
            }
            SyntaxKind::PLPGSQL_FOR_QUERY_STMT
            | SyntaxKind::PLPGSQL_FOR_I_STMT
            | SyntaxKind::PLPGSQL_FOR_EACH_STMT
            | SyntaxKind::PLPGSQL_FOR_CURSOR_STMT => {
                self.add_assignment(node);
                self.add_blocks(node);
            }
            SyntaxKind::PLPGSQL_ALIAS_DECL => self.add_alias(node),
            SyntaxKind::PLPGSQL_EXPR => self.add_expr(node, Step::Condition),
            SyntaxKind::PLPGSQL_RAISE_STMT => self.add_each(node, Step::Evaluated),
            kind if is_query(node) || ast::Expr::can_cast(kind) => {
                self.add_expr(node, Step::Evaluated);
            }
            _ => node.children().for_each(|child| self.add_step(&child)),
        }
    }

    /// Adds the blocks in a loop, whose head is known.
    fn add_blocks(&mut self, node: &SyntaxNode) {
        let blocks = node.children().filter(|child| child.kind() == SyntaxKind::PLPGSQL_BODY);
        blocks.for_each(|block| self.add_step(&block));
    }

    fn add_expr(&mut self, node: &SyntaxNode, step: fn(Expr) -> Step) {
        let expr = self.made(|c| value(c, node));
        self.steps.extend(expr.map(step));
    }

    /// Adds each expression and query of a statement.
    fn add_each(&mut self, node: &SyntaxNode, step: fn(Expr) -> Step) {
        for value in values_of(node) {
            self.add_expr(&value, step);
        }
    }

    /// What a statement gives to the variables that it names.
    fn add_assignment(&mut self, node: &SyntaxNode) {
        let names = variables(node);
        let values = values_of(node).into_iter();
        let values: Vec<Expr> =
            values.filter_map(|inner| self.made(|c| value(c, &inner))).collect();
        let value = match <[_; 1]>::try_from(values) {
            Ok([value]) => value,
            Err(values) => Expr::Other(values),
        };
        match (names.is_empty(), value) {
            (true, Expr::Other(values)) if values.is_empty() => {}
            (true, value) => self.steps.push(Step::Evaluated(value)),
            (false, Expr::Select(select)) => self.assign(names, *select),
            (false, value) if names.len() > MOST_VARIABLES => {
                self.note("it sets too many variables at once");
                self.steps.push(Step::Evaluated(value));
            }
            (false, value) => {
                let assigned =
                    names.into_iter().map(|name| Step::Assigned { name, value: value.clone() });
                self.steps.extend(assigned);
            }
        }
    }

    /// Another name for a parameter or variable.
    fn add_alias(&mut self, node: &SyntaxNode) {
        let target = node.children().find(|part| part.kind() == SyntaxKind::PLPGSQL_ALIAS_TARGET);
        let Some(target) = target else { return };
        let number = target.text().to_string();
        let number = number.strip_prefix('$').and_then(|number| number.parse().ok());
        let value = number.map_or_else(|| Expr::Name(path(&target)), Expr::Parameter);
        let named = variables(node).into_iter();
        self.steps.extend(named.map(|name| Step::Assigned { name, value: value.clone() }));
    }

    /// The columns of a query's first row to variables, each to its own where there are as many.
    fn assign(&mut self, names: Vec<Name>, select: Select) {
        if names.len() > MOST_VARIABLES {
            self.note("it sets too many variables at once");
            return self.steps.push(Step::Evaluated(Expr::Select(Box::new(select))));
        }
        let is_one_each = names.len() == select.targets.len() && select.others.is_empty();
        for (at, name) in names.into_iter().enumerate() {
            let mut select = select.clone();
            if is_one_each {
                select.targets = vec![select.targets.swap_remove(at)];
            }
            self.steps.push(Step::Assigned { name, value: Expr::Select(Box::new(select)) });
        }
    }

    /// What the parser does not know: a statement with `into`, which is no SQL outside of `plpgsql`.
    fn add_skipped(&mut self, node: &SyntaxNode) {
        let text = node.text().to_string();
        let Some((query, names)) = without_into(text.trim_end_matches(';')) else {
            return self.note("it has a statement that the parser does not know");
        };
        match read_select(&query) {
            Ok(select) => self.assign(names, select),
            Err(unread) => self.unread.push(unread),
        }
    }
}

/// The expressions and queries of a statement, those of its blocks left out.
fn values_of(statement: &SyntaxNode) -> Vec<SyntaxNode> {
    let values = statement.descendants().filter(is_value);
    values.filter(|node| node.parent().is_none_or(|up| is_head(&up, statement))).collect()
}

fn is_value(node: &SyntaxNode) -> bool {
    node.kind() == SyntaxKind::PLPGSQL_EXPR || is_query(node)
}

/// Whether a node is the statement itself, or a part of it that is no block and no value.
fn is_head(node: &SyntaxNode, statement: &SyntaxNode) -> bool {
    let mut up = Some(node.clone());
    while let Some(here) = up {
        if here == *statement {
            return true;
        }
        if here.kind() == SyntaxKind::PLPGSQL_BODY || is_value(&here) {
            return false;
        }
        up = here.parent();
    }
    false
}

/// The value of a node: what a `plpgsql` expression alone shows, or else the query that it is.
fn value(converter: &mut Converter, node: &SyntaxNode) -> Expr {
    if node.kind() != SyntaxKind::PLPGSQL_EXPR && !is_query(node) {
        return converter.node(node).pop().unwrap_or(Expr::Other(Vec::new()));
    }
    let select = converter.select(node);
    let is_bare = node.kind() == SyntaxKind::PLPGSQL_EXPR
        && select.from.is_empty()
        && select.conditions.is_empty()
        && select.rest.is_empty();
    match (is_bare, select.targets.as_slice()) {
        (true, [target]) => target.value.clone(),
        _ => Expr::Select(Box::new(select)),
    }
}

/// The variables that a statement names as those it sets.
fn variables(statement: &SyntaxNode) -> Vec<Name> {
    let is_target = |node: &SyntaxNode| {
        matches!(
            node.kind(),
            SyntaxKind::PLPGSQL_ASSIGN_TARGET
                | SyntaxKind::PLPGSQL_VAR_NAME
                | SyntaxKind::PLPGSQL_FOR_VARIABLE
                | SyntaxKind::PLPGSQL_INTO_TARGET
        )
    };
    let targets = statement.descendants().filter(is_target);
    let targets = targets.filter(|node| node.parent().is_none_or(|up| is_head(&up, statement)));
    let parts = |target: SyntaxNode| {
        let parts = target.descendants().filter(|node| {
            matches!(
                node.kind(),
                SyntaxKind::PLPGSQL_VAR_NAME
                    | SyntaxKind::PLPGSQL_VAR_NAME_REF
                    | SyntaxKind::COMPOSITE_FIELD_REF
            )
        });
        Name::of(parts.map(|part| folded(&part)).collect())
    };
    targets.map(parts).collect()
}

/// A statement without `into a, b.c`, and those names; none if it has no such part.
fn without_into(text: &str) -> Option<(String, Vec<Name>)> {
    let words: Vec<&str> = statement::raw_words(text).collect();
    let is =
        |at: usize, word: &str| words.get(at).is_some_and(|known| known.eq_ignore_ascii_case(word));
    let mut depth = 0_usize;
    let into = (0..words.len()).find(|at| {
        match words[*at] {
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            _ => {}
        }
        let is_own = *at > 0 && (is(at - 1, "insert") || is(at - 1, "merge"));
        depth == 0 && is(*at, "into") && !is_own
    })?;
    let mut at = into + 1 + usize::from(is(into + 1, "strict"));
    let mut names = Vec::new();
    loop {
        let mut parts = vec![unquoted(words.get(at)?)];
        while is(at + 1, ".") {
            parts.push(unquoted(words.get(at + 2)?));
            at += 2;
        }
        names.push(Name::of(parts));
        at += 1;
        if !is(at, ",") {
            break;
        }
        at += 1;
    }
    Some(([&words[..into], &words[at..]].concat().join(" "), names))
}

fn unquoted(word: &str) -> String {
    match word.strip_prefix('"').and_then(|word| word.strip_suffix('"')) {
        Some(quoted) => quoted.replace("\"\"", "\""),
        None => word.to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::sketch::sketch_body;

    fn check_all(read: fn(&str) -> Body, cases: &[(&str, &[&str])]) {
        for (text, steps) in cases {
            assert_eq!(sketch_body(&read(text)), *steps, "{text}");
        }
    }

    #[test]
    fn bodies_in_sql() {
        check_all(
            read_sql,
            &[
                ("select auth.uid()", &["return {auth.uid!()}"]),
                (
                    " insert into log values ($1); select true; ",
                    &["do { from log; {$1}}", "return {true}"],
                ),
                ("update a set b = 1 returning c;", &["return {c from a; 1}"]),
                ("-- nothing", &[]),
            ],
        );
        check_all(
            read_atomic,
            &[
                (
                    "CREATE OR REPLACE FUNCTION public.me()\n RETURNS uuid\n LANGUAGE sql\n STABLE\n\
                     BEGIN ATOMIC\n SELECT auth.uid() AS uid;\nEND\n",
                    &["return {auth.uid!() as uid}"],
                ),
                (
                    "CREATE OR REPLACE FUNCTION public.me(who uuid DEFAULT NULL::uuid)\n RETURNS uuid\n \
                     LANGUAGE sql\n STABLE SECURITY DEFINER\n SET search_path TO ''\nRETURN auth.uid()\n",
                    &["return auth.uid!()"],
                ),
            ],
        );
        assert_eq!(read_sql("select from where").unread.len(), 1);
        assert_eq!(read_atomic("").unread.len(), 1);
    }

    #[test]
    fn bodies_in_plpgsql() {
        check_all(
            read_plpgsql,
            &[
                ("begin return who = auth.uid(); end", &["return =(who, auth.uid!())"]),
                (
                    "declare me uuid := auth.uid(); begin if me is null then return false; \
                     elsif x then y := 1; else z = 2; end if; return true; end;",
                    &[
                        "me := auth.uid!()",
                        "if is null(me)",
                        "return false",
                        "if x",
                        "y := 1",
                        "z := 2",
                        "return true",
                    ],
                ),
                (
                    "begin select a, b into strict x, r.y from t where c = 1; end",
                    &["x := {a from t where =(c, 1)}", "r.y := {b from t where =(c, 1)}"],
                ),
                (
                    "begin select * into r from t; insert into t values (1) returning a into x; end",
                    &["r := {* from t}", "x := {a from t; {1}}"],
                ),
                (
                    "begin for r in select a from t loop return next r.a; end loop; \
                     for i in 1..n loop null; end loop; foreach e in array es loop f := e; \
                     end loop; while a < b loop perform g(a); end loop; end",
                    &[
                        "r := {a from t}",
                        "return r.a",
                        "i := other(1, n)",
                        "e := es",
                        "f := e",
                        "if <(a, b)",
                        "do {g!(a)}",
                    ],
                ),
                ("begin return query select a from t; end", &["return {a from t}"]),
                ("begin return (select a from t); end", &["return {a from t}"]),
                ("begin return a from t; end", &["return {a from t}"]),
                (
                    "begin new.keeper := auth.uid(); return new; exception when others then \
                     raise exception 'no %', x using errcode = 'P0001'; end",
                    &["new.keeper := auth.uid!()", "return new", "do x", "do 'P0001'"],
                ),
                (
                    "declare a alias for $1; begin case a when 1 then return b; end case; end",
                    &["a := $1", "if a", "if 1", "return b"],
                ),
            ],
        );
    }

    #[test]
    fn what_is_not_read_of_a_body_is_told() {
        check_all(
            read_plpgsql,
            &[
                (
                    "begin execute 'select ' || a into x using b; return x; end",
                    &[
                        "x := other(||('select ', a), b)",
                        "return x",
                        "unread: it executes a text that it puts together",
                    ],
                ),
                (
                    "begin frobnicate the rows; return x; end",
                    &["return x", "unread: it has a statement that the parser does not know"],
                ),
            ],
        );
        assert!(!read_plpgsql("no block").unread.is_empty());
        assert!(!read_plpgsql("begin return (; end").unread.is_empty());
        let deep = format!("begin {} end", "if a then ".repeat(5_000));
        assert!(!read_plpgsql(&deep).unread.is_empty());
    }
}
