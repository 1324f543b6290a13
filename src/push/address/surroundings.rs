//! What surrounds a command: variables of its environment, and the folder of who runs it.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// What may fill in what a named target leaves out; it never names one.
#[derive(Default)]
pub struct Surroundings {
    variables: BTreeMap<String, String>,
    home: Option<PathBuf>,
}

impl Surroundings {
    /// Nothing: a target has what it says itself.
    pub fn none() -> Self {
        Self::default()
    }

    /// Those of this process.
    pub fn of_process() -> Self {
        let pairs = std::env::vars_os();
        let pairs = pairs
            .filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)));
        Self { variables: pairs.collect(), home: std::env::home_dir() }
    }

    /// A variable; one that is empty is as one that is not there.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A file below the folder of who runs this; it need not be there.
    pub(crate) fn home_file(&self, below: &str) -> Option<PathBuf> {
        self.home.as_ref().map(|home| home.join(below))
    }
}

#[cfg(test)]
impl Surroundings {
    /// These variables, and that folder.
    pub(crate) fn with(variables: &[(&str, &str)], home: Option<PathBuf>) -> Self {
        let pairs = variables.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        Self { variables: pairs.collect(), home }
    }
}
