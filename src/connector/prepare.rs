//! A Prepare's way through the node, top to bottom.

use std::sync::atomic::Ordering;

use parking_lot::MutexGuard;

use super::account::{Account, AccountState};
use super::core::Batch;
use super::forward::OutgoingTerms;
use super::receive::Delivery;
use super::refusal::Refusal;
use super::snapshot::AccountEntry;
use crate::account::OverLimit;
use crate::link::{SessionId, Slot};
use crate::local::{self, LocalDelivery};
use crate::routing::Match;
use crate::time::MonoTime;
use crate::wire::btp::RequestId;
use crate::wire::ilp::{Fulfill, Prepare, Reply};
use crate::wire::{AddressRef, Amount, Fulfillment, Network, Scheme, ccp, ping};

/// Who asked, and what is taken from them until they have their answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Requester {
    pub(super) account: Slot,
    pub(super) session: SessionId,
    pub(super) request_id: RequestId,
    /// Places among the account's packets in flight: 0 before admission, 2 for an echo.
    pub(super) weight: u8,
    /// Held on the account's ledger.
    pub(super) held: Amount,
}

impl Batch<'_> {
    /// A Prepare from a peer: `packet` are the bytes of the `ilp` entry. Its answer, or what is sent on, is in the
    /// outboxes when this returns.
    pub fn handle_prepare(
        &self,
        from: &Account,
        session: SessionId,
        request_id: RequestId,
        packet: &[u8],
    ) {
        let mut asker =
            Requester { account: from.slot(), session, request_id, weight: 0, held: Amount::ZERO };
        let Some(entry) = self.snapshot.entry(from.slot()) else {
            return self.reject_prepare(&asker, None, &Refusal::Suspended);
        };
        let prepare = match Prepare::parse(packet) {
            Ok(prepare) => prepare,
            Err(error) => {
                let metered = self.charge_rate(&mut entry.account.lock(), &asker);
                let refusal = metered.err().unwrap_or(Refusal::Unreadable(error));
                return self.reject_prepare(&asker, None, &refusal);
            }
        };
        let walked = self
            .admit_prepare(entry, &mut asker, &prepare)
            .and_then(|state| self.dispatch_prepare(entry, state, &mut asker, &prepare));
        if let Err(refusal) = walked {
            self.reject_prepare(&asker, Some(&prepare), &refusal);
        }
    }

    /// The limits of the account that the packet comes from. First, so that what they keep out costs nothing more. The
    /// account stays locked until the amount is held: what is asked meanwhile of other accounts takes no lock.
    fn admit_prepare<'e>(
        &self,
        from: &'e AccountEntry,
        asker: &mut Requester,
        prepare: &Prepare<'_>,
    ) -> Result<MutexGuard<'e, AccountState>, Refusal> {
        let mut state = from.account.lock();
        state.stats.received.prepares += 1;
        if !from.is_served() {
            return Err(Refusal::Suspended);
        }
        self.charge_rate(&mut state, asker)?;
        if let Some(maximum) = from.settings.limits.max_packet_amount
            && prepare.amount > maximum
        {
            return Err(Refusal::AmountTooLarge { received: prepare.amount, maximum });
        }
        if self.connector.stopping.load(Ordering::Relaxed) {
            return Err(Refusal::Stopping);
        }
        self.take_in_flight_place(&mut state, asker)?;
        if let Some(session) = state.session(asker.session) {
            session.request_ids.insert(asker.request_id.0);
        }
        if prepare.expires_at <= self.now.wall {
            return Err(Refusal::Expired {
                late_ms: self.now.wall.millis_since(prepare.expires_at),
            });
        }
        Ok(state)
    }

    /// One packet of the account's rate. It is used up by whatever came, also where that is refused at the next look.
    fn charge_rate(&self, state: &mut AccountState, asker: &Requester) -> Result<(), Refusal> {
        match state.limits.packets_per_second {
            Some(per_second)
                if !state.rate_limiter.try_take(self.now.mono, asker.weight + 1, per_second) =>
            {
                Err(Refusal::RateLimited { per_second: per_second.get() })
            }
            _ => Ok(()),
        }
    }

    /// Counts something else than a packet in the account's rate, so that a peer cannot use more of this thread by sending
    /// other things. It has come already, so it is not refused: `Some` says from when on to read from the peer again.
    pub fn charge_other_message(&self, from: &Account) -> Option<MonoTime> {
        let mut state = from.lock();
        let per_second = state.limits.packets_per_second?;
        let next = state.rate_limiter.charge(self.now.mono, per_second);
        (next > self.now.mono).then_some(next)
    }

    /// The same for an answer that nothing waits for. One that only comes too late is not counted.
    pub fn charge_stray_answer(&self, from: &Account) -> Option<MonoTime> {
        {
            let mut state = from.lock();
            if let Some(less) = state.late_answers_due.checked_sub(1) {
                state.late_answers_due = less;
                return None;
            }
        }
        self.charge_other_message(from)
    }

    /// One place among the account's packets in flight.
    fn take_in_flight_place(
        &self,
        state: &mut AccountState,
        asker: &mut Requester,
    ) -> Result<(), Refusal> {
        let limit = state.limits.max_packets_in_flight;
        if state.in_flight >= limit {
            return Err(Refusal::TooManyInFlight { limit });
        }
        state.in_flight += 1;
        asker.weight += 1;
        Ok(())
    }

    /// For this node, or for somebody further on?
    fn dispatch_prepare(
        &self,
        from: &AccountEntry,
        state: MutexGuard<'_, AccountState>,
        asker: &mut Requester,
        prepare: &Prepare<'_>,
    ) -> Result<(), Refusal> {
        let destination = prepare.destination;
        if destination.scheme() == Scheme::Peer {
            drop(state);
            return self.answer_peer_protocol(from, asker, prepare);
        }
        if self.snapshot.address.is_none() {
            return Err(Refusal::NoAddressYet);
        }
        if self.is_own(destination) {
            return self.deliver_to_self(from, state, asker, prepare);
        }
        self.forward_or_deliver(from, state, asker, prepare, Some(asker.account))
    }

    fn is_own(&self, address: AddressRef<'_>) -> bool {
        self.snapshot.address.as_ref().is_some_and(|own| own.view() == address)
    }

    /// Packets between neighbours (RFC 15: `peer.` is never forwarded).
    fn answer_peer_protocol(
        &self,
        from: &AccountEntry,
        asker: &Requester,
        prepare: &Prepare<'_>,
    ) -> Result<(), Refusal> {
        if ccp::RouteRequest::is_at(prepare.destination) {
            self.handle_route_request(from, prepare)?;
            let fulfill = Fulfill { fulfillment: Fulfillment::ZERO, data: &[] };
            self.fulfill_locally(asker, prepare, fulfill);
            return Ok(());
        }
        if prepare.destination != AddressRef::PEER_CONFIG {
            return Err(Refusal::UnknownPeerProtocol);
        }
        let own = self.snapshot.address.as_ref();
        let data = local::answer_peer_config(prepare, &from.settings, own, self.now.wall)
            .map_err(Refusal::PeerConfig)?;
        let fulfill = Fulfill { fulfillment: Fulfillment::ZERO, data: &data };
        self.fulfill_locally(asker, prepare, fulfill);
        Ok(())
    }

    /// Packets to the node's own address.
    fn deliver_to_self(
        &self,
        from: &AccountEntry,
        mut state: MutexGuard<'_, AccountState>,
        asker: &mut Requester,
        prepare: &Prepare<'_>,
    ) -> Result<(), Refusal> {
        if ping::is_echo_response(prepare.data)
            && let Some(fulfillment) =
                self.connector.pending_echoes.take_preimage(&prepare.condition)
        {
            self.hold_incoming(&mut state, asker, prepare.amount)?;
            drop(state);
            self.fulfill_locally(asker, prepare, Fulfill { fulfillment, data: &[] });
            return Ok(());
        }
        match local::decide_delivery(prepare, self.snapshot.ping).map_err(Refusal::Local)? {
            LocalDelivery::Ping { data } => {
                self.hold_incoming(&mut state, asker, prepare.amount)?;
                drop(state);
                let fulfill = Fulfill { fulfillment: Fulfillment::PING, data };
                self.fulfill_locally(asker, prepare, fulfill);
                Ok(())
            }
            LocalDelivery::Echo { return_address } => {
                self.send_pong(from, state, asker, prepare, return_address)
            }
        }
    }

    /// A pong goes the way of any packet, at the asker's expense (D16): it counts a second time, and only the rule
    /// "never back to the sender" does not hold for it.
    fn send_pong(
        &self,
        from: &AccountEntry,
        mut state: MutexGuard<'_, AccountState>,
        asker: &mut Requester,
        prepare: &Prepare<'_>,
        return_address: AddressRef<'_>,
    ) -> Result<(), Refusal> {
        if return_address.scheme() == Scheme::Peer || self.is_own(return_address) {
            return Err(Refusal::BadReturnAddress);
        }
        self.charge_rate(&mut state, asker)?;
        self.take_in_flight_place(&mut state, asker)?;
        let pong = Prepare { destination: return_address, data: ping::ECHO_RESPONSE, ..*prepare };
        self.forward_or_deliver(from, state, asker, &pong, None)
    }

    /// Route, price, reserve, forward; or deliver, to a receiver inside this node.
    fn forward_or_deliver(
        &self,
        from: &AccountEntry,
        mut state: MutexGuard<'_, AccountState>,
        asker: &mut Requester,
        prepare: &Prepare<'_>,
        never_to: Option<Slot>,
    ) -> Result<(), Refusal> {
        let to = self.choose_next_hop(prepare.destination, never_to)?;
        let amount = self.convert_amount(from, to, prepare.amount)?;
        if let Some(receiver) = &to.settings.receiver {
            self.hold_incoming(&mut state, asker, prepare.amount)?;
            drop(state);
            return self.deliver_to_receiver(Delivery { to, receiver, amount }, asker, prepare);
        }
        let expires_at = self.outgoing_expiry(prepare)?;
        self.hold_incoming(&mut state, asker, prepare.amount)?;
        drop(state);
        self.forward_prepare(to, asker, prepare, OutgoingTerms { amount, expires_at })
    }

    /// The next hop: longest prefix, then the best candidate that is connected and not the sender.
    pub(super) fn choose_next_hop(
        &self,
        destination: AddressRef<'_>,
        never_to: Option<Slot>,
    ) -> Result<&AccountEntry, Refusal> {
        let found = self.snapshot.table.lookup(destination).ok_or(Refusal::NoRoute)?;
        self.check_network(destination, &found)?;
        let mut out_of_reach = None;
        let mut only_back = false;
        for candidate in found.candidates {
            if Some(candidate.next_hop) == never_to {
                only_back = true;
                continue;
            }
            let Some(entry) = self.snapshot.entry(candidate.next_hop) else { continue };
            if entry.is_reachable() {
                return Ok(entry);
            }
            out_of_reach.get_or_insert(entry);
        }
        Err(match out_of_reach {
            Some(entry) => Refusal::NotConnected(entry.account.id().clone()),
            None if only_back => Refusal::BackToSender,
            None => Refusal::NoRoute,
        })
    }

    /// Addresses of other networks need a route that names them, and live and test never meet (RFC 34). An address
    /// below our own that only a shorter prefix covers is a child that does not exist.
    fn check_network(&self, destination: AddressRef<'_>, found: &Match<'_>) -> Result<(), Refusal> {
        let (own, other) = (self.snapshot.scheme, destination.scheme());
        if other != own {
            let never = matches!(
                (own.network(), other.network()),
                (Network::Live, Network::Test) | (Network::Test, Network::Live)
            );
            if never || found.prefix_len == 0 {
                return Err(Refusal::ForeignNetwork { network: own.name() });
            }
        }
        if let Some(address) = &self.snapshot.address
            && destination.below(address.view()).is_some()
            && found.prefix_len <= address.as_str().len()
        {
            return Err(Refusal::NoRoute);
        }
        Ok(())
    }

    fn fulfill_locally(&self, asker: &Requester, prepare: &Prepare<'_>, fulfill: Fulfill<'_>) {
        self.answer_requester(asker, &Reply::Fulfill(fulfill));
        self.book_received(asker.account, asker.held);
        self.log_answered_here(asker, prepare);
    }

    /// Holds the amount on the account that the packet came from, until its answer.
    fn hold_incoming(
        &self,
        state: &mut AccountState,
        asker: &mut Requester,
        amount: Amount,
    ) -> Result<(), Refusal> {
        let max_balance = state.limits.max_balance;
        match state.ledger.hold_in(amount, max_balance) {
            Ok(()) => {
                asker.held = amount;
                Ok(())
            }
            Err(over) => Err(self.refuse_over_max_balance(state, amount, over)),
        }
    }

    /// T04 asks the sender to try again, which is of no use where the balance could never bear the amount: F08 says what
    /// it could.
    #[cold]
    fn refuse_over_max_balance(
        &self,
        state: &mut AccountState,
        received: Amount,
        over: OverLimit,
    ) -> Refusal {
        state.last_refusal = Some((self.now.wall, over));
        match state.limits.max_amount_within_balance() {
            Some(maximum) if received > maximum => Refusal::AmountTooLarge { received, maximum },
            _ => Refusal::OverMaxBalance(over),
        }
    }
}
