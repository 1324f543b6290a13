//! The people of the world, and how one of them asks: database role, session user and token.
//!
//! What a request looks like follows PostgREST (`Query/PreQuery.hs`) and supabase/auth
//! (`internal/tokens/service.go`). Nothing here judges what an actor may do.

pub(crate) mod told;
mod token;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::actor::token::Token;
use crate::actor::told::{Extra, OthersKeys, Sort, merge, object};
use crate::catalog::Catalog;
use crate::error::{Error, Result};
use crate::matrix::person::{Asked, Person, SERVICE_ROLE, reference_of};
use crate::names::Oid;
use crate::platform::Platform;
use crate::project::Project;
use crate::project::calls::Caller;
use crate::project::config::ActorConfig;
use crate::project::identity::Identity;
use crate::session::impersonation::Impersonation;
use crate::tenancy::Tenancy;
use crate::tenancy::keys::owner_key;
use crate::tenancy::roster::Roster;
use crate::tenancy::standing::says_office;
use crate::world::seeding::sign_up;

/// The names of the world's tenants.
pub(crate) const TENANTS: [&str; 2] = ["A", "B"];

/// Somebody who asks.
#[derive(Debug, Clone)]
pub struct Actor {
    name: String,
    role: String,
    user: Option<String>,
    member_of: Vec<String>,
    left: Option<String>,
    membership: BTreeMap<String, String>,
    /// What rows say that it is, by relation and column, where that is not what they say of others.
    standing: BTreeMap<(Oid, String), String>,
    /// The tables that list it, and not everybody.
    rosters: Vec<Roster>,
    /// What it says at sign-up, beside what others say.
    signs_up_with: Map<String, Value>,
    /// What makes it another than whose rows it has.
    sort: Option<Sort>,
    /// Whether it has the rows of somebody else.
    is_like_another: bool,
    is_service: bool,
    impersonation: Impersonation,
}

impl Actor {
    /// A user of the data itself, with his id, his first tenant and more claims of his token; or a
    /// visitor. None where the platform knows no visitor.
    ///
    /// # Errors
    /// Claims that are not JSON.
    pub(crate) fn of_data(
        platform: &Platform,
        user: Option<(&str, Option<String>, &Map<String, Value>)>,
    ) -> Result<Option<Self>> {
        let role = match user {
            Some(_) => Some(platform.person_role()),
            None => platform.visitor_role(),
        };
        let Some(role) = role else { return Ok(None) };
        let none = Map::new();
        let (user, claimed_tenant, claims) = match user {
            Some((id, tenant, claims)) => (Some(id), tenant, claims),
            None => (None, None, &none),
        };
        let name = user.unwrap_or("visitor");
        Self::with_token(platform, &Token { name, role, user, claimed_tenant }, claims).map(Some)
    }

    /// Who asks with a token, and with more claims in it; a member of nothing as far as we know.
    fn with_token(
        platform: &Platform,
        token: &Token<'_>,
        claims: &Map<String, Value>,
    ) -> Result<Self> {
        Ok(Self {
            name: token.name.to_owned(),
            role: token.role.to_owned(),
            user: token.user.map(str::to_owned),
            member_of: Vec::new(),
            left: None,
            membership: BTreeMap::new(),
            standing: BTreeMap::new(),
            rosters: Vec::new(),
            signs_up_with: Map::new(),
            sort: None,
            is_like_another: false,
            is_service: false,
            impersonation: token.impersonation(platform, claims)?,
        })
    }

    /// The name in reports, such as `alice`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The database role.
    pub fn role(&self) -> &str {
        &self.role
    }

    /// Whether row security is bypassed on purpose.
    pub fn is_service(&self) -> bool {
        self.is_service
    }

    /// The id in the users table, if the actor is somebody.
    pub(crate) fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// The names of the tenants the actor is a member of while probes run.
    pub(crate) fn member_of(&self) -> &[String] {
        &self.member_of
    }

    /// The tenant the actor was a member of, and whose claims the token still carries.
    pub(crate) fn left(&self) -> Option<&str> {
        self.left.as_deref()
    }

    /// What judges of the matrix need of the actor.
    pub(crate) fn person(&self) -> Person {
        Person {
            name: self.name.clone(),
            roles: vec![self.role.clone()],
            is_service: self.is_service,
            has_left: self.left.is_some(),
            is_special: matches!(self.sort, Some(Sort::Special | Sort::Bearer)),
            is_bearer: self.sort == Some(Sort::Bearer),
            is_forger: self.sort == Some(Sort::Forger),
            is_guessed: self.rosters.iter().any(|roster| !roster.is_stated)
                || self.standing.iter().any(|((_, column), value)| !says_office(column, value)),
            rosters: self.rosters.iter().map(|roster| roster.name.clone()).collect(),
            promotion: None,
        }
    }

    /// Whether it has rows of its own, and not those of somebody else.
    pub(crate) fn has_own_rows(&self) -> bool {
        self.user.is_some() && !self.is_like_another
    }

    /// What a row of the actor's says that it is, where that is not what others have.
    pub(crate) fn standing(&self, relation: Oid, column: &str) -> Option<&str> {
        self.standing.get(&(relation, column.to_owned())).map(String::as_str)
    }

    /// All of these, by relation and column.
    pub(crate) fn standings(&self) -> &BTreeMap<(Oid, String), String> {
        &self.standing
    }

    /// The tables that list it, and not everybody.
    pub(crate) fn rosters(&self) -> &[Roster] {
        &self.rosters
    }

    /// What it says at sign-up, where that is not what everybody says.
    pub(crate) fn signs_up_with(&self) -> Option<&Map<String, Value>> {
        Some(&self.signs_up_with).filter(|said| !said.is_empty())
    }

    /// Whether it has a row in a table that does not list everybody.
    pub(crate) fn is_listed(&self, roster: Oid) -> bool {
        self.rosters.iter().any(|one| one.relation == roster)
            || self.standing.keys().any(|(relation, _)| *relation == roster)
    }

    /// Column values of the actor's membership rows that differ from an ordinary member's.
    pub(crate) fn membership(&self) -> &BTreeMap<String, String> {
        &self.membership
    }

    /// What turns a session into this actor.
    pub(crate) fn impersonation(&self) -> &Impersonation {
        &self.impersonation
    }
}

/// What turns a session into who makes a recorded call.
///
/// # Errors
/// A platform that has no such role.
pub(crate) fn caller(platform: &Platform, caller: &Caller) -> Result<Impersonation> {
    let (role, user) = match caller {
        Caller::Owner => {
            let owner = platform.owner();
            let path = ("search_path".to_owned(), owner.search_path);
            return Ok(Impersonation::new(vec![path], &owner.role));
        }
        Caller::User(id) => (Some(platform.person_role()), Some(id.as_str())),
        Caller::Nobody => (platform.visitor_role(), None),
        Caller::Service => (platform.service_role(), None),
    };
    let role = role.ok_or_else(|| {
        Error::new("a recorded call is made as `service_role`, and there is none")
            .help("name the role of back-end jobs as `service_role` under `[identity]`")
    })?;
    let token = Token { name: "caller", role, user, claimed_tenant: None };
    token.impersonation(platform, &Map::new())
}

/// Everybody who asks: the built-in people and those of the config, in the order of reports. `roles` are
/// those that a token may say beside the platform's own.
///
/// # Errors
/// An actor of the config with a role that does not exist is found later, when first needed.
pub(crate) fn people(
    project: &Project,
    platform: &Platform,
    catalog: &Catalog,
    tenancy: &Tenancy,
    roles: &[String],
) -> Result<Vec<Actor>> {
    let configured = &project.config().actors;
    let none = ActorConfig::default();
    let mut people = Vec::new();
    for builtin in BUILT_IN {
        // Who has one row that says where they belong belongs to one.
        let is_of_both = builtin.member_of.len() > 1;
        if is_of_both && tenancy.is_of_one_tenant(catalog) && !configured.contains_key(builtin.name)
        {
            continue;
        }
        let config = configured.get(builtin.name).unwrap_or(&none);
        people.extend(cast(builtin, config, platform, catalog, tenancy)?);
    }
    for (name, config) in configured {
        if BUILT_IN.iter().any(|builtin| builtin.name == name) {
            continue;
        }
        let person = BuiltIn { name, member_of: &[], left: None, kind: Kind::Person };
        people.extend(cast(&person, config, platform, catalog, tenancy)?);
    }
    // Where nobody has said who the members are, somebody who runs a tenant is needed, too.
    let highest = tenancy.members.as_ref().map(|members| &members.highest);
    if let Some(highest) = highest.filter(|highest| !highest.is_empty()) {
        let admin = BuiltIn { name: ADMIN, member_of: &["A"], left: None, kind: Kind::Person };
        let config = ActorConfig { membership: highest.clone(), ..ActorConfig::default() };
        if !configured.contains_key(admin.name) {
            people.extend(cast(&admin, &config, platform, catalog, tenancy)?);
        }
    }
    let keys = OthersKeys {
        of_first: keys_of(catalog, tenancy, TENANTS[0], "alice")?,
        of_second: keys_of(catalog, tenancy, TENANTS[1], "bob")?,
    };
    let is_new = |role: &&String| !configured.values().any(|one| one.role.as_ref() == Some(*role));
    let roles: Vec<String> = roles.iter().filter(is_new).cloned().collect();
    let forged = sign_up::forged(catalog, tenancy, keys.of_first[0].as_deref());
    for extra in told::extras(tenancy, has_token(platform), &keys, &roles, forged) {
        if !configured.contains_key(&extra.name) && !is_configured(configured, tenancy, &extra) {
            people.extend(cast_extra(&extra, platform, catalog, tenancy)?);
        }
    }
    // Whoever bypasses row security comes last, away from those who must not.
    people.sort_by_key(Actor::is_service);
    Ok(people)
}

/// Everybody who asks, with whom they are like but for what makes them another.
pub(crate) fn asked(people: &[Actor]) -> Vec<Asked> {
    let reference = |actor: &Actor| -> Option<String> {
        let is_built_in = BUILT_IN.iter().any(|one| one.name == actor.name);
        let name = match reference_of(&actor.name) {
            Some(name) => name,
            None if is_built_in || actor.user.is_none() => return None,
            None if actor.member_of.is_empty() => "outsider",
            None => "alice",
        };
        people.iter().any(|one| one.name == name).then(|| name.to_owned())
    };
    let asked = |actor: &Actor| Asked { name: actor.name.clone(), reference: reference(actor) };
    people.iter().map(asked).collect()
}

/// Whether people are told apart by the claims of a token.
pub(crate) fn has_token(platform: &Platform) -> bool {
    platform.identity().is_none_or(Identity::is_token)
}

/// The keys of a tenant, if there are tenants, and of a user.
fn keys_of(
    catalog: &Catalog,
    tenancy: &Tenancy,
    tenant: &str,
    user: &str,
) -> Result<[Option<String>; 2]> {
    let root = tenancy.tenant.as_ref();
    let tenant = root.map(|root| owner_key(catalog, root, "tenant", tenant)).transpose()?;
    Ok([tenant, Some(owner_key(catalog, &tenancy.users, "user", user)?)])
}

/// Whether the config has somebody of that standing among the members.
fn is_configured(
    configured: &BTreeMap<String, ActorConfig>,
    tenancy: &Tenancy,
    extra: &Extra,
) -> bool {
    let of_members = |relation: Oid| {
        tenancy.members.as_ref().is_some_and(|members| members.relation == relation)
    };
    extra.standing.iter().any(|((relation, column), value)| {
        let has = |actor: &ActorConfig| actor.membership.get(column) == Some(value);
        of_members(*relation) && configured.values().any(has)
    })
}

/// Somebody who has more than another.
fn cast_extra(
    extra: &Extra,
    platform: &Platform,
    catalog: &Catalog,
    tenancy: &Tenancy,
) -> Result<Option<Actor>> {
    let is_like_another =
        extra.standing.is_empty() && extra.rosters.is_empty() && extra.signs_up_with.is_empty();
    let Some(built_in) = BUILT_IN.iter().find(|one| one.name == extra.like) else {
        return Ok(None);
    };
    let name = if is_like_another { extra.like } else { extra.name.as_str() };
    let person = BuiltIn { name, ..*built_in };
    let (claims, role) = (extra.claims.clone(), extra.role.clone());
    let config = ActorConfig { claims, role, ..ActorConfig::default() };
    let Some(actor) = cast(&person, &config, platform, catalog, tenancy)? else { return Ok(None) };
    let impersonation = actor.impersonation.with_settings(&extra.settings);
    Ok(Some(Actor {
        name: extra.name.clone(),
        standing: extra.standing.clone(),
        rosters: extra.rosters.clone(),
        signs_up_with: extra.signs_up_with.clone(),
        sort: Some(extra.sort),
        is_like_another,
        impersonation,
        ..actor
    }))
}

/// Who runs tenant A, where it was inferred that somebody does.
pub(crate) const ADMIN: &str = "admin";

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Visitor,
    Person,
    Service,
}

struct BuiltIn<'a> {
    name: &'a str,
    member_of: &'a [&'a str],
    left: Option<&'a str>,
    kind: Kind,
}

const BUILT_IN: &[BuiltIn<'_>] = &[
    BuiltIn { name: "anon", member_of: &[], left: None, kind: Kind::Visitor },
    BuiltIn { name: "alice", member_of: &["A"], left: None, kind: Kind::Person },
    BuiltIn { name: "amir", member_of: &["A"], left: None, kind: Kind::Person },
    BuiltIn { name: "bob", member_of: &["B"], left: None, kind: Kind::Person },
    BuiltIn { name: "outsider", member_of: &[], left: None, kind: Kind::Person },
    BuiltIn { name: "both", member_of: &["A", "B"], left: None, kind: Kind::Person },
    BuiltIn { name: "removed", member_of: &[], left: Some("A"), kind: Kind::Person },
    BuiltIn { name: SERVICE_ROLE, member_of: &[], left: None, kind: Kind::Service },
];

fn cast(
    person: &BuiltIn<'_>,
    config: &ActorConfig,
    platform: &Platform,
    catalog: &Catalog,
    tenancy: &Tenancy,
) -> Result<Option<Actor>> {
    let standing = match person.kind {
        Kind::Visitor => platform.visitor_role(),
        Kind::Person => Some(platform.person_role()),
        Kind::Service => platform.service_role(),
    };
    let Some(role) = config.role.as_deref().or(standing) else { return Ok(None) };
    let is_person = person.kind == Kind::Person;
    let user = is_person.then(|| owner_key(catalog, &tenancy.users, "user", person.name));
    let user = user.transpose()?;
    let member_of: Vec<String> = match &config.member_of {
        Some(tenants) => tenants.clone(),
        None => person.member_of.iter().map(|tenant| (*tenant).to_owned()).collect(),
    };
    let member_of = if tenancy.tenant.is_some() { member_of } else { Vec::new() };
    // Where the token alone says who is a member, nobody has left as long as it says so.
    let left = person.left.filter(|_| tenancy.members.is_some());
    // A back end asks for membership before it says for which tenant.
    let kept = left.filter(|_| platform.identity().is_none());
    let claimed = member_of.first().map(String::as_str).or(kept);
    let claimed_tenant = match (&tenancy.tenant, claimed) {
        (Some(root), Some(name)) => Some(owner_key(catalog, root, "tenant", name)?),
        _ => None,
    };
    // The key of a tenant of the world is not known to who writes a config.
    let mut claims = Value::Object(config.claims.clone());
    for claim in tenancy.claims.iter().filter(|_| claimed_tenant.is_some()) {
        merge(&mut claims, &Value::Object(object(claim, json!(claimed_tenant))));
    }
    let claims = claims.as_object().cloned().unwrap_or_default();
    let token = Token { name: person.name, role, user: user.as_deref(), claimed_tenant };
    Ok(Some(Actor {
        member_of,
        left: left.filter(|_| tenancy.tenant.is_some()).map(str::to_owned),
        membership: config.membership.clone(),
        is_service: person.kind == Kind::Service,
        ..Actor::with_token(platform, &token, &claims)?
    }))
}
