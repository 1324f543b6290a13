//! What the names in a policy, or in a routine that it calls, stand for. Pure.

use std::collections::BTreeMap;

use crate::catalog::Catalog;
use crate::catalog::relation::Relation;
use crate::catalog::routine::Routine;
use crate::names::Oid;
use crate::sql::expr::Name;
use crate::tenancy::meaning::{Meaning, Value};

/// What a routine was handed, and its variables.
#[derive(Default)]
pub(super) struct Frame<'c> {
    pub(super) routine: Option<&'c Routine>,
    pub(super) arguments: Vec<Value>,
    pub(super) variables: BTreeMap<String, Value>,
}

/// What names stand for at some place.
pub(super) struct Scope<'s, 'c> {
    pub(super) parent: Option<&'s Scope<'s, 'c>>,
    pub(super) with: Vec<(String, Rows)>,
    pub(super) sources: Vec<Bound>,
    pub(super) frame: &'s Frame<'c>,
}

pub(super) struct Bound {
    pub(super) name: Option<String>,
    pub(super) what: What,
}

#[derive(Clone)]
pub(super) enum What {
    /// The row that the policy judges.
    Own,
    Relation {
        reading: usize,
        relation: Oid,
    },
    Rows(Rows),
    Unknown,
}

/// What a query shows.
#[derive(Debug, Clone)]
pub(super) struct Rows {
    pub(super) columns: Vec<(Option<String>, Value)>,
    /// What it depends on in all.
    pub(super) whole: Value,
}

impl Rows {
    /// The rows of several queries, column by column.
    pub(super) fn merged(all: Vec<Self>) -> Vec<(Option<String>, Value)> {
        let mut all = all.into_iter();
        let Some(first) = all.next() else { return Vec::new() };
        let mut columns = first.columns;
        for (at, (_, value)) in all.flat_map(|rows| rows.columns.into_iter().enumerate()) {
            if let Some((_, known)) = columns.get_mut(at) {
                *known = Value::one_of(vec![known.clone(), value]);
            }
        }
        columns
    }

    /// The value in its first column.
    pub(super) fn value(&self) -> Value {
        let first = self.columns.first().map(|(_, value)| value.clone());
        let mut value = first.unwrap_or_else(|| Value::constant(Meaning::Other));
        value.depend_on(&self.whole);
        value
    }

    /// The column of a name; where nothing has it, one of all.
    pub(super) fn column(&self, name: &str) -> Value {
        let found = self.columns.iter().find(|(known, _)| known.as_deref() == Some(name));
        let mut value = match found {
            Some((_, value)) => value.clone(),
            None => Value::one_of(self.columns.iter().map(|(_, value)| value.clone()).collect()),
        };
        value.depend_on(&self.whole);
        value
    }
}

impl<'c> Frame<'c> {
    pub(super) fn of(routine: &'c Routine, arguments: Vec<Value>) -> Self {
        Self { routine: Some(routine), arguments, variables: BTreeMap::new() }
    }

    /// Gives a value to a variable, which may have others in other branches. A row keeps its columns.
    pub(super) fn assign(&mut self, name: &Name, rows: &Rows) {
        let mut add = |name: String, value: Value| {
            let known = self.variables.remove(&name);
            let value = Value::one_of(known.into_iter().chain([value]).collect());
            self.variables.insert(name, value);
        };
        let name = name.parts().join(".");
        if rows.columns.len() > 1 {
            for column in rows.columns.iter().filter_map(|(column, _)| column.as_ref()) {
                add(format!("{name}.{column}"), rows.column(column));
            }
        }
        add(name, rows.value());
    }

    /// What is left in the parameters and variables in the end: any of them may be an output, by its name.
    pub(super) fn left(&self) -> Rows {
        let whole = Value::made_of(self.variables.values());
        let named = self.variables.iter().map(|(name, value)| (Some(name.clone()), value.clone()));
        // Where there are several, nobody knows which of them is the value.
        let all = (self.variables.len() > 1).then(|| (None, whole.clone()));
        Rows { columns: all.into_iter().chain(named).collect(), whole }
    }

    /// The value of a parameter or variable; a field of one may have been set by itself.
    fn value(&self, name: &Name) -> Option<Value> {
        let of_routine =
            |first: &String| self.routine.is_some_and(|routine| routine.name.name() == first);
        let parts = match name.parts() {
            [first, rest @ ..] if !rest.is_empty() && of_routine(first) => rest,
            parts => parts,
        };
        if let Some(value) = self.variables.get(&parts.join(".")) {
            return Some(value.clone());
        }
        let (first, rest) = parts.split_first()?;
        let place = self.routine?.arguments.iter().position(|known| known == first);
        let argument = place.and_then(|at| self.arguments.get(at));
        let value = argument.or_else(|| self.variables.get(first))?.clone();
        match (rest, value.meaning) {
            ([], meaning) => Some(Value { meaning, ..value }),
            ([column], Meaning::Row) => Some(Value::of_row(Meaning::Own(column.clone()))),
            _ => Some(Value { meaning: Meaning::Other, ..value }),
        }
    }
}

impl<'s, 'c> Scope<'s, 'c> {
    /// The outermost scope of a policy or routine.
    pub(super) fn of(frame: &'s Frame<'c>) -> Self {
        Self { parent: None, with: Vec::new(), sources: Vec::new(), frame }
    }

    /// The scope of a query inside another.
    pub(super) fn inside(outer: &'s Self) -> Self {
        Self { parent: Some(outer), with: Vec::new(), sources: Vec::new(), frame: outer.frame }
    }

    /// The scopes from the innermost on.
    fn outwards(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |scope| scope.parent)
    }

    pub(super) fn with_query(&self, name: &str) -> Option<&Rows> {
        let mut queries = self.outwards().flat_map(|scope| scope.with.iter().rev());
        queries.find(|(known, _)| known == name).map(|(_, rows)| rows)
    }

    /// What a name stands for.
    pub(super) fn value(&self, name: &Name, catalog: &Catalog, own: &Relation) -> Value {
        let column = name.last();
        let in_query = match name.qualifier() {
            Some(table) => self.source(table).map(|source| source.column(column, catalog, own)),
            None => self.outwards().find_map(|scope| {
                let mut sources = scope.sources.iter();
                sources.find_map(|source| source.known_column(column, catalog, own))
            }),
        };
        let row = || match name.qualifier() {
            None => self.source(column).map(Bound::row),
            Some(_) => None,
        };
        let other = || Value::constant(Meaning::Other);
        in_query.or_else(|| self.frame.value(name)).or_else(row).unwrap_or_else(other)
    }

    fn source(&self, name: &str) -> Option<&Bound> {
        let mut sources = self.outwards().flat_map(|scope| &scope.sources);
        sources.find(|source| source.name.as_deref() == Some(name))
    }

    /// What `t.*` or `*` shows.
    pub(super) fn all_of(
        &self,
        table: Option<&Name>,
        catalog: &Catalog,
    ) -> Vec<(Option<String>, Value)> {
        match table {
            Some(table) => {
                self.source(table.last()).map_or(Vec::new(), |source| source.columns(catalog))
            }
            None => self.sources.iter().flat_map(|source| source.columns(catalog)).collect(),
        }
    }

    /// The row of a table as one value.
    pub(super) fn row(&self, table: &str) -> Value {
        self.source(table).map_or_else(|| Value::constant(Meaning::Other), Bound::row)
    }
}

impl Bound {
    /// A column under the name of its table.
    fn column(&self, column: &str, catalog: &Catalog, own: &Relation) -> Value {
        let known = self.known_column(column, catalog, own);
        known.unwrap_or_else(|| match &self.what {
            What::Rows(rows) => rows.column(column),
            What::Own => Value::of_row(Meaning::Other),
            What::Relation { .. } | What::Unknown => Value::constant(Meaning::Other),
        })
    }

    /// A column, where it is known to be one.
    fn known_column(&self, column: &str, catalog: &Catalog, own: &Relation) -> Option<Value> {
        match &self.what {
            What::Own => {
                own.column(column)?;
                Some(Value::of_row(Meaning::Own(column.to_owned())))
            }
            What::Relation { reading, relation } => {
                catalog.relation(*relation)?.column(column)?;
                let (reading, relation, column) = (*reading, *relation, column.to_owned());
                Some(Value::read(reading, relation, column))
            }
            What::Rows(rows) => {
                let is_it =
                    |(known, _): &&(Option<String>, Value)| known.as_deref() == Some(column);
                rows.columns.iter().find(is_it).map(|_| rows.column(column)).or_else(|| {
                    // A function that shows one value is a table of one column by its own name.
                    (self.name.as_deref() == Some(column)).then(|| rows.value())
                })
            }
            What::Unknown => None,
        }
    }

    fn columns(&self, catalog: &Catalog) -> Vec<(Option<String>, Value)> {
        match &self.what {
            What::Rows(rows) => rows.columns.clone(),
            What::Relation { reading, relation } => {
                let columns = catalog.relation(*relation).map(|relation| &relation.columns);
                let columns = columns.into_iter().flatten().map(|column| {
                    let (reading, relation) = (*reading, *relation);
                    let read = Value::read(reading, relation, column.name.clone());
                    (Some(column.name.clone()), read)
                });
                columns.collect()
            }
            What::Own => vec![(None, Value::of_row(Meaning::Row))],
            What::Unknown => Vec::new(),
        }
    }

    fn row(&self) -> Value {
        match &self.what {
            What::Own => Value::of_row(Meaning::Row),
            What::Rows(rows) => rows.value(),
            What::Relation { .. } | What::Unknown => Value::constant(Meaning::Other),
        }
    }
}
