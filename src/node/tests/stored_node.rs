//! The parts of a node with a store, for tests of single tasks.

use std::future::poll_fn;
use std::path::PathBuf;
use std::sync::Arc;

use tempfile::TempDir;

use crate::account::AccountId;
use crate::api::{NodeStatus, Observer};
use crate::connector::Connector;
use crate::net::{Clock, TransportSettings};
use crate::node::task::AbortOnDrop;
use crate::peers::NodeContext;
use crate::routing::HashSeed;
use crate::store::{Store, StoreHandle, StoreIdentity, StoreWorker};
use crate::testing::connector_settings;

/// Node b, whose peer is c. The thread of its store does not run yet.
pub(in crate::node) struct StoredNode {
    /// Removed when this is dropped.
    pub(in crate::node) directory: TempDir,
    pub(in crate::node) file: PathBuf,
    pub(in crate::node) worker: StoreWorker,
    pub(in crate::node) store: StoreHandle,
    pub(in crate::node) context: Arc<NodeContext>,
    pub(in crate::node) status: Arc<NodeStatus>,
}

impl StoredNode {
    pub(in crate::node) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("b.db");
        let node: AccountId = "b".parse().unwrap();
        let identity = StoreIdentity { node: Some(node) };
        let opened = Store::open(&file.clone().into(), &identity, Clock::start());
        let (store, books) = opened.unwrap();
        let (worker, store) = StoreWorker::new(store);
        let settings = connector_settings("b", &["c"]);
        let connector = Connector::with_books(settings, HashSeed::Fixed(1), books).unwrap();
        let context = NodeContext::new(connector, Clock::start(), TransportSettings::default());
        let context = context.unwrap();
        let status = NodeStatus::new(Arc::clone(&context), Observer::new()).unwrap();
        Self { directory, file, worker, store, context, status }
    }
}

/// Saves the next cut, when something is in it.
pub(in crate::node) async fn save_cut(store: &StoreHandle, context: &NodeContext) {
    let connector = &context.connector;
    poll_fn(|cx| connector.poll_changed(cx)).await;
    let cut = connector.take_cut(context.clock.now().wall).unwrap();
    let number = cut.number;
    let (events, deliveries) = (&cut.records().events, &cut.records().deliveries);
    let has_events = !events.is_empty() || !deliveries.is_empty();
    store.write(cut).await.unwrap();
    connector.publish_durable(number);
    if has_events {
        context.saved_events.send_replace(number);
    }
}

/// Saves cuts as they come, until this is dropped.
pub(in crate::node) fn save_cuts(store: StoreHandle, context: &Arc<NodeContext>) -> AbortOnDrop {
    let context = Arc::clone(context);
    AbortOnDrop::spawn(async move {
        loop {
            save_cut(&store, &context).await;
        }
    })
}
