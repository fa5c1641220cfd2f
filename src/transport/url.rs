//! The URL of a peer that we dial: `[btp+]ws://` or `[btp+]wss://[user[:token]@]host[:port][/path][?query]`.
//!
//! The form is that of RFC 23 ("BTP over WebSockets"): the `btp+` prefix and the user part are for us and never
//! reach the WebSocket handshake; the user part becomes `auth_username` and `auth_token`.
//!
//! The user part is percent-decoded, as RFC 3986 reads it, because that is what the other side compares: a listener
//! of `ilp-plugin-btp`, like ours, compares the bytes of the token as it was configured. (A *client* of
//! `ilp-plugin-btp` sends the user part of its own URL still encoded, so that `p%40ss` arrives as `p%40ss`. Who
//! wants to send the very bytes `p%40ss` from here writes `p%2540ss`.)
//!
//! Neither `Display` nor `Debug` shows the token, and no error repeats the text that failed to parse.
//! What a URL resolves to is not looked at here: a host name may come to exist only later.

use std::fmt;
use std::str::FromStr;

use percent_encoding::percent_decode_str;
use url::Url;

/// The longest user name and the longest token, in bytes. Both travel in every authentication frame.
pub const CREDENTIAL_BYTES_MAX: usize = 1024;

/// The longest URL, in bytes.
const URL_BYTES_MAX: usize = 8192;

/// Where a peer listens, and who we are to it.
///
/// Two URLs are equal when they dial the same place with the same credentials.
#[derive(Clone, PartialEq, Eq)]
pub struct BtpUrl {
    /// Without `btp+` and without the user part; the scheme is `ws` or `wss`.
    endpoint: Url,
    credentials: Option<Credentials>,
}

#[derive(Clone, PartialEq, Eq)]
struct Credentials {
    username: String,
    token: Option<String>,
}

/// A host as it is written in a URL.
pub use url::Host;

/// Why a text is not the URL of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// No scheme, or one that BTP does not run over.
    #[error("the scheme must be ws://, wss://, btp+ws:// or btp+wss://")]
    Scheme,
    /// Longer than any URL needs to be.
    #[error("longer than {URL_BYTES_MAX} bytes")]
    TooLong,
    /// A character that cannot stand in a URL.
    #[error("contains a space or a control character")]
    Character,
    /// Nothing to dial.
    #[error("has no host")]
    NoHost,
    /// The host is no name and no IPv4 or `[IPv6]` address.
    #[error("the host is neither a name nor an IPv4 or [IPv6] address")]
    Host,
    /// Not a port that can be dialled.
    #[error("the port must be 1 to 65535")]
    Port,
    /// `#...` has no meaning for a WebSocket (RFC 6455 section 3).
    #[error("must not have a fragment (#...)")]
    Fragment,
    /// The user part does not decode to UTF-8.
    #[error("the user or token is not UTF-8 after percent-decoding")]
    CredentialsNotUtf8,
    /// The user or the token is too long.
    #[error("the user or token is longer than {CREDENTIAL_BYTES_MAX} bytes")]
    CredentialsTooLong,
    /// Anything else that the URL standard forbids.
    #[error("not a valid URL")]
    Invalid,
}

impl FromStr for BtpUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        if text.len() > URL_BYTES_MAX {
            return Err(UrlError::TooLong);
        }
        // The URL standard strips these silently. In a file with secrets we would rather hear of it.
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(UrlError::Character);
        }
        let (scheme, rest) = text.split_once("://").ok_or(UrlError::Scheme)?;
        let scheme = scheme.to_ascii_lowercase();
        let scheme = match scheme.strip_prefix("btp+").unwrap_or(&scheme) {
            known @ ("ws" | "wss") => known,
            _ => return Err(UrlError::Scheme),
        };
        // `ws:///path` would be read as host `path`.
        if rest.is_empty() || rest.starts_with(['/', '\\', '?', '#']) {
            return Err(UrlError::NoHost);
        }
        let mut endpoint = Url::parse(&format!("{scheme}://{rest}")).map_err(UrlError::of)?;
        if endpoint.fragment().is_some() {
            return Err(UrlError::Fragment);
        }
        if endpoint.port() == Some(0) {
            return Err(UrlError::Port);
        }
        let credentials = Credentials::of(&endpoint)?;
        // These fail only for URLs without a host, which `ws` and `wss` cannot be.
        endpoint.set_username("").map_err(|()| UrlError::NoHost)?;
        endpoint.set_password(None).map_err(|()| UrlError::NoHost)?;
        Ok(Self { endpoint, credentials })
    }
}

impl BtpUrl {
    /// The host to resolve and connect to.
    pub fn host(&self) -> Host<&str> {
        // `ws` and `wss` URLs have a host, see `from_str`.
        self.endpoint.host().unwrap_or(Host::Domain(""))
    }

    /// The port to connect to: 80 for `ws` and 443 for `wss` where the URL names none.
    pub fn port(&self) -> u16 {
        self.endpoint.port_or_known_default().unwrap_or(if self.is_tls() { 443 } else { 80 })
    }

    /// Whether the scheme asks for TLS.
    pub fn is_tls(&self) -> bool {
        self.endpoint.scheme() == "wss"
    }

    /// The user of the URL, percent-decoded.
    ///
    /// `None`: the URL has no user part, so the dialling node uses its own name. `Some("")`: the URL has a token but
    /// no user (`btp+ws://:token@host`), so the token alone names the account.
    pub fn username(&self) -> Option<&str> {
        self.credentials.as_ref().map(|credentials| credentials.username.as_str())
    }

    /// The token of the URL, percent-decoded. A secret.
    pub fn token(&self) -> Option<&str> {
        self.credentials.as_ref().and_then(|credentials| credentials.token.as_deref())
    }

    /// What the WebSocket handshake asks for: path and query.
    pub fn path_and_query(&self) -> String {
        match self.endpoint.query() {
            Some(query) => format!("{}?{query}", self.endpoint.path()),
            None => self.endpoint.path().to_owned(),
        }
    }

    /// The value of the handshake's `Host` header: the port is left out where it is the scheme's own.
    pub fn authority(&self) -> String {
        match self.endpoint.port() {
            Some(port) => format!("{}:{port}", self.host()),
            None => self.host().to_string(),
        }
    }
}

/// Complete but for the token, of which not even the length is shown.
impl fmt::Display for BtpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://", self.endpoint.scheme())?;
        if let Some(Credentials { username, token }) = &self.credentials {
            // Escaped: a decoded user may hold anything, and this goes into logs.
            write!(f, "{}", username.escape_default())?;
            if token.is_some() {
                f.write_str(":***")?;
            }
            f.write_str("@")?;
        }
        write!(f, "{}{}", self.authority(), self.path_and_query())
    }
}

impl fmt::Debug for BtpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BtpUrl({self})")
    }
}

impl Credentials {
    fn of(url: &Url) -> Result<Option<Self>, UrlError> {
        if url.username().is_empty() && url.password().is_none() {
            return Ok(None);
        }
        let username = decode(url.username())?;
        let token = url.password().map(decode).transpose()?;
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
    fn of(error: url::ParseError) -> Self {
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
mod tests {
    use super::*;

    /// What a URL dials and says, as one line:
    /// `ws|wss host port authority path user token`, with `-` for what is not there.
    fn check(text: &str, expected: &str) {
        let url: BtpUrl = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
        let line = format!(
            "{} {} {} {} {} {} {}",
            if url.is_tls() { "wss" } else { "ws" },
            url.host(),
            url.port(),
            url.authority(),
            url.path_and_query(),
            url.username().map_or("-".to_owned(), |user| format!("'{user}'")),
            url.token().map_or("-".to_owned(), |token| format!("'{token}'")),
        );
        assert_eq!(line, expected, "{text}");
    }

    fn check_refused(text: &str, expected: UrlError) {
        match text.parse::<BtpUrl>() {
            Ok(url) => panic!("{text}: accepted as {url}"),
            Err(error) => assert_eq!(error, expected, "{text}"),
        }
    }

    #[test]
    fn accepted() {
        for (text, expected) in [
            ("ws://b", "ws b 80 b / - -"),
            ("ws://b:3000", "ws b 3000 b:3000 / - -"),
            ("btp+ws://b:3000", "ws b 3000 b:3000 / - -"),
            ("BTP+WS://B:3000/", "ws b 3000 b:3000 / - -"),
            ("wss://b.example", "wss b.example 443 b.example / - -"),
            ("wss://b.example:443/x", "wss b.example 443 b.example /x - -"),
            ("btp+wss://b.example/a/b?c=d", "wss b.example 443 b.example /a/b?c=d - -"),
            ("ws://127.0.0.1:1", "ws 127.0.0.1 1 127.0.0.1:1 / - -"),
            ("ws://[::1]:3000/p", "ws [::1] 3000 [::1]:3000 /p - -"),
            ("btp+ws://u:t@[2001:db8::1]", "ws [2001:db8::1] 80 [2001:db8::1] / 'u' 't'"),
            ("btp+ws://alice:secret@b:3000", "ws b 3000 b:3000 / 'alice' 'secret'"),
            ("btp+ws://alice@b", "ws b 80 b / 'alice' -"),
            ("btp+ws://alice:@b", "ws b 80 b / 'alice' -"),
            ("btp+ws://:secret@b", "ws b 80 b / '' 'secret'"),
            // RFC 3986: decoded, so that a token may hold anything.
            ("btp+ws://al%40ice:p%3A%2F%25@b", "ws b 80 b / 'al@ice' 'p:/%'"),
            // What the URL standard would encode comes back as it was written.
            ("btp+ws://a:abc=;|@b", "ws b 80 b / 'a' 'abc=;|'"),
            ("btp+ws://a:p%2540@b", "ws b 80 b / 'a' 'p%40'"),
            ("btp+ws://a:b@c@d", "ws d 80 d / 'a' 'b@c'"),
        ] {
            check(text, expected);
        }
    }

    #[test]
    fn refused() {
        for (text, expected) in [
            ("", UrlError::Scheme),
            ("b:3000", UrlError::Scheme),
            ("http://b:3000", UrlError::Scheme),
            ("btp+http://b", UrlError::Scheme),
            ("btp+btp+ws://b", UrlError::Scheme),
            ("btp://b", UrlError::Scheme),
            ("ws:b", UrlError::Scheme),
            ("ws://", UrlError::NoHost),
            ("ws:///b", UrlError::NoHost),
            ("ws://:3000", UrlError::NoHost),
            ("ws://user:token@", UrlError::NoHost),
            ("ws://b:0", UrlError::Port),
            ("ws://b:65536", UrlError::Port),
            ("ws://b:abc", UrlError::Port),
            ("ws://[::1", UrlError::Host),
            ("ws://1.2.3.4.5", UrlError::Host),
            ("ws://b%zz", UrlError::Host),
            ("ws://b/#x", UrlError::Fragment),
            ("ws://b b", UrlError::Character),
            (" ws://b", UrlError::Character),
            ("ws://b\n", UrlError::Character),
            ("ws://u:%ff@b", UrlError::CredentialsNotUtf8),
        ] {
            check_refused(text, expected);
        }
        check_refused(&format!("ws://u:{}@b", "x".repeat(1025)), UrlError::CredentialsTooLong);
        check_refused(&format!("ws://b/{}", "x".repeat(9000)), UrlError::TooLong);
    }

    #[test]
    fn the_token_is_never_shown() {
        for (text, shown) in [
            ("btp+ws://alice:S3CRET@b:3000/x", "ws://alice:***@b:3000/x"),
            ("btp+ws://:S3CRET@b", "ws://:***@b/"),
            ("ws://alice@b", "ws://alice@b/"),
            ("wss://b", "wss://b/"),
            ("ws://a%0Ab@c", "ws://a\\nb@c/"),
        ] {
            let url: BtpUrl = text.parse().unwrap();
            assert_eq!(url.to_string(), shown);
            assert_eq!(format!("{url:?}"), format!("BtpUrl({shown})"));
        }
    }
}
