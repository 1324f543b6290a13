//! Which servers a push trusts.

use super::secured::{Authority, Secured, self_signed};
use super::target::read;
use super::{NOTES, project};
use crate::support::leakproof;
use crate::url_server::PASSWORD;

const YEARS: (i32, i32) = (2020, 4000);

#[test]
fn a_server_has_to_show_what_the_url_asks_for() {
    let server = Secured::start();
    let (authority, other) = (Authority::new("ours"), Authority::new("another"));
    let write = |name: &str, text: &str| {
        server.premises.write(name, text).display().to_string().replace('/', "%2F")
    };
    let (root, other_root) = (write("ca.crt", &authority.pem()), write("b.crt", &other.pem()));
    let own = self_signed("db.example", YEARS);
    let own_root = write("own.crt", &own.0);
    let old = self_signed("db.example", (2020, 2021));
    let old_root = write("old.crt", &old.0);
    let empty = write("empty.crt", "nothing\n");
    let copy = project(&[NOTES]);
    let path = copy.path().display().to_string();
    let status = |url: &str| {
        let output = leakproof(&["status", &path, "--db-url", url]).output();
        let (code, stdout, stderr) = read(&output.expect("it runs"));
        (code, format!("{stdout}{stderr}"))
    };
    let expect = |host: &str, query: &str, expected: Result<&str, &str>| {
        let (code, told) = status(&server.url(host, query));
        match expected {
            Ok(shown) => {
                let line = format!(
                    "target      {host}:{}, database app, as tester, {shown}\n",
                    server.port
                );
                assert!(code == 1 && told.starts_with(&line), "{host} {query}: {told}");
            }
            Err(why) => {
                assert!(code == 2 && told.contains(why), "{host} {query}: {told}");
                assert!(told.contains("\n  help: "), "{told}");
            }
        }
    };
    let by = |name: &str| format!("`{}`", server.premises.path().join(name).display());
    let full = |root: &str| format!("sslmode=verify-full&sslrootcert={root}");
    let issuer = |root: &str| format!("sslmode=verify-ca&sslrootcert={root}");

    // In plain text, the server cannot show anything.
    expect("db.example", "", Ok("no TLS"));
    expect("db.example", "sslmode=disable", Ok("no TLS"));
    for query in ["sslmode=require", &issuer(&root), &full(&root), "sslmode=verify-full"] {
        expect("db.example", query, Err("cause: the server does not speak TLS\n"));
    }

    let good = authority.issue("x", &["db.example", "127.0.0.1"], YEARS);
    server.show("good", &good, &authority);
    let verified = format!("TLS, certificate verified by {}", by("ca.crt"));
    expect("db.example", &full(&root), Ok(&verified));
    expect("127.0.0.1", &full(&root), Ok(&verified));
    expect("db.example", &format!("{}&channel_binding=require", full(&root)), Ok(&verified));
    expect("db.example", "", Ok("TLS, certificate not verified"));
    expect("db.example", "sslmode=disable", Ok("no TLS"));
    expect("db.example", "sslmode=require", Ok("TLS, certificate not verified"));
    let but_name = format!("{verified}, but not its name");
    expect("else.example", &issuer(&root), Ok(&but_name));
    expect("else.example", &format!("sslmode=require&sslrootcert={root}"), Ok(&but_name));
    let why = "has the names db.example, 127.0.0.1, and not else.example\n";
    expect("else.example", &full(&root), Err(why));
    expect("10.0.0.1", &full(&root), Err("and not 10.0.0.1\n"));
    let why = format!("was not issued by {}", by("b.crt"));
    expect("db.example", &full(&other_root), Err(&why));
    expect("db.example", &issuer(&other_root), Err(&why));
    for query in ["sslmode=verify-full", "sslrootcert=system"] {
        expect("db.example", query, Err("was not issued by system roots"));
    }
    expect("db.example", &full(&empty), Err("empty.crt`: there is no certificate in it"));
    expect("db.example", &full("nowhere.crt"), Err("`nowhere.crt`: No such file or directory\n"));

    // The same files are applied, whoever listens.
    let url = server.url("db.example", &full(&root));
    let output = leakproof(&["push", &path, "--db-url", &url, "--yes", "--no-rehearse"]).output();
    let (code, stdout, stderr) = read(&output.expect("it runs"));
    assert!(code == 0 && stdout.contains(&verified), "{stdout}{stderr}");
    assert_eq!(server.ask("select count(*)::text from public.notes"), ["2"]);
    copy.write("migrations/V2__more.sql", "create table public.more (id int)");

    // Who is known by a certificate has no password.
    let (certificate, key) = authority.issue("crew", &[], YEARS);
    let (certificate, key) = (write("crew.crt", &certificate), write("crew.key", &key));
    let crew =
        server.url("db.example", &full(&root)).replace(&format!("tester:{PASSWORD}"), "crew");
    let (code, told) = status(&crew);
    assert!(code == 2 && told.contains("could not connect to"), "{told}");
    let (code, told) = status(&format!("{crew}&sslcert={certificate}&sslkey={key}"));
    assert!(code == 1 && told.contains("as crew, TLS, certificate verified by"), "{told}");
    let (code, told) = status(&format!("{crew}&sslcert={certificate}&sslkey=nowhere.key"));
    assert!(code == 2 && told.contains("`nowhere.key`: No such file"), "{told}");

    let expired = authority.issue("x", &["db.example"], (2020, 2021));
    server.show("expired", &expired, &authority);
    let why = "cause: the server's certificate has expired\n";
    expect("db.example", &full(&root), Err(why));
    expect("db.example", &issuer(&root), Err(why));
    server.show("later", &authority.issue("x", &["db.example"], (3000, 4000)), &authority);
    expect("db.example", &full(&root), Err("certificate is not valid yet"));
    // A name that stands in no subjectAltName is none.
    server.show("nameless", &authority.issue("db.example", &[], YEARS), &authority);
    expect("db.example", &full(&root), Err("has no name under subjectAltName"));

    // One that has signed itself vouches for itself alone.
    server.show("own", &own, &authority);
    let verified = format!("TLS, certificate verified by {}", by("own.crt"));
    expect("db.example", &full(&own_root), Ok(&verified));
    expect("else.example", &full(&own_root), Err("and not else.example"));
    expect("db.example", &full(&root), Err("the server's certificate cannot be used"));
    server.show("old", &old, &authority);
    expect("db.example", &full(&old_root), Err(why));
}
