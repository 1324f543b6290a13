//! Limits that are kept from outside: what a file sets for its own session (`statement_timeout = 0`), and a
//! function that catches its cancel, keep them no longer.
//!
//! One thread looks after whatever is waiting for a server. At its limit a statement is cancelled, a second
//! later its session is ended, and a second later its server, if that is ours.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Once, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use postgres::{CancelToken, NoTls};

/// How long one who does not listen is left alone before the next step.
const PATIENCE: Duration = Duration::from_secs(1);

/// After so many steps nothing helps: a server that is not ours has a statement that it cannot stop itself.
const HOPELESS: usize = 12;

/// How often the thread looks.
const PACE: Duration = Duration::from_millis(100);

/// How far a session is ended that does not listen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// By another session.
    Session,
    /// With the server, which is ours.
    Server,
}

/// What ends the session of a connection: told how far, by the number of its process.
pub(crate) type Ender = Arc<dyn Fn(End, i32) + Send + Sync>;

/// Who can be stopped.
#[derive(Clone)]
pub(crate) struct Stoppable {
    pub cancel: CancelToken,
    /// None for who is only ever cancelled.
    pub end: Option<(Ender, i32)>,
}

static GIVE_UP: OnceLock<fn()> = OnceLock::new();

/// What is done where a statement beside a URL is neither cancelled nor ended with its session: else it is
/// waited for. The first who says it is obeyed.
pub(crate) fn give_up_by(act: fn()) {
    let _ = GIVE_UP.set(act);
}

struct Waiting {
    next_step: Instant,
    steps: usize,
    who: Stoppable,
}

static WAITING: Mutex<BTreeMap<u64, Waiting>> = Mutex::new(BTreeMap::new());

fn waiting() -> MutexGuard<'static, BTreeMap<u64, Waiting>> {
    WAITING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A statement on its way. It is over when this is dropped.
pub(crate) struct Watched {
    number: u64,
}

impl Watched {
    /// From now on it has this long.
    pub(crate) fn begin(who: &Stoppable, limit: Duration) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        static THREAD: Once = Once::new();
        THREAD.call_once(|| drop(thread::spawn(look_after)));
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let next_step = Instant::now() + limit;
        waiting().insert(number, Waiting { next_step, steps: 0, who: who.clone() });
        Self { number }
    }

    /// Whether it was stopped.
    pub(crate) fn is_stopped(&self) -> bool {
        waiting().get(&self.number).is_some_and(|one| one.steps > 0)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        waiting().remove(&self.number);
    }
}

fn look_after() {
    loop {
        thread::sleep(PACE);
        let now = Instant::now();
        let mut due = Vec::new();
        for one in waiting().values_mut().filter(|one| one.next_step <= now) {
            due.push((one.who.clone(), one.steps));
            (one.steps, one.next_step) = (one.steps + 1, now + PATIENCE);
        }
        // Nobody waits for us meanwhile.
        for (who, steps) in due {
            thread::spawn(move || stop(&who, steps));
        }
    }
}

/// What cannot be done is done by the next step, or does not matter any more.
fn stop(who: &Stoppable, steps: usize) {
    match (steps, &who.end) {
        (0, _) => drop(who.cancel.cancel_query(NoTls)),
        (1, Some((end, process))) => end(End::Session, *process),
        (2, Some((end, process))) => end(End::Server, *process),
        (HOPELESS, Some(_)) => GIVE_UP.get().into_iter().for_each(|act| act()),
        _ => {}
    }
}
