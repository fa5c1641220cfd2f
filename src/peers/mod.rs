//! The peers of a node, as every protocol sees them: the directory of logins ([`LoginDirectory`], [`Token`]), the
//! status and events of each peer ([`PeerStatus`]), the guard of a session, the delays and the control of dialling
//! tasks, the request for address and asset at a parent, and the context that a node's tasks share.

mod close_reason;
mod credit_order;
mod dial_backoff;
mod dial_handle;
mod directory;
mod engine_account;
mod expired_packets;
mod guests;
mod ildcp;
mod known_addresses;
mod node_context;
mod otlp_meter;
mod peer_status;
mod session_guard;
mod settlement_progress;
mod store_meter;
mod token;
mod webhook_meter;

pub use close_reason::{
    CloseReason, GOING_AWAY, NOT_UTF8, PROTOCOL_ERROR, RECONFIGURED, RECONNECT, SUSPENDED, TOO_BIG,
    Timeout,
};
pub use credit_order::{CREDIT_ORDERS_MAX, CreditOrder, CreditRefusal};
pub use dial_backoff::{DialBackoff, DialDelay};
pub use dial_handle::{DialHandle, DialSignals, WaitEnd};
pub use directory::{LoginDirectory, Logins, NoRandomness, PeerLogin, TokenFingerprinter};
pub use engine_account::{EngineAccount, EngineRefusal, EngineState};
pub use expired_packets::{ArrivedPackets, ExpiredAt, ExpiredPackets};
pub use guests::{GuestDoor, GuestOrder, GuestRefusal, guest_id};
pub use ildcp::{IldcpRequestError, ParentInfo};
pub use node_context::{BtpCounts, HttpCounts, NodeContext};
pub use otlp_meter::OtlpCounts;
#[cfg(test)]
pub use peer_status::RefusedLogin;
pub use peer_status::{
    AttemptFailure, PeerChange, PeerCounts, PeerEvent, PeerMistake, PeerSnapshot, PeerState,
    PeerStatus, SwappedType,
};
pub use session_guard::SessionGuard;
pub use settlement_progress::{AccountSettlements, SettlementHoldUp, SettlementProgress};
pub use store_meter::{BucketCounts, StoreMeter, StoreReport};
pub use token::Token;
pub use webhook_meter::WebhookMeter;
