//! JSON Web Tokens of the profile JWT_HS_256 of the RFC repository's proposal "HTTP Auth Profiles": HS256 (RFC 7518 3.2)
//! with the secret that two peers share, `exp` required, and `sub` where nothing else says who is calling.
//!
//! There is one algorithm, and it is chosen here: what a token says of its algorithm can only be HS256 or refused. That is
//! also why there is no library: the general ones bring a second cryptography and every algorithm that must be refused.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde::{Deserialize, Serialize};

use crate::peers::Token;
use crate::wire::Timestamp;

/// How long a token of ours is good for.
const LIFETIME_S: u64 = 300;
/// The longest token that is read, in bytes.
const TOKEN_BYTES_MAX: usize = 8 * 1024;
/// Seconds beyond this year 9999 mean no time of ours.
const SECONDS_MAX: f64 = 253_402_300_799.0;

/// A token whose form and claims are right; whether its signature is, the directory says.
#[derive(Debug, PartialEq)]
pub(super) struct Unverified<'a> {
    /// What was signed.
    pub(super) message: &'a str,
    /// The signature.
    pub(super) signature: Vec<u8>,
    /// Who is calling. The profile demands it, but the tokens of `ilp-plugin-http` do not have it.
    pub(super) subject: Option<String>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    /// Extensions that must be understood (RFC 7515 4.1.11): none is.
    crit: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Claims {
    sub: Option<String>,
    exp: f64,
    nbf: Option<f64>,
}

#[derive(Serialize)]
struct OurClaims<'a> {
    sub: &'a str,
    iat: u64,
    exp: u64,
}

/// Reads a token. `None`: it is none, or none that is good now.
pub(super) fn read(token: &[u8], now: Timestamp) -> Option<Unverified<'_>> {
    if token.len() > TOKEN_BYTES_MAX {
        return None;
    }
    let token = std::str::from_utf8(token).ok()?;
    let (message, signature) = token.rsplit_once('.')?;
    let (header, claims) = message.split_once('.')?;
    let header: Header = serde_json::from_slice(&decoded(header)?).ok()?;
    if header.alg != "HS256" || header.crit.is_some() {
        return None;
    }
    let claims: Claims = serde_json::from_slice(&decoded(claims)?).ok()?;
    let now = seconds(now);
    // A NaN is not before anything.
    let good = now < claims.exp
        && claims.exp <= SECONDS_MAX
        && claims.nbf.is_none_or(|not_before| not_before <= now);
    let signature = decoded(signature)?;
    (good && claims.sub.as_deref() != Some("")).then_some(Unverified {
        message,
        signature,
        subject: claims.sub,
    })
}

/// A token for `subject`, and when the next one should be made.
pub(super) fn signed(subject: &str, secret: &Token, now: Timestamp) -> (String, Timestamp) {
    let iat = now.as_millis() / 1000;
    let claims = OurClaims { sub: subject, iat, exp: iat.saturating_add(LIFETIME_S) };
    // A struct of a text and two numbers is always JSON.
    let claims = serde_json::to_vec(&claims).unwrap_or_default();
    let header = URL_SAFE_NO_PAD.encode(br#"{"alg":"HS256","typ":"JWT"}"#);
    let message = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims));
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.reveal().as_bytes());
    let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&key, message.as_bytes()));
    (format!("{message}.{signature}"), now.saturating_add_millis(LIFETIME_S * 500))
}

fn decoded(part: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(part).ok()
}

/// Good for thousands of years: a double holds whole seconds, and milliseconds, of all of them exactly.
#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
fn seconds(at: Timestamp) -> f64 {
    at.as_millis() as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn token(header: &str, claims: &str) -> String {
        let message =
            format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        format!("{message}.{}", URL_SAFE_NO_PAD.encode([7; 32]))
    }

    /// `expected`: its subject, empty for a good token without one.
    fn check(header: &str, claims: &str, expected: Option<&str>) {
        let token = token(header, claims);
        let found = read(token.as_bytes(), NOW).map(|jwt| jwt.subject.unwrap_or_default());
        assert_eq!(found.as_deref(), expected, "{header} {claims}");
    }

    #[test]
    fn what_a_token_must_say() {
        const HS256: &str = r#"{"alg":"HS256","typ":"JWT"}"#;
        const GOOD: &str = r#"{"sub":"alice","exp":1800000001}"#;
        check(HS256, GOOD, Some("alice"));
        check(r#"{"typ":"at+jwt","alg":"HS256","kid":"1"}"#, GOOD, Some("alice"));
        check(
            HS256,
            r#"{"sub":"alice","exp":1800000000.5,"nbf":1800000000,"more":[]}"#,
            Some("alice"),
        );
        check(HS256, r#"{"exp":1800000001}"#, Some(""));
        for header in [
            r#"{"alg":"none"}"#,
            r#"{"alg":"None"}"#,
            r#"{"alg":"hs256"}"#,
            r#"{"alg":"HS384"}"#,
            r#"{"alg":"RS256"}"#,
            r#"{"alg":["HS256"]}"#,
            r#"{"alg":"HS256","crit":["b64"]}"#,
            r#"{"alg":"HS256","crit":[]}"#,
            "{}",
            "",
        ] {
            check(header, GOOD, None);
        }
        for claims in [
            r#"{"sub":"alice"}"#,
            "{}",
            r#"{"sub":"alice","exp":1800000000}"#,
            r#"{"sub":"alice","exp":1799999999}"#,
            r#"{"sub":"alice","exp":-1}"#,
            r#"{"sub":"alice","exp":"1800000001"}"#,
            r#"{"sub":"alice","exp":null}"#,
            r#"{"sub":"alice","exp":1e300}"#,
            r#"{"sub":"alice","exp":1800000001,"nbf":1800000001}"#,
            r#"{"sub":"","exp":1800000001}"#,
            r#"{"sub":7,"exp":1800000001}"#,
            r#"["alice"]"#,
            "",
        ] {
            check(HS256, claims, None);
        }
    }

    #[test]
    fn what_is_no_token() {
        let good = token(r#"{"alg":"HS256"}"#, r#"{"sub":"alice","exp":1800000001}"#);
        assert!(read(good.as_bytes(), NOW).is_some());
        let unsigned = good.rsplit_once('.').unwrap().0;
        for bad in [
            "",
            ".",
            "..",
            "a.b.c",
            unsigned,
            &format!("{good}.x"),
            &format!("{good}="),
            &good.replace('.', ""),
        ] {
            assert_eq!(read(bad.as_bytes(), NOW), None, "{bad}");
        }
        assert_eq!(read(&[0xff; 100], NOW), None);
        assert_eq!(read(&vec![b'.'; TOKEN_BYTES_MAX + 1], NOW), None);
        // Without a signature the form is right, and the signature is wrong.
        assert_eq!(read(format!("{unsigned}.").as_bytes(), NOW).unwrap().signature, b"");
    }

    #[test]
    fn what_we_sign_we_can_read() {
        let secret = Token::from("secret");
        let (token, renew) = signed("bob", &secret, NOW);
        assert_eq!(renew, NOW.saturating_add_millis(150_000));
        let jwt = read(token.as_bytes(), NOW).unwrap();
        assert_eq!(jwt.subject.as_deref(), Some("bob"));
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"secret");
        hmac::verify(&key, jwt.message.as_bytes(), &jwt.signature).unwrap();
        assert!(read(token.as_bytes(), NOW.saturating_add_millis(300_000)).is_none());
    }
}
