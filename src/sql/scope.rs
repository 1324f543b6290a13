//! Which columns of a relation a tree names, told by the rules of the server: what a query reads hides
//! what is around it. Pure.

use std::collections::BTreeSet;

use crate::sql::expr::{Expr, Name, Select};

/// What a tree names of a relation.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Named {
    pub columns: BTreeSet<String>,
    /// Whether it takes the row as a whole.
    pub is_whole: bool,
}

/// What the expression of a policy names of the row that it judges. What its queries read of the same
/// relation is another row.
pub(crate) fn named_in_policy(expr: &Expr, relation: &str) -> Named {
    let mut walk = Walk { is_it: &|_| false, scopes: Vec::new(), named: Named::default() };
    walk.scopes.push(vec![(Some(relation.to_owned()), true)]);
    walk.expr(expr);
    walk.named
}

/// The conditions of a query, and of the queries in it, that name a column of a relation they read.
pub(crate) fn conditions_about<'s>(
    select: &'s Select,
    is_it: &dyn Fn(&Name) -> bool,
    column: &str,
) -> Vec<&'s Expr> {
    let mut found = Vec::new();
    let mut walk = Walk { is_it, scopes: Vec::new(), named: Named::default() };
    walk.conditions(select, column, &mut found);
    found
}

/// Walks through a tree with what is in scope, the innermost last: by which name, and whether it is the
/// relation.
struct Walk<'w> {
    is_it: &'w dyn Fn(&Name) -> bool,
    scopes: Vec<Vec<(Option<String>, bool)>>,
    named: Named,
}

impl Walk<'_> {
    fn expr(&mut self, expr: &Expr) {
        match expr {
            Expr::Name(name) => self.name(name),
            Expr::AllOf(Some(name)) => self.named.is_whole |= self.is_row(name.last()),
            Expr::AllOf(None) => {
                let scope = self.scopes.last().into_iter().flatten();
                self.named.is_whole |= scope.into_iter().any(|(_, is_it)| *is_it);
            }
            _ => {
                let (expressions, selects) = expr.below();
                expressions.into_iter().for_each(|expression| self.expr(expression));
                selects.into_iter().for_each(|select| self.select(select));
            }
        }
    }

    fn name(&mut self, name: &Name) {
        let column = name.last();
        match name.qualifier() {
            Some(qualifier) if self.is_row(qualifier) => {
                self.named.columns.insert(column.to_owned());
            }
            Some(_) => {}
            None => {
                // A column comes before a row of that name.
                self.named.is_whole |= self.is_row(column);
                // Without a name before it, it is of the innermost query that reads something.
                let scope = self.scopes.iter().rev().find(|scope| !scope.is_empty());
                if scope.is_some_and(|scope| scope.iter().any(|(_, is_it)| *is_it)) {
                    self.named.columns.insert(column.to_owned());
                }
            }
        }
    }

    /// Whether a name stands for the relation where it is used.
    fn is_row(&self, name: &str) -> bool {
        let mut scopes = self.scopes.iter().rev().flatten();
        scopes.find(|(known, _)| known.as_deref() == Some(name)).is_some_and(|(_, is_it)| *is_it)
    }

    fn enter(&mut self, select: &Select) {
        let scope = select.from.iter().map(|source| {
            let is_it = source.relation().is_some_and(|name| (self.is_it)(name));
            (source.name().map(str::to_owned), is_it)
        });
        let scope = scope.collect();
        self.scopes.push(scope);
    }

    fn select(&mut self, select: &Select) {
        self.enter(select);
        select.expressions().for_each(|expression| self.expr(expression));
        select.selects().for_each(|inner| self.select(inner));
        self.scopes.pop();
    }

    fn conditions<'s>(&mut self, select: &'s Select, column: &str, found: &mut Vec<&'s Expr>) {
        self.enter(select);
        for leaf in select.conditions.iter().flat_map(Expr::leaves) {
            self.named = Named::default();
            self.expr(leaf);
            if self.named.columns.contains(column) {
                found.push(leaf);
            }
        }
        select.selects().for_each(|inner| self.conditions(inner, column, found));
        self.scopes.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::sketch::sketch;
    use crate::sql::syntax::{read_expr, read_select};

    fn shown(named: &Named) -> String {
        let columns: Vec<&str> = named.columns.iter().map(String::as_str).collect();
        let whole = if named.is_whole { "*" } else { "" };
        format!("{}{whole}", columns.join(" "))
    }

    #[test]
    fn of_a_policy() {
        for (text, names) in [
            ("(auth.uid() = keeper)", "keeper"),
            ("private.can(docs.*)", "*"),
            ("(docs IS NOT NULL)", "docs*"),
            (
                "(EXISTS ( SELECT 1 FROM m WHERE ((m.org = docs.org) AND (m.kind = 'a'::text))))",
                "org",
            ),
            ("(EXISTS ( SELECT 1 FROM docs docs_1 WHERE (docs_1.id = docs.parent)))", "parent"),
            ("(( SELECT docs.keeper) = auth.uid())", "keeper"),
            ("(( SELECT x.a FROM ( SELECT docs.b AS a) x) = c)", "b c"),
            ("(EXISTS ( SELECT count(*) AS count FROM m))", ""),
            ("((status = 'keeper'::text) AND (\"Odd Name\" IS NULL))", "Odd Name status"),
        ] {
            let expr = read_expr(text).unwrap();
            assert_eq!(shown(&named_in_policy(&expr, "docs")), names, "{text}");
        }
    }

    #[test]
    fn of_the_conditions_of_a_view() {
        for (text, about) in [
            (
                "SELECT docs.id FROM docs WHERE (docs.status = 'a'::text)",
                "=(docs.status, 'a'::text)",
            ),
            ("SELECT status FROM docs WHERE (id = 1)", ""),
            ("SELECT id FROM docs WHERE ((id = 1) OR (NOT (status = 'a')))", "=(status, 'a')"),
            ("SELECT d.id FROM (docs d JOIN m ON ((m.id = d.status)))", "=(m.id, d.status)"),
            ("SELECT x.id FROM ( SELECT d.id FROM docs d WHERE d.status) x WHERE x.b", "d.status"),
            ("SELECT m.id FROM m WHERE (m.status = 'a'::text)", ""),
        ] {
            let select = read_select(text).unwrap();
            let found = conditions_about(&select, &|name| name.last() == "docs", "status");
            let found: Vec<String> = found.into_iter().map(sketch).collect();
            assert_eq!(found.join(" "), about, "{text}");
        }
    }
}
