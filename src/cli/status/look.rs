//! Asks each node for its health and its accounts.

use std::collections::BTreeSet;

use futures_util::stream::{self, StreamExt};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::network_view::{NodeRow, ViewState};
use super::super::up_page::note_stops;
use crate::console::{NAME_A_FILE, sanitize, sanitize_answer};
use crate::observe::{
    BothWays, EngineAccountBody, EngineRefusalBody, PeerSettlementBody, PendingSettlementBody,
    ReconcileBody, parse_time,
};
use crate::remote::{AskedNode, PageClient, PageError};
use crate::wire::Timestamp;

/// Nodes that are asked at a time.
const CONCURRENT_MAX: usize = 32;
/// Verdicts that an operator must look at.
const ALARMS: [&str; 3] = ["differs", "overdue", "otherAsset"];
/// Verdicts on peers that have no books to compare, or none that are known.
const WITHOUT_BOOKS: [&str; 2] = ["unsupported", "unknown"];
/// How the error of a session ends that the peer has closed because it was done (RFC 6455 7.4.1).
const GOODBYE: &str = "(1000)";

/// A node and its accounts at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NodeLook {
    pub(super) row: NodeRow,
    pub(super) url: String,
    pub(super) uptime_s: Option<u64>,
    pub(super) version: Option<String>,
    /// Why the file that it last read is not in force.
    pub(super) refused_configuration: Option<String>,
    pub(super) accounts: Vec<AccountLook>,
    /// Why the balances are not known, although the node answers.
    pub(super) no_balances: Option<String>,
}

/// An account of a node, from `/peers`, or without a balance from `/health`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct AccountLook {
    pub(super) id: String,
    pub(super) kind: String,
    /// What the peer is to the node. `None`: not known, or no peer.
    pub(super) relation: Option<String>,
    pub(super) state: String,
    pub(super) required: bool,
    /// When the state began.
    pub(super) since: Option<String>,
    pub(super) last_error: Option<String>,
    /// Until when an operator suspends it.
    pub(super) suspended_until: Option<String>,
    /// Positive: the peer owes the node. `None`: not known.
    pub(super) balance: Option<String>,
    /// What the peer may have fulfilled at a crash. `None`: not known.
    pub(super) uncertain: Option<String>,
    /// How its books compare with the node's. `None`: not known.
    pub(super) reconcile: Option<ReconcileBody>,
    /// What is settled with it. `None`: nothing, or not known.
    pub(super) settlement: Option<PeerSettlementBody>,
    pub(super) asset_code: Option<String>,
    pub(super) asset_scale: Option<u8>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct HealthPage {
    status: String,
    node_id: String,
    #[serde(default)]
    uptime: u64,
    #[serde(default)]
    version: String,
    #[serde(default)]
    reasons: Vec<String>,
    #[serde(default)]
    config: ConfigPart,
    #[serde(default)]
    peers: Vec<AccountLook>,
}

#[derive(Debug, Default, Deserialize)]
struct ConfigPart {
    error: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PeersPage {
    ilp_address: Option<String>,
    peers: Vec<AccountLook>,
}

/// Asks all nodes at the same time. The answers are in the order of the nodes.
pub(super) async fn look_at_all(client: &PageClient, nodes: &[AskedNode]) -> Vec<NodeLook> {
    let looks = stream::iter(nodes).map(|node| async move {
        look_at(client, node).await.map_err(|error| (node.clone(), error))
    });
    let mut looks: Vec<Result<NodeLook, (AskedNode, PageError)>> =
        looks.buffered(CONCURRENT_MAX).collect().await;
    note_stops(client, nodes, looks.iter_mut().filter_map(|look| look.as_mut().err())).await;
    let looks = looks
        .into_iter()
        .map(|look| look.unwrap_or_else(|(node, error)| NodeLook::without_answer(&node, &error)));
    let mut looks: Vec<NodeLook> = looks.collect();
    let ids: BTreeSet<String> = looks.iter().map(|look| look.row.id.clone()).collect();
    for look in &mut looks {
        look.count_peers(&ids);
    }
    looks
}

async fn look_at(client: &PageClient, node: &AskedNode) -> Result<NodeLook, PageError> {
    let health = client.health(node).await?;
    Ok(match is_another(node, &health) {
        // The token is for the node that the file names.
        true => look_at_another(node, &health),
        false => look_of(node, health, client.page(node, "peers").await),
    })
}

fn is_another(node: &AskedNode, health: &HealthPage) -> bool {
    node.id.as_ref().is_some_and(|id| *id != sanitize(&health.node_id))
}

fn look_at_another(node: &AskedNode, health: &HealthPage) -> NodeLook {
    let (answered, url) = (sanitize(&health.node_id), node.shown_url());
    let why = format!("the node {answered} answers at {url}; for that one, {NAME_A_FILE}");
    let reasons = health.reasons.iter().map(|reason| sanitize_answer(reason));
    let reasons = [why].into_iter().chain(reasons).collect();
    let state = ViewState::Bad("another node".to_owned());
    let id = node.id.clone().unwrap_or_default();
    NodeLook { row: NodeRow { id, ..row(state, reasons) }, ..blank(node) }
}

fn look_of(node: &AskedNode, health: HealthPage, peers: Result<PeersPage, PageError>) -> NodeLook {
    let reasons = health.reasons.iter().map(|reason| sanitize_answer(reason)).collect();
    let answered = sanitize(&health.node_id);
    let state = ViewState::of_node(&health.status);
    let (address, accounts, no_balances) = match peers {
        Ok(page) => (page.ilp_address, page.peers, None),
        // A standby has no balances.
        Err(_) if health.status == "standby" => (None, health.peers, None),
        Err(error) => (None, health.peers, Some(error.to_string())),
    };
    NodeLook {
        row: NodeRow {
            id: answered,
            address: address.as_deref().map(sanitize),
            ..row(state, reasons)
        },
        uptime_s: Some(health.uptime),
        version: Some(sanitize(&health.version)),
        refused_configuration: health.config.error.as_deref().map(sanitize_answer),
        accounts: accounts.into_iter().map(AccountLook::sanitized).collect(),
        no_balances,
        ..blank(node)
    }
}

fn row(state: ViewState, reasons: Vec<String>) -> NodeRow {
    NodeRow { id: String::new(), state, reasons, peers_connected: 0, peers: 0, address: None }
}

fn blank(node: &AskedNode) -> NodeLook {
    NodeLook {
        row: row(ViewState::Bad(String::new()), Vec::new()),
        url: node.shown_url(),
        uptime_s: None,
        version: None,
        refused_configuration: None,
        accounts: Vec::new(),
        no_balances: None,
    }
}

impl NodeLook {
    fn without_answer(node: &AskedNode, error: &PageError) -> Self {
        let (word, what) = match error {
            PageError::NoAnswer(what) => ("no answer", what.clone()),
            error => ("unreadable", error.to_string()),
        };
        let url = node.shown_url();
        // An id that is not known yet.
        let id = node.id.clone().unwrap_or_else(|| node.url.authority());
        let reason = format!("{what}; {}", node.hint);
        let state = ViewState::Bad(word.to_owned());
        Self { row: NodeRow { id, ..row(state, vec![reason]) }, url, ..blank(node) }
    }

    /// An account of a tool, which may never connect, is no peer that is missing.
    fn count_peers(&mut self, nodes: &BTreeSet<String>) {
        let is_peer = |account: &&AccountLook| matches!(account.kind.as_str(), "" | "peer");
        let is_connected = |account: &&AccountLook| account.state == "connected";
        let is_expected = |account: &&AccountLook| {
            is_connected(account) || nodes.contains(&account.id) || !account.may_be_away()
        };
        let peers = self.accounts.iter().filter(is_peer).filter(is_expected);
        self.row.peers = peers.clone().filter(|account| account.state != "removed").count();
        self.row.peers_connected = peers.filter(is_connected).count();
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "id": self.row.id,
            "url": self.url,
            "status": self.row.state.word(),
            "reasons": self.row.reasons,
            "address": self.row.address,
            "version": self.version,
            "uptimeSeconds": self.uptime_s,
            "refusedConfiguration": self.refused_configuration,
            "peersConnected": self.row.peers_connected,
            "peersExpected": self.row.peers,
            "noBalances": self.no_balances,
            "peers": self.accounts,
        })
    }
}

impl AccountLook {
    fn sanitized(self) -> Self {
        let clean = |text: Option<String>| text.as_deref().map(sanitize);
        let suspension = self
            .suspended_until
            .as_ref()
            .map(|until| format!("suspended by an operator until {until}"));
        Self {
            id: sanitize(&self.id),
            relation: clean(self.relation),
            kind: if self.kind.is_empty() { "peer".to_owned() } else { sanitize(&self.kind) },
            state: sanitize(&self.state),
            required: self.required,
            since: clean(self.since),
            // Rather than that we have closed the session.
            last_error: clean(suspension.or(self.last_error)),
            suspended_until: clean(self.suspended_until),
            balance: clean(self.balance),
            uncertain: clean(self.uncertain),
            reconcile: self.reconcile.map(|one| ReconcileBody {
                verdict: sanitize(&one.verdict),
                text: sanitize_answer(&one.text),
                ..one
            }),
            settlement: self.settlement.map(sanitized_settlement),
            asset_code: clean(self.asset_code),
            asset_scale: self.asset_scale,
        }
    }

    /// The account of a tool or a client, or of a peer that has never dialled.
    fn may_be_away(&self) -> bool {
        let is_child = self.relation.as_deref() == Some("child");
        !self.required && (is_child || self.state == "waiting")
    }

    /// A tool that has disconnected is no problem.
    pub(super) fn view_state(&self) -> ViewState {
        match ViewState::of_peer(&self.state) {
            ViewState::Bad(word) if self.may_be_away() => ViewState::Pending(word),
            state => state,
        }
    }

    /// Why it is not connected. A tool that has said goodbye is no error.
    pub(super) fn shown_error(&self) -> Option<&str> {
        let is_goodbye = |error: &&str| error.ends_with(GOODBYE) && self.may_be_away();
        self.last_error.as_deref().filter(|error| !is_goodbye(error))
    }

    /// It has something to show: it is or was connected, it must be, or money is in it.
    pub(super) fn is_in_use(&self, is_node: bool) -> bool {
        let has_balance = self.balance.as_deref().is_some_and(|balance| balance != "0");
        let is_peer = self.kind == "peer" && self.state != "removed";
        let is_idle = self.state == "waiting" && self.last_error.is_none();
        let engine = self.engine();
        let fails = engine.is_some_and(|it| it.last_error.is_some() || it.last_refusal.is_some());
        let settles = fails || self.pending_settlement().is_some() || self.paused_until().is_some();
        has_balance
            || settles
            || self.is_uncertain()
            || (is_peer && (is_node || self.required || !is_idle))
    }

    /// An amount waits until an operator says what became of it.
    pub(super) fn is_uncertain(&self) -> bool {
        self.uncertain.as_deref().is_some_and(|amount| amount != "0")
    }

    /// The settlement that is debited and that no engine has accepted.
    pub(super) fn pending_settlement(&self) -> Option<&PendingSettlementBody> {
        self.settlement.as_ref()?.pending.as_ref()
    }

    /// Its account at its settlement engine.
    pub(super) fn engine(&self) -> Option<&EngineAccountBody> {
        self.settlement.as_ref()?.engine.as_ref()
    }

    /// Until when an operator lets no settlement begin.
    pub(super) fn paused_until(&self) -> Option<&str> {
        self.settlement.as_ref()?.paused_until.as_deref()
    }

    /// What an operator must know of the peer's books, if anything.
    pub(super) fn books_differ(&self) -> Option<&str> {
        let reconcile = self.reconcile.as_ref()?;
        let is_alarm = ALARMS.contains(&&*reconcile.verdict);
        is_alarm.then_some(&*reconcile.text)
    }

    /// The verdict on its books, with what still lies between them, and how long ago it was found. `None`: there is
    /// none, as with tools, which have no books.
    pub(super) fn books(&self, now: Timestamp) -> Option<String> {
        let ReconcileBody { verdict, text, compared_at, .. } = self.reconcile.as_ref()?;
        if WITHOUT_BOOKS.contains(&verdict.as_str()) {
            return None;
        }
        // `the books agree, but for 18 USD that ...`
        let but = text.strip_prefix("the books ").filter(|text| text.starts_with("agree, but"));
        let verdict = match verdict.as_str() {
            "agrees" => but.unwrap_or("agree"),
            "differs" => "differ",
            other => other,
        };
        let at = compared_at.as_deref().and_then(parse_time);
        let ago = at.map(|at| now.as_millis().saturating_sub(at.as_millis()) / 1000);
        Some(match ago {
            Some(seconds) => format!("{verdict} ({seconds} s ago)"),
            None => verdict.to_owned(),
        })
    }

    /// The code and the scale.
    pub(super) fn asset(&self) -> Option<String> {
        Some(format!("{}/{}", self.asset_code.as_ref()?, self.asset_scale?))
    }

    /// Seconds since the state began, by the clock of this machine.
    pub(super) fn seconds_in_state(&self, now: Timestamp) -> Option<u64> {
        let since = parse_time(self.since.as_deref()?)?;
        Some(now.as_millis().saturating_sub(since.as_millis()) / 1000)
    }
}

fn sanitized_settlement(one: PeerSettlementBody) -> PeerSettlementBody {
    let clean = |text: Option<String>| text.as_deref().map(sanitize);
    PeerSettlementBody {
        mode: sanitize(&one.mode),
        settled: BothWays {
            received: sanitize(&one.settled.received),
            sent: sanitize(&one.settled.sent),
        },
        pending: one.pending.map(|pending| PendingSettlementBody {
            key: sanitize(&pending.key),
            units: sanitize(&pending.units),
            since: sanitize(&pending.since),
            attempts: pending.attempts,
            last_error: clean(pending.last_error),
            next_attempt_at: clean(pending.next_attempt_at),
            held_up: clean(pending.held_up),
        }),
        paused_until: clean(one.paused_until),
        engine: one.engine.map(|engine| EngineAccountBody {
            state: sanitize(&engine.state),
            since: clean(engine.since),
            failures: engine.failures,
            last_error: clean(engine.last_error),
            last_refusal: engine.last_refusal.map(|refusal| EngineRefusalBody {
                at: sanitize(&refusal.at),
                status: refusal.status,
                reason: sanitize(&refusal.reason),
            }),
        }),
    }
}
