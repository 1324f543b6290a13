//! From a text to the tree of an expression or a query, by way of `squawk-syntax`. Pure.
//!
//! A text that is not read whole is [`Unread`], with why. It may come from somebody who wants us to
//! fall over: what is nested too deep is not read, and the parser has a stack of its own where a text
//! is long.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use squawk_syntax::ast::{self, AstNode};
use squawk_syntax::{SourceFile, SyntaxNode};

use crate::sql::convert::{Converter, is_query};
use crate::sql::expr::{Expr, Select, Unread};
use crate::sql::statement;

/// The longest text that is parsed, in tokens.
const MOST_TOKENS: usize = 100_000;
/// How deep brackets and blocks may be nested, and how many operators may stand in a row.
const DEEPEST: usize = 1_000;
/// So many tokens cannot fill an ordinary stack.
const FEW_TOKENS: usize = 300;
/// The parser takes less than 3 KB for each level.
const STACK_BYTES: usize = 64 << 20;

/// The tree of an expression.
pub(crate) fn read_expr(text: &str) -> Result<Expr, Unread> {
    let select = read_select(&format!("select {text}"))?;
    let is_alone = select.from.is_empty() && select.conditions.is_empty();
    match <[_; 1]>::try_from(select.targets) {
        Ok([target]) if is_alone && target.name.is_none() => Ok(target.value),
        _ => Err(Unread { why: "it is not one expression".into() }),
    }
}

/// The tree of a query.
pub(crate) fn read_select(text: &str) -> Result<Select, Unread> {
    parsed(text, |file| {
        if let Some(error) = file.errors.first() {
            return Err(Unread { why: error.clone() });
        }
        let statements: Vec<SyntaxNode> =
            file.root.children().filter(|node| ast::Stmt::can_cast(node.kind())).collect();
        match statements.as_slice() {
            [one] if is_query(one) => Converter::convert(|c| c.select(one)),
            _ => Err(Unread { why: "it is not one query".into() }),
        }
    })
}

/// A file as the parser sees it.
pub(super) struct Parsed {
    pub root: SyntaxNode,
    /// What the parser did not understand.
    pub errors: Vec<String>,
}

/// Parses a text and makes something of the tree, which cannot leave the thread that parsed it.
pub(super) fn parsed<T: Send>(
    text: &str,
    make: impl FnOnce(&Parsed) -> Result<T, Unread> + Send,
) -> Result<T, Unread> {
    parsed_with(text, text, make)
}

/// As [`parsed`], where the text holds another one in a string.
pub(super) fn parsed_with<T: Send>(
    text: &str,
    inner: &str,
    make: impl FnOnce(&Parsed) -> Result<T, Unread> + Send,
) -> Result<T, Unread> {
    let tokens = measure(inner)?;
    let read = || {
        let parse = SourceFile::parse(text);
        let errors = parse.errors().iter().map(|error| error.message().to_owned()).collect();
        make(&Parsed { root: parse.syntax_node(), errors })
    };
    let failed = || Unread { why: "the parser gave up".into() };
    if tokens <= FEW_TOKENS {
        return catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| Err(failed()));
    }
    thread::scope(|scope| {
        let thread = thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, read);
        thread.map_err(|_| failed())?.join().unwrap_or_else(|_| Err(failed()))
    })
}

/// The number of tokens, where they are few enough and nested flat enough to be parsed.
fn measure(text: &str) -> Result<usize, Unread> {
    let (mut tokens, mut depth, mut operators) = (0, 0_usize, 0);
    for word in statement::raw_words(text) {
        tokens += 1;
        let is_operator = !word.starts_with(|c: char| c.is_alphanumeric() || "_\"'$".contains(c));
        let is_not = word.eq_ignore_ascii_case("not");
        operators = if is_operator || is_not { operators + 1 } else { 0 };
        match word.to_ascii_lowercase().as_str() {
            "(" | "[" | "case" | "begin" | "if" | "loop" | "declare" => depth += 1,
            ")" | "]" | "end" => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEEPEST || operators > DEEPEST || tokens > MOST_TOKENS {
            return Err(Unread { why: "it is too long or nested too deep".into() });
        }
    }
    Ok(tokens)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::sketch::{sketch, sketch_select};

    fn check_all(cases: &[(&str, &str)]) {
        for (text, tree) in cases {
            let read = read_expr(text).map(|expr| sketch(&expr));
            assert_eq!(read, Ok((*tree).to_owned()), "{text}");
        }
    }

    /// Texts as PostgreSQL 15 writes policies back.
    #[test]
    fn comparisons_of_the_server() {
        check_all(&[
            ("true", "true"),
            ("(auth.uid() = keeper)", "=(auth.uid!(), keeper)"),
            ("(NOT (keeper <> auth.uid()))", "not(<>(keeper, auth.uid!()))"),
            ("(NOT (keeper IS DISTINCT FROM auth.uid()))", "not(distinct(keeper, auth.uid!()))"),
            ("((keeper = auth.uid()) IS NOT TRUE)", "is not true(=(keeper, auth.uid!()))"),
            ("((keeper = auth.uid()) IS UNKNOWN)", "is unknown(=(keeper, auth.uid!()))"),
            ("(NULLIF(status, ''::text) IS NULL)", "is null(nullif(status, ''::text))"),
            ("(COALESCE(keeper, editor) = auth.uid())", "=(coalesce(keeper, editor), auth.uid!())"),
            (
                "((a = 1) AND (b = '-1'::integer) AND ((c OR d OR (NOT e))))",
                "and(=(a, 1), =(b, '-1'::integer), or(c, d, not(e)))",
            ),
            (
                "((status ~~* 'a%'::text) OR (status !~~ 'x_'::text))",
                "or(~~*(status, 'a%'::text), !~~(status, 'x_'::text))",
            ),
            ("(auth.uid() = ANY (editors))", "= any(auth.uid!(), editors)"),
            (
                "(auth.uid() <> ALL (ARRAY[keeper, editor]))",
                "<> all(auth.uid!(), [keeper, editor])",
            ),
            (
                "(status = ANY (ARRAY['a'::text, 'it''s \\ b'::text]))",
                "= any(status, ['a'::text, 'it's \\ b'::text])",
            ),
            (
                "\nCASE\n    WHEN (status = 'open'::text) THEN true\n    ELSE (keeper = auth.uid())\nEND",
                "case(=(status, 'open'::text): true, else: =(keeper, auth.uid!()))",
            ),
            ("((status COLLATE \"C\") < 'b'::text)", "<(status, 'b'::text)"),
            (
                "(email OPERATOR(extensions.=) 'x'::extensions.citext)",
                "=(email, 'x'::extensions.citext)",
            ),
            (
                "((made, made) OVERLAPS (now(), now()))",
                "overlaps(row(made, made), row(now!(), now!()))",
            ),
        ]);
    }

    #[test]
    fn values_of_the_server() {
        check_all(&[
            ("private.can(docs.*)", "private.can!(docs.*)"),
            ("((docs.*)::text ~ 'x'::text)", "~(docs.*::text, 'x'::text)"),
            (
                "((CURRENT_USER = who) OR (SESSION_USER = 'x'::name))",
                "or(=(current_user!(), who), =(session_user!(), 'x'::name))",
            ),
            (
                "((((current_setting('request.jwt.claims'::text, true))::json ->> 'sub'::text))::uuid = keeper)",
                "=(->>(current_setting!('request.jwt.claims'::text, true)::json, 'sub'::text)::uuid, keeper)",
            ),
            (
                "((auth.jwt() #>> '{app_metadata,org_id}'::text[]) = (org_id)::text)",
                "=(#>>(auth.jwt!(), '{app_metadata,org_id}'::text[]), org_id::text)",
            ),
            ("(meta['a'::text] IS NULL)", "is null(meta['a'::text])"),
            ("(editors[1:2] = ARRAY[keeper])", "=(other(editors, 1, 2), [keeper])"),
            ("((a.b).c = \"Odd \"\"Name\"\"\")", "=((a.b).c, Odd \"Name\")"),
            ("(meta ? 'k'::text)", "?(meta, 'k'::text)"),
            (
                "((made AT TIME ZONE 'UTC'::text) > (now() - '1 day'::interval))",
                ">(at time zone(made, 'UTC'::text), -(now!(), '1 day'::interval))",
            ),
            ("(EXTRACT(year FROM made) = (2024)::numeric)", "=(extract!(made), 2024::numeric)"),
            (
                "(SUBSTRING(status FROM 1 FOR 2) = 'a'::text)",
                "=(substring!(status, 1, 2), 'a'::text)",
            ),
            ("f(days => n, VARIADIC ARRAY[1])", "f!(days => n, [1])"),
            ("(n = (+ 2))", "=(n, +(2))"),
            // As people write it.
            ("auth.jwt()->'a'->>'b' = org::text", "=(->>(->(auth.jwt!(), 'a'), 'b'), org::text)"),
            ("(auth.jwt()->'a'->>'b')::uuid", "->>(->(auth.jwt!(), 'a'), 'b')::uuid"),
        ]);
    }

    #[test]
    fn queries_of_the_server() {
        check_all(&[
            ("(keeper = ( SELECT auth.uid() AS uid))", "=(keeper, {auth.uid!() as uid})"),
            ("(keeper IN ( SELECT auth.uid() AS uid))", "in(keeper, {auth.uid!() as uid})"),
            (
                "(org_id = ANY (ARRAY( SELECT private.my_orgs() AS my_orgs)))",
                "= any(org_id, array{private.my_orgs!() as my_orgs})",
            ),
            (
                "(EXISTS ( SELECT 1\n   FROM public.members m\n  WHERE ((m.org_id = docs.org_id) AND (m.user_id = auth.uid()))))",
                "exists{1 from public.members m where and(=(m.org_id, docs.org_id), =(m.user_id, auth.uid!()))}",
            ),
            (
                "(org_id IN ( SELECT a.org_id\n   FROM a\nUNION\n SELECT b.org_id\n   FROM b\n LIMIT 1))",
                "in(org_id, {a.org_id from a; 1 | {b.org_id from b}})",
            ),
            (
                "(EXISTS ( WITH w AS (\n         SELECT m.user_id\n           FROM m\n        )\n SELECT\n   FROM (w\n     JOIN public.n USING (user_id))))",
                "exists{with w {m.user_id from m}  from w, public.n where =(w.user_id, n.user_id)}",
            ),
            (
                "(EXISTS ( SELECT\n   FROM jsonb_array_elements(docs.meta) e(v)))",
                "exists{ from jsonb_array_elements!(docs.meta) e<v>}",
            ),
            (
                "(( SELECT count(*) AS count\n   FROM (a\n     LEFT JOIN b b_1 ON ((b_1.id = a.id)))) > 0)",
                ">({count!() as count from a, b b_1 where =(b_1.id, a.id)}, 0)",
            ),
        ]);
    }

    #[test]
    fn what_people_write() {
        check_all(&[
            ("Keeper!=Auth.UID()", "<>(keeper, auth.uid!())"),
            ("auth.uid() in (keeper, editor)", "in(auth.uid!(), [keeper, editor])"),
            ("n not in (1)", "not in(n, [1])"),
            ("n not between 1 and 2", "not between(n, 1, 2)"),
            ("keeper is not distinct from auth.uid()", "not distinct(keeper, auth.uid!())"),
            ("a notnull and not b", "and(is not null(a), not(b))"),
            ("cast($1 as uuid) = any (select id from t)", "= any($1::uuid, {id from t})"),
            ("status like 'a' /* b */ -- c", "like(status, 'a')"),
            ("status not like E'a\\'b'", "not like(status, 'a'b')"),
            ("interval '1 day'", "'1 day'::interval"),
            ("x in (values (1), (2))", "in(x, {1 | {2}})"),
            ("count(*) filter (where b) > 1", ">(other(count!(), b), 1)"),
        ]);
    }

    #[test]
    fn a_query_with_what_it_writes() {
        for (text, tree) in [
            (
                "insert into a (b) select c from d where e returning f",
                "{f from a; {c from d where e}}",
            ),
            ("update a x set b = c from d where x.e = 1", "{ from a x, d where =(x.e, 1); c}"),
            ("delete from only a using b where c", "{ from a, b where c}"),
            ("select * from a, lateral (select 1) q(v)", "{* from a, {1} q<v>}"),
            ("table a", "{* from a}"),
        ] {
            let read = read_select(text).map(|select| sketch_select(&select));
            assert_eq!(read, Ok(tree.to_owned()), "{text}");
        }
    }

    /// What is no expression, or one that is made to exhaust us, is told and not guessed.
    #[test]
    fn what_cannot_be_read() {
        for text in
            ["", "a,", "a, b", "a from t", "a where b", "a; select b", "a as b", "(a", "a ="]
        {
            assert!(read_expr(text).is_err(), "{text}");
        }
        for (open, close) in [("(", ")"), ("not ", ""), ("f(", ")"), ("- ", ""), ("(select ", ")")]
        {
            for (times, is_read) in [(40, true), (1_001, false), (20_000, false), (200_000, false)]
            {
                let text = format!("{}1{}", open.repeat(times), close.repeat(times));
                assert_eq!(read_expr(&text).is_ok(), is_read, "{open} {times}");
            }
        }
        assert!(read_expr(&format!("a{}", " and a".repeat(10_000))).is_ok());
        assert!(read_expr(&format!("a{}", " || a".repeat(10_000))).is_err());
        assert!(read_expr(&format!("a{}", " and a".repeat(100_000))).is_err());
    }
}
