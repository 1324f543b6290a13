//! The parser's tree of a query made into ours; an `insert`, `update` or `delete` is the query of what
//! it reads. Pure.

use squawk_syntax::ast::{self, AstNode};
use squawk_syntax::{SyntaxKind, SyntaxNode};

use crate::sql::convert::{Converter, folded, is_query};
use crate::sql::expr::{Expr, Name, Select, Source, SourceKind, Target};

impl Converter {
    pub(super) fn select(&mut self, node: &SyntaxNode) -> Select {
        self.deeper(Select::default, |c| match node.kind() {
            SyntaxKind::COMPOUND_SELECT => c.compound(node),
            SyntaxKind::PAREN_SELECT | SyntaxKind::PAREN_EXPR => c.in_parentheses(node),
            SyntaxKind::VALUES => c.values(node),
            _ => c.plain(node),
        })
    }

    fn plain(&mut self, node: &SyntaxNode) -> Select {
        let mut select = Select::default();
        for child in node.children() {
            self.add_clause(&mut select, &child);
        }
        // `table x` shows all of it.
        if node.kind() == SyntaxKind::TABLE {
            select.targets.push(Target { value: Expr::AllOf(None), name: None });
        }
        select
    }

    fn add_clause(&mut self, select: &mut Select, clause: &SyntaxNode) {
        match clause.kind() {
            SyntaxKind::WITH_CLAUSE => select.with.extend(self.with(clause)),
            SyntaxKind::SELECT_CLAUSE | SyntaxKind::RETURNING_CLAUSE => {
                for child in clause.children() {
                    self.add_clause(select, &child);
                }
            }
            SyntaxKind::TARGET_LIST => select.targets.extend(self.targets(clause)),
            SyntaxKind::FROM_CLAUSE | SyntaxKind::USING_CLAUSE => {
                for item in clause.children().filter_map(ast::FromListItem::cast) {
                    self.add_source(select, &item);
                }
            }
            SyntaxKind::WHERE_CLAUSE => select.conditions.extend(self.inside(clause)),
            SyntaxKind::RELATION_NAME | SyntaxKind::RELATION_NAME_REF => {
                let what = SourceKind::Relation(relation_name(clause));
                let alias = clause.next_sibling().filter(is_alias).and_then(|a| alias_name(&a));
                select.from.push(Source { what, alias, columns: Vec::new() });
            }
            _ => select.rest.extend(self.node(clause)),
        }
    }

    fn with(&mut self, clause: &SyntaxNode) -> Vec<(String, Select)> {
        let tables = clause.children().filter_map(ast::WithTable::cast);
        let tables = tables.filter_map(|table| {
            let name = table.name().map(|name| folded(name.syntax()))?;
            Some((name, self.select(table.query()?.syntax())))
        });
        tables.collect()
    }

    fn targets(&mut self, list: &SyntaxNode) -> Vec<Target> {
        let targets = list.children().filter_map(ast::Target::cast).map(|target| {
            let value = match target.expr() {
                Some(expr) => self.expr(&expr),
                None => Expr::AllOf(None),
            };
            let name = target.as_name().and_then(|name| name.name());
            Target { value, name: name.map(|name| folded(name.syntax())) }
        });
        targets.collect()
    }

    fn compound(&mut self, node: &SyntaxNode) -> Select {
        let mut sides = Vec::new();
        let mut rest = Vec::new();
        for child in node.children() {
            match ast::CompoundSelectOperand::can_cast(child.kind()) {
                true => sides.push(self.select(&child)),
                false => rest.extend(self.node(&child)),
            }
        }
        let mut sides = sides.into_iter();
        let mut select = sides.next().unwrap_or_default();
        select.others.extend(sides);
        select.rest.extend(rest);
        select
    }

    fn in_parentheses(&mut self, node: &SyntaxNode) -> Select {
        let is_inner =
            |child: &SyntaxNode| is_query(child) || ast::ParenExpr::can_cast(child.kind());
        let inner = node.children().find(is_inner);
        let mut select = inner.as_ref().map(|inner| self.select(inner)).unwrap_or_default();
        for child in node.children().filter(|child| Some(child) != inner.as_ref()) {
            self.add_clause(&mut select, &child);
        }
        select
    }

    fn values(&mut self, node: &SyntaxNode) -> Select {
        let rows = node.children().filter(|child| child.kind() == SyntaxKind::ROW_LIST);
        let rows: Vec<SyntaxNode> = rows.flat_map(|list| list.children()).collect();
        let mut rows = rows.iter().map(|row| {
            let values = self.inside(row).into_iter();
            let targets = values.map(|value| Target { value, name: None }).collect();
            Select { targets, ..Select::default() }
        });
        let mut select = rows.next().unwrap_or_default();
        select.others = rows.collect();
        for child in node.children().filter(|child| child.kind() != SyntaxKind::ROW_LIST) {
            self.add_clause(&mut select, &child);
        }
        select
    }

    fn add_source(&mut self, select: &mut Select, item: &ast::FromListItem) {
        self.deeper(
            || (),
            |c| match item {
                ast::FromListItem::JoinExpr(join) => c.add_join(select, join),
                ast::FromListItem::FromItem(item) => c.add_item(select, item),
            },
        );
    }

    fn add_join(&mut self, select: &mut Select, expr: &ast::JoinExpr) {
        if let Some(left) = expr.from_list_item() {
            self.add_source(select, &left);
        }
        let Some(join) = expr.join() else { return };
        let before = select.from.last().and_then(Source::name).map(str::to_owned);
        if let Some(right) = join.from_list_item() {
            self.add_source(select, &right);
        }
        let after = select.from.last().and_then(Source::name).map(str::to_owned);
        match join.join_condition() {
            Some(ast::JoinCondition::OnClause(on)) => {
                select.conditions.extend(self.inside(on.syntax()));
            }
            Some(ast::JoinCondition::JoinUsingClause(using)) => {
                let list = using.column_ref_list();
                let names = list.iter().flat_map(|list| list.syntax().children());
                for name in names.map(|node| folded(&node)) {
                    let side = |table: &Option<String>| column_of(table.as_deref(), &name);
                    select.conditions.push(Expr::binary("=", side(&before), side(&after)));
                }
            }
            None => {}
        }
    }

    fn add_item(&mut self, select: &mut Select, item: &ast::FromItem) {
        let node = item.syntax();
        let what = match item {
            ast::FromItem::RelationFromItem(relation) => {
                let name = relation.relation_name_ref();
                SourceKind::Relation(name.map_or(Name::of(Vec::new()), |n| path(n.syntax())))
            }
            ast::FromItem::ParenFromItem(parens) => match inner_query(parens) {
                Some(query) => SourceKind::Select(Box::new(self.select(&query))),
                None => return self.add_parentheses(select, parens),
            },
            _ => {
                let mut values = self.inside(node);
                let value = match values.len() {
                    1 => values.remove(0),
                    _ => Expr::Other(values),
                };
                SourceKind::Value(value)
            }
        };
        let alias = node.children().find(is_alias);
        let columns = alias.iter().flat_map(|alias| alias.descendants());
        let columns = columns.filter(|node| node.kind() == SyntaxKind::COLUMN_NAME);
        let columns = columns.map(|node| folded(&node)).collect();
        let alias = alias.as_ref().and_then(alias_name);
        select.from.push(Source { what, alias, columns });
    }

    /// Parentheses around joined tables.
    fn add_parentheses(&mut self, select: &mut Select, parens: &ast::ParenFromItem) {
        let inner = parens.paren_expr().and_then(|inner| inner.from_list_item());
        match inner {
            Some(item) => self.add_source(select, &item),
            None => select.rest.extend(self.inside(parens.syntax())),
        }
    }
}

fn inner_query(parens: &ast::ParenFromItem) -> Option<SyntaxNode> {
    let select = parens.paren_select().map(|select| select.syntax().clone());
    select.or_else(|| parens.paren_expr()?.syntax().children().find(is_query))
}

fn column_of(table: Option<&str>, column: &str) -> Expr {
    Expr::Name(Name::of(table.into_iter().chain([column]).map(str::to_owned).collect()))
}

pub(super) fn is_alias(node: &SyntaxNode) -> bool {
    matches!(
        node.kind(),
        SyntaxKind::FROM_ALIAS | SyntaxKind::REQUIRED_AS_ALIAS | SyntaxKind::OPTIONAL_AS_ALIAS
    )
}

pub(super) fn alias_name(alias: &SyntaxNode) -> Option<String> {
    alias.children().find(|node| node.kind() == SyntaxKind::TABLE_ALIAS).map(|node| folded(&node))
}

/// The name in `only schema.table`.
fn relation_name(node: &SyntaxNode) -> Name {
    let inner = node.descendants().find(|node| node.kind() == SyntaxKind::PATH_REF);
    inner.map_or(Name::of(Vec::new()), |inner| path(&inner))
}

/// The parts of a dotted name.
pub(super) fn path(node: &SyntaxNode) -> Name {
    let parts = node.descendants().filter(|n| n.kind() == SyntaxKind::PATH_SEGMENT_REF);
    Name::of(parts.map(|part| folded(&part)).collect())
}
