//! Compares what a target has with what the files make. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::drift::change::{Change, changes};
use crate::drift::family::{Families, is_routine};
use crate::drift::item::{Id, Item, Schema};
use crate::drift::order::{in_order, sorted};
use crate::drift::privileges::{default_privileges, privileges};
use crate::drift::statements::creation;
use crate::drift::value::{Difference, Kind};
use crate::names::Oid;
use crate::sql::quote::{identifier, qualified};

/// All differences, in an order in which their statements can be run.
pub(crate) fn compare(target: &Schema, files: &Schema) -> Vec<Difference> {
    let mut comparison = Comparison { target, files, nodes: Vec::new(), done: BTreeSet::new() };
    comparison.find_roles();
    comparison.find_renamed();
    comparison.find_attached();
    comparison.find_changed();
    comparison.find_extra();
    comparison.find_missing();
    for (difference, oid) in privileges(target, files, &comparison.done) {
        comparison.push_node(difference, (rank::GRANT, oid));
    }
    for difference in default_privileges(target, files) {
        comparison.push_node(difference, (rank::GRANT, 0));
    }
    comparison.into_order()
}

/// A difference, and what its statement does to which things.
struct Node {
    difference: Difference,
    makes: BTreeSet<Id>,
    drops: BTreeSet<Id>,
    rank: (u8, Oid),
}

struct Comparison<'a> {
    target: &'a Schema,
    files: &'a Schema,
    nodes: Vec<Node>,
    /// What is dealt with by something else.
    done: BTreeSet<Id>,
}

/// What comes first where nothing else says it.
mod rank {
    pub(super) const ROLE: u8 = 0;
    pub(super) const DROP: u8 = 1;
    pub(super) const MAKE: u8 = 2;
    pub(super) const MAKE_ROUTINE: u8 = 3;
    pub(super) const DROP_LATE: u8 = 4;
    pub(super) const GRANT: u8 = 5;
}

/// What holds no rows and can be made again from its definition.
fn is_light(kind: Kind) -> bool {
    is_watching(kind) || matches!(kind, Kind::Constraint | Kind::Index | Kind::Statistics)
}

/// What stands in the way of a change of a column.
fn is_watching(kind: Kind) -> bool {
    matches!(kind, Kind::View | Kind::MaterializedView | Kind::Rule | Kind::Policy | Kind::Trigger)
}

impl<'a> Comparison<'a> {
    fn push(
        &mut self,
        kind: Kind,
        item: &Item,
        what: String,
        statement: Option<String>,
        rank: (u8, Oid),
    ) -> &mut Node {
        let difference = Difference {
            kind,
            subject: item.key.clone(),
            relation: item.relation(),
            what,
            statement,
        };
        self.push_node(difference, rank)
    }

    fn push_node(&mut self, difference: Difference, rank: (u8, Oid)) -> &mut Node {
        let (makes, drops) = (BTreeSet::new(), BTreeSet::new());
        self.nodes.push(Node { difference, makes, drops, rank });
        let last = self.nodes.len() - 1;
        &mut self.nodes[last]
    }

    /// Roles are the whole server's; those that the files name must be there.
    fn find_roles(&mut self) {
        let mut named: BTreeSet<String> = BTreeSet::new();
        for item in self.files.items.values() {
            named.extend(item.owner.as_ref().map(|owner| identifier(owner)));
            named.extend(item.grants.keys().cloned());
            let roles = item.part("roles").and_then(|part| part.value.as_deref());
            named.extend(roles.into_iter().flat_map(|all| all.split(", ")).map(str::to_owned));
        }
        named.extend(self.files.default_privileges.keys().map(|key| key.3.clone()));
        let known: BTreeSet<String> =
            self.target.roles.iter().map(|role| identifier(role)).collect();
        let is_missing =
            |role: &String| !role.is_empty() && role != "public" && !known.contains(role);
        for role in named.into_iter().filter(is_missing) {
            let difference = Difference {
                kind: Kind::Role,
                subject: role.clone(),
                relation: None,
                what: format!("role {role} is missing, which the files name"),
                statement: Some(format!("create role {role}")),
            };
            self.push_node(difference, (rank::ROLE, 0));
        }
    }

    /// Constraints and indexes that are the same but for their names.
    fn find_renamed(&mut self) {
        let (target, files) = (self.target, self.files);
        let is_named = |item: &&Item| item.rename.is_some();
        let missing = files.items.values().filter(|item| !target.items.contains_key(&item.id()));
        let mut missing: Vec<&Item> = missing.filter(is_named).collect();
        let extra = target.items.values().filter(|item| !files.items.contains_key(&item.id()));
        for there in extra.filter(is_named) {
            let is_it = |here: &&Item| {
                let parts =
                    |item: &Item| item.parts.iter().map(|p| p.value.clone()).collect::<Vec<_>>();
                (here.kind, &here.parent) == (there.kind, &there.parent)
                    && parts(here) == parts(there)
            };
            let Some(at) = missing.iter().position(is_it) else { continue };
            let here = missing.remove(at);
            self.done.extend([there.id(), here.id()]);
            let names = there.own_name.as_deref().zip(here.own_name.as_deref());
            let Some((_, new)) = names.filter(|(old, new)| !is_same_but_for_number(old, new))
            else {
                continue;
            };
            let what = format!("{} is named `{new}` in the files", there.title());
            let rename = there.rename.as_deref().unwrap_or_default();
            let statement = format!("{rename}{}", identifier(new));
            self.push(there.kind, there, what, Some(statement), (rank::MAKE, here.oid));
        }
    }

    /// What a partition has of its own while it is detached it has of its parent when it is attached.
    fn find_attached(&mut self) {
        let (target, files) = (self.target, self.files);
        let parent = |item: &Item| item.part("parent").and_then(|part| part.value.clone());
        for (id, here) in files.items.iter().filter(|(id, _)| id.0 == Kind::Table) {
            let Some(there) = target.items.get(id) else { continue };
            if parent(there).is_some() == parent(here).is_some() {
                continue;
            }
            let children = files.children(id).into_iter().chain(target.children(id));
            let children = children.map(Item::id);
            let is_on_both =
                |id: &Id| target.items.contains_key(id) && files.items.contains_key(id);
            self.done.extend(children.filter(|id| !is_on_both(id)));
        }
    }

    fn find_changed(&mut self) {
        let (target, files) = (self.target, self.files);
        let both = files.items.values().filter_map(|here| {
            let there = target.items.get(&here.id())?;
            Some((there, here, changes(there, here)))
        });
        let mut both: Vec<(&Item, &Item, Vec<Change>)> =
            both.filter(|(_, _, changes)| !changes.is_empty()).collect();
        // What is made again takes along what needs it.
        let is_again = |changes: &[Change]| changes.iter().any(|change| change.statement.is_none());
        let may_be_again = |item: &Item| {
            !matches!(
                item.kind,
                Kind::Table | Kind::Schema | Kind::Type | Kind::Sequence | Kind::Extension
            )
        };
        both.sort_by_key(|(_, here, _)| (here.kind, here.oid, here.sub));
        for (there, here, changes) in &both {
            let id = here.id();
            if self.done.contains(&id) {
                continue;
            }
            if is_again(changes) && may_be_again(here) {
                let what = Change::told(there, changes);
                let lost = if there.holds_rows { "; its values go with it" } else { "" };
                self.make_again(there, here, format!("{what}{lost}"));
            }
        }
        for (there, here, changes) in &both {
            let id = here.id();
            if self.done.contains(&id) || (is_again(changes) && may_be_again(here)) {
                continue;
            }
            for change in changes {
                self.push_change(there, here, change);
            }
        }
    }

    fn push_change(&mut self, there: &Item, here: &Item, change: &Change) {
        let mut what = Change::told(there, std::slice::from_ref(change));
        let statement = change.statement.clone().or_else(|| self.swap_enum(there, here));
        let Some(statement) = statement else {
            what.push_str("; no statement changes that and keeps what is in it");
            self.push(change.kind, here, what, None, (rank::MAKE, here.oid));
            return;
        };
        if change.narrows && there.holds_rows {
            what.push_str("; values that do not fit make it fail, or are cut");
        }
        let aside = match change.disturbs {
            true => self.dependents(&here.id(), is_watching),
            false => Vec::new(),
        };
        let mut said = self.drops(&aside);
        said.push(statement);
        said.extend(self.creations(&aside));
        let statement = Some(said.join("; "));
        let aside: Vec<Id> = aside.into_iter().map(Item::id).collect();
        self.done.extend(aside.iter().cloned());
        let id = here.id();
        let node = self.push(change.kind, here, what, statement, (rank::MAKE, here.oid));
        node.makes.insert(id);
        node.makes.extend(aside.iter().cloned());
    }

    /// Puts another enum in the place of one that has labels which the files do not: the server takes none away.
    /// None where something else than columns has it.
    fn swap_enum(&self, there: &Item, here: &Item) -> Option<String> {
        let id = here.id();
        here.labels.as_ref().filter(|_| there.labels.is_some())?;
        let users = self.target.items.iter().filter(|(_, item)| item.needs.contains(&id));
        let mut columns = Vec::new();
        let mut aside = Vec::new();
        for (user, _) in users {
            let part = self.files.items.get(user).and_then(|item| item.part("type"))?;
            let (value, set) = part.value.as_ref().zip(part.set.as_ref())?;
            let by_text = format!("::text::{value}");
            columns.push(set.replacen(&format!("::{value}"), &by_text, 1));
            aside.extend(self.dependents(user, is_watching));
        }
        aside.sort_by_key(|item| item.id());
        aside.dedup_by_key(|item| item.id());
        let before = format!("{}_before", here.name);
        let mut said = self.drops(&aside);
        said.push(format!("alter type {} rename to {}", here.key, identifier(&before)));
        said.extend(creation(self.target, here, &[]));
        said.extend(columns);
        said.push(format!("drop type {}", qualified(&here.schema, &before)));
        said.extend(self.creations(&aside));
        Some(said.join("; "))
    }

    /// Drops and makes a thing, and with it whatever needs it.
    fn make_again(&mut self, there: &Item, here: &Item, what: String) {
        let id = here.id();
        let aside = self.dependents(&id, is_light);
        let mut said = self.drops(&aside);
        said.push(there.drop.clone());
        let children = self.files.children(&id);
        said.extend(creation(self.target, here, &children));
        said.extend(self.creations(&aside));
        let mut ids: BTreeSet<Id> = aside.iter().map(|item| item.id()).collect();
        ids.extend(children.iter().map(|item| item.id()));
        ids.extend(self.target.children(&id).iter().map(|item| item.id()));
        ids.insert(id);
        self.done.extend(ids.iter().cloned());
        let statement = Some(said.join("; "));
        let node = self.push(here.kind, here, what, statement, (rank::MAKE, here.oid));
        node.makes = ids;
    }

    /// What is on both sides and needs a thing of the target, at any distance, but for what goes with it.
    fn dependents(&self, id: &Id, is_meant: fn(Kind) -> bool) -> Vec<&'a Item> {
        let mut found: BTreeMap<Id, &'a Item> = BTreeMap::new();
        let mut coming = vec![id.clone()];
        while let Some(next) = coming.pop() {
            for (other, item) in &self.target.items {
                let is_new = item.needs.contains(&next)
                    && other != id
                    && is_meant(other.0)
                    && !found.contains_key(other)
                    && !self.done.contains(other)
                    && self.files.items.contains_key(other)
                    && self.target.ancestors(other).all(|above| above != id);
                if is_new {
                    found.insert(other.clone(), item);
                    coming.push(other.clone());
                }
            }
        }
        found.into_values().collect()
    }

    fn drops(&self, items: &[&Item]) -> Vec<String> {
        in_order(items).into_iter().rev().map(|item| item.drop.clone()).collect()
    }

    fn creations(&self, items: &[&Item]) -> Vec<String> {
        let here: Vec<&Item> =
            items.iter().filter_map(|item| self.files.items.get(&item.id())).collect();
        let make = |item: &Item| creation(self.target, item, &self.files.children(&item.id()));
        in_order(&here).into_iter().flat_map(make).collect()
    }

    fn find_extra(&mut self) {
        let (target, files) = (self.target, self.files);
        let is_extra = |id: &Id| !files.items.contains_key(id) && !self.done.contains(id);
        let extra = target.items.keys().filter(|id| is_extra(id)).collect();
        for (id, item, children) in Families::of(target, extra, |_| false).alone() {
            let mut what = format!("{} is not in the files", item.title());
            if item.holds_rows {
                what.push_str(match item.kind {
                    Kind::Column => "; its values go with it",
                    _ => "; its rows go with it",
                });
            }
            let is_early = is_light(item.kind)
                || matches!(item.kind, Kind::PublishedTable | Kind::EventTrigger);
            let first = if is_early { rank::DROP } else { rank::DROP_LATE };
            let statement = Some(item.drop.clone());
            // The latest goes first.
            let node = self.push(item.kind, item, what, statement, (first, -item.oid));
            node.drops = children.into_iter().map(Item::id).chain([id.clone()]).collect();
        }
    }

    fn find_missing(&mut self) {
        let (target, files) = (self.target, self.files);
        let is_missing = |id: &Id| !target.items.contains_key(id) && !self.done.contains(id);
        let missing = files.items.keys().filter(|id| is_missing(id)).collect();
        // The body of a routine may need anything.
        for (id, item, children) in Families::of(files, missing, is_routine).alone() {
            let statement = creation(target, item, &children).join("; ");
            let what = format!("{} is missing", item.title());
            // What a body names the server tells nobody.
            let late = if is_routine(item.kind) { rank::MAKE_ROUTINE } else { rank::MAKE };
            let node = self.push(item.kind, item, what, Some(statement), (late, item.oid));
            node.makes = children.into_iter().map(Item::id).chain([id.clone()]).collect();
        }
    }

    /// What is needed is made before, what needs it is dropped before.
    fn into_order(self) -> Vec<Difference> {
        let Self { target, files, nodes, .. } = self;
        let mut made_by: BTreeMap<&Id, Vec<usize>> = BTreeMap::new();
        let mut dropped_by: BTreeMap<&Id, Vec<usize>> = BTreeMap::new();
        for (at, node) in nodes.iter().enumerate() {
            node.makes.iter().for_each(|id| made_by.entry(id).or_default().push(at));
            node.drops.iter().for_each(|id| dropped_by.entry(id).or_default().push(at));
        }
        let mut before = vec![BTreeSet::new(); nodes.len()];
        let needs = |schema: &'a Schema, id: &Id| schema.items.get(id).map(|item| &item.needs);
        for (at, node) in nodes.iter().enumerate() {
            for need in node.makes.iter().filter_map(|id| needs(files, id)).flatten() {
                before[at].extend(made_by.get(need).into_iter().flatten());
            }
            // What is dropped is not needed any more by what is changed.
            for id in &node.makes {
                for need in needs(target, id).into_iter().flatten() {
                    for drop in dropped_by.get(need).into_iter().flatten() {
                        before[*drop].insert(at);
                    }
                }
            }
            for need in node.drops.iter().filter_map(|id| needs(target, id)).flatten() {
                for later in dropped_by.get(need).into_iter().chain(made_by.get(need)).flatten() {
                    before[*later].insert(at);
                }
            }
        }
        let wishes = nodes.iter().enumerate().map(|(at, node)| {
            let made = node.makes.iter().filter_map(|id| files.items.get(id));
            let mentioned = made.flat_map(|item| &item.mentions).filter_map(|id| made_by.get(id));
            mentioned.flatten().copied().filter(|other| *other != at).collect()
        });
        let wishes: Vec<BTreeSet<usize>> = wishes.collect();
        for (at, before) in before.iter_mut().enumerate() {
            before.remove(&at);
        }
        let rank = |at: usize| {
            let Node { difference, rank, .. } = &nodes[at];
            (*rank, difference.kind, difference.subject.clone(), difference.what.clone())
        };
        let order = sorted(nodes.len(), &before, &wishes, rank);
        let mut nodes: Vec<Option<Node>> = nodes.into_iter().map(Some).collect();
        let taken = order.into_iter().filter_map(|at| nodes[at].take());
        taken.map(|node| node.difference).collect()
    }
}

/// Whether names differ in the number that makes them unique and nothing else.
fn is_same_but_for_number(one: &str, other: &str) -> bool {
    let base = |name: &str| name.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned();
    base(one) == base(other)
}
