//! The outcome of a request that the node itself sent.
//!
//! Its type says which node answered, because every hop can write any address into a Reject. A packet that was
//! [`Rejected`](Outcome::Rejected) or [`NotSent`](Outcome::NotSent) moved no money on this link and may be sent again;
//! one with [`NoAnswer`](Outcome::NoAnswer) may have been paid.

use std::fmt;

use crate::wire::Fulfillment;
use crate::wire::ilp::{ErrorCode, Reject};

/// The outcome of a request that the node itself sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Fulfilled in time, and the fulfillment hashes to the condition.
    Fulfilled {
        /// The preimage of the condition.
        fulfillment: Fulfillment,
        /// The Fulfill's data.
        data: Vec<u8>,
    },
    /// The peer answered with a Reject in time.
    Rejected(Rejection),
    /// No byte of the packet left this node.
    NotSent(Cause),
    /// The packet may have left this node, and no valid answer came back: the peer may have been paid.
    NoAnswer(Cause),
}

/// A Reject from the peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The error code.
    pub code: ErrorCode,
    /// `triggeredBy` of the Reject, or empty. Any hop can write any address.
    pub by: String,
    /// The message, as text.
    pub message: String,
    /// The Reject's data.
    pub data: Vec<u8>,
}

/// Why this node has no answer from the peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// The code with which this node would reject such a packet from a peer.
    pub code: ErrorCode,
    /// The message of such a Reject.
    pub message: String,
}

impl From<&Reject<'_>> for Rejection {
    fn from(reject: &Reject<'_>) -> Self {
        Self {
            code: reject.code,
            by: reject.triggered_by.map_or_else(String::new, |by| by.as_str().to_owned()),
            message: reject.message_text().into_owned(),
            data: reject.data.to_vec(),
        }
    }
}

/// A callback for the outcome of a request of the node itself. It is called exactly once, outside all locks.
pub struct OutcomeCallback(pub Box<dyn FnOnce(Outcome) + Send>);

impl fmt::Debug for OutcomeCallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OutcomeCallback")
    }
}
