//! How a target is named, and where its password comes from.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use postgres::{Client, NoTls};

use super::secured::wait_for;
use super::target::{Target, read};
use super::{NOTES, project};
use crate::support::leakproof;
use crate::url_server::PASSWORD;

#[test]
fn a_target_is_named_by_a_variable_or_a_key_of_the_project() {
    let target = Target::start();
    let copy = project(&[NOTES]);
    let path = copy.path().display().to_string();
    let run = |arguments: &[&str], variables: &[(&str, &str)]| {
        let mut command = leakproof(&[&["status", &path], arguments].concat());
        let output = command.envs(variables.iter().copied()).output();
        let (code, stdout, stderr) = read(&output.expect("it runs"));
        (code, format!("{stdout}{stderr}"))
    };
    let place = format!("database {}, as clerk\n", target.name);
    copy.write(".env", &format!("DATABASE_URL={}\n", target.url));
    // What lies around names nothing.
    let (code, told) = run(&[], &[("DATABASE_URL", &target.url)]);
    assert!(code == 2 && told.contains("--env <NAME>"), "{told}");
    let (code, told) = run(&["--env", "PROD"], &[("DATABASE_URL", &target.url)]);
    assert!(code == 2 && told.starts_with("error: --env PROD is not usable\n"), "{told}");
    let (code, told) = run(&["--env", "DATABASE_URL", "--db-url", &target.url], &[]);
    assert!(code == 2 && told.contains("cannot be used with"), "{told}");
    let (code, told) = run(&["--env", "DATABASE_URL"], &[]);
    assert!(code == 1 && told.contains(&place), "{told}");
    let (code, told) = run(&["--env", "PROD"], &[("PROD", &target.url)]);
    assert!(code == 1 && told.contains(&place), "{told}");
    let nowhere = target.url.replace(&target.name, "nowhere");
    let (code, told) = run(&["--env", "PROD"], &[("PROD", &nowhere)]);
    assert!(code == 2 && told.contains("user, password and database of --env PROD"), "{told}");
}

#[test]
fn a_password_may_be_in_libpqs_file() {
    let target = Target::start();
    let copy = project(&[NOTES]);
    let path = copy.path().display().to_string();
    // Any letter may be in it, and more than a line of a terminal has.
    let password = format!("{PASSWORD} :\\'\"@/%?{}", "ä$".repeat(700));
    let role = format!("keeper_of_{}", target.name);
    let make =
        format!("create role {role} superuser login password '{}'", password.replace('\'', "''"));
    target.admin().batch_execute(&make).expect("a role");
    let rules = target.ask_admin("show hba_file");
    let rule = format!("local all {role} scram-sha-256\n");
    let known = fs::read_to_string(&rules).expect("rules");
    fs::write(&rules, rule + &known).expect("written");
    target.admin().batch_execute("select pg_reload_conf()").expect("reloaded");
    let bare = target.url.replace(&format!("clerk:{PASSWORD}"), &role);
    wait_for("the rule does not count", || Client::connect(&bare, NoTls).err());
    let escaped = password.replace('\\', "\\\\").replace(':', "\\:");
    let file = copy.path().join("passwords");
    let folder = target.server.folder();
    let lines =
        format!("# of tests\n{folder}:1:*:*:wrong\n{folder}:*:{}:{role}:{escaped}\n", target.name);
    fs::write(&file, lines).expect("written");
    let run = |mode: u32, more: &[(&str, &str)]| {
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).expect("a mode");
        let mut command = leakproof(&["status", &path, "--db-url", &bare]);
        let output = command.env("PGPASSFILE", &file).envs(more.iter().copied()).output();
        let (code, stdout, stderr) = read(&output.expect("it runs"));
        (code, format!("{stdout}{stderr}"))
    };
    let (code, told) = run(0o644, &[]);
    assert!(code == 2 && told.contains("passwords` was not read: others may read it"), "{told}");
    let (code, told) = run(0o600, &[]);
    assert!(code == 1 && told.contains(&role), "{told}");
    let (code, told) = run(0o600, &[("PGPASSWORD", "wrong")]);
    assert!(code == 2 && told.contains("password authentication failed"), "{told}");
    // In a URL, too, and nowhere in what is told.
    let encoded: String = password.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let url = bare.replace(&role, &format!("{role}:{encoded}"));
    let output = leakproof(&["status", &path, "--db-url", &url]).output();
    let (code, stdout, stderr) = read(&output.expect("it runs"));
    assert!(code == 1 && !stdout.contains("%C3%A4"), "{stdout}{stderr}");
}
