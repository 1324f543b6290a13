//! A private server from the binaries of this machine: on a unix socket in a temporary folder that
//! nobody else may enter, without durability, gone with us.

use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};
use std::{env, fs};

use nix::sys::signal::{Signal, kill};
use nix::sys::statvfs::statvfs;
use nix::unistd::Pid;
use postgres::{Client, Config, NoTls};

use crate::error::{Error, Result};
use crate::server::account::{Account, find_account};
use crate::server::binaries::{Binaries, find_binaries};
use crate::server::connection::{APPLICATION_NAME, SUPERUSER_OPTIONS, cause_of};
use crate::server::data::DataSource;
use crate::server::instance::Server;
use crate::server::jail::{Gaps, Jail};
use crate::server::options::ServerKind;
use crate::server::password::Password;
use crate::server::preparation::{Preparation, State};
use crate::server::random::random_number;
use crate::server::watcher::Watcher;

/// Durability is off, since nothing outlives us; the rest is for a quick start and for results that
/// do not depend on the machine. `wal_level` is what Supabase has, and no slower.
///
/// Probes raise errors by the thousand; the log keeps only what the server says of itself.
pub const SETTINGS: [&str; 21] = [
    "listen_addresses=",
    "unix_socket_permissions=0700",
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "autovacuum=off",
    "jit=off",
    // Memory is where the folder is, if there is room.
    "temp_file_limit=2GB",
    "max_connections=100",
    "shared_buffers=128MB",
    "update_process_title=off",
    "dynamic_shared_memory_type=mmap",
    "wal_level=logical",
    "max_logical_replication_workers=0",
    "logging_collector=off",
    "log_destination=stderr",
    "log_min_messages=log",
    "log_min_error_statement=panic",
    "track_counts=off",
    "timezone=UTC",
    "log_timezone=UTC",
];

/// Where our own connections are: not in `postgres`, which is handed out as the first scratch.
pub const MAINTENANCE: &str = "template1";

const START_LIMIT: Duration = Duration::from_secs(30);

/// What the kernel takes as the path of a socket: 107 bytes on Linux, 103 elsewhere.
const SOCKET_PATH_LIMIT: usize = 103;

/// Starts one, in a jail, of a major version where that is here. Tries once more without the cache if it does not
/// start from it.
pub fn start(major: Option<u32>, preparation: Option<Preparation>) -> Result<Server> {
    start_in(find_binaries(major)?, Jail::new, preparation)
}

fn start_in(
    binaries: Binaries,
    jail: fn(&Path, &Path) -> Jail,
    preparation: Option<Preparation>,
) -> Result<Server> {
    let account = find_account()?;
    let source = DataSource { binaries: &binaries, preparation: preparation.as_ref() };
    let account = account.as_ref();
    let again = || {
        source.forget_cached();
        run_server(&source, account, jail)
    };
    let mut running = run_server(&source, account, jail).or_else(|_| again())?;
    let mut state = source.state(&mut running.client);
    if state == State::Outdated {
        drop(running);
        running = again()?;
        state = source.state(&mut running.client);
    }
    let Running { watcher, client, config, gaps } = running;
    let preparation = preparation.filter(|_| state == State::Done);
    let place = binaries.folder().display().to_string();
    let prefix = format!("{APPLICATION_NAME}_");
    let process = watcher.server_id();
    let source = Box::new(watcher);
    let mut server = Server::new(ServerKind::Local, place, prefix, config, client, source)?;
    server.preparation = preparation;
    server.gaps = gaps;
    // It is ours, and has its number, until it is waited for.
    server.ender = process.map(|process| -> Box<dyn Fn() + Send + Sync> {
        Box::new(move || {
            let _ = kill(Pid::from_raw(process), Signal::SIGQUIT);
        })
    });
    Ok(server)
}

/// A server that answers.
struct Running {
    watcher: Watcher,
    client: Client,
    config: Config,
    gaps: Gaps,
}

fn run_server(
    source: &DataSource<'_>,
    account: Option<&Account>,
    jail: fn(&Path, &Path) -> Jail,
) -> Result<Running> {
    // Whatever happens, the folder goes away with us.
    let mut watcher = make_watched_folder(account)?;
    let folder = watcher.folder().to_owned();
    let data = folder.join("data");
    let mut server = source.binaries.command("postgres", account);
    server.arg("-D").arg(&data).arg("-k").arg(&folder);
    server.args(SETTINGS.iter().flat_map(|setting| ["-c", *setting]));
    source.make_data(account, &watcher, &data)?;
    let jail = jail(source.binaries.folder(), &folder);
    let gaps = watcher.start_server(&jail, &mut server)?;
    let mut client = connect_when_ready(&mut watcher)?;
    let mut config = superuser_config(&folder);
    demand_passwords(&mut client, &mut config, &data)?;
    Ok(Running { watcher, client, config, gaps })
}

/// Lets nobody in without a password from now on. Whatever runs in the server may reach its socket.
fn demand_passwords(client: &mut Client, config: &mut Config, data: &Path) -> Result<()> {
    const RULES: &str = "local all all scram-sha-256\n";
    let failed = || Error::new("could not close a local PostgreSQL server to others");
    let password = Password::random();
    fs::write(data.join("pg_hba.conf"), RULES).map_err(|cause| failed().cause(cause))?;
    let statement = format!(
        "alter role leakproof password {}; select pg_catalog.pg_reload_conf()",
        password.verifier()
    );
    client.batch_execute(&statement).map_err(|cause| failed().cause(cause_of(&cause)))?;
    // The server reads its rules when it comes to it.
    let started = Instant::now();
    while config.connect(NoTls).is_ok() {
        if started.elapsed() > START_LIMIT {
            return Err(failed().cause("it does not read its rules again"));
        }
        sleep(Duration::from_millis(1));
    }
    password.give_to(config);
    Ok(())
}

/// A folder in memory, where files cost a third of the time, if there is room and nobody has said
/// where temporary files go.
fn roomy_memory() -> Option<PathBuf> {
    const ROOM_BYTES: u64 = 2 << 30;
    let folder = PathBuf::from("/dev/shm");
    let is_free_choice = env::var_os("TMPDIR").is_none();
    let stat = statvfs(&folder).ok().filter(|_| is_free_choice)?;
    // On some systems they are smaller numbers.
    #[allow(clippy::useless_conversion)]
    let room = u64::from(stat.blocks_available()) * u64::from(stat.fragment_size());
    (room >= ROOM_BYTES).then_some(folder)
}

/// In memory or the folder for temporary files, unless a socket in there would have too long a path or the
/// account may not go there; then in /tmp.
fn make_watched_folder(account: Option<&Account>) -> Result<Watcher> {
    let mut refused = Vec::new();
    for parent in roomy_memory().into_iter().chain([env::temp_dir(), PathBuf::from("/tmp")]) {
        let folder = parent.join(format!("{APPLICATION_NAME}-{:08x}", random_number()));
        let socket_length = folder.as_os_str().len() + "/.s.PGSQL.5432.lock".len();
        // Postgres reads the option as a list with commas.
        let is_usable = parent.is_absolute()
            && socket_length <= SOCKET_PATH_LIMIT
            && !parent.as_os_str().as_bytes().iter().any(|byte| b",\"\n".contains(byte))
            && account.is_none_or(|account| account.can_write(&parent));
        if !is_usable {
            refused.push(format!("{} is too long a path or not open to all", parent.display()));
            continue;
        }
        match Watcher::start(&folder, account) {
            Ok(watcher) => return Ok(watcher),
            Err(cause) => refused.push(format!("{}: {cause}", parent.display())),
        }
    }
    Err(Error::new("could not make a temporary folder for a local server")
        .cause(refused.join("; "))
        .help("set TMPDIR to a writable folder with a short path"))
}

fn superuser_config(folder: &Path) -> Config {
    let mut config = Config::new();
    config.host_path(folder).user("leakproof").dbname(MAINTENANCE).options(SUPERUSER_OPTIONS);
    config.application_name(APPLICATION_NAME);
    config
}

/// What a server writes of itself into `postmaster.pid`: its eighth line, once it takes connections.
fn is_ready(state: &str) -> bool {
    state.lines().nth(7).is_some_and(|status| status.trim_end() == "ready")
}

fn connect_when_ready(watcher: &mut Watcher) -> Result<Client> {
    let config = superuser_config(watcher.folder());
    let state = watcher.folder().join("data/postmaster.pid");
    let started = Instant::now();
    let mut refused = "it did not get ready".to_owned();
    while started.elapsed() < START_LIMIT && !watcher.has_stopped() {
        // Each attempt to connect costs the server, which is busy starting.
        match fs::read_to_string(&state) {
            Ok(state) if is_ready(&state) => match config.connect(NoTls) {
                Ok(client) => return Ok(client),
                Err(cause) => refused = cause_of(&cause),
            },
            Ok(_) => {}
            Err(cause) if cause.kind() == ErrorKind::NotFound => {}
            // Root without the right to enter what is another account's: waiting would not help.
            Err(cause) => {
                return Err(Error::new("cannot reach a local PostgreSQL server in its folder")
                    .cause(cause)
                    .help("run leakproof as an ordinary user, or use another kind of `--server`"));
            }
        }
        sleep(Duration::from_millis(1));
    }
    let log = watcher.read_log_end();
    let cause = if log.is_empty() { refused } else { log };
    Err(Error::new("a local PostgreSQL server did not start")
        .cause(cause)
        .help("if the cause is not on this machine, use another kind of `--server`"))
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::os::unix::fs::PermissionsExt;
    use std::sync::Arc;
    use std::thread;

    use super::*;

    /// What a superuser tries, and how it is seen that it came through: the canary, or the rows.
    const ATTACKS: [(&str, &str); 7] = [
        ("program", "copy (select 1) to program 'cat > {canary}'"),
        ("file", "copy (select 1) to '{canary}'"),
        ("large object", "select lo_from_bytea(4711, 'x'); select lo_export(4711, '{canary}')"),
        ("reading", "create table t (l text); copy t from '/etc/hostname'; drop table t"),
        ("function", "select pg_read_file('/etc/hostname')"),
        ("folder", "select pg_ls_dir('/var')"),
        (
            "network",
            "create extension dblink; \
             select dblink_connect('hostaddr=127.0.0.1 port={port} user=x')",
        ),
    ];

    /// Which attacks reach their canary, on a server in such a jail.
    fn reached(jail: fn(&Path, &Path) -> Jail) -> Vec<&'static str> {
        let server = Arc::new(
            start_in(find_binaries(None).expect("binaries"), jail, None).expect("a server"),
        );
        let database = server.create_database().expect("a database");
        let folder = tempfile::tempdir().expect("a folder");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).expect("open to all");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
        let address = listener.local_addr().expect("an address");
        // Hangs up at once: a server does not always keep to `connect_timeout`.
        let first = thread::spawn(move || listener.accept().map(|(_, peer)| peer));
        let mut reached = Vec::new();
        for (name, sql) in ATTACKS {
            let canary = folder.path().join("canary");
            let sql = sql.replace("{canary}", &canary.display().to_string());
            let sql = sql.replace("{port}", &address.port().to_string());
            let mut client = database.connect().expect("a connection");
            let outcome = client.batch_execute(&sql);
            let is_reached = match name {
                "reading" | "function" | "folder" => outcome.is_ok(),
                "network" => continue,
                _ => fs::remove_file(canary).is_ok(),
            };
            reached.extend(is_reached.then_some(name));
        }
        // Nobody listens any more where the server has connected.
        let own = TcpStream::connect(address).and_then(|stream| stream.local_addr());
        let peer = first.join().expect("no panic").expect("a connection");
        reached.extend((own.ok() != Some(peer)).then_some("network"));
        reached
    }

    #[test]
    fn the_jail_keeps_what_a_superuser_would_reach() {
        assert_eq!(reached(Jail::open), ATTACKS.map(|(name, _)| name));
        assert_eq!(reached(Jail::new), Vec::<&str>::new());
    }
}
