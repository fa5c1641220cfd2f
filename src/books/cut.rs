//! What the store saves in one transaction.

use std::sync::Arc;

use super::adjustment::Adjustment;
use super::flow::FlowRow;
use super::received::{PaymentKey, ReceivedPayment};
use super::reconciliation::ReconciliationRow;
use super::row::AccountRow;
use super::saved_event::{EventDelivery, SavedEvent};
use super::settlement::Settlement;
use crate::link::CutNumber;
use crate::wire::Timestamp;

/// All accounts that have changed since the last cut, at one moment between two packets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cut {
    /// Its number.
    pub number: CutNumber,
    /// When it was taken.
    pub at: Timestamp,
    /// The accounts.
    pub accounts: Vec<AccountRow>,
    /// What was paid between accounts in the present hour, and in earlier ones that the last cut lacks.
    pub flows: Vec<FlowRow>,
    /// What receivers got since the last cut, in all by each connection.
    pub payments: Vec<ReceivedPayment>,
    /// Payments that are in a sum now; they are in no other list here, and have no row any more.
    pub summed_up: Vec<PaymentKey>,
    /// What few cuts have: the others cost nothing for it. See [`Cut::records`].
    pub records: Option<Box<CutRecords>>,
}

/// What a cut has beside the sums of packets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CutRecords {
    /// The changes that operators made, whose effect is in the accounts.
    pub adjustments: Vec<Adjustment>,
    /// The settlements that have begun or changed, the earlier state of one before the later; their effect is in the
    /// accounts.
    pub settlements: Vec<Settlement>,
    /// Events that the store may lack.
    pub events: Vec<Arc<SavedEvent>>,
    /// How far the deliveries of events to webhooks are, where that has changed.
    pub deliveries: Vec<EventDelivery>,
    /// Events before this are removed, and those beyond [`super::EVENTS_SAVED_MAX`].
    pub forget_events_before: Option<Timestamp>,
    /// What is known of peers' books, of the accounts where it has changed.
    pub reconciliations: Vec<ReconciliationRow>,
}

impl Cut {
    /// Its records; empty ones, if it has none.
    pub fn records(&self) -> &CutRecords {
        static NONE: CutRecords = CutRecords {
            adjustments: Vec::new(),
            settlements: Vec::new(),
            events: Vec::new(),
            deliveries: Vec::new(),
            forget_events_before: None,
            reconciliations: Vec::new(),
        };
        self.records.as_deref().unwrap_or(&NONE)
    }

    /// The same cut with these records.
    #[must_use]
    pub fn with_records(self, records: CutRecords) -> Self {
        Self { records: Some(Box::new(records)), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_keeps_its_records_and_without_any_has_none() {
        let cut = Cut { number: CutNumber(7), at: Timestamp::from_millis(5), ..Cut::default() };
        assert_eq!(cut.records(), &CutRecords::default());
        let records = CutRecords { forget_events_before: Some(cut.at), ..CutRecords::default() };
        let with_records = cut.clone().with_records(records.clone());
        assert_eq!(with_records.records(), &records);
        assert_eq!(Cut { records: None, ..with_records }, cut);
    }
}
