//! Several equal worlds at the same time, so that every core has something to try.

use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::thread;

use crate::check::observer::{Event, Observer};
use crate::check::options::CheckOptions;
use crate::error::Result;
use crate::isolation::Isolation;
use crate::probe::actor_queue::ActorQueue;
use crate::scratch::Scratch;

/// More worlds than this cost more than they save: there are hardly more actors.
const MOST_JOBS: usize = 8;

/// Opens the world and lets everybody try everything in it: in as many equal worlds at the same time
/// as there are jobs, each in a copy of the database.
pub(crate) fn probe_everything(
    options: &CheckOptions,
    scratch: &Scratch<'_>,
    observer: &dyn Observer,
) -> Result<Isolation> {
    observer.tell(&Event::Step("seed the world"));
    let cores = || thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let jobs = options.jobs.unwrap_or_else(cores).get().min(MOST_JOBS);
    let copies: Vec<Scratch<'_>> = (1..jobs).map(|_| scratch.copy()).collect::<Result<_>>()?;
    let queue = &ActorQueue::told(observer);
    let open = |scratch: &Scratch<'_>| -> Result<Isolation> {
        let mut isolation = scratch.isolation()?;
        options.only.as_deref().map_or(Ok(()), |only| isolation.narrow(only))?;
        Ok(isolation)
    };
    let part = |copy: Scratch<'_>| open(&copy)?.probe_queued(queue);
    let part = &part;
    thread::scope(|scope| {
        let others: Vec<_> =
            copies.into_iter().map(|copy| scope.spawn(move || part(copy))).collect();
        let mut isolation = open(scratch)?;
        observer.tell(&Event::Step("probe"));
        let mut parts = vec![isolation.probe_queued(queue)?];
        for other in others {
            parts.push(other.join().unwrap_or_else(|panic| resume_unwind(panic))?);
        }
        isolation.unite(parts)?;
        Ok(isolation)
    })
}
