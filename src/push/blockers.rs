//! Who is in the way while a file waits for its locks: seen on a connection of its own, since the one that waits
//! cannot look.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use postgres::Client;

use crate::push::lock::described;

/// How often it looks.
const PACE: Duration = Duration::from_millis(100);

/// Whoever blocks a session. The locks of all can be seen by everybody, what they are doing cannot.
const QUERY: &str = "
    select b.pid::text, a.application_name, a.usename::text,
        pg_catalog.to_char(a.xact_start at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS')
    from pg_catalog.unnest(pg_catalog.pg_blocking_pids($1)) as b (pid)
    left join pg_catalog.pg_stat_activity a on a.pid = b.pid
    where exists (select from pg_catalog.pg_locks l where l.pid = $1 and not l.granted)
    order by b.pid";

/// Looks until it is dropped.
pub(crate) struct Blockers {
    is_over: Arc<AtomicBool>,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Blockers {
    /// Looks after the session of the process `pid`.
    pub(crate) fn watch(mut client: Client, pid: i32) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let seen: Arc<Mutex<Vec<String>>> = Arc::default();
        let (over, kept) = (Arc::clone(&is_over), Arc::clone(&seen));
        thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                thread::sleep(PACE);
                // Where it cannot be seen nobody is named; the file is tried again all the same.
                let Ok(rows) = client.query(QUERY, &[&pid]) else { break };
                if rows.is_empty() {
                    continue;
                }
                let blocker = |row: &postgres::Row| {
                    let since: Option<String> = row.get(3);
                    let since = since.map(|since| format!("in a transaction since {since}"));
                    described(row.get(0), row.get(1), row.get(2), since)
                };
                *kept.lock().unwrap_or_else(PoisonError::into_inner) =
                    rows.iter().map(blocker).collect();
            }
        });
        Self { is_over, seen }
    }

    /// Who was seen last, since [`Self::take`] was asked.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Who was seen last, since this was asked the last time.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Blockers {
    fn drop(&mut self) {
        // Not waited for: it may be asking a server that does not answer any more.
        self.is_over.store(true, Ordering::Relaxed);
    }
}
