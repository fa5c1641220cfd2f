//! The counters of Rejects as plain values.

use super::core::Connector;
use super::refusal::Refusal;
use super::snapshot::Snapshot;
use crate::account::AccountId;
use crate::link::Slot;
use crate::wire::Timestamp;

/// How many Rejects had one reason, one code, and one pair of accounts, since the start of the process.
#[derive(Clone, Debug)]
pub struct RejectCount {
    /// Why this node rejected the last of them, in a flood the last one that was kept; `None`: the Rejects came from
    /// the next hop. All of them have one [`Refusal::kind`], but not the same text.
    pub refusal: Option<Refusal>,
    /// The error code; `other`: codes without a name.
    pub code: &'static str,
    /// The account that the packets came from; `None`: the node itself.
    pub from: Option<AccountId>,
    /// The account that the packets were sent to, if they were.
    pub to: Option<AccountId>,
    /// Whether this sums up accounts that are too many for counters of their own; then `from` and `to` are `None`.
    pub is_summed: bool,
    /// Rejects.
    pub count: u64,
    /// When the last one was made or passed back.
    pub last_at: Timestamp,
}

impl Connector {
    /// All Rejects since the start, counted by reason, code and accounts; in no order. They are complete, unlike the
    /// Rejects that are kept.
    pub fn reject_counts(&self) -> Vec<RejectCount> {
        let counters = self.rejects.counters();
        let snapshot = self.snapshot.load();
        let counts = counters.into_iter().map(|(key, counter, is_summed)| RejectCount {
            refusal: counter.refusal,
            code: key.code,
            from: account_id(&snapshot, key.from),
            to: account_id(&snapshot, key.to),
            is_summed,
            count: counter.count,
            last_at: counter.last_at,
        });
        counts.collect()
    }
}

fn account_id(snapshot: &Snapshot, account: Slot) -> Option<AccountId> {
    snapshot.entry(account).map(|entry| entry.account.id().clone())
}
