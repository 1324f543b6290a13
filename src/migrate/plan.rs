//! What will be done with which files, and why, decided before anything runs. Pure: refinery judges
//! by the history as a value.

use refinery_core::Migration;
use refinery_core::error::Kind;

use crate::error::{Error, Result};
use crate::migrate::history::{History, HistoryKind};
use crate::migrate::judge;
use crate::migrate::target::Target;
use crate::project::Project;
use crate::project::checksum::migration_of;
use crate::project::dialect::Adapted;
use crate::project::files::SqlFile;
use crate::project::guard::{refuse_unguardable, refuse_unguardable_outside};
use crate::project::outside::{Way, way_of};

/// What is wanted of a project's files.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// The last version.
    pub last: i64,
    /// Whether it is the second time: fixtures are not loaded once more, and recorded calls, whose
    /// answers were compared on the first way, are not made.
    pub is_again: bool,
    /// Whether a file that fails or is refused is left out, and the next one tried.
    pub keeps_going: bool,
    /// Whether each file that meets rows is applied under other circumstances before, and taken back.
    pub repeats: bool,
    /// Whether a file is applied that is new and comes before one that was applied.
    pub takes_late: bool,
    /// Whether a file is applied that has to run outside a transaction.
    pub takes_outside: bool,
}

impl Wanted {
    /// All files up to a version, for the first time, until one fails.
    pub fn up_to(last: i64) -> Self {
        let (takes_late, takes_outside) = (false, false);
        Self {
            last,
            is_again: false,
            keeps_going: false,
            repeats: false,
            takes_late,
            takes_outside,
        }
    }
}

/// What will be done with each file of a project, in the order of the versions.
#[derive(Debug)]
pub struct Plan<'p> {
    pub(crate) project: &'p Project,
    pub(crate) history: History,
    pub(crate) wanted: Wanted,
    /// A step for each file.
    pub steps: Vec<Step<'p>>,
    /// Why nothing can be applied at all: versions that were, and that the project lacks.
    pub missing: Vec<Error>,
}

/// A file, and what will be done with it.
#[derive(Debug)]
pub struct Step<'p> {
    /// The file.
    pub file: &'p SqlFile,
    /// What is done.
    pub action: Action,
}

/// What is done with a file.
#[derive(Debug)]
pub enum Action {
    /// It is pending, and this is run of it.
    Apply(Text),
    /// Nothing, since the history has it.
    Applied,
    /// Nothing, since it comes after the last version that is wanted.
    Later,
    /// It cannot be applied, and this is why.
    Refuse(Error),
}

/// What is run of a file.
#[derive(Debug)]
pub struct Text(pub(crate) Adapted);

impl Text {
    /// The statements; each line is where it is in the file.
    pub fn sql(&self) -> &str {
        &self.0.sql
    }
}

impl<'p> Plan<'p> {
    /// Decides what to do on a target with this history.
    ///
    /// # Errors
    /// A file that refinery does not take.
    pub fn decide(
        project: &'p Project,
        history: History,
        target: &Target,
        wanted: Wanted,
    ) -> Result<Self> {
        let judgement = Judgement::of(project.migrations(), &history, wanted.takes_late)?;
        let missing = judgement.missing;
        let mut refused = judgement.refused;
        let step = |file: &'p SqlFile| {
            let is_refused = |one: &(i64, Error)| one.0 == file.version();
            let at = refused.iter().position(is_refused);
            let action = match at.map(|at| refused.remove(at).1) {
                Some(reason) => Action::Refuse(reason),
                None if !judgement.pending.contains(&file.version()) => Action::Applied,
                None => action_for(file, target, wanted),
            };
            Step { file, action }
        };
        let steps = project.migrations().iter().map(step).collect();
        Ok(Self { project, history, wanted, steps, missing })
    }

    /// Who keeps the history by which it was decided.
    pub fn history(&self) -> HistoryKind {
        self.history.kind
    }

    /// Whether it is to be acted on: nothing is missing and, unless such files are left out, none is
    /// refused.
    ///
    /// # Errors
    /// The first reason why not.
    pub(crate) fn refuse(&mut self) -> Result<()> {
        if !self.missing.is_empty() {
            return Err(self.missing.remove(0));
        }
        if self.wanted.keeps_going {
            return Ok(());
        }
        let is_refused = |step: &Step<'_>| matches!(step.action, Action::Refuse(_));
        match self.steps.iter().position(is_refused).map(|at| self.steps.remove(at).action) {
            Some(Action::Refuse(reason)) => Err(reason),
            _ => Ok(()),
        }
    }
}

/// What is done with a file that is pending. One that comes later is looked at, too, so that nobody
/// is half way when it turns out that it cannot run.
fn action_for(file: &SqlFile, target: &Target, wanted: Wanted) -> Action {
    let text = target.text(file);
    let is_outside = wanted.takes_outside && way_of(file).is_ok_and(|way| way == Way::Statements);
    let refuse = if is_outside { refuse_unguardable_outside } else { refuse_unguardable };
    match refuse(file, &text.sql) {
        Err(reason) => Action::Refuse(reason),
        Ok(()) if file.version() > wanted.last => Action::Later,
        Ok(()) => Action::Apply(Text(text)),
    }
}

/// What refinery says of a project's files.
struct Judgement {
    pending: Vec<i64>,
    refused: Vec<(i64, Error)>,
    missing: Vec<Error>,
}

impl Judgement {
    /// refinery stops at the first version that it refuses, so it is asked again as if the file had
    /// not come, or had never been changed or lost.
    fn of(files: &[SqlFile], history: &History, takes_late: bool) -> Result<Self> {
        let mut known = files.iter().map(migration_of).collect::<Result<Vec<_>>>()?;
        let applied = history.migrations(files);
        let (mut refused, mut missing, mut late) = (Vec::new(), Vec::new(), Vec::new());
        loop {
            let cause = match judge::pending(&known, applied.clone()) {
                Ok(mut pending) => {
                    pending.extend(late);
                    return Ok(Self { pending, refused, missing });
                }
                Err(cause) => cause,
            };
            let one = match cause.kind() {
                Kind::DivergentVersion(one, _)
                | Kind::MissingVersion(one)
                | Kind::RepeatedVersion(one) => one.clone(),
                _ => return Err(refinery_refused(cause)),
            };
            let is_it = |other: &Migration| other.version() == one.version();
            let has_file = known.iter().any(is_it);
            known.retain(|other| !is_it(other));
            match applied.iter().find(|other| is_it(other)) {
                None if takes_late => late.push(one.version()),
                None => refused.push((one.version(), too_late(&one, &applied))),
                Some(was) => {
                    known.push(was.clone());
                    match has_file {
                        true => refused.push((one.version(), refinery_refused(cause))),
                        false => missing.push(refinery_refused(cause)),
                    }
                }
            }
        }
    }
}

fn refinery_refused(cause: impl std::fmt::Display) -> Error {
    Error::new("refinery refused the migrations")
        .cause(cause)
        .help("applied files must stay as they are, and new versions come last")
}

/// refinery calls a file that came late missing, as one that is gone.
fn too_late(file: &Migration, applied: &[Migration]) -> Error {
    let last = applied.last().map_or(0, Migration::version);
    refinery_refused(format!("migration {file} is new, and version {last} is applied already"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migrate::history::{Content, Entry};
    use crate::migrate::target::Throwaway;
    use crate::platform::owner::Owner;

    /// A project of files of these versions.
    fn project(files: &[(i64, &str)]) -> (tempfile::TempDir, Project) {
        let folder = tempfile::tempdir().expect("a folder");
        for (version, sql) in files {
            std::fs::write(folder.path().join(format!("V{version}__a.sql")), sql).expect("written");
        }
        let project = Project::read(folder.path()).expect("a project");
        (folder, project)
    }

    fn throwaway() -> Target {
        let owner = Owner { role: "a".into(), search_path: "b".into() };
        Target::Throwaway(Throwaway::new(owner))
    }

    /// A history with these versions of the project, the ones below zero with another text.
    fn history(project: &Project, versions: &[i64]) -> History {
        let entry = |version: &i64| {
            let file = project.migrations().iter().find(|file| file.version() == version.abs());
            let sum = file.map_or(0, SqlFile::checksum);
            let content = Content::Checksum(if *version < 0 { !sum } else { sum });
            Entry { version: version.abs(), name: "a".into(), content }
        };
        History { kind: HistoryKind::Ours, entries: versions.iter().map(entry).collect() }
    }

    fn told(plan: &Plan<'_>) -> String {
        let step = |step: &Step<'_>| {
            let action = match step.action {
                Action::Apply(_) => "apply",
                Action::Applied => "applied",
                Action::Later => "later",
                Action::Refuse(_) => "refuse",
            };
            format!("{} {action}", step.file.version())
        };
        let mut steps: Vec<String> = plan.steps.iter().map(step).collect();
        steps.extend(plan.missing.iter().map(|_| "missing".to_owned()));
        steps.join(", ")
    }

    #[test]
    fn what_is_done_with_each_file() {
        for (versions, applied, last, expected) in [
            ([1, 2, 3].as_slice(), [].as_slice(), i64::MAX, "1 apply, 2 apply, 3 apply"),
            (&[1, 2, 3], &[], 2, "1 apply, 2 apply, 3 later"),
            (&[1, 2, 3], &[1], 2, "1 applied, 2 apply, 3 later"),
            (&[1, 2, 3], &[1, 2, 3], i64::MAX, "1 applied, 2 applied, 3 applied"),
            (&[1, 2, 3], &[1, 3], i64::MAX, "1 applied, 2 refuse, 3 applied"),
            (&[1, 2, 3, 4], &[1, -3], i64::MAX, "1 applied, 2 refuse, 3 refuse, 4 apply"),
            (&[1, 2], &[-1], i64::MAX, "1 refuse, 2 apply"),
            (&[1, 3], &[1, 2], i64::MAX, "1 applied, 3 apply, missing"),
            (&[1], &[1, 2], i64::MAX, "1 applied, missing"),
        ] {
            let files: Vec<(i64, &str)> = versions.iter().map(|v| (*v, "select 1")).collect();
            let (_folder, project) = project(&files);
            let history = history(&project, applied);
            let plan = Plan::decide(&project, history, &throwaway(), Wanted::up_to(last));
            assert_eq!(told(&plan.expect("a plan")), expected, "{versions:?} after {applied:?}");
        }
    }

    #[test]
    fn what_cannot_run_is_refused_before_anything_does() {
        let (_folder, project) = project(&[(1, "select 1"), (2, "end"), (3, "begin")]);
        let decide = |applied: &[i64], wanted| {
            Plan::decide(&project, history(&project, applied), &throwaway(), wanted)
                .expect("a plan")
        };
        let mut plan = decide(&[], Wanted::up_to(1));
        assert_eq!(told(&plan), "1 apply, 2 refuse, 3 refuse");
        let reason = plan.refuse().expect_err("it is refused").to_string();
        assert!(reason.contains("V2__a.sql` cannot be run: line 1"), "{reason}");
        let mut plan = decide(&[], Wanted { keeps_going: true, ..Wanted::up_to(i64::MAX) });
        assert!(plan.refuse().is_ok());
        // What is applied already need not run.
        assert_eq!(told(&decide(&[1, 2, 3], Wanted::up_to(3))), "1 applied, 2 applied, 3 applied");
    }

    #[test]
    fn files_that_come_late_are_taken_where_that_is_wanted() {
        let (_folder, project) = project(&[(1, "select 1"), (2, "select 2"), (3, "select 3")]);
        let wanted = Wanted { takes_late: true, ..Wanted::up_to(i64::MAX) };
        let plan = Plan::decide(&project, history(&project, &[3]), &throwaway(), wanted);
        assert_eq!(told(&plan.expect("a plan")), "1 apply, 2 apply, 3 applied");
    }

    #[test]
    fn each_reason_says_what_it_is_about() {
        let (_folder, project) = project(&[(1, "select 1"), (2, "select 2")]);
        for (applied, reason) in [
            ([2].as_slice(), "V1__a is new, and version 2 is applied already"),
            (&[1, -2], "applied migration V2__a is different than filesystem one V2__a"),
            (&[1, 2, 3], "migration V3__a is missing from the filesystem"),
        ] {
            let history = history(&project, applied);
            let plan = Plan::decide(&project, history, &throwaway(), Wanted::up_to(9));
            let told = plan.expect("a plan").refuse().expect_err("it is refused").to_string();
            assert!(told.starts_with("refinery refused the migrations\n"), "{told}");
            assert!(told.contains(reason), "{told}");
        }
    }

    #[test]
    fn a_real_target_refuses_what_a_throwaway_adapts() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("20240102030405_a.sql");
        std::fs::write(file, "begin; select 1; end;").expect("written");
        let project = Project::read(folder.path()).expect("a project");
        for (target, expected) in [(throwaway(), "apply"), (Target::Real, "refuse")] {
            let plan = Plan::decide(&project, History::empty(), &target, Wanted::up_to(i64::MAX));
            assert_eq!(told(&plan.expect("a plan")), format!("20240102030405 {expected}"));
        }
    }
}
