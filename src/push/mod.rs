//! The same files, on the real database: `leakproof push` and `leakproof status`.
//!
//! ```no_run
//! use leakproof::Project;
//! use leakproof::push::{Push, PushOptions};
//!
//! let project = Project::read(".")?;
//! let url = "postgres://postgres:secret@localhost/app";
//! let push = Push::open(&project, url, PushOptions::default())?;
//! print!("{}", push.plan());
//! let pushed = push.apply(&mut |_| {})?;
//! assert!(pushed.lost.is_empty());
//! # Ok::<(), leakproof::Error>(())
//! ```
//!
//! Files run as they stand, as who is connected: nothing here adapts, stubs or elevates. Each is one transaction
//! together with its rows in the histories, in which what it does to rows is counted; a file that loses some is
//! rolled back. One push at a time has the database. What cannot be applied so is refused before anything is.

mod address;
mod attempt;
mod blockers;
mod connected;
pub(crate) mod event;
mod lock;
pub(crate) mod receipt;
mod refuse;
pub(crate) mod standing;
mod told;

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::discretion::Discretion;
use crate::error::{Error, Result};
use crate::finding::value::Finding;
use crate::migrate::history::HistoryKind;
use crate::migrate::history_table::make_table;
use crate::migrate::plan::{Action, Plan, Wanted};
use crate::migrate::target::Target;
use crate::preserve::{Again, uncountable};
use crate::project::Project;
use crate::project::files::SqlFile;
use crate::push::address::Address;
use crate::push::attempt::{Attempt, Outcome, most_counted};
use crate::push::connected::{Connected, connect_to_look, read_histories};
use crate::push::event::Tell;
use crate::push::lock::Pause;
use crate::push::refuse::{refuse_layout, refuse_standings, refuse_statements};
use crate::push::standing::Histories;
use crate::push::told::{Planned, Told, plan_text, status_text};
use crate::report::text::findings::write_finding;
use crate::sql::statement::split;
use crate::words::printable;

pub use crate::push::event::Event;
pub use crate::push::receipt::{How, Receipt};
pub use crate::push::standing::{Standing, State};

/// What another attempt may get: `lock_not_available`, `deadlock_detected`, `serialization_failure`.
const PASSING: [&str; 3] = ["55P03", "40P01", "40001"];

const UNIQUE_VIOLATION: &str = "23505";

/// How long nothing is held before the next attempt.
const SHORTEST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How many times a file is applied once more because it writes to tables that were not counted. Each time there
/// are fewer of them, unless others make and drop tables all the while.
const MOST_AGAIN: usize = 8;

/// What a push may do, and for how long.
#[derive(Debug, Clone)]
pub struct PushOptions {
    /// How long to wait for who else is pushing, and for each file's locks in all.
    pub lock_wait: Duration,
    /// How long one attempt waits for a lock, and with it whoever comes behind us.
    pub lock_timeout: Duration,
    /// How long the rows of a file's tables are counted under lock, as their size lets expect; what is over it is left
    /// out.
    pub lock_budget: Duration,
    /// Whether files are applied that are new and come before one that was applied.
    pub allow_out_of_order: bool,
    /// Whether values of rows are told, and not keys alone.
    pub show_values: bool,
    /// The password, where the URL has none.
    pub password: Option<String>,
}

impl Default for PushOptions {
    fn default() -> Self {
        Self {
            lock_wait: Duration::from_secs(60),
            lock_timeout: Duration::from_secs(1),
            lock_budget: Duration::from_secs(2),
            allow_out_of_order: false,
            show_values: false,
            password: None,
        }
    }
}

/// How the versions of a project stand beside those of a target.
#[derive(Debug)]
pub struct Status {
    /// Those of either side, in their order.
    pub versions: Vec<Standing>,
    text: String,
}

impl Status {
    /// Whether each version is applied there and as it is here.
    pub fn is_in_step(&self) -> bool {
        self.versions.iter().all(|one| one.state == State::Applied)
    }

    /// Where it was looked, and how each version stands.
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// Looks what a target says was applied to it; writes nothing.
///
/// # Errors
/// A URL that cannot be used, a server that does not let us in, a history that cannot be read.
pub fn status(project: &Project, url: &str, password: Option<String>) -> Result<Status> {
    refuse_layout(project)?;
    let address = Address::read(url, password)?;
    let histories = read_histories(&mut connect_to_look(&address)?, project)?;
    let versions = histories.beside(project);
    let text = status_text(&told(&address.to_string(), &histories, project), &versions);
    Ok(Status { versions, text })
}

fn told<'a>(target: &'a str, histories: &Histories, project: &'a Project) -> Told<'a> {
    let histories = histories.kinds().map(HistoryKind::table).collect();
    Told { target, histories, notes: project.notes() }
}

/// A push that is decided, and not begun.
pub struct Push<'p> {
    project: &'p Project,
    address: Address,
    options: PushOptions,
    target: Connected,
    histories: Histories,
    pending: Vec<&'p SqlFile>,
    /// What would not be counted of each of these.
    uncounted: Vec<Vec<String>>,
}

/// What came of a push.
#[derive(Debug, Default)]
pub struct Pushed {
    /// How many files it has applied.
    pub applied: usize,
    /// What the file would lose at which it stopped. Nothing of that file stays.
    pub lost: Vec<Finding>,
    text: String,
}

impl Pushed {
    /// What is to be said at the end.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl<'p> Push<'p> {
    /// Connects, and decides what there is to do.
    ///
    /// # Errors
    /// What is refused, before anything is applied; see `README.md`.
    pub fn open(project: &'p Project, url: &str, options: PushOptions) -> Result<Self> {
        refuse_layout(project)?;
        let address = Address::read(url, options.password.clone())?;
        let mut target = Connected::to(&address, options.lock_timeout, discretion(&options))?;
        let (histories, pending) = decide(&mut target, project, &options)?;
        let uncounted =
            look_ahead(&mut target, project, &pending, most_counted(options.lock_budget))?;
        Ok(Self { project, address, options, target, histories, pending, uncounted })
    }

    /// How many files it will apply.
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Host, port, database and role.
    pub fn target(&self) -> String {
        let role = &self.target.role;
        match role == self.address.user() {
            true => self.address.to_string(),
            false => format!("{}, who becomes {role}", self.address),
        }
    }

    /// The target, and what will be done to it.
    pub fn plan(&self) -> String {
        let planned = self.pending.iter().zip(&self.uncounted).map(|(file, uncounted)| Planned {
            title: file.title(),
            path: file.path().display().to_string(),
            statements: split(file.raw()).len(),
            pairs: self.project.preserve(file.version()).len(),
            calls: self.project.calls(file.version()).len(),
            uncounted: uncounted.clone(),
        });
        let planned: Vec<Planned> = planned.collect();
        plan_text(&told(&self.target(), &self.histories, self.project), &planned)
    }

    /// Applies the files, one after the other; `tell` hears of each.
    ///
    /// # Errors
    /// Somebody else is pushing, the target has changed, a statement that fails: nothing of its file stays, and the
    /// files before it do.
    pub fn apply(mut self, tell: &mut Tell<'_>) -> Result<Pushed> {
        if self.pending.is_empty() {
            return Ok(Pushed::default());
        }
        lock::take(&mut self.target.connection, self.options.lock_wait, tell)?;
        let planned = std::mem::take(&mut self.pending);
        let (histories, pending) = decide(&mut self.target, self.project, &self.options)?;
        self.histories = histories;
        let is_new = |file: &&&SqlFile| !planned.iter().any(|one| one.version() == file.version());
        if let Some(new) = pending.iter().find(is_new) {
            return Err(Error::new("the target has changed since the plan was made")
                .cause(format!("it does not have {} any more", new.title()))
                .help("see what has changed with `leakproof status`, and push again"));
        }
        for kind in self.histories.kinds() {
            make_table(&mut self.target.connection, kind)?;
        }
        let mut pushed = Pushed::default();
        for file in planned {
            let title = file.title();
            let how = match self.histories.has(file.version()) {
                true => How::Elsewhere,
                false => {
                    tell(&Event::Applying(&title));
                    match self.apply_file(file, tell)? {
                        Ok(how) => how,
                        Err(lost) => return Ok(stopped(pushed, &title, lost)),
                    }
                }
            };
            pushed.applied += usize::from(!matches!(how, How::Elsewhere));
            tell(&Event::Applied(&Receipt { title, how }));
        }
        Ok(pushed)
    }

    /// Applies a file, as often as it takes; inside, what it would lose.
    fn apply_file(
        &mut self,
        file: &SqlFile,
        tell: &mut Tell<'_>,
    ) -> Result<std::result::Result<How, Vec<Finding>>> {
        let (begun, title) = (Instant::now(), file.title());
        let mut pause = Pause::new(SHORTEST_PAUSE, LONGEST_PAUSE);
        let (mut again, mut times) = (Again::default(), 0);
        loop {
            let Self { project, histories, target, options, .. } = &mut *self;
            let is_discreet = !options.show_values;
            let most_counted = most_counted(options.lock_budget);
            let attempt = Attempt { project, histories, file, is_discreet, most_counted };
            target.blockers.take();
            let error = match attempt.make(target, &again) {
                Ok(Outcome::Applied(how)) => return Ok(Ok(how)),
                Ok(Outcome::Lost(lost)) => return Ok(Err(lost)),
                Ok(Outcome::Again(more)) => {
                    times += 1;
                    if times > MOST_AGAIN {
                        return Err(restless(file));
                    }
                    again.extend(more);
                    tell(&Event::Again(&title));
                    continue;
                }
                Err(error) => error,
            };
            if error.refusal().is_none() && self.target.is_lost() {
                return self.ask_again(file, error, tell).map(Ok);
            }
            let Some(refusal) = error.refusal() else { return Err(error) };
            let is_claim = |kind: HistoryKind| {
                kind.table()
                    .split_once('.')
                    .is_some_and(|(schema, table)| refusal.is_about(schema, table))
            };
            if refusal.sqlstate == UNIQUE_VIOLATION && self.histories.kinds().any(is_claim) {
                self.histories = read_histories(&mut self.target.connection, self.project)?;
                let standings = self.histories.beside(self.project);
                refuse_standings(&standings, self.options.allow_out_of_order)?;
                return match self.histories.has(file.version()) {
                    true => Ok(Ok(How::Elsewhere)),
                    false => Err(error),
                };
            }
            if !PASSING.contains(&refusal.sqlstate.as_str()) {
                return Err(error);
            }
            let by = self.target.blockers.take();
            let again_in = pause.take();
            if begun.elapsed() + again_in > self.options.lock_wait {
                return Err(in_the_way(file, &by, &error));
            }
            let why = refusal.brief();
            tell(&Event::Blocked { title: &title, why: &why, by: &by, again_in });
            sleep(again_in);
        }
    }

    /// Finds out what became of a file during which the connection was lost: only the target knows.
    fn ask_again(&mut self, file: &SqlFile, error: Error, tell: &mut Tell<'_>) -> Result<How> {
        let unknown = |cause: &Error| {
            Error::new(format!("the connection was lost while {} was applied", file.title()))
                .cause(cause.in_brief())
                .help("whether the target has it is not known; `leakproof status` tells, and a push goes on from there")
        };
        let discretion = discretion(&self.options);
        let target = Connected::to(&self.address, self.options.lock_timeout, discretion);
        self.target = target.map_err(|cause| unknown(&cause))?;
        let wait = self.options.lock_wait;
        lock::take(&mut self.target.connection, wait, tell).map_err(|cause| unknown(&cause))?;
        let histories = read_histories(&mut self.target.connection, self.project);
        self.histories = histories.map_err(|cause| unknown(&cause))?;
        tell(&Event::Reconnected);
        if self.histories.has(file.version()) {
            return Ok(How::Unheard);
        }
        Err(Error::new(format!("the connection was lost while {} was applied", file.title()))
            .cause(error.in_brief())
            .help("the target does not have it: nothing of this file was kept; push again"))
    }
}

fn discretion(options: &PushOptions) -> Discretion {
    if options.show_values { Discretion::Open } else { Discretion::Keys }
}

/// What a target says, and what there is to do.
fn decide<'p>(
    target: &mut Connected,
    project: &'p Project,
    options: &PushOptions,
) -> Result<(Histories, Vec<&'p SqlFile>)> {
    let histories = read_histories(&mut target.connection, project)?;
    let takes_late = options.allow_out_of_order;
    refuse_standings(&histories.beside(project), takes_late)?;
    let wanted = Wanted { takes_late, ..Wanted::up_to(i64::MAX) };
    let is_pending = |file: &&SqlFile| !histories.has(file.version());
    project.migrations().iter().filter(is_pending).try_for_each(refuse_statements)?;
    let mut plan = Plan::decide(project, histories.joined(), &Target::Real, wanted)?;
    plan.refuse()?;
    let pending = plan.steps.iter().filter(|step| matches!(step.action, Action::Apply(_)));
    let pending = pending.map(|step| step.file).collect();
    Ok((histories, pending))
}

/// What would not be counted of each file, as far as that shows before the first is applied.
fn look_ahead(
    target: &mut Connected,
    project: &Project,
    pending: &[&SqlFile],
    most_bytes: u64,
) -> Result<Vec<Vec<String>>> {
    if pending.is_empty() {
        return Ok(Vec::new());
    }
    let files = pending.iter().map(|file| (file.raw(), project.preserve(file.version())));
    let files: Vec<_> = files.collect();
    let settings = target.settings.clone();
    let looked = target.connection.uncommitted(|session| {
        settings.into_iter().for_each(|setting| session.say(setting));
        uncountable(session, &files, most_bytes)
    });
    match looked {
        Err(error)
            if error.refusal().is_some_and(|one| PASSING.contains(&one.sqlstate.as_str())) =>
        {
            let told = format!("what would not be counted is not known: {}", error.in_brief());
            Ok(pending.iter().map(|_| vec![told.clone()]).collect())
        }
        looked => looked,
    }
}

fn stopped(pushed: Pushed, title: &str, lost: Vec<Finding>) -> Pushed {
    let mut text = format!("rolled back {title}: nothing of it stays\n");
    // Writing to a string does not fail.
    for finding in &lost {
        let _ = write_finding(&mut text, finding);
    }
    Pushed { lost, text: printable(&text), ..pushed }
}

fn in_the_way(file: &SqlFile, by: &[String], error: &Error) -> Error {
    let who = match by {
        [] => "nobody was seen in the way".to_owned(),
        some => format!("in the way: {}", some.join("; ")),
    };
    Error::new(format!("{} could not get its locks", file.title()))
        .cause(format!("{}; {who}", error.in_brief()))
        .help("nothing of this file was kept; push when they are done, or give it longer with `--lock-wait SECONDS`")
}

fn restless(file: &SqlFile) -> Error {
    Error::new(format!("what {} does to rows cannot be seen", file.title()))
        .cause("each time it writes to tables that were not counted before, or others drop tables meanwhile")
        .help("nothing of this file was kept; push when fewer are at work")
}
