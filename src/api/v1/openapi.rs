//! The description of `/api/v1` as OpenAPI 3.1. It is made of the routes themselves (`access`), so an operation that is
//! not described does not exist.

use std::sync::LazyLock;

use axum::extract::RawQuery;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use utoipa::openapi::path::{Operation, Paths};
use utoipa::openapi::schema::Schema;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    Components, ContentBuilder, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, Ref, RefOr,
    ResponseBuilder,
};
use utoipa::{PartialSchema, ToSchema};

use super::OPERATIONS;
use super::answers::ProblemBody;
use super::lists::no_parameters;
use crate::observe::Scope;
use crate::web::{ProblemDetails, json_text};

/// The name of the scheme. Its scopes are those of `apiTokens`.
const TOKEN: &str = "token";
const ABOUT: &str = "Nodes, links, events and packets as JSON, and a stream of them; and what an operator may change \
                     while a node runs. Amounts and balances are texts. More keys and operations may come within v1, \
                     so ignore unknown keys. Without any token, a node gives the scopes read and packets to each \
                     acceptable request.";
const FOR_PEERS: &str = "Also for the token of a peer, which shows what concerns that peer.";

/// The description without operations.
pub(super) fn empty_document() -> OpenApi {
    let info = InfoBuilder::new()
        .title("ilp-connector")
        .version("v1")
        .description(Some(ABOUT))
        .license(Some(
            LicenseBuilder::new().name("Apache-2.0").identifier(Some("Apache-2.0")).build(),
        ))
        .build();
    let mut components = Components::new();
    components.schemas.insert(ProblemBody::name().into_owned(), ProblemBody::schema());
    components.add_security_scheme(TOKEN, SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    OpenApiBuilder::new().info(info).components(Some(components)).build()
}

/// Adds operations: what they need, and the problems that each may be answered with.
pub(super) fn describe(
    document: &mut OpenApi,
    scope: Scope,
    for_peers: bool,
    schemas: Vec<(String, RefOr<Schema>)>,
    mut paths: Paths,
) {
    for item in paths.paths.values_mut() {
        let operations =
            [&mut item.get, &mut item.post, &mut item.put, &mut item.delete, &mut item.patch];
        for operation in operations.into_iter().flatten() {
            complete(operation, scope, for_peers);
        }
    }
    document.paths.merge(paths);
    document.components.get_or_insert_default().schemas.extend(schemas);
}

fn complete(operation: &mut Operation, scope: Scope, for_peers: bool) {
    // Names of modules say nothing to clients.
    operation.tags = None;
    let with_token = SecurityRequirement::new(TOKEN, [scope.as_str()]);
    // A node without any token answers reads to all, and the page of this machine needs none.
    operation.security = Some(vec![with_token, SecurityRequirement::default()]);
    if for_peers {
        let about = operation.description.take().map_or(String::new(), |about| about + "\n\n");
        operation.description = Some(about + FOR_PEERS);
    }
    let schema = RefOr::Ref(Ref::from_schema_name(ProblemBody::name()));
    let content = ContentBuilder::new().schema(Some(schema)).build();
    let problem = ResponseBuilder::new()
        .description("A problem: its detail says what is wrong, and what to do")
        .content("application/problem+json", content)
        .build();
    operation.responses.responses.insert("default".to_owned(), RefOr::T(problem));
}

/// This description.
#[utoipa::path(get, path = "/api/v1/openapi.json", responses((status = OK, body = serde_json::Value)))]
pub(super) async fn document(RawQuery(query): RawQuery) -> Result<Response, ProblemDetails> {
    static TEXT: LazyLock<String> = LazyLock::new(|| json_text(OPERATIONS.document()));
    no_parameters(query.as_deref())?;
    let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")];
    Ok((headers, TEXT.as_str()).into_response())
}

#[cfg(test)]
mod tests;
