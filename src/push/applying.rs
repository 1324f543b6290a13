//! A file is applied, as often as it takes: until its locks are had, the connection holds, and all that it writes
//! to was counted.

use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::finding::value::Finding;
use crate::migrate::history::HistoryKind;
use crate::preserve::Again;
use crate::project::config::PlatformKind;
use crate::project::files::SqlFile;
use crate::project::layout::Layout;
use crate::project::outside::{Way, way_of};
use crate::push::attempt::{Attempt, Direction, Outcome, most_counted};
use crate::push::connected::{Connected, read_histories};
use crate::push::event::{Event, Tell};
use crate::push::interrupt::AtWork;
use crate::push::lock::{self, Pause};
use crate::push::outside::{Outside, Ran};
use crate::push::receipt::How;
use crate::push::refuse::refuse_standings;
use crate::push::{PASSING, Push, PushOptions, Pushed, discretion};
use crate::words::first_names;

const UNIQUE_VIOLATION: &str = "23505";

/// How long nothing is held before the next attempt.
const SHORTEST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How many times a file is applied once more because it writes to tables that were not counted. Each time there
/// are fewer of them, unless others make and drop tables all the while.
const MOST_AGAIN: usize = 8;

impl Push<'_> {
    /// Applies a file, as often as it takes; inside, what it would lose.
    pub(super) fn apply_file(
        &mut self,
        file: &SqlFile,
        direction: Direction,
        tell: &mut Tell<'_>,
    ) -> Result<std::result::Result<How, Vec<Finding>>> {
        let (mut begun, title) = (Instant::now(), file.title());
        let mut pause = Pause::new(SHORTEST_PAUSE, LONGEST_PAUSE);
        let rehearsal = self.plan.rehearsal.as_ref();
        let foreseen = rehearsal.map(|rehearsal| rehearsal.foreseen(file.version()));
        let (mut again, mut times) = (Again::foreseeing(foreseen.unwrap_or_default()), 0);
        let rehearsed = self.plan.rehearsed();
        let (way, mut ran) = (way_of(file)?, Ran::default());
        loop {
            let Self { project, histories, target, options, is_prepared, stores, .. } = &mut *self;
            let stores = *stores;
            let (is_discreet, is_first) = (!options.show_values, !*is_prepared);
            let interrupt = &options.interrupt;
            target.blockers.take();
            let made = match way {
                Way::Transaction => {
                    let attempt = Attempt {
                        project,
                        histories,
                        file,
                        direction,
                        is_first,
                        stores,
                        rehearsed: &rehearsed,
                        is_discreet,
                        most_counted: most_counted(options.lock_budget),
                        interrupt,
                    };
                    attempt.make(target, &again)
                }
                Way::Statements => {
                    let before = ran.now;
                    let made = {
                        let PushOptions { lock_wait, lock_timeout, .. } = *options;
                        let rehearsed = &rehearsed;
                        Outside {
                            histories,
                            file,
                            stores,
                            rehearsed,
                            lock_wait,
                            lock_timeout,
                            interrupt,
                        }
                        .make(target, &mut ran, tell)
                    };
                    if ran.now > before {
                        (begun, pause) =
                            (Instant::now(), Pause::new(SHORTEST_PAUSE, LONGEST_PAUSE));
                    }
                    made.map(Outcome::Applied)
                }
            };
            let error = match made {
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
                return self.ask_again((file, direction), error, tell).map(Ok);
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
            if !PASSING.contains(&refusal.sqlstate.as_str()) || self.options.interrupt.is_set() {
                return Err(error);
            }
            let by = self.target.blockers.take();
            let again_in = pause.take();
            if begun.elapsed() + again_in > self.options.lock_wait {
                return Err(in_the_way(file, way, &by, &error));
            }
            let why = refusal.brief();
            tell(&Event::Blocked { title: &title, why: &why, by: &by, again_in });
            self.options.interrupt.pause(again_in);
            if self.options.interrupt.is_set() {
                return Err(error);
            }
        }
    }

    /// Finds out what became of a file during which the connection was lost: only the target knows.
    fn ask_again(
        &mut self,
        (file, direction): (&SqlFile, Direction),
        error: Error,
        tell: &mut Tell<'_>,
    ) -> Result<How> {
        let unknown = |cause: &Error| {
            Error::new(format!("the connection was lost while {} was applied", file.title()))
                .cause(cause.in_brief())
                .help("whether the target has it is not known; `leakproof status` tells, and a push goes on from there")
        };
        let discretion = discretion(&self.options);
        let target = Connected::to(&self.address, self.options.lock_timeout, discretion);
        self.target = target.map_err(|cause| unknown(&cause))?;
        let PushOptions { lock_wait, interrupt, .. } = self.options.clone();
        interrupt.go_on(self.target.cancel.clone());
        let taken = lock::take(&mut self.target.connection, (lock_wait, &interrupt), tell);
        taken.map_err(|cause| unknown(&cause))?;
        let histories = read_histories(&mut self.target.connection, self.project);
        self.histories = histories.map_err(|cause| unknown(&cause))?;
        tell(&Event::Reconnected);
        let has_it = self.histories.has(file.version());
        if has_it == matches!(direction, Direction::There) {
            return Ok(How::Unheard { has_it });
        }
        if has_it {
            return Err(Error::new(format!(
                "the connection was lost while {} was taken back",
                file.title()
            ))
            .cause(error.in_brief())
            .help("the target still has it: nothing was taken back; try again"));
        }
        Err(Error::new(format!("the connection was lost while {} was applied", file.title()))
            .cause(error.in_brief())
            .help(format!("the target does not have it: {}; push again", kept(way_of(file)?))))
    }

    /// From now on it can be stopped.
    pub(super) fn begin_work(&self) -> AtWork {
        self.options.interrupt.begin(self.target.cancel.clone())
    }

    /// Has the API of a Supabase project read its schema again, where something was applied.
    pub(super) fn reload(&mut self, applied: usize, tell: &mut Tell<'_>) {
        let is_supabase = self.project.layout() == Layout::Supabase
            || self.project.platform().kind == PlatformKind::Supabase;
        if applied == 0 || !is_supabase {
            return;
        }
        self.options.interrupt.hear();
        let told = self.target.connection.rows("notify pgrst, 'reload schema'");
        if let Err(failed) = told {
            let why = failed.error("the API was not told to read its schema again").in_brief();
            tell(&Event::Note(&why));
        }
    }

    /// What is applied and what is not, where somebody has said stop.
    pub(super) fn interrupted(
        &self,
        planned: &[&SqlFile],
        pushed: &Pushed,
        error: &Error,
    ) -> Error {
        let rest = &planned[pushed.titles.len().min(planned.len())..];
        let mut titles: Vec<String> = rest.iter().map(|file| file.title()).collect();
        if let (Some(first), Some(title)) = (rest.first(), titles.first_mut()) {
            if error.refusal().is_none() && self.target.connection.is_closed() {
                title.push_str(" (which `leakproof status` knows better: the connection was lost)");
            } else if way_of(first).is_ok_and(|way| way == Way::Statements) {
                title.push_str(" (of which the statements that have run stay)");
            }
        }
        let list = |titles: &[String]| match titles {
            [] => "nothing".to_owned(),
            some => first_names(some),
        };
        Error::new(format!(
            "interrupted; applied: {}; not applied: {}",
            list(&pushed.titles),
            list(&titles)
        ))
    }
}

fn in_the_way(file: &SqlFile, way: Way, by: &[String], error: &Error) -> Error {
    let who = match by {
        [] => "nobody was seen in the way".to_owned(),
        some => format!("in the way: {}", some.join("; ")),
    };
    Error::new(format!("{} could not get its locks", file.title()))
        .cause(format!("{}; {who}", error.in_brief()))
        .help(format!(
            "{}; push when they are done, or give it longer with `--lock-wait SECONDS`",
            kept(way)
        ))
}

/// What is there of a file that was not applied.
fn kept(way: Way) -> &'static str {
    match way {
        Way::Transaction => "nothing of this file was kept",
        Way::Statements => {
            "its statements that have run stay, and the next push goes on from there"
        }
    }
}

fn restless(file: &SqlFile) -> Error {
    Error::new(format!("what {} does to rows cannot be seen", file.title()))
        .cause("each time it writes to tables that were not counted before, or others drop tables meanwhile")
        .help("nothing of this file was kept; push when fewer are at work")
}
