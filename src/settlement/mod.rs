//! Settlement engines (RFC 38): the client of their API, the listener that they call, and the messages between the
//! engines of two neighbours. Nothing here spawns; `node` does. What a settlement does to balances is in `connector`
//! and `books`.

mod client;
mod credit;
mod engines;
mod messages;
mod refusals;
mod server;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use client::EngineSettings;
pub use engines::{Engine, Engines};
pub use messages::deliver_message;
pub use server::{EngineListener, EngineListenerError, EngineListenerSettings};
