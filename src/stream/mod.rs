//! STREAM (RFC 29): a receiver without state, and the sender of a payment as a state machine.
//!
//! The packets in clear are in [`wire::stream`](crate::wire::stream).

mod envelope;
mod keys;
mod receipt;
mod receiver;
mod sender;

pub use envelope::{EnvelopeError, Iv};
#[cfg(feature = "internals")]
pub use envelope::{MAX_PLAINTEXT, OVERHEAD};
pub use keys::{Keys, SECRET_LEN, SharedSecret};
pub use receipt::ReceiptKey;
pub use receiver::{
    AcceptedPacket, CONNECTION_ID_BYTES, DeclineReason, DeclinedPacket, ReceivedPacket, Receiver,
    encode_connection_id, short_connection_id,
};
pub use sender::{
    PacketFailure, PathRate, PaymentEnd, PaymentProgress, Sender, SenderAnswer, SenderPacket,
    SenderSettings, Slippage,
};
