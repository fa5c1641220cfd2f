//! SPSP (RFC 9): `GET /<receiver>` returns an address and a secret to pay the receiver, different ones each time. `GET
//! /.well-known/pay`, the endpoint of a payment pointer without a path (RFC 26), means the first configured receiver.
//! `/spsp/<receiver>` and `/accounts/<receiver>/spsp` are the paths of other implementations, so that a payment pointer
//! to one of them stays valid here; a slash at the end changes nothing.
//!
//! A query with the headers of a verifier of receipts (RFC 39) gets a connection whose money gets receipts.
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
use axum::http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use axum::response::IntoResponse;
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use serde::Serialize;
use serde_json::json;

use super::router;
use crate::connector::{Connector, StreamCredentials, StreamCredentialsError};
use crate::machine;
use crate::stream::{CONNECTION_ID_BYTES, ReceiptKey};
use crate::web::{ProblemDetails, json_response, json_text};

const CONTENT_TYPE_SPSP: &str = "application/spsp4+json";
/// The headers of a verifier of receipts.
const RECEIPT_NONCE: &str = "receipt-nonce";
const RECEIPT_SECRET: &str = "receipt-secret";
const METHODS: &str = "GET, HEAD, OPTIONS";
/// `Retry-After` while the node has no address.
const SECONDS_UNTIL_ADDRESS: &str = "5";

pub(super) fn routes(connector: Arc<Connector>) -> Router {
    let of_first = ["/.well-known/pay", "/.well-known/pay/"];
    let of_named = ["/{receiver}", "/spsp/{receiver}", "/accounts/{name}/spsp"];
    let first = || get(query_first).options(options).fallback(method_not_allowed);
    let routes =
        of_first.into_iter().fold(Router::new(), |routes, path| routes.route(path, first()));
    let routes = of_named.into_iter().fold(routes, |routes, path| {
        let named = || get(query_named).options(options).fallback(refuse_method_of_named);
        routes.route(path, named()).route(&format!("{path}/"), named())
    });
    routes.with_state(connector)
}

/// RFC 9110 15.5.6: only an existing resource does not allow a method. A single segment may be any path that a client
/// got wrong, such as `/ilp/`.
async fn refuse_method_of_named(
    State(connector): State<Arc<Connector>>,
    id: Result<Path<String>, PathRejection>,
    method: Method,
) -> Response<Body> {
    match id {
        Ok(Path(id)) if connector.has_receiver(&id) => method_not_allowed(method).await,
        // Without the path: it may be a token that was sent as one.
        _ => {
            let status = StatusCode::NOT_FOUND;
            let problem = ProblemDetails::new(status, "there is nothing at this path");
            with_cors(problem.into_response())
        }
    }
}

async fn query_first(
    State(connector): State<Arc<Connector>>,
    headers: HeaderMap,
) -> Response<Body> {
    answer_query(&connector, None, &headers)
}

async fn query_named(
    State(connector): State<Arc<Connector>>,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Response<Body> {
    // No receiver has an empty name, or one that is not UTF-8.
    answer_query(&connector, Some(id.as_ref().map_or("", |Path(id)| id)), &headers)
}

fn answer_query(
    connector: &Connector,
    receiver: Option<&str>,
    headers: &HeaderMap,
) -> Response<Body> {
    let receipts = match receipt_key(headers) {
        Ok(receipts) => receipts,
        Err(mistake) => {
            return with_cors(
                ProblemDetails::new(StatusCode::BAD_REQUEST, mistake).into_response(),
            );
        }
    };
    let mut random = [0; CONNECTION_ID_BYTES];
    let credentials = match machine::fill_random(&mut random) {
        Ok(()) => connector.issue_stream_credentials(receiver, random, receipts.as_ref()),
        Err(_) => {
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            return with_cors(ProblemDetails::new(status, "no random numbers").into_response());
        }
    };
    with_cors(match credentials {
        Ok(StreamCredentials { destination, secret, asset }) => {
            let body = json!({
                "destination_account": destination,
                "shared_secret": STANDARD.encode(secret.0),
                "asset_info": { "code": asset.code, "scale": asset.scale },
                "receipts_enabled": receipts.is_some(),
            });
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

/// The key of a verifier of receipts, if the query has one.
///
/// RFC 39 "SPSP": a query has both the verifier's nonce and its secret, or neither. Without the check, a
/// verifier with a mistake would wait for receipts for ever.
fn receipt_key(headers: &HeaderMap) -> Result<Option<ReceiptKey>, String> {
    match (headers.get(RECEIPT_NONCE), headers.get(RECEIPT_SECRET)) {
        (None, None) => Ok(None),
        (Some(nonce), Some(secret)) => {
            let nonce = header_bytes(RECEIPT_NONCE, nonce)?;
            let secret = header_bytes(RECEIPT_SECRET, secret)?;
            Ok(Some(ReceiptKey { nonce, secret }))
        }
        (Some(_), None) => Err(format!("{RECEIPT_NONCE} needs {RECEIPT_SECRET} beside it")),
        (None, Some(_)) => Err(format!("{RECEIPT_SECRET} needs {RECEIPT_NONCE} beside it")),
    }
}

/// The bytes of a header in base64, with or without padding, in either alphabet.
fn header_bytes<const N: usize>(name: &str, value: &HeaderValue) -> Result<[u8; N], String> {
    let text = value.to_str().ok().map(|text| text.trim_end_matches('='));
    let bytes = text.and_then(|text| {
        STANDARD_NO_PAD.decode(text).or_else(|_| URL_SAFE_NO_PAD.decode(text)).ok()
    });
    let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or_else(|| format!("{name} must be {N} bytes in base64"))
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
