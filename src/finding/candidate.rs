//! The policies that apply to what was tried: any of them may have let it through.

use serde::Serialize;

use crate::catalog::policy::{PolicyCommand, RowSecurity};
use crate::matrix::command::Command;
use crate::matrix::person::Person;
use crate::names::{Place, QualifiedName};

/// A policy that applies to what was tried.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Candidate {
    /// Its name, unquoted.
    pub policy: String,
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
    /// Whether it is a table, whose own policies are asked, and no view or foreign table.
    pub is_table: bool,
    /// Who owns it.
    pub owner: String,
    /// Whether policies are asked.
    pub row_security: RowSecurity,
    /// The statement after which it was as it is.
    pub place: Option<Place>,
    /// All its policies, each as a candidate.
    pub policies: Vec<Candidate>,
}

/// The policies that are asked when a person tries a command, by name. A statement that looks for rows
/// or gives them back reads them, so that the policies of SELECT are asked, too; truncating asks none.
pub(crate) fn candidates<'p>(
    policies: &'p [Candidate],
    command: Command,
    person: &Person,
) -> Vec<&'p Candidate> {
    let asked = policy_commands(command);
    let applies = |policy: &&Candidate| {
        is_for(policy, person) && asked.iter().any(|asked| policy.is_asked_for(*asked))
    };
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
