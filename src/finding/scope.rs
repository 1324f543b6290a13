//! What of a finding a waiver covers: who may do what to whose rows, or the ways of which policies. Pure.

use std::collections::BTreeSet;

use crate::finding::symptoms::{Reached, Symptoms};
use crate::finding::value::Finding;
use crate::matrix::class::{RowClass, class_name};
use crate::matrix::command::Command;
use crate::matrix::mark::{MarkKey, Marks, Reach};
use crate::matrix::person::ordinary_of;
use crate::names::QualifiedName;
use crate::project::config::Waiver;

impl Waiver {
    /// Whether it says all that a waiver of such a finding has to say.
    pub(crate) fn is_complete_for(&self, finding: &Finding) -> bool {
        match finding.symptoms {
            Symptoms::Access(_) => {
                self.actors.is_some() && self.classes.is_some() && self.commands.is_some()
            }
            Symptoms::Untried { .. } => self.policies.is_some(),
            _ => true,
        }
    }

    /// Whether it names who reached that, on whose rows, and by what. Of whom policies tell apart from somebody
    /// who is named it is enough that they reach it, too.
    pub(crate) fn names(&self, reached: &Reached) -> bool {
        let is_named = |actor: &str| self.actors.iter().flatten().any(|name| name == actor);
        (is_named(&reached.actor) || ordinary_of(&reached.actor).is_some_and(is_named))
            && self.classes.iter().flatten().any(|class| *class == reached.class)
            && self.commands.iter().flatten().any(|command| *command == reached.command)
    }

    /// What it covers, in words; nothing where it does not say.
    pub(crate) fn scope(&self) -> String {
        let mut words = String::new();
        let mut add = |before: &str, names: Option<Vec<String>>| {
            words.extend(names.map(|names| format!(", {before} {}", names.join(" "))));
        };
        add("by", self.actors.clone());
        let classes = self.classes.iter().flatten().map(|class| class_name(*class).to_owned());
        add("on", self.classes.is_some().then(|| classes.collect()));
        let commands = self.commands.iter().flatten().map(|command| command.key());
        add("of", self.commands.is_some().then(|| commands.collect()));
        add("in", self.policies.clone());
        words
    }
}

/// Whether the accepted matrix shows it as reached, or whom they are like where they came later.
pub(crate) fn is_accepted(accepted: &Marks, on: &QualifiedName, reached: &Reached) -> bool {
    let key = |actor: &str| MarkKey {
        relation: on.to_string(),
        actor: actor.to_owned(),
        command: reached.command,
        class: reached.class,
    };
    let is_known = accepted.keys().any(|key| key.actor == reached.actor);
    let actor = match ordinary_of(&reached.actor) {
        Some(ordinary) if !is_known => ordinary,
        _ => &reached.actor,
    };
    let mark = accepted.get(&key(actor));
    mark.is_some_and(|mark| Reach::of(*mark) != Reach::None || *mark == 'E')
}

/// The lines of `leakproof.toml` that say what of these findings there is to cover.
pub(crate) fn lines<'a>(findings: impl Iterator<Item = &'a Finding>) -> Vec<String> {
    let (mut actors, mut classes, mut commands) =
        (Vec::new(), BTreeSet::<RowClass>::new(), BTreeSet::<Command>::new());
    let mut policies = BTreeSet::new();
    for finding in findings {
        match &finding.symptoms {
            Symptoms::Access(reached) => {
                for one in reached {
                    if !actors.contains(&one.actor) {
                        actors.push(one.actor.clone());
                    }
                    classes.insert(one.class);
                    commands.insert(one.command);
                }
            }
            Symptoms::Untried { policy, .. } => {
                policies.insert(policy.clone());
            }
            _ => {}
        }
    }
    let classes = classes.into_iter().map(|class| class_name(class).to_owned()).collect();
    let commands = commands.into_iter().map(Command::key).collect();
    let lists: [(&str, Vec<String>); 4] = [
        ("actors", actors),
        ("classes", classes),
        ("commands", commands),
        ("policies", policies.into_iter().collect()),
    ];
    let there = lists.into_iter().filter(|(_, names)| !names.is_empty());
    let line = |(key, names): (&str, Vec<String>)| {
        let names: Vec<String> =
            names.into_iter().map(|name| serde_json::Value::from(name).to_string()).collect();
        format!("{key} = [{}]", names.join(", "))
    };
    there.map(line).collect()
}
