//! Every way in which a packet can fail here, and the one place that turns it into an ILP Reject.

use crate::account::{AccountId, OverLimit};
use crate::link::{Cause, Outcome};
use crate::local::{LocalError, PeerConfigError};
use crate::routing::ccp::RouteRequestError;
use crate::wire::Amount;
use crate::wire::Error as PacketError;
use crate::wire::ilp::{AmountTooLarge, ErrorCode};

/// Why this node rejects a packet. Its text is the Reject's message, which anybody on the way back may read: it names the
/// cause, never a secret, and no figures of balances and limits. Those are in [`Refusal::figures`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The bytes are no Prepare.
    #[error("not a valid Prepare: {0}")]
    Unreadable(PacketError),
    /// The peer is suspended by configuration.
    #[error("this account is suspended")]
    Suspended,
    /// Above the account's largest packet.
    #[error("amount {} is above this account's maximum of {}", received.0, maximum.0)]
    AmountTooLarge {
        /// The Prepare's amount.
        received: Amount,
        /// The largest that would pass.
        maximum: Amount,
    },
    /// The account has as many packets in flight as it may have.
    #[error("too many packets of this account are in flight already")]
    TooManyInFlight {
        /// The limit.
        limit: usize,
    },
    /// The node shuts down.
    #[error("this connector is stopping")]
    Stopping,
    /// More packets per second than agreed.
    #[error("more packets per second than this account may send")]
    RateLimited {
        /// The rate.
        per_second: u32,
    },
    /// The Prepare's time was up when it arrived.
    #[error("expired {late_ms} ms ago")]
    Expired {
        /// By how much.
        late_ms: u64,
    },
    /// Not enough time for the rest of the way.
    #[error("expires in {left_ms} ms; this hop needs {needed_ms} ms")]
    TooLittleTime {
        /// What is left.
        left_ms: u64,
        /// What is needed.
        needed_ms: u64,
    },
    /// The node's parent has not given it an address yet (D12).
    #[error("this node has no address of its own yet")]
    NoAddressYet,
    /// A packet to this node itself that it cannot use.
    #[error(transparent)]
    Local(LocalError),
    /// A `peer.config` request that is refused.
    #[error(transparent)]
    PeerConfig(PeerConfigError),
    /// A `peer.route.*` request that is refused.
    #[error(transparent)]
    Routes(RouteRequestError),
    /// A `peer.` address that this node does not know; such packets are never forwarded.
    #[error("unknown peer protocol; addresses under peer. are not forwarded")]
    UnknownPeerProtocol,
    /// An echo whose pong would have to go where pongs do not go.
    #[error("a pong cannot be sent to that return address")]
    BadReturnAddress,
    /// The address belongs to another network.
    #[error("addresses of this scheme are not reachable from a {network} node")]
    ForeignNetwork {
        /// This node's scheme.
        network: &'static str,
    },
    /// No route, or no such child.
    #[error("no route to the destination")]
    NoRoute,
    /// The only way leads back to the sender.
    #[error("the route to the destination leads back to the sender")]
    BackToSender,
    /// There is a route, but its next hop is not connected.
    #[error("next hop {0} is not connected")]
    NotConnected(AccountId),
    /// The next hop does not read what it is sent.
    #[error("next hop {0} is too slow; its queue is full")]
    NextHopBusy(AccountId),
    /// The next hop has as many packets in flight as it may have.
    #[error("too many packets are in flight to next hop {next_hop} already")]
    TooManyTowards {
        /// The next hop.
        next_hop: AccountId,
        /// The limit.
        limit: usize,
    },
    /// The places that are left to the next hop are kept for other accounts.
    #[error("the places that are left to next hop {0} are kept for other accounts")]
    PlacesKept(AccountId),
    /// The room that is left in the next hop's queue is kept for other accounts.
    #[error("the room that is left in the queue of next hop {0} is kept for other accounts")]
    RoomKept(AccountId),
    /// No exchange rate between the two accounts' assets.
    #[error("no exchange rate from {from} to {to}")]
    NoRate {
        /// Asset of the incoming account.
        from: String,
        /// Asset of the outgoing account.
        to: String,
    },
    /// The converted amount would be above 2^64 - 1.
    #[error("amount {} does not fit the next hop's asset scale; at most {} does", received.0, maximum.0)]
    ConvertedTooLarge {
        /// The Prepare's amount.
        received: Amount,
        /// The largest that would fit.
        maximum: Amount,
    },
    /// Something would become nothing.
    #[error("the amount is too small for the next hop's asset scale: it rounds to zero")]
    RoundedToZero,
    /// The sender would owe more than agreed.
    #[error("this account would owe more than its maximum balance allows, until it settles")]
    OverMaxBalance(OverLimit),
    /// We would owe the next hop more than agreed.
    #[error("no liquidity towards next hop {next_hop}")]
    UnderMinBalance {
        /// The next hop.
        next_hop: AccountId,
        /// What our debt would be.
        over: OverLimit,
    },
    /// The liquidity that is left towards the next hop is kept for other accounts.
    #[error("the liquidity that is left towards next hop {0} is kept for other accounts")]
    CreditKept(AccountId),
    /// A receiver inside this node may not receive more.
    #[error("receiver {0} may not receive more")]
    ReceiverFull(AccountId),
    /// No answer before the outgoing expiry.
    #[error("next hop {0} did not answer in time")]
    TimedOut(AccountId),
    /// The session was lost before the Prepare was written.
    #[error("the session with next hop {0} was lost before the packet was sent")]
    SessionLost(AccountId),
    /// The fulfillment does not hash to the condition.
    #[error("next hop {0} answered with a fulfillment that does not match the condition")]
    WrongFulfillment(AccountId),
    /// The answer is no Fulfill and no Reject.
    #[error("next hop {0} gave an answer that cannot be read")]
    BadAnswer(AccountId),
    /// The answer is an error of the link's protocol.
    #[error("next hop {0} could not process the packet")]
    LinkError(AccountId),
    /// The packet did not reach the next hop, or its answer was lost with the connection.
    #[error("next hop {0} cannot be reached")]
    Unreachable(AccountId),
    /// The next hop takes no packets at the moment.
    #[error("next hop {0} takes no more packets at the moment")]
    NextHopRefuses(AccountId),
    /// The next hop would never take this packet.
    #[error("next hop {0} does not take this packet")]
    NotTaken(AccountId),
    /// The node stopped while the packet was in flight.
    #[error("this connector stopped while the packet was in flight")]
    Stopped,
}

impl Refusal {
    /// The ILP error code (RFC 27; which one, where sources differ: decision D7).
    pub fn code(&self) -> ErrorCode {
        match self {
            Refusal::Unreadable(_)
            | Refusal::UnknownPeerProtocol
            | Refusal::BadReturnAddress
            | Refusal::Local(LocalError::BadEcho(_))
            | Refusal::Routes(RouteRequestError::Malformed(_))
            | Refusal::PeerConfig(PeerConfigError::BadRequest(_)) => ErrorCode::F01,
            Refusal::Suspended
            | Refusal::NotTaken(_)
            | Refusal::Routes(
                RouteRequestError::SendingOff
                | RouteRequestError::ReceivingOff
                | RouteRequestError::Gap { .. },
            )
            | Refusal::PeerConfig(PeerConfigError::NotAChild | PeerConfigError::AddressTooLong) => {
                ErrorCode::F00
            }
            Refusal::ForeignNetwork { .. } | Refusal::NoRoute | Refusal::BackToSender => {
                ErrorCode::F02
            }
            Refusal::WrongFulfillment(_) => ErrorCode::F05,
            Refusal::Local(LocalError::NotUnderstood) => ErrorCode::F06,
            Refusal::AmountTooLarge { .. } | Refusal::ConvertedTooLarge { .. } => ErrorCode::F08,
            Refusal::PeerConfig(PeerConfigError::NoAddressYet)
            | Refusal::Routes(RouteRequestError::NoAddressYet)
            | Refusal::NoAddressYet
            | Refusal::NoRate { .. }
            | Refusal::BadAnswer(_)
            | Refusal::LinkError(_)
            | Refusal::Stopped => ErrorCode::T00,
            Refusal::NotConnected(_)
            | Refusal::SessionLost(_)
            | Refusal::Unreachable(_)
            | Refusal::Routes(RouteRequestError::NotConnected) => ErrorCode::T01,
            Refusal::TooManyInFlight { .. }
            | Refusal::TooManyTowards { .. }
            | Refusal::PlacesKept(_)
            | Refusal::RoomKept(_)
            | Refusal::NextHopBusy(_)
            | Refusal::NextHopRefuses(_)
            | Refusal::Stopping => ErrorCode::T03,
            Refusal::OverMaxBalance(_)
            | Refusal::UnderMinBalance { .. }
            | Refusal::CreditKept(_)
            | Refusal::ReceiverFull(_) => ErrorCode::T04,
            Refusal::RateLimited { .. } => ErrorCode::T05,
            Refusal::TimedOut(_) => ErrorCode::R00,
            Refusal::RoundedToZero => ErrorCode::R01,
            Refusal::Expired { .. } | Refusal::TooLittleTime { .. } => ErrorCode::R02,
        }
    }

    /// The Reject's data: F08 tells the sender what would have passed.
    pub fn data(&self) -> Option<[u8; 16]> {
        match *self {
            Refusal::AmountTooLarge { received, maximum }
            | Refusal::ConvertedTooLarge { received, maximum } => {
                Some(AmountTooLarge { received, maximum }.to_bytes())
            }
            _ => None,
        }
    }

    /// The figures behind the refusal: for the log and the pages of this node, and for nobody else.
    pub fn figures(&self) -> Option<String> {
        match self {
            Refusal::OverMaxBalance(over) | Refusal::UnderMinBalance { over, .. } => {
                Some(over.to_string())
            }
            Refusal::TooManyInFlight { limit } | Refusal::TooManyTowards { limit, .. } => {
                Some(format!("the limit is {limit} packets"))
            }
            Refusal::RateLimited { per_second } => {
                Some(format!("the limit is {per_second} packets per second"))
            }
            _ => None,
        }
    }

    /// What a request of the node's own comes to that ends with this refusal.
    pub(super) fn outcome(&self) -> Outcome {
        let cause = Cause { code: self.code(), message: self.to_string() };
        match self.may_have_been_sent() {
            true => Outcome::NoAnswer(cause),
            false => Outcome::NotSent(cause),
        }
    }

    /// Whether bytes of the packet may have left this node. A packet that cannot have been sent may be sent again; any other
    /// one may have been paid by the next hop, whatever this node tells the peer that it came from.
    ///
    /// Every refusal is listed: for a new one, this question must be answered.
    fn may_have_been_sent(&self) -> bool {
        match self {
            Refusal::TimedOut(_)
            | Refusal::WrongFulfillment(_)
            | Refusal::BadAnswer(_)
            | Refusal::LinkError(_)
            | Refusal::Unreachable(_)
            | Refusal::NextHopRefuses(_)
            | Refusal::NotTaken(_)
            | Refusal::Stopped => true,
            // Before the outbox, or (`SessionLost`) taken out of it with no byte written.
            Refusal::Unreadable(_)
            | Refusal::Suspended
            | Refusal::AmountTooLarge { .. }
            | Refusal::TooManyInFlight { .. }
            | Refusal::Stopping
            | Refusal::RateLimited { .. }
            | Refusal::Expired { .. }
            | Refusal::TooLittleTime { .. }
            | Refusal::NoAddressYet
            | Refusal::Local(_)
            | Refusal::PeerConfig(_)
            | Refusal::Routes(_)
            | Refusal::UnknownPeerProtocol
            | Refusal::BadReturnAddress
            | Refusal::ForeignNetwork { .. }
            | Refusal::NoRoute
            | Refusal::BackToSender
            | Refusal::NotConnected(_)
            | Refusal::NextHopBusy(_)
            | Refusal::TooManyTowards { .. }
            | Refusal::PlacesKept(_)
            | Refusal::RoomKept(_)
            | Refusal::CreditKept(_)
            | Refusal::NoRate { .. }
            | Refusal::ConvertedTooLarge { .. }
            | Refusal::RoundedToZero
            | Refusal::OverMaxBalance(_)
            | Refusal::UnderMinBalance { .. }
            | Refusal::ReceiverFull(_)
            | Refusal::SessionLost(_) => false,
        }
    }
}
