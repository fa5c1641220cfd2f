//! The text in which a store keeps what is known of a peer's books.

use serde::{Deserialize, Serialize};

use super::compare::Parts;
use super::payments::{Payment, Payments};
use super::state::{
    Baseline, BooksVerdict, GivenUp, NotCredited, PeerBooksId, ReconcileState, Suspected,
};
use crate::wire::Timestamp;

/// Amounts are texts, because they have up to 39 digits. Times are milliseconds since 1970.
#[derive(Debug, Serialize, Deserialize)]
struct SavedState {
    at: Option<u64>,
    peer: Option<SavedPeer>,
    baseline: Option<(u64, SavedParts)>,
    #[serde(default)]
    balanced: SavedParts,
    #[serde(default)]
    payments: SavedPayments,
    #[serde(default)]
    payments_received: SavedPayments,
    #[serde(default)]
    pending: (String, String),
    #[serde(default)]
    dust: (String, String),
    #[serde(default)]
    credit_places: Option<u8>,
    recovering: bool,
    may_lack: bool,
    #[serde(default)]
    lost: String,
    given_up: (u64, String),
    verdict: String,
    difference: SavedParts,
}

#[derive(Debug, Serialize, Deserialize)]
struct SavedPeer {
    books: String,
    run: u64,
    cut: u64,
}

/// The sum of what is forgotten, and each settlement: the sum with it, and its time.
#[derive(Debug, Default, Serialize, Deserialize)]
struct SavedPayments {
    forgotten: String,
    payments: Vec<(String, u64)>,
}

impl SavedPayments {
    fn of(saved: &Payments) -> Self {
        let Payments { forgotten, payments } = saved;
        let saved = |one: &Payment| (one.total.to_string(), one.at.as_millis());
        Self { forgotten: forgotten.to_string(), payments: payments.iter().map(saved).collect() }
    }

    fn payments(&self) -> Option<Payments> {
        let payment = |(total, at): &(String, u64)| {
            Some(Payment { total: total.parse().ok()?, at: Timestamp::from_millis(*at) })
        };
        let payments: Option<_> = self.payments.iter().map(payment).collect();
        Some(Payments { forgotten: amount(&self.forgotten)?, payments: payments? })
    }
}

/// The texts of an older version are empty where it did not have the amount.
fn amount(text: &str) -> Option<i128> {
    if text.is_empty() { Some(0) } else { text.parse().ok() }
}

fn not_credited((paid, received): &(String, String)) -> Option<NotCredited> {
    Some(NotCredited { paid: amount(paid)?, received: amount(received)? })
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct SavedParts {
    asked: String,
    answered: String,
    paid: String,
    received: String,
    adjusted: String,
}

impl SavedParts {
    fn of(parts: &Parts<i128>) -> Self {
        let Parts { asked, answered, paid, received, adjusted } =
            parts.map(|part| part.to_string());
        Self { asked, answered, paid, received, adjusted }
    }

    fn parts(&self) -> Option<Parts<i128>> {
        let Self { asked, answered, paid, received, adjusted } = self;
        let texts = Parts { asked, answered, paid, received, adjusted };
        texts.map(|text| amount(text)).all()
    }
}

impl ReconcileState {
    /// The text for the store.
    pub fn to_text(&self) -> String {
        let texts = |one: &NotCredited| (one.paid.to_string(), one.received.to_string());
        let saved = SavedState {
            at: self.at.map(|at| at.as_millis()),
            peer: self.peer.as_ref().map(|PeerBooksId { books, run, cut }| SavedPeer {
                books: books.clone(),
                run: *run,
                cut: *cut,
            }),
            baseline: self
                .baseline
                .map(|baseline| (baseline.at.as_millis(), SavedParts::of(&baseline.parts))),
            balanced: SavedParts::of(&self.balanced),
            payments: SavedPayments::of(&self.paid),
            payments_received: SavedPayments::of(&self.received),
            pending: texts(&self.pending),
            dust: texts(&self.dust),
            credit_places: self.credit_places,
            recovering: self.is_recovering,
            may_lack: self.may_lack,
            lost: self.lost.to_string(),
            given_up: (self.given_up.day, self.given_up.amount.to_string()),
            verdict: self.verdict.to_string(),
            difference: SavedParts::of(&self.difference),
        };
        serde_json::to_string(&saved).expect("texts and numbers can be written")
    }

    /// What [`Self::to_text`] has written. `None`: the text is no such.
    pub fn from_text(text: &str) -> Option<Self> {
        let saved: SavedState = serde_json::from_str(text).ok()?;
        let baseline = match saved.baseline {
            Some((at, parts)) => {
                Some(Baseline { at: Timestamp::from_millis(at), parts: parts.parts()? })
            }
            None => None,
        };
        let (day, given_up) = saved.given_up;
        Some(Self {
            at: saved.at.map(Timestamp::from_millis),
            peer: saved.peer.map(|SavedPeer { books, run, cut }| PeerBooksId { books, run, cut }),
            baseline,
            balanced: saved.balanced.parts()?,
            paid: saved.payments.payments()?,
            received: saved.payments_received.payments()?,
            pending: not_credited(&saved.pending)?,
            dust: not_credited(&saved.dust)?,
            credit_places: saved.credit_places,
            is_recovering: saved.recovering,
            may_lack: saved.may_lack,
            lost: amount(&saved.lost)?,
            given_up: GivenUp { day, amount: given_up.parse().ok()? },
            verdict: saved.verdict.parse::<BooksVerdict>().ok()?,
            difference: saved.difference.parts()?,
            causes: Vec::new(),
            suspected: Suspected::default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_saved_is_read() {
        let at = Timestamp::from_millis;
        let parts = Parts { asked: i128::MAX, answered: -5, paid: 0, received: 7, adjusted: 1 };
        let state = ReconcileState {
            at: Some(at(5)),
            peer: Some(PeerBooksId { books: "00ff".to_owned(), run: u64::MAX, cut: 9 }),
            baseline: Some(Baseline { at: at(3), parts }),
            balanced: Parts { paid: 5, received: -5, ..Parts::default() },
            paid: Payments {
                forgotten: 3,
                payments: vec![Payment { total: i128::MAX, at: at(4) }],
            },
            received: Payments::default(),
            pending: NotCredited { paid: 18, received: 2 },
            dust: NotCredited { paid: 0, received: 500 },
            credit_places: Some(6),
            is_recovering: true,
            may_lack: true,
            lost: 4_220,
            given_up: GivenUp { day: 20_000, amount: 120 },
            verdict: BooksVerdict::Differs,
            difference: parts,
            causes: Vec::new(),
            suspected: Suspected::default(),
        };
        for state in [state, ReconcileState::default()] {
            assert_eq!(ReconcileState::from_text(&state.to_text()), Some(state));
        }
        // What the first version wrote.
        let old = r#"{"at":5,"peer":null,"baseline":null,"paid":["4",9],"received":null,"recovering":false,
            "may_lack":false,"given_up":[0,"0"],"verdict":"agrees","difference":{"asked":"0","answered":"0",
            "paid":"0","received":"0","adjusted":"0"}}"#;
        let read = ReconcileState::from_text(old).unwrap();
        assert_eq!((read.verdict, read.paid), (BooksVerdict::Agrees, Payments::default()));
        for wrong in ["", "{}", "null", "[1]"] {
            assert_eq!(ReconcileState::from_text(wrong), None);
        }
    }
}
