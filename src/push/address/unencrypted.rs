//! In the place of TLS where leakproof was built without its feature `push`: what needs it is refused.

use std::sync::Arc;

use postgres::config::SslMode;
use postgres::{Client, Config, NoTls};

use crate::error::{Error, Result};
use crate::push::address::protection::{ClientCertificate, Protection};
use crate::push::interrupt::Cancel;

/// How to connect without TLS.
pub(crate) struct Encrypted;

impl Encrypted {
    /// # Errors
    /// A protection that needs TLS.
    pub(crate) fn prepare(
        protection: &Protection,
        _client: Option<&ClientCertificate>,
    ) -> Result<Self> {
        match protection {
            Protection::Required(_) => Err(Error::new("the target is not usable")
                .cause("it needs TLS, and this leakproof was built without it")
                .help(
                    "build it with the feature `push`, use a tunnel that ends on this machine (`ssh -L`), or write \
                     `sslmode=disable` into the URL where the network is yours",
                )),
            _ => Ok(Self),
        }
    }

    /// What cancels whatever a client runs. Who cannot be reached any more runs nothing for long.
    pub(crate) fn cancel_by(&self, client: &Client) -> Cancel {
        let token = client.cancel_token();
        Arc::new(move || drop(token.cancel_query(NoTls)))
    }

    pub(crate) fn connect(&self, config: &Config) -> Result<Client, postgres::Error> {
        config.clone().ssl_mode(SslMode::Disable).connect(NoTls)
    }

    pub(crate) fn is_used(&self) -> bool {
        false
    }

    pub(crate) fn explain(
        &self,
        _error: &postgres::Error,
        _protection: &Protection,
    ) -> Option<(String, String)> {
        None
    }
}
