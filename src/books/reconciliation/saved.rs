//! The text in which a store keeps what is known of a peer's books.

use serde::{Deserialize, Serialize};

use super::compare::Parts;
use super::state::{
    Baseline, BooksVerdict, GivenUp, Outstanding, PeerBooksId, ReconcileState, Suspected,
};
use crate::wire::Timestamp;

/// Amounts are texts, because they have up to 39 digits. Times are milliseconds since 1970.
#[derive(Debug, Serialize, Deserialize)]
struct SavedState {
    at: Option<u64>,
    peer: Option<SavedPeer>,
    baseline: Option<(u64, SavedParts)>,
    paid: Option<(String, u64)>,
    received: Option<(String, u64)>,
    recovering: bool,
    may_lack: bool,
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

#[derive(Debug, Serialize, Deserialize)]
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
        texts.map(|text| text.parse().ok()).all()
    }
}

impl ReconcileState {
    /// The text for the store.
    pub fn to_text(&self) -> String {
        let outstanding = |one: &Option<Outstanding>| {
            one.map(|one| (one.total.to_string(), one.since.as_millis()))
        };
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
            paid: outstanding(&self.paid),
            received: outstanding(&self.received),
            recovering: self.is_recovering,
            may_lack: self.may_lack,
            given_up: (self.given_up.day, self.given_up.amount.to_string()),
            verdict: self.verdict.to_string(),
            difference: SavedParts::of(&self.difference),
        };
        serde_json::to_string(&saved).expect("texts and numbers can be written")
    }

    /// What [`Self::to_text`] has written. `None`: the text is no such.
    pub fn from_text(text: &str) -> Option<Self> {
        let saved: SavedState = serde_json::from_str(text).ok()?;
        let outstanding = |one: Option<(String, u64)>| match one {
            Some((total, since)) => {
                let (total, since) = (total.parse().ok()?, Timestamp::from_millis(since));
                Some(Some(Outstanding { total, since }))
            }
            None => Some(None),
        };
        let baseline = match saved.baseline {
            Some((at, parts)) => {
                Some(Baseline { at: Timestamp::from_millis(at), parts: parts.parts()? })
            }
            None => None,
        };
        let (day, amount) = saved.given_up;
        Some(Self {
            at: saved.at.map(Timestamp::from_millis),
            peer: saved.peer.map(|SavedPeer { books, run, cut }| PeerBooksId { books, run, cut }),
            baseline,
            paid: outstanding(saved.paid)?,
            received: outstanding(saved.received)?,
            is_recovering: saved.recovering,
            may_lack: saved.may_lack,
            given_up: GivenUp { day, amount: amount.parse().ok()? },
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
            paid: Some(Outstanding { total: i128::MIN, since: at(4) }),
            received: None,
            is_recovering: true,
            may_lack: true,
            given_up: GivenUp { day: 20_000, amount: 120 },
            verdict: BooksVerdict::Differs,
            difference: parts,
            causes: Vec::new(),
            suspected: Suspected::default(),
        };
        for state in [state, ReconcileState::default()] {
            assert_eq!(ReconcileState::from_text(&state.to_text()), Some(state));
        }
        for wrong in ["", "{}", "null", "[1]"] {
            assert_eq!(ReconcileState::from_text(wrong), None);
        }
    }
}
