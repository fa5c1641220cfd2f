//! What is known of a node that runs elsewhere. If it does not answer, the last figures stay, with their time.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use tokio::time::Instant;

use super::AskedNode;
use crate::observe::{
    FaultBody, NodeBody, OverrideBody, PacketBody, RatesBody, UNKNOWN, format_time,
};

/// Records of packets that wait until the observer reads them, which it does many times a second.
const INBOX_MAX: usize = 10_000;
/// Lost records that a node can report at once: sums of any number of such reports do not overflow.
const LOST_AT_ONCE_MAX: u64 = u32::MAX as u64;
/// Figures that are older belong to the past.
const FRESH: Duration = Duration::from_secs(20);
/// The status of a node that does not answer.
const UNREACHABLE: &str = "unreachable";
/// The status of a node that waits for its books.
const STANDBY: &str = "standby";

/// How much is known of a node, the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Knowledge {
    /// Nothing, or what was so.
    Past,
    /// It waits for the books, which another process has.
    Standby,
    /// What is so now.
    Present,
}

impl Knowledge {
    /// What this says of its node.
    pub fn of(node: &NodeBody) -> Self {
        match &*node.status {
            UNREACHABLE => Self::Past,
            STANDBY => Self::Standby,
            _ => Self::Present,
        }
    }
}

/// A node that runs elsewhere, or the page of several nodes.
#[derive(Debug)]
pub struct KnownNode {
    /// Where its pages are.
    pub asked: AskedNode,
    known: Mutex<Known>,
    /// When the node was last asked, which one request at a time does.
    pub asking: tokio::sync::Mutex<AskedAt>,
}

/// When a node was last asked.
#[derive(Debug, Default)]
pub struct AskedAt {
    /// For its state.
    pub nodes: Option<Instant>,
    /// For its events and records of packets.
    pub records: Option<Instant>,
}

#[derive(Debug, Default)]
struct Known {
    nodes: Vec<NodeBody>,
    overrides: Vec<OverrideBody>,
    faults: Vec<FaultBody>,
    /// When the node had these figures.
    seen_at: Option<(SystemTime, Instant)>,
    rates: Option<(Arc<RatesBody>, Instant)>,
    /// Why it does not answer.
    error: Option<String>,
    is_token_refused: bool,
    /// A stream is open.
    is_followed: bool,
    boot: Option<String>,
    last_id: Option<String>,
    packets: VecDeque<PacketBody>,
    /// Records that were lost, here or before.
    lost: u64,
    /// The same at the node, as its last figures say.
    lost_before_stream: u64,
}

/// Records that a node has sent.
#[derive(Debug, Default)]
pub struct ReceivedPackets {
    /// The oldest first.
    pub packets: Vec<PacketBody>,
    /// How many more there were, since the last time.
    pub lost: u64,
}

impl KnownNode {
    /// Nothing is known of it yet.
    pub fn new(asked: AskedNode) -> Arc<Self> {
        Arc::new(Self { asked, known: Mutex::default(), asking: tokio::sync::Mutex::default() })
    }

    /// It has answered with its nodes: itself, or all nodes of a page. Returns the error that is over.
    pub fn set_nodes(&self, nodes: Vec<NodeBody>, at: SystemTime) -> Option<String> {
        let mut known = self.known.lock();
        known.nodes = nodes;
        known.seen_at = Some((at, Instant::now()));
        known.is_token_refused = false;
        known.error.take()
    }

    /// What its operators have changed for a time.
    pub fn set_overrides(&self, overrides: Vec<OverrideBody>) {
        self.known.lock().overrides = overrides;
    }

    /// What its lab has broken.
    pub fn set_faults(&self, faults: Vec<FaultBody>) {
        self.known.lock().faults = faults;
    }

    /// What operators have changed, and what a lab has broken, if the node answers.
    pub fn changes(&self) -> (Vec<OverrideBody>, Vec<FaultBody>) {
        let known = self.known.lock();
        match &known.error {
            None => (known.overrides.clone(), known.faults.clone()),
            Some(_) => (Vec::new(), Vec::new()),
        }
    }

    /// The figures of its stream. Records that were lost before the stream count as lost, too.
    pub fn set_rates(&self, rates: RatesBody, at: SystemTime) {
        let mut known = self.known.lock();
        // The node counts from zero when it begins to sample.
        let lost = rates.sampled.lost;
        let more = lost.checked_sub(known.lost_before_stream).unwrap_or(lost);
        known.lost += more.min(LOST_AT_ONCE_MAX);
        known.lost_before_stream = lost;
        known.rates = Some((Arc::new(rates), Instant::now()));
        if known.error.is_none() && known.seen_at.is_some() {
            known.seen_at = Some((at, Instant::now()));
        }
    }

    /// It does not answer. Returns whether that is new.
    pub fn fail(&self, why: String) -> bool {
        let mut known = self.known.lock();
        known.rates = None;
        known.error.replace(why).is_none()
    }

    /// Whether it has refused its token, or has one that is not known.
    pub fn set_token_refused(&self, is_refused: bool) {
        self.known.lock().is_token_refused = is_refused;
    }

    /// See [`Self::set_token_refused`].
    pub fn is_token_refused(&self) -> bool {
        self.known.lock().is_token_refused
    }

    /// Whether its stream is open.
    pub fn set_followed(&self, is_followed: bool) {
        self.known.lock().is_followed = is_followed;
    }

    /// Whether its stream is open.
    pub fn is_followed(&self) -> bool {
        self.known.lock().is_followed
    }

    /// The process that its ids belong to. Returns whether it is another one than before.
    pub fn set_boot(&self, boot: &str) -> bool {
        let mut known = self.known.lock();
        let is_new = known.boot.as_deref() != Some(boot);
        if is_new {
            known.boot = Some(boot.to_owned());
            known.last_id = None;
        }
        is_new
    }

    /// The last id that is known.
    pub fn last_id(&self) -> Option<String> {
        self.known.lock().last_id.clone()
    }

    /// Whether this id comes after all that are known.
    pub fn is_after_last(&self, id: &str) -> bool {
        self.known.lock().is_after_last(id)
    }

    /// Whether this id comes after all that are known. Then it is the last one.
    pub fn advance(&self, id: &str) -> bool {
        let mut known = self.known.lock();
        let is_new = known.is_after_last(id);
        if is_new {
            known.last_id = Some(id.to_owned());
        }
        is_new
    }

    /// Keeps a record until it is read.
    pub fn add_packet(&self, packet: PacketBody) {
        let mut known = self.known.lock();
        if known.packets.len() >= INBOX_MAX {
            known.lost += 1;
        } else {
            known.packets.push_back(packet);
        }
    }

    /// Records that were lost on the way.
    pub fn add_lost(&self, lost: u64) {
        self.known.lock().lost += lost.min(LOST_AT_ONCE_MAX);
    }

    /// The records that have come since the last call.
    pub fn take_packets(&self) -> ReceivedPackets {
        let mut known = self.known.lock();
        let lost = std::mem::take(&mut known.lost);
        ReceivedPackets { packets: known.packets.drain(..).collect(), lost }
    }

    /// Its nodes as they are now. If it does not answer, as they were, and marked.
    pub fn nodes(&self) -> Vec<NodeBody> {
        let known = self.known.lock();
        let mut nodes = known.nodes.clone();
        if nodes.is_empty() {
            nodes.push(NodeBody { id: self.asked.name(), ..NodeBody::default() });
        }
        let why = match (&known.error, known.seen_at) {
            (Some(error), _) => error.clone(),
            (None, None) => "it has not answered yet".to_owned(),
            (None, Some((at, seen))) => {
                if seen.elapsed() > FRESH && !known.is_followed {
                    let at = format_time(at);
                    nodes.iter_mut().for_each(|node| node.seen_at = Some(at.clone()));
                }
                return nodes;
            }
        };
        for node in &mut nodes {
            node.status = UNREACHABLE.to_owned();
            node.reasons = vec![why.clone()];
            node.api.get_or_insert_with(|| self.asked.shown_url());
            node.seen_at = known.seen_at.map(|(at, _)| format_time(at));
            for peer in &mut node.peers {
                peer.state = UNKNOWN.to_owned();
                (peer.since, peer.last_error) = (None, None);
                peer.sessions.clear();
            }
        }
        nodes
    }

    /// Whether it has ever answered.
    pub fn is_known(&self) -> bool {
        self.known.lock().seen_at.is_some()
    }

    /// The ids of its nodes.
    pub fn node_ids(&self) -> Vec<String> {
        let known = self.known.lock();
        let ids: Vec<String> = known.nodes.iter().map(|node| node.id.clone()).collect();
        if ids.is_empty() { vec![self.asked.name()] } else { ids }
    }

    /// How much it knows of the node with this id, which it shows.
    pub fn knowledge_of(&self, id: &str) -> Knowledge {
        let known = self.known.lock();
        match (known.error.is_some(), known.nodes.iter().find(|node| node.id == id)) {
            (false, Some(node)) => Knowledge::of(node),
            _ => Knowledge::Past,
        }
    }

    /// Its figures, if they are fresh.
    pub fn rates(&self) -> Option<Arc<RatesBody>> {
        let known = self.known.lock();
        let (rates, at) = known.rates.as_ref()?;
        (at.elapsed() <= FRESH).then(|| Arc::clone(rates))
    }

    /// Why it does not answer.
    pub fn error(&self) -> Option<String> {
        self.known.lock().error.clone()
    }
}

impl Known {
    fn is_after_last(&self, id: &str) -> bool {
        match &self.last_id {
            Some(last) => number(id) > number(last) || boot(id) != boot(last),
            None => true,
        }
    }
}

fn boot(id: &str) -> &str {
    id.split_once('-').map_or(id, |(boot, _)| boot)
}

fn number(id: &str) -> u64 {
    id.split_once('-').and_then(|(_, number)| number.parse().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::{PeerBody, SampledBody};

    fn known() -> Arc<KnownNode> {
        KnownNode::new(AskedNode {
            id: None,
            url: "http://127.0.0.1:8080".parse().unwrap(),
            token: None,
            hint: String::new(),
        })
    }

    fn node(id: &str) -> NodeBody {
        let peer =
            PeerBody { id: "b".to_owned(), state: "connected".to_owned(), ..Default::default() };
        NodeBody {
            id: id.to_owned(),
            status: "healthy".to_owned(),
            peers: vec![peer],
            ..NodeBody::default()
        }
    }

    #[test]
    fn a_node_that_does_not_answer_is_never_shown_as_healthy() {
        let known = known();
        let [shown] = known.nodes().try_into().unwrap();
        assert_eq!((shown.id.as_str(), shown.status.as_str()), ("127.0.0.1:8080", "unreachable"));
        assert_eq!(shown.seen_at, None);
        assert_eq!(known.set_nodes(vec![node("a")], SystemTime::UNIX_EPOCH), None);
        let [shown] = known.nodes().try_into().unwrap();
        assert_eq!((shown.status.as_str(), shown.seen_at), ("healthy", None));
        assert!(known.fail("refused".to_owned()));
        assert!(!known.fail("again".to_owned()), "said once");
        let [shown] = known.nodes().try_into().unwrap();
        assert_eq!((shown.id.as_str(), shown.status.as_str()), ("a", "unreachable"));
        assert_eq!(shown.reasons, ["again"]);
        assert_eq!(shown.seen_at.as_deref(), Some("1970-01-01T00:00:00.000Z"));
        assert_eq!(shown.peers[0].state, "unknown");
        let over = known.set_nodes(vec![node("a")], SystemTime::UNIX_EPOCH);
        assert_eq!(over.as_deref(), Some("again"));
        assert_eq!(known.nodes()[0].status, "healthy");
    }

    #[test]
    fn ids_advance_within_a_boot() {
        let known = known();
        assert!(known.set_boot("00000001"));
        for (id, is_new) in [("00000001-9", true), ("00000001-9", false), ("00000001-10", true)] {
            assert_eq!(known.advance(id), is_new, "{id}");
        }
        assert!(!known.set_boot("00000001"));
        assert_eq!(known.last_id().as_deref(), Some("00000001-10"));
        assert!(known.set_boot("00000002"));
        assert_eq!(known.last_id(), None);
        assert!(known.advance("00000002-1"));
    }

    #[test]
    fn records_that_are_not_read_are_counted() {
        let known = known();
        let packet: PacketBody = serde_json::from_value(serde_json::json!({
            "id": "00000001-1", "at": "", "node": "a", "phase": "forwarded", "lane": "sample",
            "condition": "", "decidedHere": false,
        }))
        .unwrap();
        (0..INBOX_MAX + 3).for_each(|_| known.add_packet(packet.clone()));
        known.add_lost(4);
        let taken = known.take_packets();
        assert_eq!((taken.packets.len(), taken.lost), (INBOX_MAX, 7));
        assert_eq!(known.take_packets().packets.len(), 0);
        // A node may say any number.
        (0..2).for_each(|_| known.add_lost(u64::MAX));
        assert_eq!(known.take_packets().lost, 2 * LOST_AT_ONCE_MAX);
        let (at, sampled) = (String::new(), SampledBody { one_in: 1.0, lost: u64::MAX });
        let rates = RatesBody { at, sampled, links: Vec::new(), nodes: Vec::new() };
        known.set_rates(rates, SystemTime::UNIX_EPOCH);
        assert_eq!(known.take_packets().lost, LOST_AT_ONCE_MAX);
    }
}
