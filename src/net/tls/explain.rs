//! Explains a failed TLS handshake, and how to repair it.

use std::io;

use rustls_pki_types::UnixTime;
use tokio_rustls::rustls::{CertificateError, Error};

use super::verify::is_authority;
use crate::wire::Timestamp;

/// Names of a certificate to show; others are counted.
const NAMES_MAX: usize = 8;

/// Explains why a handshake with a server failed.
pub fn explain_tls_failure(error: &io::Error) -> String {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(Error::InvalidCertificate(error)) => explain_certificate(error),
        Some(Error::InvalidMessage(_)) => {
            format!(
                "{error}; the peer does not use TLS on this port: should the url be ws:// (or http://)?"
            )
        }
        _ if error.kind() == io::ErrorKind::UnexpectedEof => {
            "the peer closed the connection; does it use TLS on this port?".to_owned()
        }
        _ => error.to_string(),
    }
}

fn explain_certificate(error: &CertificateError) -> String {
    match error {
        CertificateError::UnknownIssuer => {
            "the certificate of the peer is signed by an authority that is not trusted here; name the certificate of that \
             authority, or the peer's own, as caFile (a tool: --ca-file; the whole system: SSL_CERT_FILE)"
                .to_owned()
        }
        CertificateError::Other(other) if is_authority(other) => {
            "the peer uses the certificate of an authority (CA:TRUE), as openssl req -x509 makes it; name this same \
             certificate as caFile (a tool: --ca-file), or give the peer one that is signed by the authority"
                .to_owned()
        }
        CertificateError::BadSignature => {
            "the certificate of the peer is not signed by the trusted authority of that name; was the certificate or caFile \
             replaced without the other?"
                .to_owned()
        }
        CertificateError::NotValidForNameContext { expected, presented } => {
            let expected = expected.to_str();
            match presented.as_slice() {
                [] => format!(
                    "the certificate of the peer names no host; it needs a subjectAltName with {expected} (a common name \
                     is not enough)"
                ),
                names => format!(
                    "the certificate of the peer is not for {expected}, but for {}; use such a name in the url (a tool: \
                     --server-name), or add {expected} to the certificate",
                    list_names(names)
                ),
            }
        }
        CertificateError::ExpiredContext { not_after, .. } => {
            format!("the certificate of the peer expired on {}", format_date(*not_after))
        }
        CertificateError::NotValidYetContext { not_before, .. } => format!(
            "the certificate of the peer is not valid before {}; are the clocks of both machines right?",
            format_date(*not_before)
        ),
        CertificateError::InvalidPurposeContext { .. } | CertificateError::InvalidPurpose => {
            "the certificate of the peer is not for servers; its extendedKeyUsage must have serverAuth".to_owned()
        }
        CertificateError::BadEncoding => {
            "the certificate of the peer cannot be read, or is not of version 3; make it with extensions (subjectAltName)"
                .to_owned()
        }
        other => format!("the certificate of the peer cannot be used: {other}"),
    }
}

/// A list of names, which the library presents as `DnsName("a")` or `IpAddress(127.0.0.1)`.
fn list_names(names: &[String]) -> String {
    let plain = |name: &String| {
        let inside = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
        inside.unwrap_or(name).trim_matches('"').to_owned()
    };
    let shown: Vec<String> = names.iter().take(NAMES_MAX).map(plain).collect();
    let more = names.len().saturating_sub(NAMES_MAX);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    // Escaped: the peer chose them.
    format!("{}{more}", shown.join(", ")).chars().flat_map(char::escape_default).collect()
}

pub(super) fn format_date(time: UnixTime) -> String {
    Timestamp::from_millis(time.as_secs().saturating_mul(1000)).to_string()
}
