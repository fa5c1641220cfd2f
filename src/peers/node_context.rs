//! The context that all tasks of a node share. It is in this room because `btp`, `web` and `http`, which use it, stand
//! below `node`.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};

use super::credit_order::CreditOrder;
use super::engine_account::EngineAccounts;
use super::expired_packets::ExpiryWatch;
use super::known_addresses::KnownAddresses;
use super::otlp_meter::OtlpMeter;
use super::peer_status::Peers;
use super::settlement_progress::SettlementProgress;
use super::store_meter::StoreMeter;
use super::webhook_meter::WebhookMeters;
use crate::account::AccountId;
use crate::connector::Connector;
use crate::link::CutNumber;
use crate::net::{
    ClientTls, Clock, ClockWatch, Descriptors, LinkCarrier, LinkFaults, NodeFaults, Proxies,
    TlsError, TlsHandshakes, TransportSettings,
};
use crate::rates::RateBook;
use crate::wire::Timestamp;

/// The connector, the status of all peers, the clock and the limits of a node.
#[derive(Debug)]
pub struct NodeContext {
    /// Handles all packets.
    pub connector: Arc<Connector>,
    /// The status of all peers.
    pub peers: Peers,
    /// The addresses that peers have logged in from.
    pub known_addresses: KnownAddresses,
    /// The reverse proxies in front of the listeners. A reload replaces them.
    pub proxies: ArcSwap<Proxies>,
    /// The clock of this node.
    pub clock: Clock,
    /// Detects steps of the time of day.
    pub clock_watch: ClockWatch,
    /// Finds neighbours with another time of day.
    pub expiry_watch: ExpiryWatch,
    /// Limits and timeouts.
    pub settings: TransportSettings,
    /// The trusted certificates of dialled servers.
    pub client_tls: Arc<ClientTls>,
    /// The sources of exchange rates.
    pub rate_book: Mutex<RateBook>,
    /// Runs TLS handshakes.
    pub tls_handshakes: Arc<TlsHandshakes>,
    /// The open files that accepted connections may take, of the whole process.
    pub descriptors: Descriptors,
    /// The last second (Unix time) of the listeners' certificate, 0 if unknown. Unset without TLS.
    pub certificate_expiry: OnceLock<Arc<AtomicU64>>,
    /// What the store does. Unset without one.
    pub store_meter: OnceLock<StoreMeter>,
    /// Where credits of settlement engines go. Unset without a store.
    pub credits: OnceLock<mpsc::Sender<CreditOrder>>,
    /// The newest cut with events, or with changed deliveries of them, that is durable.
    pub saved_events: watch::Sender<CutNumber>,
    /// How deliveries to webhooks went since the start.
    pub webhook_meters: WebhookMeters,
    /// What became of the spans of sampled packets.
    pub otlp_meter: OtlpMeter,
    /// What is wrong with the links that this node dials. Unset without a lab.
    pub faults: OnceLock<Arc<NodeFaults>>,
    /// The peers with which operators let no settlement begin, and until when.
    pub paused_settlements: watch::Sender<BTreeMap<AccountId, Timestamp>>,
    /// Settlements whose engine has failed at the last attempt.
    pub settlement_progress: Mutex<BTreeMap<AccountId, SettlementProgress>>,
    /// The accounts of peers at their settlement engines.
    pub engine_accounts: EngineAccounts,
    /// The accounts whose engine is asked again at once. Unset while no task settles.
    pub settlement_retries: OnceLock<mpsc::Sender<AccountId>>,
    /// Counters of the BTP listener.
    pub btp_counts: BtpCounters,
    /// Counters of the HTTP listener.
    pub http_counts: HttpCounters,
}

/// Defines counters, and a copy of them as plain numbers.
macro_rules! counters {
    (
        $(#[$counters_doc:meta])* $counters:ident, $(#[$counts_doc:meta])* $counts:ident,
        $($(#[$doc:meta])* $name:ident),* $(,)?
    ) => {
        $(#[$counters_doc])*
        #[derive(Debug, Default)]
        pub struct $counters {
            $($(#[$doc])* pub $name: AtomicU64,)*
        }

        $(#[$counts_doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub struct $counts {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl $counters {
            fn counts(&self) -> $counts {
                $counts { $($name: self.$name.load(Ordering::Relaxed),)* }
            }
        }
    };
}

counters! {
    /// Counters of the BTP listener.
    BtpCounters,
    /// A copy of the counters of the BTP listener.
    BtpCounts,
    /// Accepted sockets.
    accepted,
    /// Sockets that were closed because there were too many unauthenticated ones.
    over_limit,
    /// Sockets that ended before a login: no TLS, no WebSocket, no BTP, or a timeout.
    failed_before_login,
    /// Refused logins.
    refused_logins,
    /// Guests that got no account.
    refused_guests,
}

counters! {
    /// Counters of the HTTP listener.
    HttpCounters,
    /// A copy of the counters of the HTTP listener.
    HttpCounts,
    /// Accepted sockets.
    accepted,
    /// Connections that were closed because there were too many unauthenticated ones.
    over_limit,
    /// Sockets whose TLS handshake failed.
    failed_tls_handshakes,
    /// Requests of all kinds.
    requests,
    /// Requests for a peer's account with a wrong token, or without one.
    refused_logins,
}

impl NodeContext {
    /// Reads the CA file of the settings. Open files are not limited.
    pub fn new(
        connector: Arc<Connector>,
        clock: Clock,
        settings: TransportSettings,
    ) -> Result<Arc<Self>, TlsError> {
        let client_tls = ClientTls::load(settings.trust.clone())?;
        Ok(Self::with_tls(connector, clock, settings, client_tls, Descriptors::default()))
    }

    /// A context with TLS settings that are loaded already, and a limit on the open files of accepted connections.
    pub fn with_tls(
        connector: Arc<Connector>,
        clock: Clock,
        settings: TransportSettings,
        client_tls: ClientTls,
        descriptors: Descriptors,
    ) -> Arc<Self> {
        Arc::new(Self {
            connector,
            peers: Peers::default(),
            known_addresses: KnownAddresses::default(),
            proxies: ArcSwap::default(),
            clock,
            clock_watch: ClockWatch::default(),
            expiry_watch: ExpiryWatch::default(),
            rate_book: Mutex::default(),
            tls_handshakes: TlsHandshakes::new(settings.unauthenticated),
            descriptors,
            settings,
            client_tls: Arc::new(client_tls),
            certificate_expiry: OnceLock::new(),
            store_meter: OnceLock::new(),
            credits: OnceLock::new(),
            saved_events: watch::Sender::default(),
            webhook_meters: WebhookMeters::default(),
            otlp_meter: OtlpMeter::default(),
            faults: OnceLock::new(),
            paused_settlements: watch::Sender::default(),
            settlement_progress: Mutex::default(),
            engine_accounts: EngineAccounts::default(),
            settlement_retries: OnceLock::new(),
            btp_counts: BtpCounters::default(),
            http_counts: HttpCounters::default(),
        })
    }

    /// What is wrong with the link to a peer that is dialled. `None` without a lab.
    pub fn dialled_faults(
        &self,
        peer: &AccountId,
        carrier: LinkCarrier,
    ) -> Option<Arc<LinkFaults>> {
        self.faults.get().map(|faults| faults.add_dialled(peer.as_str(), carrier))
    }

    /// With these peers, no settlement begins from now on, until these times.
    pub fn set_paused_settlements(&self, paused: BTreeMap<AccountId, Timestamp>) {
        self.paused_settlements.send_if_modified(|before| {
            let has_changed = *before != paused;
            *before = paused;
            has_changed
        });
    }

    pub fn btp_counts(&self) -> BtpCounts {
        self.btp_counts.counts()
    }

    pub fn http_counts(&self) -> HttpCounts {
        self.http_counts.counts()
    }
}
