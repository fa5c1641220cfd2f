//! TLS for both ends: certificates from files, trust from the operating system and an optional CA file.
//!
//! The provider is ring, chosen explicitly: nothing here depends on a process-wide default. The listener's certificate
//! is looked at again while the program runs (at most once a second, when somebody connects), so that a renewed one is
//! used without a restart; a broken pair of files changes nothing and says why, once.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::pem::{self, PemError};
use super::url::Host;

/// How often the files are looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// What is wrong with a certificate, a key or a set of trusted certificates.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read or is not PEM.
    #[error("cannot read {what} from {path}", path = path.display())]
    Read {
        /// What it should hold.
        what: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why.
        source: PemError,
    },
    /// A PEM file without what it is for.
    #[error("there is no certificate in {path}", path = path.display())]
    Empty {
        /// Which file.
        path: PathBuf,
    },
    /// Certificate and key do not belong together, or are of an unknown kind.
    #[error("the certificate in {path} cannot be used with its key", path = path.display())]
    Unusable {
        /// The certificate's file.
        path: PathBuf,
        /// Why.
        source: rustls::Error,
    },
    /// A certificate authority that rustls does not understand.
    #[error("a certificate in {path} is no certificate authority", path = path.display())]
    Authority {
        /// The CA file.
        path: PathBuf,
        /// Why.
        source: rustls::Error,
    },
    /// Neither the operating system nor the configuration names anyone to trust.
    #[error("the system has no trusted certificates; name a CA file (tlsCaFile)")]
    NobodyTrusted,
    /// The provider lacks a protocol version; a fault of this program.
    #[error("the TLS provider is unusable")]
    Provider(#[source] rustls::Error),
}

/// What ALPN (RFC 7301) offers or accepts, best first; nothing for BTP.
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
}

struct Current {
    config: Arc<ServerConfig>,
    /// How the files looked when they were last read, whether or not they could be used.
    marks: [Option<FileMark>; 2],
    looked_at: Instant,
}

type FileMark = (SystemTime, u64);

impl std::fmt::Debug for Current {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Current").field("marks", &self.marks).finish_non_exhaustive()
    }
}

impl ServerTls {
    /// Reads a certificate chain and its key, both PEM.
    ///
    /// # Errors
    /// [`TlsError`], which names the file.
    pub fn load(certificate: &Path, key: &Path, protocols: Protocols) -> Result<Self, TlsError> {
        let marks = marks(certificate, key);
        let config = server_config(certificate, key, protocols)?;
        Ok(Self {
            protocols,
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            current: Mutex::new(Current { config, marks, looked_at: Instant::now() }),
        })
    }

    /// What the next handshake uses.
    pub fn acceptor(&self) -> TlsAcceptor {
        self.acceptor_at(Instant::now())
    }

    fn acceptor_at(&self, now: Instant) -> TlsAcceptor {
        let mut current = self.current.lock();
        if now.duration_since(current.looked_at) >= LOOK_INTERVAL {
            current.looked_at = now;
            let marks = marks(&self.certificate, &self.key);
            if marks != current.marks {
                // Remembered first: a pair that cannot be used is complained about once, not every second.
                current.marks = marks;
                match server_config(&self.certificate, &self.key, self.protocols) {
                    Ok(config) => {
                        current.config = config;
                        tracing::info!(certificate = %self.certificate.display(), "TLS certificate reloaded");
                    }
                    Err(error) => tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "the TLS certificate changed but cannot be used; the former one stays in use"
                    ),
                }
            }
        }
        TlsAcceptor::from(Arc::clone(&current.config))
    }
}

/// Whom a dialling node trusts. One for all `wss://` peers of a node.
pub struct ClientTls {
    authorities: Vec<CertificateDer<'static>>,
    ca_file: Option<PathBuf>,
    /// Made when it is first needed: the system's certificates cost time and memory that `ws://` need not pay.
    config: Mutex<Option<Arc<ClientConfig>>>,
}

impl std::fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientTls").field("ca_file", &self.ca_file).finish_non_exhaustive()
    }
}

impl ClientTls {
    /// Trusts the system's certificate authorities and those in `ca_file`, which is read now.
    pub fn load(ca_file: Option<&Path>) -> Result<Self, TlsError> {
        let authorities = ca_file.map(certificates).transpose()?.unwrap_or_default();
        // A CA file that rustls cannot use is told of at the start, not at the first dial.
        add_authorities(&mut RootCertStore::empty(), &authorities, ca_file)?;
        Ok(Self { authorities, ca_file: ca_file.map(Path::to_owned), config: Mutex::new(None) })
    }

    /// What the next dial uses.
    ///
    /// # Errors
    /// [`TlsError`] where nobody is trusted.
    pub fn connector(&self) -> Result<TlsConnector, TlsError> {
        Ok(TlsConnector::from(self.config()?))
    }

    /// The same for HTTP, with ALPN.
    ///
    /// # Errors
    /// [`TlsError`] where nobody is trusted.
    pub fn http_connector(&self) -> Result<TlsConnector, TlsError> {
        let mut config = ClientConfig::clone(&*self.config()?);
        config.alpn_protocols = owned(HTTP_PROTOCOLS);
        Ok(TlsConnector::from(Arc::new(config)))
    }

    fn config(&self) -> Result<Arc<ClientConfig>, TlsError> {
        let mut config = self.config.lock();
        let config = match &*config {
            Some(config) => Arc::clone(config),
            None => Arc::clone(config.insert(self.client_config()?)),
        };
        Ok(config)
    }

    fn client_config(&self) -> Result<Arc<ClientConfig>, TlsError> {
        let mut roots = RootCertStore::empty();
        let native = rustls_native_certs::load_native_certs();
        for error in native.errors {
            tracing::debug!(%error, "a trusted certificate of the system cannot be read");
        }
        roots.add_parsable_certificates(native.certs);
        add_authorities(&mut roots, &self.authorities, self.ca_file.as_deref())?;
        if roots.is_empty() {
            return Err(TlsError::NobodyTrusted);
        }
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Provider)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Arc::new(config))
    }
}

/// The name that a peer's certificate must bear. `None`: no certificate can bear such a name.
pub fn server_name(host: Host<&str>) -> Option<ServerName<'static>> {
    match host {
        Host::Domain(name) => ServerName::try_from(name.to_owned()).ok(),
        Host::Ipv4(address) => Some(ServerName::IpAddress(std::net::IpAddr::V4(address).into())),
        Host::Ipv6(address) => Some(ServerName::IpAddress(std::net::IpAddr::V6(address).into())),
    }
}

fn add_authorities(
    roots: &mut RootCertStore,
    authorities: &[CertificateDer<'static>],
    ca_file: Option<&Path>,
) -> Result<(), TlsError> {
    for authority in authorities {
        roots.add(authority.clone()).map_err(|source| TlsError::Authority {
            path: ca_file.map(Path::to_owned).unwrap_or_default(),
            source,
        })?;
    }
    Ok(())
}

fn server_config(
    certificate: &Path,
    key: &Path,
    protocols: Protocols,
) -> Result<Arc<ServerConfig>, TlsError> {
    let chain = certificates(certificate)?;
    let private = pem::private_key(key).map_err(|source| TlsError::Read {
        what: "the private key",
        path: key.to_owned(),
        source,
    })?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Provider)?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(|source| TlsError::Unusable { path: certificate.to_owned(), source })?;
    config.alpn_protocols = owned(protocols);
    Ok(Arc::new(config))
}

fn owned(protocols: Protocols) -> Vec<Vec<u8>> {
    protocols.iter().map(|name| name.to_vec()).collect()
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = |source| TlsError::Read { what: "certificates", path: path.to_owned(), source };
    let certificates = pem::certificates(path).map_err(read)?;
    if certificates.is_empty() {
        return Err(TlsError::Empty { path: path.to_owned() });
    }
    Ok(certificates)
}

fn marks(certificate: &Path, key: &Path) -> [Option<FileMark>; 2] {
    [certificate, key].map(|path| {
        let metadata = std::fs::metadata(path).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    struct Files {
        folder: tempfile::TempDir,
    }

    impl Files {
        fn new() -> Self {
            Self { folder: tempfile::tempdir().unwrap() }
        }
        fn path(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }
        /// Writes a fresh certificate for `names` and its key.
        fn renew(&self, names: &[&str]) -> CertificateDer<'static> {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            let made = rcgen::generate_simple_self_signed(names).unwrap();
            fs::write(self.path("cert.pem"), made.cert.pem()).unwrap();
            fs::write(self.path("key.pem"), made.signing_key.serialize_pem()).unwrap();
            made.cert.der().clone()
        }
        fn load(&self) -> Result<ServerTls, TlsError> {
            ServerTls::load(&self.path("cert.pem"), &self.path("key.pem"), &[])
        }
    }

    /// The certificate that a client is shown.
    async fn shown(server: &ServerTls, at: Instant, client: &ClientTls) -> CertificateDer<'static> {
        let (left, right) = tokio::io::duplex(64 * 1024);
        let name = server_name(Host::Domain("localhost")).unwrap();
        let connector = client.connector().unwrap();
        let acceptor = server.acceptor_at(at);
        let (client, server) = tokio::join!(connector.connect(name, left), acceptor.accept(right));
        server.unwrap();
        client.unwrap().get_ref().1.peer_certificates().unwrap()[0].clone()
    }

    #[tokio::test]
    async fn a_renewed_certificate_is_used_within_a_second_and_a_broken_one_never() {
        let files = Files::new();
        let first = files.renew(&["localhost"]);
        fs::copy(files.path("cert.pem"), files.path("ca.pem")).unwrap();
        let server = files.load().unwrap();
        let trusts_first = ClientTls::load(Some(&files.path("ca.pem"))).unwrap();
        let start = Instant::now();
        assert_eq!(shown(&server, start, &trusts_first).await, first);

        // The certificate changed, its key did not yet: the former pair stays in use.
        let old_key = fs::read(files.path("key.pem")).unwrap();
        let second = files.renew(&["localhost", "other.example"]);
        let new_key = fs::read(files.path("key.pem")).unwrap();
        fs::write(files.path("key.pem"), old_key).unwrap();
        assert_eq!(shown(&server, start + 2 * LOOK_INTERVAL, &trusts_first).await, first);

        fs::write(files.path("key.pem"), [&new_key[..], b"\n"].concat()).unwrap();
        let trusts_second = ClientTls::load(Some(&files.path("cert.pem"))).unwrap();
        let later = start + 4 * LOOK_INTERVAL;
        assert_eq!(shown(&server, later, &trusts_second).await, second);
    }

    #[test]
    fn mistakes_name_the_file() {
        let files = Files::new();
        let missing = files.load().unwrap_err().to_string();
        assert!(missing.contains("cert.pem"), "{missing}");
        files.renew(&["localhost"]);
        fs::write(files.path("key.pem"), "no key").unwrap();
        let no_key = files.load().unwrap_err().to_string();
        assert!(no_key.contains("private key") && no_key.contains("key.pem"), "{no_key}");
        fs::write(files.path("cert.pem"), "nothing").unwrap();
        let empty = ClientTls::load(Some(&files.path("cert.pem"))).unwrap_err();
        assert!(matches!(empty, TlsError::Empty { .. }), "{empty}");
    }
}
