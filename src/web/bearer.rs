//! The bearer token of a request.

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;

use crate::net::WorkRate;

/// Wrong tokens per second from all addresses together; half of it from one. Above this rate no token is checked.
pub(crate) const WRONG_TOKENS: WorkRate = WorkRate(200);

/// The token of `Authorization: Bearer <token>` (RFC 6750), which may be empty. The scheme's name has any case (RFC
/// 9110 11.1).
pub(crate) fn bearer_token(headers: &HeaderMap) -> Option<&[u8]> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.as_bytes().split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then_some(token.trim_ascii())
}
