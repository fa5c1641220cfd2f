//! Whom a dialling node trusts: the system's certificate authorities, those of a CA file, and the very certificates that
//! stand in that file.
//!
//! The CA file is looked at again while the program runs, so that a replaced bundle is used without a restart; a file that
//! cannot be used changes nothing and says why, once. All of these files may be slow, or never answer: in a node they are
//! read beside the packets (`node/file_watch.rs`), and a dial waits for them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::sync::Notify;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::{ClientConfig, Error, RootCertStore};

use super::super::url::Host;
use super::verify::Verifier;
use super::{FileMark, HTTP_PROTOCOLS, TlsError, certificates, mark, owned};

/// What is trusted beside the system's authorities, and which name is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsTrust {
    /// Certificate authorities, or servers' own certificates. PEM.
    pub ca_file: Option<PathBuf>,
    /// The certificate of a node of this machine, for a tool that reads the same configuration. Passed over where it
    /// cannot be read.
    pub own_certificate: Option<PathBuf>,
    /// The name that every server's certificate must bear, whatever the URL says.
    pub server_name: Option<TlsName>,
}

/// The name of a host, or an address, as it stands in certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsName(ServerName<'static>);

/// Not the name of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("neither the name of a host nor an IP address")]
pub struct NoTlsName;

impl std::str::FromStr for TlsName {
    type Err = NoTlsName;

    fn from_str(text: &str) -> Result<Self, NoTlsName> {
        ServerName::try_from(text.to_owned()).map(TlsName).map_err(|_| NoTlsName)
    }
}

impl std::fmt::Display for TlsName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.to_str())
    }
}

/// Whom a dialling node trusts. One for all `wss://` and `https://` peers of a node.
pub struct ClientTls {
    trust: TlsTrust,
    current: Mutex<Current>,
    /// Somebody calls [`Self::make`] where [`Self::wanted`] says so.
    is_served: AtomicBool,
    wanted: Notify,
    made: Notify,
}

struct Current {
    /// What the CA file holds.
    authorities: Vec<CertificateDer<'static>>,
    /// How the file looked when it was last read, whether or not it could be used.
    mark: Option<FileMark>,
    /// Made when it is first needed: the system's certificates cost time and memory that `ws://` need not pay.
    config: Option<Arc<ClientConfig>>,
    /// Changes where `config` is to be made again, so that one which was begun before is not used.
    version: u64,
    /// Attempts to make it that have ended.
    attempts: u64,
    failed: Option<NotMade>,
}

/// Why there is no configuration.
#[derive(Debug, Clone)]
enum NotMade {
    NobodyTrusted,
    Provider(Error),
}

impl From<NotMade> for TlsError {
    fn from(error: NotMade) -> Self {
        match error {
            NotMade::NobodyTrusted => TlsError::NobodyTrusted,
            NotMade::Provider(source) => TlsError::Provider(source),
        }
    }
}

impl std::fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientTls").field("trust", &self.trust).finish_non_exhaustive()
    }
}

impl ClientTls {
    /// Trusts the system's certificate authorities and what `trust` names. Its CA file is read now.
    ///
    /// # Errors
    /// [`TlsError`], which names the file.
    pub fn load(trust: TlsTrust) -> Result<Self, TlsError> {
        let mark = trust.ca_file.as_deref().and_then(mark);
        let authorities = trust.ca_file.as_deref().map(authorities).transpose()?;
        let authorities = authorities.unwrap_or_default();
        let current =
            Current { authorities, mark, config: None, version: 0, attempts: 0, failed: None };
        Ok(Self {
            trust,
            current: Mutex::new(current),
            is_served: AtomicBool::new(false),
            wanted: Notify::new(),
            made: Notify::new(),
        })
    }

    /// From now on a dial leaves it to others to read the system's authorities, and waits: [`Self::wanted`] says when.
    pub fn serve(&self) {
        self.is_served.store(true, Ordering::Relaxed);
    }

    /// Until a dial waits for [`Self::make`]. Cancel safe.
    pub async fn wanted(&self) {
        self.wanted.notified().await;
    }

    /// Reads the system's authorities for the dials that wait. It takes as long as the file system does, so it is not for a
    /// thread that moves packets.
    pub fn make(&self) {
        loop {
            let (authorities, version) = {
                let current = self.current.lock();
                if current.config.is_some() {
                    break;
                }
                (current.authorities.clone(), current.version)
            };
            let made = self.client_config(&authorities);
            let mut current = self.current.lock();
            if current.version != version {
                continue;
            }
            current.attempts += 1;
            (current.config, current.failed) = match made {
                Ok(config) => (Some(config), None),
                Err(error) => (None, Some(error)),
            };
            break;
        }
        self.made.notify_waiters();
    }

    /// What the next dial uses. It may have to wait for [`Self::make`].
    ///
    /// # Errors
    /// [`TlsError`] where nobody is trusted.
    pub async fn connector(&self) -> Result<TlsConnector, TlsError> {
        Ok(TlsConnector::from(self.config().await?))
    }

    /// The same for HTTP, with ALPN.
    ///
    /// # Errors
    /// [`TlsError`] where nobody is trusted.
    pub async fn http_connector(&self) -> Result<TlsConnector, TlsError> {
        let mut config = ClientConfig::clone(&*self.config().await?);
        config.alpn_protocols = owned(HTTP_PROTOCOLS);
        Ok(TlsConnector::from(Arc::new(config)))
    }

    /// The name that the certificate of a server at `host` must bear. `None`: no certificate can bear such a name.
    pub fn name_of(&self, host: Host<&str>) -> Option<ServerName<'static>> {
        match &self.trust.server_name {
            Some(TlsName(name)) => Some(name.clone()),
            None => server_name(host),
        }
    }

    /// The next dial reads the system's authorities again: the operator said so.
    pub fn look_again(&self) {
        self.current.lock().forget();
    }

    /// Looks at the CA file, and takes a changed one over. It waits for as long as the file system does, so it is not for
    /// a thread that moves packets.
    pub fn look(&self) {
        let Some(file) = &self.trust.ca_file else { return };
        let found = mark(file);
        // Remembered first: a file that cannot be used is complained about once, not every second.
        if std::mem::replace(&mut self.current.lock().mark, found) == found {
            return;
        }
        match authorities(file) {
            Ok(authorities) => {
                let mut current = self.current.lock();
                current.authorities = authorities;
                current.forget();
                tracing::info!(file = %file.display(), "caFile reloaded");
            }
            Err(error) => tracing::error!(
                error = &error as &dyn std::error::Error,
                "caFile changed but cannot be used; what it held before stays trusted"
            ),
        }
    }

    async fn config(&self) -> Result<Arc<ClientConfig>, TlsError> {
        let before = self.current.lock().attempts;
        loop {
            // Before the look, so that nothing is missed between it and the wait.
            let made = self.made.notified();
            {
                let current = self.current.lock();
                if let Some(config) = &current.config {
                    return Ok(Arc::clone(config));
                }
                if current.attempts > before
                    && let Some(error) = current.failed.clone()
                {
                    return Err(error.into());
                }
            }
            if self.is_served.load(Ordering::Relaxed) {
                self.wanted.notify_one();
                made.await;
            } else {
                self.make();
            }
        }
    }

    fn client_config(
        &self,
        authorities: &[CertificateDer<'static>],
    ) -> Result<Arc<ClientConfig>, NotMade> {
        let mut roots = RootCertStore::empty();
        let native = rustls_native_certs::load_native_certs();
        for error in native.errors {
            tracing::debug!(%error, "a trusted certificate of the system cannot be read");
        }
        roots.add_parsable_certificates(native.certs);
        let own = self.trust.own_certificate.as_deref();
        let own = own.and_then(|file| certificates(file).ok()).unwrap_or_default();
        // Of a chain, the first certificate is the node's.
        let known: Vec<_> = authorities.iter().chain(own.first()).cloned().collect();
        roots.add_parsable_certificates(known.iter().cloned());
        if roots.is_empty() {
            return Err(NotMade::NobodyTrusted);
        }
        let provider = Arc::new(ring::default_provider());
        let webpki =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        let webpki = webpki.build().map_err(|_| NotMade::NobodyTrusted)?;
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(NotMade::Provider)?
            // Not less than the usual rules: see `verify`.
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Verifier::new(webpki, known)))
            .with_no_client_auth();
        Ok(Arc::new(config))
    }
}

impl Current {
    /// The next dial has the configuration made again.
    fn forget(&mut self) {
        self.config = None;
        self.version += 1;
    }
}

/// The certificates of a CA file. One that rustls cannot use is told of now, not at the first dial.
pub(super) fn authorities(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found = certificates(file)?;
    let mut roots = RootCertStore::empty();
    for certificate in &found {
        let added = roots.add(certificate.clone());
        added.map_err(|source| TlsError::Authority { path: file.to_owned(), source })?;
    }
    Ok(found)
}

/// The name that a peer's certificate must bear. `None`: no certificate can bear such a name.
fn server_name(host: Host<&str>) -> Option<ServerName<'static>> {
    match host {
        Host::Domain(name) => ServerName::try_from(name.to_owned()).ok(),
        Host::Ipv4(address) => Some(ServerName::IpAddress(std::net::IpAddr::V4(address).into())),
        Host::Ipv6(address) => Some(ServerName::IpAddress(std::net::IpAddr::V6(address).into())),
    }
}
