//! TLS by rustls: what a server has to show, and why one was refused.

use std::error::Error as _;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use postgres::config::SslMode;
use postgres::{Client, Config, NoTls};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::error::{Error, Result};
use crate::push::address::passfile::is_open_to;
use crate::push::address::protection::{ClientCertificate, Protection, Roots, Verified};
use crate::push::interrupt::Cancel;

/// How to connect under a protection.
pub(crate) struct Encrypted {
    mode: SslMode,
    connector: Option<MakeRustlsConnect>,
    /// Whether the last connection came to a certificate.
    has_met: Arc<AtomicBool>,
}

impl Encrypted {
    /// Reads the roots, and who we are.
    ///
    /// # Errors
    /// A file that cannot be read, or has nothing of use.
    pub(crate) fn prepare(
        protection: &Protection,
        client: Option<&ClientCertificate>,
    ) -> Result<Self> {
        let has_met = Arc::new(AtomicBool::new(false));
        let (mode, verified) = match protection {
            Protection::Socket | Protection::Plain => {
                return Ok(Self { mode: SslMode::Disable, connector: None, has_met });
            }
            Protection::Offered => (SslMode::Prefer, &Verified::Nothing),
            Protection::Required(verified) => (SslMode::Require, verified),
        };
        let provider = Arc::new(ring::default_provider());
        let verifier = Verifier {
            provider: Arc::clone(&provider),
            roots: protection.roots().map(read_roots).transpose()?,
            looks_at_name: matches!(verified, Verified::IssuerAndName(_)),
            has_met: Arc::clone(&has_met),
        };
        let unusable = |cause: rustls::Error| Error::new("the target is not usable").cause(cause);
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(unusable)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let mut config = match client {
            None => builder.with_no_client_auth(),
            Some(files) => {
                let (chain, key) = read_client(files)?;
                builder.with_client_auth_cert(chain, key).map_err(|cause| {
                    unreadable(&files.certificate, &cause.to_string())
                        .help("give `sslcert` and the `sslkey` that belongs to it")
                })?
            }
        };
        config.alpn_protocols = vec![b"postgresql".to_vec()];
        // A certificate that was met once is met again.
        config.resumption = Resumption::disabled();
        Ok(Self { mode, connector: Some(MakeRustlsConnect::new(config)), has_met })
    }

    /// What cancels whatever a client runs. Who cannot be reached any more runs nothing for long.
    pub(crate) fn cancel_by(&self, client: &Client) -> Cancel {
        let (token, connector) = (client.cancel_token(), self.connector.clone());
        Arc::new(move || {
            let _ = match &connector {
                Some(connector) => token.cancel_query(connector.clone()),
                None => token.cancel_query(NoTls),
            };
        })
    }

    pub(crate) fn connect(&self, config: &Config) -> Result<Client, postgres::Error> {
        self.has_met.store(false, Ordering::Relaxed);
        let mut config = config.clone();
        config.ssl_mode(self.mode);
        match &self.connector {
            Some(connector) => config.connect(connector.clone()),
            None => config.connect(NoTls),
        }
    }

    /// Whether the last connection has TLS.
    pub(crate) fn is_used(&self) -> bool {
        self.has_met.load(Ordering::Relaxed)
    }

    /// Why a connection could not be protected: the cause and the way out. None where something else was wrong.
    pub(crate) fn explain(
        &self,
        error: &postgres::Error,
        protection: &Protection,
    ) -> Option<(String, String)> {
        if let Some(refused) = rustls_error(error) {
            return Some(explain_refusal(refused, protection));
        }
        // It is neither the network nor the server that said no, and no certificate was met: the client did.
        let is_plain = self.mode == SslMode::Require
            && !self.is_used()
            && error.as_db_error().is_none()
            && error.source().is_some_and(|source| !source.is::<io::Error>());
        is_plain.then(|| {
            let help = "turn TLS on at the server (`ssl = on`), or use a tunnel that ends on this machine (`ssh \
                        -L`); where the network is yours, write `sslmode=disable` into the URL";
            ("the server does not speak TLS".to_owned(), help.to_owned())
        })
    }
}

fn rustls_error(error: &postgres::Error) -> Option<&rustls::Error> {
    let mut source = error.source();
    while let Some(cause) = source {
        let inner = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if let Some(found) = inner.and_then(|inner| inner.downcast_ref()) {
            return Some(found);
        }
        source = cause.source();
    }
    None
}

fn explain_refusal(refused: &rustls::Error, protection: &Protection) -> (String, String) {
    let by = protection.roots().map(ToString::to_string).unwrap_or_default();
    let (cause, help) = match refused {
        rustls::Error::InvalidCertificate(cause) => match cause {
            CertificateError::NotValidForName => (
                "the server's certificate has another name".to_owned(),
                "connect by the name in it",
            ),
            CertificateError::NotValidForNameContext { expected, presented } => {
                let presented: Vec<&str> =
                    presented.iter().map(|name| presented_name(name)).collect();
                let names = match presented.as_slice() {
                    [] => "no name under subjectAltName".to_owned(),
                    names => format!("the names {}", names.join(", ")),
                };
                (
                    format!("the server's certificate has {names}, and not {}", expected.to_str()),
                    "connect by a name in it, or have one made with this name as a subjectAltName; `sslmode=verify-ca` \
                     takes any name of the same CA",
                )
            }
            CertificateError::UnknownIssuer => (
                format!("the server's certificate was not issued by {by}"),
                "give the certificate of the CA that did, `sslrootcert=FILE` (Supabase: Database settings, SSL \
                 certificate), once you know that this is your server",
            ),
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => (
                "the server's certificate has expired".to_owned(),
                "have a new one put into the server, and check this machine's clock",
            ),
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => (
                "the server's certificate is not valid yet".to_owned(),
                "check this machine's clock, and the server's when the certificate was made",
            ),
            other => (
                format!("the server's certificate cannot be used: {other}"),
                "have one made that is of X.509 version 3, and meant for a server",
            ),
        },
        rustls::Error::AlertReceived(alert) => (
            format!("the server ended the TLS handshake: {alert:?}"),
            "see the server's log; it may want a certificate of yours, `sslcert=FILE` and `sslkey=FILE`",
        ),
        rustls::Error::PeerIncompatible(_) => (
            format!("the server's TLS cannot be used: {refused}"),
            "the server needs TLS 1.2 or 1.3",
        ),
        other => (
            format!("the TLS handshake failed: {other}"),
            "check that host and port are those of a PostgreSQL server with TLS",
        ),
    };
    (cause, help.to_owned())
}

/// `DnsName("a")` or `IpAddress(a)` as rustls tells it, without what is around the name.
fn presented_name(told: &str) -> &str {
    let inner = told.split_once('(').and_then(|(_, inner)| inner.strip_suffix(')'));
    inner.unwrap_or(told).trim_matches('"')
}

fn unreadable(path: &Path, cause: &str) -> Error {
    Error::new("the target is not usable").cause(format!("`{}`: {cause}", path.display()))
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(chain) if chain.is_empty() => Err("there is no certificate in it".to_owned()),
        read => read.map_err(|cause| in_words(&cause)),
    }
}

fn in_words(cause: &pem::Error) -> String {
    match cause {
        pem::Error::Io(cause) => cause.to_string(),
        pem::Error::NoItemsFound => "nothing of use is in it".to_owned(),
        // What else it tells may have a part of a key.
        _ => "it is no PEM file".to_owned(),
    }
}

/// Whose signature counts, as rustls has it.
#[derive(Debug)]
struct Trusted {
    store: RootCertStore,
    /// Those that were given one by one.
    given: Vec<CertificateDer<'static>>,
}

fn read_roots(roots: &Roots) -> Result<Trusted> {
    let (mut store, mut given) = (RootCertStore::empty(), Vec::new());
    match roots {
        Roots::System => {
            let found = rustls_native_certs::load_native_certs();
            store.add_parsable_certificates(found.certs);
            let why = found
                .errors
                .first()
                .map_or_else(|| "none were found".to_owned(), ToString::to_string);
            if store.is_empty() {
                return Err(Error::new("the target is not usable")
                    .cause(format!("the system's root certificates cannot be used: {why}"))
                    .help("install them (`ca-certificates`), or name a file, `sslrootcert=FILE`"));
            }
        }
        Roots::File(path) => {
            let help = "name the file with the CA's certificate in PEM, `sslrootcert=FILE`";
            let chain = read_chain(path).map_err(|why| unreadable(path, &why).help(help))?;
            let (added, _) = store.add_parsable_certificates(chain.iter().cloned());
            if added == 0 {
                return Err(unreadable(path, "no certificate in it can be used").help(help));
            }
            given = chain;
        }
    }
    Ok(Trusted { store, given })
}

fn read_client(
    files: &ClientCertificate,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
    let ClientCertificate { certificate, key } = files;
    let chain = read_chain(certificate).map_err(|why| {
        unreadable(certificate, &why)
            .help("name the file with our certificate in PEM, `sslcert=FILE`")
    })?;
    let help = "name the file with our key in PEM, without a passphrase, `sslkey=FILE`";
    // As libpq has it: root may let a group read a key.
    let rights = |file: &fs::Metadata| {
        if std::os::unix::fs::MetadataExt::uid(file) == 0 { 0o037 } else { 0o077 }
    };
    if let Ok(file) = fs::metadata(key)
        && is_open_to(&file, rights(&file))
    {
        return Err(
            unreadable(key, "others may read it").help(format!("`chmod 600 {}`", key.display()))
        );
    }
    let read = PrivateKeyDer::from_pem_file(key);
    let key = read.map_err(|cause| unreadable(key, &in_words(&cause)).help(help))?;
    Ok((chain, key))
}

/// What is asked of a certificate. That the server has its key is verified always.
#[derive(Debug)]
struct Verifier {
    provider: Arc<CryptoProvider>,
    roots: Option<Trusted>,
    looks_at_name: bool,
    has_met: Arc<AtomicBool>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.has_met.store(true, Ordering::Relaxed);
        let Some(Trusted { store, given }) = &self.roots else {
            return Ok(ServerCertVerified::assertion());
        };
        let certificate = ParsedCertificate::try_from(end_entity)?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        let chain = intermediates;
        match verify_server_cert_signed_by_trust_anchor(&certificate, store, chain, now, algorithms)
        {
            // A server's certificate that signed itself, as PostgreSQL's manual makes one, may call itself a CA; it
            // is the very one that was given. Its times are looked at before that.
            Err(rustls::Error::InvalidCertificate(CertificateError::Other(_)))
                if given.iter().any(|one| one == end_entity) => {}
            verified => verified?,
        }
        if self.looks_at_name {
            verify_server_name(&certificate, server_name)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
