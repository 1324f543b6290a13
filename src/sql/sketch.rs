//! Trees in one line each, for tests.

use crate::sql::body::{Body, Step};
use crate::sql::expr::{Argument, Expr, Literal, Name, Select, Source, SourceKind, Target};

fn list(all: &[Expr]) -> String {
    all.iter().map(sketch).collect::<Vec<_>>().join(", ")
}

fn dotted(name: &Name) -> String {
    name.parts().join(".")
}

fn negation(negated: bool) -> &'static str {
    if negated { "not " } else { "" }
}

/// A tree in one line: every operator before its operands, in parentheses.
pub(crate) fn sketch(expr: &Expr) -> String {
    match expr {
        Expr::Name(name) => dotted(name),
        Expr::AllOf(name) => name.as_ref().map_or("*".into(), |name| format!("{}.*", dotted(name))),
        Expr::Literal(Literal::Text(text)) => format!("'{text}'"),
        Expr::Literal(Literal::Number(number)) => number.clone(),
        Expr::Literal(Literal::Bool(value)) => value.to_string(),
        Expr::Literal(Literal::Null) => "null".into(),
        Expr::Parameter(number) => format!("${number}"),
        Expr::Cast { of, to } => format!("{}::{to}", sketch(of)),
        Expr::Unary { operator, of } => format!("{operator}({})", sketch(of)),
        Expr::Binary { operator, left, right, .. } => {
            format!("{operator}({}, {})", sketch(left), sketch(right))
        }
        Expr::Not(of) => format!("not({})", sketch(of)),
        Expr::And(all) => format!("and({})", list(all)),
        Expr::Or(all) => format!("or({})", list(all)),
        Expr::Is { of, what, negated } => {
            format!("is {}{what}({})", negation(*negated), sketch(of))
        }
        Expr::IsDistinct { left, right, negated } => {
            format!("{}distinct({}, {})", negation(*negated), sketch(left), sketch(right))
        }
        Expr::Between { of, bounds, negated } => {
            format!("{}between({}, {})", negation(*negated), sketch(of), list(bounds.as_slice()))
        }
        Expr::In { of, list: values, negated } => {
            format!("{}in({}, [{}])", negation(*negated), sketch(of), list(values))
        }
        Expr::InSelect { of, select, negated } => {
            format!("{}in({}, {})", negation(*negated), sketch(of), sketch_select(select))
        }
        Expr::Quantified { left, operator, is_all, right } => {
            let word = if *is_all { "all" } else { "any" };
            format!("{operator} {word}({}, {})", sketch(left), sketch(right))
        }
        Expr::Call(call) => {
            let arguments = call.arguments.iter().map(|Argument { name, value }| match name {
                Some(name) => format!("{name} => {}", sketch(value)),
                None => sketch(value),
            });
            let arguments: Vec<String> = arguments.collect();
            format!("{}!({})", dotted(&call.name), arguments.join(", "))
        }
        Expr::Array(all) => format!("[{}]", list(all)),
        Expr::ArrayOf(select) => format!("array{}", sketch_select(select)),
        Expr::Row(all) => format!("row({})", list(all)),
        Expr::Case { subject, branches, otherwise } => {
            let branches = branches.iter().map(|(a, b)| format!("{}: {}", sketch(a), sketch(b)));
            let subject = subject.as_deref().map(sketch);
            let otherwise = otherwise.as_deref().map(|expr| format!("else: {}", sketch(expr)));
            let parts: Vec<String> = subject.into_iter().chain(branches).chain(otherwise).collect();
            format!("case({})", parts.join(", "))
        }
        Expr::Coalesce(all) => format!("coalesce({})", list(all)),
        Expr::NullIf(both) => format!("nullif({})", list(both.as_slice())),
        Expr::Exists(select) => format!("exists{}", sketch_select(select)),
        Expr::Select(select) => sketch_select(select),
        Expr::Field { of, name } => format!("({}).{name}", sketch(of)),
        Expr::Index { of, at } => format!("{}[{}]", sketch(of), sketch(at)),
        Expr::Other(all) => format!("other({})", list(all)),
    }
}

/// `{targets from sources where conditions; rest | other sides}`
pub(crate) fn sketch_select(select: &Select) -> String {
    let mut text = String::from("{");
    for (name, query) in &select.with {
        text += &format!("with {name} {} ", sketch_select(query));
    }
    let target = |Target { value, name }: &Target| match name {
        Some(name) => format!("{} as {name}", sketch(value)),
        None => sketch(value),
    };
    text += &select.targets.iter().map(target).collect::<Vec<_>>().join(", ");
    let source = |Source { what, alias, columns }: &Source| {
        let what = match what {
            SourceKind::Relation(name) => dotted(name),
            SourceKind::Select(select) => sketch_select(select),
            SourceKind::Value(value) => sketch(value),
        };
        let alias = alias.as_ref().map(|alias| format!(" {alias}")).unwrap_or_default();
        let columns = if columns.is_empty() { String::new() } else { columns.join(" ") };
        format!(
            "{what}{alias}{}",
            if columns.is_empty() { columns } else { format!("<{columns}>") }
        )
    };
    if !select.from.is_empty() {
        let sources: Vec<String> = select.from.iter().map(source).collect();
        text += &format!(" from {}", sources.join(", "));
    }
    if !select.conditions.is_empty() {
        text += &format!(" where {}", list(&select.conditions));
    }
    if !select.rest.is_empty() {
        text += &format!("; {}", list(&select.rest));
    }
    for other in &select.others {
        text += &format!(" | {}", sketch_select(other));
    }
    text + "}"
}

/// A line for each step, and one for each part that was not read.
pub(crate) fn sketch_body(body: &Body) -> Vec<String> {
    let step = |step: &Step| match step {
        Step::Returned(expr) => format!("return {}", sketch(expr)),
        Step::Assigned { name, value } => format!("{} := {}", dotted(name), sketch(value)),
        Step::Condition(expr) => format!("if {}", sketch(expr)),
        Step::Evaluated(expr) => format!("do {}", sketch(expr)),
    };
    let unread = body.unread.iter().map(|unread| format!("unread: {}", unread.why));
    body.steps.iter().map(step).chain(unread).collect()
}
