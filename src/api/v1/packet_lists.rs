//! What is kept of packets, and why they were rejected.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::SystemTime;

use axum::extract::{Path, RawQuery, State};
use serde_json::json;

use super::V1;
use super::lists::{ListAnswer, no_parameters, ok};
use super::query::{Parameters, mistake, not_found};
use crate::observe::{PacketBody, PacketFilter, format_time, packet_path, reason_body};

/// Packets of one answer without `limit`, and at most.
const LIMIT_DEFAULT: usize = 200;
const LIMIT_MAX: usize = 10_000;

impl V1 {
    /// Everything that is kept of the nodes in view, the oldest first; and how many records are not kept.
    fn kept_packets(&self) -> (Vec<(u64, Arc<PacketBody>)>, u64) {
        let mut watch = self.observer.watch.lock();
        watch.pass_on_packets(&self.observer);
        let mut kept = watch.packets.kept();
        kept.retain(|(_, packet)| self.view.shows(&packet.node));
        (kept, watch.packets.not_kept())
    }
}

pub(super) async fn packets(State(v1): State<Arc<V1>>, RawQuery(query): RawQuery) -> ListAnswer {
    let parameters = Parameters::parse(query.as_deref(), &["filter", "limit"])?;
    let filter = PacketFilter::parse(parameters.get("filter").unwrap_or_default());
    let filter = filter.map_err(|error| mistake(format!("filter: {error}")))?;
    let limit = parameters.number("limit", 1..=LIMIT_MAX, LIMIT_DEFAULT)?;
    let (kept, lost) = v1.kept_packets();
    let newest_first = kept.iter().rev().map(|(_, packet)| &**packet);
    let packets: Vec<_> =
        newest_first.filter(|packet| filter.matches(packet)).take(limit).collect();
    ok(&json!({ "packets": packets, "lost": lost }))
}

pub(super) async fn packet(
    State(v1): State<Arc<V1>>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> ListAnswer {
    no_parameters(query.as_deref())?;
    let (kept, _) = v1.kept_packets();
    let (state, _) = v1.observer.sample(&v1.view);
    let path = packet_path(kept.iter().map(|(_, packet)| &**packet), &state.links, &id);
    ok(&path.ok_or_else(|| {
        not_found(format!("no packet {id:?} is kept; the newest ones are in /api/v1/packets"))
    })?)
}

pub(super) async fn reasons(State(v1): State<Arc<V1>>, RawQuery(query): RawQuery) -> ListAnswer {
    no_parameters(query.as_deref())?;
    let nodes = v1.observer.nodes(&v1.view);
    let mut rows = Vec::new();
    let mut since = SystemTime::now();
    for node in &nodes {
        let connector = &node.context().connector;
        let id = connector.node_id();
        since = since.min(node.started_at());
        rows.extend(connector.reject_counts().into_iter().map(|row| (id.clone(), row)));
    }
    rows.sort_by_key(|(node, row)| (Reverse(row.count), node.clone(), row.code));
    let reasons = rows.iter().map(|(node, row)| {
        let reason = row.refusal.as_ref().map(|refusal| reason_body(refusal, row.from.as_ref()));
        json!({
            "node": node.as_str(),
            "kind": reason.as_ref().map(|reason| &reason.kind),
            "code": row.code,
            "from": row.from.as_ref().map(|from| from.as_str()),
            "to": row.to.as_ref().map(|to| to.as_str()),
            "count": row.count,
            "lastAt": row.last_at.to_string(),
            "text": reason.as_ref().map_or("passed back from the next hop", |reason| &reason.text),
            // The first of several peers is not the one to change.
            "key": reason.as_ref().filter(|_| !row.is_summed).map(|reason| &reason.key),
            "advice": reason.as_ref().map(|reason| &reason.advice),
            "summed": row.is_summed,
        })
    });
    let reasons: Vec<_> = reasons.collect();
    ok(&json!({ "reasons": reasons, "since": format_time(since) }))
}
