//! JSON Web Tokens of the profile JWT_HS_256 of the proposal "HTTP Auth Profiles" (in the Interledger RFC repository):
//! HS256 (RFC 7518 3.2) with the secret that two peers share. `exp` is required, and `sub` if nothing else names the
//! peer.
//!
//! Any algorithm but HS256 is refused. Hence no library: general ones bring a second implementation of the cryptography
//! and every algorithm that must be refused.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde::Deserialize;
use serde_json::json;

use crate::peers::Token;
use crate::web::json_text;
use crate::wire::Timestamp;

/// The life of a JWT that this node signs.
const LIFETIME_S: u64 = 300;
const JWT_BYTES_MAX: usize = 8 * 1024;
/// The end of the year 9999.
const SECONDS_MAX: f64 = 253_402_300_799.0;

/// A JWT with a valid form and valid claims. The directory verifies its signature.
#[derive(Debug, PartialEq)]
pub(super) struct UnverifiedJwt<'a> {
    /// The signed text.
    pub(super) message: &'a str,
    pub(super) signature: Vec<u8>,
    /// The claimed name. The profile requires it, but the tokens of `ilp-plugin-http` lack it.
    pub(super) subject: Option<String>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    /// Extensions that a reader must support (RFC 7515 4.1.11). None is supported.
    crit: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Claims {
    sub: Option<String>,
    exp: f64,
    nbf: Option<f64>,
}

/// `None`: it is not a JWT, or not valid now.
pub(super) fn parse(jwt: &[u8], now: Timestamp) -> Option<UnverifiedJwt<'_>> {
    if jwt.len() > JWT_BYTES_MAX {
        return None;
    }
    let jwt = std::str::from_utf8(jwt).ok()?;
    let (message, signature) = jwt.rsplit_once('.')?;
    let (header, claims) = message.split_once('.')?;
    let header: Header = serde_json::from_slice(&decode_part(header)?).ok()?;
    if header.alg != "HS256" || header.crit.is_some() {
        return None;
    }
    let claims: Claims = serde_json::from_slice(&decode_part(claims)?).ok()?;
    let now = seconds(now);
    // Comparisons with NaN are false.
    let is_valid_now = now < claims.exp
        && claims.exp <= SECONDS_MAX
        && claims.nbf.is_none_or(|not_before| not_before <= now);
    let signature = decode_part(signature)?;
    (is_valid_now && claims.sub.as_deref() != Some("")).then_some(UnverifiedJwt {
        message,
        signature,
        subject: claims.sub,
    })
}

/// A JWT for `subject`, and the time to replace it.
pub(super) fn sign(subject: &str, secret: &Token, now: Timestamp) -> (String, Timestamp) {
    let iat = now.as_millis() / 1000;
    let exp = iat.saturating_add(LIFETIME_S);
    let claims = json_text(&json!({ "sub": subject, "iat": iat, "exp": exp }));
    let header = URL_SAFE_NO_PAD.encode(br#"{"alg":"HS256","typ":"JWT"}"#);
    let message = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims));
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.reveal().as_bytes());
    let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&key, message.as_bytes()));
    (format!("{message}.{signature}"), now.saturating_add_millis(LIFETIME_S * 500))
}

fn decode_part(part: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(part).ok()
}

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

    /// `expected`: the subject, which is empty for a valid token without one.
    fn check(header: &str, claims: &str, expected: Option<&str>) {
        let token = token(header, claims);
        let found = parse(token.as_bytes(), NOW).map(|jwt| jwt.subject.unwrap_or_default());
        assert_eq!(found.as_deref(), expected, "{header} {claims}");
    }

    #[test]
    fn required_header_and_claims() {
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
    fn malformed_tokens() {
        let good = token(r#"{"alg":"HS256"}"#, r#"{"sub":"alice","exp":1800000001}"#);
        assert!(parse(good.as_bytes(), NOW).is_some());
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
            assert_eq!(parse(bad.as_bytes(), NOW), None, "{bad}");
        }
        assert_eq!(parse(&[0xff; 100], NOW), None);
        assert_eq!(parse(&vec![b'.'; JWT_BYTES_MAX + 1], NOW), None);
        // An empty signature is well-formed, and wrong.
        assert_eq!(parse(format!("{unsigned}.").as_bytes(), NOW).unwrap().signature, b"");
    }

    #[test]
    fn signed_tokens_can_be_parsed() {
        let secret = Token::from("secret");
        let (token, renew_at) = sign("bob", &secret, NOW);
        assert_eq!(renew_at, NOW.saturating_add_millis(150_000));
        let jwt = parse(token.as_bytes(), NOW).unwrap();
        assert_eq!(jwt.subject.as_deref(), Some("bob"));
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"secret");
        hmac::verify(&key, jwt.message.as_bytes(), &jwt.signature).unwrap();
        assert!(parse(token.as_bytes(), NOW.saturating_add_millis(300_000)).is_none());
    }
}
