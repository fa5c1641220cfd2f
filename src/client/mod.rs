//! A program's own session at a connector: log in over BTP, send Prepares, answer Prepares.
//!
//! A [`Client`] is a connector with one account, so it keeps every rule of the packet path: one answer for each packet,
//! deadlines, limits, and nothing sent twice after a reconnect. It spawns no task: its session, its deadlines and the
//! program's work are one future, [`Client::session`].
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use ilp_connector::client::{Client, ClientError, Login, Options, Outcome};
//! use ilp_connector::wire::ilp::Prepare;
//! use ilp_connector::wire::{Address, Amount, Condition};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let login: Login = "btp+ws://alice:token@127.0.0.1:3000".parse()?;
//! let destination: Address = "test.bob".parse()?;
//! let outcome = Client::session(&login, Options::default(), async |client| {
//!     let prepare = Prepare {
//!         amount: Amount(100),
//!         expires_at: client.expiry(Duration::from_secs(10)),
//!         condition: Condition::PING,
//!         destination: destination.view(),
//!         data: &[],
//!     };
//!     Ok::<_, ClientError>(client.send(&prepare).await)
//! })
//! .await?;
//! assert!(matches!(outcome, Outcome::Fulfilled { .. }));
//! # Ok(())
//! # }
//! ```

mod incoming;
mod login;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, interval, sleep_until, timeout};

pub use self::incoming::IncomingPrepare;
use self::incoming::ProgramSession;
pub use self::login::{Login, LoginError};
pub use crate::account::Asset;
use crate::account::{AccountId, AccountSettings, Limits, Relation, Spread};
use crate::btp::BtpDialler;
use crate::connector::{Connector, ConnectorSettings, RegistryError, Timing};
use crate::link::CloseRequest;
pub use crate::link::{Cause, Outcome, Rejection};
use crate::local::PingSettings;
use crate::net::{Clock, TlsError, TransportSettings};
pub use crate::peers::{AttemptFailure, IldcpRequestError, ParentInfo};
use crate::peers::{NodeContext, PeerChange, PeerEvent, PeerState, PeerStatus};
use crate::routing::HashSeed;
use crate::time::Now;
use crate::wire::ilp::Prepare;
use crate::wire::{Address, Scheme, Timestamp};

/// The client's address in its Rejects until the node gives it one.
pub(crate) const DEFAULT_ADDRESS: &str = "private.ilp-connector-client";
/// The client's account for the node that it logs in at.
const NODE_ACCOUNT: &str = "via";
/// The interval of checks for deadlines.
const TICK: Duration = Duration::from_millis(20);
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// The most bytes that may wait for the socket: enough for the largest window of large packets.
const OUTBOX_BYTES_MAX: usize = 1 << 30;
/// How long `work` may go on after another program took the account, to report its results.
const REPLACED_GRACE: Duration = Duration::from_millis(500);

/// Settings of a client.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The most packets that may wait for an answer. Smaller values are raised to 16,384, the default of
    /// `maxPacketsInFlight`.
    pub max_packets_in_flight: usize,
    /// How the client answers Prepares.
    pub receive: Receive,
}

/// How a client answers Prepares that arrive.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Receive {
    /// It rejects them.
    #[default]
    Nothing,
    /// It fulfills pings to this address and rejects everything else.
    Pings(Address),
    /// [`Client::next_prepare`] returns them.
    Prepares,
}

/// Why a session cannot start or continue.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The first login failed.
    #[error("cannot log in at {login}: {reason}")]
    Login {
        /// The node and the account, without the token.
        login: String,
        /// The cause, as text.
        reason: String,
        /// The step at which the attempt failed.
        failure: Option<AttemptFailure>,
    },
    /// The node ended the session for a newer one of the same account.
    #[error(
        "another program logged in with the same account and replaced this one; give each program an account of its own, \
         or raise the account's maxSessions at the node"
    )]
    Replaced,
    /// The session ended and will not reconnect.
    #[error("the session ended")]
    Ended,
    /// The node gave no address.
    #[error("the node gave no address (IL-DCP), which only child accounts get: {0}")]
    NoAddress(IldcpRequestError),
    /// The client cannot have this address.
    #[error("cannot take the address: {0}")]
    Address(RegistryError),
    /// The CA file of the login cannot be used.
    #[error(transparent)]
    Tls(TlsError),
}

/// A session at a node.
pub struct Client {
    replaced: watch::Sender<bool>,
    context: Arc<NodeContext>,
    node: AccountId,
    status: Arc<PeerStatus>,
    program: Option<ProgramSession>,
}

impl Client {
    /// Logs in, does `work`, and logs out. A lost session reconnects.
    ///
    /// # Errors
    /// The error of `work`, or why the session cannot start or continue. If another program takes the account, `work`
    /// has half a second to end.
    pub async fn session<T, E: From<ClientError>>(
        login: &Login,
        options: Options,
        work: impl AsyncFnOnce(&Self) -> Result<T, E>,
    ) -> Result<T, E> {
        let node: AccountId = NODE_ACCOUNT.parse().expect("the name is a segment of an address");
        let context = build_context(&node, options.clone(), login)?;
        let status = context.peers.status(&node);
        let (dialler, handle) = BtpDialler::new(login.dial(node.clone()), Arc::clone(&context));
        let program =
            (options.receive == Receive::Prepares).then(|| ProgramSession::attach(&context));
        let replaced = watch::Sender::new(false);
        let client = Self { replaced, context, node, status, program };
        let mut dialling = std::pin::pin!(dialler.run());
        let mut working = std::pin::pin!(async {
            client.wait_for_login(login).await?;
            work(&client).await
        });
        let mut tick = interval(TICK);
        let mut events = client.context.peers.subscribe();
        let mut grace_ends_at = None;
        let result = loop {
            let grace_is_over = sleep_until(grace_ends_at.unwrap_or_else(Instant::now));
            tokio::select! {
                result = &mut working => break result,
                () = grace_is_over, if grace_ends_at.is_some() => break Err(ClientError::Replaced.into()),
                () = &mut dialling, if grace_ends_at.is_none() => break Err(ClientError::Ended.into()),
                _ = tick.tick() => client.context.connector.sweep_deadlines(client.now()),
                event = events.recv() => if event.is_ok_and(|event| is_replaced(&event)) {
                    // If both programs logged in again, they would replace each other forever.
                    client.replaced.send_replace(true);
                    grace_ends_at = Some(Instant::now() + REPLACED_GRACE);
                },
            }
        };
        let result =
            if grace_ends_at.is_some() { Err(ClientError::Replaced.into()) } else { result };
        handle.stop(CloseRequest { code: 1000, reason: "done" });
        // A closing handshake that the node does not complete is no failure.
        let _ = timeout(CLOSE_TIMEOUT, dialling).await;
        result
    }

    /// Sends a Prepare to the node, and waits for its answer, at most until the Prepare expires.
    pub async fn send(&self, prepare: &Prepare<'_>) -> Outcome {
        self.send_at(prepare, self.now()).await
    }

    /// The same, with the time from which the deadline of the answer is computed.
    pub(crate) async fn send_at(&self, prepare: &Prepare<'_>, now: Now) -> Outcome {
        self.context.send_prepare(&self.node, prepare, now).await
    }

    /// Sends a Prepare to the node. Calls `answer` exactly once, perhaps before this returns.
    pub(crate) fn send_with_callback(
        &self,
        prepare: &Prepare<'_>,
        now: Now,
        answer: impl FnOnce(Outcome) + Send + 'static,
    ) {
        self.connector().originate_prepare(&self.node, prepare, now, answer);
    }

    /// The expiry of a packet that is sent now with this lifetime.
    #[must_use]
    pub fn expiry(&self, lifetime: Duration) -> Timestamp {
        self.now().wall.saturating_add(lifetime)
    }

    /// Asks the node for an address and the asset of the account (IL-DCP, RFC 31). Only children get one.
    ///
    /// # Errors
    /// [`ClientError::NoAddress`], or [`ClientError::Address`].
    pub async fn fetch_address(&self) -> Result<ParentInfo, ClientError> {
        let asked = self.context.request_parent_info(&self.node).await;
        let info = asked.map_err(ClientError::NoAddress)?;
        match &self.program {
            // It receives the Prepares for all addresses, so its client takes none itself.
            Some(program) => program.set_address(info.address.clone()),
            None => {
                let taken = self.connector().set_address(info.address.clone());
                taken.map_err(ClientError::Address)?;
            }
        }
        Ok(info)
    }

    /// Waits for the next Prepare, with [`Receive::Prepares`]. For one caller at a time; cancel safe.
    pub async fn next_prepare(&self) -> IncomingPrepare<'_> {
        match &self.program {
            Some(program) => program.next_prepare(&self.context).await,
            None => std::future::pending().await,
        }
    }

    /// Waits until the first login has succeeded or failed.
    async fn wait_for_login(&self, login: &Login) -> Result<(), ClientError> {
        let mut tick = interval(TICK / 10);
        loop {
            tick.tick().await;
            let peer = self.status.snapshot();
            if peer.state == PeerState::Connected {
                return Ok(());
            }
            if let Some(reason) = peer.last_error.filter(|_| peer.counts.failed_attempts > 0) {
                let (login, failure) = (login.to_string(), peer.last_attempt_failure);
                return Err(ClientError::Login { login, reason, failure });
            }
        }
    }

    /// Both clocks, as the packet path reads them.
    pub(crate) fn now(&self) -> Now {
        self.context.clock.now()
    }

    /// The clock, for callbacks that measure.
    pub(crate) fn clock(&self) -> Clock {
        self.context.clock.clone()
    }

    /// Becomes true when another program takes the account.
    pub(crate) fn replaced(&self) -> watch::Receiver<bool> {
        self.replaced.subscribe()
    }

    /// The packet path of the client.
    pub(crate) fn connector(&self) -> &Connector {
        &self.context.connector
    }
}

fn is_replaced(event: &PeerEvent) -> bool {
    matches!(&event.change, PeerChange::Disconnected(reason) if reason.is_replaced_by_peer())
}

/// A connector with an account for the node, and one for the program if it answers Prepares.
fn build_context(
    node: &AccountId,
    options: Options,
    login: &Login,
) -> Result<Arc<NodeContext>, ClientError> {
    let limits = Limits::default();
    let mut account = AccountSettings::new(node.clone(), Relation::Parent);
    account.limits = Limits {
        max_packets_in_flight: options.max_packets_in_flight.max(limits.max_packets_in_flight),
        outbox_bytes_max: OUTBOX_BYTES_MAX,
        ..limits
    };
    let mut settings = ConnectorSettings {
        node_id: "ilp-connector-client".parse().expect("the name is a segment of an address"),
        address: None,
        scheme: Scheme::Test,
        accounts: vec![account],
        routes: Vec::new(),
        rates: Vec::new(),
        spread: Spread::NONE,
        timing: Timing::default(),
        ping: PingSettings { echo: false, known_condition: false },
        ccp_timing: Default::default(),
    };
    match options.receive {
        Receive::Nothing => {}
        Receive::Pings(address) => {
            settings.ping.known_condition = true;
            settings.scheme = address.scheme();
            settings.address = Some(address);
        }
        Receive::Prepares => ProgramSession::add_account(&mut settings),
    }
    let connector =
        Connector::without_books(settings, HashSeed::Random).map_err(ClientError::Address)?;
    let settings =
        TransportSettings { trust: login.trust().clone(), ..TransportSettings::default() };
    NodeContext::new(connector, Clock::start(), settings).map_err(ClientError::Tls)
}
