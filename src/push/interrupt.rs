//! A push is stopped from outside: the statement that runs is cancelled, what was begun is rolled back, and it is
//! said what is applied and what is not.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How often a statement is cancelled that may only be about to begin.
const PACE: Duration = Duration::from_millis(100);

/// Cancels whatever a session runs.
pub(crate) type Cancel = Arc<dyn Fn() + Send + Sync>;

/// What stops a push, a rollback or a repair that has it among its options.
#[derive(Clone, Default)]
pub struct Interrupt(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    is_set: bool,
    /// Whether who is at work knows, and cleans up.
    is_heard: bool,
    /// None where nobody is at work.
    cancel: Option<Cancel>,
}

/// That somebody is at work, until it is dropped.
pub(crate) struct AtWork(Interrupt);

impl Interrupt {
    /// Asks who is at work to stop, which takes as long as a rollback does; false where nobody is.
    pub fn interrupt(&self) -> bool {
        let mut state = self.state();
        if state.cancel.is_none() {
            return false;
        }
        state.is_set = true;
        drop(state);
        self.0.changed.notify_all();
        let interrupt = self.clone();
        thread::spawn(move || {
            // One that comes between two statements reaches neither.
            while interrupt.cancel() {
                thread::sleep(PACE);
            }
        });
        true
    }

    /// Whether somebody was asked to stop.
    pub fn is_set(&self) -> bool {
        self.state().is_set
    }

    /// From now on somebody is at work, who is stopped so.
    pub(crate) fn begin(&self, cancel: Cancel) -> AtWork {
        self.state().cancel = Some(cancel);
        AtWork(self.clone())
    }

    /// Whoever is at work goes on with another session.
    pub(crate) fn go_on(&self, cancel: Cancel) {
        self.state().cancel = Some(cancel);
    }

    /// From now on nothing is cancelled any more.
    pub(crate) fn hear(&self) {
        let mut state = self.state();
        state.is_heard |= state.is_set;
    }

    /// Waits, and no longer than until somebody says stop.
    pub(crate) fn pause(&self, pause: Duration) {
        let until = Instant::now() + pause;
        let mut state = self.state();
        while !state.is_set {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let waited = self.0.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Whether it has to be done again.
    fn cancel(&self) -> bool {
        // Held meanwhile, so that none is on its way once somebody has heard.
        let state = self.state();
        match &state.cancel {
            Some(cancel) if !state.is_heard => cancel(),
            _ => return false,
        }
        true
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.state().cancel = None;
    }
}

impl fmt::Debug for Interrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Interrupt").field(&self.is_set()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn who_is_at_work_is_stopped_until_it_hears() {
        let interrupt = Interrupt::default();
        assert!(!interrupt.interrupt() && !interrupt.is_set());
        let times = Arc::new(AtomicUsize::new(0));
        let counting = Arc::clone(&times);
        let at_work = interrupt.begin(Arc::new(move || {
            counting.fetch_add(1, Ordering::SeqCst);
        }));
        assert!(interrupt.interrupt() && interrupt.is_set());
        interrupt.pause(Duration::from_secs(3600));
        while times.load(Ordering::SeqCst) < 2 {
            thread::sleep(Duration::from_millis(1));
        }
        interrupt.hear();
        let heard = times.load(Ordering::SeqCst);
        thread::sleep(PACE * 2);
        assert_eq!(times.load(Ordering::SeqCst), heard);
        drop(at_work);
        assert!(!interrupt.interrupt());
    }
}
