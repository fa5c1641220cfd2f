//! STREAM (RFC 29): what the two ends of a payment say to each other inside the data of ILP packets, and how the
//! receiver proves that it was paid.
//!
//! Nothing here knows an account, a route or a socket. The packets in clear are [`wire::stream`](crate::wire::stream).

mod envelope;
mod keys;
mod receiver;
mod sender;

pub use envelope::{EnvelopeError, Iv};
pub use keys::{Keys, SECRET_LEN, SharedSecret};
pub use receiver::{
    AcceptedPacket, DeclinedPacket, ReceivedPacket, Receiver, TOKEN_BYTES, encode_token,
};
pub use sender::{
    PacketFailure, PathRate, PaymentEnd, PaymentProgress, Sender, SenderAnswer, SenderPacket,
    SenderSettings, Slippage,
};
