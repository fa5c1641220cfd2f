//! Everything that the listener answers, by path.

use std::sync::Arc;

use axum::Router;
use axum::http::{Method, StatusCode, Uri};

use super::ilp::{self, Ilp};
use super::spsp;
use crate::web::ProblemDetails;

/// The routes. Each group of them lives in a file of its own, which gives a `Router` to be merged here.
pub(super) fn router(ilp: Arc<Ilp>) -> Router {
    let connector = Arc::clone(&ilp.context.transport.connector);
    let routes = Router::new().merge(ilp::routes(ilp)).merge(spsp::routes(connector));
    routes.fallback(nothing_here).method_not_allowed_fallback(not_so)
}

async fn nothing_here(uri: Uri) -> ProblemDetails {
    let path: String = uri.path().chars().take(200).collect();
    ProblemDetails::new(StatusCode::NOT_FOUND, format!("there is nothing at {path}"))
}

async fn not_so(method: Method) -> ProblemDetails {
    let detail = format!("{method} is not what this resource is for");
    ProblemDetails::new(StatusCode::METHOD_NOT_ALLOWED, detail)
}
