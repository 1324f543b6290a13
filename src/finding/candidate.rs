//! The policies that apply to what was tried: any of them may have let it through.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Serialize;

use crate::catalog::Catalog;
use crate::catalog::policy::{Policy, PolicyCommand, RowSecurity};
use crate::catalog::relation::Relation;
use crate::matrix::command::Command;
use crate::matrix::person::Person;
use crate::migrate::places::{ObjectKind, Places};
use crate::names::{Oid, Place, QualifiedName};

/// A policy that applies to what was tried.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Candidate {
    /// Its name, unquoted.
    pub policy: String,
    /// Its table: what was tried, or what a view of that name reads.
    #[serde(rename = "on")]
    pub table: QualifiedName,
    /// What it is for.
    pub command: PolicyCommand,
    /// Whether it lets rows through, rather than keeping them from those that others let through.
    pub is_permissive: bool,
    /// Whom it is for; `public` is everybody.
    pub roles: Vec<String>,
    /// The statement after which it was as it is.
    pub place: Option<Place>,
}

/// What stands between a relation and who has a privilege on it, as the catalog has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Protection {
    /// The relation.
    pub relation: QualifiedName,
    /// The statement after which it was as it is.
    pub place: Option<Place>,
    /// What decides.
    pub by: ProtectedBy,
}

/// What decides which rows somebody reaches in a relation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ProtectedBy {
    /// It is a table, with its own policies.
    Table {
        /// Who owns it.
        owner: String,
        /// Whether the policies are asked.
        row_security: RowSecurity,
        /// All of them.
        policies: Vec<Candidate>,
    },
    /// It is a view, so that the policies of the tables beneath it are asked.
    View {
        /// Those that are asked of who tries, by a view of the invoker.
        of_invoker: Vec<Candidate>,
        /// Those that are asked of the owner of a view, whoever tries.
        of_owner: Vec<Candidate>,
        /// Whether it reads a table with row security as an owner whom no policy binds.
        is_unbound: bool,
    },
    /// It is a foreign table, of which the catalog tells nothing.
    Foreign,
}

impl Protection {
    /// What stands before a relation of the catalog.
    pub(crate) fn of(relation: &Relation, catalog: &Catalog, places: &Places) -> Self {
        let by = if relation.is_table() {
            ProtectedBy::Table {
                owner: relation.owner.clone(),
                row_security: relation.row_security,
                policies: policies_of(relation, places).collect(),
            }
        } else if relation.is_view() {
            beneath(relation, catalog, places)
        } else {
            ProtectedBy::Foreign
        };
        let place = places.of(ObjectKind::Relation, relation.oid).cloned();
        Self { relation: relation.qualified_name(), place, by }
    }

    /// The policies that are asked when a person tries a command, sorted.
    pub(crate) fn candidates(&self, command: Command, person: &Person) -> Vec<&Candidate> {
        match &self.by {
            ProtectedBy::Table { row_security: RowSecurity::Off, .. } | ProtectedBy::Foreign => {
                Vec::new()
            }
            ProtectedBy::Table { policies, .. } => candidates(policies, command, person),
            ProtectedBy::View { of_invoker, of_owner, .. } => {
                let mut all = candidates(of_invoker, command, person);
                all.extend(of_owner.iter().filter(|policy| policy.is_asked_by(command)));
                all.sort();
                all.dedup();
                all
            }
        }
    }
}

/// The policies of the tables that a view reads, through whatever views lie between. Each view reads
/// as its owner, or as who asks, whatever the view above it does.
fn beneath(view: &Relation, catalog: &Catalog, places: &Places) -> ProtectedBy {
    let (mut of_invoker, mut of_owner, mut is_unbound) = (Vec::new(), Vec::new(), false);
    let (mut views, mut seen) = (vec![view], BTreeSet::<Oid>::new());
    while let Some(view) = views.pop() {
        for read in view.reads.iter().filter_map(|oid| catalog.relation(*oid)) {
            if read.is_view() && seen.insert(read.oid) {
                views.push(read);
            }
            if !read.is_table() || read.row_security == RowSecurity::Off {
                continue;
            }
            let is_owners = read.owner == view.owner && read.row_security == RowSecurity::On;
            if view.is_security_invoker {
                of_invoker.extend(policies_of(read, places));
            } else if view.is_owner_unbound || is_owners {
                is_unbound = true;
            } else {
                let is_for_owner = |policy: &Candidate| policy.is_for(&view.owner);
                of_owner.extend(policies_of(read, places).filter(is_for_owner));
            }
        }
    }
    ProtectedBy::View { of_invoker, of_owner, is_unbound }
}

/// A table's own policies.
fn policies_of<'c>(
    table: &'c Relation,
    places: &'c Places,
) -> impl Iterator<Item = Candidate> + 'c {
    table.policies.iter().map(|policy: &Arc<Policy>| Candidate {
        policy: policy.name.clone(),
        table: table.qualified_name(),
        command: policy.command,
        is_permissive: policy.is_permissive,
        roles: policy.roles.clone(),
        place: places.of(ObjectKind::Policy, policy.oid).cloned(),
    })
}

/// The policies that are asked when a person tries a command, by name. A statement that looks for rows
/// or gives them back reads them, so that the policies of SELECT are asked, too; truncating asks none.
fn candidates<'p>(
    policies: &'p [Candidate],
    command: Command,
    person: &Person,
) -> Vec<&'p Candidate> {
    let applies = |policy: &&Candidate| is_for(policy, person) && policy.is_asked_by(command);
    let mut candidates: Vec<&Candidate> = policies.iter().filter(applies).collect();
    candidates.sort();
    candidates
}

/// The policies that alone can let a command through: those of reading do not say what is written.
pub(crate) fn deciding<'p>(
    policies: &'p [Candidate],
    command: Command,
    person: &Person,
) -> Vec<&'p Candidate> {
    let Some(own) = policy_commands(command).first() else { return Vec::new() };
    let decides = |policy: &&Candidate| {
        policy.is_permissive && is_for(policy, person) && policy.is_asked_for(*own)
    };
    policies.iter().filter(decides).collect()
}

impl Candidate {
    fn is_asked_for(&self, command: PolicyCommand) -> bool {
        [PolicyCommand::All, command].contains(&self.command)
    }

    fn is_asked_by(&self, command: Command) -> bool {
        policy_commands(command).iter().any(|asked| self.is_asked_for(*asked))
    }

    fn is_for(&self, role: &str) -> bool {
        self.roles.iter().any(|own| own == "public" || own == role)
    }
}

fn is_for(policy: &Candidate, person: &Person) -> bool {
    policy.roles.iter().any(|role| role == "public" || person.roles.contains(role))
}

/// What is asked when a command is tried, its own first.
fn policy_commands(command: Command) -> &'static [PolicyCommand] {
    use PolicyCommand::{Delete, Insert, Select, Update};
    match command {
        Command::Read => &[Select],
        Command::Insert => &[Insert],
        Command::InsertReturning => &[Insert, Select],
        Command::Update | Command::Give | Command::Take => &[Update, Select],
        Command::BlindUpdate | Command::BlindGive | Command::BlindTake => &[Update],
        Command::Delete => &[Delete, Select],
        Command::BlindDelete => &[Delete],
        Command::Truncate => &[],
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn policy(name: &str, command: PolicyCommand, roles: &[&str]) -> Candidate {
        Candidate {
            policy: name.into(),
            table: QualifiedName::new("public", "chats"),
            command,
            is_permissive: true,
            roles: roles.iter().map(|role| (*role).to_owned()).collect(),
            place: None,
        }
    }

    pub(crate) fn person(roles: &[&str]) -> Person {
        Person {
            name: "bob".into(),
            roles: roles.iter().map(|role| (*role).to_owned()).collect(),
            is_service: false,
            is_special: false,
            is_guessed: false,
            rosters: Vec::new(),
            is_bearer: false,
            is_forger: false,
            promotion: None,
            has_left: false,
        }
    }

    #[test]
    fn a_command_asks_the_policies_of_what_it_does_and_reads() {
        use PolicyCommand::{All, Delete, Insert, Select, Update};
        let policies = [("a", All), ("d", Delete), ("i", Insert), ("s", Select), ("u", Update)]
            .map(|(name, command)| policy(name, command, &["public"]));
        for (command, asked, deciders) in [
            (Command::Read, "as", "as"),
            (Command::Insert, "ai", "ai"),
            (Command::InsertReturning, "ais", "ai"),
            (Command::Update, "asu", "au"),
            (Command::BlindUpdate, "au", "au"),
            (Command::Delete, "ads", "ad"),
            (Command::BlindDelete, "ad", "ad"),
            (Command::Give, "asu", "au"),
            (Command::BlindGive, "au", "au"),
            (Command::Take, "asu", "au"),
            (Command::BlindTake, "au", "au"),
            (Command::Truncate, "", ""),
        ] {
            let names = |found: Vec<&Candidate>| -> String {
                found.into_iter().map(|candidate| candidate.policy.as_str()).collect()
            };
            let bob = person(&["authenticated"]);
            assert_eq!(names(candidates(&policies, command, &bob)), asked, "{command:?}");
            assert_eq!(names(deciding(&policies, command, &bob)), deciders, "{command:?}");
        }
    }

    #[test]
    fn a_policy_applies_to_the_roles_that_it_names() {
        let to = |roles: &[&str]| policy("p", PolicyCommand::Select, roles);
        for (roles, person_roles, applies) in [
            (to(&["public"]), &["anon"][..], true),
            (to(&["authenticated"]), &["authenticated"], true),
            (to(&["authenticated"]), &["anon"], false),
            (to(&["anon", "authenticated"]), &["authenticated"], true),
            (to(&["staff"]), &["authenticated", "staff"], true),
            (to(&["staff"]), &[], false),
        ] {
            let found =
                candidates(std::slice::from_ref(&roles), Command::Read, &person(person_roles));
            assert_eq!(!found.is_empty(), applies, "{:?} to {person_roles:?}", roles.roles);
        }
    }

    #[test]
    fn a_restrictive_policy_is_asked_and_lets_nothing_through() {
        let mut policy = policy("p", PolicyCommand::All, &["public"]);
        policy.is_permissive = false;
        let (policies, bob) = ([policy], person(&["authenticated"]));
        assert_eq!(candidates(&policies, Command::Delete, &bob).len(), 1);
        assert_eq!(deciding(&policies, Command::Delete, &bob).len(), 0);
    }
}
