//! Ends the process on a signal, quietly and at once. Cleans nothing up: what watches over our
//! servers does, as after any other death.

use std::{process, thread};

use nix::sys::signal::{SigSet, Signal};

use crate::error::{Error, Result};
use crate::session::watchdog::give_up_by;

/// From now on `act` is done where a server beside a URL does not stop a statement, although it was cancelled and
/// its session ended ten seconds ago: a loop in the server's own code. Only for the executable, which ends then.
pub fn when_a_server_hangs(act: fn()) {
    give_up_by(act);
}

/// From now on SIGINT, SIGTERM and SIGHUP end the process with 130, 143 and 129, also while a query
/// runs. To be called first in `main`, before any other thread is started, since threads inherit
/// what they block. Only for the executable: a library has no say in this.
///
/// A local server is gone about 50 ms after the process, a container after two seconds, a scratch
/// database on a given server as soon as the reaper is done (see [`crate::server::options::ServerOptions::reaper`]).
///
/// # Errors
/// When the system refuses, which it has no reason to.
pub fn exit_on_signals() -> Result<()> {
    stop_on_signals(|_| false)
}

/// As [`exit_on_signals`]; the first signal is told to `stop`, and where that is true the process is left to end by
/// itself. A second one ends it.
///
/// # Errors
/// When the system refuses, which it has no reason to.
pub fn stop_on_signals(stop: impl Fn(u8) -> bool + Send + 'static) -> Result<()> {
    let failed = |cause: String| Error::new("could not listen for signals").cause(cause);
    let signals: SigSet = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP].into_iter().collect();
    signals.thread_block().map_err(|cause| failed(cause.to_string()))?;
    let wait = move || {
        let mut is_first = true;
        while let Ok(signal) = signals.wait() {
            let code = 128 + signal as i32;
            if std::mem::take(&mut is_first) && stop(u8::try_from(code).unwrap_or(u8::MAX)) {
                continue;
            }
            // No destructors, on purpose: they would end the query that the main thread waits for,
            // and it would report that as an error.
            process::exit(code);
        }
    };
    let thread = thread::Builder::new().name("signals".to_owned()).spawn(wait);
    thread.map(drop).map_err(|cause| failed(cause.to_string()))
}
