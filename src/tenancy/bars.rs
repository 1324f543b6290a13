//! Tables whose rows keep somebody from others, such as bans: policies ask that no row of theirs is there. In a
//! world that has a row of everybody in each table, nobody would be let through. Pure.

use std::collections::BTreeSet;

use crate::catalog::Catalog;
use crate::catalog::relation::Relation;
use crate::catalog::routine::Routine;
use crate::names::Oid;
use crate::sql::expr::{Expr, Literal, Name, Select};
use crate::tenancy::{Ownership, Tenancy};

impl Tenancy {
    /// The tables whose rows keep people from those of a relation, such as bans. That of the members is none, and
    /// neither is one to which rows of the relation refer.
    pub(crate) fn bars(&self, catalog: &Catalog, relation: &Relation) -> BTreeSet<Oid> {
        let mut bars = bars(catalog, relation);
        let members = self.members.as_ref().map(|members| members.relation);
        let roots = self.tenant.iter().chain([&self.users]).map(|root| root.relation);
        let Ownership { tenant, user } = self.ownership(relation.oid);
        let paths = [tenant, user].into_iter().flatten().flat_map(|path| &path.edges);
        let parents = relation.foreign_keys.iter().chain(paths).map(|key| key.target);
        for oid in roots.chain(members).chain(parents) {
            bars.remove(&oid);
        }
        bars
    }
}

/// The tables of which the policies of a relation, or what they call, want no row and never one.
fn bars(catalog: &Catalog, relation: &Relation) -> BTreeSet<Oid> {
    let mut read =
        Read { catalog, wanted: BTreeSet::new(), unwanted: BTreeSet::new(), seen: Vec::new() };
    for tree in relation.policies.iter().flat_map(|policy| policy.trees()) {
        read.expr(tree, None, true);
    }
    let is_table = |oid: &&Oid| catalog.relation(**oid).is_some_and(Relation::is_table);
    let unwanted = read.unwanted.difference(&read.wanted).filter(is_table).copied();
    unwanted.filter(|oid| *oid != relation.oid).collect()
}

/// What is read, by whether rows of it let somebody through or keep them.
struct Read<'c> {
    catalog: &'c Catalog,
    wanted: BTreeSet<Oid>,
    unwanted: BTreeSet<Oid>,
    /// The routines that were looked into, each with what for.
    seen: Vec<(Oid, bool)>,
}

impl Read<'_> {
    /// `is_wanted` says whether it helps that this is true.
    fn expr(&mut self, expr: &Expr, within: Option<&Routine>, is_wanted: bool) {
        match expr {
            Expr::Not(of) => return self.expr(of, within, !is_wanted),
            Expr::Is { of, what, negated } => {
                let is_turned = matches!(what.as_str(), "null" | "false") != *negated;
                return self.expr(of, within, is_wanted != is_turned);
            }
            Expr::InSelect { of, select, negated } => {
                self.expr(of, within, is_wanted);
                return self.select(select, within, is_wanted != *negated);
            }
            Expr::Quantified { left, operator, is_all, right } => {
                self.expr(left, within, is_wanted);
                return self.expr(right, within, is_wanted != (*is_all && operator == "<>"));
            }
            Expr::Binary { operator, left, right, .. } if operator == "=" => {
                let is_turned = [left, right].into_iter().any(|side| is_nothing(side));
                self.expr(left, within, is_wanted != is_turned);
                return self.expr(right, within, is_wanted != is_turned);
            }
            Expr::Call(call) => {
                for routine in self.catalog.routines.called(call, within) {
                    if !self.seen.contains(&(routine.oid, is_wanted)) {
                        self.seen.push((routine.oid, is_wanted));
                        for step in &routine.body().steps {
                            self.expr(step.expr(), Some(routine), is_wanted);
                        }
                    }
                }
            }
            _ => {}
        }
        let (expressions, selects) = expr.below();
        expressions.into_iter().for_each(|one| self.expr(one, within, is_wanted));
        selects.into_iter().for_each(|one| self.select(one, within, is_wanted));
    }

    fn select(&mut self, select: &Select, within: Option<&Routine>, is_wanted: bool) {
        let named = select.from.iter().filter_map(|source| source.relation());
        let oid = |name: &Name| Some(self.catalog.named_by(name, within)?.oid);
        let oids: Vec<Oid> = named.filter_map(oid).collect();
        if is_wanted { &mut self.wanted } else { &mut self.unwanted }.extend(oids);
        select.expressions().for_each(|one| self.expr(one, within, is_wanted));
        select.selects().for_each(|one| self.select(one, within, is_wanted));
    }
}

/// Whether it is what a count or a question gives where there is no row.
fn is_nothing(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(Literal::Bool(value)) => !value,
        Expr::Literal(Literal::Number(number)) => number == "0",
        Expr::Cast { of, .. } => is_nothing(of),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tenancy::sample::{Function, Table, catalog_of};

    #[test]
    fn what_keeps_somebody_is_told_from_what_lets_them_through() {
        let banned: Function<'_> = (
            "public.banned",
            &["wanted"],
            "sql",
            "select exists (select from bans b where b.person = auth.uid() and b.place = wanted)",
        );
        for (policy, is_bar) in [
            ("not exists (select from bans b where b.person = auth.uid())", true),
            ("exists (select from bans b where b.person = auth.uid())", false),
            ("not banned(place)", true),
            ("banned(place)", false),
            ("banned(place) is not true", true),
            ("banned(place) = false", true),
            ("(select count(*) from bans b where b.person = auth.uid()) = 0", true),
            ("place not in (select b.place from bans b)", true),
            ("place in (select b.place from bans b)", false),
            ("not (place in (select b.place from bans b) and not banned(place))", false),
            ("place <> all (select b.place from bans b)", true),
            ("not exists (select from posts p where p.id <> id)", false),
        ] {
            let table = |name: &'static str| Table { name, ..Table::default() };
            let bans = Table { columns: &["id", "person", "place"], ..table("bans") };
            let policies = &[policy];
            let posts = Table { columns: &["id", "place"], policies, ..table("posts") };
            let catalog = catalog_of(&[bans, posts], &[banned]);
            let relation = catalog.relation(2).expect("posts");
            let found: Vec<Oid> = bars(&catalog, relation).into_iter().collect();
            assert_eq!(found == [1], is_bar, "{policy}: {found:?}");
        }
    }
}
