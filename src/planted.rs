//! Faults that `tests/sim` plants, to prove that it would find them.
//!
//! `planted!(Fault)` is `false` in the program, where the compiler removes what depends on it. With the feature
//! `simulation` it is true on a thread that has planted this fault.

/// Makes the enum and the list of its variants.
#[cfg(feature = "simulation")]
macro_rules! faults {
    ($($(#[$text:meta])* $name:ident,)*) => {
        /// A mistake in the code, and the place of it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Fault {
            $($(#[$text])* $name,)*
        }

        impl Fault {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];
        }
    };
}

#[cfg(feature = "simulation")]
faults! {
    /// A Fulfill leaves before the cut that it waits for is durable.
    EarlyProof,
    /// Over HTTP, a packet leaves before the cut that it waits for is durable.
    EarlyPost,
    /// The store says that a cut is saved, and has not saved it.
    LostCommit,
    /// After a failed cut, only what changes from then on is saved.
    UnsavedForgotten,
    /// A rejected packet releases its hold twice.
    HoldReleasedTwice,
    /// A rejected packet keeps its hold.
    HoldKept,
    /// A fulfillment that does not fit the condition is passed on.
    UncheckedFulfillment,
    /// A packet past its deadline gets no answer.
    NoAnswerAtDeadline,
    /// A Prepare that was not written before its session ended gets no answer.
    UnsentForgotten,
    /// A fulfilled packet is booked on one side only.
    HalfBooked,
    /// A requester gets an answer twice.
    AnsweredTwice,
    /// After a crash, nothing is uncertain.
    UncertainForgotten,
    /// A session whose peer is silent stays open.
    SilenceIgnored,
    /// An update of routes is used although the one before it was lost.
    GapAccepted,
    /// What a peer says to have fulfilled is conceded twice.
    ConcededTwice,
    /// A peer's settlement that its engine reports again is credited again.
    CreditedTwice,
    /// An engine confirms to its peer before the credit is durable.
    EarlyCredit,
    /// An engine is asked to pay before the debit is durable.
    EarlySettlement,
    /// A settlement that an operator holds up waits for a cut that is durable, again and again without a pause.
    HeldUpSettlementSpins,
    /// A packet above the largest amount is admitted.
    LimitIgnored,
    /// What is in flight does not count against the largest balance.
    HoldsUncounted,
    /// A converted amount is rounded up.
    RoundedUp,
    /// A route that a neighbour has withdrawn stays.
    WithdrawalIgnored,
    /// A peer that is configured again begins with a balance of zero.
    BalanceForgotten,
    /// A cut is written in two transactions, and a crash may come between them.
    CutInTwo,
    /// What other accounts are guaranteed of a next hop is given to anyone.
    ShareNotKept,
    /// Routes of a peer are used although `acceptPrefixes` excludes them.
    AcceptPrefixesIgnored,
    /// After a crash, the node concedes what a peer says, however much it is.
    LieConceded,
    /// An update of routes is used although a later one has replaced it.
    StaleEpochAccepted,
    /// An answer to another request ends one whose id has the same last bits.
    AnswerToAnother,
    /// A peer that has accepted a request for its routes is not asked again, even if none come.
    FirstUpdateNotAwaited,
    /// A neighbour's own requests are refused while its packets in flight are at their limit.
    NeighbourCutOff,
    /// A peer that asks for all routes while an update is on its way gets them under the same table id, and without
    /// withdrawals.
    TableKept,
    /// A node with `durability: batched` saves what has changed a minute later.
    SavedLate,
    /// A node concedes all that is uncertain, whatever its peer says.
    AllConceded,
    /// A node keeps nothing of amounts that change their asset.
    SpreadForgotten,
    /// A node takes no time of a packet for itself.
    ExpiryKept,
    /// A node waits for an answer five seconds longer than it may.
    DeadlineLate,
    /// A peer has any number of packets in flight.
    InFlightUnlimited,
    /// A peer has any number of sessions.
    SessionsUnlimited,
    /// Any number of a peer's routes is kept.
    RoutesUnlimited,
    /// Any number of bytes waits for a peer.
    BytesUnlimited,
}

#[cfg(feature = "simulation")]
thread_local! {
    static PLANTED: std::cell::Cell<Option<Fault>> = const { std::cell::Cell::new(None) };
}

/// Plants a fault in what this thread does from now on, or none.
#[cfg(feature = "simulation")]
pub fn plant(fault: Option<Fault>) {
    PLANTED.set(fault);
}

/// Whether this thread has planted the fault.
#[cfg(feature = "simulation")]
pub fn is_planted(fault: Fault) -> bool {
    PLANTED.get() == Some(fault)
}

/// Whether a fault is planted.
#[cfg(feature = "simulation")]
macro_rules! planted {
    ($fault:ident) => {
        $crate::planted::is_planted($crate::planted::Fault::$fault)
    };
}

/// In the program, no fault is planted.
#[cfg(not(feature = "simulation"))]
macro_rules! planted {
    ($fault:ident) => {
        false
    };
}
