//! The same files, on the real database: `leakproof push` and `leakproof status`.
//!
//! ```no_run
//! use leakproof::Project;
//! use leakproof::push::{Address, Push, PushOptions, Surroundings};
//!
//! let project = Project::read(".")?;
//! let url = "postgres://postgres:secret@localhost/app";
//! let address = Address::read(url, &Surroundings::of_process())?;
//! let push = Push::open(&project, address, PushOptions::default(), &())?;
//! print!("{}", push.plan().to_text());
//! let pushed = push.apply(&mut |_| {})?;
//! assert!(pushed.lost.is_empty());
//! # Ok::<(), leakproof::Error>(())
//! ```
//!
//! Files run as they stand, as who is connected: nothing here adapts, stubs or elevates. Each is one transaction
//! together with its rows in the histories, in which what it does to rows is counted; a file that loses some is
//! rolled back. One push at a time has the database. What cannot be applied so is refused before anything is.
//!
//! What the server runs in no transaction is run statement by statement, each written down as it is done. [`rollback`]
//! takes the last version back, [`repair`] puts right what the target says was applied, and an [`Interrupt`] stops
//! any of them.

pub(crate) mod address;
mod applying;
mod attempt;
mod blockers;
pub(crate) mod connected;
mod digest;
mod effects;
mod going;
pub(crate) mod event;
mod index;
mod interrupt;
mod lock;
mod outside;
mod own;
mod pairing;
mod plan;
mod planning;
mod progress;
pub(crate) mod receipt;
pub(crate) mod refuse;
mod rehearse;
pub mod repair;
pub mod rollback;
pub(crate) mod standing;
mod status_json;
mod stored;
mod told;
mod trace;

use std::time::Duration;

use serde_json::Value;

use crate::check::observer::Observer;
use crate::discretion::Discretion;
use crate::error::{Error, Result};
use crate::finding::value::Finding;
use crate::migrate::history::HistoryKind;
use crate::migrate::history_table::make_table;
use crate::migrate::plan::{Action, Plan, Wanted};
use crate::migrate::target::Target;
use crate::preserve::uncountable;
use crate::project::Project;
use crate::project::files::SqlFile;
use crate::project::outside::{Way, way_of};
use crate::push::attempt::{Direction, most_counted};
use crate::push::connected::{Connected, connect_to_look, read_histories};
use crate::push::event::Tell;
use crate::push::pairing::pairings;
use crate::push::planning::Planning;
use crate::push::progress::begun_versions;
use crate::push::receipt::NOT_COUNTED;
use crate::push::refuse::{refuse_begun, refuse_layout, refuse_standings, refuse_statements};
use crate::push::rehearse::rehearse;
use crate::push::standing::Histories;
use crate::push::status_json::status_json;
use crate::push::stored::can_be_stored;
use crate::push::told::{Told, status_text};
use crate::report::text::findings::write_finding;
use crate::server::options::ServerOptions;
use crate::words::printable;

pub use crate::push::address::Address;
pub use crate::push::address::surroundings::Surroundings;
pub use crate::push::effects::{Effect, LockMode, Size, Touched};
pub use crate::push::event::Event;
pub use crate::push::interrupt::Interrupt;
pub use crate::push::plan::{PlannedFile, PushPlan, Rehearsed};
pub use crate::push::receipt::{How, Receipt};
pub use crate::push::standing::{Standing, State};

/// What another attempt may get: `lock_not_available`, `deadlock_detected`, `serialization_failure`.
const PASSING: [&str; 3] = ["55P03", "40P01", "40001"];

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
    /// On which server the files are rehearsed before; none to apply them without.
    pub rehearse: Option<ServerOptions>,
    /// What stops it.
    pub interrupt: Interrupt,
}

impl Default for PushOptions {
    fn default() -> Self {
        Self {
            lock_wait: Duration::from_secs(60),
            lock_timeout: Duration::from_secs(1),
            lock_budget: Duration::from_secs(2),
            allow_out_of_order: false,
            show_values: false,
            rehearse: Some(ServerOptions::default()),
            interrupt: Interrupt::default(),
        }
    }
}

/// How the versions of a project stand beside those of a target.
#[derive(Debug)]
pub struct Status {
    /// Those of either side, in their order.
    pub versions: Vec<Standing>,
    text: String,
    json: Value,
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

    /// The same as one JSON document on a line.
    pub fn json(&self) -> String {
        format!("{}\n", self.json)
    }
}

/// Looks what a target says was applied to it; writes nothing.
///
/// # Errors
/// A server that does not let us in, a transaction pooler, a history that cannot be read.
pub fn status(project: &Project, address: &Address) -> Result<Status> {
    refuse_layout(project)?;
    let mut connection = connect_to_look(address)?;
    let histories = read_histories(&mut connection, project)?;
    let versions = histories.beside(project);
    let half = begun_versions(&mut connection)?;
    let (target, pairs) = (address.met(), pairings(&histories, project));
    let tables = histories.tables();
    let told = Told { target: &target, histories: &tables, notes: project.notes() };
    let pairs = (pairs.as_slice(), half.as_slice());
    let text = status_text(&told, &versions, pairs);
    let json = status_json(&told, &versions, pairs);
    Ok(Status { versions, text, json })
}

/// Host, port, database and role, and how the connection is protected.
fn met(address: &Address, target: &Connected) -> String {
    match target.role == address.user() {
        true => address.met(),
        false => address.with_protection(&format!("{address}, who becomes {}", target.role)),
    }
}

/// A push that is decided, and not begun.
pub struct Push<'p> {
    project: &'p Project,
    address: Address,
    options: PushOptions,
    target: Connected,
    histories: Histories,
    pending: Vec<&'p SqlFile>,
    plan: PushPlan,
    /// Whether the tables are there that a push writes to.
    is_prepared: bool,
    /// Whether receipts are stored.
    stores: bool,
}

/// What came of a push.
#[derive(Debug, Default)]
pub struct Pushed {
    /// How many files it has applied.
    pub applied: usize,
    /// What the file would lose at which it stopped. Nothing of that file stays.
    pub lost: Vec<Finding>,
    /// Those that are applied.
    titles: Vec<String>,
    text: String,
}

impl Pushed {
    /// What is to be said at the end.
    pub fn text(&self) -> &str {
        &self.text
    }

    fn stop(&mut self, title: &str, lost: Vec<Finding>) {
        let mut text = format!("rolled back {title}: nothing of it stays\n");
        // Writing to a string does not fail.
        for finding in &lost {
            let _ = write_finding(&mut text, finding);
        }
        (self.lost, self.text) = (lost, printable(&text));
    }
}

impl<'p> Push<'p> {
    /// Connects, decides what there is to do, and rehearses it if that is wanted; `observer` is told how far that is.
    ///
    /// # Errors
    /// What is refused, before anything is applied; see `README.md`.
    pub fn open(
        project: &'p Project,
        address: Address,
        options: PushOptions,
        observer: &dyn Observer,
    ) -> Result<Self> {
        let mut push = Self::connect(project, address, options)?;
        push.pending = decide(&mut push.target, project, &push.histories, &push.options)?;
        let most_bytes = most_counted(push.options.lock_budget);
        let uncounted = look_ahead(&mut push.target, project, &push.pending, most_bytes)?;
        let Self { options, histories, pending, target: connected, plan, .. } = &mut push;
        let (histories, pending) = (&*histories, pending.as_slice());
        let rehearsal = match &options.rehearse {
            Some(server) if !pending.is_empty() => {
                Some(rehearse(project, server, connected, histories, pending, observer)?)
            }
            _ => None,
        };
        let target = plan.target.clone();
        let planning = Planning { project, target, histories, pending, uncounted, rehearsal };
        *plan = planning.plan(connected)?;
        Ok(push)
    }

    /// Connects, and reads what was applied.
    fn connect(project: &'p Project, address: Address, options: PushOptions) -> Result<Self> {
        refuse_layout(project)?;
        let mut target = Connected::to(&address, options.lock_timeout, discretion(&options))?;
        let histories = read_histories(&mut target.connection, project)?;
        let (pending, is_prepared) = (Vec::new(), false);
        let plan = Planning {
            project,
            target: met(&address, &target),
            histories: &histories,
            pending: &[],
            uncounted: Vec::new(),
            rehearsal: None,
        };
        let plan = plan.plan(&mut target)?;
        let stores = can_be_stored(&mut target.connection)?;
        Ok(Self {
            project,
            address,
            options,
            target,
            histories,
            pending,
            plan,
            is_prepared,
            stores,
        })
    }

    /// How many files it will apply.
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Host, port, database and role, and how the connection is protected.
    pub fn target(&self) -> &str {
        &self.plan.target
    }

    /// The target, and what will be done to it.
    pub fn plan(&self) -> &PushPlan {
        &self.plan
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
        self.plan.refuse()?;
        let _at_work = self.begin_work();
        let (planned, mut pushed) = (std::mem::take(&mut self.pending), Pushed::default());
        let done = self.apply_all(&planned, &mut pushed, tell);
        self.reload(pushed.applied, tell);
        match done {
            Err(error) if self.options.interrupt.is_set() => {
                Err(self.interrupted(&planned, &pushed, &error))
            }
            done => done.map(|()| pushed),
        }
    }

    fn apply_all(
        &mut self,
        planned: &[&SqlFile],
        pushed: &mut Pushed,
        tell: &mut Tell<'_>,
    ) -> Result<()> {
        let PushOptions { lock_wait, interrupt, .. } = self.options.clone();
        lock::take(&mut self.target.connection, (lock_wait, &interrupt), tell)?;
        self.histories = read_histories(&mut self.target.connection, self.project)?;
        let pending = decide(&mut self.target, self.project, &self.histories, &self.options)?;
        let is_new = |file: &&&SqlFile| !planned.iter().any(|one| one.version() == file.version());
        if let Some(new) = pending.iter().find(is_new) {
            return Err(Error::new("the target has changed since the plan was made")
                .cause(format!("it does not have {} any more", new.title()))
                .help("see what has changed with `leakproof status`, and push again"));
        }
        // A census counts it as well, and takes one that has come with a file for the file's. Ours is made with
        // the first file.
        for kind in self.histories.kinds().filter(|kind| *kind == HistoryKind::Supabase) {
            make_table(&mut self.target.connection, kind)?;
        }
        for file in planned {
            if interrupt.is_set() {
                return Err(Error::new("interrupted"));
            }
            let title = file.title();
            let how = match self.histories.has(file.version()) {
                true => How::Elsewhere,
                false => {
                    tell(&Event::Applying(&title));
                    match self.apply_file(file, Direction::There, tell)? {
                        Ok(how) => how,
                        Err(lost) => {
                            pushed.stop(&title, lost);
                            return Ok(());
                        }
                    }
                }
            };
            self.is_prepared |= !matches!(how, How::Elsewhere);
            pushed.applied += usize::from(!matches!(how, How::Elsewhere));
            pushed.titles.push(title.clone());
            tell(&Event::Applied(&Receipt { title, how }));
        }
        Ok(())
    }
}

fn discretion(options: &PushOptions) -> Discretion {
    if options.show_values { Discretion::Open } else { Discretion::Keys }
}

/// What there is to do on a target with these histories.
fn decide<'p>(
    target: &mut Connected,
    project: &'p Project,
    histories: &Histories,
    options: &PushOptions,
) -> Result<Vec<&'p SqlFile>> {
    let takes_late = options.allow_out_of_order;
    refuse_standings(&histories.beside(project), takes_late)?;
    let wanted = Wanted { takes_late, takes_outside: true, ..Wanted::up_to(i64::MAX) };
    let is_pending = |file: &&SqlFile| !histories.has(file.version());
    project.migrations().iter().filter(is_pending).try_for_each(refuse_statements)?;
    let mut plan = Plan::decide(project, histories.joined(), &Target::Real, wanted)?;
    plan.refuse()?;
    let pending = plan.steps.iter().filter(|step| matches!(step.action, Action::Apply(_)));
    let pending: Vec<&SqlFile> = pending.map(|step| step.file).collect();
    refuse_begun(&pending, &begun_versions(&mut target.connection)?)?;
    Ok(pending)
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
    let is_whole = |file: &SqlFile| way_of(file).is_ok_and(|way| way == Way::Transaction);
    let files = pending.iter().filter(|file| is_whole(file));
    let files = files.map(|file| (file.raw(), project.preserve(file.version())));
    let files: Vec<_> = files.collect();
    let settings = target.settings.clone();
    let looked = target.connection.uncommitted(|session| {
        settings.into_iter().for_each(|setting| session.say(setting));
        uncountable(session, &files, most_bytes)
    });
    let told = match looked {
        Err(error)
            if error.refusal().is_some_and(|one| PASSING.contains(&one.sqlstate.as_str())) =>
        {
            let told = format!("what would not be counted is not known: {}", error.in_brief());
            files.iter().map(|_| vec![told.clone()]).collect()
        }
        looked => looked?,
    };
    let mut told = told.into_iter();
    let each = pending.iter().map(|file| match is_whole(file) {
        true => told.next().unwrap_or_default(),
        false => vec![NOT_COUNTED.to_owned()],
    });
    Ok(each.collect())
}
