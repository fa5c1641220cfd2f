//! Has deliveries tried now that wait for a later attempt, or that are not tried any more.

use std::sync::Arc;

use crate::books::{DeliveryState, EventDelivery};
use crate::node::store_waits::look_up;
use crate::peers::NodeContext;
use crate::store::{DeliveryQuery, StoreHandle};
use crate::wire::Timestamp;

/// Deliveries that one call makes due.
const TRIED_MAX: u32 = 1_000;

/// Makes deliveries to a webhook due now, as if none had been tried: those of this state, but for those that are due.
/// One that was given up is tried for as long as a new one. Returns how many there are.
///
/// # Errors
/// Why the store cannot say.
pub(in crate::node) async fn try_now(
    hook: &Arc<str>,
    state: DeliveryState,
    store: &StoreHandle,
    context: &NodeContext,
) -> Result<usize, String> {
    let query = DeliveryQuery {
        hook: Arc::clone(hook),
        state,
        due_by: Timestamp::MAX,
        max: TRIED_MAX,
        counts_all: false,
    };
    // Before the store is asked: what is durable by then, it knows.
    let unsaved = context.connector.unsaved_deliveries(hook);
    let found = look_up(store.find_deliveries(query)).await?.found;
    let now = context.clock.now().wall;
    let latest =
        found.into_iter().map(|(row, event)| unsaved.get(&event.id).cloned().unwrap_or(row));
    let waits = |one: &EventDelivery| {
        one.state == state && (state != DeliveryState::Pending || one.due > now)
    };
    let mut tried = 0;
    for old in latest.filter(waits) {
        let new = EventDelivery::new(old.event, old.hook, now);
        let since = if state == DeliveryState::Pending { old.since } else { now };
        context.connector.note_delivery(EventDelivery { since, ..new });
        tried += 1;
    }
    Ok(tried)
}
