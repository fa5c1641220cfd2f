//! Every reason for which this node rejects a packet, and the only function that maps it to an ILP error code.

use std::time::Duration;

use super::peer_messages::MessageRefusal;
use crate::account::{AccountId, OverLimit};
use crate::link::{Cause, Outcome};
use crate::local::{LocalError, PeerConfigError};
use crate::routing::ccp::RouteRequestError;
use crate::stream::DeclineReason;
use crate::time::format_age;
use crate::wire::ilp::{AmountTooLarge, ErrorCode};
use crate::wire::{Amount, Error as PacketError, Timestamp};

/// Why this node rejects a packet. The text is the Reject's message, which every node on the way back can read: it
/// names the cause, but no secret and no balance or limit. Those are in [`Refusal::figures`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The bytes are not a Prepare.
    #[error("not a valid Prepare: {0}")]
    Unreadable(PacketError),
    /// The configuration suspends the peer or no longer has it.
    #[error("this account is suspended")]
    Suspended,
    /// An operator suspends the peer for a time.
    #[error("an operator has suspended this account until {until}")]
    SuspendedByOperator {
        /// Then what the configuration says is in force again.
        until: Timestamp,
    },
    /// The amount is above what a limit ever allows.
    #[error("amount {} is above this account's maximum of {}", received.0, maximum.0)]
    AmountTooLarge {
        /// The Prepare's amount.
        received: Amount,
        /// The largest amount that would pass.
        maximum: Amount,
        /// The limit.
        limit: AmountLimit,
    },
    /// The account has `maxPacketsInFlight` packets in flight.
    #[error("too many packets of this account are in flight already")]
    TooManyInFlight {
        /// The limit, in packets.
        limit: usize,
    },
    /// The node is shutting down.
    #[error("this connector is stopping")]
    Stopping,
    /// The store cannot be written at the moment.
    #[error("this connector cannot save its books at the moment")]
    StoreFailing,
    /// The account sends more than `packetsPerSecond`.
    #[error("more packets per second than this account may send")]
    RateLimited {
        /// The limit.
        per_second: u32,
    },
    /// The Prepare arrived at or after its expiry.
    #[error("expired {late_ms} ms ago")]
    Expired {
        /// Milliseconds since the expiry.
        late_ms: u64,
    },
    /// Not enough time for the rest of the way.
    #[error("expires in {left_ms} ms; this hop needs {needed_ms} ms")]
    TooLittleTime {
        /// Milliseconds until the expiry.
        left_ms: u64,
        /// Milliseconds that this hop needs.
        needed_ms: u64,
    },
    /// The node's parent has not given it an address yet (D12).
    #[error("this node has no address of its own yet")]
    NoAddressYet,
    /// A packet to the node's own address that it cannot use.
    #[error(transparent)]
    Local(LocalError),
    /// A `peer.config` request that is refused.
    #[error(transparent)]
    PeerConfig(PeerConfigError),
    /// A `peer.route.*` request that is refused.
    #[error(transparent)]
    Routes(RouteRequestError),
    /// A `peer.settle` request that is refused.
    #[error(transparent)]
    Message(MessageRefusal),
    /// An unknown address under `peer.`, where nothing is ever forwarded.
    #[error("unknown peer protocol; addresses under peer. are not forwarded")]
    UnknownPeerProtocol,
    /// A request to compare books that does not parse: F01.
    #[error(transparent)]
    BadReconcile(PacketError),
    /// An echo request whose return address is this node, or under `peer.`.
    #[error("a pong cannot be sent to that return address")]
    BadReturnAddress,
    /// The address belongs to another network.
    #[error("addresses of this scheme are not reachable from a {network} node")]
    ForeignNetwork {
        /// This node's scheme.
        network: &'static str,
    },
    /// No route matches, or the address belongs to a child that does not exist.
    #[error("no route to the destination")]
    NoRoute,
    /// The only next hop is the sender.
    #[error("the route to the destination leads back to the sender")]
    BackToSender,
    /// No exchange rate between the assets of the two accounts.
    #[error("no exchange rate from {from} to {to}")]
    NoRate {
        /// Asset of the incoming account.
        from: String,
        /// Asset of the outgoing account.
        to: String,
    },
    /// The exchange rate between the assets is too old.
    #[error(
        "the exchange rate from {from} to {to} is {} old, and one of more than {} is not used",
        age(*age_s), age(*max_age_s)
    )]
    RateStale {
        /// Asset of the incoming account.
        from: String,
        /// Asset of the outgoing account.
        to: String,
        /// Its age in seconds.
        age_s: u64,
        /// The largest age.
        max_age_s: u64,
    },
    /// The exchange rate of an asset changed too much at once.
    #[error(
        "the exchange rate from {from} to {to} is not used: the quote of {asset} has jumped, {} ago or earlier",
        age(*age_s)
    )]
    RateJumped {
        /// Asset of the incoming account.
        from: String,
        /// Asset of the outgoing account.
        to: String,
        /// The code of the asset whose quote jumped.
        asset: String,
        /// The age of the newest quotes in seconds.
        age_s: u64,
    },
    /// The converted amount would be above 2^64 - 1.
    #[error("amount {} does not fit the next hop's asset scale; at most {} does", received.0, maximum.0)]
    ConvertedTooLarge {
        /// The Prepare's amount.
        received: Amount,
        /// The largest amount that would fit.
        maximum: Amount,
    },
    /// An amount above zero would become zero.
    #[error("the amount is too small for the next hop's asset scale: it rounds to zero")]
    RoundedToZero,
    /// The sender would owe more than `maxBalance`.
    #[error("this account would owe more than its maximum balance allows, until it settles")]
    OverMaxBalance(OverLimit),
    /// A receiver inside this node has reached its `minBalance`.
    #[error("receiver {0} may not receive more")]
    ReceiverFull(AccountId),
    /// A receiver inside this node does not take the packet.
    #[error(transparent)]
    ReceiverDeclined(DeclineReason),
    /// The next hop cannot get the packet, or gave no valid answer in time.
    #[error("next hop {next_hop} {failure}")]
    NextHop {
        /// The account of the next hop.
        next_hop: AccountId,
        /// What went wrong there.
        failure: NextHopFailure,
    },
    /// The node stopped while the packet was in flight.
    #[error("this connector stopped while the packet was in flight")]
    Stopped,
}

/// Which limit an amount is above.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AmountLimit {
    /// `maxPacketAmount` of the peer that the packet came from.
    Packet,
    /// `maxBalance` of that peer: no settlement makes enough room for the amount.
    Balance,
    /// `maxPacketAmount` of this receiver inside the node.
    Receiver(AccountId),
}

/// What went wrong at a next hop. The text continues a sentence that begins with its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NextHopFailure {
    /// It has no session that takes requests.
    #[error("is not connected")]
    NotConnected,
    /// An operator suspends it for a time.
    #[error("is suspended by an operator until {until}")]
    Suspended {
        /// Then what the configuration says is in force again.
        until: Timestamp,
    },
    /// Its outbox is full: it does not read what it is sent.
    #[error("is too slow; its queue is full")]
    OutboxFull,
    /// The remaining space of its outbox is reserved for other accounts (ADR 13).
    #[error("has queue space left only for other accounts")]
    OutboxReserved,
    /// It has `maxPacketsInFlight` packets in flight.
    #[error("has too many packets in flight already")]
    TooManyInFlight {
        /// The limit, in packets.
        limit: usize,
    },
    /// The packets that may still be in flight to it are reserved for other accounts (ADR 13).
    #[error("may have more packets in flight only from other accounts")]
    InFlightReserved,
    /// This node would owe it more than `minBalance` allows.
    #[error("has no liquidity left for this amount")]
    UnderMinBalance(OverLimit),
    /// The remaining credit, until `minBalance`, is reserved for other accounts (ADR 13).
    #[error("has liquidity left only for other accounts")]
    CreditReserved,
    /// The session was lost before a byte of the Prepare was written.
    #[error("lost its session before the packet was sent")]
    SessionLost,
    /// No answer before the outgoing expiry.
    #[error("did not answer in time")]
    TimedOut,
    /// The fulfillment does not hash to the condition.
    #[error("answered with a fulfillment that does not match the condition")]
    WrongFulfillment,
    /// The answer is neither a Fulfill nor a Reject.
    #[error("gave an answer that cannot be read")]
    BadAnswer,
    /// The answer is an error of the link's protocol.
    #[error("could not process the packet")]
    LinkError,
    /// The packet did not reach it, or the answer was lost with the connection.
    #[error("cannot be reached")]
    Unreachable,
    /// It takes no packets at the moment.
    #[error("takes no more packets at the moment")]
    Busy,
    /// It never takes this packet.
    #[error("does not take this packet")]
    Declined,
}

impl NextHopFailure {
    /// The refusal of a packet that fails at this next hop.
    pub(super) fn refusal_at(self, next_hop: &AccountId) -> Refusal {
        Refusal::NextHop { next_hop: next_hop.clone(), failure: self }
    }

    fn code(self) -> ErrorCode {
        match self {
            Self::Declined => ErrorCode::F00,
            Self::WrongFulfillment => ErrorCode::F05,
            Self::BadAnswer | Self::LinkError => ErrorCode::T00,
            // RFC 27 "T__ - Temporary Error": a packet to a next hop that is offline is rejected with T01. [row 47]
            Self::NotConnected | Self::Suspended { .. } | Self::SessionLost | Self::Unreachable => {
                ErrorCode::T01
            }
            Self::TooManyInFlight { .. }
            | Self::InFlightReserved
            | Self::OutboxFull
            | Self::OutboxReserved
            | Self::Busy => ErrorCode::T03,
            Self::UnderMinBalance(_) | Self::CreditReserved => ErrorCode::T04,
            Self::TimedOut => ErrorCode::R00,
        }
    }

    fn may_have_been_sent(self) -> bool {
        match self {
            Self::TimedOut
            | Self::WrongFulfillment
            | Self::BadAnswer
            | Self::LinkError
            | Self::Unreachable
            | Self::Busy
            | Self::Declined => true,
            Self::NotConnected
            | Self::Suspended { .. }
            | Self::OutboxFull
            | Self::OutboxReserved
            | Self::TooManyInFlight { .. }
            | Self::InFlightReserved
            | Self::UnderMinBalance(_)
            | Self::CreditReserved
            | Self::SessionLost => false,
        }
    }
}

fn age(seconds: u64) -> String {
    format_age(Duration::from_secs(seconds))
}

impl Refusal {
    /// The ILP error code; D7 decides where the sources differ.
    ///
    /// RFC 27 "Error Codes": each code is used for what the RFC says it means. [row 21]
    pub fn code(&self) -> ErrorCode {
        match self {
            // An unknown protocol under `peer.` is F01. [row 30]
            Self::UnknownPeerProtocol
            | Self::BadReconcile(_)
            | Self::Unreadable(_)
            | Self::BadReturnAddress
            | Self::Local(LocalError::BadEcho(_))
            | Self::Routes(RouteRequestError::Malformed(_))
            | Self::PeerConfig(PeerConfigError::BadRequest(_)) => ErrorCode::F01,
            Self::Suspended
            | Self::SuspendedByOperator { .. }
            | Self::Routes(
                RouteRequestError::SendingOff
                | RouteRequestError::ReceivingOff
                | RouteRequestError::Gap { .. },
            )
            | Self::Message(
                MessageRefusal::NoEngine | MessageRefusal::Paid | MessageRefusal::ByEngine,
            )
            | Self::PeerConfig(PeerConfigError::NotAChild | PeerConfigError::AddressTooLong) => {
                ErrorCode::F00
            }
            // RFC 27 "F__ - Final Error": a packet without a route is rejected with F02. [row 28]
            Self::ForeignNetwork { .. } | Self::NoRoute | Self::BackToSender => ErrorCode::F02,
            Self::Local(LocalError::NotUnderstood) => ErrorCode::F06,
            Self::AmountTooLarge { .. } | Self::ConvertedTooLarge { .. } => ErrorCode::F08,
            Self::PeerConfig(PeerConfigError::NoAddressYet)
            | Self::Routes(RouteRequestError::NoAddressYet)
            | Self::NoAddressYet
            | Self::NoRate { .. }
            | Self::RateStale { .. }
            | Self::RateJumped { .. }
            | Self::Message(MessageRefusal::EngineFailed)
            | Self::Stopped => ErrorCode::T00,
            Self::Routes(RouteRequestError::NotConnected) => ErrorCode::T01,
            Self::TooManyInFlight { .. }
            | Self::Stopping
            | Self::StoreFailing
            | Self::Message(MessageRefusal::TooMany) => ErrorCode::T03,
            Self::OverMaxBalance(_) | Self::ReceiverFull(_) => ErrorCode::T04,
            Self::RateLimited { .. } => ErrorCode::T05,
            Self::RoundedToZero => ErrorCode::R01,
            Self::Expired { .. } | Self::TooLittleTime { .. } => ErrorCode::R02,
            Self::ReceiverDeclined(reason) => reason.code(),
            Self::NextHop { failure, .. } => failure.code(),
        }
    }

    /// The Reject's data.
    ///
    /// RFC 27 "F__ - Final Error": the data of F08 holds the amount that arrived and the largest that passes. [row 52]
    pub fn data(&self) -> Option<[u8; 16]> {
        match *self {
            Self::AmountTooLarge { received, maximum, .. }
            | Self::ConvertedTooLarge { received, maximum } => {
                Some(AmountTooLarge { received, maximum }.to_bytes())
            }
            _ => None,
        }
    }

    /// The figures behind the refusal, for the log and the pages of this node only.
    pub fn figures(&self) -> Option<String> {
        match self {
            Self::OverMaxBalance(over)
            | Self::NextHop { failure: NextHopFailure::UnderMinBalance(over), .. } => {
                Some(over.to_string())
            }
            Self::TooManyInFlight { limit }
            | Self::NextHop { failure: NextHopFailure::TooManyInFlight { limit }, .. } => {
                Some(format!("the limit is {limit} packets"))
            }
            Self::RateLimited { per_second } => {
                Some(format!("the limit is {per_second} packets per second"))
            }
            _ => None,
        }
    }

    /// The outcome of a request of the node itself that ends with this refusal.
    pub(super) fn outcome(&self) -> Outcome {
        let cause = Cause { code: self.code(), message: self.to_string() };
        match self.may_have_been_sent() {
            true => Outcome::NoAnswer(cause),
            false => Outcome::NotSent(cause),
        }
    }

    /// Whether a byte of the packet may have left this node. If not, the packet may be sent again; otherwise the next
    /// hop may have been paid.
    ///
    /// Every refusal is listed, so that each new one answers this question.
    fn may_have_been_sent(&self) -> bool {
        match self {
            Self::NextHop { failure, .. } => failure.may_have_been_sent(),
            Self::Stopped => true,
            Self::Unreadable(_)
            | Self::Suspended
            | Self::SuspendedByOperator { .. }
            | Self::AmountTooLarge { .. }
            | Self::TooManyInFlight { .. }
            | Self::Stopping
            | Self::StoreFailing
            | Self::RateLimited { .. }
            | Self::Expired { .. }
            | Self::TooLittleTime { .. }
            | Self::NoAddressYet
            | Self::Local(_)
            | Self::PeerConfig(_)
            | Self::Routes(_)
            | Self::Message(_)
            | Self::BadReconcile(_)
            | Self::UnknownPeerProtocol
            | Self::BadReturnAddress
            | Self::ForeignNetwork { .. }
            | Self::NoRoute
            | Self::BackToSender
            | Self::NoRate { .. }
            | Self::RateStale { .. }
            | Self::RateJumped { .. }
            | Self::ConvertedTooLarge { .. }
            | Self::RoundedToZero
            | Self::OverMaxBalance(_)
            | Self::ReceiverFull(_)
            | Self::ReceiverDeclined(_) => false,
        }
    }
}
