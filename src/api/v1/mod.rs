//! `/api/v1`: nodes, links, events and packets as JSON, and a stream of them.
//!
//! One [`Observer`] of the process knows all its nodes. A node's own listener shows a view of this node; the listener
//! of `up` ([`NetworkApi`](super::NetworkApi)) shows all nodes. Nothing here changes anything. While no client has a
//! stream, nothing is read, sampled or polled.

mod access;
mod audit;
mod config;
mod events;
mod explain;
mod forward;
mod guard;
mod history;
mod lab;
mod limits;
mod lists;
mod money;
mod observer;
mod packet_lists;
mod packets;
mod page_access;
mod query;
mod remote_nodes;
mod remote_streams;
mod sample;
mod stream;
mod streams;
mod verb_body;
mod verbs;
mod watch;

use std::sync::Arc;

use axum::Router;
use axum::routing::{delete, get, post};

use self::access::ApiRouter;
pub(super) use self::events::{reload_event, status_event};
pub use self::lab::{Lab, LabOrder};
pub(super) use self::observer::ApiView;
pub use self::observer::Observer;
pub(super) use self::page_access::PageAccess;
pub(super) use self::streams::Streams;
use crate::observe::Scope;

/// What the handlers of one listener share.
#[derive(Debug)]
pub(super) struct V1 {
    pub(super) observer: Arc<Observer>,
    pub(super) view: ApiView,
    pub(super) streams: Arc<Streams>,
    /// Of a page that belongs to no node of this process; `None`: the tokens of the nodes decide.
    pub(super) access: Option<PageAccess>,
}

impl V1 {
    /// What this listener can do beside the rest, for pages and programs that would offer it.
    fn features(&self) -> Vec<String> {
        self.has_lab().then(|| "lab".to_owned()).into_iter().collect()
    }

    /// The lab breaks whole nodes, so it is not on the pages of one of them.
    fn has_lab(&self) -> bool {
        self.view == ApiView::Network && self.observer.lab().is_some()
    }
}

pub(super) fn router(v1: Arc<V1>) -> Router {
    let router = match v1.has_lab() {
        true => ApiRouter::new(v1)
            .route(Scope::Read, "/api/v1/lab", get(lab::get_lab))
            .route(Scope::Operate, "/api/v1/lab", post(lab::post_lab))
            .route(Scope::Operate, "/api/v1/lab/{id}", delete(lab::undo)),
        false => ApiRouter::new(v1)
            .route(Scope::Read, "/api/v1/lab", get(lab::no_lab).post(lab::no_lab))
            .route(Scope::Read, "/api/v1/lab/{id}", delete(lab::no_lab)),
    };
    router
        .route_for_peers(Scope::Read, "/api/v1", get(lists::top))
        .route_for_peers(Scope::Read, "/api/v1/nodes", get(lists::nodes))
        .route_for_peers(Scope::Read, "/api/v1/nodes/{node}", get(lists::node))
        .route(Scope::Read, "/api/v1/nodes/{node}/routes", get(lists::routes))
        .route(Scope::Read, "/api/v1/nodes/{node}/config", get(config::config))
        .route(Scope::Read, "/api/v1/nodes/{node}/config/check", get(config::config_check))
        .route_for_peers(Scope::Read, "/api/v1/links", get(lists::links))
        .route(Scope::Read, "/api/v1/links/{id}/history", get(history::link_history))
        .route(Scope::Read, "/api/v1/history", get(history::history))
        .route_for_peers(Scope::Read, "/api/v1/events", get(lists::events))
        .route_for_peers(Scope::Read, "/api/v1/money", get(money::money))
        .route_for_peers(Scope::Read, "/api/v1/explain", get(explain::explain))
        .route_for_peers(Scope::Packets, "/api/v1/packets", get(packet_lists::packets))
        .route_for_peers(Scope::Packets, "/api/v1/packets/{id}", get(packet_lists::packet))
        .route(Scope::Audit, "/api/v1/audit", get(audit::audit))
        .route(Scope::Read, "/api/v1/overrides", get(verbs::overrides))
        .route(Scope::Operate, "/api/v1/overrides/{id}", delete(verbs::undo))
        .route(Scope::Operate, "/api/v1/nodes/{node}/peers/{peer}/suspend", post(verbs::suspend))
        .route(Scope::Operate, "/api/v1/nodes/{node}/peers/{peer}/resume", post(verbs::resume))
        .route(
            Scope::Operate,
            "/api/v1/nodes/{node}/peers/{peer}/reconnect",
            post(verbs::reconnect),
        )
        .route(Scope::Operate, "/api/v1/nodes/{node}/log-level", post(verbs::set_log_level))
        .route_for_peers(Scope::Read, "/api/v1/reasons", get(packet_lists::reasons))
        .route_for_peers(Scope::Read, "/api/v1/stream", get(stream::get_stream))
        .finish()
}
