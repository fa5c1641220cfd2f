//! `/api/v1`: nodes, links, events and packets as JSON, and a stream of them.
//!
//! One [`Observer`] of the process knows all its nodes. A node's own listener shows a view of this node; the listener
//! of `up` ([`NetworkApi`](super::NetworkApi)) shows all nodes. Nothing here changes anything. While no client has a
//! stream, nothing is read, sampled or polled.

mod events;
mod explain;
mod guard;
mod limits;
mod lists;
mod observer;
mod packet_lists;
mod packets;
mod query;
mod sample;
mod stream;
mod streams;
mod watch;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::get;

pub(super) use self::events::{reload_event, status_event};
pub(super) use self::observer::ApiView;
pub use self::observer::Observer;
pub(super) use self::streams::Streams;

/// What the handlers of one listener share.
#[derive(Debug)]
pub(super) struct V1 {
    pub(super) observer: Arc<Observer>,
    pub(super) view: ApiView,
    pub(super) streams: Arc<Streams>,
}

pub(super) fn router(v1: Arc<V1>) -> Router {
    Router::new()
        .route("/api/v1", get(lists::top))
        .route("/api/v1/nodes", get(lists::nodes))
        .route("/api/v1/nodes/{node}", get(lists::node))
        .route("/api/v1/nodes/{node}/routes", get(lists::routes))
        .route("/api/v1/links", get(lists::links))
        .route("/api/v1/events", get(lists::events))
        .route("/api/v1/money", get(lists::money))
        .route("/api/v1/explain", get(explain::explain))
        .route("/api/v1/packets", get(packet_lists::packets))
        .route("/api/v1/packets/{id}", get(packet_lists::packet))
        .route("/api/v1/reasons", get(packet_lists::reasons))
        .route("/api/v1/stream", get(stream::get_stream))
        .route_layer(from_fn_with_state(Arc::clone(&v1), guard::check))
        .with_state(v1)
}
