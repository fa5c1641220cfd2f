//! The trusted certificates of a dialling node: the system's authorities, those of a CA file, and each certificate in
//! that file itself.
//!
//! The CA file is checked while the program runs, so that a replaced bundle is used without a restart; an unusable file
//! is reported once and changes nothing. Reading any of these files may block, so a node reads them on another thread
//! (`node/certificate_watch.rs`), and a dial waits for it.

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
use super::{FileStamp, HTTP_PROTOCOLS, TlsError, alpn_list, certificates, file_stamp};

/// The certificates that are trusted beside the system's authorities, and the expected name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsTrust {
    /// Certificate authorities, or servers' own certificates. PEM.
    pub ca_file: Option<PathBuf>,
    /// The certificate of a node on this machine, for a tool that reads its configuration. Ignored if it cannot be
    /// read.
    pub own_certificate: Option<PathBuf>,
    /// The name that every server's certificate must contain, instead of the URL's host.
    pub server_name: Option<TlsName>,
}

/// A host name or address, as certificates contain it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsName(ServerName<'static>);

/// A text is no [`TlsName`].
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

/// The trusted certificates of all `wss://` and `https://` peers of a node.
pub struct ClientTls {
    trust: TlsTrust,
    current: Mutex<Current>,
    /// Another task calls [`Self::load_system_trust`] after [`Self::until_wanted`].
    has_loader: AtomicBool,
    wanted: Notify,
    loaded: Notify,
}

struct Current {
    /// From the CA file.
    authorities: Vec<CertificateDer<'static>>,
    /// Of the CA file when it was last read, usable or not.
    stamp: Option<FileStamp>,
    /// Loaded at the first dial: with `ws://` alone the system's certificates would waste time and memory.
    config: Option<Arc<ClientConfig>>,
    /// Grows when `config` becomes obsolete, so that a load in progress is discarded.
    version: u64,
    /// Finished loads.
    loads: u64,
    failure: Option<LoadFailure>,
}

/// Why there is no configuration.
#[derive(Debug, Clone)]
enum LoadFailure {
    NoTrustedCertificates,
    Provider(Error),
}

impl From<LoadFailure> for TlsError {
    fn from(error: LoadFailure) -> Self {
        match error {
            LoadFailure::NoTrustedCertificates => Self::NoTrustedCertificates,
            LoadFailure::Provider(source) => Self::Provider(source),
        }
    }
}

impl std::fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientTls").field("trust", &self.trust).finish_non_exhaustive()
    }
}

impl ClientTls {
    /// Trusts the system's authorities and the certificates of `trust`. Reads the CA file now.
    ///
    /// # Errors
    /// [`TlsError`], which names the file.
    pub fn load(trust: TlsTrust) -> Result<Self, TlsError> {
        let stamp = trust.ca_file.as_deref().and_then(file_stamp);
        let authorities = trust.ca_file.as_deref().map(authorities).transpose()?;
        let authorities = authorities.unwrap_or_default();
        let current =
            Current { authorities, stamp, config: None, version: 0, loads: 0, failure: None };
        Ok(Self {
            trust,
            current: Mutex::new(current),
            has_loader: AtomicBool::new(false),
            wanted: Notify::new(),
            loaded: Notify::new(),
        })
    }

    /// From now on dials do not read the system's authorities themselves but wait for another task, which awaits
    /// [`Self::until_wanted`] and calls [`Self::load_system_trust`].
    pub fn use_loader(&self) {
        self.has_loader.store(true, Ordering::Relaxed);
    }

    /// Waits until a dial waits for [`Self::load_system_trust`]. Cancel safe.
    pub async fn until_wanted(&self) {
        self.wanted.notified().await;
    }

    /// Reads the system's authorities for the waiting dials. It blocks on the file system, so it must not run on a
    /// thread that moves packets.
    pub fn load_system_trust(&self) {
        loop {
            let (authorities, version) = {
                let current = self.current.lock();
                if current.config.is_some() {
                    break;
                }
                (current.authorities.clone(), current.version)
            };
            let loaded = self.client_config(&authorities);
            let mut current = self.current.lock();
            if current.version != version {
                continue;
            }
            current.loads += 1;
            (current.config, current.failure) = match loaded {
                Ok(config) => (Some(config), None),
                Err(error) => (None, Some(error)),
            };
            break;
        }
        self.loaded.notify_waiters();
    }

    /// The configuration for the next dial. It may wait for [`Self::load_system_trust`].
    ///
    /// # Errors
    /// [`TlsError`] without trusted certificates.
    pub async fn connector(&self) -> Result<TlsConnector, TlsError> {
        Ok(TlsConnector::from(self.config().await?))
    }

    /// The same for HTTP, with ALPN.
    ///
    /// # Errors
    /// [`TlsError`] without trusted certificates.
    pub async fn http_connector(&self) -> Result<TlsConnector, TlsError> {
        let mut config = ClientConfig::clone(&*self.config().await?);
        config.alpn_protocols = alpn_list(HTTP_PROTOCOLS);
        Ok(TlsConnector::from(Arc::new(config)))
    }

    /// The name that the certificate of a server at `host` must contain.
    pub fn name_of(&self, host: Host<&str>) -> Result<ServerName<'static>, TlsError> {
        match &self.trust.server_name {
            Some(TlsName(name)) => Ok(name.clone()),
            None => server_name(host.clone()).ok_or_else(|| TlsError::Name(host.to_string())),
        }
    }

    /// Makes the next dial read the system's authorities again, at an operator's request.
    pub fn forget_system_trust(&self) {
        self.current.lock().forget();
    }

    /// Reads the CA file again if it has changed. It blocks on the file system, so it must not run on a thread that
    /// moves packets.
    pub fn reload_if_changed(&self) {
        let Some(file) = &self.trust.ca_file else { return };
        let stamp = file_stamp(file);
        // Stored first, so that an unusable file is reported once and not every second.
        if std::mem::replace(&mut self.current.lock().stamp, stamp) == stamp {
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
        let loads_before = self.current.lock().loads;
        loop {
            // Created before the check, so that no notification is missed between the check and the wait.
            let loaded = self.loaded.notified();
            {
                let current = self.current.lock();
                if let Some(config) = &current.config {
                    return Ok(Arc::clone(config));
                }
                if current.loads > loads_before
                    && let Some(error) = current.failure.clone()
                {
                    return Err(error.into());
                }
            }
            if self.has_loader.load(Ordering::Relaxed) {
                self.wanted.notify_one();
                loaded.await;
            } else {
                self.load_system_trust();
            }
        }
    }

    fn client_config(
        &self,
        authorities: &[CertificateDer<'static>],
    ) -> Result<Arc<ClientConfig>, LoadFailure> {
        let mut roots = RootCertStore::empty();
        let native = rustls_native_certs::load_native_certs();
        for error in native.errors {
            tracing::debug!(%error, "a trusted certificate of the system cannot be read");
        }
        roots.add_parsable_certificates(native.certs);
        let own = self.trust.own_certificate.as_deref();
        let own = own.and_then(|file| certificates(file).ok()).unwrap_or_default();
        // The first certificate of a chain is that of the node.
        let known: Vec<_> = authorities.iter().chain(own.first()).cloned().collect();
        roots.add_parsable_certificates(known.iter().cloned());
        if roots.is_empty() {
            return Err(LoadFailure::NoTrustedCertificates);
        }
        let provider = Arc::new(ring::default_provider());
        let webpki =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        let webpki = webpki.build().map_err(|_| LoadFailure::NoTrustedCertificates)?;
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(LoadFailure::Provider)?
            // No weaker than the usual rules, see `verify`.
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Verifier::new(webpki, known)))
            .with_no_client_auth();
        Ok(Arc::new(config))
    }
}

impl Current {
    /// Makes the next dial load the configuration again.
    fn forget(&mut self) {
        self.config = None;
        self.version += 1;
    }
}

/// The certificates of a CA file. One that rustls cannot use is an error now, not at the first dial.
pub(super) fn authorities(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found = certificates(file)?;
    let mut roots = RootCertStore::empty();
    for certificate in &found {
        let added = roots.add(certificate.clone());
        added.map_err(|source| TlsError::Authority { path: file.to_owned(), source })?;
    }
    Ok(found)
}

/// The name of a host in certificates. `None`: no certificate can contain it.
fn server_name(host: Host<&str>) -> Option<ServerName<'static>> {
    match host {
        Host::Domain(name) => ServerName::try_from(name.to_owned()).ok(),
        Host::Ipv4(address) => Some(ServerName::IpAddress(std::net::IpAddr::V4(address).into())),
        Host::Ipv6(address) => Some(ServerName::IpAddress(std::net::IpAddr::V6(address).into())),
    }
}
