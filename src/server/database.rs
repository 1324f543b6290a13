//! Scratch databases, and the templates that they are cloned from.

use std::fmt;
use std::mem;
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use postgres::{Client, NoTls};

use super::{Server, cause_of};
use crate::error::{Error, Result};

/// A scratch database. Dropping it drops the database, with whoever is still connected to it.
pub struct Database {
    server: Arc<Server>,
    /// Empty once there is nothing left to drop.
    name: String,
}

/// A database that is only there to be cloned. It lives as long as its server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    name: String,
}

impl Template {
    /// The name of the database that is cloned.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Database {
    pub(super) fn new(server: Arc<Server>, name: String) -> Self {
        Self { server, name }
    }

    /// Its name, unique on its server.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The server that it is on.
    pub fn server(&self) -> &Arc<Server> {
        &self.server
    }

    /// Connects as a superuser, with an application name that begins with `leakproof`.
    ///
    /// # Errors
    /// When the server is gone or has no connection left.
    pub fn connect(&self) -> Result<Client> {
        let mut config = self.server.config().clone();
        config.dbname(&self.name).connect(NoTls).map_err(|cause| {
            Error::new(format!("could not connect to the scratch database `{}`", self.name))
                .cause(cause_of(&cause))
        })
    }

    /// Makes a copy of it; nobody may be connected to it.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn copy(&self) -> Result<Self> {
        self.server.copy_database(self)
    }

    /// Makes it a template, to be cloned.
    pub(super) fn into_template(mut self, admin: &mut Client) -> Template {
        self.wait_until_left(admin);
        Template { name: mem::take(&mut self.name) }
    }

    /// Waits until nobody is connected any more, since `create database` would wait much longer.
    pub(super) fn wait_until_left(&self, admin: &mut Client) {
        let started = Instant::now();
        let query = "select count(*) from pg_catalog.pg_stat_activity where datname = $1";
        while started.elapsed() < Duration::from_secs(5) {
            let count = admin.query_one(query, &[&self.name]).map(|row| row.get::<_, i64>(0));
            if count.is_ok_and(|count| count == 0) {
                break;
            }
            sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if !self.name.is_empty() {
            self.server.drop_database(&self.name);
        }
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Database").field(&self.name).finish()
    }
}
