//! What went wrong with a request, for the client: `application/problem+json` (RFC 9457).

use axum::body::Body;
use axum::http::header::{CONNECTION, CONTENT_TYPE, HeaderName, RETRY_AFTER};
use axum::http::{HeaderValue, Response, StatusCode};
use serde::Serialize;

/// One problem. The type is always `about:blank`: the status says what kind it is, the detail what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct ProblemDetails {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: String,
    #[serde(skip)]
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl ProblemDetails {
    /// A problem of this status. `detail` names no secret.
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            r#type: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail: detail.into(),
            headers: Vec::new(),
        }
    }

    /// The same, with a header that its status wants.
    pub(crate) fn with(mut self, name: HeaderName, value: &'static str) -> Self {
        self.headers.push((name, HeaderValue::from_static(value)));
        self
    }

    /// Too much is asked for by those whom we do not know; `is_login`: with wrong tokens.
    pub(crate) fn later(is_login: bool) -> Self {
        let (status, detail) = match is_login {
            true => (
                StatusCode::TOO_MANY_REQUESTS,
                "too many requests with wrong tokens came from this address; try again later",
            ),
            false => (
                StatusCode::SERVICE_UNAVAILABLE,
                "too many requests come from clients that have not authenticated; try again later",
            ),
        };
        Self::new(status, detail).with(RETRY_AFTER, "1").with(CONNECTION, "close")
    }
}

impl axum::response::IntoResponse for ProblemDetails {
    fn into_response(self) -> Response<Body> {
        // A struct of texts and a number is always JSON.
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let json = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(CONTENT_TYPE, json);
        response.headers_mut().extend(self.headers);
        response
    }
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;

    use super::*;

    #[tokio::test]
    async fn a_problem_on_the_wire() {
        let problem = ProblemDetails::new(StatusCode::UNAUTHORIZED, "no token")
            .with(axum::http::header::WWW_AUTHENTICATE, "Bearer");
        let (head, body) = problem.into_response().into_parts();
        assert_eq!(head.status, 401);
        assert_eq!(head.headers[CONTENT_TYPE], "application/problem+json");
        assert_eq!(head.headers["www-authenticate"], "Bearer");
        let body = axum::body::to_bytes(body, 1024).await.unwrap();
        assert_eq!(
            body,
            r#"{"type":"about:blank","title":"Unauthorized","status":401,"detail":"no token"}"#
        );
    }
}
