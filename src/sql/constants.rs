//! The constants that a definition names, from which values that decide are taken. Pure.

use crate::sql::body::Body;
use crate::sql::expr::{Expr, Literal, Select};
use crate::sql::statement;

/// Texts and whole numbers, each as often as it is named, in the order of the definition.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Constants {
    pub texts: Vec<String>,
    pub numbers: Vec<i64>,
}

impl Constants {
    /// Those of a definition that is known as text alone.
    pub(crate) fn of_text(text: &str) -> Self {
        let mut constants = Self::default();
        for word in statement::raw_words(text) {
            let quoted = word.strip_prefix('\'').and_then(|word| word.strip_suffix('\''));
            match quoted {
                Some(quoted) => constants.add_text(quoted.replace("''", "'")),
                None => constants.numbers.extend(word.parse::<i64>()),
            }
        }
        constants
    }

    pub(crate) fn of_expr(expr: &Expr) -> Self {
        let mut constants = Self::default();
        constants.add_expr(expr);
        constants
    }

    /// Those of a body; of its text, where some of it was not read.
    pub(crate) fn of_body(body: &Body, text: &str) -> Self {
        if !body.unread.is_empty() {
            return Self::of_text(text);
        }
        let mut constants = Self::default();
        body.steps.iter().for_each(|step| constants.add_expr(step.expr()));
        constants
    }

    fn add_expr(&mut self, expr: &Expr) {
        match expr {
            Expr::Literal(Literal::Text(text)) => self.add_text(text.clone()),
            Expr::Literal(Literal::Number(number)) => self.numbers.extend(number.parse::<i64>()),
            // Names of settings and of places in what a call gives are compared with nothing.
            Expr::Call(call) if call.name.last() == "current_setting" => {}
            Expr::Binary { operator, left, .. } if operator.starts_with(['-', '#']) => {
                match is_called(left) {
                    true => self.add_expr(left),
                    false => self.add_below(expr),
                }
            }
            _ => self.add_below(expr),
        }
    }

    fn add_below(&mut self, expr: &Expr) {
        let (expressions, selects) = expr.below();
        expressions.into_iter().for_each(|inner| self.add_expr(inner));
        selects.into_iter().for_each(|inner| self.add_select(inner));
    }

    fn add_select(&mut self, select: &Select) {
        select.expressions().for_each(|inner| self.add_expr(inner));
        select.selects().for_each(|inner| self.add_select(inner));
    }

    /// A number may be written as a text, such as `'-1'::integer`.
    fn add_text(&mut self, text: String) {
        self.numbers.extend(text.parse::<i64>());
        self.texts.push(text);
    }
}

/// Whether a document comes from a call, such as a token, and from no column.
fn is_called(expr: &Expr) -> bool {
    match expr {
        Expr::Call(_) => true,
        Expr::Cast { of, .. } => is_called(of),
        Expr::NullIf(both) => is_called(&both[0]),
        Expr::Binary { left, .. } => is_called(left),
        Expr::Select(select) if select.is_value() => {
            select.targets.iter().all(|target| is_called(&target.value))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::body::read_plpgsql;
    use crate::sql::syntax::read_expr;

    fn shown(constants: &Constants) -> String {
        format!("{:?} {:?}", constants.texts, constants.numbers)
    }

    #[test]
    fn constants_of_each_kind_of_definition() {
        let check = "CHECK (((role)::text = ANY ((ARRAY['user'::character varying, \
                     'it''s'::character varying])::text[])) AND (n >= 3))";
        assert_eq!(shown(&Constants::of_text(check)), "[\"user\", \"it's\"] [3]");
        let expr = read_expr("((a = 'x'::text) OR (n > '-1'::integer) OR (n < 2.5))").unwrap();
        assert_eq!(shown(&Constants::of_expr(&expr)), "[\"x\", \"-1\"] [-1]");
        let claim = "(a = (((auth.jwt() -> 'b'::text) ->> 'c'::text)))";
        assert_eq!(shown(&Constants::of_expr(&read_expr(claim).unwrap())), "[] []");
        let document = "((meta ->> 'b'::text) = current_setting('app.c'::text, true))";
        assert_eq!(shown(&Constants::of_expr(&read_expr(document).unwrap())), "[\"b\"] []");
        let body = "begin return a = 'x'; end";
        assert_eq!(shown(&Constants::of_body(&read_plpgsql(body), body)), "[\"x\"] []");
        // What is put together is looked for in the text.
        let body = "begin execute 'select ''y'''; end";
        let all = Constants::of_body(&read_plpgsql(body), body);
        assert_eq!(all.texts, ["select 'y'"]);
    }
}
