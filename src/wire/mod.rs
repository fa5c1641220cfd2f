//! Codecs: parse and encode what Interledger and BTP put on the wire.
//!
//! Parsing borrows from the input and allocates nothing; each length is compared with the bytes
//! left before it is used, and with a named limit. Encoding is canonical. A value from this room is
//! well-formed; other rooms decide whether it is acceptable.

pub mod address;
pub mod amount;
pub mod btp;
pub mod ccp;
pub mod condition;
pub mod error;
pub mod ildcp;
pub mod ilp;
pub mod payment_pointer;
pub mod ping;
pub mod reconcile;
pub mod stream;
pub mod timestamp;
pub mod ws;

#[cfg(test)]
pub(crate) mod vectors;

pub use address::{Address, AddressError, AddressRef, Network, Prefix, Scheme};
pub use amount::Amount;
pub use condition::{Condition, Fulfillment};
pub use error::Error;
pub use payment_pointer::{PaymentPointer, PaymentPointerError};
pub use timestamp::{Timestamp, TimestampError};
