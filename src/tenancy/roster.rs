//! Tables in which being listed makes somebody more than others, such as one of staff: policies ask whether who
//! is asking has a row there, and ask nothing of the row that they judge. Pure.

use std::collections::BTreeSet;

use crate::catalog::Catalog;
use crate::catalog::relation::Relation;
use crate::names::{Oid, QualifiedName};
use crate::sql::statement::has_name;
use crate::tenancy::asked::Asked;
use crate::tenancy::by_policy::Questions;
use crate::tenancy::infer::{is_of_project, policies_read};
use crate::tenancy::meaning::{Meaning, is_email};
use crate::tenancy::path::Path;
use crate::tenancy::root::Root;
use crate::tenancy::standing::Standing;

/// Words in the names of tables that list some people. A table of another name may list everybody: that its rows
/// open others is a finding until somebody says which it is.
const OF_SOME: [&str; 9] = [
    "admin",
    "auditor",
    "backoffice",
    "banned",
    "blocked",
    "moderator",
    "operator",
    "staff",
    "superuser",
];

/// A table that lists some people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Roster {
    pub relation: Oid,
    pub name: QualifiedName,
    /// Whether the config says so.
    pub is_stated: bool,
}

/// What is known of the people and of whose rows are.
pub(super) struct People<'a> {
    pub users: &'a Root,
    /// The table of members.
    pub members: Option<Oid>,
    pub standing: &'a [Standing],
    /// The path from a relation to its user.
    pub user_of: &'a dyn Fn(Oid) -> Option<&'a Path>,
    /// Whether the rows of a relation are of tenants.
    pub is_of_tenant: &'a dyn Fn(Oid) -> bool,
}

/// The tables that policies, or the functions that these call, take for lists of some people.
pub(super) fn rosters(
    catalog: &Catalog,
    people: &People<'_>,
    questions: &Questions,
) -> Vec<Roster> {
    let mut alone: BTreeSet<Oid> = BTreeSet::new();
    let mut beside: BTreeSet<Oid> = BTreeSet::new();
    for (oid, asked) in &questions.0 {
        let readings = Readings::of(people, asked);
        for (reading, relation) in &readings.chosen {
            match asked.with_row.contains(reading) {
                true => beside.insert(*relation),
                false if readings.ways.contains(reading) => false,
                false if tells_apart(people, asked, *reading) => false,
                false => alone.insert(*relation),
            };
        }
        // What was not looked at may ask for anything.
        if asked.is_cut
            && let Some(relation) = catalog.relation(*oid)
        {
            let read = catalog.relations().filter(|other| policies_read(catalog, relation, other));
            beside.extend(read.map(|other| other.oid));
        }
    }
    let listed = alone.difference(&beside).filter_map(|oid| catalog.relation(*oid));
    let listed = listed.filter(|relation| lists_some(catalog, people, relation));
    listed.map(|relation| Roster::of(relation, false)).collect()
}

impl Roster {
    pub(super) fn of(relation: &Relation, is_stated: bool) -> Self {
        let name = QualifiedName::new(&relation.schema, &relation.name);
        Self { relation: relation.oid, name, is_stated }
    }
}

/// The rows that policies choose by who is asking.
#[derive(Default)]
struct Readings {
    /// The readings of rows that name who is asking, with their relations.
    chosen: BTreeSet<(usize, Oid)>,
    /// Those that only lead on to another, as a profile does.
    ways: BTreeSet<usize>,
}

impl Readings {
    fn of(people: &People<'_>, asked: &Asked) -> Self {
        let mut found = Self::default();
        loop {
            let known = found.chosen.len();
            for (left, right) in &asked.equal {
                found.choose(people, left, right);
                found.choose(people, right, left);
            }
            if found.chosen.len() == known {
                return found;
            }
        }
    }

    /// Takes a reading for one of who is asking where its column of the user is compared with that, or with
    /// the key of a row that is chosen so.
    fn choose(&mut self, people: &People<'_>, read: &Meaning, other: &Meaning) {
        let Meaning::Read { reading, relation, column } = read else { return };
        let Root { relation: users, column: key } = people.users;
        if (relation, column, other) == (users, key, &Meaning::User) {
            self.chosen.insert((*reading, *relation));
        }
        let user = (people.user_of)(*relation);
        let Some(edge) = user.and_then(|path| path.edges.first()) else { return };
        let at = edge.columns.iter().position(|name| name == column);
        let Some(target) = at.and_then(|at| edge.target_columns.get(at)) else { return };
        match other {
            Meaning::User => {
                self.chosen.insert((*reading, *relation));
            }
            Meaning::Claim(place) if is_email(place) => {
                self.chosen.insert((*reading, *relation));
            }
            Meaning::Read { reading: way, relation: through, column }
                if *through == edge.target
                    && column == target
                    && self.chosen.contains(&(*way, *through)) =>
            {
                self.chosen.insert((*reading, *relation));
                self.ways.insert(*way);
            }
            _ => {}
        }
    }
}

/// Whether a reading asks for what only some have in a column, so that people are told apart by that.
fn tells_apart(people: &People<'_>, asked: &Asked, reading: usize) -> bool {
    asked.told.iter().any(|told| match &told.what {
        Meaning::Read { reading: of, relation, column } if *of == reading => {
            let mut standing = people.standing.iter();
            let is_it =
                |relation_of: Oid, name: &String| (relation_of, name) == (*relation, column);
            standing
                .any(|one| is_it(one.relation, &one.column) && one.special.contains(&told.constant))
        }
        _ => false,
    })
}

/// Whether a table lists some people only, by its name. Of a tenant's table, and of one that a sign-up fills,
/// nobody knows that.
fn lists_some(catalog: &Catalog, people: &People<'_>, relation: &Relation) -> bool {
    let Some(path) = (people.user_of)(relation.oid) else { return false };
    let is_of_tenant = people.members == Some(relation.oid) || (people.is_of_tenant)(relation.oid);
    OF_SOME.iter().any(|word| relation.name.contains(word))
        && !is_of_tenant
        && is_of_project(relation, people.users)
        && !is_filled_at_sign_up(catalog, people, relation, path)
}

/// Whether a trigger on the users, or on what leads to them, names the table.
fn is_filled_at_sign_up(
    catalog: &Catalog,
    people: &People<'_>,
    relation: &Relation,
    path: &Path,
) -> bool {
    let on_way = path.edges.iter().map(|edge| edge.target).chain([people.users.relation]);
    let mut sources = on_way.filter_map(|oid| catalog.relation(oid)?.trigger_source.as_deref());
    sources.any(|source| has_name(source, &relation.name))
}
