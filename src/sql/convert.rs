//! The parser's tree of an expression made into ours. Pure.

use squawk_syntax::ast::{self, AstNode, BinOp, LitKind, PostfixOp, PrefixOp};
use squawk_syntax::{SyntaxKind, SyntaxNode};

use crate::sql::expr::{Argument, Call, Expr, Literal, Name, Unread};
use crate::sql::quote::fold;

/// How deep a tree may be, so that whoever walks through it has room.
const DEEPEST: usize = 150;

/// Makes trees as long as they are not too deep.
#[derive(Default)]
pub(super) struct Converter {
    depth: usize,
    is_too_deep: bool,
}

impl Converter {
    /// Makes one tree.
    pub(super) fn convert<T>(make: impl FnOnce(&mut Self) -> T) -> Result<T, Unread> {
        let mut converter = Self::default();
        let made = make(&mut converter);
        match converter.is_too_deep {
            true => Err(Unread { why: "it is nested too deep".into() }),
            false => Ok(made),
        }
    }

    /// The tree of a node that may be an expression or a query; the trees inside it where it is
    /// neither.
    pub(super) fn node(&mut self, node: &SyntaxNode) -> Vec<Expr> {
        if let Some(expr) = ast::Expr::cast(node.clone()) {
            vec![self.expr(&expr)]
        } else if is_query(node) {
            vec![Expr::Select(Box::new(self.select(node)))]
        } else {
            self.inside(node)
        }
    }

    /// The trees inside a node.
    pub(super) fn inside(&mut self, node: &SyntaxNode) -> Vec<Expr> {
        self.deeper(Vec::new, |c| node.children().flat_map(|child| c.node(&child)).collect())
    }

    /// One level down; what is too deep is not looked at.
    pub(super) fn deeper<T>(
        &mut self,
        nothing: impl FnOnce() -> T,
        make: impl FnOnce(&mut Self) -> T,
    ) -> T {
        if self.depth >= DEEPEST {
            self.is_too_deep = true;
            return nothing();
        }
        self.depth += 1;
        let made = make(self);
        self.depth -= 1;
        made
    }

    pub(super) fn expr(&mut self, expr: &ast::Expr) -> Expr {
        let mut expr = expr.clone();
        while let ast::Expr::ParenExpr(parens) = &expr {
            match parens.expr() {
                Some(inner) => expr = inner,
                None => break,
            }
        }
        self.deeper(|| Expr::Other(Vec::new()), |c| c.shape(&expr))
    }

    fn optional(&mut self, expr: Option<ast::Expr>) -> Expr {
        expr.map_or_else(|| Expr::Other(Vec::new()), |expr| self.expr(&expr))
    }

    fn boxed(&mut self, expr: Option<ast::Expr>) -> Box<Expr> {
        Box::new(self.optional(expr))
    }

    fn other(&mut self, node: &SyntaxNode) -> Expr {
        Expr::Other(self.inside(node))
    }

    fn shape(&mut self, expr: &ast::Expr) -> Expr {
        let node = expr.syntax();
        match expr {
            ast::Expr::ParenExpr(_) => self.only(node),
            ast::Expr::Collate(collate) => self.optional(collate.expr()),
            ast::Expr::NameRef(name) => name_or_call(name),
            ast::Expr::Literal(literal) => constant(literal),
            ast::Expr::FieldExpr(field) => self.field(field),
            ast::Expr::CastExpr(cast) => self.cast(cast),
            ast::Expr::BinExpr(binary) => self.binary(binary),
            ast::Expr::PrefixExpr(prefix) => self.prefix(prefix),
            ast::Expr::PostfixExpr(postfix) => self.postfix(postfix),
            ast::Expr::BetweenExpr(between) => self.between(between),
            ast::Expr::CallExpr(call) => self.call(call),
            ast::Expr::ArrayExpr(array) => match array.select_variant() {
                Some(select) => Expr::ArrayOf(Box::new(self.select(select.syntax()))),
                None => Expr::Array(array.exprs().map(|expr| self.expr(&expr)).collect()),
            },
            ast::Expr::TupleExpr(row) => {
                Expr::Row(row.exprs().map(|expr| self.expr(&expr)).collect())
            }
            ast::Expr::CaseExpr(case) => self.case(case),
            ast::Expr::IndexExpr(index) => {
                Expr::Index { of: self.boxed(index.base()), at: self.boxed(index.index()) }
            }
            ast::Expr::SliceExpr(_) => self.other(node),
        }
    }

    /// What is inside of parentheses that hold no plain expression.
    fn only(&mut self, node: &SyntaxNode) -> Expr {
        let mut inside = self.inside(node);
        match (inside.pop(), inside.is_empty()) {
            (Some(one), true) => one,
            (last, _) => Expr::Other(inside.into_iter().chain(last).collect()),
        }
    }

    fn field(&mut self, field: &ast::FieldExpr) -> Expr {
        let name = field_path(field);
        match (name, field.star_token().is_some()) {
            (Some(name), true) => Expr::AllOf(Some(Name::of(name))),
            (Some(name), false) => Expr::Name(Name::of(name)),
            (None, true) => self.other(field.syntax()),
            (None, false) => {
                let name = field.field().map(|name| name.text()).unwrap_or_default();
                Expr::Field { of: self.boxed(field.base()), name }
            }
        }
    }

    fn cast(&mut self, cast: &ast::CastExpr) -> Expr {
        let of = match (cast.expr(), cast.literal()) {
            (Some(expr), _) => self.expr(&expr),
            (None, Some(literal)) => constant(&literal),
            (None, None) => return self.other(cast.syntax()),
        };
        let to = cast.ty().map(|ty| ty.syntax().text().to_string()).unwrap_or_default();
        Expr::Cast { of: Box::new(of), to }
    }

    fn binary(&mut self, binary: &ast::BinExpr) -> Expr {
        let (Some(left), Some(right)) = (binary.lhs(), binary.rhs()) else {
            return self.other(binary.syntax());
        };
        match binary.op() {
            Some(BinOp::And(_)) => Expr::And(self.chain(binary, SyntaxKind::AND_KW)),
            Some(BinOp::Or(_)) => Expr::Or(self.chain(binary, SyntaxKind::OR_KW)),
            Some(BinOp::In(_)) => self.within(&left, &right, false),
            Some(BinOp::NotIn(_)) => self.within(&left, &right, true),
            Some(BinOp::Is(_)) => self.is(&left, &right, false),
            Some(BinOp::IsNot(_)) => self.is(&left, &right, true),
            Some(BinOp::IsDistinctFrom(_)) => self.distinct(&left, &right, false),
            Some(BinOp::IsNotDistinctFrom(_)) => self.distinct(&left, &right, true),
            Some(_) if is_other_operator(&operator_text(binary)) => self.others(left, binary),
            Some(_) => self.compared(&left, operator_text(binary), &right),
            None => self.other(binary.syntax()),
        }
    }

    /// `a -> b ->> c`: PostgreSQL groups from the left what the parser may nest to the right.
    fn others(&mut self, first: ast::Expr, binary: &ast::BinExpr) -> Expr {
        let mut left = self.expr(&first);
        let mut next = Some(binary.clone());
        for depth in self.depth.. {
            let Some(here) = next else { break };
            self.is_too_deep |= depth >= DEEPEST;
            let (right, inner) = match here.rhs() {
                _ if self.is_too_deep => (None, None),
                Some(ast::Expr::BinExpr(inner)) if is_other_operator(&operator_text(&inner)) => {
                    (inner.lhs(), Some(inner))
                }
                right => (right, None),
            };
            left = Expr::binary(&operator_text(&here), left, self.optional(right));
            next = inner;
        }
        left
    }

    /// `a and b and c`, which the parser nests to the left.
    fn chain(&mut self, binary: &ast::BinExpr, word: SyntaxKind) -> Vec<Expr> {
        let mut reversed = Vec::new();
        let mut next = Some(ast::Expr::BinExpr(binary.clone()));
        while let Some(expr) = next {
            match expr {
                ast::Expr::BinExpr(inner) if is_joined_by(&inner, word) => {
                    reversed.push(self.optional(inner.rhs()));
                    next = inner.lhs();
                }
                first => {
                    reversed.push(self.expr(&first));
                    next = None;
                }
            }
        }
        reversed.reverse();
        reversed
    }

    fn within(&mut self, left: &ast::Expr, right: &ast::Expr, negated: bool) -> Expr {
        let of = Box::new(self.expr(left));
        let list = match right {
            ast::Expr::TupleExpr(row) => row.exprs().map(|expr| self.expr(&expr)).collect(),
            _ => match self.expr(right) {
                Expr::Select(select) => return Expr::InSelect { of, select, negated },
                one => vec![one],
            },
        };
        Expr::In { of, list, negated }
    }

    fn is(&mut self, left: &ast::Expr, right: &ast::Expr, negated: bool) -> Expr {
        let what = right.syntax().text().to_string().to_lowercase();
        Expr::Is { of: Box::new(self.expr(left)), what, negated }
    }

    fn distinct(&mut self, left: &ast::Expr, right: &ast::Expr, negated: bool) -> Expr {
        let (left, right) = (Box::new(self.expr(left)), Box::new(self.expr(right)));
        Expr::IsDistinct { left, right, negated }
    }

    fn compared(&mut self, left: &ast::Expr, operator: String, right: &ast::Expr) -> Expr {
        let left = Box::new(self.expr(left));
        let quantified = match right {
            ast::Expr::CallExpr(call) => quantifier(call),
            _ => None,
        };
        match quantified {
            Some((is_all, node)) => {
                let right = Box::new(self.only(&node));
                Expr::Quantified { left, operator, is_all, right }
            }
            None => {
                let right = self.expr(right);
                let (schema, operator) = match operator.rsplit_once('.') {
                    Some((schema, operator)) => (Some(schema.to_owned()), operator.to_owned()),
                    None => (None, operator),
                };
                match is_of_server(&operator) {
                    true => Expr::Binary { schema, operator, left, right: Box::new(right) },
                    false => Expr::operation(schema.as_deref(), &operator, vec![*left, right]),
                }
            }
        }
    }

    fn prefix(&mut self, prefix: &ast::PrefixExpr) -> Expr {
        let of = self.optional(prefix.expr());
        match (prefix.op(), of) {
            (Some(PrefixOp::Not(_)), of) => Expr::Not(Box::new(of)),
            (Some(PrefixOp::Minus(_)), Expr::Literal(Literal::Number(number))) => {
                Expr::Literal(Literal::Number(format!("-{number}")))
            }
            (operator, of) => {
                let operator = match operator {
                    Some(PrefixOp::Minus(_)) => "-".into(),
                    Some(PrefixOp::Plus(_)) => "+".into(),
                    Some(PrefixOp::CustomOp(custom)) => joined(custom.syntax()),
                    Some(PrefixOp::OperatorCall(call)) => {
                        named(&joined(call.syntax()).to_lowercase())
                    }
                    Some(PrefixOp::Not(_)) | None => String::new(),
                };
                match is_of_server(&operator) {
                    true => Expr::Unary { operator, of: Box::new(of) },
                    false => Expr::operation(None, &operator, vec![of]),
                }
            }
        }
    }

    fn postfix(&mut self, postfix: &ast::PostfixExpr) -> Expr {
        let negated = match postfix.op() {
            Some(PostfixOp::IsNull(_)) => false,
            Some(PostfixOp::NotNull(_)) => true,
            _ => return self.other(postfix.syntax()),
        };
        Expr::Is { of: self.boxed(postfix.expr()), what: "null".into(), negated }
    }

    fn between(&mut self, between: &ast::BetweenExpr) -> Expr {
        let of = self.boxed(between.target());
        let bounds = Box::new([self.optional(between.start()), self.optional(between.end())]);
        Expr::Between { of, bounds, negated: between.not_token().is_some() }
    }

    fn case(&mut self, case: &ast::CaseExpr) -> Expr {
        let whens = case.when_clause_list();
        let whens = whens.iter().flat_map(|list| list.when_clauses());
        let branches = whens.map(|when| {
            let condition = self.optional(when.condition());
            (condition, self.optional(when.then()))
        });
        let branches = branches.collect();
        let subject = case.expr().map(|subject| Box::new(self.expr(&subject)));
        let otherwise = case.else_clause().and_then(|clause| clause.expr());
        let otherwise = otherwise.map(|expr| Box::new(self.expr(&expr)));
        Expr::Case { subject, branches, otherwise }
    }

    fn call(&mut self, call: &ast::CallExpr) -> Expr {
        if let Some(select) = call.exists_fn().and_then(|exists| exists.select_variant()) {
            return Expr::Exists(Box::new(self.select(select.syntax())));
        }
        let name = call.expr().and_then(|function| path(&function));
        let (Some(name), Some(list)) = (name, call.arg_list()) else {
            return self.special_call(call);
        };
        let arguments: Vec<Argument> =
            list.args().map(|argument| self.argument(&argument)).collect();
        let called = named_call(name, arguments);
        // `filter (where ...)`, `over (...)`
        let clauses = call.syntax().children().filter(|child| {
            !ast::Expr::can_cast(child.kind()) && child.kind() != SyntaxKind::ARG_LIST
        });
        let more: Vec<Expr> = clauses.flat_map(|clause| self.inside(&clause)).collect();
        match more.is_empty() {
            true => called,
            false => Expr::Other(std::iter::once(called).chain(more).collect()),
        }
    }

    /// A call with key words among its arguments, such as `extract(year from made)`.
    fn special_call(&mut self, call: &ast::CallExpr) -> Expr {
        let word = call.syntax().first_token().map(|token| token.text().to_lowercase());
        let values = self.inside(call.syntax());
        let arguments = values.into_iter().map(|value| Argument { name: None, value }).collect();
        Expr::Call(Call { name: Name::of(word.into_iter().collect()), arguments })
    }

    fn argument(&mut self, argument: &ast::Arg) -> Argument {
        match argument.func_arg_expr() {
            Some(ast::FuncArgExpr::NamedArg(named)) => Argument {
                name: named.name().map(|name| folded(name.syntax())),
                value: self.optional(named.expr()),
            },
            Some(ast::FuncArgExpr::Expr(expr)) => Argument { name: None, value: self.expr(&expr) },
            None => Argument { name: None, value: self.other(argument.syntax()) },
        }
    }
}

/// Whether it is a query, or a statement that writes and so reads as one.
pub(super) fn is_query(node: &SyntaxNode) -> bool {
    ast::SelectVariant::can_cast(node.kind())
        || matches!(
            node.kind(),
            SyntaxKind::INSERT | SyntaxKind::UPDATE | SyntaxKind::DELETE | SyntaxKind::MERGE
        )
}

/// The name that a node holds, folded as the server folds it.
pub(super) fn folded(node: &SyntaxNode) -> String {
    fold(&node.text().to_string())
}

/// The parts of a dotted name, if it is nothing more.
fn path(expr: &ast::Expr) -> Option<Vec<String>> {
    match expr {
        ast::Expr::NameRef(name) => Some(vec![folded(name.syntax())]),
        ast::Expr::FieldExpr(field) if field.star_token().is_none() => field_path(field),
        _ => None,
    }
}

fn field_path(field: &ast::FieldExpr) -> Option<Vec<String>> {
    let mut parts = path(&field.base()?)?;
    if field.star_token().is_none() {
        parts.push(folded(field.field()?.syntax()));
    }
    Some(parts)
}

/// `current_user` and its like have a word of their own.
fn name_or_call(name: &ast::NameRef) -> Expr {
    let is_value = name.syntax().first_token().is_some_and(|token| {
        matches!(
            token.kind(),
            SyntaxKind::CURRENT_CATALOG_KW
                | SyntaxKind::CURRENT_DATE_KW
                | SyntaxKind::CURRENT_ROLE_KW
                | SyntaxKind::CURRENT_SCHEMA_KW
                | SyntaxKind::CURRENT_TIME_KW
                | SyntaxKind::CURRENT_TIMESTAMP_KW
                | SyntaxKind::CURRENT_USER_KW
                | SyntaxKind::LOCALTIME_KW
                | SyntaxKind::LOCALTIMESTAMP_KW
                | SyntaxKind::SESSION_USER_KW
                | SyntaxKind::SYSTEM_USER_KW
                | SyntaxKind::USER_KW
        )
    });
    let name = Name::of(vec![folded(name.syntax())]);
    if is_value { Expr::Call(Call { name, arguments: Vec::new() }) } else { Expr::Name(name) }
}

fn named_call(name: Vec<String>, arguments: Vec<Argument>) -> Expr {
    let values = |arguments: Vec<Argument>| arguments.into_iter().map(|a| a.value);
    match (name.as_slice(), arguments.len()) {
        ([word], _) if word == "coalesce" => Expr::Coalesce(values(arguments).collect()),
        ([word], 2) if word == "nullif" => {
            let both: Vec<Expr> = values(arguments).collect();
            match <[Expr; 2]>::try_from(both) {
                Ok(both) => Expr::NullIf(Box::new(both)),
                Err(all) => Expr::Other(all),
            }
        }
        _ => Expr::Call(Call { name: Name::of(name), arguments }),
    }
}

fn constant(literal: &ast::Literal) -> Expr {
    let constant = match literal.kind() {
        Some(LitKind::True(_)) => Literal::Bool(true),
        Some(LitKind::False(_)) => Literal::Bool(false),
        Some(LitKind::Null(_)) => Literal::Null,
        Some(LitKind::IntNumber(token) | LitKind::NumericNumber(token)) => {
            Literal::Number(token.text().to_owned())
        }
        Some(LitKind::PositionalParam(token)) => {
            let number = token.text().trim_start_matches('$').parse().unwrap_or_default();
            return Expr::Parameter(number);
        }
        _ => match literal.string_value() {
            Some(text) => Literal::Text(text),
            None => return Expr::Other(Vec::new()),
        },
    };
    Expr::Literal(constant)
}

/// Whether it is `all`, and the node that holds what it is over; none where it is no such thing.
fn quantifier(call: &ast::CallExpr) -> Option<(bool, SyntaxNode)> {
    let any = call.any_fn().map(|any| any.syntax().clone());
    let some = call.some_fn().map(|some| some.syntax().clone());
    let all = call.all_fn().map(|all| (true, all.syntax().clone()));
    any.or(some).map(|node| (false, node)).or(all)
}

fn is_joined_by(binary: &ast::BinExpr, word: SyntaxKind) -> bool {
    match binary.op() {
        Some(BinOp::And(token) | BinOp::Or(token)) => token.kind() == word,
        _ => false,
    }
}

/// Whether PostgreSQL's grammar has no place of its own for an operator: all of these bind alike.
fn is_other_operator(operator: &str) -> bool {
    const OWN: &[&str] = &["=", "<", ">", "<=", ">=", "<>", "+", "-", "*", "/", "%", "^"];
    let is_symbol = |c: char| "+-*/<>=~!@#%^&|`?".contains(c);
    !operator.is_empty() && operator.chars().all(is_symbol) && !OWN.contains(&operator)
}

/// What stands between the two sides, key words in lower case with one blank between them.
fn operator_text(binary: &ast::BinExpr) -> String {
    let between = binary.syntax().children_with_tokens().filter(|element| {
        let kind = element.kind();
        !ast::Expr::can_cast(kind) && !matches!(kind, SyntaxKind::WHITESPACE | SyntaxKind::COMMENT)
    });
    let text = between.map(|element| element.to_string()).collect::<Vec<_>>().join(" ");
    let text = text.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ");
    match text.as_str() {
        "!=" => "<>".into(),
        call if call.starts_with("operator") => named(&call.replace(' ', "")),
        _ => text,
    }
}

/// What is in the parentheses of `operator(schema.=)`, without the server's own schema.
fn named(call: &str) -> String {
    let inside = call.split_once('(').map_or(call, |(_, rest)| rest.trim_end_matches(')'));
    inside.strip_prefix("pg_catalog.").unwrap_or(inside).to_owned()
}

/// The operators of `pg_catalog`, of any types; those written with letters are grammar.
const OF_SERVER: &str = " !! !~ !~* !~~ !~~* # ## #- #> #>> % & && &< &<| &> * *< *<= *<> *= *> *>= + - -> \
     ->> -|- / < <-> << <<= <<| <= <> <@ <^ = > >= >> >>= >^ ? ?# ?& ?- ?-| ?| ?|| @ @-@ @> @? @@ \
     @@@ ^ ^@ | |&> |/ |>> || ||/ ~ ~* ~<=~ ~<~ ~= ~>=~ ~>~ ~~ ~~* ";

/// Whether the server itself has an operator of that name; if not, it stands for a function of the project or
/// an extension.
fn is_of_server(operator: &str) -> bool {
    let is_word = |text: &str| text.chars().all(|c| c.is_alphabetic() || c == ' ');
    is_word(operator) || OF_SERVER.contains(&format!(" {operator} "))
}

/// The words of a node without what is between them.
fn joined(node: &SyntaxNode) -> String {
    node.text().to_string().split_whitespace().collect()
}
