//! A server that is reached over TCP and may speak TLS, and the certificates of a CA that is made for it. The private
//! servers of leakproof itself have no network.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::unistd::{Uid, User};
use postgres::{Client, Config, NoTls};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};
use tempfile::TempDir;

use crate::url_server::{PASSWORD, UrlServer};

/// Far more than a start takes: what hangs has to fail.
const PATIENCE: Duration = Duration::from_secs(120);

/// A certificate authority.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("a certificate"))
    }

    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate and its key, with the names and for the years given.
    pub fn issue(&self, common: &str, names: &[&str], years: (i32, i32)) -> (String, String) {
        let key = KeyPair::generate().expect("a key");
        let certificate = params(common, names, years).signed_by(&key, &self.0);
        (certificate.expect("a certificate").pem(), key.serialize_pem())
    }
}

fn params(common: &str, names: &[&str], (from, to): (i32, i32)) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("names");
    params.distinguished_name.push(DnType::CommonName, common);
    params.not_before = date_time_ymd(from, 1, 1);
    params.not_after = date_time_ymd(to, 1, 1);
    params
}

/// A certificate that calls itself a CA and has signed itself, as PostgreSQL's manual makes one.
pub fn self_signed(name: &str, years: (i32, i32)) -> (String, String) {
    let key = KeyPair::generate().expect("a key");
    let mut params = params(name, &[name], years);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    (params.self_signed(&key).expect("a certificate").pem(), key.serialize_pem())
}

/// A process that ends with the test.
pub struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A folder of the account that servers run under: PostgreSQL and pgbouncer refuse root.
pub struct Premises {
    folder: TempDir,
    account: Option<User>,
}

impl Premises {
    pub fn new() -> Self {
        let named = |name: &&str| User::from_name(name).ok().flatten();
        let account = Uid::effective()
            .is_root()
            .then(|| ["postgres", "nobody"].iter().find_map(named).expect("an account"));
        let folder = tempfile::tempdir().expect("a folder");
        let premises = Self { folder, account };
        premises.give(premises.path());
        premises
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    fn give(&self, path: &Path) {
        if let Some(User { uid, gid, .. }) = &self.account {
            chown(path, Some(uid.as_raw()), Some(gid.as_raw())).expect("given away");
        }
    }

    /// A file that nobody else may read.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        fs::write(&path, text).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("a mode");
        self.give(&path);
        path
    }

    /// A program that is killed with the thread that starts it.
    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("setpriv");
        if let Some(User { uid, gid, .. }) = &self.account {
            command.args([format!("--reuid={uid}"), format!("--regid={gid}")]);
            command.arg("--clear-groups");
        }
        command.arg("--pdeathsig=KILL").arg(program).current_dir(self.path());
        command.stdin(Stdio::null());
        command
    }

    /// Starts one that goes on until the value is dropped; what it says goes into `log`.
    pub fn start(&self, program: &Path, arguments: &[&str]) -> Running {
        let log = fs::File::options().create(true).append(true).open(self.path().join("log"));
        let log = log.expect("a log");
        let mut command = self.command(program);
        command.args(arguments).stdout(log.try_clone().expect("it")).stderr(log);
        Running(command.spawn().expect("setpriv of util-linux"))
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.path().join("log")).unwrap_or_default()
    }
}

/// Asks again until there is an answer.
pub fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(begun.elapsed() < PATIENCE, "{what}");
        sleep(Duration::from_millis(20));
    }
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("its address").port()
}

/// A server with a superuser `tester` who has [`PASSWORD`], and a database `app`.
pub struct Secured {
    pub premises: Premises,
    pub port: u16,
    _running: Running,
}

impl Secured {
    /// Starts one from the binaries that the other tests use.
    pub fn start() -> Self {
        let bin = PathBuf::from(
            &UrlServer::start().ask("select setting from pg_config where name = 'BINDIR'")[0],
        );
        let premises = Premises::new();
        premises.write("password", PASSWORD);
        let made = premises
            .command(&bin.join("initdb"))
            .args(["-D", "data", "-U", "tester", "--pwfile=password", "--auth=scram-sha-256"])
            .args(["--no-sync", "--encoding=UTF8", "--locale=C"])
            .output()
            .expect("setpriv of util-linux");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let folder = premises.path().display().to_string();
        let rules = "hostssl app crew 127.0.0.1/32 cert clientcert=verify-full\n\
             host all all 127.0.0.1/32 scram-sha-256\nlocal all all scram-sha-256\n";
        let data = premises.path().join("data");
        fs::write(data.join("pg_hba.conf"), rules).expect("written");
        let port = free_port();
        let listen = format!("-p{port}");
        let arguments = ["-D", "data", &listen, "-h", "127.0.0.1", "-k", &folder, "-F"];
        let running = premises.start(&bin.join("postgres"), &arguments);
        let server = Self { premises, port, _running: running };
        let mut admin = wait_for("the server does not start", || server.connect("postgres").ok());
        admin.batch_execute("create database app").expect("a database");
        admin.batch_execute("create role crew login superuser").expect("a role");
        server
    }

    /// By its socket.
    fn connect(&self, database: &str) -> Result<Client, postgres::Error> {
        let mut config = Config::new();
        config.host_path(self.premises.path()).port(self.port).user("tester").password(PASSWORD);
        config.dbname(database).connect(NoTls)
    }

    pub fn ask(&self, query: &str) -> Vec<String> {
        let rows = self.connect("app").expect("a connection").query(query, &[]).expect("rows");
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// Sets what the server is started with anew, and waits until new sessions have it.
    fn set(&self, settings: &[(&str, &str)]) {
        let mut admin = self.connect("app").expect("a connection");
        for (name, value) in settings {
            admin.batch_execute(&format!("alter system set {name} = '{value}'")).expect("set");
        }
        admin.batch_execute("select pg_reload_conf()").expect("reloaded");
        for (name, value) in settings {
            wait_for(&format!("{name} does not become {value}: {}", self.premises.log()), || {
                (self.ask(&format!("show {name}")) == [*value]).then_some(())
            });
        }
    }

    /// Has it speak TLS with this certificate, and take certificates of people that the authority has issued.
    pub fn show(&self, name: &str, (certificate, key): &(String, String), authority: &Authority) {
        let path = |path: PathBuf| path.display().to_string();
        let certificate = path(self.premises.write(&format!("{name}.crt"), certificate));
        let key = path(self.premises.write(&format!("{name}.key"), key));
        let authority = path(self.premises.write("people.crt", &authority.pem()));
        self.set(&[
            ("ssl_cert_file", &certificate),
            ("ssl_key_file", &key),
            ("ssl_ca_file", &authority),
            ("ssl", "on"),
        ]);
    }

    /// Its URL under any name that somebody may have given to this machine.
    pub fn url(&self, host: &str, query: &str) -> String {
        let Self { port, .. } = self;
        format!("postgres://tester:{PASSWORD}@{host}:{port}/app?hostaddr=127.0.0.1&{query}")
    }
}
