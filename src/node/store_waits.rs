//! What the tasks wait for that book something and answer when it is saved: bounded, or until the store fails.

use std::error::Error;
use std::future::poll_fn;
use std::time::Duration;

use tokio::time::timeout;

use crate::api::NodeStatus;
use crate::connector::Connector;
use crate::link::CutNumber;
use crate::net::error_chain;

/// How long the store may take to look something up.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);

/// What the store has found, or why it cannot say.
pub(super) async fn look_up<T, E: Error>(
    lookup: impl Future<Output = Result<T, E>>,
) -> Result<T, String> {
    match timeout(LOOKUP_TIMEOUT, lookup).await {
        Ok(found) => found.map_err(|error| error_chain(&error)),
        Err(_) => Err(format!("it has not answered for {LOOKUP_TIMEOUT:?}")),
    }
}

/// Waits until a cut is durable, or the store fails, and returns why. A cut that takes long counts as a failure.
pub(super) async fn wait_durable(
    cut: CutNumber,
    connector: &Connector,
    status: &NodeStatus,
) -> Result<(), String> {
    let mut failures = status.watch_store_failure();
    tokio::select! {
        biased;
        () = poll_fn(|cx| connector.poll_durable(cut, cx)) => Ok(()),
        failure = failures.wait_for(Option::is_some) => {
            let failure = failure.ok().and_then(|failure| failure.clone());
            Err(failure.unwrap_or_else(|| "the node stops".to_owned()))
        }
    }
}
