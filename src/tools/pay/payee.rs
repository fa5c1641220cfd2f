//! The receiver of a payment on the command line.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::net::HttpUrl;
use crate::stream::{SECRET_LEN, SharedSecret};
use crate::wire::{Address, PaymentPointer, Scheme};

/// The length of the longest text of a secret.
const SECRET_TEXT_MAX: usize = 64;

/// The receiver of a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payee {
    /// `$example.com/alice`
    Pointer(PaymentPointer),
    /// `https://example.com/alice`
    Endpoint(HttpUrl),
    /// `test.c.wallet`
    Address(Address),
}

impl FromStr for Payee {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.starts_with('$') {
            return text.parse().map(Payee::Pointer).map_err(|error| format!("{error}"));
        }
        if text.contains("://") {
            return text.parse().map(Payee::Endpoint).map_err(|error| {
                format!("{error}; an SPSP endpoint looks like https://example.com/alice")
            });
        }
        let address: Address = text.parse().map_err(|error| {
            format!(
                "{error}; give a payment pointer ($example.com/alice), an SPSP URL or an ILP address"
            )
        })?;
        if address.scheme() == Scheme::Peer {
            return Err("addresses under peer. cannot be paid".to_owned());
        }
        Ok(Self::Address(address))
    }
}

impl fmt::Display for Payee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pointer(pointer) => pointer.fmt(f),
            Self::Endpoint(url) => url.fmt(f),
            Self::Address(address) => address.fmt(f),
        }
    }
}

/// Parses a shared secret in base64 of either alphabet, padded or not.
pub(super) fn parse_base64_secret(text: &str) -> Option<SharedSecret> {
    let config =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let alphabet = if text.contains(['-', '_']) { URL_SAFE } else { STANDARD };
    if text.len() > SECRET_TEXT_MAX {
        return None;
    }
    let bytes = GeneralPurpose::new(&alphabet, config).decode(text).ok()?;
    <[u8; SECRET_LEN]>::try_from(bytes).ok().map(SharedSecret)
}

/// The same, or in hexadecimal digits. The error does not contain the text.
pub(in crate::tools) fn parse_secret(text: &str) -> Result<SharedSecret, String> {
    let mut bytes = [0; SECRET_LEN];
    if hex::decode_to_slice(text, &mut bytes).is_ok() {
        return Ok(SharedSecret(bytes));
    }
    parse_base64_secret(text).ok_or_else(|| {
        "a secret is 32 bytes, in base64 (44 characters) or as 64 hexadecimal digits".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payees_are_parsed() {
        let of = |text: &str| text.parse::<Payee>();
        assert!(matches!(of("$example.com/alice"), Ok(Payee::Pointer(_))));
        assert!(matches!(of("https://example.com/alice"), Ok(Payee::Endpoint(_))));
        assert!(matches!(of("http://localhost:7770/alice"), Ok(Payee::Endpoint(_))));
        assert!(matches!(of("test.c.wallet"), Ok(Payee::Address(_))));
        for (wrong, why) in [
            ("$user@example.com", "no user info"),
            ("ftp://example.com", "http:// or https://"),
            ("wallet.invalid/alice", "give a payment pointer"),
            ("peer.config", "peer."),
            ("", "give a payment pointer"),
        ] {
            let error = of(wrong).unwrap_err();
            assert!(error.contains(why), "{wrong}: {error}");
        }
    }

    #[test]
    fn secrets_are_parsed_in_all_notations() {
        let bytes: [u8; 32] = std::array::from_fn(|at| u8::try_from(at * 8).unwrap() | 3);
        let standard = base64::engine::general_purpose::STANDARD.encode(bytes);
        let url_safe = base64::engine::general_purpose::URL_SAFE.encode(bytes);
        assert_ne!(standard, url_safe);
        for text in [&standard, &url_safe] {
            for text in [text.as_str(), text.trim_end_matches('=')] {
                assert_eq!(parse_base64_secret(text), Some(SharedSecret(bytes)), "{text}");
            }
        }
        assert_eq!(parse_secret(&hex::encode(bytes)), Ok(SharedSecret(bytes)));
        let short = base64::engine::general_purpose::STANDARD.encode(&bytes[1..]);
        for wrong in ["", "x", "????", short.as_str(), &standard.repeat(2)] {
            assert_eq!(parse_base64_secret(wrong), None, "{wrong}");
            let error = parse_secret(wrong).unwrap_err();
            assert!(wrong.is_empty() || wrong == "x" || !error.contains(wrong), "{error}");
        }
    }
}
