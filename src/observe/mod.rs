//! What an observer knows: the objects of the API and of its stream, the filter language, what is kept, and who gets
//! what of it. It watches nothing by itself: `api` brings samples of the nodes and the records of their packets.
//!
//! Nothing here reads a clock, waits, or touches a socket.

mod accounts;
mod event_log;
mod filter;
mod history;
mod income;
mod links;
mod merge;
mod model;
mod packet;
mod path;
mod rates;
mod ring;
mod sampling;
mod scope;
mod shared_sample;
mod stream_queue;
mod visibility;

pub use self::accounts::{AccountFacts, account_bodies, format_time, parse_time, reconcile_body};
pub use self::event_log::{EventLog, ObjectIds, OtherBoot};
pub use self::filter::PacketFilter;
pub use self::history::{HISTORY_STEP_MS, History};
pub use self::income::income_body;
pub use self::links::{UNKNOWN, join_links};
pub use self::merge::{merge_nodes, merge_rates};
pub use self::model::{
    AcceptedRateBody, BothWays, BurstBody, ByeBody, CandidateBody, EngineAccountBody,
    EngineRefusalBody, EventBody, ExchangeRateBody, ExchangeRatesBody, FaultBody, FaultKind,
    GapBody, GapCause, HelloBody, IncomeBody, JumpedAssetBody, LinkBody, LinkHistoryBody, LinkKind,
    LinkRates, LinkState, NodeBody, NodeExchangeRatesBody, NodeHistoryBody, NodeIncomeBody,
    NodeStats, OverrideBody, OverrideKind, PacketBody, PacketLane, PacketPhase, PaymentBody,
    PaymentsBody, PeerBody, PeerSettlementBody, PendingSettlementBody, RateSourceBody, RatesBody,
    ReasonCountBody, ReconcileBody, ReconnectBody, RecordedSettlementBody, SampleBody, SampledBody,
    SavedEventBody, SavedEventsBody, SettlementBody, SettlementWay, SettlementsBody,
    SettlementsUnderWayBody, StateBody, StepBody, StreamLimits, StreamMessage, WebhookBody,
    WebhookVerbBody, WebhooksBody,
};
pub use self::packet::{PacketDescriber, reason_body};
pub use self::path::{HopBody, PathBody, packet_path, packet_paths};
pub use self::rates::RateMeter;
pub use self::ring::{Resumed, Ring};
pub use self::sampling::{SAMPLED_PER_SECOND, next_threshold, one_in, parse_hex};
pub use self::scope::{OPERATOR_TOKEN, Scope};
pub use self::shared_sample::SharedSample;
pub use self::stream_queue::{
    EncodedMessage, STREAM_PACKETS_PER_SECOND, STREAM_PACKETS_PER_SECOND_MAX, StreamQueue,
    Subscription, Topics,
};
pub use self::visibility::Visibility;
