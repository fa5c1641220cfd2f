//! The metrics of the exchange of routes; only for peers with which routes are exchanged.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

use crate::routing::ccp::PeerRoutesReport;

pub(super) fn encode(
    peers: &[PeerRoutesReport],
    encoder: &mut DescriptorEncoder<'_>,
) -> fmt::Result {
    let mut family = encoder.encode_descriptor(
        "ilp_learned_routes",
        "Routes that the peer has announced and that are kept, the best ones or not",
        None,
        MetricType::Gauge,
    )?;
    for peer in peers {
        family.encode_family(&[("peer", peer.peer.as_str())])?.encode_gauge(&peer.routes)?;
    }
    let mut family = encoder.encode_descriptor(
        "ilp_route_updates",
        "Route updates received from the peer, or sent to it, those without a change too",
        None,
        MetricType::Counter,
    )?;
    for peer in peers {
        for (direction, count) in [("received", peer.updates_received), ("sent", peer.updates_sent)]
        {
            let labels = [("peer", peer.peer.as_str()), ("direction", direction)];
            family.encode_family(&labels)?.encode_counter::<NoLabelSet, u64, f64>(&count, None)?;
        }
    }
    let mut family = encoder.encode_descriptor(
        "ilp_refused_routes",
        "Announced routes that were not taken, by reason",
        None,
        MetricType::Counter,
    )?;
    for peer in peers {
        for (why, count) in peer.refused.iter() {
            let labels = [("peer", peer.peer.as_str()), ("reason", why.as_str())];
            family.encode_family(&labels)?.encode_counter::<NoLabelSet, u64, f64>(&count, None)?;
        }
    }
    Ok(())
}
