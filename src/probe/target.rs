//! A relation before any probe: its rows, and whose they are.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use crate::actor::Actor;
use crate::catalog::Catalog;
use crate::catalog::relation::{Check, Relation, RelationKind};
use crate::error::Result;
use crate::matrix::cell::Subject;
use crate::matrix::class::RowClass;
use crate::names::QualifiedName;
use crate::refusal::Refusal;
use crate::session::open::{Session, unhindered};
use crate::sql::statement::has_name;
use crate::tenancy::Ownership;
use crate::world::owner_names::{OwnerNames, RowOwner};
use crate::world::rows::{Identity, KnownRow, Reading, read_rows};
use crate::world::value::World;

/// The SQLSTATE of a check that refuses a row.
const CHECK_VIOLATION: &str = "23514";

/// A relation and the rows that are there before any probe.
pub(crate) struct Target<'a> {
    pub(in crate::probe) world: &'a World,
    pub(in crate::probe) names: &'a OwnerNames,
    pub(in crate::probe) relation: &'a Relation,
    pub(in crate::probe) identity: Identity,
    pub(in crate::probe) rows: Vec<KnownRow>,
    /// In whose names the auditor sees all of them.
    pub(in crate::probe) claims: Vec<String>,
    pub(in crate::probe) owner_columns: Vec<String>,
    /// Whether a policy or view may ask which statement is running.
    pub(in crate::probe) may_read_statement: bool,
    pub(in crate::probe) has_owners: bool,
    pub(in crate::probe) unseeded: Option<String>,
    /// Whether a check asks for one owner of a row or the other.
    pub(in crate::probe) is_of_one_owner: bool,
    /// Statements of ours that empty what keeps people from its rows, if anything does.
    pub(in crate::probe) unbarring: Option<String>,
    /// Whether rows of it are given and taken.
    pub(in crate::probe) is_moved_in: bool,
    /// What took too long on it, once something did: nobody waits for the next one.
    pub(in crate::probe) too_slow: RefCell<Option<Box<Refusal>>>,
}

impl<'a> Target<'a> {
    pub(in crate::probe) fn read(
        session: &mut Session,
        world: &'a World,
        relation: &'a Relation,
    ) -> Result<Self> {
        let Reading { rows, claims, failure } = read_rows(session, world, relation)?;
        let ownership = world.tenancy.ownership(relation.oid);
        let is_owned = |row: &KnownRow| row.owner.tenant.is_some() || row.owner.user.is_some();
        let reason = world.unseeded.get(&relation.oid).cloned().or(failure);
        let unseeded = match rows.is_empty() {
            true => Some(reason.unwrap_or_else(|| "it shows no row of the world".into())),
            false => None,
        };
        Ok(Self {
            world,
            names: &world.names,
            relation,
            claims,
            identity: Identity::of(relation),
            owner_columns: world.tenancy.owner_columns(relation.oid),
            may_read_statement: may_read_statement(&world.catalog, relation),
            has_owners: ownership.tenant.is_some()
                || ownership.user.is_some()
                || (relation.is_view() && rows.iter().any(is_owned)),
            rows,
            unseeded,
            is_of_one_owner: world.tenancy.is_of_one_owner(relation),
            unbarring: unbarring(world, relation),
            is_moved_in: true,
            too_slow: RefCell::default(),
        })
    }

    pub(in crate::probe) fn name(&self) -> QualifiedName {
        QualifiedName::new(&self.relation.schema, &self.relation.name)
    }

    pub(in crate::probe) fn subject(&self) -> Subject {
        let kind = match self.relation.kind {
            RelationKind::Table => "table",
            RelationKind::Partitioned => "partitioned table",
            RelationKind::View => "view",
            RelationKind::MaterialisedView => "materialised view",
            RelationKind::ForeignTable => "foreign table",
        };
        let (tenancy, oid) = (&self.world.tenancy, self.relation.oid);
        let ownership = tenancy.ownership(oid);
        // Who has left has such a row all the same, of no tenant.
        let is_profile_of_members = tenancy.is_of_one_tenant(&self.world.catalog)
            && tenancy.members.as_ref().is_some_and(|members| members.relation == oid);
        // Nor do the rows of who has left belong to the tenant, where none of them names one.
        let left = self.world.actors.iter().filter(|actor| actor.left().is_some());
        let of_left: Vec<&KnownRow> = left
            .flat_map(|actor| {
                self.rows.iter().filter(|row| row.owner.user.as_deref() == actor.user())
            })
            .collect();
        let is_left_alone =
            !of_left.is_empty() && of_left.iter().all(|row| row.owner.tenant.is_none());
        Subject {
            relation: self.name(),
            kind,
            unseeded: self.unseeded.clone(),
            owner: tenancy.owner_line(&self.world.catalog, self.relation),
            columns: BTreeMap::new(),
            confidants: BTreeSet::new(),
            is_of_users_only: ownership.user.is_some()
                && (ownership.tenant.is_none()
                    || is_profile_of_members
                    || is_left_alone
                    || tenancy.is_by_email(oid)),
            are_memberships: tenancy.members.as_ref().is_some_and(|one| one.relation == oid)
                || tenancy.standing.iter().any(|one| one.relation == oid && one.is_of_tenant),
            are_tenants: tenancy.tenant.as_ref().is_some_and(|root| root.relation == oid),
        }
    }

    /// The rows by their class in the eyes of an actor.
    pub(in crate::probe) fn by_class(&self, actor: &Actor) -> BTreeMap<RowClass, Vec<&KnownRow>> {
        let mut classes: BTreeMap<RowClass, Vec<&KnownRow>> = BTreeMap::new();
        for row in &self.rows {
            let class = self.class(actor, &row.owner);
            classes.entry(class).or_default().push(row);
        }
        classes
    }

    /// The class of a row in the eyes of an actor.
    pub(in crate::probe) fn class(&self, actor: &Actor, owner: &RowOwner) -> RowClass {
        match (self.names.class(actor, owner, self.has_owners), self.home()) {
            (RowClass::Shared, Some(role)) if actor.role() == role => RowClass::Tenant,
            (RowClass::Shared, _) => self.nobodys(),
            (class, _) => class,
        }
    }

    /// The class of rows that are nobody's, as far as we know.
    pub(in crate::probe) fn nobodys(&self) -> RowClass {
        match self.world.tenancy.unknown.contains_key(&self.relation.oid) {
            _ if self.home().is_some() => RowClass::Other,
            true => RowClass::Unknown,
            false => RowClass::Shared,
        }
    }

    /// The role of the tenant whose schema it is in.
    fn home(&self) -> Option<&str> {
        self.world.tenancy.homes.get(&self.relation.oid).map(|home| home.role.as_str())
    }

    /// What a row has in one of the owner columns.
    pub(in crate::probe) fn owner_value(&self, row: &KnownRow, column: &str) -> Option<String> {
        let at = self.owner_columns.iter().position(|known| known == column)?;
        row.owner_values.get(at).cloned().flatten()
    }

    /// The columns that name a row.
    pub(in crate::probe) fn key_columns(&self) -> impl Iterator<Item = &str> {
        let key = match &self.identity {
            Identity::Key(key) => key.as_slice(),
            Identity::Place | Identity::Text => &[],
        };
        key.iter().map(String::as_str)
    }

    /// A statement of ours that takes all rows away but those of a condition, without triggers and
    /// foreign keys.
    pub(in crate::probe) fn leave_only(&self, condition: &str) -> String {
        unhindered(&format!("delete from {} where not ({condition})", self.relation.sql_name()))
    }

    /// Whether a policy that refuses one row of an owner as updated refuses all of them: none looks at
    /// more than the owner columns (the key may lead to another table, the whole row to any column),
    /// and no trigger sets those. Without WHERE the policies for UPDATE alone are asked.
    pub(in crate::probe) fn judges_by_owner(&self, is_blind: bool) -> bool {
        let policies = self.relation.policies.iter();
        let mut policies = policies.filter(|policy| policy.is_for_update() || !is_blind);
        self.relation.is_table()
            && !self.relation.sets_on_update(&self.owner_columns)
            && !policies.any(|policy| policy.looks_beyond(&self.owner_columns))
    }

    /// Whether a check of the owner columns alone refuses a row: then none of such owners can be there, whatever
    /// else is in it.
    pub(in crate::probe) fn is_of_owners(&self, refusal: &Refusal) -> bool {
        let is_it = |check: &&Check| refusal.constraint.as_ref() == Some(&check.name);
        let check = self.relation.checks.iter().find(is_it);
        let check = check.filter(|_| refusal.state() == CHECK_VIOLATION);
        check.is_some_and(|check| self.world.tenancy.is_about_owners(self.relation, check))
    }

    /// Whether a parent says whose a row is, and not a key of the owner's in it.
    pub(in crate::probe) fn is_below_parents(&self) -> bool {
        let Ownership { tenant, user } = self.world.tenancy.ownership(self.relation.oid);
        [tenant, user].into_iter().flatten().any(|path| path.edges.len() > 1)
    }

    /// Whether a policy refuses all new rows of one owner alike, whatever else is in them.
    pub(in crate::probe) fn refuses_by_owner(&self) -> bool {
        let policies = self.relation.policies.iter();
        let mut policies = policies.filter(|policy| policy.is_for_insert());
        self.relation.is_table()
            && self.relation.trigger_source.is_none()
            && !policies.any(|policy| policy.looks_beyond(&self.owner_columns))
    }

    /// A row in words: how to find it and whose it is.
    pub(in crate::probe) fn describe(&self, row: &KnownRow) -> String {
        let whose = self.names.describe(&row.owner);
        match self.identity.condition(&[row]) {
            Some(condition) => format!("{condition} {whose}"),
            None => format!("a row {whose}"),
        }
    }
}

/// Statements of ours that empty the tables whose rows keep people from those of a relation: in the world everybody
/// has a row in each. None where there are no such tables.
pub(in crate::probe) fn unbarring(world: &World, relation: &Relation) -> Option<String> {
    let bars = world.tenancy.bars(&world.catalog, relation).into_iter();
    let bars = bars.filter_map(|oid| world.catalog.relation(oid));
    let emptied: Vec<String> =
        bars.map(|table| format!("delete from {}", table.sql_name())).collect();
    (!emptied.is_empty()).then(|| emptied.join("; "))
}

/// Whether a policy or view, or what these call, may ask which statement is running.
pub(crate) fn may_read_statement(catalog: &Catalog, relation: &Relation) -> bool {
    const NAME: &str = "current_query";
    let policies = || relation.policies.iter();
    let called = catalog.routines.reached(policies().flat_map(|policy| policy.trees()));
    policies().flat_map(|policy| policy.conditions()).any(|condition| condition.names(NAME))
        || relation.shown_by.iter().any(|view| has_name(&view.definition.text, NAME))
        || called.into_iter().any(|routine| routine.names(NAME))
}
