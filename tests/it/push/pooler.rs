//! pgbouncer, as Debian has it, between a push and its target.

use std::path::Path;

use super::secured::{Secured, free_port, wait_for};
use super::target::read;
use super::{NOTES, project};
use crate::support::leakproof;
use crate::url_server::PASSWORD;

#[test]
#[ignore = "needs pgbouncer: .ci/run installs and runs it"]
fn pgbouncer_will_do_in_session_mode_alone() {
    let program = Path::new("/usr/sbin/pgbouncer");
    assert!(program.is_file(), "pgbouncer is not installed");
    let server = Secured::start();
    let copy = project(&[NOTES]);
    let path = copy.path().display().to_string();
    server.premises.write("users.txt", &format!("\"tester\" \"{PASSWORD}\"\n"));
    let databases: String = ["transaction", "statement", "session"]
        .map(|mode| {
            format!("{mode} = host=127.0.0.1 port={} dbname=app pool_mode={mode}\n", server.port)
        })
        .concat();
    // A pool gives away the session that was free last, or each in turn.
    for in_turn in [0, 1] {
        let port = free_port();
        let settings = format!(
            "[databases]\n{databases}[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = scram-sha-256\nauth_file = users.txt\n\
             min_pool_size = 3\nserver_round_robin = {in_turn}\n"
        );
        let file = server.premises.write("pgbouncer.ini", &settings);
        let _pooler = server.premises.start(program, &[&file.display().to_string()]);
        let run = |command: &str, mode: &str, arguments: &[&str]| {
            let url = format!("postgres://tester:{PASSWORD}@127.0.0.1:{port}/{mode}");
            let all = [&[command, &path, "--db-url", &url], arguments].concat();
            let (code, stdout, stderr) = read(&leakproof(&all).output().expect("it runs"));
            (code, format!("{stdout}{stderr}"))
        };
        wait_for("pgbouncer does not start", || {
            std::net::TcpStream::connect(("127.0.0.1", port)).ok()
        });
        for mode in ["transaction", "statement"] {
            // The first asks while the pool has one session, the others when it may have three.
            for (command, arguments) in [
                ("status", &[][..]),
                ("push", &["--yes", "--no-rehearse"]),
                ("push", &["--dry-run", "--no-rehearse"]),
            ] {
                let (code, told) = run(command, mode, arguments);
                assert!(code == 2, "{told}");
                let why = "error: cannot push through a transaction pooler\n  cause: each \
                           transaction gets any session of the server";
                assert!(told.contains(why) && told.contains("session mode"), "{told}");
            }
        }
        let count = "select coalesce(to_regclass('public.notes')::text, 'none')";
        assert_eq!(server.ask(count), [if in_turn == 0 { "none" } else { "notes" }]);
        let (code, told) = run("status", "session", &[]);
        assert_eq!(code, 1 - in_turn, "{told}");
        let (code, told) = run("push", "session", &["--yes", "--no-rehearse"]);
        assert!(code == 0, "{told}");
        let (code, told) = run("status", "session", &[]);
        assert!(code == 0 && told.contains("in step: 1 version applied"), "{told}");
        assert_eq!(server.ask("select count(*)::text from public.notes"), ["2"]);
    }
}
