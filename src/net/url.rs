//! The URL of a peer that we dial: `[btp+]ws://` or `[btp+]wss://` (BTP), `http://` or `https://` (ILP over HTTP), and
//! then `[user[:token]@]host[:port][/path][?query]`.
//!
//! As in other BTP implementations, the `btp+` prefix and the user part never reach the server; the user part becomes
//! `auth_username` and `auth_token`. With HTTP the token becomes a bearer token, never Basic authentication.
//!
//! The user part is percent-decoded (RFC 3986), because a listener of `ilp-plugin-btp`, like ours, compares the
//! configured bytes of the token. (A *client* of `ilp-plugin-btp` sends the user part of its URL still encoded, so that
//! `p%40ss` arrives as `p%40ss`. To send these bytes from here, write `p%2540ss`.)
//!
//! Neither `Display` nor `Debug` shows the token, and no error repeats the text that failed to parse. No name is
//! resolved here: a host name may come to exist later.

use std::fmt;
use std::net::IpAddr;
use std::ops::Deref;
use std::str::FromStr;

use percent_encoding::percent_decode_str;
use url::Url;

use super::random_words::mask_random_words;

/// The longest user name and the longest token, in bytes.
pub const CREDENTIAL_BYTES_MAX: usize = 1024;

/// The longest URL, in bytes.
const URL_BYTES_MAX: usize = 8192;

/// The schemes of BTP, for error messages.
const BTP_SCHEMES: &str = "ws://, wss://, btp+ws:// or btp+wss://";
/// The schemes of ILP over HTTP, for error messages.
const HTTP_SCHEMES: &str = "http:// or https://";
/// All schemes, for error messages.
const ALL_SCHEMES: &str =
    "ws:// or wss:// (BTP), perhaps with btp+ before it, or http:// or https:// (ILP over HTTP)";

/// The address of a server, and our credentials there.
///
/// Two URLs are equal when they dial the same server with the same credentials.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Without `btp+` and without the user part; the scheme is `ws`, `wss`, `http` or `https`.
    endpoint: Url,
    credentials: Option<Credentials>,
}

/// The URL of a peer that speaks BTP.
#[derive(Clone, PartialEq, Eq)]
pub struct BtpUrl(Endpoint);

/// The URL of a peer that speaks ILP over HTTP, or of another HTTP resource.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpUrl(Endpoint);

/// The URL of a peer of either kind.
#[derive(Clone, PartialEq, Eq)]
pub enum PeerUrl {
    /// `ws`, `wss`, perhaps with `btp+`.
    Btp(BtpUrl),
    /// `http`, `https`.
    Http(HttpUrl),
}

#[derive(Clone, PartialEq, Eq)]
struct Credentials {
    username: String,
    token: Option<String>,
}

/// A host as it is written in a URL.
pub use url::Host;

/// Why a text is no URL of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    #[error("the scheme must be {0}")]
    Scheme(&'static str),
    #[error("longer than {URL_BYTES_MAX} bytes")]
    TooLong,
    #[error("contains a space or a control character")]
    Character,
    #[error("has no host")]
    NoHost,
    #[error("the host is neither a name nor an IPv4 or [IPv6] address")]
    Host,
    #[error("the port must be 1 to 65535")]
    Port,
    /// `#...` never reaches a server (RFC 6455 section 3, RFC 9110 section 4.2).
    #[error("must not have a fragment (#...)")]
    Fragment,
    #[error("the user or token is not UTF-8 after percent-decoding")]
    CredentialsNotUtf8,
    /// A user or token that a log line, a header or a login cannot contain.
    #[error(
        "the user or token contains a character that a login cannot: use ASCII on one line, without a space at its ends"
    )]
    CredentialsCharacter,
    #[error("the user or token is longer than {CREDENTIAL_BYTES_MAX} bytes")]
    CredentialsTooLong,
    #[error("not a valid URL")]
    Invalid,
}

impl FromStr for PeerUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        Self::parse(text, ALL_SCHEMES)
    }
}

impl PeerUrl {
    fn parse(text: &str, allowed: &'static str) -> Result<Self, UrlError> {
        if text.len() > URL_BYTES_MAX {
            return Err(UrlError::TooLong);
        }
        // The URL standard removes these silently, which could hide a mistake in a secret.
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(UrlError::Character);
        }
        let (scheme, rest) = text.split_once("://").ok_or(UrlError::Scheme(allowed))?;
        let scheme = scheme.to_ascii_lowercase();
        match (scheme.strip_prefix("btp+").unwrap_or(&scheme), scheme.as_str()) {
            (known @ ("ws" | "wss"), _) => Ok(Self::Btp(BtpUrl(Endpoint::parse(known, rest)?))),
            // `btp+http` is no scheme.
            (_, known @ ("http" | "https")) => {
                Ok(Self::Http(HttpUrl(Endpoint::parse(known, rest)?)))
            }
            _ => Err(UrlError::Scheme(allowed)),
        }
    }
}

/// What all kinds have in common.
impl Deref for PeerUrl {
    type Target = Endpoint;

    fn deref(&self) -> &Endpoint {
        match self {
            Self::Btp(url) => url,
            Self::Http(url) => url,
        }
    }
}

macro_rules! endpoint_newtype {
    ($type:ident, $kind:ident, $schemes:ident) => {
        impl FromStr for $type {
            type Err = UrlError;

            fn from_str(text: &str) -> Result<Self, UrlError> {
                match PeerUrl::parse(text, $schemes)? {
                    PeerUrl::$kind(url) => Ok(url),
                    _ => Err(UrlError::Scheme($schemes)),
                }
            }
        }

        impl Deref for $type {
            type Target = Endpoint;

            fn deref(&self) -> &Endpoint {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($type))
            }
        }
    };
}

endpoint_newtype!(BtpUrl, Btp, BTP_SCHEMES);
endpoint_newtype!(HttpUrl, Http, HTTP_SCHEMES);

impl BtpUrl {
    /// Whether only the port of another URL differs.
    pub fn differs_in_port_alone(&self, other: &Self) -> bool {
        let mut endpoint = other.endpoint.clone();
        self.port() != other.port()
            && self.credentials == other.credentials
            && endpoint.set_port(self.endpoint.port()).is_ok()
            && endpoint == self.endpoint
    }
}

impl HttpUrl {
    /// Whether another URL has the same scheme, host and port (RFC 6454).
    pub fn is_same_origin(&self, other: &Self) -> bool {
        let origin = |url: &Self| (url.is_tls(), url.host().to_owned(), url.port());
        origin(self) == origin(other)
    }

    /// The URL with more segments in its path. `None`: its path cannot be extended.
    pub fn join(&self, segments: &[&str]) -> Option<Self> {
        let mut endpoint = self.endpoint.clone();
        endpoint.path_segments_mut().ok()?.pop_if_empty().extend(segments);
        Some(Self(Endpoint { endpoint, credentials: self.credentials.clone() }))
    }

    /// The whole URL but for its credentials, for a header or for the peer that sent it.
    pub fn without_credentials(&self) -> String {
        self.endpoint.to_string()
    }
}

impl Endpoint {
    /// Parses the part after `://` of a URL with a known scheme.
    fn parse(scheme: &str, rest: &str) -> Result<Self, UrlError> {
        // Otherwise `ws:///path` would have the host `path`.
        if rest.is_empty() || rest.starts_with(['/', '\\', '?', '#']) {
            return Err(UrlError::NoHost);
        }
        let mut endpoint =
            Url::parse(&format!("{scheme}://{rest}")).map_err(UrlError::from_library)?;
        if endpoint.fragment().is_some() {
            return Err(UrlError::Fragment);
        }
        if endpoint.port() == Some(0) {
            return Err(UrlError::Port);
        }
        let credentials = Credentials::from_url(&endpoint)?;
        // These fail only for a URL without a host, which these schemes do not allow.
        endpoint.set_username("").map_err(|()| UrlError::NoHost)?;
        endpoint.set_password(None).map_err(|()| UrlError::NoHost)?;
        Ok(Self { endpoint, credentials })
    }

    /// The host to resolve and connect to.
    pub fn host(&self) -> Host<&str> {
        self.endpoint.host().expect("a URL of these schemes has a host")
    }

    /// The port to connect to: 80, or 443 with TLS, where the URL names none.
    pub fn port(&self) -> u16 {
        self.endpoint.port_or_known_default().expect("these schemes have a default port")
    }

    /// Whether the scheme requires TLS.
    pub fn is_tls(&self) -> bool {
        matches!(self.endpoint.scheme(), "wss" | "https")
    }

    /// The user of the URL, percent-decoded.
    ///
    /// `None`: the URL has no user part, so the dialling node uses its own name. `Some("")`: the URL has a token but no
    /// user (`btp+ws://:token@host`), so the token alone identifies the account.
    pub fn username(&self) -> Option<&str> {
        self.credentials.as_ref().map(|credentials| credentials.username.as_str())
    }

    /// The token of the URL, percent-decoded. A secret.
    pub fn token(&self) -> Option<&str> {
        self.credentials.as_ref().and_then(|credentials| credentials.token.as_deref())
    }

    /// Path and query, for the request line.
    pub fn path_and_query(&self) -> String {
        match self.endpoint.query() {
            Some(query) => format!("{}?{query}", self.endpoint.path()),
            None => self.endpoint.path().to_owned(),
        }
    }

    /// The value of the `Host` header. It has no port if that is the default of the scheme.
    pub fn authority(&self) -> String {
        match self.endpoint.port() {
            Some(port) => format!("{}:{port}", self.host()),
            None => self.host().to_string(),
        }
    }
}

/// Host and port as a URL has them: with brackets around an IPv6 address.
pub fn authority(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// Whether this host, as in a URL or without brackets, is the machine itself. Names are not resolved.
pub fn is_loopback(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// The URL without possible secrets: the token, even its length; a user without a token, which may be a token itself;
/// segments of the path that are no plain words; and the query.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://", self.endpoint.scheme())?;
        match &self.credentials {
            None => {}
            // Escaped and masked: a decoded user may contain anything, even a token, and this text goes into logs.
            Some(Credentials { username, token: Some(_) }) => {
                let user = mask_random_words(username.escape_default().to_string());
                write!(f, "{user}:***@")?;
            }
            Some(Credentials { token: None, .. }) => f.write_str("***@")?,
        }
        f.write_str(&self.authority())?;
        for segment in self.endpoint.path_segments().into_iter().flatten() {
            write!(f, "/{}", if is_word(segment) { segment } else { "***" })?;
        }
        f.write_str(if self.endpoint.query().is_some() { "?***" } else { "" })
    }
}

/// Whether a segment of a path is a plain word such as `accounts`.
fn is_word(segment: &str) -> bool {
    const WORD_MAX: usize = 20;
    segment.len() <= WORD_MAX
        && segment.bytes().all(|byte| byte.is_ascii_lowercase() || matches!(byte, b'-' | b'.'))
}

impl fmt::Display for PeerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({self})")
    }
}

impl fmt::Debug for PeerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PeerUrl({self})")
    }
}

impl Credentials {
    fn from_url(url: &Url) -> Result<Option<Self>, UrlError> {
        if url.username().is_empty() && url.password().is_none() {
            return Ok(None);
        }
        let username = decode(url.username())?;
        let token = url.password().map(decode).transpose()?;
        let odd = |token: &String| !token.is_ascii() || token.trim_matches(' ') != token;
        let control = |text: &String| text.chars().any(char::is_control);
        if control(&username) || token.as_ref().is_some_and(|token| control(token) || odd(token)) {
            return Err(UrlError::CredentialsCharacter);
        }
        Ok(Some(Self { username, token }))
    }
}

fn decode(encoded: &str) -> Result<String, UrlError> {
    let decoded =
        percent_decode_str(encoded).decode_utf8().map_err(|_| UrlError::CredentialsNotUtf8)?;
    if decoded.len() > CREDENTIAL_BYTES_MAX {
        return Err(UrlError::CredentialsTooLong);
    }
    Ok(decoded.into_owned())
}

impl UrlError {
    fn from_library(error: url::ParseError) -> Self {
        match error {
            url::ParseError::EmptyHost => Self::NoHost,
            url::ParseError::InvalidPort => Self::Port,
            url::ParseError::IdnaError
            | url::ParseError::InvalidIpv4Address
            | url::ParseError::InvalidIpv6Address
            | url::ParseError::InvalidDomainCharacter => Self::Host,
            _ => Self::Invalid,
        }
    }
}

#[cfg(test)]
mod tests;
