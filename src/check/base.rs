//! What a branch has changed of what it is measured against: the accepted file, the config with its waivers
//! and owners, and the data and promises that come with the project. A reviewer reads it beside the verdict,
//! since all of it can turn a red check green.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::check::outcome::SinceBase;
use crate::error::Result;
use crate::matrix::compare::differences;
use crate::matrix::snapshot::{accepted_in, read_accepted};
use crate::matrix::yardstick::YardstickChange;
use crate::project::Project;
use crate::project::revision::Revision;

/// What comes with a project beside its migrations, and can make a check see less.
const BESIDE: [&str; 5] = ["fixtures", "preserve", "api", "rollback", "seed.sql"];

/// Compares the project with what it was.
///
/// # Errors
/// No git, or an accepted file of now that cannot be read.
pub(crate) fn since(project: &Project, base: &Revision) -> Result<SinceBase> {
    let root = project.root();
    let mut since = SinceBase { base: base.name().to_owned(), ..SinceBase::default() };
    let config = Path::new("leakproof.toml");
    let was = base.text(config)?;
    let now = fs::read_to_string(root.join(config)).ok();
    since.config = changed_keys(was.as_deref(), now.as_deref());
    let accepted = project.accepted_in_project();
    match (base.text(&accepted)?, read_accepted(&project.accepted_path())?) {
        (None, None) => {}
        (None, Some(_)) => since.files.push(format!("new {}", accepted.display())),
        (Some(_), None) => since.files.push(format!("gone {}", accepted.display())),
        (Some(was), Some(now)) => match accepted_in(&was, base.name()) {
            Ok(was) => (since.access, since.yardstick) = differences(&was, &now),
            Err(_) => since.files.push(format!("changed {}", accepted.display())),
        },
    }
    let migrations = project.migrations().iter().filter_map(|file| {
        let path = file.path().strip_prefix(root).ok()?;
        Some(path.to_owned())
    });
    let mut paths: BTreeSet<PathBuf> = migrations.collect();
    for beside in BESIDE.map(Path::new) {
        paths.extend(base.files(beside)?);
        paths.extend(files_below(root, beside));
    }
    for path in paths {
        let now = fs::read(root.join(&path)).ok();
        let now = now.map(|now| String::from_utf8_lossy(&now).replace("\r\n", "\n"));
        let what = match (base.text(&path)?, now) {
            (Some(_), None) => "gone",
            // A migration is new on every branch.
            (None, Some(_)) if is_beside(&path) => "new",
            (Some(was), Some(now)) if was != now => "changed",
            _ => continue,
        };
        since.files.push(format!("{what} {}", path.display()));
    }
    Ok(since)
}

fn is_beside(path: &Path) -> bool {
    BESIDE.iter().any(|beside| path.starts_with(beside))
}

/// The files of a folder of the project, and of the folders in it, or the file of that name.
fn files_below(root: &Path, path: &Path) -> Vec<PathBuf> {
    let whole = root.join(path);
    if whole.is_file() {
        return vec![path.to_owned()];
    }
    let entries = fs::read_dir(whole).into_iter().flatten().flatten();
    entries.flat_map(|entry| files_below(root, &path.join(entry.file_name()))).collect()
}

/// The keys of two configs that differ, and the waivers, each as a line.
fn changed_keys(was: Option<&str>, now: Option<&str>) -> Vec<YardstickChange> {
    let [was, now] = [was, now].map(|text| {
        let mut keys = BTreeMap::new();
        if let Some(Ok(table)) = text.map(str::parse::<toml::Table>) {
            flatten("", &toml::Value::Table(table), &mut keys);
        }
        keys
    });
    let all: BTreeSet<&String> = was.keys().chain(now.keys()).collect();
    let changed = all.into_iter().filter(|key| was.get(*key) != now.get(*key));
    let line = |key: &String, side: &BTreeMap<String, String>| {
        side.get(key).map(|value| match value.as_str() {
            "" => key.clone(),
            value => format!("{key} = {value}"),
        })
    };
    changed.map(|key| YardstickChange { was: line(key, &was), now: line(key, &now) }).collect()
}

/// `[a] b = 1` as `a.b`, each table of a list by itself.
fn flatten(at: &str, value: &toml::Value, keys: &mut BTreeMap<String, String>) {
    match value {
        toml::Value::Table(table) => {
            for (key, value) in table {
                let dot = if at.is_empty() { "" } else { "." };
                flatten(&format!("{at}{dot}{key}"), value, keys);
            }
        }
        toml::Value::Array(list) if list.iter().all(toml::Value::is_table) => {
            keys.extend(list.iter().map(|one| (format!("{at}: {}", shown(one)), String::new())));
        }
        value => {
            keys.insert(at.to_owned(), shown(value));
        }
    }
}

/// A value as it is written on one line.
fn shown(value: &toml::Value) -> String {
    match value {
        // A basic string of TOML escapes as JSON does.
        toml::Value::String(text) => serde_json::Value::from(text.as_str()).to_string(),
        toml::Value::Integer(number) => number.to_string(),
        toml::Value::Float(number) => number.to_string(),
        toml::Value::Boolean(is_true) => is_true.to_string(),
        toml::Value::Datetime(time) => time.to_string(),
        toml::Value::Array(list) => {
            format!("[{}]", list.iter().map(shown).collect::<Vec<_>>().join(", "))
        }
        toml::Value::Table(table) => {
            let pairs = table.iter().map(|(key, value)| format!("{key} = {}", shown(value)));
            format!("{{ {} }}", pairs.collect::<Vec<_>>().join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_waivers_are_compared_one_by_one() {
        let was = "[project]\nplatform = \"plain\"\n[tenancy.owners]\n\"public.a\" = \"shared\"\n
            [[waive]]\nfinding = \"a\"\n[[waive]]\nfinding = \"b\"\n";
        let now =
            "[project]\nplatform = \"supabase\"\nschemas = [\"x\"]\n[[waive]]\nfinding = \"b\"\n";
        let told: Vec<String> = changed_keys(Some(was), Some(now))
            .into_iter()
            .map(|YardstickChange { was, now }| {
                format!("{} > {}", was.unwrap_or_default(), now.unwrap_or_default())
            })
            .collect();
        let expected = [
            "project.platform = \"plain\" > project.platform = \"supabase\"",
            " > project.schemas = [\"x\"]",
            "tenancy.owners.public.a = \"shared\" > ",
            "waive: { finding = \"a\" } > ",
        ];
        assert_eq!(told, expected);
        assert_eq!(changed_keys(Some(was), Some(was)), []);
    }
}
