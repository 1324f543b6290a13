//! What people can reach and no probe tries. Pure.

use serde::{Deserialize, Serialize};

use crate::words::{counted, first_names};

/// What people can reach and no probe tries, by name, sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unprobed {
    /// Functions and procedures that a person may call, with the types of their parameters.
    pub functions: Vec<String>,
    /// Triggers that do as their function's owner whatever they do, where a person makes them fire.
    #[serde(default)]
    pub definer_triggers: Vec<String>,
    /// Sequences that a person may read or move on.
    pub sequences: Vec<String>,
    /// Policies for people on what a storage service keeps.
    pub storage_policies: Vec<String>,
}

impl Unprobed {
    /// What there is of each kind, with what people may do.
    pub(crate) fn kinds(&self) -> [(&'static str, &'static str, &[String]); 4] {
        [
            ("function", "that people may call", &self.functions),
            ("security definer trigger", "that people fire", &self.definer_triggers),
            ("sequence", "that people may use", &self.sequences),
            ("storage policy", "for people", &self.storage_policies),
        ]
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.kinds().iter().map(|(.., names)| names.len()).sum()
    }

    /// A line for each kind of which there is something.
    pub(crate) fn lines(&self) -> Vec<String> {
        let there = self.kinds().into_iter().filter(|(_, _, names)| !names.is_empty());
        let lines = there.map(|(kind, whose, names)| {
            let count = match (kind, names.len()) {
                ("storage policy", count) if count > 1 => format!("{count} storage policies"),
                (kind, count) => counted(count, kind),
            };
            // Those of the same name are told apart by their parameters, in JSON.
            let name = |name: &String| name.split('(').next().unwrap_or(name).to_owned();
            let mut names: Vec<String> = names.iter().map(name).collect();
            names.dedup();
            format!("{count} {whose}: {}", first_names(&names))
        });
        lines.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_a_line() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let unprobed = Unprobed {
            functions: names(&["public.f(integer)"]),
            definer_triggers: Vec::new(),
            sequences: Vec::new(),
            storage_policies: names(&["a on storage.objects", "b on storage.objects"]),
        };
        let expected = [
            "1 function that people may call: public.f",
            "2 storage policies for people: a on storage.objects, b on storage.objects",
        ];
        assert_eq!(unprobed.lines(), expected);
        assert_eq!((unprobed.count(), Unprobed::default().count()), (3, 0));
    }
}
