//! What is kept of packets, and why they were rejected.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::SystemTime;

use axum::Extension;
use axum::extract::{Path, RawQuery, State};
use serde::Deserialize;

use super::access::Caller;
use super::answers::{PacketsBody, ReasonsBody};
use super::lists::{ListAnswer, no_parameters, ok};
use super::query::{Parameters, mistake, not_found};
use super::remote_nodes::Refresh;
use super::{ApiView, V1};
use crate::account::AccountId;
use crate::connector::RejectCount;
use crate::observe::{
    PacketBody, PacketFilter, PathBody, ReasonCountBody, format_time, packet_path, reason_body,
};

/// Packets of one answer without `limit`, and at most.
const LIMIT_DEFAULT: usize = 200;
const LIMIT_MAX: usize = 10_000;

impl V1 {
    /// Everything that is kept and that this view shows, the oldest first; and how many records are not kept.
    fn kept_packets(&self, view: &ApiView) -> (Vec<(u64, Arc<PacketBody>)>, u64) {
        let mut watch = self.observer.watch.lock();
        watch.pass_on_packets(&self.observer);
        let kept = watch.packets.kept();
        let shown =
            kept.iter().filter_map(|(number, packet)| Some((*number, view.packet(packet)?)));
        (shown.collect(), watch.packets.not_kept())
    }
}

/// The same page of a node that runs elsewhere.
#[derive(Debug, Deserialize)]
struct ReasonsPage {
    reasons: Vec<ReasonCountBody>,
    since: String,
}

/// Records of packets that are kept, the newest first.
#[utoipa::path(get, path = "/api/v1/packets", params(
        ("filter" = Option<String>, Query, description = "Terms that must all match, such as from=a code=F02,T01"),
        ("limit" = Option<u16>, Query, description = "Records, at most; default 200", minimum = 1, maximum = 10000),
    ), responses((status = OK, body = PacketsBody)))]
pub(super) async fn packets(
    State(v1): State<Arc<V1>>,
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
) -> ListAnswer {
    let parameters = Parameters::parse(query.as_deref(), &["filter", "limit"])?;
    let filter = PacketFilter::parse(parameters.get("filter").unwrap_or_default());
    let filter = filter.map_err(|error| mistake(format!("filter: {error}")))?;
    let limit = parameters.number("limit", 1..=LIMIT_MAX, LIMIT_DEFAULT)?;
    v1.observer.refresh(Refresh::Records).await;
    let (kept, lost) = v1.kept_packets(&caller.view);
    let newest_first = kept.iter().rev().map(|(_, packet)| &**packet);
    let packets = newest_first.filter(|packet| filter.matches(packet)).take(limit);
    ok(&PacketsBody { packets: packets.cloned().collect(), lost })
}

/// The way of the packet that a record is about.
#[utoipa::path(get, path = "/api/v1/packets/{id}", params(("id" = String, Path, description = "The id of a record of the packet")), responses((status = OK, body = PathBody)))]
pub(super) async fn packet(
    State(v1): State<Arc<V1>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> ListAnswer {
    no_parameters(query.as_deref())?;
    v1.observer.refresh(Refresh::Records).await;
    let (kept, _) = v1.kept_packets(&caller.view);
    let (state, _) = v1.observer.sample(&caller.view);
    let path = packet_path(kept.iter().map(|(_, packet)| &**packet), &state.links, &id);
    ok(&path.ok_or_else(|| {
        not_found(format!("no packet {id:?} is kept; the newest ones are in /api/v1/packets"))
    })?)
}

/// How many packets were rejected, by reason. Complete.
#[utoipa::path(get, path = "/api/v1/reasons", responses((status = OK, body = ReasonsBody)))]
pub(super) async fn reasons(
    State(v1): State<Arc<V1>>,
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
) -> ListAnswer {
    no_parameters(query.as_deref())?;
    let nodes = v1.observer.nodes(&caller.view);
    let mut rows = Vec::new();
    let mut since = SystemTime::now();
    for node in &nodes {
        let connector = &node.context().connector;
        let id = connector.node_id();
        since = since.min(node.started_at());
        rows.extend(connector.reject_counts().into_iter().map(|row| (id.clone(), row)));
    }
    rows.sort_by_key(|(node, row)| (Reverse(row.count), node.clone(), row.code));
    let counts = rows.iter().map(|(node, row)| count_body(node, row)).collect();
    let mut counts = caller.view.visibility().reason_counts(counts);
    let mut since = format_time(since);
    if !v1.observer.remotes.is_empty() {
        v1.observer.refresh(Refresh::Nodes).await;
        for page in v1.observer.ask_remotes::<ReasonsPage>("api/v1/reasons").await {
            counts.extend(page.reasons);
            // Times of one form, so their order is that of the texts.
            since = since.min(page.since);
        }
        counts.sort_by_key(|row| Reverse(row.count));
    }
    ok(&ReasonsBody { reasons: counts, since })
}

fn count_body(node: &AccountId, row: &RejectCount) -> ReasonCountBody {
    let reason = row.refusal.as_ref().map(|refusal| reason_body(refusal, row.from.as_ref()));
    let body = ReasonCountBody {
        node: node.to_string(),
        code: row.code.to_string(),
        from: row.from.as_ref().map(ToString::to_string),
        to: row.to.as_ref().map(ToString::to_string),
        count: row.count,
        last_at: row.last_at.to_string(),
        summed: row.is_summed,
        ..ReasonCountBody::default()
    };
    match reason {
        None => ReasonCountBody { text: "passed back from the next hop".to_owned(), ..body },
        Some(reason) => ReasonCountBody {
            kind: Some(reason.kind),
            text: reason.text,
            peer: reason.peer,
            // The first of several peers is not the one to change.
            key: reason.key.filter(|_| !row.is_summed),
            advice: reason.advice,
            ..body
        },
    }
}
