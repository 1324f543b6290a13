//! What policies, their readers, views and triggers ask of a row's own columns, as checks. Pure.

use crate::catalog::policy::{Condition, Way};
use crate::catalog::relation::{Check, Column, Relation};
use crate::sql::quote::{identifier, literal};
use crate::sql::ways::{self, Read, without_alias};
use crate::tenancy::standing::constant;
use crate::tenancy::told_apart::ToldOfRow;
use crate::world::value::World;

impl World {
    /// What each way asks of the row itself, as checks, and what the policies of others ask of it.
    pub(in crate::world::seeding) fn ways_of_rows(&self, relation: &Relation) -> Vec<Vec<Check>> {
        let policies = self.policies_of_people(relation);
        let ways = policies.flat_map(|policy| policy.conditions()).flat_map(|one| one.ways());
        let own = ways.map(|way| self.checks(relation, &way));
        let mut found: Vec<Vec<Check>> = Vec::new();
        let of_readers = self.checks_of_readers(relation);
        let of_triggers = self.checks_of_triggers(relation);
        for checks in
            own.chain(of_readers).chain(self.checks_of_others(relation)).chain(of_triggers)
        {
            let texts = |checks: &[Check]| -> Vec<String> {
                checks.iter().map(|check| check.definition.clone()).collect()
            };
            let is_known = found.iter().any(|known| texts(known) == texts(&checks));
            if !checks.is_empty() && !is_known {
                found.push(checks);
            }
        }
        found
    }

    /// What the queries that read a relation ask of its rows, way by way.
    fn checks_of_readers(&self, relation: &Relation) -> Vec<Vec<Check>> {
        let is_it = |read: &&Read| {
            let is_of_schema = read.relation.qualifier().is_none_or(|name| name == relation.schema);
            read.relation.last() == relation.name && is_of_schema
        };
        let checks = |read: &Read, way: &Vec<String>| {
            let own = way.iter().filter_map(|part| without_alias(part, &read.alias));
            let parts = own.map(Condition::from).collect();
            self.checks(relation, &Way { parts })
        };
        let read = self.reads.iter().filter(is_it);
        read.flat_map(|read| read.ways.iter().map(move |way| checks(read, way))).collect()
    }

    /// That a row of each owner has the same in a column that is compared with that of another row: its default,
    /// or else anything.
    pub(in crate::world::seeding) fn checks_of_compared(&self, relation: &Relation) -> Vec<Check> {
        let compared = relation.columns.iter().filter(|column| {
            let is_alone = |key: &Vec<String>| *key == [column.name.clone()];
            self.tenancy.compared.contains(&(relation.oid, column.name.clone()))
                && !column.is_generated
                && column.identity.is_empty()
                && !self.tenancy.owner_columns(relation.oid).contains(&column.name)
                && !relation.keys.iter().any(is_alone)
        });
        let checks = compared.filter_map(|column| {
            let same =
                format!("{} = {}", identifier(&column.name), literal(&common_value(column)?));
            Some(check(&same, vec![column.name.clone()]))
        });
        checks.collect()
    }

    /// What its triggers ask of a row, and the contrary: they may refuse some and let others through.
    fn checks_of_triggers(&self, relation: &Relation) -> Vec<Vec<Check>> {
        let conditions = relation.trigger_sources().flat_map(ways::plpgsql_conditions);
        let either = conditions.flat_map(|one| [one.clone(), format!("not ({one})")]);
        let ways = either.flat_map(|condition| ways::ways(&condition).unwrap_or_default());
        let checks = ways.map(|parts| {
            let own = parts.iter().filter_map(|part| {
                ["new", "old"].iter().find_map(|row| {
                    let is_of_it = part.to_lowercase().contains(&format!("{row}."));
                    is_of_it.then(|| without_alias(part, row)).flatten()
                })
            });
            let parts = own.map(Condition::from).collect();
            self.checks(relation, &Way { parts })
        });
        checks.collect()
    }

    /// What the policies of other relations compare a row's columns with, each by itself.
    fn checks_of_others(&self, relation: &Relation) -> Vec<Vec<Check>> {
        const COMPARED: [&str; 6] = ["=", "<>", "~~", "~~*", "~", "~*"];
        let read = self.tenancy.read_rows.iter();
        let read = read.filter(|told| {
            let is_of_it = told.relation == relation.oid && self.is_free(relation, &told.column);
            is_of_it && COMPARED.contains(&told.operator.as_str())
        });
        let checks = read.map(|ToldOfRow { column, operator, constant, .. }| {
            let compared = format!("{} {operator} {}", identifier(column), literal(constant));
            vec![check(&compared, vec![column.clone()])]
        });
        checks.collect()
    }

    /// Whether nothing but what policies ask decides a column.
    fn is_free(&self, relation: &Relation, name: &String) -> bool {
        relation.column(name).is_some_and(|column| !column.is_generated)
            && !self.tenancy.owner_columns(relation.oid).contains(name)
            && !relation.key().is_some_and(|key| key.contains(name))
            && !self.standing_columns(relation).any(|known| known == name)
    }

    pub(in crate::world::seeding) fn checks(&self, relation: &Relation, way: &Way) -> Vec<Check> {
        let parts = way.parts.iter().filter_map(|part| {
            let columns: Vec<String> = part.own_columns(&relation.name)?.into_iter().collect();
            let is_free = columns.iter().all(|name| self.is_free(relation, name));
            is_free.then(|| check(&part.text, columns))
        });
        parts.collect()
    }
}

/// What rows of several owners may well have in a column.
fn common_value(column: &Column) -> Option<String> {
    // Flags are the same for many anyway.
    let default = column.default.as_deref().filter(|_| column.category != 'B');
    let number = || default.filter(|text| text.parse::<f64>().is_ok()).map(str::to_owned);
    let usual = || match (&column.labels, column.category) {
        (Some(labels), _) => labels.first().cloned(),
        (None, 'S') => Some("same".into()),
        (None, 'N') => Some("7".into()),
        (None, 'D') => Some("2024-02-29".into()),
        _ if column.base_type == "uuid" => Some("5a5a5a5a-5a5a-4a5a-8a5a-5a5a5a5a5a5a".into()),
        _ => None,
    };
    default.and_then(constant).or_else(number).or_else(usual)
}

/// What has to be true of a row.
fn check(condition: &str, columns: Vec<String>) -> Check {
    Check {
        name: String::new(),
        definition: format!("CHECK ({condition})"),
        expression: Some(format!("({condition}) is true")),
        columns,
    }
}
