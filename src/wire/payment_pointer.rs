//! Payment pointers (RFC 26): `$host/path`, which people share instead of a URL.
//!
//! RFC 26 "Payment Pointer Syntax": a pointer is a dollar sign, a host and an optional path,
//! without user info, port, query or fragment. [row 127] A generic URL parser would accept these.
//! The host must be one that can be looked up: a name or an IP address.

use core::net::Ipv6Addr;
use std::fmt;
use std::str::FromStr;

/// Characters of the longest pointer, as long as a URL that browsers and servers accept.
pub const MAX_POINTER: usize = 2048;
/// The path of a pointer without one. RFC 26 "Well-Known URI": it is this one. [row 127]
pub const WELL_KNOWN_PATH: &str = "/.well-known/pay";

/// A valid payment pointer.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PaymentPointer {
    /// The whole pointer, with its dollar sign.
    text: Box<str>,
    /// Index of the path in `text`.
    path_at: usize,
}

/// Why a text is no payment pointer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PaymentPointerError {
    /// It does not begin with a dollar sign.
    #[error("a payment pointer begins with $, such as $example.com/alice")]
    NoDollar,
    /// It has more than [`MAX_POINTER`] bytes.
    #[error("a payment pointer has at most {MAX_POINTER} characters, this one {length}")]
    TooLong {
        /// Its number of bytes.
        length: usize,
    },
    /// Nothing is between the dollar sign and the path.
    #[error("a payment pointer needs a host after the $")]
    NoHost,
    /// A part that URLs may have and RFC 26 excludes.
    #[error("a payment pointer has no {0}")]
    Excluded(&'static str),
    /// The host is neither a name nor an IP address.
    #[error("the host of a payment pointer is a name such as example.com")]
    Host,
    /// A character that no path may have.
    #[error("the path of a payment pointer cannot have a character such as that at {at}")]
    Path {
        /// Its position, counted from 1.
        at: usize,
    },
}

impl PaymentPointer {
    /// The host, shown to the user for recognition.
    #[must_use]
    pub fn host(&self) -> &str {
        self.text.get(1..self.path_at).expect("the host was found in this text")
    }

    /// Its URL. RFC 26 "Payment Setup Protocol Receiver Endpoint Resolution": the scheme is `https`. [row 127]
    #[must_use]
    pub fn url(&self) -> String {
        let path = match self.text.get(self.path_at..) {
            None | Some("" | "/") => WELL_KNOWN_PATH,
            Some(path) => path,
        };
        format!("https://{}{path}", self.host())
    }
}

impl FromStr for PaymentPointer {
    type Err = PaymentPointerError;

    fn from_str(text: &str) -> Result<Self, PaymentPointerError> {
        let rest = text.strip_prefix('$').ok_or(PaymentPointerError::NoDollar)?;
        if text.len() > MAX_POINTER {
            return Err(PaymentPointerError::TooLong { length: text.len() });
        }
        let (host, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        check_host(host)?;
        let path_at = 1 + host.len();
        check_path(path, path_at)?;
        Ok(Self { text: text.into(), path_at })
    }
}

impl fmt::Display for PaymentPointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl fmt::Debug for PaymentPointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn check_host(host: &str) -> Result<(), PaymentPointerError> {
    if host.is_empty() {
        return Err(PaymentPointerError::NoHost);
    }
    if host.contains('@') {
        return Err(PaymentPointerError::Excluded("user info"));
    }
    if let Some(literal) = host.strip_prefix('[') {
        let Some((address, after)) = literal.split_once(']') else {
            return Err(PaymentPointerError::Host);
        };
        if after.starts_with(':') {
            return Err(PaymentPointerError::Excluded("port"));
        }
        let is_address = address.parse::<Ipv6Addr>().is_ok();
        return if is_address && after.is_empty() {
            Ok(())
        } else {
            Err(PaymentPointerError::Host)
        };
    }
    if host.contains(':') {
        return Err(PaymentPointerError::Excluded("port"));
    }
    let is_label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    // A dot at the end makes a name absolute.
    let name = host.strip_suffix('.').unwrap_or(host);
    if name.split('.').all(is_label) { Ok(()) } else { Err(PaymentPointerError::Host) }
}

/// Checks a `path-abempty` of RFC 3986, which begins at `path_at` of the text.
fn check_path(path: &str, path_at: usize) -> Result<(), PaymentPointerError> {
    let bytes = path.as_bytes();
    let is_hex = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_hexdigit);
    for (at, byte) in path.bytes().enumerate() {
        let allowed = match byte {
            b'?' => return Err(PaymentPointerError::Excluded("query")),
            b'#' => return Err(PaymentPointerError::Excluded("fragment")),
            b'%' => is_hex(at + 1) && is_hex(at + 2),
            byte => byte.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=:@".contains(&byte),
        };
        if !allowed {
            return Err(PaymentPointerError::Path { at: path_at + at + 1 });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::vectors::{list, load, text};

    #[test]
    fn vectors_row_127() {
        let file = load("payment-pointers");
        for case in list(&file, "cases") {
            let pointer = text(case, "pointer");
            let url = pointer.parse::<PaymentPointer>().ok().map(|pointer| pointer.url());
            assert_eq!(url.as_deref(), case["url"].as_str(), "{case}");
        }
    }

    fn refused(pointer: &str, why: &str) {
        let error = pointer.parse::<PaymentPointer>().unwrap_err().to_string();
        assert!(error.contains(why), "{pointer}: {error}");
    }

    #[test]
    fn parts_of_urls_are_refused_row_127() {
        refused("", "begins with $");
        refused(" $example.com", "begins with $");
        refused("$/alice", "needs a host");
        refused("$?x", "needs a host");
        refused("$user@example.com", "no user info");
        refused("$example.com:443", "no port");
        refused("$[::1]:443", "no port");
        refused("$example.com?x", "no query");
        refused("$example.com/a?x", "no query");
        refused("$example.com/a#x", "no fragment");
        refused("$example..com", "a name such as");
        refused("$exa%6dple.com", "a name such as");
        refused("$[::1", "a name such as");
        refused("$[::1]x", "a name such as");
        refused("$example.com\\a", "a name such as");
        refused("$h/a b", "at 5");
        refused("$h/ä", "at 4");
        refused("$h/%4", "at 4");
        refused("$h/a\n", "at 5");
        refused(&format!("$h/{}", "a".repeat(2046)), "at most 2048 characters, this one 2049");
    }

    #[test]
    fn valid_pointers() {
        fn check(pointer: &str, host: &str, url: &str) {
            let parsed: PaymentPointer = pointer.parse().unwrap();
            assert_eq!((parsed.host(), parsed.url().as_str()), (host, url));
            assert_eq!(
                (parsed.to_string(), format!("{parsed:?}").as_str()),
                (pointer.into(), pointer)
            );
        }
        check("$h//", "h", "https://h//");
        check("$h/a%2Fb/@:!", "h", "https://h/a%2Fb/@:!");
        check("$127.0.0.1", "127.0.0.1", "https://127.0.0.1/.well-known/pay");
        check("$[::1]/x", "[::1]", "https://[::1]/x");
        check("$example.com.", "example.com.", "https://example.com./.well-known/pay");
    }
}
