//! The registry of live runs on a server that was given: who is there is told by locks, and what a dead
//! run left is dropped by the next one.

use std::fmt::Write;
use std::thread::sleep;
use std::time::{Duration, Instant};

use postgres::config::{Host, SslMode};
use postgres::error::SqlState;
use postgres::{Client, Config, NoTls};

use crate::error::{Error, Result};
use crate::server::connection::{APPLICATION_NAME, cause_of};
use crate::server::random::random_number;
use crate::server::redact::without_password;

/// The comment on a role that says that we may drop it: `comment on role x is '...'`. Roles belong
/// to the whole server; those whose comment begins so are dropped when the last run on it ends.
pub const ROLE_MARK: &str =
    "created by leakproof for a scratch database, dropped with the last one";

/// The first key of our advisory locks; the second is the number of a run, or the gate.
pub(crate) const LOCK_CLASS: u32 = 0x6c65_616b;

pub(crate) const GATE: u32 = 0;

pub(crate) const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// A superuser session in the database `postgres`, or in the named one if there is no `postgres`,
/// and how to get more of them.
pub fn connect_maintenance(url: &str) -> Result<(Client, Config)> {
    let mut config = parse_url(url)?;
    let place = describe_place(&config);
    let mut client = config.connect(NoTls).map_err(|cause| {
        refused(&place, &cause)
            .help("check host, port, user, password and database of LEAKPROOF_DATABASE_URL")
    })?;
    let query = "select rolsuper from pg_catalog.pg_roles where rolname = current_user";
    let row = client.query_one(query, &[]).map_err(|cause| refused(&place, &cause))?;
    if !row.get::<_, bool>(0) {
        return Err(Error::new(format!("cannot use the server {place}"))
            .cause("the user is not a superuser")
            .help("give a superuser in LEAKPROOF_DATABASE_URL: migrations create roles and extensions, and actors are impersonated"));
    }
    let mut beside = config.clone();
    if let Ok(maintenance) = beside.dbname("postgres").connect(NoTls) {
        (client, config) = (maintenance, beside);
    }
    Ok((client, config))
}

pub(crate) fn parse_url(url: &str) -> Result<Config> {
    const NAMED: &str = "LEAKPROOF_DATABASE_URL";
    let config = read_url(url, NAMED)?;
    if config.get_user().is_none() {
        return Err(invalid_url(NAMED, "it names no user"));
    }
    if config.get_ssl_mode() == SslMode::Require {
        return Err(Error::new(format!("{NAMED} is not usable"))
            .cause(
                "it asks for sslmode=require, and leakproof does not speak TLS to scratch servers",
            )
            .help("use a server nearby with sslmode=prefer, or a tunnel (`ssh -L`)"));
    }
    Ok(config)
}

/// Reads a URL, or pairs of key and value, that may name no user; `named` is where it was given.
pub(crate) fn read_url(url: &str, named: &str) -> Result<Config> {
    if url.contains('\n') {
        return Err(invalid_url(named, "it has more than one line"));
    }
    let is_other = url.split_once("://").is_some_and(|(scheme, _)| {
        !scheme.contains('=') && !["postgres", "postgresql"].contains(&scheme)
    });
    if is_other {
        return Err(invalid_url(named, "it does not begin with `postgres://`"));
    }
    let mut config: Config = url.parse().map_err(|cause| invalid_url(named, &cause_of(&cause)))?;
    if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
        return Err(invalid_url(named, "it names no host"));
    }
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(CONNECT_LIMIT);
    }
    config.application_name(APPLICATION_NAME);
    Ok(config)
}

/// That a URL cannot be used.
pub(crate) fn invalid_url(named: &str, cause: &str) -> Error {
    Error::new(format!("{named} is not usable"))
        .cause(cause)
        .help("write postgres://user:password@host:port/database, or key=value pairs")
}

/// Who and where, as in `postgres@127.0.0.1:5432`.
pub(crate) fn describe_place(config: &Config) -> String {
    let mut place = config.get_user().unwrap_or_default().to_owned();
    for (at, host) in config.get_hosts().iter().enumerate() {
        place.push(if at == 0 { '@' } else { ',' });
        match host {
            // An unescaped `@` makes the end of a password a part of the host.
            Host::Tcp(name) => place.push_str(name.rsplit('@').next().unwrap_or_default()),
            Host::Unix(folder) => place.push_str(&folder.display().to_string()),
        }
        let port = config.get_ports().get(at).or(config.get_ports().first()).unwrap_or(&5432);
        let _ = write!(place, ":{port}");
    }
    without_password(&place)
}

pub(crate) fn refused(place: &str, cause: &postgres::Error) -> Error {
    Error::new(format!("could not use the server {place}")).cause(cause_of(cause))
}

/// Shows a sign of life under a number of our own, after clearing away what dead runs left.
pub(crate) fn enter(session: &mut Client) -> Result<u32, postgres::Error> {
    close_gate(session)?;
    let live = live_runs(session)?;
    drop_databases(session, |number| !live.contains(&number))?;
    drop_logins(session, |number| !live.contains(&number))?;
    if live.is_empty() {
        drop_roles(session)?;
    }
    let mut number = random_number();
    while number == GATE || live.contains(&number) {
        number = random_number();
    }
    lock(session, number)?;
    unlock(session, GATE)?;
    Ok(number)
}

/// Drops what the run made, and the roles of scratch databases if it was the last. Its sign of life goes first, so that
/// after a failure the next run takes over.
pub fn leave(session: &mut Client, number: u32) -> Result<(), postgres::Error> {
    close_gate(session)?;
    unlock(session, number)?;
    drop_databases(session, |of| of == number)?;
    drop_logins(session, |of| of == number)?;
    if live_runs(session)?.is_empty() {
        drop_roles(session)?;
    }
    unlock(session, GATE)
}

/// Whether a session still holds the lock of this run; `end` has the server close that session.
pub fn is_live(session: &mut Client, number: u32, end: bool) -> Result<bool, postgres::Error> {
    if end {
        let end = "select pg_catalog.pg_terminate_backend(pid) from pg_catalog.pg_locks
            where locktype = 'advisory' and classid = $1 and objid = $2 and objsubid = 2";
        session.execute(end, &[&LOCK_CLASS, &number])?;
    }
    Ok(live_runs(session)?.contains(&number))
}

/// Has the server close the sessions of a dead run, and waits for them at most `limit`. One of them
/// may still be making a database, which nobody would see before it is there.
pub fn end_sessions(
    session: &mut Client,
    number: u32,
    limit: Duration,
) -> Result<(), postgres::Error> {
    let end = "select pg_catalog.pg_terminate_backend(pid) from pg_catalog.pg_stat_activity
        where application_name = $1";
    let started = Instant::now();
    while session.execute(end, &[&session_name(number)])? > 0 && started.elapsed() < limit {
        sleep(Duration::from_millis(10));
    }
    Ok(())
}

pub(crate) fn close_gate(session: &mut Client) -> Result<(), postgres::Error> {
    // The session is idle for as long as the run takes; that must not end it.
    session.batch_execute(
        "select pg_catalog.set_config(name, '0', false) from pg_catalog.pg_settings
            where name in ('statement_timeout', 'idle_session_timeout');
        set lock_timeout = '60s'",
    )?;
    lock(session, GATE)
}

pub(crate) fn lock(session: &mut Client, key: u32) -> Result<(), postgres::Error> {
    let statement = "select pg_catalog.pg_advisory_lock($1, $2)";
    session.execute(statement, &[&LOCK_CLASS.cast_signed(), &key.cast_signed()]).map(drop)
}

pub(crate) fn unlock(session: &mut Client, key: u32) -> Result<(), postgres::Error> {
    let statement = "select pg_catalog.pg_advisory_unlock($1, $2)";
    session.execute(statement, &[&LOCK_CLASS.cast_signed(), &key.cast_signed()]).map(drop)
}

/// The runs that show a sign of life, in whichever database of the server.
pub(crate) fn live_runs(session: &mut Client) -> Result<Vec<u32>, postgres::Error> {
    let query = "select objid from pg_catalog.pg_locks
        where locktype = 'advisory' and classid = $1 and objid <> $2 and objsubid = 2 and granted";
    let rows = session.query(query, &[&LOCK_CLASS, &GATE])?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// The application name of the sessions of a run, but for the one that holds its lock.
pub(crate) fn session_name(number: u32) -> String {
    format!("{APPLICATION_NAME}_{number:08x}")
}

pub(crate) fn database_prefix(number: u32) -> String {
    format!("{}_", session_name(number))
}

/// Which run made the database or the login of that name; `None` if none did.
pub(crate) fn run_of_name(name: &str) -> Option<u32> {
    let (number, count) = name.strip_prefix("leakproof_")?.split_once('_')?;
    let number = u32::from_str_radix(number, 16).ok()?;
    let name_again = format!("{}{}", database_prefix(number), count.parse::<u32>().ok()?);
    (name == name_again).then_some(number)
}

pub(crate) fn drop_databases(
    session: &mut Client,
    of: impl Fn(u32) -> bool,
) -> Result<(), postgres::Error> {
    let names = "select datname::text from pg_catalog.pg_database order by datname";
    for name in names_of_runs(session, names, of)? {
        // Its owner may have made it a template, which nobody can drop.
        ignore_refusal(session.batch_execute(&format!("alter database {name} is_template false")))?;
        let statement = format!("drop database if exists {name} with (force)");
        ignore_refusal(session.batch_execute(&statement))?;
    }
    Ok(())
}

/// Drops the roles that only log in for runs.
fn drop_logins(session: &mut Client, of: impl Fn(u32) -> bool) -> Result<(), postgres::Error> {
    let names = "select rolname::text from pg_catalog.pg_roles order by rolname";
    for name in names_of_runs(session, names, of)? {
        ignore_refusal(session.batch_execute(&format!("drop role if exists {name}")))?;
    }
    Ok(())
}

/// The names that a query gives, so far as they are those of certain runs.
fn names_of_runs(
    session: &mut Client,
    names: &str,
    of: impl Fn(u32) -> bool,
) -> Result<Vec<String>, postgres::Error> {
    let names = session.query(names, &[])?.into_iter().map(|row| row.get::<_, String>(0));
    Ok(names.filter(|name| run_of_name(name).is_some_and(&of)).collect())
}

/// Drops the marked roles. One that another needs goes in a later round; one that the user's own
/// objects need stays.
pub(crate) fn drop_roles(session: &mut Client) -> Result<(), postgres::Error> {
    let query = "select pg_catalog.quote_ident(role.rolname)
        from pg_catalog.pg_roles role
        where pg_catalog.starts_with(pg_catalog.shobj_description(role.oid, 'pg_authid'), $1)
        order by 1";
    let mut left = usize::MAX;
    loop {
        let roles = session.query(query, &[&ROLE_MARK])?;
        if roles.is_empty() || roles.len() >= left {
            return Ok(());
        }
        left = roles.len();
        for role in roles {
            let role: String = role.get(0);
            ignore_refusal(session.batch_execute(&format!("drop role if exists {role}")))?;
        }
    }
}

/// What the server declines to drop stays; a lost connection is an error.
pub(crate) fn ignore_refusal(result: Result<(), postgres::Error>) -> Result<(), postgres::Error> {
    match result {
        Err(error) if error.code().is_none_or(|code| *code == SqlState::ADMIN_SHUTDOWN) => {
            Err(error)
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_names_are_recognised() {
        assert_eq!(run_of_name(&format!("{}7", database_prefix(0xbeef))), Some(0xbeef));
        let others =
            ["leakproof", "leakproof_beef_1", "leakproof_0000beef", "leakproof_0000beef_x"];
        for name in others.into_iter().chain(["leakproof_0000BEEF_1", "leakproof_0000beef_+1"]) {
            assert_eq!(run_of_name(name), None, "{name}");
        }
    }

    #[test]
    fn an_unescaped_password_is_not_shown() {
        for url in
            ["postgres://u:hun@ter2@h/d", "postgres://u:hun/ter2@h/d", "postgres://u:1#ter2@h/d"]
        {
            let shown = match parse_url(url) {
                Ok(config) => describe_place(&config),
                Err(error) => error.to_string(),
            };
            assert!(!shown.contains("hun") && !shown.contains("ter2"), "{shown}");
        }
    }

    #[test]
    fn unusable_urls_are_refused_without_their_password() {
        for url in [
            "postgres://u:hunter2@h/d?sslmode=require",
            "user=u password=hunter2 nope",
            "password=hunter2 user=u",
        ] {
            let error = parse_url(url).unwrap_err().to_string();
            assert!(error.contains("not usable") && !error.contains("hunter2"), "{error}");
        }
    }
}
