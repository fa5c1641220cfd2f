//! The immutable configuration that the packet path reads. A reload swaps it whole.

use std::collections::HashMap;
use std::sync::Arc;

use super::account::Account;
use super::asset_table::{PriceDetail, Prices};
use super::own_account::OwnAccount;
use super::refusal::{NextHopFailure, Refusal};
use crate::account::{AccountId, AccountSettings, Conversion};
use crate::link::Slot;
use crate::local::PingSettings;
use crate::routing::RouteTable;
use crate::wire::{Address, Scheme, Timestamp};

/// One configuration in force.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) node_id: AccountId,
    /// The node's own address, once known.
    pub(super) address: Option<Address>,
    /// `triggeredBy` of the node's own Rejects: its address, or a stand-in while it has none.
    pub(super) triggered_by: Address,
    pub(super) scheme: Scheme,
    pub(super) table: Arc<RouteTable>,
    /// By slot. Accounts that a reload removed stay, suspended, because of their balance and their packets in flight.
    pub(super) entries: Arc<[AccountEntry]>,
    pub(super) accounts_by_id: Arc<HashMap<AccountId, Arc<Account>>>,
    /// Factors between different assets, and what else is known about them.
    pub(super) prices: Prices,
    /// `Timing` in milliseconds, as timestamps of packets are: this saves divisions on the packet path.
    pub(super) message_window_ms: u64,
    pub(super) max_hold_time_ms: u64,
    pub(super) ping: PingSettings,
    /// The receiver that was configured first. Payments to the node that name no receiver go there.
    pub(super) first_receiver: Option<Slot>,
}

/// Numbers the different assets of a node, and the peers with a spread of their own, from 0.
pub(super) type AssetIndex = usize;

/// A packet leaves too little time for the rest of its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooLittleTime {
    pub(super) left_ms: u64,
    pub(super) needed_ms: u64,
}

/// One account and its settings in this snapshot.
#[derive(Clone, Debug)]
pub(super) struct AccountEntry {
    pub(super) account: Arc<Account>,
    pub(super) settings: AccountSettings,
    /// The asset that packets to the account are converted to.
    pub(super) asset: AssetIndex,
    /// What packets from the account are converted from: the same, unless the peer has a spread of its own.
    pub(super) payer: AssetIndex,
    /// The node's own account of the same asset.
    pub(super) own_account: Arc<OwnAccount>,
    /// Whether a reload removed the peer.
    pub(super) removed: bool,
}

impl AccountEntry {
    /// Whether packets from and to the peer are served.
    pub(super) fn is_served(&self) -> bool {
        self.settings.enabled && !self.removed
    }

    /// Why packets from the peer are not served.
    pub(super) fn suspension(&self) -> Refusal {
        match self.suspended_until() {
            Some(until) => Refusal::SuspendedByOperator { until },
            None => Refusal::Suspended,
        }
    }

    /// Why packets cannot be sent there.
    pub(super) fn unreachability(&self) -> NextHopFailure {
        match self.suspended_until() {
            Some(until) => NextHopFailure::Suspended { until },
            None => NextHopFailure::NotConnected,
        }
    }

    fn suspended_until(&self) -> Option<Timestamp> {
        self.settings.suspended_until.filter(|_| !self.settings.enabled && !self.removed)
    }

    /// Whether packets can be sent there now. A receiver is inside this node, so it is always connected.
    pub(super) fn is_reachable(&self) -> bool {
        self.is_served() && (self.settings.is_receiver() || self.account.is_connected())
    }
}

impl Snapshot {
    /// The same snapshot with another routing table.
    pub(super) fn with_table(&self, table: RouteTable) -> Self {
        self.with(Arc::new(table), self.prices.clone())
    }

    /// The same snapshot with other prices.
    pub(super) fn with_prices(&self, prices: Prices) -> Self {
        self.with(Arc::clone(&self.table), prices)
    }

    fn with(&self, table: Arc<RouteTable>, prices: Prices) -> Self {
        Self {
            node_id: self.node_id.clone(),
            address: self.address.clone(),
            triggered_by: self.triggered_by.clone(),
            scheme: self.scheme,
            table,
            entries: Arc::clone(&self.entries),
            accounts_by_id: Arc::clone(&self.accounts_by_id),
            prices,
            message_window_ms: self.message_window_ms,
            max_hold_time_ms: self.max_hold_time_ms,
            ping: self.ping,
            first_receiver: self.first_receiver,
        }
    }

    pub(super) fn entry(&self, slot: Slot) -> Option<&AccountEntry> {
        self.entries.get(slot.index())
    }

    /// The factor between two accounts; `None` = no rate.
    pub(super) fn conversion(&self, from: &AccountEntry, to: &AccountEntry) -> Option<Conversion> {
        if from.payer == to.asset {
            return Some(Conversion::Identity);
        }
        self.prices.conversions.get(&(from.payer, to.asset)).copied()
    }

    /// What is known about the price of one account's asset in the other's.
    pub(super) fn price_detail(
        &self,
        from: &AccountEntry,
        to: &AccountEntry,
    ) -> Option<&PriceDetail> {
        self.prices.details.get(&(from.asset, to.asset))
    }

    /// The expiry at the next hop.
    ///
    /// RFC 27 "ILP Packet Lifecycle": it is earlier than the incoming expiry, so that the answer can be passed back in
    /// time. [row 43] RFC 18 "Payments Griefing": no packet is held longer than the node's maximum. [row 44]
    /// RFC 27 "R__ - Relative Error": too little time for the rest of the way is R02. [row 45]
    pub(super) fn outgoing_expiry(
        &self,
        incoming: Timestamp,
        now: Timestamp,
    ) -> Result<Timestamp, TooLittleTime> {
        let window_ms = if planted!(ExpiryKept) { 0 } else { self.message_window_ms };
        let latest = now.saturating_add_millis(self.max_hold_time_ms);
        let outgoing = incoming.saturating_sub_millis(window_ms).min(latest);
        if outgoing.millis_since(now) < window_ms {
            let left_ms = incoming.millis_since(now);
            return Err(TooLittleTime { left_ms, needed_ms: window_ms.saturating_mul(2) });
        }
        Ok(outgoing)
    }
}
