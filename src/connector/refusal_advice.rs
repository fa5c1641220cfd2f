//! What people and programs read about a refusal besides its text: a stable name, the key of the configuration that
//! would change the decision, and what to do.

use super::peer_messages::MessageRefusal;
use super::refusal::{AmountLimit, NextHopFailure, Refusal};
use crate::account::AccountId;
use crate::local::{LocalError, PeerConfigError};
use crate::routing::ccp::RouteRequestError;
use crate::stream::DeclineReason;

/// The key of the configuration that would change a decision.
#[derive(Clone, Copy)]
enum Key {
    /// No key would.
    None,
    /// A key of the node.
    Node(&'static str),
    /// A key of the peer that the packet came from.
    Sender(&'static str),
    /// A key of [`Refusal::peer`], the next hop.
    NextHop(&'static str),
    /// A key of [`Refusal::peer`], a receiver.
    Receiver(&'static str),
}

/// The three answers that each refusal must give.
struct Details(&'static str, Key, &'static str);

impl Refusal {
    /// The name of this reason for programs. It never changes, unlike the text.
    pub fn kind(&self) -> &'static str {
        self.details().0
    }

    /// The key of the configuration that would change the decision, such as `peers.bob.minBalance`; `None`: no key
    /// would. `from` is the peer that the packet came from.
    pub fn key(&self, from: Option<&AccountId>) -> Option<String> {
        let (list, account, key) = match self.details().1 {
            Key::None => return None,
            Key::Node(key) => return Some(key.to_owned()),
            Key::Sender(key) => ("peers", from?, key),
            Key::NextHop(key) => ("peers", self.peer()?, key),
            Key::Receiver(key) => ("receivers", self.peer()?, key),
        };
        Some(format!("{list}.{account}.{key}"))
    }

    /// What to change, or whom to ask.
    pub fn advice(&self) -> &'static str {
        self.details().2
    }

    /// The next hop or the receiver that the refusal is about.
    pub fn peer(&self) -> Option<&AccountId> {
        match self {
            Self::NextHop { next_hop: peer, .. }
            | Self::ReceiverFull(peer)
            | Self::AmountTooLarge { limit: AmountLimit::Receiver(peer), .. } => Some(peer),
            _ => None,
        }
    }

    /// Every refusal is listed, so that each new one gets its answers.
    #[rustfmt::skip]
    fn details(&self) -> Details {
        match self {
            Self::Unreadable(_) => Details("unreadable", Key::None,
                "Ask the operator of the peer which program sends packets that are no valid Prepares."),
            Self::Suspended => Details("suspended", Key::Sender("enabled"),
                "Set `enabled: true` for the peer if it should send packets again."),
            Self::SuspendedByOperator { .. } => Details("suspendedByOperator", Key::None,
                "Wait, or end it with `ilp-connector resume`; who suspended the peer and why is at /api/v1/overrides."),
            Self::AmountTooLarge { limit: AmountLimit::Packet, .. } => Details("amountTooLarge",
                Key::Sender("maxPacketAmount"),
                "Send smaller packets, or raise the limit of the peer that the packet came from."),
            Self::AmountTooLarge { limit: AmountLimit::Balance, .. } => Details("amountAboveMaxBalance",
                Key::Sender("maxBalance"),
                "Send smaller packets: no settlement makes room for this amount unless the limit is raised."),
            Self::AmountTooLarge { limit: AmountLimit::Receiver(_), .. } => Details("receiverAmountTooLarge",
                Key::Receiver("maxPacketAmount"),
                "Send smaller packets, or raise the limit of the receiver."),
            Self::TooManyInFlight { .. } => Details("tooManyInFlight", Key::Sender("maxPacketsInFlight"),
                "Find out why answers take so long, or raise the limit of the peer that the packet came from."),
            Self::Stopping => Details("stopping", Key::None,
                "Wait until the node has started again."),
            Self::StoreFailing => Details("storeFailing", Key::None,
                "Read the store's error at /health or in the log, and make the store writable again."),
            Self::RateLimited { .. } => Details("rateLimited", Key::Sender("packetsPerSecond"),
                "Send fewer packets per second, or raise the limit of the peer that the packet came from."),
            Self::Expired { .. } => Details("expired", Key::None,
                "Choose a later expiry, and compare the clocks of both machines."),
            Self::TooLittleTime { .. } => Details("tooLittleTime", Key::Node("minMessageWindowMs"),
                "Choose a later expiry, or let this node take less time off each packet's expiry."),
            Self::NoAddressYet => Details("noAddressYet", Key::Node("ilpAddress"),
                "Wait until the parent has assigned an address, or configure one."),
            Self::Local(LocalError::BadEcho(_)) => Details("badEcho", Key::None,
                "Ask the sender which program makes echo requests that do not parse."),
            Self::Local(LocalError::NotUnderstood) => Details("notUnderstood", Key::None,
                "Send payments to the address of a receiver; for pings, check that `ping` is not off."),
            Self::PeerConfig(PeerConfigError::NotAChild) => Details("peerConfigNotAChild", Key::Sender("relation"),
                "Set `relation: child` if the peer should get its address from this node."),
            Self::PeerConfig(PeerConfigError::BadRequest(_)) => Details("peerConfigBadRequest", Key::None,
                "Ask the operator of the peer which program makes requests that break RFC 31."),
            Self::PeerConfig(PeerConfigError::NoAddressYet) => Details("peerConfigNoAddressYet",
                Key::Node("ilpAddress"),
                "Wait until the parent has assigned an address to this node, or configure one."),
            Self::PeerConfig(PeerConfigError::AddressTooLong) => Details("peerConfigAddressTooLong",
                Key::Sender("childAddressSegment"),
                "Choose a shorter segment for the child."),
            Self::Routes(RouteRequestError::SendingOff) => Details("routesSendingOff", Key::Sender("sendRoutes"),
                "Set `sendRoutes: true` if the peer should get this node's routes."),
            Self::Routes(RouteRequestError::ReceivingOff) => Details("routesReceivingOff",
                Key::Sender("receiveRoutes"),
                "Set `receiveRoutes: true` if this node should take the peer's routes."),
            Self::Routes(RouteRequestError::NotConnected) => Details("routesNotConnected", Key::None,
                "Wait until this node has a session over which it can send packets to the peer."),
            Self::Routes(RouteRequestError::Gap { .. }) => Details("routesGap", Key::None,
                "Nothing: this node has asked the peer for the missing updates."),
            Self::Routes(RouteRequestError::NoAddressYet) => Details("routesNoAddressYet", Key::Node("ilpAddress"),
                "Wait until the parent has assigned an address to this node, or configure one."),
            Self::Routes(RouteRequestError::Malformed(_)) => Details("routesMalformed", Key::None,
                "Ask the operator of the peer which program sends route messages that do not parse."),
            Self::Message(MessageRefusal::NoEngine) => Details("messageNoEngine", Key::Sender("settlement"),
                "Give the peer a settlement engine here, or ask its operator to remove the one there."),
            Self::Message(MessageRefusal::Paid) => Details("messagePaid", Key::None,
                "Ask the operator of the peer which program sends money to `peer.settle`."),
            Self::Message(MessageRefusal::TooMany) => Details("messageTooMany", Key::None,
                "Find out why the settlement engine of the peer answers so slowly."),
            Self::Message(MessageRefusal::ByEngine) => Details("messageRefusedByEngine", Key::None,
                "Read the log of the settlement engine, and check that both engines are of one kind."),
            Self::Message(MessageRefusal::EngineFailed) => Details("messageEngineFailed", Key::None,
                "Check that the settlement engine of the peer runs, and read its log."),
            Self::UnknownPeerProtocol => Details("unknownPeerProtocol", Key::None,
                "Ask the operator of the peer what it needs: this node serves `config`, `route`, `settle`, `reconcile`."),
            Self::BadReconcile(_) => Details("badReconcile", Key::None,
                "Ask the operator of the peer which program sends books that do not parse."),
            Self::BadReturnAddress => Details("badReturnAddress", Key::None,
                "Ask for the echo with the address of the sender as return address."),
            Self::ForeignNetwork { .. } => Details("foreignNetwork", Key::None,
                "Check the destination: test and live networks are separate, and other schemes need a route of their own."),
            Self::NoRoute => Details("noRoute", Key::Node("routes"),
                "Check the destination, or add a route to it."),
            Self::BackToSender => Details("backToSender", Key::Node("routes"),
                "Add a route over another next hop, or correct the sender's route, which leads here."),
            Self::NoRate { .. } => Details("noRate", Key::Node("rates"),
                "Add an exchange rate between the two assets."),
            Self::RateStale { .. } => Details("rateStale", Key::Node("rateSources"),
                "Look at `ilp-connector rates`: the source of the rate sends nothing newer."),
            Self::RateJumped { .. } => Details("rateJumped", Key::Node("rateSources"),
                "Compare the quote in `ilp-connector rates` with the market; raise `maxStep` to accept it."),
            Self::ConvertedTooLarge { .. } => Details("convertedTooLarge", Key::None,
                "Send smaller packets."),
            Self::RoundedToZero => Details("roundedToZero", Key::None,
                "Send larger packets."),
            Self::OverMaxBalance(_) => Details("overMaxBalance", Key::Sender("maxBalance"),
                "Ask the peer that the packet came from to settle, or raise its limit."),
            Self::ReceiverFull(_) => Details("receiverFull", Key::Receiver("minBalance"),
                "Pay out what the receiver has, or lower its limit."),
            Self::ReceiverDeclined(DeclineReason::NoConnection) => Details("receiverNoConnection", Key::None,
                "Ask for an address of a connection by SPSP."),
            Self::ReceiverDeclined(DeclineReason::NotAuthentic) => Details("receiverNotAuthentic", Key::None,
                "Ask for new credentials by SPSP: the receiver's secret may have changed."),
            Self::ReceiverDeclined(DeclineReason::NotARequest) => Details("receiverNotARequest", Key::None,
                "Ask the sender which program sends data that is no STREAM packet."),
            Self::ReceiverDeclined(DeclineReason::BelowMinimum) => Details("receiverBelowMinimum", Key::None,
                "Accept a lower exchange rate at the sender, or find the hop that keeps more than expected."),
            Self::ReceiverDeclined(DeclineReason::Unfulfillable) => Details("receiverUnfulfillable", Key::None,
                "Nothing: usually the sender measures the path with this packet."),
            Self::NextHop { failure, .. } => failure.details(),
            Self::Stopped => Details("stopped", Key::None,
                "Compare balances with the next hop, which may have fulfilled the packet."),
        }
    }
}

impl NextHopFailure {
    #[rustfmt::skip]
    fn details(self) -> Details {
        match self {
            Self::NotConnected => Details("nextHopNotConnected", Key::None,
                "Read at /peers why the next hop is not connected, and ask its operator."),
            Self::Suspended { .. } => Details("nextHopSuspendedByOperator", Key::None,
                "Wait, or end it with `ilp-connector resume`; who suspended the next hop and why is at /api/v1/overrides."),
            Self::OutboxFull => Details("nextHopOutboxFull", Key::NextHop("outboxBytesMax"),
                "Ask the operator of the next hop why it reads so slowly; a larger queue helps only with bursts."),
            Self::OutboxReserved => Details("nextHopOutboxReserved", Key::NextHop("outboxBytesMax"),
                "The peer that the packet came from uses its whole share; send less, or allow a larger queue."),
            Self::TooManyInFlight { .. } => Details("nextHopTooManyInFlight", Key::NextHop("maxPacketsInFlight"),
                "Ask the operator of the next hop why answers take so long, or raise the limit."),
            Self::InFlightReserved => Details("nextHopInFlightReserved", Key::NextHop("maxPacketsInFlight"),
                "The peer that the packet came from uses its whole share; send less, or raise the limit."),
            Self::UnderMinBalance(_) => Details("nextHopUnderMinBalance", Key::NextHop("minBalance"),
                "Settle with the next hop, or lower the limit."),
            Self::CreditReserved => Details("nextHopCreditReserved", Key::NextHop("minBalance"),
                "The peer that the packet came from uses its whole share; settle with the next hop, or lower the limit."),
            Self::SessionLost => Details("nextHopSessionLost", Key::None,
                "Send the packet again; if this happens often, read at /peers why sessions end."),
            Self::TimedOut => Details("nextHopTimedOut", Key::None,
                "Ask the operator of the next hop why it does not answer, or choose a later expiry."),
            Self::WrongFulfillment => Details("nextHopWrongFulfillment", Key::None,
                "Tell the operator of the next hop that it answered with a wrong fulfillment."),
            Self::BadAnswer => Details("nextHopBadAnswer", Key::None,
                "Tell the operator of the next hop that its answer is no ILP packet."),
            Self::LinkError => Details("nextHopLinkError", Key::None,
                "Ask the operator of the next hop why it answered with an error of BTP or HTTP."),
            Self::Unreachable => Details("nextHopUnreachable", Key::None,
                "Read at /peers why the next hop cannot be reached, and ask its operator."),
            Self::Busy => Details("nextHopBusy", Key::None,
                "Send fewer packets, or ask the operator of the next hop for a higher limit."),
            Self::Declined => Details("nextHopDeclined", Key::None,
                "Ask the operator of the next hop why its HTTP server refuses this packet."),
        }
    }
}
