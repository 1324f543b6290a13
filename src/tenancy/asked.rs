//! What the policies of a relation ask of who is asking: a walk through their trees and through the
//! routines that they call, with what is handed to these. Pure.

use std::collections::BTreeSet;

use crate::catalog::Catalog;
use crate::catalog::policy::Condition;
use crate::catalog::relation::Relation;
use crate::catalog::routine::Routine;
use crate::names::Oid;
use crate::sql::body::Step;
use crate::sql::expr::{Call, Expr, Literal, Name, Select, Source, SourceKind};
use crate::tenancy::meaning::{Asker, Meaning, Value};
use crate::tenancy::scope::{Bound, Frame, Rows, Scope, What};

/// How many calls may be inside each other.
const MOST_CALLS: usize = 12;
/// How many expressions may be inside each other, those of routines in what calls them.
const DEEPEST_LOOK: usize = 250;
/// How many expressions are looked at for one relation. What is beyond is not known.
const MOST_LOOKED_AT: usize = 50_000;

/// What is compared with a constant, such as a claim that must be `admin`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    /// A claim, a setting, or a column of a row that is read.
    pub what: Meaning,
    /// Such as `=`, `<>` or `~~`.
    pub operator: String,
    pub constant: String,
}

/// What policies ask.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    /// By what they tell some of those who ask from others.
    pub told: Vec<Told>,
    /// What must be equal for a row to be let through by some of them.
    pub equal: Vec<(Meaning, Meaning)>,
    /// The names of those that relate the row to who is asking, or may.
    pub about_row: Vec<String>,
    /// The readings of relations that something of the row decides, too.
    pub with_row: BTreeSet<usize>,
    /// Whether there is something that was not looked at, and that may read and ask anything.
    pub is_cut: bool,
}

/// What the policies of a relation ask of a row that they let through, or, where they do not hold, of one that they
/// keep back.
pub(crate) fn asked_of(
    catalog: &Catalog,
    asker: &Asker,
    relation: &Relation,
    holds: bool,
) -> Asked {
    let mut reader = Reader::of(catalog, asker, relation);
    for policy in &relation.policies {
        reader.is_about_row = false;
        policy.conditions().for_each(|condition| reader.read(condition, holds));
        reader.asked.about_row.extend(reader.is_about_row.then(|| policy.name.clone()));
    }
    reader.asked
}

/// What a view asks of the rows that it reads.
pub(crate) fn asked_by_view(catalog: &Catalog, asker: &Asker, view: &Relation) -> Asked {
    let mut reader = Reader::of(catalog, asker, view);
    reader.view(view);
    reader.asked
}

/// Walks through the conditions of one relation's policies.
pub(super) struct Reader<'c> {
    pub(super) catalog: &'c Catalog,
    pub(super) asker: &'c Asker,
    pub(super) relation: &'c Relation,
    pub(super) asked: Asked,
    /// Whether the policy that is looked at relates the row to who is asking.
    is_about_row: bool,
    readings: usize,
    looked_at: usize,
    depth: usize,
    /// The routines that are being looked at, each inside the one before.
    calls: Vec<Oid>,
}

impl<'c> Reader<'c> {
    fn of(catalog: &'c Catalog, asker: &'c Asker, relation: &'c Relation) -> Self {
        Self {
            catalog,
            asker,
            relation,
            asked: Asked::default(),
            is_about_row: false,
            readings: 0,
            looked_at: 0,
            depth: 0,
            calls: Vec::new(),
        }
    }

    /// Looks at a condition of a policy; what cannot be read may ask anything.
    fn read(&mut self, condition: &Condition, holds: bool) {
        let Ok(tree) = &condition.tree else {
            (self.is_about_row, self.asked.is_cut) = (true, true);
            return;
        };
        let frame = Frame::default();
        let scope = self.of_row(&frame);
        self.condition(tree, &scope, holds);
    }

    /// The scope of what is said of the row that the policy judges.
    pub(super) fn of_row<'s>(&self, frame: &'s Frame<'c>) -> Scope<'s, 'c> {
        let mut scope = Scope::of(frame);
        scope.sources.push(Bound { name: Some(self.relation.name.clone()), what: What::Own });
        scope
    }

    /// Looks at something inside of what is looked at, as long as there is room: what is left out may
    /// ask anything.
    pub(super) fn look<T>(&mut self, nothing: T, look: impl FnOnce(&mut Self) -> T) -> T {
        self.looked_at += 1;
        if self.looked_at > MOST_LOOKED_AT || self.depth >= DEEPEST_LOOK {
            (self.is_about_row, self.asked.is_cut) = (true, true);
            return nothing;
        }
        self.depth += 1;
        let seen = look(self);
        self.depth -= 1;
        seen
    }

    /// Looks at a condition that is to hold, or not to.
    fn condition(&mut self, expr: &Expr, scope: &Scope<'_, 'c>, holds: bool) {
        self.look((), |reader| reader.part(expr, scope, holds));
    }

    fn part(&mut self, expr: &Expr, scope: &Scope<'_, 'c>, holds: bool) {
        match expr {
            Expr::And(all) | Expr::Or(all) | Expr::Coalesce(all) => {
                all.iter().for_each(|one| self.condition(one, scope, holds));
            }
            Expr::Not(of) => self.condition(of, scope, !holds),
            Expr::Is { of, what, negated } if what == "true" => {
                self.condition(of, scope, holds != *negated);
            }
            Expr::Is { of, what, negated } if what == "false" => {
                self.condition(of, scope, holds == *negated);
            }
            Expr::Case { subject: None, branches, otherwise } => {
                for (when, then) in branches {
                    self.either_way(when, scope);
                    self.condition(then, scope, holds);
                }
                otherwise.iter().for_each(|expr| self.condition(expr, scope, holds));
            }
            Expr::Select(select) if select.is_value() => {
                let scope = Scope::inside(scope);
                select.targets.iter().for_each(|one| self.condition(&one.value, &scope, holds));
            }
            Expr::Binary { schema: None, operator, left, right } if operator == "=" => {
                match (left.as_ref(), right.as_ref()) {
                    (Expr::Literal(Literal::Bool(value)), other)
                    | (other, Expr::Literal(Literal::Bool(value))) => {
                        self.condition(other, scope, holds == *value);
                    }
                    _ => self.leaf(expr, scope, holds),
                }
            }
            Expr::Call(call) => self.asked_call(call, scope, holds),
            _ => self.leaf(expr, scope, holds),
        }
    }

    /// Looks at a condition of which either answer may lead on.
    fn either_way(&mut self, expr: &Expr, scope: &Scope<'_, 'c>) {
        self.condition(expr, scope, true);
        self.condition(expr, scope, false);
    }

    /// Notes what is read for something that the row decides, too.
    pub(super) fn note_reads(&mut self, value: &Value) {
        if value.is_of_row {
            self.asked.with_row.extend(&value.reads);
        }
    }

    /// A condition that joins no others: where it depends on both, it relates them.
    fn leaf(&mut self, expr: &Expr, scope: &Scope<'_, 'c>, holds: bool) {
        let value = self.value(expr, scope, holds);
        self.note_flag(&value);
        self.is_about_row |= value.asks && value.is_of_row;
    }

    /// A routine that answers yes or no.
    fn asked_call(&mut self, call: &Call, scope: &Scope<'_, 'c>, holds: bool) {
        let routines = self.routines(call, scope);
        if routines.is_empty() {
            return self.leaf(&Expr::Call(call.clone()), scope, holds);
        }
        for routine in routines {
            let arguments = self.arguments(call, routine, scope, holds);
            let relates = arguments.iter().any(|value| value.asks && value.is_of_row);
            self.is_about_row |= relates;
            let rows = self.run(routine, arguments, Some(holds));
            self.note_reads(&rows.whole);
            self.is_about_row |= rows.whole.asks && rows.whole.is_of_row;
        }
    }

    /// What is called, where it is a routine whose body is known and the platform does not answer.
    pub(super) fn routines(&self, call: &Call, scope: &Scope<'_, 'c>) -> Vec<&'c Routine> {
        let is_answered = matches!(self.asker, Asker::Supabase)
            && call.name.qualifier() == Some("auth")
            && ["uid", "jwt", "email", "role"].contains(&call.name.last());
        if is_answered {
            return Vec::new();
        }
        self.catalog.routines.called(call, scope.frame.routine)
    }

    /// What a routine is handed, in the order of its parameters.
    pub(super) fn arguments(
        &mut self,
        call: &Call,
        routine: &Routine,
        scope: &Scope<'_, 'c>,
        holds: bool,
    ) -> Vec<Value> {
        let mut arguments = self.defaults(routine);
        for (at, argument) in call.arguments.iter().enumerate() {
            let value = self.value(&argument.value, scope, holds);
            let named = argument
                .name
                .as_ref()
                .and_then(|name| routine.arguments.iter().position(|known| known == name));
            match arguments.get_mut(named.unwrap_or(at)) {
                Some(place) => *place = value,
                // The rest of a variadic one.
                None => arguments.iter_mut().last().into_iter().for_each(|last| {
                    *last = Value::one_of(vec![last.clone(), value.clone()]);
                }),
            }
        }
        arguments
    }

    /// What each parameter of a routine has where nothing is handed to it.
    fn defaults(&mut self, routine: &Routine) -> Vec<Value> {
        let nothing = || Value::constant(Meaning::Other);
        let mut values: Vec<Value> = routine.arguments.iter().map(|_| nothing()).collect();
        let frame = Frame::default();
        let scope = Scope::of(&frame);
        match routine.defaults() {
            Ok(defaults) => {
                let first = values.len().saturating_sub(defaults.len());
                for (value, default) in values.iter_mut().skip(first).zip(&defaults) {
                    *value = self.value(default, &scope, true);
                }
            }
            Err(_) => values.iter_mut().for_each(|value| value.asks = true),
        }
        values
    }

    /// Goes through a routine with what it is handed; `holds` where it is asked for yes or no.
    pub(super) fn run(
        &mut self,
        routine: &'c Routine,
        arguments: Vec<Value>,
        holds: Option<bool>,
    ) -> Rows {
        let mut whole = Value::made_of(&arguments);
        whole.asks = false;
        let is_in_itself = self.calls.contains(&routine.oid);
        if is_in_itself || self.calls.len() >= MOST_CALLS {
            // It may do anything with what it is handed.
            self.asked.is_cut |= !is_in_itself;
            whole.asks |= !is_in_itself || arguments.iter().any(|value| value.asks);
            return Rows { columns: Vec::new(), whole };
        }
        let body = routine.body();
        whole.asks = !body.unread.is_empty();
        self.asked.is_cut |= whole.asks;
        if body.unread.is_empty() {
            whole.is_of_row = false;
        }
        self.calls.push(routine.oid);
        let mut frame = Frame::of(routine, arguments);
        let mut returned: Vec<Rows> = Vec::new();
        for step in &body.steps {
            let outcome = {
                let scope = Scope::of(&frame);
                self.step(step, &scope, holds)
            };
            match (step, outcome) {
                (Step::Returned(_), Some(rows)) => returned.push(rows),
                (Step::Assigned { name, .. }, Some(rows)) => frame.assign(name, &rows),
                _ => {}
            }
        }
        self.calls.pop();
        if !body.steps.iter().any(|step| matches!(step, Step::Returned(_))) {
            // It gives back what it has left in its parameters.
            returned.push(frame.left());
        }
        whole = returned.iter().fold(whole, |mut whole, rows| {
            whole.depend_on(&rows.whole);
            whole
        });
        Rows { columns: Rows::merged(returned), whole }
    }

    fn step(&mut self, step: &Step, scope: &Scope<'_, 'c>, holds: Option<bool>) -> Option<Rows> {
        match (step, holds) {
            (Step::Condition(expr), _) => {
                self.either_way(expr, scope);
                None
            }
            (Step::Returned(expr), Some(holds)) => {
                self.condition(expr, scope, holds);
                None
            }
            (Step::Returned(expr) | Step::Assigned { value: expr, .. }, _) => {
                Some(self.shown(expr, scope))
            }
            (Step::Evaluated(expr), _) => {
                self.value(expr, scope, true);
                None
            }
        }
    }

    /// The rows that an expression shows: of a query, or a single value.
    fn shown(&mut self, expr: &Expr, scope: &Scope<'_, 'c>) -> Rows {
        match expr {
            Expr::Select(select) => self.select(select, scope, true),
            Expr::Call(call) => self.called_rows(call, scope, true),
            _ => {
                let value = self.value(expr, scope, true);
                let whole = Value::made_of([&value]);
                Rows { columns: vec![(None, value)], whole }
            }
        }
    }

    /// What a call shows as a table.
    fn called_rows(&mut self, call: &Call, scope: &Scope<'_, 'c>, holds: bool) -> Rows {
        let routines = self.routines(call, scope);
        let Some(routine) = routines.first() else {
            let value = self.call(call, scope, holds);
            let whole = Value::made_of([&value]);
            return Rows { columns: vec![(None, value)], whole };
        };
        let arguments = self.arguments(call, routine, scope, holds);
        self.run(routine, arguments, None)
    }

    pub(super) fn select(&mut self, select: &Select, outer: &Scope<'_, 'c>, holds: bool) -> Rows {
        let nothing = Rows { columns: Vec::new(), whole: Value::constant(Meaning::Other) };
        self.look(nothing, |reader| reader.query(select, outer, holds))
    }

    fn query(&mut self, select: &Select, outer: &Scope<'_, 'c>, holds: bool) -> Rows {
        let mut whole = Value::constant(Meaning::Other);
        let mut scope = Scope::inside(outer);
        for (name, query) in &select.with {
            let rows = self.select(query, &scope, holds);
            scope.with.push((name.clone(), rows));
        }
        for source in &select.from {
            let bound = self.bound(source, &scope, holds);
            match &bound.what {
                What::Rows(rows) => whole.depend_on(&rows.whole),
                What::Relation { reading, .. } => {
                    whole.reads.insert(*reading);
                }
                What::Own | What::Unknown => {}
            }
            scope.sources.push(bound);
        }
        for expr in select.conditions.iter().chain(&select.rest) {
            // A query by itself relates what it reads; whether that is the row is for who asks it.
            let value = self.value(expr, &scope, holds);
            self.note_flag(&value);
            whole.depend_on(&value);
        }
        let mut columns = Vec::new();
        for target in &select.targets {
            match &target.value {
                Expr::AllOf(name) => columns.extend(scope.all_of(name.as_ref(), self.catalog)),
                expr => {
                    let value = self.value(expr, &scope, holds);
                    columns.push((target.name.clone().or_else(|| name_of(expr)), value));
                }
            }
        }
        let values = columns.iter().map(|(_, value)| value);
        whole.depend_on(&Value::made_of(values));
        let mut all = vec![Rows { columns, whole: whole.clone() }];
        for other in &select.others {
            let rows = self.select(other, outer, holds);
            whole.depend_on(&rows.whole);
            all.push(rows);
        }
        self.note_reads(&whole);
        Rows { columns: Rows::merged(all), whole }
    }

    fn bound(&mut self, source: &Source, scope: &Scope<'_, 'c>, holds: bool) -> Bound {
        let what = match &source.what {
            SourceKind::Relation(name) => self.relation(name, scope),
            SourceKind::Select(select) => What::Rows(self.select(select, scope, holds)),
            SourceKind::Value(expr) => match expr {
                Expr::Call(call) => What::Rows(self.called_rows(call, scope, holds)),
                _ => What::Rows(self.shown(expr, scope)),
            },
        };
        let what = match what {
            What::Rows(mut rows) => {
                for (column, name) in rows.columns.iter_mut().zip(&source.columns) {
                    column.0 = Some(name.clone());
                }
                What::Rows(rows)
            }
            other => other,
        };
        Bound { name: source.name().map(str::to_owned), what }
    }

    /// What a relation's name stands for: a query of `with`, or a relation of the catalog.
    fn relation(&mut self, name: &Name, scope: &Scope<'_, 'c>) -> What {
        if let (None, Some(rows)) = (name.qualifier(), scope.with_query(name.last())) {
            return What::Rows(rows.clone());
        }
        match self.catalog.named_by(name, scope.frame.routine) {
            Some(relation) if relation.is_view() => What::Rows(self.view(relation)),
            Some(relation) => {
                self.readings += 1;
                What::Relation { reading: self.readings, relation: relation.oid }
            }
            None => What::Unknown,
        }
    }

    /// What a view shows, by the names of its columns; one that cannot be read may show anything.
    fn view(&mut self, view: &'c Relation) -> Rows {
        let tree = view.definition.as_ref().and_then(|view| view.definition.tree.as_ref().ok());
        let Some(tree) = tree else {
            return Rows { columns: Vec::new(), whole: Value::asking(Meaning::Other) };
        };
        let frame = Frame::default();
        let mut rows = self.select(tree, &Scope::of(&frame), true);
        for (shown, column) in rows.columns.iter_mut().zip(&view.columns) {
            shown.0 = Some(column.name.clone());
        }
        rows
    }
}

/// The name under which an expression is shown, where none is given to it.
fn name_of(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Name(name) => Some(name.last().to_owned()),
        Expr::Call(call) => Some(call.name.last().to_owned()),
        Expr::Field { name, .. } => Some(name.clone()),
        Expr::Cast { of, .. } => name_of(of),
        _ => None,
    }
}
