//! The constants that a definition names, from which values that decide are taken. Pure.

use crate::sql::body::Body;
use crate::sql::expr::{Expr, Literal, Part};
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
        expr.walk(&mut |part| constants.see(part));
        constants
    }

    /// Those of a body; of its text, where some of it was not read.
    pub(crate) fn of_body(body: &Body, text: &str) -> Self {
        if !body.unread.is_empty() {
            return Self::of_text(text);
        }
        let mut constants = Self::default();
        body.steps.iter().for_each(|step| step.expr().walk(&mut |part| constants.see(part)));
        constants
    }

    fn see(&mut self, part: Part<'_>) {
        match part {
            Part::Expr(Expr::Literal(Literal::Text(text))) => self.add_text(text.clone()),
            Part::Expr(Expr::Literal(Literal::Number(number))) => {
                self.numbers.extend(number.parse::<i64>());
            }
            _ => {}
        }
    }

    /// A number may be written as a text, such as `'-1'::integer`.
    fn add_text(&mut self, text: String) {
        self.numbers.extend(text.parse::<i64>());
        self.texts.push(text);
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
        let body = "begin return a = 'x'; end";
        assert_eq!(shown(&Constants::of_body(&read_plpgsql(body), body)), "[\"x\"] []");
        // What is put together is looked for in the text.
        let body = "begin execute 'select ''y'''; end";
        let all = Constants::of_body(&read_plpgsql(body), body);
        assert_eq!(all.texts, ["select 'y'"]);
    }
}
