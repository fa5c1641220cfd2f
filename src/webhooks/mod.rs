//! Delivers events to webhooks, as Standard Webhooks 1.0 says: the body of an event, its signatures, and one request.
//!
//! When to deliver what is decided in `node`, and the store knows what was delivered.

mod payload;
mod request;
mod signature;

pub use request::{DeliveryError, Webhook, deliver};
pub use signature::SigningKey;
