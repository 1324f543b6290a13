//! Both ways beside other tools, on one database: what they have applied is applied here, and what we have is there.

use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::thread;

use super::proxy::SOCKET;
use super::target::{Target, read};
use super::{project, refinery_applies};
use crate::support::Copy;
use crate::url_server::PASSWORD;

/// A file that would fail if it ran twice.
fn add(copy: &Copy, folder: &str, name: &str, number: usize) {
    let sql = format!(
        "-- file {number}\ncreate table public.t{number} (id int primary key, body text);\n\
         insert into public.t{number} values (1, 'a;b');\n"
    );
    copy.write(&format!("{folder}/{name}.sql"), &sql);
}

fn expect_in_step(target: &Target, copy: &Copy, applied: usize) {
    let (code, told) = target.status(copy);
    let all =
        format!("in step: {applied} version{} applied\n", if applied == 1 { "" } else { "s" });
    assert!(code == 0 && told.ends_with(&all), "{told}");
}

#[test]
fn refinery_and_ours_apply_in_turns() {
    for table in ["leakproof.refinery_schema_history", "public.refinery_schema_history"] {
        let target = Target::start();
        let copy = project(&[]);
        let add_next = |number| {
            add(&copy, "migrations", &format!("V{number}__t{number}"), number);
        };
        if table.starts_with("public.") {
            add_next(1);
            assert_eq!(refinery_applies(&target, &copy, table), [1]);
            expect_in_step(&target, &copy, 1);
        }
        (1..=3).for_each(add_next);
        target.expect_pushed(&copy);
        assert_eq!(refinery_applies(&target, &copy, table), Vec::<i64>::new());
        (4..=5).for_each(add_next);
        assert_eq!(refinery_applies(&target, &copy, table), [4, 5]);
        expect_in_step(&target, &copy, 5);
        add_next(6);
        target.expect_pushed(&copy);
        assert_eq!(refinery_applies(&target, &copy, table), Vec::<i64>::new());
        expect_in_step(&target, &copy, 6);
    }
}

/// A port of this machine that leads to a server with a socket only.
fn port_of(folder: &str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let socket = Path::new(folder).join(SOCKET);
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let server = UnixStream::connect(&socket).expect("the server");
            let there = (client.try_clone().expect("one"), server.try_clone().expect("one"));
            thread::spawn(move || {
                let (mut from, mut to): (TcpStream, UnixStream) = there;
                let _ = io::copy(&mut from, &mut to);
                let _ = to.shutdown(Shutdown::Both);
            });
            thread::spawn(move || {
                let (mut from, mut to) = (server, client);
                let _ = io::copy(&mut from, &mut to);
                let _ = to.shutdown(Shutdown::Both);
            });
        }
    });
    port
}

/// Supabase's own CLI, in the project's folder.
struct Cli<'a> {
    program: String,
    url: String,
    copy: &'a Copy,
}

impl Cli<'_> {
    fn run(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(&self.program);
        command.args(arguments).args(["--db-url", &self.url]).current_dir(self.copy.path());
        command.env("HOME", self.copy.path()).env("DO_NOT_TRACK", "1");
        let output = command.output().expect("the Supabase CLI");
        let told = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(output.status.success(), "{arguments:?}: {told}");
        told
    }

    /// That its list has each version on both sides, and that it has nothing to do.
    fn expect_in_step(&self, versions: &[String]) {
        let list = self.run(&["migration", "list"]);
        let is_row = |line: &&str| line.trim_start().starts_with('`');
        let rows: Vec<&str> = list.lines().filter(is_row).collect();
        assert_eq!(rows.len(), versions.len(), "{list}");
        for (row, version) in rows.iter().zip(versions) {
            let both: Vec<&str> = row.split('|').take(2).map(|one| one.trim()).collect();
            assert_eq!(both, [format!("`{version}`"), format!("`{version}`")], "{list}");
        }
        let told = self.run(&["db", "push", "--yes"]);
        assert!(told.contains("Remote database is up to date."), "{told}");
    }
}

#[test]
#[ignore = "needs the Supabase CLI, named in LEAKPROOF_SUPABASE_CLI: .ci/run and .ci/long have it"]
fn the_cli_of_supabase_and_ours_apply_in_turns() {
    let program = std::env::var("LEAKPROOF_SUPABASE_CLI").expect("LEAKPROOF_SUPABASE_CLI");
    let target = Target::start();
    let copy = Copy::empty();
    let version = |number: usize| format!("202401{number:02}000000");
    let add_next = |number| {
        add(&copy, "supabase/migrations", &format!("{}_t{number}", version(number)), number);
    };
    let versions = |most| (1..=most).map(version).collect::<Vec<_>>();
    let port = port_of(target.server.folder());
    let url = format!("postgres://clerk:{PASSWORD}@127.0.0.1:{port}/{}", target.name);
    let cli = Cli { program, url: format!("{url}?sslmode=disable"), copy: &copy };
    (1..=3).for_each(add_next);
    target.expect_pushed(&copy);
    cli.expect_in_step(&versions(3));
    (4..=5).for_each(add_next);
    let told = cli.run(&["db", "push", "--yes"]);
    assert!(told.contains(&format!("{}_t5.sql", version(5))), "{told}");
    expect_in_step(&target, &copy, 5);
    let (code, told, _) = target.push(&copy, &[]);
    assert!(code == 0 && told.contains("none: the target has every file"), "{told}");
    add_next(6);
    target.expect_pushed(&copy);
    cli.expect_in_step(&versions(6));
    expect_in_step(&target, &copy, 6);
}

#[test]
#[ignore = "needs refinery's CLI, named in LEAKPROOF_REFINERY_CLI: .ci/long has it"]
fn the_cli_of_refinery_and_ours_apply_in_turns() {
    let program = std::env::var("LEAKPROOF_REFINERY_CLI").expect("LEAKPROOF_REFINERY_CLI");
    let target = Target::start();
    let copy = project(&[]);
    let port = port_of(target.server.folder());
    let url = format!("postgres://clerk:{PASSWORD}@127.0.0.1:{port}/{}", target.name);
    let refinery = || {
        let mut command = Command::new(&program);
        command.args(["migrate", "-e", "TARGET", "-p", "migrations"]).env("TARGET", &url);
        let output = command.current_dir(copy.path()).output().expect("refinery's CLI");
        let (code, stdout, stderr) = read(&output);
        assert_eq!(code, 0, "{stdout}{stderr}");
    };
    let add_next = |number| add(&copy, "migrations", &format!("V{number}__t{number}"), number);
    add_next(1);
    refinery();
    expect_in_step(&target, &copy, 1);
    (2..=3).for_each(add_next);
    target.expect_pushed(&copy);
    // It would fail if it applied one again.
    refinery();
    (4..=5).for_each(add_next);
    refinery();
    expect_in_step(&target, &copy, 5);
    add_next(6);
    target.expect_pushed(&copy);
    refinery();
    expect_in_step(&target, &copy, 6);
}
