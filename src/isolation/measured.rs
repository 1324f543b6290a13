//! What people are measured against, in lines for the accepted matrix: who is who, whose is what, and what
//! is declared to be meant. A change of any of them is a change of what "ok" means.

use std::collections::BTreeSet;

use crate::catalog::Catalog;
use crate::catalog::relation::Relation;
use crate::finding::rule::Severity;
use crate::matrix::coverage::Unprobed;
use crate::names::Oid;
use crate::platform::Platform;
use crate::project::Project;
use crate::project::config::{ActorConfig, People, Waiver};
use crate::tenancy::Tenancy;

/// What is known before anybody has asked.
pub(crate) fn measured(
    project: &Project,
    platform: &Platform,
    (catalog, tenancy): (&Catalog, &Tenancy),
    schemas: &[String],
    wanted: &[Oid],
) -> Vec<String> {
    let config = project.config();
    let mut lines = Vec::new();
    if let Some(identity) = platform.identity() {
        lines.push("platform: plain".into());
        let user = identity.user.iter().map(|user| format!(", user in {user}"));
        let tenant = identity.tenant.iter().map(|tenant| format!(", tenant in {tenant}"));
        let visitor = identity.anonymous_role.iter().map(|role| format!(", visitors as {role}"));
        let service = identity.service_role.iter().map(|role| format!(", back end as {role}"));
        let more: String = user.chain(tenant).chain(visitor).chain(service).collect();
        lines.push(format!("identity: role {}{more}", identity.role));
    } else {
        lines.push(format!("platform: {}", platform.describe()));
    }
    lines.push(format!("schemas: {}", schemas.join(", ")));
    let title = |oid: Oid| catalog.relation(oid).map(Relation::title);
    lines.extend(title(tenancy.users.relation).map(|users| format!("users: {users}")));
    let tenants = tenancy.tenant.as_ref().and_then(|root| title(root.relation));
    lines.push(format!("tenants: {}", tenants.as_deref().unwrap_or("none")));
    let homes = tenancy.homes.values();
    let homes: BTreeSet<String> =
        homes.map(|home| format!("tenant: schema {}, role {}", home.schema, home.role)).collect();
    lines.extend(homes);
    if let Some(members) = &tenancy.members {
        let members = &members.config;
        let values = members.values.iter().map(|(column, value)| format!(", {column} = {value}"));
        let values: String = values.collect();
        let (table, tenant, user) = (&members.table, &members.tenant, &members.user);
        lines.push(format!("members: {table} ({tenant}, {user}){values}"));
    }
    let claims: Vec<String> = tenancy.claims.iter().map(|claim| claim.join(".")).collect();
    lines.extend((!claims.is_empty()).then(|| format!("claims: {}", claims.join(", "))));
    lines.extend(tenancy.rosters.iter().map(|roster| format!("staff: {}", roster.name)));
    lines.extend(config.actors.iter().map(|(name, actor)| actor_line(name, actor)));
    if config.project.people == Some(People::None) {
        lines.push("people: none are to reach any row".into());
    }
    if config.check.fail_on == Some(Severity::Low) {
        lines.push("fails on: low".into());
    }
    let wanted = wanted.iter().filter_map(|oid| catalog.relation(*oid));
    for relation in wanted.filter(|relation| tenancy.is_of_project(relation)) {
        let title = relation.title();
        if tenancy.unknown.contains_key(&relation.oid) {
            lines.push(format!("unknown: {title}"));
        } else if tenancy.owner_line(catalog, relation).is_none() {
            let why = match config.tenancy.owners.contains_key(&title) {
                true => "as stated",
                false => "since no column leads to an owner",
            };
            lines.push(format!("nobody's: {title}, {why}"));
        }
    }
    lines.extend(config.waive.iter().map(waiver_line));
    lines
}

/// What no probe tries.
pub(crate) fn not_checked(unprobed: &Unprobed) -> Vec<String> {
    let lines = unprobed.kinds().into_iter().flat_map(|(kind, _, names)| {
        names.iter().map(move |name| format!("not checked: {kind} {name}"))
    });
    lines.collect()
}

fn actor_line(name: &str, actor: &ActorConfig) -> String {
    let role = actor.role.iter().map(|role| format!(", role {role}"));
    let member = actor.member_of.iter().map(|tenants| match tenants.as_slice() {
        [] => ", member of none".to_owned(),
        tenants => format!(", member of {}", tenants.join(" and ")),
    });
    let membership = actor.membership.iter();
    let membership = membership.map(|(column, value)| format!(", membership {column} = {value}"));
    let claims = (!actor.claims.is_empty())
        .then(|| format!(", claims {}", serde_json::Value::Object(actor.claims.clone())));
    let all: String = role.chain(member).chain(membership).chain(claims).collect();
    format!("actor {name}: {}", all.strip_prefix(", ").unwrap_or("as built in"))
}

fn waiver_line(waiver: &Waiver) -> String {
    let Waiver { finding, on, reason, expires, .. } = waiver;
    let until = expires.iter().map(|date| format!(", until {date}")).collect::<String>();
    format!("waived: {finding} on {on}{}{until}: \"{reason}\"", waiver.scope())
}
