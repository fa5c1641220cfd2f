//! What became of a request of the node's own.
//!
//! A type says who answered, not an address in the answer: every hop can write any address into a Reject. Senders of money
//! depend on it. A packet that was [`Rejected`](Outcome::Rejected) or [`NotSent`](Outcome::NotSent) moved no money on this
//! link and may be sent again; one that got [`NoAnswer`](Outcome::NoAnswer) may have been paid.

use std::fmt;

use crate::wire::Fulfillment;
use crate::wire::ilp::{ErrorCode, Reject};

/// What became of a request of the node's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Fulfilled in time, and the fulfillment hashes to the condition.
    Fulfilled {
        /// The preimage.
        fulfillment: Fulfillment,
        /// The Fulfill's data.
        data: Vec<u8>,
    },
    /// The peer answered with a Reject in time.
    Rejected(Rejection),
    /// No byte of the packet left this node.
    NotSent(Cause),
    /// The packet left this node, or may have left it, and no answer that counts came back: the peer may have taken it.
    NoAnswer(Cause),
}

/// A Reject from the peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The error code.
    pub code: ErrorCode,
    /// Which node rejected, as the Reject says; empty if it says nothing. Any hop can write any address.
    pub by: String,
    /// The message, as text.
    pub message: String,
    /// The Reject's data.
    pub data: Vec<u8>,
}

/// Why this node has no answer of the peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// The code that this node rejects such a packet with when a peer sent it.
    pub code: ErrorCode,
    /// The cause, in words.
    pub message: String,
}

impl From<&Reject<'_>> for Rejection {
    fn from(reject: &Reject<'_>) -> Self {
        Rejection {
            code: reject.code,
            by: reject.triggered_by.map_or_else(String::new, |by| by.as_str().to_owned()),
            message: reject.message_text().into_owned(),
            data: reject.data.to_vec(),
        }
    }
}

/// What to do with the outcome of a request of the node's own. Called exactly once, outside all locks.
pub struct OwnRequest(pub Box<dyn FnOnce(Outcome) + Send>);

impl fmt::Debug for OwnRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OwnRequest")
    }
}
