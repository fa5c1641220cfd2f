//! What is asked of a store about the deliveries of events.

use std::sync::Arc;

use crate::books::DeliveryState;
use crate::wire::Timestamp;

/// The first deliveries to a webhook in a state that are due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryQuery {
    /// The id of the webhook.
    pub hook: Arc<str>,
    /// The state.
    pub state: DeliveryState,
    /// Those that are due by then.
    pub due_by: Timestamp,
    /// At most so many.
    pub max: u32,
    /// Whether all deliveries of the webhook are counted, which takes a while.
    pub counts_all: bool,
}
