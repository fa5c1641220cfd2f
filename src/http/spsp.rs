//! SPSP (RFC 9): `GET /<receiver>` returns an address and a secret to pay the receiver, different ones each time. `GET
//! /.well-known/pay`, the endpoint of a payment pointer without a path (RFC 26), means the first configured receiver.
//!
//! Queries leave no state, so only the connections need limits, and the listener has them.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW,
    CACHE_CONTROL, RETRY_AFTER,
};
use axum::http::{HeaderValue, Method, Response, StatusCode};
use axum::response::IntoResponse;
use axum::routing::{MethodRouter, get};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::{SecureRandom, SystemRandom};
use serde::Serialize;
use serde_json::json;

use super::router;
use crate::connector::{Connector, StreamCredentials, StreamCredentialsError};
use crate::stream::CONNECTION_ID_BYTES;
use crate::web::{ProblemDetails, json_response, json_text};

const CONTENT_TYPE_SPSP: &str = "application/spsp4+json";
const METHODS: &str = "GET, HEAD, OPTIONS";
/// `Retry-After` while the node has no address.
const SECONDS_UNTIL_ADDRESS: &str = "5";

pub(super) fn routes(connector: Arc<Connector>) -> Router {
    let first =
        |State(connector): State<Arc<Connector>>| async move { answer_query(&connector, None) };
    Router::new()
        .route("/.well-known/pay", resource(get(first)))
        .route("/{receiver}", resource(get(query_named)))
        .with_state(connector)
}

fn resource(get: MethodRouter<Arc<Connector>>) -> MethodRouter<Arc<Connector>> {
    get.options(options).fallback(method_not_allowed)
}

async fn query_named(
    State(connector): State<Arc<Connector>>,
    id: Result<Path<String>, PathRejection>,
) -> Response<Body> {
    // No receiver has an empty name, or one that is not UTF-8.
    answer_query(&connector, Some(id.as_ref().map_or("", |Path(id)| id)))
}

fn answer_query(connector: &Connector, receiver: Option<&str>) -> Response<Body> {
    let mut random = [0; CONNECTION_ID_BYTES];
    let credentials = match SystemRandom::new().fill(&mut random) {
        Ok(()) => connector.issue_stream_credentials(receiver, random),
        Err(_) => {
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            return with_cors(ProblemDetails::new(status, "no random numbers").into_response());
        }
    };
    with_cors(match credentials {
        Ok(StreamCredentials { destination, secret }) => {
            let secret = STANDARD.encode(secret.0);
            let body = json!({ "destination_account": destination, "shared_secret": secret });
            spsp_response(StatusCode::OK, &body)
        }
        Err(StreamCredentialsError::UnknownReceiver) => {
            // RFC 9 "receiver Does Not Exist": an unknown receiver gets 404 with this body and the content type of
            // SPSP. [row 126]
            let body = json!({ "id": "InvalidReceiverError", "message": "Invalid receiver ID" });
            spsp_response(StatusCode::NOT_FOUND, &body)
        }
        Err(error @ StreamCredentialsError::NoAddressYet) => {
            ProblemDetails::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
                .with_header(RETRY_AFTER, SECONDS_UNTIL_ADDRESS)
                .into_response()
        }
        Err(error @ StreamCredentialsError::AddressTooLong) => {
            ProblemDetails::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
                .into_response()
        }
    })
}

/// The preflight request of a browser.
async fn options() -> Response<Body> {
    let headers = [(ALLOW, METHODS), (ACCESS_CONTROL_ALLOW_METHODS, METHODS)];
    with_cors((headers, StatusCode::NO_CONTENT).into_response())
}

async fn method_not_allowed(method: Method) -> Response<Body> {
    let problem = router::method_not_allowed(method).await;
    with_cors(problem.with_header(ALLOW, METHODS).into_response())
}

fn spsp_response(status: StatusCode, body: &impl Serialize) -> Response<Body> {
    // RFC 9 "Response Headers": the content type must be application/spsp4+json. [row 126]
    json_response(status, CONTENT_TYPE_SPSP, json_text(body))
}

fn with_cors(mut response: Response<Body>) -> Response<Body> {
    let headers = response.headers_mut();
    // RFC 9 "Request Headers to Support Web Monetization Polyfills": pages of all origins should be able to query. [row
    // 126]
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    let allowed = HeaderValue::from_static("web-monetization-id");
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, allowed);
    // RFC 9 "Response Headers": a Cache-Control header must be present. [row 126] No cache may keep a secret.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

#[cfg(test)]
mod tests;
