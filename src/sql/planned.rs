//! What the statements of a file say they do to rows: the expressions by which values of after come of those
//! of before. Pure.

use squawk_syntax::ast::{self, AstNode};

use crate::sql::convert::folded;
use crate::sql::expr::Unread;
use crate::sql::quote::{fold, identifier, qualified};
use crate::sql::statement::{line_of, raw_words, split, words};
use crate::sql::syntax::parsed;

/// A statement, and the line on which it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Planned {
    pub line: usize,
    pub change: Change,
}

/// What it does. Names of columns are folded and without quotes; expressions and queries are as they stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    Update {
        table: Named,
        alias: Option<String>,
        /// Whether it reads other tables beside.
        is_joined: bool,
        /// Columns and their new values; none for `default` and for what is set together.
        sets: Vec<(String, Option<String>)>,
        condition: Option<String>,
    },
    Delete {
        table: Named,
        alias: Option<String>,
        is_joined: bool,
        condition: Option<String>,
    },
    Retype {
        table: Named,
        column: String,
        type_name: String,
        using: Option<String>,
    },
    /// `insert into ... select`, or `create table ... as`, where no column is named.
    Copy {
        into: Named,
        columns: Vec<String>,
        query: String,
        /// Whether some rows may be left out, since they are there already.
        may_skip: bool,
    },
    Rename {
        table: Named,
        to: String,
    },
}

/// A table as a file names it, folded and without quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    pub schema: Option<String>,
    pub name: String,
}

impl Named {
    /// As statements need it.
    pub(crate) fn sql(&self) -> String {
        match &self.schema {
            Some(schema) => qualified(schema, &self.name),
            None => identifier(&self.name),
        }
    }
}

/// Reads the statements that can be read, in order; what is in blocks and functions is left out.
pub(crate) fn planned(file: &str) -> Vec<Planned> {
    let mut all = Vec::new();
    for statement in split(file) {
        let first = words(statement.text).next().unwrap_or_default();
        if !["update", "delete", "insert", "create", "alter"].contains(&first.as_str()) {
            continue;
        }
        let line = line_of(file, statement.first_word);
        let changes = read(statement.text).unwrap_or_default();
        all.extend(changes.into_iter().map(|change| Planned { line, change }));
    }
    all
}

fn read(text: &str) -> Result<Vec<Change>, Unread> {
    parsed(text, |file| {
        if let Some(error) = file.errors.first() {
            return Err(Unread { why: error.clone() });
        }
        let mut changes = Vec::new();
        for node in file.root.children() {
            if let Some(update) = ast::Update::cast(node.clone()) {
                changes.extend(of_update(&update));
            } else if let Some(delete) = ast::Delete::cast(node.clone()) {
                changes.extend(of_delete(&delete));
            } else if let Some(insert) = ast::Insert::cast(node.clone()) {
                changes.extend(of_insert(&insert));
            } else if let Some(create) = ast::CreateTableAs::cast(node.clone()) {
                changes.extend(of_create(&create));
            } else if let Some(alter) = ast::AlterTable::cast(node) {
                changes.extend(of_alter(&alter));
            }
        }
        Ok(changes)
    })
}

fn of_update(update: &ast::Update) -> Option<Change> {
    let mut sets = Vec::new();
    for set in update.set_clause()?.set_column_list()?.set_columns() {
        match set {
            ast::SetColumn::SetSingleColumn(one) => {
                let value = one.set_expr().and_then(|value| value.expr());
                sets.push((name_of(&one.column_target()?), value.map(|value| text_of(&value))));
            }
            ast::SetColumn::SetMultipleColumns(several) => {
                let targets = several.column_target_list()?;
                sets.extend(targets.column_targets().map(|target| (name_of(&target), None)));
            }
        }
    }
    Some(Change::Update {
        table: table_of(&update.relation_name()?)?,
        alias: update.alias().and_then(|alias| Some(name_of(&alias.name()?))),
        is_joined: update.from_clause().is_some() || update.with_clause().is_some(),
        sets,
        condition: condition_of(update.where_clause_or_current_of())?,
    })
}

fn of_delete(delete: &ast::Delete) -> Option<Change> {
    Some(Change::Delete {
        table: table_of(&delete.relation_name()?)?,
        alias: delete.alias().and_then(|alias| Some(name_of(&alias.name()?))),
        is_joined: delete.using_clause().is_some() || delete.with_clause().is_some(),
        condition: condition_of(delete.where_clause_or_current_of())?,
    })
}

/// The condition, if there is one; none at all for `where current of`.
fn condition_of(clause: Option<ast::WhereClauseOrCurrentOf>) -> Option<Option<String>> {
    match clause {
        None => Some(None),
        Some(ast::WhereClauseOrCurrentOf::WhereClause(clause)) => {
            Some(clause.expr().map(|expr| text_of(&expr)))
        }
        Some(ast::WhereClauseOrCurrentOf::WhereCurrentOf(_)) => None,
    }
}

fn of_insert(insert: &ast::Insert) -> Option<Change> {
    let ast::InsertSource::SelectVariant(query) = insert.insert_source()? else { return None };
    let query = text_of(&query);
    if words(&query).next().is_none_or(|word| word == "values") || insert.with_clause().is_some() {
        return None;
    }
    let targets = insert.column_target_list();
    let targets = targets.iter().flat_map(|list| list.column_targets());
    Some(Change::Copy {
        into: table_of(&insert.relation_name_ref()?)?,
        columns: targets.map(|target| name_of(&target)).collect(),
        query,
        may_skip: insert.on_conflict_clause().is_some(),
    })
}

fn of_create(create: &ast::CreateTableAs) -> Option<Change> {
    let ast::CreateTableAsQuery::SelectVariant(query) = create.query()? else { return None };
    let into = table_of(&create.table_name()?)?;
    Some(Change::Copy { into, columns: Vec::new(), query: text_of(&query), may_skip: false })
}

fn of_alter(alter: &ast::AlterTable) -> Vec<Change> {
    let name = alter.table_relation_name().and_then(|name| name.table_name_ref());
    let Some(table) = name.and_then(|name| table_of(&name)) else { return Vec::new() };
    let change = |action| match action {
        ast::AlterTableAction::AlterColumn(alter) => {
            let ast::AlterColumnOption::SetType(set) = alter.option()? else { return None };
            Some(Change::Retype {
                table: table.clone(),
                column: name_of(&alter.column_name_ref()?),
                type_name: text_of(&set.ty()?),
                using: set.using_expr().and_then(|using| Some(text_of(&using.expr()?))),
            })
        }
        ast::AlterTableAction::TableRenameTo(rename) => {
            let to = rename.syntax().children().last()?;
            Some(Change::Rename { table: table.clone(), to: folded(&to) })
        }
        _ => None,
    };
    alter.actions().filter_map(change).collect()
}

/// The name of a table, without what says that its partitions or children are not meant.
fn table_of(node: &impl AstNode) -> Option<Named> {
    let text = node.syntax().text().to_string();
    let words = raw_words(&text).filter(|word| !["only", "*", "(", ")", "."].contains(word));
    let mut parts: Vec<String> = words.map(fold).collect();
    let name = parts.pop()?;
    Some(Named { schema: parts.pop(), name })
}

fn name_of(node: &impl AstNode) -> String {
    folded(node.syntax())
}

fn text_of(node: &impl AstNode) -> String {
    node.syntax().text().to_string().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(file: &str) -> Vec<String> {
        let told = |one: &Planned| {
            let change = match &one.change {
                Change::Update { table, alias, is_joined, sets, condition } => {
                    format!("update {} {alias:?} {is_joined} {sets:?} {condition:?}", table.sql())
                }
                Change::Delete { table, alias, is_joined, condition } => {
                    format!("delete {} {alias:?} {is_joined} {condition:?}", table.sql())
                }
                Change::Retype { table, column, type_name, using } => {
                    format!("retype {} {column} {type_name} {using:?}", table.sql())
                }
                Change::Copy { into, columns, query, may_skip } => {
                    format!("copy {} {columns:?} {query} {may_skip}", into.sql())
                }
                Change::Rename { table, to } => format!("rename {} {to}", table.sql()),
            };
            format!("{}: {change}", one.line)
        };
        planned(file).iter().map(told).collect()
    }

    #[test]
    fn statements_say_what_becomes_of_rows() {
        let file = "\
-- What follows.
update public.\"T\" as x set a = lower(x.a), (b, c) = (1, 2), d = default where x.a <> '';
delete from t using u where t.id = u.id;
alter table t alter column n type int using n::int, alter m set data type text;
insert into new (id, v) select o.id, o.v from old o on conflict do nothing;
insert into new values (1);
create table kept as select * from old;
alter table new rename to old;
";
        let expected = [
            "2: update public.\"T\" Some(\"x\") false [(\"a\", Some(\"lower(x.a)\")), (\"b\", None), \
             (\"c\", None), (\"d\", None)] Some(\"x.a <> ''\")",
            "3: delete t None true Some(\"t.id = u.id\")",
            "4: retype t n int Some(\"n::int\")",
            "4: retype t m text None",
            "5: copy new [\"id\", \"v\"] select o.id, o.v from old o true",
            "7: copy kept [] select * from old false",
            "8: rename new old",
        ];
        assert_eq!(told(file), expected);
    }
}
