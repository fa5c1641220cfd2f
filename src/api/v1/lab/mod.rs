//! The lab of `up --lab`: nodes and links that are broken on purpose, each for a time, and packets that nodes send.
//!
//! Faults of links are settings that the connections of a link read ([`NodeFaults`]); `node` stops and starts nodes on
//! request. The thread of the network's listener ends what is over. Without `--lab` there is no [`Lab`], and nothing
//! on the way of a packet knows of it.

mod audited;
mod burst;
pub(super) mod handlers;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use futures_util::stream::{FuturesUnordered, StreamExt};
use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::{sleep, timeout};

use self::burst::Burst;
use super::observer::{ApiView, Observer};
use crate::account::AccountId;
use crate::api::status::NodeStatus;
use crate::books::{EventKind, EventLevel, NewEvent};
use crate::net::{FaultSettings, LinkFaults, NodeFaults};
use crate::observe::{FaultBody, FaultKind, StateBody, format_time};

/// Faults at a time.
const FAULTS_MAX: usize = 200;
/// Faults that are over and still shown.
const ENDED_KEPT: usize = 50;
/// How often the lab looks whether the links of its faults still exist.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// For a node to begin to stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);
/// Orders that may wait for `node`.
const ORDERS_MAX: usize = 2 * FAULTS_MAX;

/// What `node` does for the lab.
#[derive(Debug)]
pub enum LabOrder {
    /// Stop this node, as a command would. `begun`: whether there is such a node.
    Stop { node: AccountId, begun: oneshot::Sender<bool> },
    /// Start it again, with its configuration.
    Start(AccountId),
}

/// What is broken, and what has been.
#[derive(Debug)]
pub struct Lab {
    links: Mutex<BTreeMap<AccountId, Arc<NodeFaults>>>,
    inner: Mutex<LabState>,
    orders: mpsc::Sender<LabOrder>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct LabState {
    last_number: u64,
    active: Vec<Fault>,
    /// The newest last.
    ended: VecDeque<EndedFault>,
    new_bursts: Vec<Arc<Burst>>,
    /// Stopped nodes are still shown, and still guard the pages with their tokens.
    stopped: BTreeMap<AccountId, Arc<NodeStatus>>,
    /// Orders that did not fit.
    late_orders: Vec<AccountId>,
}

#[derive(Debug)]
struct Fault {
    body: FaultBody,
    ends_at: Instant,
    effect: Effect,
}

#[derive(Debug, Clone)]
enum Effect {
    Stop(AccountId),
    /// At each end that dials.
    Link {
        ends: Vec<Arc<LinkFaults>>,
        fault: LinkFault,
    },
    Burst(Arc<Burst>),
}

/// What is wrong with a link.
#[derive(Debug, Clone, Copy)]
enum LinkFault {
    Cut,
    /// Of each direction.
    Delay(Duration),
    /// In percent of the packets of each direction.
    Drop(u8),
}

#[derive(Debug, Clone)]
struct EndedFault {
    body: FaultBody,
    ended_at: String,
    how: Ending,
}

/// Why a fault is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Expired,
    Undone,
    Replaced,
    /// Its node or link is gone.
    Gone,
    /// All packets are sent and answered.
    Done,
}

impl Ending {
    fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Undone => "undone",
            Self::Replaced => "replaced",
            Self::Gone => "gone",
            Self::Done => "done",
        }
    }
}

impl Lab {
    /// A lab in which nothing is broken, and its orders to `node`.
    pub fn new() -> (Arc<Self>, mpsc::Receiver<LabOrder>) {
        let (orders, receiver) = mpsc::channel(ORDERS_MAX);
        let (links, inner, changed) = Default::default();
        (Arc::new(Self { links, inner, orders, changed }), receiver)
    }

    /// What is wrong with the links that a node dials. It stays the same when the node is started again.
    pub fn node_faults(&self, node: &AccountId) -> Arc<NodeFaults> {
        Arc::clone(self.links.lock().entry(node.clone()).or_default())
    }

    /// The configuration no longer names a stopped node, which does not start again.
    pub fn forget_node(&self, node: &AccountId, observer: &Observer) {
        let is_stop = |fault: &Fault| matches!(&fault.effect, Effect::Stop(of) if of == node);
        let mut inner = self.inner.lock();
        let at = inner.active.iter().position(is_stop);
        let ended = at.map(|at| inner.end(at, Ending::Gone));
        inner.stopped.remove(node);
        drop(inner);
        ended.iter().for_each(|ended| ended.record(observer));
    }

    /// Has a node stopped, unless it is. `false`: it is starting or stopping.
    async fn stop_node(&self, node: &Arc<NodeStatus>) -> bool {
        let id = node.context().connector.node_id();
        if self.stop_of(&id).is_some() {
            return true;
        }
        let (begun, has_begun) = oneshot::channel();
        let order = LabOrder::Stop { node: id.clone(), begun };
        let is_sent = self.orders.try_send(order).is_ok();
        if !is_sent || !matches!(timeout(STOP_TIMEOUT, has_begun).await, Ok(Ok(true))) {
            return false;
        }
        self.inner.lock().stopped.insert(id, Arc::clone(node));
        true
    }

    /// Why a node is stopped, if the lab has stopped it.
    pub(super) fn stop_of(&self, node: &AccountId) -> Option<String> {
        let inner = self.inner.lock();
        let of = |fault: &&Fault| matches!(&fault.effect, Effect::Stop(of) if of == node);
        let fault = inner.active.iter().find(of)?;
        Some(format!("stopped by the lab until {}", fault.body.expires_at))
    }

    /// What is broken now, the oldest first.
    pub(super) fn faults(&self) -> Vec<FaultBody> {
        self.inner.lock().active.iter().map(Fault::body_now).collect()
    }

    /// Breaks something. One of the same kind at the same place ends.
    fn set(
        &self,
        mut body: FaultBody,
        ttl: Duration,
        effect: Effect,
        observer: &Observer,
    ) -> Option<FaultBody> {
        let mut inner = self.inner.lock();
        let is_same = |fault: &Fault| {
            (fault.body.kind, &fault.body.node, &fault.body.link)
                == (body.kind, &body.node, &body.link)
        };
        let replaced = inner.active.iter().position(is_same);
        if replaced.is_none() && inner.active.len() >= FAULTS_MAX {
            return None;
        }
        // The node stays stopped, and the link broken.
        let replaced = replaced.map(|at| inner.end(at, Ending::Replaced));
        let now = SystemTime::now();
        inner.last_number += 1;
        body.id = format!("lab-{}", inner.last_number);
        (body.set_at, body.expires_at) = (format_time(now), format_time(now + ttl));
        if let Effect::Burst(burst) = &effect {
            inner.new_bursts.push(Arc::clone(burst));
        }
        let event = event_of(&body, None);
        let fault = Fault { body: body.clone(), ends_at: Instant::now() + ttl, effect };
        fault.apply(true);
        inner.active.push(fault);
        drop(inner);
        replaced.iter().for_each(|replaced| replaced.record(observer));
        observer.events.record(place_of(&body), now, event);
        self.changed.notify_one();
        Some(body)
    }

    /// Ends a fault. `None`: there is none of this id.
    fn undo(&self, id: &str, observer: &Observer) -> Option<FaultBody> {
        let ended = {
            let mut inner = self.inner.lock();
            let at = inner.active.iter().position(|fault| fault.body.id == id)?;
            inner.end(at, Ending::Undone)
        };
        self.send_late_orders();
        ended.record(observer);
        Some(ended.body)
    }

    /// Ends what is over, and runs bursts. Never ends.
    pub(in crate::api) async fn drive(&self, observer: &Observer) {
        let mut bursts = FuturesUnordered::new();
        loop {
            let next = self.end_what_is_over(observer);
            self.send_late_orders();
            let new = std::mem::take(&mut self.inner.lock().new_bursts);
            bursts.extend(new.into_iter().map(Burst::run));
            tokio::select! {
                () = sleep(next) => {}
                () = self.changed.notified() => {}
                Some(()) = bursts.next() => {}
            }
        }
    }

    /// Returns when to look again.
    fn end_what_is_over(&self, observer: &Observer) -> Duration {
        let is_checked = self.inner.lock().active.iter().any(|fault| fault.body.link.is_some());
        let state = is_checked.then(|| observer.sample(&ApiView::Network).0);
        let live = observer.nodes(&ApiView::Network);
        let now = Instant::now();
        let mut inner = self.inner.lock();
        let over = |fault: &Fault| match &fault.effect {
            Effect::Burst(burst) if burst.is_done() => Some(Ending::Done),
            _ if fault.ends_at <= now => Some(Ending::Expired),
            Effect::Link { .. } if state.as_ref().is_some_and(|state| !has_link(state, fault)) => {
                Some(Ending::Gone)
            }
            _ => None,
        };
        let mut ended = Vec::new();
        let mut at = 0;
        while let Some(fault) = inner.active.get(at) {
            match over(fault) {
                Some(how) => ended.push(inner.end(at, how)),
                None => at += 1,
            }
        }
        // A node that has started again is shown instead of what it was.
        inner.stopped.retain(|_, old| live.iter().any(|live| Arc::ptr_eq(live, old)));
        let next = inner.active.iter().map(|fault| fault.ends_at.duration_since(now)).min();
        drop(inner);
        ended.iter().for_each(|ended| ended.record(observer));
        next.unwrap_or(CHECK_INTERVAL).min(CHECK_INTERVAL)
    }

    fn send_late_orders(&self) {
        let mut inner = self.inner.lock();
        let late = std::mem::take(&mut inner.late_orders);
        let is_late =
            |node: &AccountId| self.orders.try_send(LabOrder::Start(node.clone())).is_err();
        inner.late_orders = late.into_iter().filter(is_late).collect();
    }
}

impl LabState {
    /// Ends a fault of the list. Its node must be started by [`Lab::send_late_orders`].
    fn end(&mut self, at: usize, how: Ending) -> EndedFault {
        let fault = self.active.remove(at);
        if how != Ending::Replaced || matches!(fault.effect, Effect::Burst(_)) {
            fault.apply(false);
        }
        if let Effect::Stop(node) = &fault.effect
            && !matches!(how, Ending::Replaced | Ending::Gone)
        {
            self.late_orders.push(node.clone());
        }
        let ended_at = format_time(SystemTime::now());
        let ended = EndedFault { body: fault.body_now(), ended_at, how };
        if self.ended.len() >= ENDED_KEPT {
            self.ended.pop_front();
        }
        self.ended.push_back(ended.clone());
        ended
    }
}

impl Fault {
    /// Breaks its link, or repairs it.
    fn apply(&self, is_broken: bool) {
        match &self.effect {
            Effect::Stop(_) => {}
            Effect::Burst(burst) if !is_broken => burst.stop(),
            Effect::Burst(_) => {}
            Effect::Link { ends, fault } => {
                let of = |settings: &mut FaultSettings| match *fault {
                    LinkFault::Cut => settings.is_cut = is_broken,
                    LinkFault::Delay(delay) => {
                        settings.delay = if is_broken { delay } else { Duration::ZERO };
                    }
                    LinkFault::Drop(percent) => {
                        settings.drop_percent = if is_broken { percent } else { 0 };
                    }
                };
                ends.iter().for_each(|end| end.change(of));
            }
        }
    }

    fn body_now(&self) -> FaultBody {
        let mut body = self.body.clone();
        if let Effect::Burst(burst) = &self.effect {
            body.result = Some(burst.body());
        }
        body
    }
}

impl EndedFault {
    fn record(&self, observer: &Observer) {
        let event = event_of(&self.body, Some(self.how));
        observer.events.record(place_of(&self.body), SystemTime::now(), event);
    }
}

fn has_link(state: &StateBody, fault: &Fault) -> bool {
    state.links.iter().any(|link| Some(&link.id) == fault.body.link.as_ref())
}

/// The node that an event is about.
fn place_of(body: &FaultBody) -> &str {
    let of_link = || body.link.as_deref().and_then(|link| link.split('~').next());
    body.node.as_deref().or_else(of_link).unwrap_or_default()
}

/// `lab.set`, or how the fault is over.
fn event_of(body: &FaultBody, ending: Option<Ending>) -> NewEvent {
    let place = body.node.as_ref().or(body.link.as_ref()).map_or("", String::as_str);
    let value = body.value.as_ref().map(|value| format!(" ({value})")).unwrap_or_default();
    let what = match body.kind {
        FaultKind::StopNode => format!("node {place} is stopped"),
        FaultKind::Cut => format!("link {place} is cut"),
        FaultKind::Delay => format!("link {place} is slow{value}"),
        FaultKind::Drop => format!("link {place} loses packets{value}"),
        FaultKind::Burst => format!("node {place} sends packets{value}"),
    };
    let mut fields = vec![
        ("id", body.id.clone()),
        ("fault", body.kind.as_str().to_owned()),
        ("place", place.to_owned()),
        ("by", body.by.clone()),
    ];
    if let Some(result) = &body.result {
        fields.push(("sent", result.sent.to_string()));
        fields.push(("fulfilled", result.fulfilled.to_string()));
        for (code, count) in &result.rejected {
            fields.push(("rejected", format!("{code} {count}")));
        }
    }
    let (kind, text) = match ending {
        None => (EventKind::LabSet, format!("lab: {what} until {}", body.expires_at)),
        Some(Ending::Expired) => (EventKind::LabExpired, format!("lab: no more: {what}")),
        Some(how) => {
            fields.push(("how", how.as_str().to_owned()));
            (EventKind::LabEnded, format!("lab: {}: {what}", how.as_str()))
        }
    };
    NewEvent { level: EventLevel::Warn, kind, text, peer: None, fields }
}
