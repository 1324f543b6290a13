//! How the versions of a project stand beside what a target says was applied to it. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::error::Result;
use crate::migrate::history::{Content, Entry, History, HistoryKind};
use crate::project::Project;
use crate::project::files::SqlFile;
use crate::push::digest::digest_of;

/// How a version stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// The target has it, and the file is as it was.
    Applied,
    /// The target does not have it.
    Pending,
    /// The target has it, and there is no file.
    OnlyThere,
    /// The target has it, and the file is another now; why that is known.
    Edited(String),
    /// One of the target's histories has it and the other one lacks it; which.
    Torn(String),
}

/// A version, on either side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Its number.
    pub version: i64,
    /// The words after it: those of the file, else those of the target.
    pub name: String,
    /// The file, if there is one.
    pub file: Option<PathBuf>,
    /// How it stands.
    pub state: State,
}

/// What a target says was applied to it.
#[derive(Debug, Clone)]
pub(crate) struct Histories {
    all: Vec<History>,
    /// The digest of the text that each version was left with, where a receipt says so.
    digests: BTreeMap<i64, String>,
}

impl Histories {
    /// All that are kept, the one that refinery judges by first.
    pub(crate) fn new(all: Vec<History>) -> Self {
        Self { all, digests: BTreeMap::new() }
    }

    /// The same, with what receipts say.
    pub(crate) fn with(self, digests: BTreeMap<i64, String>) -> Self {
        Self { digests, ..self }
    }

    /// All that are kept.
    pub(crate) fn all(&self) -> &[History] {
        &self.all
    }

    /// The tables in which they are kept.
    pub(crate) fn tables(&self) -> Vec<String> {
        self.kinds().map(|kind| kind.table().to_owned()).collect()
    }

    pub(crate) fn kinds(&self) -> impl Iterator<Item = HistoryKind> {
        self.all.iter().map(|history| history.kind)
    }

    /// The statements that write a file down as applied, one for each.
    ///
    /// # Errors
    /// A file that refinery does not take.
    pub(crate) fn record_sql(&self, file: &SqlFile) -> Result<Vec<String>> {
        self.all.iter().map(|history| history.record_sql(file)).collect()
    }

    /// All versions of all of them, as one.
    pub(crate) fn joined(&self) -> History {
        let mut entries = BTreeMap::new();
        for entry in self.all.iter().flat_map(|history| &history.entries) {
            entries.entry(entry.version).or_insert_with(|| entry.clone());
        }
        let kind = self.all.first().map_or(HistoryKind::Ours, |history| history.kind);
        History { kind, entries: entries.into_values().collect() }
    }

    /// The rows of a version.
    pub(crate) fn rows_of(&self, version: i64) -> impl Iterator<Item = &Entry> {
        let all = self.all.iter().flat_map(|history| &history.entries);
        all.filter(move |entry| entry.version == version)
    }

    /// Whether one of them has a version.
    pub(crate) fn has(&self, version: i64) -> bool {
        let mut all = self.all.iter().flat_map(|history| &history.entries);
        all.any(|entry| entry.version == version)
    }

    /// How each version of either side stands, in their order.
    pub(crate) fn beside(&self, project: &Project) -> Vec<Standing> {
        let files: BTreeMap<i64, &SqlFile> =
            project.migrations().iter().map(|file| (file.version(), file)).collect();
        let there = self.joined().entries;
        let mut versions: BTreeSet<i64> = files.keys().copied().collect();
        versions.extend(there.iter().map(|entry| entry.version));
        let standing = |version: i64| match files.get(&version) {
            Some(file) => Standing {
                version,
                name: file.name().to_owned(),
                file: Some(file.path().to_owned()),
                state: self.state_of(file),
            },
            None => {
                let name = there.iter().find(|entry| entry.version == version);
                let name = name.map(|entry| entry.name.clone()).unwrap_or_default();
                Standing { version, name, file: None, state: State::OnlyThere }
            }
        };
        versions.into_iter().map(standing).collect()
    }

    fn state_of(&self, file: &SqlFile) -> State {
        let mut lacking = None;
        let mut is_there = false;
        let mut last = None;
        // refinery's is of the whole text already.
        let mut is_known = false;
        for history in &self.all {
            let table = history.kind.table();
            match history.entries.iter().find(|entry| entry.version == file.version()) {
                // Who pushes by another tool writes into its history only.
                None if history.kind == HistoryKind::Supabase => lacking = Some(table),
                None => {}
                Some(entry) if !entry.is_of(file) => {
                    let what = match &entry.content {
                        Content::Statements(_) => "its statements are",
                        _ if entry.name != file.refinery_name() => "its name is",
                        _ => "its checksum is",
                    };
                    return State::Edited(format!("{what} not what {table} has"));
                }
                Some(entry) => {
                    (is_there, last) = (true, Some(table));
                    is_known |= !matches!(entry.content, Content::Statements(_) | Content::Unknown);
                }
            }
        }
        let digest = self.digests.get(&file.version()).filter(|_| is_there && !is_known);
        if digest.is_some_and(|digest| *digest != digest_of(file)) {
            return State::Edited("its text is not that of its receipt".into());
        }
        match (is_there, lacking, last) {
            (true, Some(lacking), Some(has)) => {
                State::Torn(format!("{has} has it, and {lacking} does not"))
            }
            (true, ..) => State::Applied,
            (false, ..) => State::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(kind: HistoryKind, entries: Vec<Entry>) -> History {
        History { kind, entries }
    }

    #[test]
    fn each_version_stands_by_all_histories() {
        let folder = tempfile::tempdir().expect("a folder");
        for version in 1..=6 {
            let path = folder.path().join(format!("V{version}__a.sql"));
            std::fs::write(path, format!("select {version}")).expect("written");
        }
        let project = Project::read(folder.path()).expect("a project");
        let sum = |version: i64| {
            let file = project.migrations().iter().find(|file| file.version() == version);
            Content::Checksum(file.map_or(0, SqlFile::checksum))
        };
        let entry = |version, content| Entry { version, name: "a".into(), content };
        let told = |version: i64| Content::Statements(vec![format!("select {version}")]);
        let ours = vec![
            entry(1, sum(1)),
            entry(2, Content::Checksum(7)),
            entry(4, sum(4)),
            entry(9, sum(9)),
        ];
        let theirs = vec![entry(1, told(1)), entry(3, told(3)), entry(5, told(1))];
        let both = Histories::new(vec![
            history(HistoryKind::Ours, ours.clone()),
            history(HistoryKind::Supabase, theirs),
        ]);
        let shown = |histories: &Histories| -> Vec<String> {
            let state = |one: Standing| match one.state {
                State::Edited(_) => format!("{} edited", one.version),
                State::Torn(_) => format!("{} torn", one.version),
                state => format!("{} {state:?}", one.version),
            };
            histories.beside(&project).into_iter().map(state).collect()
        };
        assert_eq!(
            shown(&both),
            [
                "1 Applied",
                "2 edited",
                "3 Applied",
                "4 torn",
                "5 edited",
                "6 Pending",
                "9 OnlyThere"
            ]
        );
        let alone = Histories::new(vec![history(HistoryKind::Ours, ours)]);
        assert_eq!(
            shown(&alone),
            [
                "1 Applied",
                "2 edited",
                "3 Pending",
                "4 Applied",
                "5 Pending",
                "6 Pending",
                "9 OnlyThere"
            ]
        );
    }
}
