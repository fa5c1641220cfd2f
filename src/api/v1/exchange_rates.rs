//! The exchange rates of nodes: what each pair is priced at, and the state of each source.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{RawQuery, State};

use super::V1;
use super::access::Caller;
use super::lists::{ListAnswer, no_parameters, ok};
use crate::account::Rate;
use crate::api::status::NodeStatus;
use crate::connector::RateReport;
use crate::observe::{
    ExchangeRateBody, ExchangeRatesBody, JumpedAssetBody, NodeExchangeRatesBody, RateSourceBody,
};
use crate::rates::{RateGap, SourceState};

/// The exchange rates of the nodes in view, and their sources.
#[utoipa::path(get, path = "/api/v1/exchange-rates", responses((status = OK, body = ExchangeRatesBody)))]
pub(super) async fn exchange_rates(
    State(v1): State<Arc<V1>>,
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
) -> ListAnswer {
    no_parameters(query.as_deref())?;
    let nodes = v1.observer.nodes(&caller.view);
    ok(&ExchangeRatesBody { nodes: nodes.iter().map(|node| node_body(node)).collect() })
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
    let jumped = |(asset, quote): &(Arc<str>, Rate)| JumpedAssetBody {
        asset: asset.to_string(),
        quote: quote.to_string(),
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
