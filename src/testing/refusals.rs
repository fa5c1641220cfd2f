//! One refusal of each kind.

use crate::account::OverLimit;
use crate::connector::{AmountLimit, MessageRefusal, NextHopFailure, Refusal};
use crate::local::{LocalError, PeerConfigError};
use crate::routing::ccp::RouteRequestError;
use crate::stream::DeclineReason;
use crate::wire::{Amount, Error, Timestamp};

/// Of packets from alice, to bob as next hop or to the receiver shop.
pub(crate) fn every_refusal() -> Vec<Refusal> {
    let unreadable = || Error::TooLong { place: "Prepare: data", length: 40_000, maximum: 32_768 };
    let over = OverLimit { reached: 1_200, limit: 1_000 };
    let under = OverLimit { reached: -1_200, limit: -1_000 };
    let shop = || "shop".parse().unwrap();
    let (received, maximum) = (Amount(700), Amount(500));
    let too_large = |limit| Refusal::AmountTooLarge { received, maximum, limit };
    let until = Timestamp::from_millis(1_767_225_600_000);
    let mut refusals = vec![
        Refusal::Unreadable(unreadable()),
        Refusal::Suspended,
        Refusal::SuspendedByOperator { until },
        too_large(AmountLimit::Packet),
        too_large(AmountLimit::Balance),
        too_large(AmountLimit::Receiver(shop())),
        Refusal::TooManyInFlight { limit: 16_384 },
        Refusal::Stopping,
        Refusal::StoreFailing,
        Refusal::RateLimited { per_second: 100 },
        Refusal::Expired { late_ms: 12 },
        Refusal::TooLittleTime { left_ms: 900, needed_ms: 2_000 },
        Refusal::NoAddressYet,
        Refusal::Local(LocalError::BadEcho(unreadable())),
        Refusal::Local(LocalError::NotUnderstood),
        Refusal::PeerConfig(PeerConfigError::NotAChild),
        Refusal::PeerConfig(PeerConfigError::BadRequest(unreadable())),
        Refusal::PeerConfig(PeerConfigError::NoAddressYet),
        Refusal::PeerConfig(PeerConfigError::AddressTooLong),
        Refusal::Routes(RouteRequestError::SendingOff),
        Refusal::Routes(RouteRequestError::ReceivingOff),
        Refusal::Routes(RouteRequestError::NotConnected),
        Refusal::Routes(RouteRequestError::Gap { from: 7, known: 5 }),
        Refusal::Routes(RouteRequestError::NoAddressYet),
        Refusal::Routes(RouteRequestError::Malformed(unreadable())),
        Refusal::Message(MessageRefusal::NoEngine),
        Refusal::Message(MessageRefusal::Paid),
        Refusal::Message(MessageRefusal::TooMany),
        Refusal::Message(MessageRefusal::ByEngine),
        Refusal::Message(MessageRefusal::EngineFailed),
        Refusal::UnknownPeerProtocol,
        Refusal::BadReconcile(unreadable()),
        Refusal::BadReturnAddress,
        Refusal::ForeignNetwork { network: "test" },
        Refusal::NoRoute,
        Refusal::BackToSender,
        Refusal::NoRate { from: "USD/9".to_owned(), to: "XRP/6".to_owned() },
        Refusal::RateStale {
            from: "USD/9".to_owned(),
            to: "XRP/6".to_owned(),
            age_s: 400,
            max_age_s: 300,
        },
        Refusal::RateJumped {
            from: "USD/9".to_owned(),
            to: "XRP/6".to_owned(),
            asset: "XRP".to_owned(),
            age_s: 2,
        },
        Refusal::ConvertedTooLarge { received, maximum },
        Refusal::RoundedToZero,
        Refusal::OverMaxBalance(over),
        Refusal::ReceiverFull(shop()),
        Refusal::ReceiverDeclined(DeclineReason::NoConnection),
        Refusal::ReceiverDeclined(DeclineReason::NotAuthentic),
        Refusal::ReceiverDeclined(DeclineReason::NotARequest),
        Refusal::ReceiverDeclined(DeclineReason::BelowMinimum),
        Refusal::ReceiverDeclined(DeclineReason::Unfulfillable),
        Refusal::Stopped,
    ];
    let failures = [
        NextHopFailure::NotConnected,
        NextHopFailure::Suspended { until },
        NextHopFailure::OutboxFull,
        NextHopFailure::OutboxReserved,
        NextHopFailure::TooManyInFlight { limit: 16_384 },
        NextHopFailure::InFlightReserved,
        NextHopFailure::UnderMinBalance(under),
        NextHopFailure::CreditReserved,
        NextHopFailure::SessionLost,
        NextHopFailure::TimedOut,
        NextHopFailure::WrongFulfillment,
        NextHopFailure::BadAnswer,
        NextHopFailure::LinkError,
        NextHopFailure::Unreachable,
        NextHopFailure::Busy,
        NextHopFailure::Declined,
    ];
    let bob = || "bob".parse().unwrap();
    refusals.extend(failures.map(|failure| Refusal::NextHop { next_hop: bob(), failure }));
    refusals
}
