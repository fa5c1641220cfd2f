//! A batch of packets, and the values that its steps pass on to each other.

use std::sync::Arc;

use arc_swap::Guard;

use super::account::Account;
use super::core::Connector;
use super::cuts::Turn;
use super::packet_observers::PacketObservers;
use super::snapshot::Snapshot;
use crate::account::AccountSettings;
use crate::link::{CutNumber, Pending, RequestedBy, SessionId, Slot};
use crate::time::Now;
use crate::wire::btp::RequestId;
use crate::wire::{Amount, Timestamp};

/// One batch of packets: the snapshot and the clocks are read once for all of them.
pub struct Batch<'a> {
    pub(super) connector: &'a Connector,
    pub(super) snapshot: Guard<Arc<Snapshot>>,
    pub(super) observers: Guard<Option<Arc<PacketObservers>>>,
    pub(super) now: Now,
    /// The cut that must be durable before packets of this batch that move money leave.
    pub(super) after: CutNumber,
    /// With a store, no cut is taken during a batch.
    pub(super) _turn: Option<Turn<'a>>,
}

impl Batch<'_> {
    /// What a packet of this amount waits for: one without money waits for nothing.
    pub(super) fn cut_before(&self, amount: Amount) -> CutNumber {
        if amount == Amount::ZERO { CutNumber::NONE } else { self.after }
    }

    /// The settings of an account in this batch's snapshot.
    pub fn settings(&self, account: &Account) -> Option<&AccountSettings> {
        self.snapshot.entry(account.slot()).map(|entry| &entry.settings)
    }
}

/// A Prepare from a peer, and what the peer's account holds until the answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct IncomingRequest {
    pub(super) account: Slot,
    pub(super) session: SessionId,
    pub(super) request_id: RequestId,
    /// How often the Prepare counts among the account's packets in flight: 0 before admission, 2 for an echo.
    pub(super) weight: u8,
    /// Held on the account's ledger.
    pub(super) held: Amount,
}

impl IncomingRequest {
    /// `None`: the node itself sent the Prepare.
    pub(super) fn from_pending(pending: &Pending) -> Option<Self> {
        match pending.requested_by {
            RequestedBy::Peer { account, session, request_id, weight, .. } => {
                let held = pending.incoming_amount;
                Some(Self { account, session, request_id, weight, held })
            }
            RequestedBy::Own(_) => None,
        }
    }
}

/// What this hop changes in a Prepare.
///
/// RFC 27 "ILP Prepare": a connector changes only amount and expiry; condition, destination and data stay as they are.
/// [rows 14, 15, 18]
#[derive(Clone, Copy, Debug)]
pub(super) struct OutgoingTerms {
    pub(super) amount: Amount,
    pub(super) expires_at: Timestamp,
}
