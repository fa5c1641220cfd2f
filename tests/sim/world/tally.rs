//! What the programs at the ends know of each payment. They count by themselves, and ask no node.

use ilp_connector::wire::Timestamp;
use parking_lot::Mutex;

/// What became of a payment, as its sender knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The sender had no session.
    NotSent,
    /// There is no answer yet.
    Open,
    Fulfilled,
    Rejected([u8; 3]),
    /// A BTP ERROR.
    Refused,
    /// The session ended before an answer.
    Lost,
}

#[derive(Clone, Debug)]
pub struct Tally {
    pub outcome: Outcome,
    /// When it expires, as its sender has said.
    pub expires_at: Timestamp,
    /// When its sender got the answer.
    pub answered_at: Timestamp,
    /// How often the receiver got it.
    pub received: u32,
    /// The amount that it got last.
    pub amount: u64,
    /// How often it sent the fulfillment.
    pub fulfilled: u32,
}

/// All payments, by their numbers.
#[derive(Debug)]
pub struct Tallies(Mutex<Vec<Tally>>);

impl Tallies {
    pub fn new(payments: usize) -> Self {
        let (outcome, never) = (Outcome::NotSent, Timestamp::EPOCH);
        let (expires_at, answered_at) = (never, never);
        let tally =
            Tally { outcome, expires_at, answered_at, received: 0, amount: 0, fulfilled: 0 };
        Self(Mutex::new(vec![tally; payments]))
    }

    pub fn change<T>(&self, payment: usize, change: impl FnOnce(&mut Tally) -> T) -> T {
        change(&mut self.0.lock()[payment])
    }

    pub fn all(&self) -> Vec<Tally> {
        self.0.lock().clone()
    }
}
