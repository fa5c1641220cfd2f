//! JSON bodies of responses.

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, Response, StatusCode};
use serde::Serialize;

/// The text of a body made of structs, whose field names are its only keys.
pub(crate) fn json_text(body: &impl Serialize) -> String {
    serde_json::to_string(body).expect("structs of texts and numbers are JSON")
}

/// A response with a JSON text as its body.
pub(crate) fn json_response(
    status: StatusCode,
    content_type: &'static str,
    text: String,
) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
