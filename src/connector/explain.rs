//! What the node would do with a packet at this moment. It decides as the packet path does, step by step, and changes
//! nothing: no counter, no hold, no rate. So it cannot know whether the sender is above its rate, nor whether a share
//! of the next hop is reserved for others.

use super::batch::Batch;
use super::core::Connector;
use super::refusal::{AmountLimit, NextHopFailure, Refusal};
use super::report::RouteReport;
use super::snapshot::AccountEntry;
use crate::account::{AccountId, Ledger};
use crate::link::Slot;
use crate::local;
use crate::routing::ccp::RouteRequestError;
use crate::time::Now;
use crate::wire::ccp::RouteRequest;
use crate::wire::ilp::Prepare;
use crate::wire::{AddressRef, Amount, Scheme};

/// What the node would do with a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PacketExplanation {
    /// The decision.
    pub decision: PacketDecision,
    /// The prefix that matched, with all its next hops.
    pub route: Option<RouteReport>,
}

/// Where a packet would go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PacketDecision {
    /// The node would answer it.
    Own,
    /// The node would answer it as a request of its neighbour, if condition, expiry and data keep the rules of that
    /// protocol.
    PeerProtocol,
    /// A receiver inside the node would get it.
    Receiver {
        /// Its account.
        account: AccountId,
        /// In its units; `None`: the amount is not known.
        amount: Option<Amount>,
    },
    /// It would be forwarded.
    Forward {
        /// The account of the next hop.
        next_hop: AccountId,
        /// In its units; `None`: the amount is not known.
        amount: Option<Amount>,
    },
    /// It would be rejected.
    Refuse(Refusal),
}

impl Connector {
    /// What the node would do with a packet to `destination` now. `from`: the account that it comes from, and `amount`
    /// in its units. Without one, the node itself sends the packet, in units of the account that it goes to.
    pub fn explain_packet(
        &self,
        destination: AddressRef<'_>,
        from: Option<&AccountId>,
        amount: Option<Amount>,
        now: Now,
    ) -> PacketExplanation {
        let batch = self.start_batch(now);
        let route = self.matching_route(&batch.snapshot, destination);
        let decision = batch.explain_decision(destination, from, amount);
        PacketExplanation { decision: decision.unwrap_or_else(PacketDecision::Refuse), route }
    }
}

impl Batch<'_> {
    fn explain_decision(
        &self,
        destination: AddressRef<'_>,
        from: Option<&AccountId>,
        amount: Option<Amount>,
    ) -> Result<PacketDecision, Refusal> {
        let from = from.and_then(|id| self.snapshot.accounts_by_id.get(id.as_str()));
        let from: Option<(Slot, &AccountEntry)> =
            from.and_then(|account| Some((account.slot(), self.snapshot.entry(account.slot())?)));
        if let Some((_, entry)) = from {
            check_sender(entry, amount)?;
        }
        self.connector.admission.check(amount.unwrap_or(Amount::ZERO))?;
        if destination.scheme() == Scheme::Peer {
            self.check_peer_protocol(from, destination, amount.unwrap_or(Amount::ZERO))?;
            return Ok(PacketDecision::PeerProtocol);
        }
        match &self.snapshot.address {
            None => return Err(Refusal::NoAddressYet),
            Some(own) if own.view() == destination => {
                check_balance_of(from, amount)?;
                return Ok(PacketDecision::Own);
            }
            Some(_) => {}
        }
        let to = self.choose_next_hop(destination, from.map(|(slot, _)| slot))?;
        let amount_out = match (from, amount) {
            (Some((_, from)), Some(amount)) => Some(self.convert_amount(from, to, amount)?),
            // Without a price, no amount can be converted.
            (Some((_, from)), None) => {
                self.convert_amount(from, to, Amount::ZERO)?;
                None
            }
            (None, amount) => amount,
        };
        check_balance_of(from, amount)?;
        let account = to.account.id().clone();
        if to.settings.is_receiver() {
            if let (Some(received), Some(maximum)) =
                (amount_out, to.settings.limits.max_packet_amount)
                && received > maximum
            {
                let limit = AmountLimit::Receiver(account);
                return Err(Refusal::AmountTooLarge { received, maximum, limit });
            }
            return Ok(PacketDecision::Receiver { account, amount: amount_out });
        }
        check_next_hop(to, amount_out).map_err(|failure| failure.refusal_at(&account))?;
        Ok(PacketDecision::Forward { next_hop: account, amount: amount_out })
    }
}

impl Batch<'_> {
    /// Whether this node answers requests to `destination`, an address under `peer.`, and those of this account.
    pub(super) fn check_peer_protocol(
        &self,
        from: Option<(Slot, &AccountEntry)>,
        destination: AddressRef<'_>,
        amount: Amount,
    ) -> Result<(), Refusal> {
        let is_known = match destination {
            AddressRef::PEER_CONFIG | AddressRef::PEER_SETTLE => true,
            AddressRef::PEER_RECONCILE => !self.connector.own_books.is_hidden,
            _ => RouteRequest::is_at(destination),
        };
        if !is_known {
            return Err(Refusal::UnknownPeerProtocol);
        }
        let Some((slot, from)) = from else { return Ok(()) };
        if destination == AddressRef::PEER_SETTLE {
            return self.check_message(from, slot, amount).map_err(Refusal::Message);
        }
        let expires_at = self.now.wall.saturating_add_millis(1);
        let request = Prepare { amount, ..Prepare::peer_request(destination, &[], expires_at) };
        if destination == AddressRef::PEER_CONFIG {
            let own = self.snapshot.address.as_ref();
            let answer = local::answer_peer_config(&request, &from.settings, own, self.now.wall);
            return answer.map(drop).map_err(Refusal::PeerConfig);
        }
        let checked = request.check_peer_request(self.now.wall);
        if destination == AddressRef::PEER_RECONCILE {
            return checked.map_err(Refusal::BadReconcile);
        }
        checked.map_err(|error| Refusal::Routes(RouteRequestError::Malformed(error)))?;
        let is_update = destination == AddressRef::PEER_ROUTE_UPDATE;
        self.connector.check_route_request(slot, is_update).map_err(Refusal::Routes)
    }
}

/// The limits of the account that a packet comes from, but its balance.
fn check_sender(from: &AccountEntry, amount: Option<Amount>) -> Result<(), Refusal> {
    if !from.is_served() {
        return Err(from.suspension());
    }
    let limits = &from.settings.limits;
    if let (Some(received), Some(maximum)) = (amount, limits.max_packet_amount)
        && received > maximum
    {
        return Err(Refusal::AmountTooLarge { received, maximum, limit: AmountLimit::Packet });
    }
    let limit = limits.max_packets_in_flight;
    if from.account.lock().in_flight >= limit {
        return Err(Refusal::TooManyInFlight { limit });
    }
    Ok(())
}

fn check_balance_of(
    from: Option<(Slot, &AccountEntry)>,
    amount: Option<Amount>,
) -> Result<(), Refusal> {
    let (Some((_, from)), Some(received)) = (from, amount) else { return Ok(()) };
    let limits = &from.settings.limits;
    let mut ledger = Ledger::clone(&from.account.lock().ledger);
    ledger.hold_in(received, limits.max_balance).map_err(|over| {
        match limits.max_amount_within_balance() {
            Some(maximum) if received > maximum => {
                Refusal::AmountTooLarge { received, maximum, limit: AmountLimit::Balance }
            }
            _ => Refusal::OverMaxBalance(over),
        }
    })
}

fn check_next_hop(to: &AccountEntry, amount: Option<Amount>) -> Result<(), NextHopFailure> {
    let limits = &to.settings.limits;
    let state = to.account.lock();
    let limit = limits.max_packets_in_flight;
    if state.pending.len() >= limit {
        return Err(NextHopFailure::TooManyInFlight { limit });
    }
    let mut ledger = Ledger::clone(&state.ledger);
    drop(state);
    let held = ledger.hold_out(amount.unwrap_or(Amount::ZERO), limits.min_balance);
    held.map_err(NextHopFailure::UnderMinBalance)
}
