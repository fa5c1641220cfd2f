//! How a loop that dials one peer is stopped.

use tokio::sync::watch;

use super::ended::GOING_AWAY;
use crate::link::CloseOrder;

/// Stops what dials a peer. Dropping it does so too.
#[derive(Debug)]
pub struct DialHandle(watch::Sender<Option<CloseOrder>>);

/// The other end of a [`DialHandle`].
#[derive(Debug)]
pub struct DialOrders(watch::Receiver<Option<CloseOrder>>);

impl DialHandle {
    /// A handle, and what hears it.
    pub fn new() -> (Self, DialOrders) {
        let (sender, orders) = watch::channel(None);
        (Self(sender), DialOrders(orders))
    }

    /// Ends the session, if there is one, with this close frame, and dials no more.
    pub fn stop(&self, code: u16, reason: &'static str) {
        self.0.send_replace(Some(CloseOrder { code, reason }));
    }
}

impl DialOrders {
    /// Waits for the order to stop.
    pub async fn stop(&mut self) -> CloseOrder {
        match self.0.wait_for(Option::is_some).await {
            Ok(order) => *order,
            // The handle was dropped.
            Err(_) => None,
        }
        .unwrap_or(CloseOrder { code: GOING_AWAY, reason: "going away" })
    }
}
