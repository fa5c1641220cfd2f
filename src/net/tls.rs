//! TLS for both ends: certificates from files, trust from the operating system and an optional CA file.
//!
//! The provider is ring, chosen explicitly instead of a process-wide default. While the program runs,
//! `node/certificate_watch.rs` checks the files of the listener's certificate, so that a renewed one is used without a
//! restart; a broken pair of files is reported once and changes nothing. Handshakes and dials read no file.

mod certificate;
mod client;
mod database;
mod explain;
mod verify;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

pub use client::{ClientTls, TlsName, TlsTrust};
pub use database::database_tls;
pub(super) use explain::explain_tls_failure;
use parking_lot::Mutex;
use rustls_pki_types::{CertificateDer, UnixTime};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::{self, ServerConfig};

use super::pem;
use super::pem::PemError;

/// What is wrong with a certificate, a key or a set of trusted certificates.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("cannot read {what} from {path}", path = path.display())]
    Read { what: &'static str, path: PathBuf, source: PemError },
    #[error(
        "the key in {key} does not belong to the certificate in {certificate}; in a file with a chain, the certificate \
         of the key comes first",
        key = key.display(), certificate = certificate.display()
    )]
    Mismatch { certificate: PathBuf, key: PathBuf },
    #[error(
        "the key in {path} is of an unsupported kind; make an ECDSA (P-256 or P-384), Ed25519 or RSA (2048 bits or more) \
         key",
        path = path.display()
    )]
    KeyKind { path: PathBuf, source: rustls::Error },
    #[error("the certificate in {path} cannot be used with its key", path = path.display())]
    Unusable { path: PathBuf, source: rustls::Error },
    #[error("a certificate in {path} cannot be trusted", path = path.display())]
    Authority { path: PathBuf, source: rustls::Error },
    #[error(
        "the system has no trusted certificates; name a file with some as caFile (a tool: --ca-file), or by the variable \
         SSL_CERT_FILE"
    )]
    NoTrustedCertificates,
    #[error("{0} cannot be the name in a certificate")]
    Name(String),
    /// The provider lacks a protocol version: a bug of this program.
    #[error("the TLS provider is unusable")]
    Provider(#[source] rustls::Error),
}

impl TlsError {
    pub fn is_no_such_file(&self) -> bool {
        matches!(self, Self::Read { source: PemError::Io(std::io::ErrorKind::NotFound), .. })
    }
}

/// The protocols that ALPN (RFC 7301) offers or accepts, the preferred one first. BTP has none.
pub type Protocols = &'static [&'static [u8]];

/// HTTP/2, else HTTP/1.1.
pub const HTTP_PROTOCOLS: Protocols = &[b"h2", b"http/1.1"];

/// The listener's certificate and key.
#[derive(Debug)]
pub struct ServerTls {
    protocols: Protocols,
    certificate: PathBuf,
    key: PathBuf,
    current: Mutex<Current>,
    /// See [`ServerTls::expiry`].
    expiry: Arc<AtomicU64>,
}

struct Current {
    config: Arc<ServerConfig>,
    /// Of the files when they were last read, usable or not.
    stamps: [Option<FileStamp>; 2],
}

/// Time of modification and size.
type FileStamp = (SystemTime, u64);

impl std::fmt::Debug for Current {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Current").field("stamps", &self.stamps).finish_non_exhaustive()
    }
}

impl ServerTls {
    /// Reads a certificate chain and its key, both PEM.
    ///
    /// # Errors
    /// [`TlsError`], which names the file.
    pub fn load(certificate: &Path, key: &Path, protocols: Protocols) -> Result<Self, TlsError> {
        let stamps = file_stamps(certificate, key);
        let (config, not_after) = server_config(certificate, key, protocols)?;
        Ok(Self {
            expiry: Arc::new(AtomicU64::new(not_after)),
            protocols,
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            current: Mutex::new(Current { config, stamps }),
        })
    }

    /// The configuration for the next handshake. Reads no file.
    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.current.lock().config))
    }

    /// The last second (Unix time) of the certificate in use, 0 if unknown. It follows a renewed certificate.
    pub fn expiry(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.expiry)
    }

    /// Reads the files again if they have changed. It blocks on the file system, so it must not run on a thread that
    /// moves packets.
    pub fn reload_if_changed(&self) {
        let stamps = file_stamps(&self.certificate, &self.key);
        // Stored first, so that an unusable pair is reported once and not every second.
        if std::mem::replace(&mut self.current.lock().stamps, stamps) == stamps {
            return;
        }
        match server_config(&self.certificate, &self.key, self.protocols) {
            Ok((config, not_after)) => {
                self.current.lock().config = config;
                self.expiry.store(not_after, Ordering::Relaxed);
                tracing::info!(certificate = %self.certificate.display(), "TLS certificate reloaded");
            }
            Err(error) => tracing::error!(
                error = &error as &dyn std::error::Error,
                "the TLS certificate changed but cannot be used; the former one stays in use"
            ),
        }
    }
}

/// A file of a server's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsFile {
    Certificate,
    Key,
}

/// Reads the files of a server as at its start. Returns a warning if the certificate is outside of its validity or
/// close to its end.
///
/// # Errors
/// [`TlsError`], and the file that is wrong.
pub fn check_server_files(
    certificate: &Path,
    key: &Path,
) -> Result<Option<String>, (TlsFile, TlsError)> {
    let chain = certificates(certificate).map_err(|error| (TlsFile::Certificate, error))?;
    private_key(key).map_err(|error| (TlsFile::Key, error))?;
    server_config(certificate, key, &[]).map_err(|error| match error {
        TlsError::KeyKind { .. } => (TlsFile::Key, error),
        error => (TlsFile::Certificate, error),
    })?;
    Ok(chain.iter().find_map(time_warning))
}

/// Reads a CA file as a dialling node does. Returns a warning as [`check_server_files`] does.
///
/// # Errors
/// [`TlsError`].
pub fn check_ca_file(file: &Path) -> Result<Option<String>, TlsError> {
    let authorities = client::authorities(file)?;
    let warning = authorities.iter().find_map(time_warning);
    Ok(warning)
}

/// The first host name of the certificate in a file, if the file can be read.
pub fn host_of_certificate(file: &Path) -> Option<String> {
    certificate::first_host(certificates(file).ok()?.first()?)
}

fn time_warning(found: &CertificateDer<'static>) -> Option<String> {
    certificate::validity_warning(certificate::validity(found)?, UnixTime::now())
}

fn private_key(key: &Path) -> Result<rustls_pki_types::PrivateKeyDer<'static>, TlsError> {
    pem::private_key(key).map_err(|source| TlsError::Read {
        what: "the private key",
        path: key.to_owned(),
        source,
    })
}

/// The configuration, and the last second of the certificate (0 if unknown).
fn server_config(
    certificate: &Path,
    key: &Path,
    protocols: Protocols,
) -> Result<(Arc<ServerConfig>, u64), TlsError> {
    let chain = certificates(certificate)?;
    let private = private_key(key)?;
    let validity = chain.first().and_then(certificate::validity);
    let not_after = validity.map_or(0, |validity| validity.not_after.as_secs());
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Provider)?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(|source| match source {
            rustls::Error::InconsistentKeys(_) => {
                TlsError::Mismatch { certificate: certificate.to_owned(), key: key.to_owned() }
            }
            rustls::Error::General(_) => TlsError::KeyKind { path: key.to_owned(), source },
            source => TlsError::Unusable { path: certificate.to_owned(), source },
        })?;
    config.alpn_protocols = alpn_list(protocols);
    Ok((Arc::new(config), not_after))
}

fn alpn_list(protocols: Protocols) -> Vec<Vec<u8>> {
    protocols.iter().map(|name| name.to_vec()).collect()
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = |source| TlsError::Read { what: "certificates", path: path.to_owned(), source };
    pem::certificates(path).map_err(read)
}

fn file_stamps(certificate: &Path, key: &Path) -> [Option<FileStamp>; 2] {
    [certificate, key].map(file_stamp)
}

fn file_stamp(path: &Path) -> Option<FileStamp> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

#[cfg(test)]
mod tests;
