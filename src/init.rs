//! The config of a project that has none: what was inferred from its schema, with the reasons, for a
//! person to correct.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::actor::{ADMIN, Actor};
use crate::catalog::Catalog;
use crate::catalog::relation::Relation;
use crate::error::Result;
use crate::platform::Platform;
use crate::probe::roles::within_reach;
use crate::project::Project;
use crate::project::config::PlatformKind;
use crate::scratch::Scratch;
use crate::server::instance::Server;
use crate::tenancy::Tenancy;
use crate::tenancy::path::Path;
use crate::tenancy::root::Members;
use crate::tenancy::unsettled::Unsettled;
use crate::words::{counted, joined};
use crate::world::ground::Ground;
use crate::world::identify::refuse_unknown;

/// Applies the migrations to a throwaway database on `server` and gives a `leakproof.toml` that says
/// what was inferred.
///
/// # Errors
/// A migration that fails, or a server that is lost.
pub fn inferred_config(project: &Project, server: &Arc<Server>) -> Result<String> {
    Scratch::find_who_asks(project, server)?;
    refuse_unknown(project)?;
    let platform = Platform::of(project);
    let mut scratch = Scratch::empty(project, platform.clone(), server)?;
    scratch.migrate()?;
    let (ground, reached) = scratch.uncommitted(|session| {
        let ground = Ground::read(session, project, &platform)?;
        let roles: Vec<&str> = ground.actors.iter().map(Actor::role).collect();
        let reached = within_reach(session, &roles)?;
        Ok((ground, reached))
    })?;
    let schemas = project.schemas();
    let is_probed =
        |relation: &Relation| schemas.contains(&relation.schema) || reached.contains(&relation.oid);
    let head = "# What `leakproof init` inferred, and why. Correct what is wrong.\n\n";
    let chosen = platform_to_toml(project);
    Ok(format!("{head}{chosen}{}", to_toml(!platform.has_users(), &ground, &is_probed)))
}

/// The platform, and on the plain one who asks.
fn platform_to_toml(project: &Project) -> String {
    let choice = project.platform();
    let mut text = String::from("[project]\n");
    if let Some(why) = &choice.why {
        text.push_str(&format!("# {why}\n"));
    }
    if choice.kind == PlatformKind::Supabase {
        return format!("{text}platform = \"supabase\"\n\n");
    }
    text.push_str("platform = \"plain\"\n\n");
    let Some(asking) = project.asking() else { return text };
    if let Some(unknown) = &asking.unknown {
        let lines = unknown.lines.lines().skip_while(|line| *line != "[identity]");
        text.push_str(&format!("# not known: {}\n", unknown.why));
        lines.for_each(|line| text.push_str(&format!("# {line}\n")));
        return format!("{text}\n");
    }
    let identity = &asking.identity;
    text.push_str("[identity]\n");
    for (key, value) in identity.keys() {
        let Some(value) = value else { continue };
        if let Some((_, why)) = asking.reasons.iter().find(|(about, _)| *about == key) {
            text.push_str(&format!("# {why}\n"));
        }
        text.push_str(&format!("{key} = {}\n", quoted(value)));
    }
    let expected = &choice.expected_roles;
    let roles: Vec<&String> = expected.iter().filter(|role| **role != identity.role).collect();
    let stated = project.config().identity.as_ref().map_or(&[][..], |stated| &stated.roles);
    let roles: Vec<String> = roles.into_iter().chain(stated).map(|role| quoted(role)).collect();
    if !roles.is_empty() {
        text.push_str(&format!(
            "# the migrations count on them, and none makes them\nroles = [{}]\n",
            roles.join(", ")
        ));
    }
    text.push('\n');
    text
}

fn to_toml(is_plain: bool, ground: &Ground, is_probed: &dyn Fn(&Relation) -> bool) -> String {
    let Ground { catalog, tenancy, actors, .. } = ground;
    let mut text = String::from("[tenancy]\n");
    let users = catalog.relation(tenancy.users.relation);
    let users = users.map_or_else(String::new, Relation::title);
    match (&tenancy.tenant, &tenancy.members) {
        (Some(tenant), members) => {
            let tenant =
                catalog.relation(tenant.relation).map_or_else(String::new, Relation::title);
            let subject = members.as_ref().map_or(tenant.as_str(), |m| m.config.table.as_str());
            if let Some(why) = &tenancy.why {
                text.push_str(&format!("# {subject}: {why}\n"));
            }
            text.push_str(&format!("tenant = {}\n", quoted(&tenant)));
            if let Some(members) = members {
                text.push_str(&format!("members = {}\n", members_to_toml(members)));
            }
            if !tenancy.claims.is_empty() {
                let claims: Vec<String> =
                    tenancy.claims.iter().map(|c| quoted(&c.join("."))).collect();
                text.push_str(&format!("claims = [{}]\n", claims.join(", ")));
            }
            // Where they are the platform's, they are known.
            if !users.is_empty() && is_plain {
                text.push_str(&format!("users = {}\n", quoted(&users)));
            }
        }
        _ => {
            text.push_str("# no table ties users to tenants: every user stands alone\n");
            match users.is_empty() {
                true => text.push_str("# no table holds users\n"),
                false => text.push_str(&format!("users = {}\n", quoted(&users))),
            }
        }
    }
    let staff: Vec<String> =
        tenancy.rosters.iter().map(|one| quoted(&one.name.to_string())).collect();
    if !staff.is_empty() {
        text.push_str("# policies ask only whether somebody has a row there\n");
        text.push_str(&format!("staff = [{}]\n", staff.join(", ")));
    }
    text.push_str(&owners_to_toml(catalog, tenancy, is_probed));
    if let Some(admin) = actors.iter().find(|actor| actor.name() == ADMIN) {
        text.push_str(&format!(
            "\n# who runs a tenant\n[actors.{}]\nmember_of = [\"A\"]\nmembership = {}\n",
            admin.name(),
            inline(admin.membership().iter())
        ));
    }
    text
}

fn members_to_toml(members: &Members) -> String {
    let config = &members.config;
    let mut text = format!(
        "{{ table = {}, tenant = {}, user = {}",
        quoted(&config.table),
        quoted(&config.tenant),
        quoted(&config.user)
    );
    if !config.values.is_empty() {
        text.push_str(&format!(", values = {}", inline(config.values.iter())));
    }
    text.push_str(" }");
    text
}

/// A line for each table, with its reason behind it.
fn owners_to_toml(
    catalog: &Catalog,
    tenancy: &Tenancy,
    is_probed: &dyn Fn(&Relation) -> bool,
) -> String {
    let mut lines = Vec::new();
    let mut out_of_reach: BTreeMap<&str, usize> = BTreeMap::new();
    for relation in catalog.relations().filter(|relation| tenancy.is_of_project(relation)) {
        let ownership = tenancy.ownership(relation.oid);
        let has_owner = ownership.tenant.is_some() || ownership.user.is_some();
        if !has_owner && !is_probed(relation) {
            *out_of_reach.entry(&relation.schema).or_default() += 1;
            continue;
        }
        let mut columns = Vec::new();
        let mut reasons = Vec::new();
        for (word, path) in [("tenant", &ownership.tenant), ("user", &ownership.user)] {
            let Some(path) = path else { continue };
            if let Some(column) = column_of(path) {
                columns.push(format!("{word} = {}", quoted(column)));
            }
            reasons.push(format!("{word}: {}", tenancy.reason(catalog, relation, path)));
        }
        let is_root = [&ownership.tenant, &ownership.user]
            .into_iter()
            .flatten()
            .any(|path| path.edges.is_empty());
        if let Some(Unsettled { policies, columns, through, .. }) =
            tenancy.unknown.get(&relation.oid)
        {
            let column = if let [only] = columns.as_slice() { only } else { "..." };
            let why = match through {
                Some(through) => {
                    format!("the rows belong to {through}, or show it, whose owner is not known")
                }
                None if policies.is_empty() => {
                    format!("{} could hold a user or a tenant, or lead to one", joined(columns))
                }
                None => {
                    "policies relate the rows to who is asking, and no column leads to an owner"
                        .into()
                }
            };
            lines.push(format!(
                "# unknown: {why}\n# {} = {{ user = {} }}\n",
                quoted(&relation.title()),
                quoted(column)
            ));
            continue;
        }
        let title = quoted(&relation.title());
        // What is said to be everybody's stays so, whatever columns it gets: only a person can say it.
        let line = match columns.as_slice() {
            _ if is_root => continue,
            [] => format!("# no column leads to an owner\n# {title} = \"shared\"\n"),
            columns => {
                format!("# {}\n{title} = {{ {} }}\n", reasons.join("; "), columns.join(", "))
            }
        };
        lines.push(line);
    }
    lines.extend(out_of_reach.iter().map(|(schema, count)| {
        format!("# nobody may use {} of {schema}\n", counted(*count, "further table"))
    }));
    if lines.is_empty() {
        return String::new();
    }
    let about = "# Whose a row is. A table without a line here is found out each time.";
    format!("\n{about}\n[tenancy.owners]\n{}", lines.concat())
}

/// The column by which the config names a path; of several the last, since the first is often the
/// tenant's in each key.
fn column_of(path: &Path) -> Option<&str> {
    path.first_columns().last().map(String::as_str)
}

fn inline<'a>(values: impl Iterator<Item = (&'a String, &'a String)>) -> String {
    let is_bare = |name: &str| {
        !name.is_empty()
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
    };
    let each: Vec<String> = values
        .map(|(name, value)| {
            let name = if is_bare(name) { name.clone() } else { quoted(name) };
            format!("{name} = {}", quoted(value))
        })
        .collect();
    format!("{{ {} }}", each.join(", "))
}

/// A basic string of TOML, which escapes as JSON does.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
