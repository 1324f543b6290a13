//! The owners of the world by key and by token, and whose row is whose in an actor's eyes.

use std::collections::{BTreeMap, BTreeSet};

use crate::actor::{Actor, TENANTS};
use crate::catalog::Catalog;
use crate::error::Result;
use crate::matrix::class::RowClass;
use crate::session::failed::failing;
use crate::session::open::Session;
use crate::sql::quote::identifier;
use crate::tenancy::Tenancy;
use crate::tenancy::keys::owner_key;

/// Keys of a row's owners, as text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct RowOwner {
    pub tenant: Option<String>,
    pub user: Option<String>,
}

/// The world's owners by key and by token.
#[derive(Debug, Default)]
pub(crate) struct OwnerNames {
    tenants: BTreeMap<String, String>,
    users: BTreeMap<String, String>,
    /// The names of the world's tenants that a user is a member of, by his key.
    tenants_of: BTreeMap<String, Vec<String>>,
    /// Who is a member of tenants that are not the world's, by the keys of user and tenant: a trigger
    /// may give everybody who signs up a tenant of his own.
    pub(crate) joined: BTreeSet<(String, String)>,
}

impl OwnerNames {
    pub(crate) fn of(catalog: &Catalog, tenancy: &Tenancy, actors: &[Actor]) -> Result<Self> {
        let mut tenants = BTreeMap::new();
        if let Some(root) = &tenancy.tenant {
            for name in TENANTS {
                tenants.insert(owner_key(catalog, root, "tenant", name)?, name.to_owned());
            }
        }
        let people = actors.iter().filter(|actor| actor.has_own_rows());
        let users = people.filter_map(|a| a.user().map(|user| (user.into(), a.name().into())));
        let people = actors.iter();
        let tenants_of =
            people.filter_map(|a| Some((a.user()?.to_owned(), a.member_of().to_vec())));
        Ok(Self {
            tenants,
            users: users.collect(),
            tenants_of: tenants_of.collect(),
            joined: BTreeSet::new(),
        })
    }

    /// Who became a member of what while the world was seeded, as `joined` has it.
    pub(crate) fn read_joined(
        &self,
        session: &mut Session,
        catalog: &Catalog,
        tenancy: &Tenancy,
    ) -> Result<BTreeSet<(String, String)>> {
        let members = tenancy.members.as_ref();
        let table = members.and_then(|members| catalog.relation(members.relation));
        let Some((members, table)) = members.zip(table) else { return Ok(BTreeSet::new()) };
        let sql = format!(
            "select {}::text, {}::text from {}",
            identifier(&members.config.user),
            identifier(&members.config.tenant),
            table.sql_name()
        );
        let attempt = format!("read the rows of {}", table.title());
        let rows = session.as_auditor(&sql).map_err(failing(&attempt))?;
        let pairs = rows.into_iter().filter_map(|row| match <[_; 2]>::try_from(row) {
            Ok([Some(user), Some(tenant)]) => Some((user, tenant)),
            _ => None,
        });
        let is_unplanned = |(user, tenant): &(String, String)| {
            self.users.contains_key(user) && !self.tenants.contains_key(tenant)
        };
        Ok(pairs.filter(is_unplanned).collect())
    }

    /// The tenants, by key, that all users of the world are members of, whatever it wanted.
    pub(crate) fn common_tenants(&self) -> Vec<&str> {
        let tenants: BTreeSet<&str> = self.joined.iter().map(|(_, tenant)| &**tenant).collect();
        let has_all = |tenant: &&str| {
            self.users.keys().all(|user| self.joined.contains(&(user.clone(), tenant.to_string())))
        };
        tenants.into_iter().filter(has_all).collect()
    }

    /// `bob in B`, or what is known of it.
    pub(crate) fn describe(&self, owner: &RowOwner) -> String {
        let name = |key: &Option<String>, names: &BTreeMap<String, String>, what: &str| {
            key.as_ref()
                .map(|key| names.get(key).cloned().unwrap_or_else(|| format!("another {what}")))
        };
        match (name(&owner.user, &self.users, "user"), name(&owner.tenant, &self.tenants, "tenant"))
        {
            (Some(user), Some(tenant)) => format!("of {user} in {tenant}"),
            (Some(user), None) => format!("of {user}"),
            (None, Some(tenant)) => format!("of tenant {tenant}"),
            (None, None) => "of nobody".into(),
        }
    }

    /// Whether a row of a user, and of no tenant, is of somebody in a tenant of the actor's.
    pub(in crate::world) fn are_colleagues(&self, actor: &Actor, owner: &RowOwner) -> bool {
        let tenants = owner.user.as_ref().and_then(|user| self.tenants_of.get(user));
        tenants.is_some_and(|tenants| actor.member_of().iter().any(|name| tenants.contains(name)))
    }

    /// The class of a row in the eyes of an actor.
    pub(crate) fn class(&self, actor: &Actor, owner: &RowOwner, has_owners: bool) -> RowClass {
        let has_joined = actor
            .user()
            .zip(owner.tenant.as_ref())
            .is_some_and(|(user, tenant)| self.joined.contains(&(user.to_owned(), tenant.clone())));
        // Who has left one tenant has not left the others.
        let is_own = actor.user().is_some() && owner.user.as_deref() == actor.user();
        if is_own && !(has_joined && actor.left().is_some()) {
            return RowClass::Own;
        }
        match &owner.tenant {
            Some(key) => match self.tenants.get(key) {
                Some(name) if actor.member_of().contains(name) => RowClass::Tenant,
                None if has_joined => RowClass::Tenant,
                _ => RowClass::Other,
            },
            None if self.are_colleagues(actor, owner) => RowClass::Tenant,
            None if owner.user.is_some() => RowClass::Other,
            None if has_owners => RowClass::Null,
            None => RowClass::Shared,
        }
    }

    /// The owner a row says it has, unless its text has tokens and none of them is of that tenant,
    /// or of that user where there are no tenants: then the one who wrote it.
    pub(in crate::world) fn corrected(&self, said: RowOwner, text: &str) -> RowOwner {
        let mut tokens: Vec<RowOwner> = Vec::new();
        let owner = |tenant: Option<&String>, user: Option<&String>| RowOwner {
            tenant: tenant.cloned(),
            user: user.cloned(),
        };
        let has = |label: &str| text.contains(&crate::tenancy::keys::token(label));
        for (tenant_key, tenant) in &self.tenants {
            for (user_key, user) in &self.users {
                if has(&format!("{tenant}/{user}")) {
                    tokens.push(owner(Some(tenant_key), Some(user_key)));
                }
            }
            if has(tenant) {
                tokens.push(owner(Some(tenant_key), None));
            }
        }
        if self.tenants.is_empty() {
            let users = self.users.iter().filter(|(_, user)| has(user));
            tokens.extend(users.map(|(key, _)| owner(None, Some(key))));
        }
        let is_said = |token: &RowOwner| match self.tenants.is_empty() {
            true => token.user == said.user,
            false => token.tenant == said.tenant,
        };
        match tokens.first() {
            Some(first) if !tokens.iter().any(is_said) => first.clone(),
            _ => said,
        }
    }

    /// The owner whose token, or else whose key, a text holds.
    pub(crate) fn owner_in(&self, text: &str) -> RowOwner {
        let mut owner = RowOwner::default();
        for (tenant_key, tenant) in &self.tenants {
            for (user_key, user) in &self.users {
                if text.contains(&crate::tenancy::keys::token(&format!("{tenant}/{user}"))) {
                    let (tenant, user) = (Some(tenant_key.clone()), Some(user_key.clone()));
                    return RowOwner { tenant, user };
                }
            }
        }
        let holds = |key: &&String| text.contains(key.as_str());
        let has_token = |name: &String| text.contains(&crate::tenancy::keys::token(name));
        let find = |names: &BTreeMap<String, String>| {
            let found = names.iter().find(|(key, name)| holds(key) || has_token(name));
            found.map(|(key, _)| key.clone())
        };
        owner.tenant = find(&self.tenants);
        owner.user = find(&self.users);
        owner
    }
}
