//! What receivers got, by STREAM connection, for the store. The packets of a payment arrive one by one, and an operator
//! wants to know which payment it was. Receipts (RFC 39) say what a stream has received, so a connection with receipts
//! has one total for each stream; without a store, only such connections have totals.
//!
//! Anyone may make up connections, so their number is bounded: the one that was silent for longest is added to a sum.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::account::{AccountId, Asset};
use crate::books::{PaymentKey, ReceivedPayment};
use crate::link::CutNumber;
use crate::wire::{Amount, Timestamp};

/// Connections of one receiver in one asset that are kept one by one.
const CONNECTIONS_MAX: usize = 1_000;
/// Bytes of a connection's id; ours have at most 24. What arrives on longer ones is only in the sum.
const CONNECTION_ID_BYTES_MAX: usize = 64;
/// A payment is announced once no packet has arrived for this time, and one that goes on, each time that it has gone on
/// for so long.
const QUIET: Duration = Duration::from_secs(2);
const GOES_ON: Duration = Duration::from_secs(60);
/// The sum of what is not kept one by one.
const SUM: &str = "";

/// Packets of one connection.
#[derive(Clone, Copy, Debug, Default)]
struct Total {
    packets: u64,
    amount: i128,
    /// The part of the amount that events have announced.
    announced: i128,
    last_at: Timestamp,
    /// The store does not have it in this state.
    is_changed: bool,
    /// The first packet that is not announced, if there is one. Then [`State::unannounced`] has its key.
    waits_since: Option<Timestamp>,
}

type Totals = HashMap<Arc<str>, Total>;

/// The totals of all receivers that ever got something.
#[derive(Debug, Default)]
pub(super) struct ReceivedPayments {
    state: Mutex<State>,
    /// Whether no store saves them.
    is_in_memory: bool,
}

#[derive(Debug, Default)]
struct State {
    receivers: HashMap<AccountId, HashMap<Asset, Totals>>,
    /// Those whose total has changed since the last cut.
    changed: Vec<PaymentKey>,
    /// Those with an amount that is not announced. Some may be in a sum by now. A connection may come and go often
    /// before it is announced, so each is here once.
    unannounced: BTreeSet<PaymentKey>,
    /// What was added to a sum, with the first cut that has it. Later cuts repeat it until one is durable.
    summed_up: Vec<(CutNumber, PaymentKey)>,
}

/// What an event announces of a payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Announced {
    pub(super) key: PaymentKey,
    /// What no earlier event has announced.
    pub(super) news: i128,
    /// All of it.
    pub(super) amount: i128,
    pub(super) packets: u64,
}

/// What a cut has of them.
#[derive(Debug, Default)]
pub(super) struct ChangedPayments {
    pub(super) payments: Vec<ReceivedPayment>,
    pub(super) summed_up: Vec<PaymentKey>,
}

impl ReceivedPayments {
    /// Goes on with what the store has.
    pub(super) fn new(saved: Vec<ReceivedPayment>) -> Self {
        let mut state = State::default();
        for ReceivedPayment { key, packets, amount, announced, last_at } in saved {
            let Ok(receiver) = key.receiver.parse::<AccountId>() else { continue };
            let waits_since = (announced != amount).then_some(last_at);
            if waits_since.is_some() {
                state.unannounced.insert(key.clone());
            }
            let totals = state.receivers.entry(receiver).or_default().entry(key.asset).or_default();
            let total =
                Total { packets, amount, announced, last_at, is_changed: false, waits_since };
            totals.insert(key.connection, total);
        }
        Self { state: Mutex::new(state), is_in_memory: false }
    }

    /// For a node without a store. They begin at zero with each start.
    pub(super) fn in_memory() -> Self {
        Self { state: Mutex::default(), is_in_memory: true }
    }

    /// A receiver has got a packet. `next` is the next cut. Returns the total of the connection; it begins again if it
    /// was added to the sum since.
    pub(super) fn note(
        &self,
        (receiver, asset): (&AccountId, &Asset),
        connection: &str,
        amount: Amount,
        at: Timestamp,
        next: CutNumber,
    ) -> i128 {
        let state = &mut *self.state.lock();
        if amount == Amount::ZERO {
            return state.total(receiver, asset, connection);
        }
        let id = if connection.len() > CONNECTION_ID_BYTES_MAX { SUM } else { connection };
        let (packets, amount, last_at) = (1, i128::from(amount.0), at);
        let packet = Total { packets, amount, last_at, ..Total::default() };
        state.add((receiver, asset), id, packet, next);
        if self.is_in_memory {
            state.changed.clear();
            state.summed_up.clear();
            state.unannounced.clear();
        }
        state.total(receiver, asset, id)
    }

    /// Those that have changed since the last cut.
    pub(super) fn take_changed(&self) -> ChangedPayments {
        let state = &mut *self.state.lock();
        if state.changed.is_empty() && state.summed_up.is_empty() {
            return ChangedPayments::default();
        }
        let mut payments = Vec::with_capacity(state.changed.len());
        for key in std::mem::take(&mut state.changed) {
            // It may have been added to a sum since. If it has come back, it is named twice.
            let Some(total) = state.find(&key).filter(|total| total.is_changed) else { continue };
            let Total { packets, amount, announced, last_at, .. } = *total;
            total.is_changed = false;
            payments.push(ReceivedPayment { key, packets, amount, announced, last_at });
        }
        let summed_up: Vec<_> = state.summed_up.iter().map(|(_, key)| key.clone()).collect();
        // One of them may have come back, and is a row of its own again.
        let summed_up = summed_up.into_iter().filter(|key| state.find(key).is_none());
        ChangedPayments { payments, summed_up: summed_up.collect() }
    }

    /// Announces what has arrived, at most `max` payments, the others later. The next cut has that they are announced.
    pub(super) fn announce(&self, now: Timestamp, max: usize) -> Vec<Announced> {
        let state = &mut *self.state.lock();
        let mut announced = Vec::new();
        for key in std::mem::take(&mut state.unannounced) {
            let Some(total) = state.find(&key) else { continue };
            let Some(waits_since) = total.waits_since else { continue };
            let is_due = |since: Timestamp, wait: Duration| since.saturating_add(wait) <= now;
            let is_over = is_due(total.last_at, QUIET) || is_due(waits_since, GOES_ON);
            if !is_over || announced.len() >= max {
                state.unannounced.insert(key);
                continue;
            }
            let news = total.amount.saturating_sub(total.announced);
            (total.announced, total.waits_since) = (total.amount, None);
            let Total { packets, amount, .. } = *total;
            if !std::mem::replace(&mut total.is_changed, true) {
                state.changed.push(key.clone());
            }
            announced.push(Announced { key, news, amount, packets });
        }
        announced
    }

    /// At most `max` totals after a key, in the order of receiver, asset and connection; of one receiver, or of all.
    /// The lock, which packets to receivers need, is held for the connections of one receiver at a time.
    pub(super) fn list(
        &self,
        receiver: Option<&str>,
        after: Option<&PaymentKey>,
        max: usize,
    ) -> Vec<ReceivedPayment> {
        let is_wanted = |id: &&AccountId| receiver.is_none_or(|wanted| wanted == id.as_str());
        let mut ids: Vec<AccountId> =
            self.state.lock().receivers.keys().filter(is_wanted).cloned().collect();
        ids.sort_unstable();
        let mut found = Vec::new();
        for id in ids.iter().filter(|id| after.is_none_or(|after| *id.as_str() >= *after.receiver))
        {
            let mut of_one = self.state.lock().payments_of(id);
            of_one.sort_unstable_by(|a, b| a.key.cmp(&b.key));
            found.extend(
                of_one.into_iter().filter(|payment| after.is_none_or(|after| payment.key > *after)),
            );
            if found.len() >= max {
                found.truncate(max);
                break;
            }
        }
        found
    }

    /// All cuts up to this one are durable.
    pub(super) fn forget_saved(&self, cut: CutNumber) {
        self.state.lock().summed_up.retain(|(first, _)| *first > cut);
    }

    /// The next cut has all of them.
    pub(super) fn note_all(&self) {
        let State { receivers, changed, .. } = &mut *self.state.lock();
        for (receiver, assets) in receivers {
            for (asset, totals) in assets {
                for (connection, total) in totals.iter_mut().filter(|(_, one)| !one.is_changed) {
                    total.is_changed = true;
                    changed.push(key_of((receiver, asset), connection));
                }
            }
        }
        // Rows of a cut have one order, so that the same payments make the same file.
        changed.sort_unstable();
    }
}

impl State {
    fn add(&mut self, of: (&AccountId, &Asset), connection: &str, more: Total, next: CutNumber) {
        let (receiver, asset) = of;
        let known = self.receivers.get_mut(receiver).and_then(|assets| assets.get_mut(asset));
        if let Some(total) = known.and_then(|totals| totals.get_mut(connection)) {
            if total.add(more) {
                self.changed.push(key_of(of, connection));
            }
            if total.begins_to_wait(more.last_at) {
                self.unannounced.insert(key_of(of, connection));
            }
            return;
        }
        let assets = self.receivers.entry(receiver.clone()).or_default();
        let totals = assets.entry(asset.clone()).or_default();
        let oldest = if connection == SUM { None } else { take_oldest(totals) };
        let mut total = Total { is_changed: true, waits_since: None, ..more };
        if total.begins_to_wait(more.last_at) {
            self.unannounced.insert(key_of(of, connection));
        }
        totals.insert(connection.into(), total);
        self.changed.push(key_of(of, connection));
        if let Some((id, total)) = oldest {
            self.summed_up.push((next, key_of(of, &id)));
            self.add(of, SUM, total, next);
        }
    }

    fn total(&self, receiver: &AccountId, asset: &Asset, connection: &str) -> i128 {
        let totals = self.receivers.get(receiver).and_then(|assets| assets.get(asset));
        let total = totals.and_then(|totals| totals.get(connection));
        total.map_or(0, |total| total.amount)
    }

    fn payments_of(&self, receiver: &AccountId) -> Vec<ReceivedPayment> {
        let assets = self.receivers.get(receiver).into_iter().flatten();
        let totals = assets.flat_map(|(asset, totals)| totals.iter().map(move |one| (asset, one)));
        let payment =
            |(asset, (connection, total)): (&Asset, (&Arc<str>, &Total))| ReceivedPayment {
                key: key_of((receiver, asset), connection),
                packets: total.packets,
                amount: total.amount,
                announced: total.announced,
                last_at: total.last_at,
            };
        totals.map(payment).collect()
    }

    fn find(&mut self, key: &PaymentKey) -> Option<&mut Total> {
        let assets = self.receivers.get_mut(&*key.receiver)?;
        assets.get_mut(&key.asset)?.get_mut(&key.connection)
    }
}

impl Total {
    /// Returns whether it was unchanged until now.
    fn add(&mut self, more: Self) -> bool {
        self.packets = self.packets.saturating_add(more.packets);
        self.amount = self.amount.saturating_add(more.amount);
        self.announced = self.announced.saturating_add(more.announced);
        self.last_at = self.last_at.max(more.last_at);
        !std::mem::replace(&mut self.is_changed, true)
    }

    /// Whether an amount waits from now on, and none did before.
    fn begins_to_wait(&mut self, at: Timestamp) -> bool {
        let begins = self.waits_since.is_none() && self.announced != self.amount;
        if begins {
            self.waits_since = Some(at);
        }
        begins
    }
}

fn key_of((receiver, asset): (&AccountId, &Asset), connection: &str) -> PaymentKey {
    let (receiver, asset) = (receiver.into(), asset.clone());
    PaymentKey { receiver, asset, connection: connection.into() }
}

/// If there is no room for another connection, removes the one that was silent for longest.
fn take_oldest(totals: &mut Totals) -> Option<(Arc<str>, Total)> {
    let kept = totals.len() - usize::from(totals.contains_key(SUM));
    if kept < CONNECTIONS_MAX {
        return None;
    }
    let kept = totals.iter().filter(|(id, _)| &***id != SUM);
    let (oldest, _) = kept.min_by_key(|(id, total)| (total.last_at, *id))?;
    let oldest = Arc::clone(oldest);
    totals.remove(&oldest).map(|total| (oldest, total))
}

#[cfg(test)]
mod tests;
