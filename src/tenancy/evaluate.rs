//! What the values in a policy stand for, and which of them must be equal. Pure.

use crate::sql::expr::{Argument, Call, Expr, Literal, Name, Select};
use crate::sql::syntax::read_expr;
use crate::tenancy::asked::{Reader, Told};
use crate::tenancy::meaning::{Meaning, Value};
use crate::tenancy::scope::{Frame, Rows, Scope};

/// How many equalities are noted for one relation.
const MOST_EQUAL: usize = 2_000;

/// Functions that give back what they are handed, in another form.
const PASSING: [&str; 15] = [
    "any_value",
    "array_agg",
    "btrim",
    "lower",
    "max",
    "min",
    "row_to_json",
    "text",
    "to_json",
    "to_jsonb",
    "trim",
    "unnest",
    "upper",
    "uuid",
    "varchar",
];

/// The constants of a list.
fn constants_in(expr: &Expr) -> Vec<String> {
    match expr {
        Expr::Cast { of, .. } => constants_in(of),
        Expr::Array(all) => all.iter().flat_map(constants_in).collect(),
        Expr::Literal(Literal::Text(text)) => vec![text.clone()],
        _ => Vec::new(),
    }
}

impl<'c> Reader<'c> {
    /// The value of an expression inside a condition that is to hold, or not to.
    pub(super) fn value(&mut self, expr: &Expr, scope: &Scope<'_, 'c>, holds: bool) -> Value {
        let nothing = Value::constant(Meaning::Other);
        let value = self.look(nothing, |reader| reader.known_value(expr, scope, holds));
        self.note_reads(&value);
        value
    }

    fn known_value(&mut self, expr: &Expr, scope: &Scope<'_, 'c>, holds: bool) -> Value {
        match expr {
            Expr::Name(name) => {
                let value = scope.value(name, self.catalog, self.relation);
                self.generated(value)
            }
            Expr::AllOf(Some(name)) => scope.row(name.last()),
            Expr::Literal(Literal::Bool(value)) => {
                Value::constant(Meaning::Text(value.to_string()))
            }
            Expr::Literal(Literal::Text(text)) => Value::constant(Meaning::Text(text.clone())),
            Expr::Parameter(number) => {
                let argument = scope.frame.arguments.get(number.wrapping_sub(1));
                argument.cloned().unwrap_or_else(|| Value::constant(Meaning::Other))
            }
            Expr::Cast { of, .. } => self.value(of, scope, holds),
            Expr::NullIf(both) => {
                let mut value = self.value(&both[0], scope, holds);
                let other = self.value(&both[1], scope, holds);
                value.depend_on(&other);
                value
            }
            Expr::Coalesce(all) | Expr::Array(all) => {
                Value::one_of(all.iter().map(|one| self.value(one, scope, holds)).collect())
            }
            Expr::Case { .. } => self.case(expr, scope, holds),
            Expr::Select(select) | Expr::ArrayOf(select) => {
                self.select(select, scope, holds).value()
            }
            Expr::Exists(select) => self.select(select, scope, holds).whole,
            Expr::Call(call) => self.call(call, scope, holds),
            Expr::Field { of, name } => self.field(of, name, scope, holds),
            Expr::Index { of, at } => {
                let (of, at) = (self.value(of, scope, holds), self.value(at, scope, holds));
                self.led_to(of, &at)
            }
            Expr::Binary { schema: Some(schema), operator, left, right }
                if self.catalog.routines.stand_behind(schema, operator) =>
            {
                let operands = vec![left.as_ref().clone(), right.as_ref().clone()];
                self.value(&Expr::operation(Some(schema), operator, operands), scope, holds)
            }
            Expr::Binary { operator, left, right, .. } if operator.starts_with(['-', '#']) => {
                let (of, keys) = (self.value(left, scope, holds), self.value(right, scope, holds));
                match operator.as_str() {
                    "->" | "->>" | "#>" | "#>>" => self.led_to(of, &keys),
                    _ => Value::made_of([&of, &keys]),
                }
            }
            Expr::Not(of) => {
                let value = self.value(of, scope, !holds);
                self.note_flag(&value);
                Value::made_of([&value])
            }
            _ => self.comparison(expr, scope, holds),
        }
    }

    /// A generated column of the row stands for what it is generated from.
    fn generated(&mut self, value: Value) -> Value {
        let Meaning::Own(name) = &value.meaning else { return value };
        let generation = self.relation.column(name).and_then(|column| column.generation.as_ref());
        let Some(generation) = generation else { return value };
        let Ok(tree) = read_expr(generation) else { return Value::of_row(Meaning::Other) };
        let frame = Frame::default();
        let scope = self.of_row(&frame);
        let mut value = self.value(&tree, &scope, true);
        value.is_of_row = true;
        value
    }

    /// What compares notes what must be equal; everything else is made of what is in it.
    fn comparison(&mut self, expr: &Expr, scope: &Scope<'_, 'c>, holds: bool) -> Value {
        match expr {
            Expr::Binary { operator, left, right, .. } => {
                let is_equality = (operator == "=" && holds) || (operator == "<>" && !holds);
                self.pair((left, operator, right), is_equality, scope, holds)
            }
            Expr::IsDistinct { left, right, negated } => {
                self.pair((left, "=", right), *negated == holds, scope, holds)
            }
            Expr::Quantified { left, operator, is_all, right } => {
                let is_equality = match (operator.as_str(), is_all) {
                    ("=", false) => holds,
                    ("<>", true) => !holds,
                    _ => false,
                };
                self.pair((left, operator, right), is_equality, scope, holds)
            }
            Expr::In { of, list, negated } => {
                let list = Expr::Array(list.clone());
                self.pair((of, "=", &list), *negated != holds, scope, holds)
            }
            Expr::Is { of, what, .. } => {
                let value = self.value(of, scope, holds);
                let (operator, constant) = match what.as_str() {
                    "true" | "false" => ("=", what.clone()),
                    _ => ("is", String::new()),
                };
                let constant = Value::constant(Meaning::Text(constant));
                self.note_told(&value, operator, &constant, Vec::new());
                Value::made_of([&value])
            }
            Expr::InSelect { of, select, negated } => {
                self.in_select(of, select, *negated != holds, scope)
            }
            _ => {
                let (expressions, selects) = expr.below();
                let mut values: Vec<Value> =
                    expressions.into_iter().map(|one| self.value(one, scope, holds)).collect();
                if matches!(expr, Expr::And(_) | Expr::Or(_)) {
                    values.iter().for_each(|value| self.note_flag(value));
                }
                values.extend(selects.into_iter().map(|one| self.select(one, scope, holds).whole));
                Value::made_of(&values)
            }
        }
    }

    fn pair(
        &mut self,
        (left, operator, right): (&Expr, &str, &Expr),
        is_equality: bool,
        scope: &Scope<'_, 'c>,
        holds: bool,
    ) -> Value {
        if let (Expr::Row(left), Expr::Row(right)) = (left, right) {
            let pairs = left.iter().zip(right);
            let values: Vec<Value> = pairs
                .map(|(left, right)| self.pair((left, operator, right), is_equality, scope, holds))
                .collect();
            return Value::made_of(&values);
        }
        let listed = [constants_in(left), constants_in(right)];
        let (left, right) = (self.value(left, scope, holds), self.value(right, scope, holds));
        if is_equality {
            self.note_equal(&left, &right);
        }
        let [left_listed, right_listed] = listed;
        self.note_told(&left, operator, &right, right_listed);
        self.note_told(&right, operator, &left, left_listed);
        Value::made_of([&left, &right])
    }

    /// Notes that something is compared with a constant, or with several.
    fn note_told(&mut self, what: &Value, operator: &str, with: &Value, listed: Vec<String>) {
        let constants = match &with.meaning {
            Meaning::Text(text) => vec![text.clone()],
            _ => listed,
        };
        for what in what.meaning.clone().each() {
            let tells = match &what {
                Meaning::Claim(place) => !place.is_empty(),
                Meaning::Setting(..) | Meaning::Read { .. } => true,
                _ => false,
            };
            for constant in constants.iter().filter(|_| tells) {
                let (operator, constant) = (operator.to_owned(), constant.clone());
                let told = Told { what: what.clone(), operator, constant };
                if self.asked.told.len() < MOST_EQUAL && !self.asked.told.contains(&told) {
                    self.asked.told.push(told);
                }
            }
        }
    }

    /// Notes that something is asked for yes or no.
    pub(super) fn note_flag(&mut self, value: &Value) {
        let yes = Value::constant(Meaning::Text("true".into()));
        self.note_told(value, "=", &yes, Vec::new());
    }

    fn in_select(
        &mut self,
        of: &Expr,
        select: &Select,
        is_equality: bool,
        scope: &Scope<'_, 'c>,
    ) -> Value {
        let Rows { columns, whole } = self.select(select, scope, is_equality);
        let parts = match of {
            Expr::Row(parts) => parts.iter().collect(),
            one => vec![one],
        };
        let mut made = whole;
        for (part, (_, column)) in parts.into_iter().zip(&columns) {
            let value = self.value(part, scope, is_equality);
            if is_equality {
                self.note_equal(&value, column);
            }
            made.depend_on(&value);
        }
        made
    }

    fn note_equal(&mut self, left: &Value, right: &Value) {
        let tells = |meaning: &Meaning| {
            !matches!(meaning, Meaning::Other | Meaning::Row | Meaning::Text(_))
        };
        for left in left.meaning.clone().each().into_iter().filter(tells) {
            for right in right.meaning.clone().each().into_iter().filter(tells) {
                let pair = (left.clone(), right);
                if self.asked.equal.len() < MOST_EQUAL && !self.asked.equal.contains(&pair) {
                    self.asked.equal.push(pair);
                }
            }
        }
    }

    fn case(&mut self, expr: &Expr, scope: &Scope<'_, 'c>, holds: bool) -> Value {
        let Expr::Case { subject, branches, otherwise } = expr else {
            return Value::constant(Meaning::Other);
        };
        let mut decides: Vec<Value> = Vec::new();
        decides.extend(subject.iter().map(|one| self.value(one, scope, holds)));
        let mut values = Vec::new();
        for (when, then) in branches {
            decides.push(self.value(when, scope, true));
            values.push(self.value(then, scope, holds));
        }
        values.extend(otherwise.iter().map(|one| self.value(one, scope, holds)));
        let mut value = Value::one_of(values);
        decides.iter().for_each(|one| value.depend_on(one));
        value
    }

    /// `(row).field`, which may be a column under the name of its table.
    fn field(&mut self, of: &Expr, name: &str, scope: &Scope<'_, 'c>, holds: bool) -> Value {
        if let Expr::Name(table) = of {
            let parts = table.parts().iter().cloned().chain([name.to_owned()]).collect();
            return scope.value(&Name::of(parts), self.catalog, self.relation);
        }
        let value = self.value(of, scope, holds);
        value.member(vec![name.to_owned()], self.asker)
    }

    /// Where the keys of an arrow lead; `{a,b}` are two.
    fn led_to(&self, of: Value, keys: &Value) -> Value {
        match &keys.meaning {
            Meaning::Text(text) => {
                let inner = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
                let keys = match inner {
                    Some(inner) => inner
                        .split(',')
                        .map(|key| key.trim().trim_matches('"').to_owned())
                        .collect(),
                    None => vec![text.clone()],
                };
                of.member(keys, self.asker)
            }
            _ => Value::made_of([&of, keys]),
        }
    }

    /// What a call gives: who is asking, a setting, what a routine returns, or something made of what
    /// it is handed.
    pub(super) fn call(&mut self, call: &Call, scope: &Scope<'_, 'c>, holds: bool) -> Value {
        let routines = self.routines(call, scope);
        if !routines.is_empty() {
            let values = routines.into_iter().map(|routine| {
                let arguments = self.arguments(call, routine, scope, holds);
                self.run(routine, arguments, None).value()
            });
            return Value::one_of(values.collect());
        }
        let values: Vec<Value> = call
            .arguments
            .iter()
            .map(|Argument { value, .. }| self.value(value, scope, holds))
            .collect();
        let claim = |key: &str| Value::claim(vec![key.to_owned()], self.asker);
        match (call.name.qualifier(), call.name.last(), values.as_slice()) {
            (Some("auth"), "uid", []) => Value::asking(Meaning::User),
            (Some("auth"), "jwt", []) => Value::claim(Vec::new(), self.asker),
            (Some("auth"), key @ ("email" | "role"), []) => claim(key),
            (None | Some("pg_catalog"), "current_setting", [name, ..]) => match &name.meaning {
                Meaning::Text(name) => Value::setting(name, self.asker),
                _ => Value { asks: true, ..Value::made_of(&values) },
            },
            _ if call.is_of_session() => Value::asking(Meaning::Other),
            (None | Some("pg_catalog"), name, [one, ..]) if PASSING.contains(&name) => one.clone(),
            (
                None | Some("pg_catalog"),
                "json_extract_path"
                | "json_extract_path_text"
                | "jsonb_extract_path"
                | "jsonb_extract_path_text",
                [of, keys @ ..],
            ) => keys.iter().fold(of.clone(), |of, key| self.led_to(of, key)),
            _ => Value::made_of(&values),
        }
    }
}
