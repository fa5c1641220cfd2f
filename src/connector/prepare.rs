//! A Prepare's way through the node, top to bottom.

use parking_lot::MutexGuard;

use super::account::{Account, AccountState};
use super::batch::{Batch, IncomingRequest, OutgoingTerms};
use super::forward::OWN_REQUESTS_MAX;
use super::packet_log::PacketEvent;
use super::receive::Delivery;
use super::refusal::{AmountLimit, Refusal};
use super::snapshot::AccountEntry;
use crate::account::OverLimit;
use crate::link::{SessionId, Slot};
use crate::local::{self, LocalDelivery};
use crate::routing::RouteMatch;
use crate::time::MonoTime;
use crate::wire::btp::RequestId;
use crate::wire::ilp::{Fulfill, Prepare, Reply};
use crate::wire::{AddressRef, Amount, Fulfillment, Network, Scheme, ccp, ping};

impl Batch<'_> {
    /// Handles a Prepare from a peer: `packet` is the ILP packet. When this returns, either the answer is in the peer's
    /// outbox or the Prepare is in the outbox of the next hop.
    pub fn handle_prepare(
        &self,
        from: &Account,
        session: SessionId,
        request_id: RequestId,
        packet: &[u8],
    ) {
        let mut incoming = IncomingRequest {
            account: from.slot(),
            session,
            request_id,
            weight: 0,
            held: Amount::ZERO,
        };
        let Some(entry) = self.snapshot.entry(from.slot()) else {
            return self.reject_prepare(&incoming, None, &Refusal::Suspended);
        };
        let prepare = match Prepare::parse(packet) {
            Ok(prepare) => prepare,
            Err(error) => {
                let charged = self.charge_rate(&mut entry.account.lock(), &incoming);
                let refusal = charged.err().unwrap_or(Refusal::Unreadable(error));
                return self.reject_prepare(&incoming, None, &refusal);
            }
        };
        let handled = self
            .admit_prepare(entry, &mut incoming, &prepare)
            .and_then(|state| self.dispatch_by_destination(entry, state, &mut incoming, &prepare));
        if let Err(refusal) = handled {
            self.reject_prepare(&incoming, Some(&prepare), &refusal);
        }
    }

    /// Applies the limits of the incoming account. They come first, so that a packet above a limit is cheap to reject.
    /// The returned guard keeps the account locked until its amount is held. Routing and pricing lock no other account.
    fn admit_prepare<'e>(
        &self,
        from: &'e AccountEntry,
        incoming: &mut IncomingRequest,
        prepare: &Prepare<'_>,
    ) -> Result<MutexGuard<'e, AccountState>, Refusal> {
        let mut state = from.account.lock();
        state.stats.received.prepares += 1;
        // RFC 18 "Connector Risk Mitigations": an operator can stop each account. [row 141]
        if !from.is_served() {
            return Err(from.suspension());
        }
        self.charge_rate(&mut state, incoming)?;
        if let Some(maximum) = from.settings.limits.max_packet_amount
            && prepare.amount > maximum
            && !planted!(LimitIgnored)
        {
            let (received, limit) = (prepare.amount, AmountLimit::Packet);
            return Err(Refusal::AmountTooLarge { received, maximum, limit });
        }
        self.connector.admission.check(prepare.amount)?;
        self.count_in_flight(&mut state, incoming, prepare.destination)?;
        if let Some(session) = state.session_mut(incoming.session) {
            session.request_ids.insert(incoming.request_id.0);
        }
        // A packet that arrives at or after its expiry is rejected with R02. [row 46]
        if prepare.expires_at <= self.now.wall {
            return Err(Refusal::Expired {
                late_ms: self.now.wall.millis_since(prepare.expires_at),
            });
        }
        Ok(state)
    }

    /// Takes one packet from the account's rate, whether or not the packet passes the other limits.
    ///
    /// RFC 27 "T__ - Temporary Error": packets above the agreed rate are rejected with T05. [row 54]
    fn charge_rate(
        &self,
        state: &mut AccountState,
        incoming: &IncomingRequest,
    ) -> Result<(), Refusal> {
        match state.limits.packets_per_second {
            Some(per_second)
                if !state.rate_limiter.try_take(self.now.mono, incoming.weight + 1, per_second) =>
            {
                Err(Refusal::RateLimited { per_second: per_second.get() })
            }
            _ => Ok(()),
        }
    }

    /// Charges the account's rate for a message that is not a Prepare, as it costs the node time too. It was
    /// already handled, so it is not rejected. `Some`: the account is above its rate; the time when reading may resume.
    pub fn charge_other_message(&self, from: &Account) -> Option<MonoTime> {
        let mut state = from.lock();
        let per_second = state.limits.packets_per_second?;
        let next = state.rate_limiter.charge(self.now.mono, per_second);
        (next > self.now.mono).then_some(next)
    }

    /// Like [`Batch::charge_other_message`], for an answer to no pending request. An answer that is only late is free.
    pub fn charge_stray_answer(&self, from: &Account) -> Option<MonoTime> {
        {
            let mut state = from.lock();
            if let Some(left) = state.late_answers_due.checked_sub(1) {
                state.late_answers_due = left;
                return None;
            }
        }
        self.charge_other_message(from)
    }

    /// Counts the packet among the account's packets in flight.
    ///
    /// RFC 18 "Payments Griefing": the packets in flight of each account are limited; above the limit they are rejected
    /// with T03. [rows 55, 140]
    fn count_in_flight(
        &self,
        state: &mut AccountState,
        incoming: &mut IncomingRequest,
        destination: AddressRef<'_>,
    ) -> Result<(), Refusal> {
        let limit = state.limits.max_packets_in_flight;
        let limit = if planted!(InFlightUnlimited) { usize::MAX } else { limit };
        if state.in_flight >= limit {
            // The packets that fill the limit may come from others behind the neighbour. They must not cut its own
            // requests off, such as its routes. A limit of zero is that of a closed account.
            let is_own_request =
                limit > 0 && destination.scheme() == Scheme::Peer && !planted!(NeighbourCutOff);
            let most = limit.saturating_add(if is_own_request { OWN_REQUESTS_MAX } else { 0 });
            if state.in_flight >= most {
                return Err(Refusal::TooManyInFlight { limit });
            }
        }
        state.in_flight += 1;
        incoming.weight += 1;
        Ok(())
    }

    /// Decides whether the packet is for this node or goes further.
    fn dispatch_by_destination(
        &self,
        from: &AccountEntry,
        state: MutexGuard<'_, AccountState>,
        incoming: &mut IncomingRequest,
        prepare: &Prepare<'_>,
    ) -> Result<(), Refusal> {
        let destination = prepare.destination;
        // RFC 15 "Allocation Schemes", RFC 34 "Special Addresses": packets to addresses under `peer.` are for the
        // neighbour and never forwarded. [row 29]
        if destination.scheme() == Scheme::Peer {
            drop(state);
            return self.answer_peer_protocol(from, incoming, prepare);
        }
        if self.snapshot.address.is_none() {
            return Err(Refusal::NoAddressYet);
        }
        if self.is_own_address(destination) {
            return self.deliver_to_self(from, state, incoming, prepare);
        }
        self.route_and_send(from, state, incoming, prepare, Some(incoming.account))
    }

    fn is_own_address(&self, address: AddressRef<'_>) -> bool {
        self.snapshot.address.as_ref().is_some_and(|own| own.view() == address)
    }

    /// Answers a packet between neighbours: routes (CCP), `peer.config` (IL-DCP), or `peer.reconcile`. One for a
    /// settlement engine waits for the engine's reply.
    fn answer_peer_protocol(
        &self,
        from: &AccountEntry,
        incoming: &IncomingRequest,
        prepare: &Prepare<'_>,
    ) -> Result<(), Refusal> {
        if prepare.destination == AddressRef::PEER_SETTLE {
            return self.accept_message(from, incoming, prepare);
        }
        let data = if ccp::RouteRequest::is_at(prepare.destination) {
            self.handle_route_request(from, prepare)?;
            Vec::new()
        } else if prepare.destination == AddressRef::PEER_CONFIG {
            let own = self.snapshot.address.as_ref();
            local::answer_peer_config(prepare, &from.settings, own, self.now.wall)
                .map_err(Refusal::PeerConfig)?
        } else if prepare.destination == AddressRef::PEER_RECONCILE {
            return self.answer_reconcile(from, incoming, prepare);
        } else {
            return Err(Refusal::UnknownPeerProtocol);
        };
        let fulfill = Fulfill { fulfillment: Fulfillment::ZERO, data: &data };
        self.fulfill_locally(incoming, prepare, fulfill);
        Ok(())
    }

    /// Handles a packet to the node's own address: a ping, an echo request, or the pong to one of ours.
    fn deliver_to_self(
        &self,
        from: &AccountEntry,
        mut state: MutexGuard<'_, AccountState>,
        incoming: &mut IncomingRequest,
        prepare: &Prepare<'_>,
    ) -> Result<(), Refusal> {
        if ping::is_echo_response(prepare.data)
            && let Some(fulfillment) =
                self.connector.pending_echoes.take_preimage(&prepare.condition)
        {
            self.hold_incoming(&mut state, incoming, prepare.amount)?;
            drop(state);
            self.fulfill_locally(incoming, prepare, Fulfill { fulfillment, data: &[] });
            return Ok(());
        }
        match local::decide_delivery(prepare, self.snapshot.ping).map_err(Refusal::Local)? {
            LocalDelivery::Ping { data } => {
                self.hold_incoming(&mut state, incoming, prepare.amount)?;
                drop(state);
                let fulfill = Fulfill { fulfillment: Fulfillment::PING, data };
                self.fulfill_locally(incoming, prepare, fulfill);
                Ok(())
            }
            LocalDelivery::Echo { return_address } => {
                self.send_pong(from, state, incoming, prepare, return_address)
            }
        }
    }

    /// Sends a pong at the requester's expense (D16). It may go back to the sender; otherwise it is routed, limited and
    /// counted like any packet. [rows 118, 120]
    fn send_pong(
        &self,
        from: &AccountEntry,
        mut state: MutexGuard<'_, AccountState>,
        incoming: &mut IncomingRequest,
        prepare: &Prepare<'_>,
        return_address: AddressRef<'_>,
    ) -> Result<(), Refusal> {
        if return_address.scheme() == Scheme::Peer || self.is_own_address(return_address) {
            return Err(Refusal::BadReturnAddress);
        }
        self.charge_rate(&mut state, incoming)?;
        self.count_in_flight(&mut state, incoming, prepare.destination)?;
        let pong = Prepare { destination: return_address, data: ping::ECHO_RESPONSE, ..*prepare };
        self.route_and_send(from, state, incoming, &pong, None)
    }

    /// Route, price, reserve, forward; or deliver to a receiver inside this node.
    fn route_and_send(
        &self,
        from: &AccountEntry,
        mut state: MutexGuard<'_, AccountState>,
        incoming: &mut IncomingRequest,
        prepare: &Prepare<'_>,
        excluded: Option<Slot>,
    ) -> Result<(), Refusal> {
        let to = self.choose_next_hop(prepare.destination, excluded)?;
        let amount = self.convert_amount(from, to, prepare.amount)?;
        if let Some(receiver) = &to.settings.receiver {
            self.hold_incoming(&mut state, incoming, prepare.amount)?;
            drop(state);
            let delivery = Delivery { to, receiver, amount };
            return self.deliver_to_receiver(delivery, incoming, prepare);
        }
        let expires_at = self.outgoing_expiry(prepare)?;
        self.hold_incoming(&mut state, incoming, prepare.amount)?;
        drop(state);
        self.forward_prepare(to, incoming, prepare, OutgoingTerms { amount, expires_at })
    }

    /// The next hop of the longest prefix that matches: the best candidate that is connected and not `excluded`.
    pub(super) fn choose_next_hop(
        &self,
        destination: AddressRef<'_>,
        excluded: Option<Slot>,
    ) -> Result<&AccountEntry, Refusal> {
        let Some(found) = self.snapshot.table.lookup(destination) else {
            return Err(Refusal::NoRoute);
        };
        self.check_network(destination, &found)?;
        let mut disconnected = None;
        let mut only_back = false;
        for candidate in found.candidates {
            // A packet never returns to the account that sent it. [row 35]
            if Some(candidate.next_hop) == excluded {
                only_back = true;
                continue;
            }
            let Some(entry) = self.snapshot.entry(candidate.next_hop) else { continue };
            if entry.is_reachable() {
                return Ok(entry);
            }
            disconnected.get_or_insert(entry);
        }
        Err(match disconnected {
            Some(entry) => entry.unreachability().refusal_at(entry.account.id()),
            None if only_back => Refusal::BackToSender,
            None => Refusal::NoRoute,
        })
    }

    /// Rejects packets that must not leave this network, and packets to children that do not exist.
    fn check_network(
        &self,
        destination: AddressRef<'_>,
        found: &RouteMatch<'_>,
    ) -> Result<(), Refusal> {
        let (own, other) = (self.snapshot.scheme, destination.scheme());
        if other != own {
            // RFC 34 "ILP Addresses": test and live packets never cross; other schemes need a route that names them.
            // [rows 31, 32]
            let crosses = matches!(
                (own.network(), other.network()),
                (Network::Live, Network::Test) | (Network::Test, Network::Live)
            );
            if crosses || found.prefix_len == 0 {
                return Err(Refusal::ForeignNetwork { network: own.name() });
            }
        }
        // An address below the node's own that only a shorter prefix matches belongs to no child. [row 34]
        if let Some(address) = &self.snapshot.address
            && destination.below(address.view()).is_some()
            && found.prefix_len <= address.as_str().len()
        {
            return Err(Refusal::NoRoute);
        }
        Ok(())
    }

    fn fulfill_locally(
        &self,
        incoming: &IncomingRequest,
        prepare: &Prepare<'_>,
        fulfill: Fulfill<'_>,
    ) {
        self.answer_requester(incoming, &Reply::Fulfill(fulfill));
        self.book_received(incoming.account, incoming.held);
        self.record_local_answer(incoming, None, prepare, || PacketEvent::Fulfilled {
            destination: Some(prepare.destination.as_str().into()),
            incoming_amount: prepare.amount,
            outgoing_amount: None,
            outgoing_request_id: None,
            sent_at: self.now.mono,
        });
    }

    /// Holds the amount on the incoming account until the answer.
    ///
    /// RFC 32 "Maximum Balance": packets that would take the balance above the maximum are rejected with T04; held
    /// amounts count. [rows 59, 60]
    fn hold_incoming(
        &self,
        state: &mut AccountState,
        incoming: &mut IncomingRequest,
        amount: Amount,
    ) -> Result<(), Refusal> {
        let max_balance = state.limits.max_balance;
        match state.ledger.hold_in(amount, max_balance) {
            Ok(()) => {
                incoming.held = amount;
                Ok(())
            }
            Err(over) => Err(self.refuse_over_max_balance(state, amount, over)),
        }
    }

    /// The sender may retry after T04. If the limits can never allow the amount, F08 names the largest that they can.
    #[cold]
    fn refuse_over_max_balance(
        &self,
        state: &mut AccountState,
        received: Amount,
        over: OverLimit,
    ) -> Refusal {
        state.last_refusal = Some((self.now.wall, over));
        match state.limits.max_amount_within_balance() {
            Some(maximum) if received > maximum => {
                Refusal::AmountTooLarge { received, maximum, limit: AmountLimit::Balance }
            }
            _ => Refusal::OverMaxBalance(over),
        }
    }
}
