//! One push at a time on a database: an advisory lock of the session that applies the files.
//!
//! It is asked for again and again, and never waited for in the server: whoever waits there holds a snapshot, for
//! which `create index concurrently` waits in turn.

use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::push::event::{Event, Tell};
use crate::push::interrupt::Interrupt;
use crate::server::random::random_number;
use crate::session::connection::Connection;
use crate::session::failed::failing;

/// The first key; it is none of those that runs on scratch databases have.
const CLASS: u32 = 0x6c70_7573;

/// The second one.
const PUSH: u32 = 1;

const SHORTEST: Duration = Duration::from_millis(25);
const LONGEST: Duration = Duration::from_secs(1);

/// After so long somebody is told what is waited for.
const QUIET: Duration = Duration::from_millis(500);

/// How long to wait before the next attempt: twice as long each time, and never as long as another who waits.
pub(crate) struct Pause {
    next: Duration,
    longest: Duration,
}

impl Pause {
    pub(crate) fn new(shortest: Duration, longest: Duration) -> Self {
        Self { next: shortest, longest }
    }

    /// The next one, of which half is chance.
    pub(crate) fn take(&mut self) -> Duration {
        let half = self.next / 2;
        let chance = half.mul_f64(f64::from(random_number()) / f64::from(u32::MAX));
        self.next = (self.next * 2).min(self.longest);
        half + chance
    }
}

/// Takes the lock, which goes with the connection.
///
/// # Errors
/// Somebody else has it for longer than `wait`.
pub(crate) fn take(
    connection: &mut Connection,
    (wait, interrupt): (Duration, &Interrupt),
    tell: &mut Tell<'_>,
) -> Result<()> {
    const ATTEMPT: &str = "ask for the lock of pushes";
    let begun = Instant::now();
    let mut pause = Pause::new(SHORTEST, LONGEST);
    let mut is_told = false;
    let ask = format!("select pg_catalog.pg_try_advisory_lock({CLASS}, {PUSH})");
    loop {
        let rows = connection.rows(&ask).map_err(failing(ATTEMPT))?;
        if rows == [[Some("t".to_owned())]] {
            return Ok(());
        }
        let waited = begun.elapsed();
        if waited >= wait {
            return Err(Error::new("somebody else is pushing to this database")
                .cause(format!("{} has the lock for that", holder(connection)?))
                .help("wait for them, or give it longer with `--lock-wait SECONDS`"));
        }
        if waited >= QUIET && !is_told {
            is_told = true;
            tell(&Event::Waiting(&holder(connection)?));
        }
        interrupt.pause(pause.take().min(wait.saturating_sub(waited)));
        if interrupt.is_set() {
            return Err(Error::new("interrupted while somebody else was pushing"));
        }
    }
}

/// Who has the lock.
fn holder(connection: &mut Connection) -> Result<String> {
    let query = format!(
        "select l.pid, a.application_name, a.usename, \
            pg_catalog.to_char(a.backend_start at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS') \
         from pg_catalog.pg_locks l \
         left join pg_catalog.pg_stat_activity a on a.pid = l.pid \
         where l.locktype = 'advisory' and l.classid = {CLASS} and l.objid = {PUSH} \
            and l.objsubid = 2 and l.granted and l.database = (select d.oid from \
            pg_catalog.pg_database d where d.datname = pg_catalog.current_database())"
    );
    let rows = connection.rows(&query).map_err(failing("see who is pushing"))?;
    let Some(row) = rows.first() else { return Ok("somebody who has just let go".into()) };
    let field = |at: usize| row.get(at).cloned().flatten();
    Ok(described(
        field(0),
        field(1),
        field(2),
        field(3).map(|time| format!("connected since {time}")),
    ))
}

/// `pid 123 (psql, as app, connected since 2026-01-02 03:04:05 UTC)`, as far as it is known.
pub(crate) fn described(
    pid: Option<String>,
    application: Option<String>,
    role: Option<String>,
    since: Option<String>,
) -> String {
    let known = [
        application.filter(|name| !name.is_empty()),
        role.map(|role| format!("as {role}")),
        since.map(|since| format!("{since} UTC")),
    ];
    let known: Vec<String> = known.into_iter().flatten().collect();
    let pid = pid.unwrap_or_else(|| "unknown".into());
    match known.is_empty() {
        true => format!("pid {pid}"),
        false => format!("pid {pid} ({})", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_are_never_alike() {
        let mut pause = Pause::new(Duration::from_millis(100), Duration::from_millis(400));
        for most in [100, 200, 400, 400] {
            let taken = pause.take().as_millis();
            assert!((most / 2..=most).contains(&taken), "{taken} of {most}");
        }
    }

    #[test]
    fn who_is_in_the_way_is_told_as_far_as_it_is_known() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(described(some("7"), some("psql"), None, some("x")), "pid 7 (psql, x UTC)");
        assert_eq!(described(some("7"), some(""), None, None), "pid 7");
    }
}
