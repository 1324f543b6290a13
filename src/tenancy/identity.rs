//! Who asks on the plain platform, where the config does not say all of it: the settings that policies
//! compare with columns, and the role to whom rows are granted. Each guess says why, and where several
//! would do, nobody is chosen. Pure.

use crate::catalog::Catalog;
use crate::catalog::policy::RowSecurity;
use crate::catalog::relation::Relation;
use crate::catalog::role::Role;
use crate::project::config::IdentityConfig;
use crate::project::identity::{Asking, CLAIMS, Identity, OWNER, UnknownIdentity};
use crate::tenancy::by_policy::Questions;
use crate::tenancy::meaning::Asker;
use crate::words::joined;

/// Parts of names that say that something is a person's.
const OF_USERS: [&str; 9] =
    ["user", "uid", "person", "people", "profile", "member", "employee", "actor", "viewer"];

/// Parts of names that say that something is a tenant's.
const OF_TENANTS: [&str; 17] = [
    "tenant",
    "org",
    "workspace",
    "team",
    "account",
    "company",
    "business",
    "agency",
    "customer",
    "school",
    "store",
    "shop",
    "club",
    "group",
    "household",
    "site",
    "client",
];

/// Parts of names of roles that visitors have.
const OF_VISITORS: [&str; 3] = ["anon", "visitor", "guest"];

/// Whose key something holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holder {
    User,
    Tenant,
}

/// Finds out who asks: what `config` says, and for the rest what the schema tells. As `actor_roles`
/// further actors ask.
pub(crate) fn find_identity(
    config: Option<&IdentityConfig>,
    catalog: &Catalog,
    roles: &[Role],
    actor_roles: &[String],
) -> Asking {
    let stated = config.cloned().unwrap_or_default();
    let mut finder = Finder::default();
    let role = stated.role.clone().or_else(|| finder.role(catalog, roles));
    let (user, tenant) = match (stated.user.clone(), stated.tenant.clone()) {
        (None, None) => finder.settings(catalog),
        stated => stated,
    };
    let is_settled = role.is_some() && (user.is_some() || tenant.is_some());
    // Whoever names a role, and has no policy that asks for more, tells nobody apart.
    let is_role_alone = stated.role.is_some() && finder.has_no_settings;
    let is_bare = !roles.iter().any(Role::is_meant)
        // Those of extensions are nobody's here.
        && catalog.relations().all(|one| one.policies.is_empty() || one.is_owner_unbound);
    let is_known = is_settled || is_role_alone;
    let unknown = (!is_known).then(|| finder.unknown(role.as_ref(), [&user, &tenant], is_bare));
    let nobodys = Identity::nobodys();
    let identity = Identity {
        anonymous_role: stated.anonymous_role.or_else(|| finder.visitors(roles, role.as_ref())),
        service_role: stated.service_role,
        role: role.unwrap_or_else(|| nobodys.role.clone()),
        user,
        tenant,
    };
    let asking = [Some(&identity.role), identity.anonymous_role.as_ref()];
    let asking = asking.into_iter().chain([identity.service_role.as_ref()]).flatten();
    let asking: Vec<&String> = asking.chain(actor_roles).collect();
    let others = roles.iter().filter(|role| role.is_meant() && !asking.contains(&&role.name));
    let others: Vec<String> = others.map(|role| format!("`{}`", role.name)).collect();
    if is_known && !others.is_empty() && config.is_none_or(|config| config.role.is_none()) {
        finder.notes.push(format!(
            "not checked: what the role{} {} may do, as whom nobody asks; `role` under \
             `[actors.<name>]` has somebody do so",
            if others.len() > 1 { "s" } else { "" },
            joined(&others)
        ));
    }
    match unknown {
        Some(_) => Asking { identity: nobodys, reasons: Vec::new(), notes: Vec::new(), unknown },
        None => Asking { identity, reasons: finder.reasons, notes: finder.notes, unknown },
    }
}

/// A setting that policies compare with columns.
struct Setting {
    name: String,
    /// The columns, by relation and name.
    columns: Vec<(String, String)>,
    /// The names of the tables that they lead to.
    tables: Vec<String>,
}

#[derive(Default)]
struct Finder {
    reasons: Vec<(&'static str, String)>,
    notes: Vec<String>,
    /// What is not settled, in words.
    missing: Vec<String>,
    /// Whether no policy compares any setting with a column.
    has_no_settings: bool,
    /// What each key could be.
    roles: Vec<String>,
    users: Vec<String>,
    tenants: Vec<String>,
}

impl Finder {
    /// The role of the application.
    fn role(&mut self, catalog: &Catalog, roles: &[Role]) -> Option<String> {
        let asking = |role: &&Role| !role.bypasses && role.may_ask && role.is_meant();
        let all: Vec<&Role> = roles.iter().filter(asking).collect();
        let is_of_people = |role: &&&Role| !is_of_visitors(&role.name);
        let people: Vec<&Role> = all.iter().filter(is_of_people).copied().collect();
        // Where there are visitors alone, everybody is one.
        let people = if people.is_empty() { all } else { people };
        let in_policies = |role: &&&Role| role.policies > 0;
        let writing = |role: &&&Role| role.written > 0;
        let of = |is: &dyn Fn(&&&Role) -> bool| -> Vec<&Role> {
            people.iter().filter(is).copied().collect()
        };
        let choices = [
            (people.clone(), "no other role of people is granted rows or named by a policy"),
            (of(&in_policies), "no other role of people is named by a policy"),
            (of(&writing), "no other role of people may write"),
        ];
        for (found, why) in choices {
            if let [role] = found.as_slice() {
                self.reasons.push(("role", why.into()));
                return Some(role.name.clone());
            }
        }
        if let Some(why) = bound_owner(catalog).filter(|_| !roles.iter().any(Role::is_meant)) {
            self.reasons.push(("role", why));
            return Some(OWNER.into());
        }
        self.roles = people.iter().map(|role| role.name.clone()).collect();
        self.missing.push(match self.roles.as_slice() {
            [] => "no role is granted rows or named by a policy, and no table binds its owner by \
                   FORCE ROW LEVEL SECURITY"
                .into(),
            several => format!("rows are granted to several roles ({})", several.join(", ")),
        });
        None
    }

    /// The role of visitors, beside that of people.
    fn visitors(&mut self, roles: &[Role], role: Option<&String>) -> Option<String> {
        let mut found = roles.iter().filter(|one| {
            one.may_ask && !one.bypasses && is_of_visitors(&one.name) && Some(&one.name) != role
        });
        let visitors = found.next().filter(|_| found.next().is_none())?;
        self.reasons.push(("anonymous_role", "it is named so".into()));
        Some(visitors.name.clone())
    }

    /// The settings that hold the user and the tenant.
    fn settings(&mut self, catalog: &Catalog) -> (Option<String>, Option<String>) {
        let (settings, documents) = compared(catalog);
        if let Some(claims) = settings.iter().find(|setting| setting.name == CLAIMS) {
            self.reasons.push(("user", claims.reason()));
            return (Some(CLAIMS.into()), None);
        }
        let (mut users, mut tenants, mut others) = (Vec::new(), Vec::new(), Vec::new());
        for setting in &settings {
            match setting.holder() {
                Some(Holder::User) => users.push(setting),
                Some(Holder::Tenant) => tenants.push(setting),
                None => others.push(setting),
            }
        }
        let names = |of: &[&Setting]| -> Vec<String> {
            of.iter().map(|setting| setting.name.clone()).collect()
        };
        self.users = names(&users);
        self.tenants = names(&tenants);
        for (found, what) in [(&users, "a user"), (&tenants, "a tenant")] {
            if found.len() > 1 {
                let several = names(found).join(", ");
                self.missing.push(format!("several settings could hold {what} ({several})"));
            }
        }
        let is_found = !users.is_empty() || !tenants.is_empty();
        if !others.is_empty() {
            let told: Vec<String> = others.iter().map(|one| format!("`{}`", one.name)).collect();
            let told = joined(&told);
            if is_found {
                self.notes.push(format!(
                    "not checked: what depends on {told}, which policies compare with columns and \
                     nothing sets here"
                ));
            } else {
                self.users.extend(names(&others));
                self.tenants.extend(names(&others));
                self.missing.push(format!("nothing says whether {told} holds a user or a tenant"));
            }
        }
        if !is_found && others.is_empty() {
            self.has_no_settings = documents.is_empty();
            self.missing.push(match documents.as_slice() {
                [] => "no policy compares a setting with a column".into(),
                several => format!(
                    "policies look into documents in settings ({}), and only `{CLAIMS}` is known",
                    several.join(", ")
                ),
            });
        }
        let mut take = |key: &'static str, found: &[&Setting]| match found {
            [setting] => {
                self.reasons.push((key, setting.reason()));
                Some(setting.name.clone())
            }
            _ => None,
        };
        let (user, tenant) = (take("user", &users), take("tenant", &tenants));
        if self.missing.is_empty() { (user, tenant) } else { (None, None) }
    }

    /// What is to be said where it is not settled.
    fn unknown(
        &self,
        role: Option<&String>,
        [user, tenant]: [&Option<String>; 2],
        is_bare: bool,
    ) -> UnknownIdentity {
        let line = |key: &str, known: Option<&String>, may_be: &[String], usual: &str| {
            let first = known.or(may_be.first()).map_or(usual, String::as_str);
            let others = match (known, may_be) {
                (None, [_, others @ ..]) if !others.is_empty() => {
                    format!("  # or {}", others.join(", "))
                }
                _ => String::new(),
            };
            format!("{key} = {}{others}", serde_json::Value::from(first))
        };
        let mut lines = vec![
            "[project]".to_owned(),
            "platform = \"plain\"".into(),
            "[identity]".into(),
            line("role", role, &self.roles, "app_user"),
        ];
        if user.is_some() || !self.users.is_empty() || self.tenants.is_empty() && tenant.is_none() {
            lines.push(line("user", user.as_ref(), &self.users, "app.user_id"));
        }
        if tenant.is_some() || !self.tenants.is_empty() {
            lines.push(line("tenant", tenant.as_ref(), &self.tenants, "app.tenant_id"));
        }
        UnknownIdentity { why: self.missing.join("; "), lines: lines.join("\n"), is_bare }
    }
}

impl Setting {
    fn reason(&self) -> String {
        let columns =
            self.columns.iter().map(|(relation, column)| format!("`{relation}.{column}`"));
        let mut columns: Vec<String> = columns.collect();
        columns.sort();
        columns.dedup();
        let more = match columns.len() {
            0 | 1 => String::new(),
            several => format!(" and {} more", several - 1),
        };
        format!("policies compare it with {}{more}", columns.first().map_or("", String::as_str))
    }

    /// Whose key it holds: its own name says it, else that of a column or of the table which that leads to.
    fn holder(&self) -> Option<Holder> {
        let own = self.name.split_once('.').map_or(self.name.as_str(), |(_, name)| name);
        let of_columns = || self.columns.iter().find_map(|(_, column)| holder_in(column));
        let of_tables = || self.tables.iter().find_map(|table| holder_in(table));
        holder_in(own).or_else(of_columns).or_else(of_tables)
    }
}

/// The last part of a name that says whose something is.
fn holder_in(name: &str) -> Option<Holder> {
    let name = name.to_ascii_lowercase();
    let last = |parts: &[&str]| parts.iter().filter_map(|part| name.rfind(part)).max();
    match (last(&OF_USERS), last(&OF_TENANTS)) {
        (None, None) => None,
        (user, tenant) if user > tenant => Some(Holder::User),
        _ => Some(Holder::Tenant),
    }
}

/// Why the application may be the owner: its policies bind nobody else, and are made to bind it.
fn bound_owner(catalog: &Catalog) -> Option<String> {
    let mut tables = catalog.relations().filter(|relation| {
        relation.row_security == RowSecurity::Forced && !relation.policies.is_empty()
    });
    let table = tables.next()?.title();
    Some(format!(
        "no role is granted rows, and `{table}` binds its owner by FORCE ROW LEVEL SECURITY"
    ))
}

fn is_of_visitors(role: &str) -> bool {
    OF_VISITORS.iter().any(|part| role.contains(part))
}

/// The settings that policies compare with columns, by name, and those in which they look for something
/// inside that nobody knows.
fn compared(catalog: &Catalog) -> (Vec<Setting>, Vec<String>) {
    let questions = Questions::of(catalog, &Asker::Unknown);
    let (mut settings, mut documents): (Vec<Setting>, Vec<String>) = Default::default();
    for (name, place, relation, column) in questions.compared_settings() {
        if name != CLAIMS && !place.is_empty() {
            documents.push(name);
            continue;
        }
        let Some(relation) = catalog.relation(relation) else { continue };
        let table = table_of(catalog, relation, &column).map(|table| table.name.clone());
        let at = settings.iter().position(|known| known.name == name).unwrap_or_else(|| {
            settings.push(Setting { name, columns: Vec::new(), tables: Vec::new() });
            settings.len() - 1
        });
        settings[at].columns.push((relation.title(), column));
        settings[at].tables.extend(table);
    }
    settings.sort_by(|one, other| one.name.cmp(&other.name));
    documents.sort();
    documents.dedup();
    (settings, documents)
}

/// The table whose key a column holds, by a foreign key or as its own.
fn table_of<'c>(
    catalog: &'c Catalog,
    relation: &'c Relation,
    column: &String,
) -> Option<&'c Relation> {
    let columns = std::slice::from_ref(column);
    let foreign = relation.foreign_keys.iter().find(|key| key.columns == columns);
    match foreign {
        Some(key) => catalog.relation(key.target),
        None => (relation.key() == Some(columns)).then_some(relation),
    }
}
