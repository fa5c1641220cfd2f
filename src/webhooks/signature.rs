//! Signatures of Standard Webhooks.

use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;

use crate::wire::Timestamp;

/// Standard Webhooks "Symmetric signatures": secrets begin with this when they are written.
const PREFIX: &str = "whsec_";
/// Standard Webhooks "Symmetric signatures": a secret has 24 to 64 bytes.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// Signs the bodies of events. A secret.
#[derive(Clone)]
pub struct SigningKey(hmac::Key);

/// A text is no secret of a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a secret of a webhook is {PREFIX} and 24 to 64 bytes in base64")]
pub struct SecretError;

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningKey(***)")
    }
}

impl FromStr for SigningKey {
    type Err = SecretError;

    fn from_str(text: &str) -> Result<Self, SecretError> {
        let key = text.strip_prefix(PREFIX).ok_or(SecretError)?;
        let key = STANDARD.decode(key).map_err(|_| SecretError)?;
        match KEY_BYTES.contains(&key.len()) {
            true => Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &key))),
            false => Err(SecretError),
        }
    }
}

/// The value of `webhook-signature`: one signature for each key, separated by spaces. Standard Webhooks "Signature
/// scheme": what is signed is `<id>.<timestamp in seconds>.<body>`.
pub(super) fn sign(keys: &[SigningKey], id: &str, at: Timestamp, body: &str) -> String {
    let signed = format!("{id}.{}.{body}", at.as_millis() / 1_000);
    let signatures = keys.iter().map(|SigningKey(key)| {
        let signature = hmac::sign(key, signed.as_bytes());
        format!("v1,{}", STANDARD.encode(signature))
    });
    signatures.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's libraries.
    #[test]
    fn a_signature_is_that_of_the_published_example() {
        let key: SigningKey = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse().unwrap();
        let at = Timestamp::from_millis(1_614_265_330_123);
        let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
        let signed = sign(std::slice::from_ref(&key), id, at, "{\"test\": 2432232314}");
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        let both = sign(&[key.clone(), key], id, at, "{}");
        assert_eq!(both.split(' ').count(), 2);
    }

    #[test]
    fn secrets_are_long_and_not_shown() {
        for wrong in ["", "whsec_", "whsec_c2hvcnQ=", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_%"]
        {
            assert!(wrong.parse::<SigningKey>().is_err(), "{wrong}");
        }
        let key: SigningKey = format!("whsec_{}", STANDARD.encode([7; 64])).parse().unwrap();
        assert_eq!(format!("{key:?}"), "SigningKey(***)");
        assert!(format!("whsec_{}", STANDARD.encode([7; 65])).parse::<SigningKey>().is_err());
    }
}
