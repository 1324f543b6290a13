//! Pushes that are ended at any moment, by the end of the client or of the server's process: the next one finishes,
//! and nothing is there twice, in half or not at all. `LEAKPROOF_KILLS=200 LEAKPROOF_SEED=7` tries as many.
//!
//! What runs outside a transaction is not among the files: leakproof does not push that yet.

use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use postgres::{Client, NoTls};

use super::project;
use super::target::{Target, number};
use crate::support::Copy;

const FILES: usize = 20;

/// Those that run outside a transaction.
const CONCURRENT: [usize; 2] = [10, 14];

/// What ends.
#[derive(Debug, Clone, Copy)]
enum End {
    Client,
    /// The server's process for it, by a word of the administrator.
    Backend,
    /// The same by SIGKILL, whereupon the server restarts.
    BackendKilled,
}

const ENDS: [End; 4] = [End::Client, End::Backend, End::Client, End::BackendKilled];

/// Files that add, that alter, that change rows which are there, and that build an index while others write; each
/// of which would show if it ran twice.
fn files() -> Copy {
    let copy = project(&[(
        "V1__notes",
        "create table public.notes (id int primary key, n int not null default 0, body text);
         insert into public.notes select i, 0, 'note ' || i from generate_series(1, 200) i;
         create table public.runs (version int)",
    )]);
    for version in 2..=FILES {
        let change = match version % 4 {
            0 => "alter table public.notes add column if not exists more text;
                update public.notes set n = n + 1, more = 'x' where id % 2 = 0"
                .to_owned(),
            1 => format!("create table public.t{version} as select id, body from public.notes"),
            2 => {
                format!("create index notes_{version} on public.notes (n); select pg_sleep(0.002)")
            }
            _ => "alter table public.notes alter column body type varchar(40);
                alter table public.notes alter column body type text"
                .to_owned(),
        };
        let sql = match CONCURRENT.contains(&version) {
            true => format!("create index concurrently notes_{version} on public.notes (n)"),
            false => format!("{change};\ninsert into public.runs values ({version})"),
        };
        copy.write(&format!("migrations/V{version}__change.sql"), &sql);
    }
    // What the files change is no loss.
    copy.append(
        "leakproof.toml",
        "[[waive]]\nfinding = \"data-lost\"\non = \"public.notes.n\"\nreason = \"a counter\"\n",
    );
    copy
}

/// The database as all files together make it.
const SEEN: &str = "
    select 'notes ' || count(*) || ' ' || sum(n) || ' ' || md5(string_agg(body, ',' order by id))
    from public.notes
    union all
    select 'run ' || version || ' ' || count(*) from public.runs group by version
    union all
    select 'version ' || version || ' ' || count(*) from leakproof.refinery_schema_history group by version
    union all
    select c.relkind::text || ' ' || c.relname || ' ' || coalesce(i.indisvalid::text, '')
    from pg_class c left join pg_index i on i.indexrelid = c.oid
    where c.relnamespace = 'public'::regnamespace
    union all
    select 'column ' || attrelid::regclass || '.' || attname || ' ' || format_type(atttypid, atttypmod)
    from pg_attribute join pg_class c on c.oid = attrelid
    where c.relnamespace = 'public'::regnamespace and attnum > 0 and not attisdropped
    order by 1";

/// Numbers of a seed, by xorshift.
struct Moments(u64);

impl Moments {
    fn next(&mut self, most: Duration) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        most.mul_f64((self.0 >> 11) as f64 / (1_u64 << 53) as f64)
    }
}

/// Ends the server's process that applies files, if there is one.
fn end_backend(target: &Target, end: End) {
    let query = "select pid from pg_stat_activity where datname = current_database()
        and application_name like 'leakproof push%'
        order by query ilike '%pg_blocking_pids%', backend_start limit 1";
    let Ok(mut admin) = Client::connect(&target.url.replace("clerk", "tester"), NoTls) else {
        return;
    };
    let Ok(Some(row)) = admin.query_opt(query, &[]) else { return };
    let pid: i32 = row.get(0);
    match end {
        End::BackendKilled => drop(kill(Pid::from_raw(pid), Signal::SIGKILL)),
        _ => drop(admin.execute("select pg_terminate_backend($1)", &[&pid])),
    }
}

/// Waits until the server lets clients in, after it has restarted.
fn wait_for_server(target: &Target) {
    let begun = Instant::now();
    while Client::connect(&target.url, NoTls).is_err() {
        assert!(begun.elapsed() < Duration::from_secs(60), "the server does not come back");
        sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_push_that_was_ended_at_any_moment_is_finished_by_the_next() {
    let copy = files();
    let target = Target::start_alone();
    let begun = Instant::now();
    target.expect_pushed(&copy);
    let mut most = begun.elapsed();
    let usual = target.ask(SEEN);
    assert_eq!(usual.iter().filter(|line| line.starts_with("version")).count(), FILES);
    let seed = number("LEAKPROOF_SEED").unwrap_or(20_240_701);
    let mut moments = Moments(seed as u64 | 1);
    let (mut cut, kills) = (0, number("LEAKPROOF_KILLS").unwrap_or(4));
    // Those that were done before their moment do not count.
    for round in 0..kills * 10 {
        if cut == kills {
            break;
        }
        let (end, moment) = (ENDS[round % ENDS.len()], moments.next(most));
        let target = target.another();
        let mut child = target.begin(&copy, &["--yes"]);
        sleep(moment);
        if child.try_wait().expect("a state").is_some() {
            most = most.min(moment);
        }
        match end {
            End::Client => child.kill().expect("killed"),
            end => end_backend(&target, end),
        }
        let (code, _, told) = read_killed(child);
        wait_for_server(&target);
        cut += usize::from(code != Some(0));
        let half = target.has("public.runs").then(|| target.ask(RUNS));
        target.expect_pushed(&copy);
        assert_eq!(target.ask(SEEN), usual, "seed {seed}, {end:?} after {moment:?}: {told}");
        // No file is there without its row, nor the other way round.
        assert!(half.is_none_or(|half| half == ["true"]), "seed {seed}, {end:?} after {moment:?}");
        assert_eq!(target.status(&copy).0, 0);
        target.expect_nobody();
        target.drop();
    }
    assert!(cut > 0, "no push was ended before it was done");
    println!("{cut} of {kills} pushes were ended before they were done");
}

/// Whether what has run is what is written down.
const RUNS: &str = "select (array(select version::bigint from public.runs order by 1)
    = array(select version from leakproof.refinery_schema_history 
        where version > 1 and version not in (10, 14) order by 1))::text";

fn read_killed(child: std::process::Child) -> (Option<i32>, String, String) {
    let output = child.wait_with_output().expect("it ends");
    crate::support::told(&output)
}
