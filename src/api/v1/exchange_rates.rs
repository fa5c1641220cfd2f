//! The exchange rates of nodes: what each pair is priced at, the state of each source, and the verb that accepts a
//! quote which has jumped.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::V1;
use super::access::Caller;
use super::lists::{ListAnswer, no_parameters, ok};
use super::query::{mistake, not_found};
use super::verb_body::read_body;
use super::verbs::{check_reason, parameters, refuse_in_audit};
use crate::account::Rate;
use crate::api::audited::{AuditedVerb, VerbClient, record};
use crate::api::status::NodeStatus;
use crate::books::{EventKind, EventLevel, NewEvent};
use crate::connector::RateReport;
use crate::net::sanitize;
use crate::observe::{
    AcceptedRateBody, ExchangeRateBody, ExchangeRatesBody, JumpedAssetBody, NodeExchangeRatesBody,
    RateSourceBody,
};
use crate::rates::{AcceptError, RateGap, RateJump, SourceState};
use crate::web::ProblemDetails;

/// The page, as nodes that run elsewhere are asked for it.
const EXCHANGE_RATES: &str = "api/v1/exchange-rates";

/// Which quote, and why it is right.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct AcceptedRateRequest {
    /// The source: its file or URL.
    source: String,
    /// The asset whose quote jumped.
    asset: String,
    /// Only if the quote is this one. Default: the newest one.
    #[serde(default)]
    quote: Option<String>,
    reason: String,
}

/// The exchange rates of the nodes in view, and their sources.
#[utoipa::path(get, path = "/api/v1/exchange-rates", responses((status = OK, body = ExchangeRatesBody)))]
pub(super) async fn exchange_rates(
    State(v1): State<Arc<V1>>,
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
) -> ListAnswer {
    no_parameters(query.as_deref())?;
    let nodes = v1.observer.nodes(&caller.view);
    let local = nodes.iter().map(|node| node_body(node));
    let elsewhere: Vec<ExchangeRatesBody> = v1.observer.ask_remotes(EXCHANGE_RATES).await;
    let elsewhere = elsewhere.into_iter().flat_map(|page| page.nodes);
    ok(&ExchangeRatesBody { nodes: local.chain(elsewhere).collect() })
}

/// Accepts the quote of an asset that jumped, so that packets which need it are priced by it.
#[utoipa::path(post, path = "/api/v1/nodes/{node}/exchange-rates/accept", operation_id = "accept_rate", params(("node" = String, Path, description = "The id of a node")), request_body = AcceptedRateRequest, responses((status = OK, body = AcceptedRateBody)))]
pub(super) async fn accept(
    State(v1): State<Arc<V1>>,
    Path(node): Path<String>,
    client: VerbClient,
    body: Body,
) -> ListAnswer {
    let node = v1.find_node(&node)?;
    let verb = AuditedVerb { verb: "rate.accept", ..AuditedVerb::default() };
    let read: Result<AcceptedRateRequest, _> = read_body(body).await;
    let request = refuse_in_audit(&node, &client, &verb, read)?;
    let AcceptedRateRequest { source, asset, quote, reason } = request;
    let parameters = parameters([("source", json!(source)), ("quote", json!(quote))]);
    let verb = AuditedVerb { target: asset.clone(), parameters, ..verb };
    let checked = || {
        let quote = quote.as_deref().map(Rate::from_quote).transpose();
        let quote = quote.map_err(|error| mistake(format!("quote: {error}")))?;
        Ok((quote, check_reason(&reason)?))
    };
    let (quote, reason) = refuse_in_audit(&node, &client, &verb, checked())?;
    let verb = AuditedVerb { reason: Some(reason.clone()), ..verb };
    let ticket = record(&node, &client, verb).await?;
    let context = node.context();
    // The task of the sources has it in force at its next tick.
    let accepted = context.rate_book.lock().accept(&source, &asset, quote);
    let RateJump { asset, from, to } = match accepted {
        Ok(accepted) => accepted,
        Err(error) => {
            let text = sanitize(&error.to_string());
            ticket.fail(&text);
            return Err(match error {
                AcceptError::UnknownSource(_) => not_found(text),
                AcceptError::NoJump { .. } | AcceptError::OtherQuote { .. } => {
                    ProblemDetails::new(StatusCode::CONFLICT, text)
                }
            });
        }
    };
    ticket.done();
    let by = client.name();
    node.record_event(NewEvent {
        level: EventLevel::Info,
        kind: EventKind::RateFresh,
        text: format!(
            "the quote of {asset} in {source} is used again: {by} accepted {to}: {reason}"
        ),
        peer: None,
        fields: vec![("source", source.clone()), ("assets", asset.to_string()), ("by", by)],
    });
    ok(&AcceptedRateBody {
        node: context.connector.node_id().to_string(),
        source,
        asset: asset.to_string(),
        from: from.to_string(),
        quote: to.to_string(),
    })
}

fn node_body(node: &NodeStatus) -> NodeExchangeRatesBody {
    let context = node.context();
    let states = context.rate_book.lock().states(context.clock.now());
    NodeExchangeRatesBody {
        node: context.connector.node_id().to_string(),
        rates: context.connector.rate_reports().iter().map(rate_body).collect(),
        sources: states.iter().map(source_body).collect(),
    }
}

fn rate_body(report: &RateReport) -> ExchangeRateBody {
    let mut body = ExchangeRateBody {
        from: report.from.to_string(),
        to: report.to.to_string(),
        ..ExchangeRateBody::default()
    };
    let state = match &report.rate {
        Ok(Some(found)) => {
            body.rate = Some(found.rate.to_string());
            body.spread = Some(found.spread.to_string());
            body.source = found.source.as_ref().map(ToString::to_string);
            "used"
        }
        Ok(None) => "missing",
        Err(RateGap::Stale { source, as_of, .. }) => {
            (body.source, body.as_of) = (Some(source.to_string()), Some(as_of.to_string()));
            "stale"
        }
        Err(RateGap::Jumped { source, as_of, .. }) => {
            (body.source, body.as_of) = (Some(source.to_string()), Some(as_of.to_string()));
            "jumped"
        }
    };
    body.state = state.to_owned();
    body
}

fn source_body(state: &SourceState) -> RateSourceBody {
    let jumped = |RateJump { asset, from, to }: &RateJump| JumpedAssetBody {
        asset: asset.to_string(),
        quote: to.to_string(),
        from: from.to_string(),
    };
    RateSourceBody {
        name: state.name.to_string(),
        base: state.base.as_ref().map(ToString::to_string),
        age_seconds: state.age.map(|age| age.as_secs()),
        max_age_seconds: state.max_age.as_secs(),
        fresh: state.is_fresh,
        assets: state.quotes,
        unusable: state.unusable,
        jumped: state.jumped.iter().map(jumped).collect(),
        error: state.error.clone(),
    }
}
