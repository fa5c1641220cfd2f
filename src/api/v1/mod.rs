//! `/api/v1`: nodes, links, events and packets as JSON, and a stream of them.
//!
//! One [`Observer`] of the process knows all its nodes. A node's own listener shows a view of this node; the listener
//! of `up` ([`NetworkApi`](super::NetworkApi)) shows all nodes, and the listener of `watch`
//! ([`WatchApi`](super::WatchApi)) nodes that run elsewhere. Requests that change something are in `verbs`, `lab` and
//! `probes`; all others only read. While no client has a stream, no packet is sampled, and no stream of a node
//! elsewhere is open.

mod access;
mod answers;
mod audit;
mod books;
mod config;
mod events;
mod exchange_rates;
mod explain;
mod forward;
mod guard;
mod history;
mod lab;
mod ledger;
mod limits;
mod lists;
mod log;
mod money;
mod observer;
mod openapi;
mod packet_lists;
mod packets;
mod page_access;
mod payments;
mod probes;
mod query;
mod remote_nodes;
mod remote_streams;
mod sample;
mod settlements;
mod stream;
mod streams;
mod verb_body;
mod verbs;
mod watch;
mod webhooks;

use std::sync::{Arc, LazyLock};

use axum::Router;
use utoipa_axum::routes;

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
        let lab = self.has_lab().then_some("lab");
        lab.into_iter().chain(["probes", "settlements", "books"]).map(str::to_owned).collect()
    }

    /// The lab breaks whole nodes, so it is not on the pages of one of them.
    fn has_lab(&self) -> bool {
        self.view == ApiView::Network && self.observer.lab().is_some()
    }
}

pub(super) fn router(v1: Arc<V1>) -> Router {
    OPERATIONS.for_listener(v1)
}

/// All operations, which are the same for each listener. [`openapi`] describes them from here.
static OPERATIONS: LazyLock<ApiRouter> = LazyLock::new(|| {
    ApiRouter::new()
        .route_for_peers(Scope::Read, routes!(lists::top))
        .route_for_peers(Scope::Read, routes!(lists::nodes))
        .route_for_peers(Scope::Read, routes!(lists::node))
        .route(Scope::Read, routes!(lists::routes))
        .route(Scope::Read, routes!(config::config))
        .route(Scope::Read, routes!(config::config_check))
        .route(Scope::Packets, routes!(log::log))
        .route_for_peers(Scope::Read, routes!(lists::links))
        .route(Scope::Read, routes!(history::link_history))
        .route(Scope::Read, routes!(history::history))
        .route_for_peers(Scope::Read, routes!(lists::events))
        .route_for_peers(Scope::Read, routes!(money::money))
        .route(Scope::Read, routes!(exchange_rates::exchange_rates))
        .route(Scope::Operate, routes!(exchange_rates::accept))
        .route_for_peers(Scope::Read, routes!(explain::explain))
        .route_for_peers(Scope::Packets, routes!(packet_lists::packets))
        .route_for_peers(Scope::Packets, routes!(packet_lists::packet))
        .route_for_peers(Scope::Read, routes!(packet_lists::reasons))
        .route_for_peers(Scope::Read, routes!(stream::get_stream))
        .route(Scope::Operate, routes!(probes::post_probe))
        .route(Scope::Audit, routes!(audit::audit))
        .route(Scope::Read, routes!(verbs::overrides))
        .route(Scope::Operate, routes!(verbs::undo))
        .route(Scope::Operate, routes!(verbs::suspend))
        .route(Scope::Operate, routes!(verbs::resume))
        .route(Scope::Operate, routes!(verbs::reconnect))
        .route(Scope::Operate, routes!(verbs::reconcile))
        .route(Scope::Operate, routes!(verbs::set_log_level))
        .route(Scope::Read, routes!(settlements::settlements))
        .route(Scope::Operate, routes!(settlements::record_settlement))
        .route(Scope::Operate, routes!(settlements::pause))
        .route(Scope::Operate, routes!(settlements::resume))
        .route(Scope::Operate, routes!(settlements::retry))
        .route(Scope::Operate, routes!(ledger::change_balance))
        .route(Scope::Read, routes!(books::income))
        .route(Scope::Read, routes!(books::saved_events))
        .route(Scope::Packets, routes!(payments::payments))
        .route(Scope::Read, routes!(webhooks::webhooks))
        .route(Scope::Operate, routes!(webhooks::test))
        .route(Scope::Operate, routes!(webhooks::retry))
        .route(Scope::Read, routes!(lab::handlers::get_lab))
        .route(Scope::Operate, routes!(lab::handlers::post_lab))
        .route(Scope::Operate, routes!(lab::handlers::undo))
        .route_for_peers(Scope::Read, routes!(openapi::document))
});
