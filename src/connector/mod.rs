//! The packet path: everything that happens to a Prepare and to its answer, as synchronous calls.
//!
//! A transport calls [`Batch::handle_prepare`] and [`Batch::handle_answer`] with what a peer sent. When the call
//! returns, the outboxes of the sessions concerned hold what must be written. Nothing here waits, spawns, reads a clock
//! or logs, and nothing can be cancelled half-way: a packet is answered, or stays pending until its deadline.
//!
//! Start with `prepare.rs` (a Prepare's way, top to bottom), then read `answer.rs`.

mod account;
mod admission;
mod answer;
mod asset_table;
mod batch;
mod ccp;
mod changed_accounts;
mod core;
mod cuts;
mod exchange_rates;
mod explain;
mod exposure;
mod fair_shares;
mod forward;
mod guest_slots;
mod own_account;
mod packet_log;
mod packet_observers;
mod packet_records;
mod packet_sample;
mod packet_tap;
mod peer_messages;
mod pending_echoes;
mod prepare;
mod receive;
mod received_payments;
mod reconcile;
mod record_budget;
mod refusal;
mod refusal_advice;
mod registry;
mod reject_counts;
mod reject_lane;
mod report;
mod requester_sums;
mod saved_events;
mod sessions;
mod settings;
mod settlements;
mod settler;
mod snapshot;
mod stats;
mod stream_credentials;
#[cfg(test)]
mod tests;
mod tracked_ledger;
mod unused_ledgers;

pub use self::account::Account;
pub use self::answer::{AnswerOutcome, PeerAnswer};
pub use self::asset_table::PairRate;
pub use self::batch::Batch;
pub use self::core::Connector;
pub use self::cuts::UncertainRelease;
pub use self::exchange_rates::RateReport;
pub use self::explain::{PacketDecision, PacketExplanation};
pub use self::exposure::Exposure;
pub use self::guest_slots::GuestSums;
pub use self::own_account::OwnAccountReport;
pub use self::packet_log::{NodeNumber, PacketEvent, PacketLog, PacketRecord, PacketRing};
pub use self::packet_observers::ObservedPacket;
pub use self::packet_sample::{Sample, SampleKey};
pub use self::packet_tap::{PacketTap, TAP_CAPACITY};
pub use self::peer_messages::{MessageAnswer, MessageRefusal, PeerMessage};
pub use self::reconcile::{BooksAnswer, NotReconciled, Reconciled};
#[cfg(test)]
pub(crate) use self::refusal::AmountLimit;
pub use self::refusal::{NextHopFailure, Refusal};
pub use self::registry::RegistryError;
pub use self::reject_counts::RejectCount;
pub use self::reject_lane::REJECTS_KEPT_PER_SECOND;
pub use self::report::{AccountReport, ConnectorReport, Explanation, NextHopReport, RouteReport};
pub use self::saved_events::WebhookSubscription;
pub use self::sessions::REPLACED;
pub use self::settings::{ConnectorSettings, Timing};
pub use self::settlements::{SettleAmount, SettlementNote};
pub use self::settler::{AnsweredSettlement, Settler, SettlerAction, SettlerInput};
pub use self::stats::{LATENCY_BUCKETS, Stats, Traffic, code_labels};
pub use self::stream_credentials::{StreamCredentials, StreamCredentialsError};
