//! What the packet path reads: immutable, swapped whole by a reload.

use std::collections::HashMap;
use std::sync::Arc;

use super::account::Account;
use super::own_account::OwnAccount;
use crate::account::{AccountId, AccountSettings, Conversion};
use crate::link::Slot;
use crate::local::PingSettings;
use crate::routing::RouteTable;
use crate::wire::{Address, Scheme, Timestamp};

/// One configuration in force.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) node_id: AccountId,
    /// The own address, once known.
    pub(super) address: Option<Address>,
    /// What the node signs its Rejects with: its address, or a stand-in while it has none (never empty, as
    /// interledger-rs cannot read that).
    pub(super) triggered_by: Address,
    pub(super) scheme: Scheme,
    pub(super) table: RouteTable,
    /// By slot. Accounts that a reload removed stay, suspended, for their balance and their packets in flight.
    pub(super) entries: Vec<AccountEntry>,
    /// Factors between different assets, by their numbers. A missing one means that there is no rate.
    pub(super) conversions: HashMap<(AssetNumber, AssetNumber), Conversion>,
    /// `Timing` in whole milliseconds, in which packets count: no division on their way.
    pub(super) message_window_ms: u64,
    pub(super) max_hold_ms: u64,
    pub(super) ping: PingSettings,
    /// The receiver that was configured first: who asks for the node itself pays it.
    pub(super) first_receiver: Option<Slot>,
}

/// An asset's place among the node's different assets.
pub(super) type AssetNumber = u32;

/// A packet does not leave enough time for the rest of its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooLittleTime {
    pub(super) left_ms: u64,
    pub(super) needed_ms: u64,
}

/// One account as configured now.
#[derive(Clone, Debug)]
pub(super) struct AccountEntry {
    pub(super) account: Arc<Account>,
    pub(super) settings: AccountSettings,
    pub(super) asset: AssetNumber,
    /// The node's own account of the same asset.
    pub(super) own_account: Arc<OwnAccount>,
    /// The configuration no longer names the peer.
    pub(super) removed: bool,
}

impl AccountEntry {
    /// Whether packets from and to the peer are served.
    pub(super) fn is_served(&self) -> bool {
        self.settings.enabled && !self.removed
    }

    /// Whether packets can go there now. A receiver is inside this node, and so always there.
    pub(super) fn is_reachable(&self) -> bool {
        self.is_served() && (self.settings.is_receiver() || self.account.is_connected())
    }
}

impl Snapshot {
    /// The same configuration with another table.
    pub(super) fn with_table(&self, table: RouteTable) -> Snapshot {
        Snapshot {
            node_id: self.node_id.clone(),
            address: self.address.clone(),
            triggered_by: self.triggered_by.clone(),
            scheme: self.scheme,
            table,
            entries: self.entries.clone(),
            conversions: self.conversions.clone(),
            message_window_ms: self.message_window_ms,
            max_hold_ms: self.max_hold_ms,
            ping: self.ping,
            first_receiver: self.first_receiver,
        }
    }

    pub(super) fn entry(&self, slot: Slot) -> Option<&AccountEntry> {
        self.entries.get(slot.0 as usize)
    }

    /// The factor between two accounts; `None` = no rate.
    pub(super) fn conversion(&self, from: &AccountEntry, to: &AccountEntry) -> Option<Conversion> {
        if from.asset == to.asset {
            return Some(Conversion::Identity);
        }
        self.conversions.get(&(from.asset, to.asset)).copied()
    }

    /// The expiry at the next hop, or how much time there was and how much it takes.
    pub(super) fn outgoing_expiry(
        &self,
        incoming: Timestamp,
        now: Timestamp,
    ) -> Result<Timestamp, TooLittleTime> {
        let window_ms = self.message_window_ms;
        let latest = now.saturating_add_millis(self.max_hold_ms);
        let outgoing = incoming.saturating_sub_millis(window_ms).min(latest);
        if outgoing.millis_since(now) < window_ms {
            let left_ms = incoming.millis_since(now);
            return Err(TooLittleTime { left_ms, needed_ms: window_ms.saturating_mul(2) });
        }
        Ok(outgoing)
    }
}
