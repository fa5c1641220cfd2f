//! The tools' client: a connector of its own with one account, on this program's own BTP. So windows of thousands are
//! as fast as the packet path is, and there is no second implementation of the protocol to keep right.
//!
//! It spawns nothing: session, deadlines and the tool's work are one future.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, interval, sleep_until, timeout};

use super::failure::Failure;
use super::login::EntryLogin;
use super::run::chain;
use super::text::sanitize;
use super::waiting::saying;
use crate::account::{AccountId, AccountSettings, Limits, Relation};
use crate::btp::BtpClient;
use crate::connector::{Connector, ConnectorSettings, Timing};
use crate::link::Outcome;
use crate::local::PingSettings;
use crate::net::{Clock, TransportSettings};
use crate::node::ildcp::{self, ParentInfo};
use crate::peers::{
    AttemptFailure, PeerChange, PeerEvent, PeerState, PeerStatus, TransportContext,
};
use crate::routing::HashSeed;
use crate::time::Now;
use crate::wire::ilp::Prepare;
use crate::wire::{Address, Scheme};

/// The name of the connector in the tool.
const TOOL: &str = "ilp-connector-tool";
/// How a tool signs its Rejects while it has no address.
pub(super) const TOOL_SIGNATURE: &str = "private.ilp-connector-tool";
/// How the tools name themselves where they say which node stopped a packet. No ILP address: no hop can claim it.
pub(super) const THIS_PROGRAM: &str = "this program";
/// What the tool calls the node that it logs in at.
const VIA: &str = "via";
/// How often deadlines are looked at, and whether the login succeeded.
const TICK: Duration = Duration::from_millis(20);
/// How long the end of the session may take.
const GOODBYE: Duration = Duration::from_secs(2);
/// Bytes that may wait for the socket: enough for the largest window of large packets.
const OUTBOX_BYTES_MAX: usize = 1 << 30;

/// What is said when the node has ended the session for a newer one of the same account.
const REPLACED: &str = "another program logged in with the same account and replaced this one; give each program an \
    account of its own, or raise the account's maxSessions at the node";

/// What a tool that was replaced has for its summary.
const REPLACED_GRACE: Duration = Duration::from_millis(500);

/// What a tool may do with its session.
pub(super) struct Client {
    /// Whether another program took its account.
    replaced: watch::Sender<bool>,
    context: Arc<TransportContext>,
    via: AccountId,
    status: Arc<PeerStatus>,
}

/// What the tool is on the network.
#[derive(Debug, Clone, Copy)]
pub(super) struct Role<'a> {
    /// Packets that may be in flight.
    pub(super) window: usize,
    /// An address whose pings it fulfills.
    pub(super) receives_at: Option<&'a Address>,
}

impl Client {
    /// Logs in, does `work`, and logs out.
    pub(super) async fn session<T>(
        login: &EntryLogin,
        role: Role<'_>,
        work: impl AsyncFnOnce(&Client) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let via: AccountId = VIA.parse().map_err(|error| failed("account", error))?;
        let context = context(&via, role, login)?;
        let status = context.peers.status(&via);
        let (dialler, handle) = BtpClient::new(login.dial(via.clone()), Arc::clone(&context));
        let client = Client { context, via, status, replaced: watch::Sender::new(false) };
        let mut dialling = std::pin::pin!(dialler.run());
        let mut working = std::pin::pin!(async {
            let words = || format!("waiting for an answer from {login}");
            saying(client.logged_in(login), words).await?;
            work(&client).await
        });
        let mut tick = interval(TICK);
        let mut events = client.context.peers.subscribe();
        let mut leave_at = None;
        let result = loop {
            let time_is_up = sleep_until(leave_at.unwrap_or_else(Instant::now));
            tokio::select! {
                result = &mut working => break result,
                () = time_is_up, if leave_at.is_some() => break replaced(),
                () = &mut dialling, if leave_at.is_none() => break Err(Failure::Failed("the session ended".to_owned())),
                _ = tick.tick() => client.context.connector.sweep_deadlines(client.now()),
                event = events.recv() => if event.is_ok_and(|event| is_replaced(&event)) {
                    // The work is interrupted, so that it tells what it has done. Nothing is dialled meanwhile.
                    client.replaced.send_replace(true);
                    leave_at = Some(Instant::now() + REPLACED_GRACE);
                },
            }
        };
        let result = if leave_at.is_some() { replaced() } else { result };
        handle.stop(1000, "done");
        // A node that does not say goodbye changes nothing for the tool.
        let _ = timeout(GOODBYE, dialling).await;
        result
    }

    /// Until the first login succeeded or failed. A session that is lost later is dialled again.
    async fn logged_in(&self, login: &EntryLogin) -> Result<(), Failure> {
        let mut look = interval(TICK / 10);
        let started = Instant::now();
        loop {
            look.tick().await;
            let peer = self.status.snapshot();
            if peer.state == PeerState::Connected {
                return Ok(());
            }
            if peer.counts.failed_attempts > 0 {
                let error = peer.last_error.unwrap_or_default();
                let help = match peer.last_attempt_failure {
                    Some(AttemptFailure::Refused) => {
                        "; user or token are not those of the node's account"
                    }
                    Some(AttemptFailure::Unreachable) => {
                        "; is the node running? (up says where it took another port)"
                    }
                    // The error says what is wrong there.
                    Some(AttemptFailure::Unusable) | None => "",
                };
                return Err(Failure::Failed(format!("cannot log in at {login}: {error}{help}")));
            }
            debug_assert!(started.elapsed() < Duration::from_secs(60), "attempts have an end");
        }
    }

    /// Both clocks, as the packet path wants them.
    pub(super) fn now(&self) -> Now {
        self.context.clock.now()
    }

    /// For callbacks that measure.
    pub(super) fn clock(&self) -> Clock {
        self.context.clock.clone()
    }

    /// Sends a Prepare to the node. `answer` is called exactly once, perhaps before this returns.
    pub(super) fn send(
        &self,
        prepare: &Prepare<'_>,
        now: Now,
        answer: impl FnOnce(Outcome) + Send + 'static,
    ) {
        self.connector().originate_prepare(&self.via, prepare, now, answer);
    }

    /// What becomes true when another program took the account.
    pub(super) fn replaced(&self) -> watch::Receiver<bool> {
        self.replaced.subscribe()
    }

    /// The packet path of the tool.
    pub(super) fn connector(&self) -> &Connector {
        &self.context.connector
    }

    /// Asks the node for an address and the asset of the account (IL-DCP, RFC 31), and takes the address.
    pub(super) async fn take_address(&self) -> Result<ParentInfo, Failure> {
        let asking = ildcp::ask(self.connector(), &self.context.clock, &self.via);
        let words = || "waiting for the node to say its asset and an address (IL-DCP)".to_owned();
        let told = saying(asking, words).await;
        let mut told = told.map_err(|error| {
            Failure::Failed(format!(
                "the node gave no address (IL-DCP), which only child accounts get: {error}"
            ))
        })?;
        told.asset.code = sanitize(&told.asset.code).into();
        let taken = self.connector().set_address(told.address.clone());
        taken.map_err(|error| failed("cannot take the address that the node gave", error))?;
        Ok(told)
    }
}

/// Whether the node ended our session for a newer one. Two programs that both logged in again would replace each other
/// for ever.
fn is_replaced(event: &PeerEvent) -> bool {
    matches!(&event.change, PeerChange::Disconnected(ended) if ended.is_replaced_by_peer())
}

fn replaced<T>() -> Result<T, Failure> {
    Err(Failure::Failed(REPLACED.to_owned()))
}

fn failed(what: &str, error: impl std::fmt::Display) -> Failure {
    Failure::Failed(format!("{what}: {error}"))
}

/// A connector with nothing but an account for the node.
fn context(
    via: &AccountId,
    role: Role<'_>,
    login: &EntryLogin,
) -> Result<Arc<TransportContext>, Failure> {
    let mut account = AccountSettings::new(via.clone(), Relation::Parent);
    account.limits = Limits {
        max_packets_in_flight: role.window.max(Limits::default().max_packets_in_flight),
        outbox_bytes_max: OUTBOX_BYTES_MAX,
        ..Limits::default()
    };
    let settings = ConnectorSettings {
        node_id: TOOL.parse().map_err(|error| failed("node id", error))?,
        address: role.receives_at.cloned(),
        scheme: role.receives_at.map_or(Scheme::Test, Address::scheme),
        accounts: vec![account],
        routes: Vec::new(),
        rates: Vec::new(),
        timing: Timing::default(),
        ping: PingSettings { echo: false, known_condition: role.receives_at.is_some() },
        ccp_timing: Default::default(),
    };
    let connector = Connector::new(settings, HashSeed::Random);
    let connector = connector.map_err(|error| failed("cannot make a client", error))?;
    let settings =
        TransportSettings { trust: login.trust().clone(), ..TransportSettings::default() };
    let context = TransportContext::new(connector, Clock::start(), settings);
    context.map_err(|error| Failure::Usage(chain(&error)))
}
