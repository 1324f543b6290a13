//! As whom sessions log in that are no superuser's.
//!
//! What the project's code runs in is a session that has logged in as a role that is no superuser, so
//! that there is nothing to go back to. On a private server that is the role itself. On a server that
//! was given its roles are somebody's, with passwords of their own: there it is a role of this run
//! that may do nothing but become the other, which it does as it logs in.

use std::sync::Arc;

use postgres::{Client, NoTls};

use crate::error::{Error, Result};
use crate::server::connection::cause_of;
use crate::server::database::Database;
use crate::server::instance::{Server, lock};
use crate::server::options::ServerKind;
use crate::server::password::{Login, Password};
use crate::server::runs::ROLE_MARK;
use crate::session::failed::refusal_of;
use crate::session::watchdog::{End, Ender, Stoppable};
use crate::sql::quote::{identifier, literal};

impl Server {
    /// Whom to log in as in order to be `role`.
    fn login(&self, role: &str) -> Result<Login> {
        let mut logins = lock(&self.logins.0);
        if let Some(login) = logins.get(role) {
            return Ok(login.clone());
        }
        let password = Password::random();
        let (role_name, verifier) = (identifier(role), password.verifier());
        let (name, statements) = match self.kind {
            ServerKind::Local | ServerKind::Docker => {
                (role.to_owned(), format!("alter role {role_name} login password {verifier}"))
            }
            ServerKind::Url => {
                let name = self.next_name();
                // Else whatever the role may do could be done without becoming it.
                let option =
                    if self.has_admin_option() { " with inherit false, set true" } else { "" };
                let statements = format!(
                    "create role {name} login noinherit password {verifier}; \
                     comment on role {name} is {}; \
                     grant {role_name} to {name}{option}; \
                     alter role {name} set role = {}",
                    literal(ROLE_MARK),
                    literal(role)
                );
                (name, statements)
            }
        };
        self.with_admin(|admin| admin.batch_execute(&statements))?;
        Ok(logins.entry(role.to_owned()).or_insert(Login { name, password }).clone())
    }
}

impl Server {
    /// Ends a session that does not let itself be cancelled.
    fn end(&self, how: End, process: i32) {
        match how {
            // It fails where the session has just ended, or the server.
            End::Session => {
                let end = "select pg_catalog.pg_terminate_backend($1)";
                drop(self.with_admin(|admin| admin.execute(end, &[&process])));
            }
            End::Server => {
                if let Some(end) = &self.ender {
                    end();
                }
            }
        }
    }
}

impl Database {
    /// Connects as a role that is no superuser, in a session that cannot become anybody whom the role
    /// may not become.
    ///
    /// # Errors
    /// When the server is gone, has no connection left, or does not let roles log in with a password.
    pub(crate) fn connect_as(&self, role: &str) -> Result<(Client, Stoppable)> {
        let login = self.server().login(role)?;
        let mut config = self.server().config().clone();
        config.user(&login.name).dbname(self.name()).options("-c jit=off");
        login.password.give_to(&mut config);
        let connect = || {
            let mut client = config.connect(NoTls)?;
            let process = client.query_one("select pg_catalog.pg_backend_pid()", &[])?.get(0);
            Ok((client, process))
        };
        let (client, process) = connect().map_err(|cause: postgres::Error| {
            let error = Error::new(format!("could not log in to a scratch database as `{role}`"));
            let error = match cause.as_db_error() {
                Some(said) => error.refused(refusal_of(said)),
                None => error.cause(cause_of(&cause)),
            };
            error.help(
                "migrations and probes run as roles that are no superusers: let roles log in with \
                     a password from here (`scram-sha-256` in pg_hba.conf), or use another server",
            )
        })?;
        let server = Arc::downgrade(self.server());
        let end: Ender = Arc::new(move |how, process| {
            if let Some(server) = server.upgrade() {
                server.end(how, process);
            }
        });
        let stoppable = Stoppable { cancel: client.cancel_token(), end: Some((end, process)) };
        Ok((client, stoppable))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::server::instance::Server;
    use crate::server::options::{ServerKind, ServerOptions};

    #[test]
    fn a_login_is_the_role_and_nobody_else() {
        let options = ServerOptions { kind: Some(ServerKind::Local), ..Default::default() };
        let server = Arc::new(Server::start(&options).expect("a server"));
        let database = server.create_database().expect("a database");
        let mut admin = database.connect().expect("a connection");
        admin.batch_execute("create role somebody; create role other").expect("roles");
        for _ in 0..2 {
            let (mut client, _) = database.connect_as("somebody").expect("a login");
            let row = client.query_one("select session_user::text, current_user::text", &[]);
            let row = row.expect("an answer");
            assert_eq!(
                [row.get::<_, String>(0), row.get(1)],
                ["somebody".to_owned(), "somebody".into()]
            );
            for taken in ["leakproof", "other"] {
                let set = format!("set session authorization {taken}");
                let refused = client.batch_execute(&set).expect_err("it is not theirs");
                assert_eq!(refused.code().expect("a code").code(), "42501");
            }
        }
        // Without its password nobody gets in, whatever may reach the socket.
        let mut config = server.config().clone();
        for user in ["somebody", "leakproof"] {
            let refused = config.user(user).password("guess").connect(postgres::NoTls);
            let refused = refused.err().expect("the password is wrong");
            assert_eq!(refused.code().expect("a code").code(), "28P01");
        }
    }
}
