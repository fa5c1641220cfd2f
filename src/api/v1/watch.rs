//! Who watches, and what they have got so far.

use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::SystemTime;

use super::access::Caller;
use super::limits::LimitWatch;
use super::observer::{ApiView, Observer};
use super::packets::{NO_SAMPLE, PACKETS_KEPT, PacketReader};
use crate::account::AccountId;
use crate::connector::{REJECTS_KEPT_PER_SECOND, Sample};
use crate::observe::{
    EncodedMessage, EventBody, FaultBody, GapBody, GapCause, HISTORY_STEP_MS, HelloBody, History,
    OtherBoot, PacketBody, RateMeter, SampleBody, SampledBody, StateBody, StreamLimits,
    StreamMessage, StreamQueue, Subscription, Visibility, format_time,
};
use crate::remote::{KnownNode, StreamAsk};

/// How often the streams of one node get figures.
const FIGURES_OF_NODE_MS: u64 = 1_000;
/// How often the streams of a network get figures, and the sample gets another size.
const FIGURES_OF_NETWORK_MS: u64 = 250;
/// Links of a large network. Its streams get figures as those of one node: an object of 1,000 links has 350 KB.
const LARGE_NETWORK_LINKS: usize = 200;
/// When a client may come back after a stream has ended.
const RETRY_MS: u64 = 1_000;

/// All open streams of the process.
#[derive(Debug, Default)]
pub(super) struct Watch {
    streams: Vec<WatchedStream>,
    views: BTreeMap<ApiView, ViewFigures>,
    /// The number of the last event that streams have got.
    last_event: u64,
    pub(super) packets: PacketReader,
    limits: LimitWatch,
    pub(super) history: History,
    /// Of the monotonic clock.
    history_due_at_ms: u64,
}

#[derive(Debug)]
struct WatchedStream {
    caller: Caller,
    queue: Arc<StreamQueue>,
}

/// A client that begins to read.
pub(super) struct NewReader {
    pub(super) caller: Caller,
    pub(super) features: Vec<String>,
    pub(super) subscription: Subscription,
    /// The last object that it has.
    pub(super) after: Option<Result<u64, OtherBoot>>,
}

/// What the streams of one view have in common.
#[derive(Debug, Default)]
struct ViewFigures {
    meter: RateMeter,
    due_at_ms: u64,
    /// Of the state that the streams have.
    fingerprint: u64,
    is_large: bool,
    state: Option<Arc<EncodedMessage>>,
}

impl ApiView {
    /// Whether it shows the node, or an end of the link, that is broken.
    pub(super) fn concerns(&self, fault: &FaultBody) -> bool {
        let ends = fault.link.iter().flat_map(|link| link.split('~'));
        fault.node.as_deref().into_iter().chain(ends).any(|node| self.shows(node))
    }

    fn figures_ms(&self) -> u64 {
        match self {
            Self::Network => FIGURES_OF_NETWORK_MS,
            Self::Node(_) | Self::Peer { .. } => FIGURES_OF_NODE_MS,
        }
    }
}

impl Watch {
    /// Adds a stream, which gets a greeting, what it has missed since `after`, and the state.
    pub(super) fn add(&mut self, observer: &Observer, reader: NewReader) -> Arc<StreamQueue> {
        let NewReader { caller, features, subscription, after } = reader;
        let view = &caller.view;
        // Other streams get what comes before; this one gets the rest with them.
        self.pass_on_events(observer);
        self.pass_on_packets(observer);
        if subscription.topics.packets {
            let nodes = observer.nodes(&ApiView::Network);
            if self.packets.start_sampling(&nodes, observer.now_ms(), subscription.seed) {
                self.tell_sample();
            }
        }
        // With the seed, a peer could send packets that are in no sample, or all in it.
        let sample = match view.visibility() {
            Visibility::All => self.packets.sample(),
            Visibility::Peer(_) => NO_SAMPLE,
        };
        let hello = StreamMessage::Hello(HelloBody {
            boot: observer.ids.boot(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            nodes: observer.node_ids(view),
            scopes: caller.scopes.iter().copied().collect(),
            peer: caller.peer.as_ref().map(ToString::to_string),
            features,
            seed: format!("{:016x}", sample.seed),
            threshold: format!("{:016x}", sample.threshold),
            limits: StreamLimits {
                packets_per_second: subscription.packets_per_second,
                rejects_per_second: REJECTS_KEPT_PER_SECOND,
                kept: PACKETS_KEPT,
            },
        });
        let queue = StreamQueue::new(subscription);
        queue.add_hello(&EncodedMessage::new("hello", None, &hello));
        match after {
            None => {}
            // How many is not known.
            Some(Err(OtherBoot)) => {
                queue.add_gap(&gap("events", 0, (None, None), GapCause::Restart));
                queue.add_gap(&gap("packets", 0, (None, None), GapCause::Restart));
            }
            Some(Ok(number)) => self.replay(observer, view, &queue, number),
        }
        // A state of its own, so that it needs not wait for a change.
        let figures = self.views.entry(view.clone()).or_default();
        figures.due_at_ms = 0;
        figures.state = None;
        self.streams.push(WatchedStream { caller, queue: Arc::clone(&queue) });
        observer.remotes.set_wanted(self.stream_ask());
        queue
    }

    fn replay(&self, observer: &Observer, view: &ApiView, queue: &StreamQueue, after: u64) {
        let events = observer.events.after(after);
        let packets = self.packets.after(after);
        let lost = [
            ("events", events.lost, events.lost_last),
            ("packets", packets.lost, packets.lost_last),
        ];
        for (topic, lost, last) in lost.into_iter().filter(|(_, lost, _)| *lost > 0) {
            let ids = (None, last.map(|number| observer.ids.id(number)));
            queue.add_gap(&gap(topic, lost, ids, GapCause::Ring));
        }
        for (_, event) in events.items.iter().filter(|(number, _)| *number <= self.last_event) {
            if let Some(event) = view.event(event) {
                queue.add_event(&encode_event(event));
            }
        }
        for (_, packet) in &packets.items {
            if let Some(packet) = view.packet(packet).filter(|packet| queue.wants(packet)) {
                queue.add_missed_packet(&encode_packet(&packet));
            }
        }
    }

    pub(super) fn remove(&mut self, observer: &Observer, queue: &Arc<StreamQueue>) {
        self.streams.retain(|stream| !Arc::ptr_eq(&stream.queue, queue));
        let Self { streams, views, .. } = self;
        views.retain(|view, _| streams.iter().any(|stream| stream.caller.view == *view));
        if !self.has_packet_streams() {
            self.packets.stop_sampling(&observer.nodes(&ApiView::Network));
        }
        observer.remotes.set_wanted(self.stream_ask());
    }

    /// What the streams of nodes that run elsewhere must carry for these.
    fn stream_ask(&self) -> StreamAsk {
        StreamAsk {
            is_open: !self.streams.is_empty(),
            has_packets: self.has_packet_streams(),
            seed: self.packets.sample().seed,
        }
    }

    /// A node that runs elsewhere has another sample.
    pub(super) fn set_remote_sample(
        &mut self,
        observer: &Observer,
        node: &KnownNode,
        sample: Sample,
    ) {
        let before = self.packets.sample();
        self.packets.set_remote_sample(node, sample, &observer.nodes(&ApiView::Network));
        if self.packets.sample() != before {
            self.tell_sample();
            observer.remotes.set_wanted(self.stream_ask());
        }
    }

    /// The node is read no more.
    pub(super) fn forget_remote(&mut self, observer: &Observer, node: &KnownNode) {
        let before = self.packets.sample();
        self.packets.forget_remote(node);
        if self.packets.sample() != before {
            self.tell_sample();
            observer.remotes.set_wanted(self.stream_ask());
        }
    }

    fn has_packet_streams(&self) -> bool {
        self.streams.iter().any(|stream| stream.queue.subscription().topics.packets)
    }

    pub(super) fn has_streams(&self) -> bool {
        !self.streams.is_empty()
    }

    pub(super) fn has_streams_of_node(&self, node: &AccountId) -> bool {
        self.streams.iter().any(|stream| stream.caller.view.node() == Some(node))
    }

    pub(super) fn end_all_streams(&mut self, why: &str) {
        self.streams.iter().for_each(|stream| stream.queue.end(why, RETRY_MS));
    }

    /// Ends the streams of the node's own listener.
    pub(super) fn end_streams_of_node(&mut self, node: &AccountId, why: &str) {
        self.end_streams(|view| view.node() == Some(node), why);
    }

    pub(super) fn end_streams_of_network(&mut self, why: &str) {
        self.end_streams(|view| *view == ApiView::Network, why);
    }

    fn end_streams(&mut self, of_view: impl Fn(&ApiView) -> bool, why: &str) {
        for stream in self.streams.iter().filter(|stream| of_view(&stream.caller.view)) {
            stream.queue.end(why, RETRY_MS);
        }
    }

    /// Ends the streams of clients whose tokens have changed, have expired or are gone.
    pub(super) fn end_streams_without_access(&mut self) {
        for stream in &self.streams {
            if let Err(why) = stream.caller.check_again() {
                stream.queue.end(&why, RETRY_MS);
            }
        }
    }

    /// Passes on what has happened since the last step.
    pub(super) fn step(&mut self, observer: &Observer) {
        self.pass_on_events(observer);
        if self.has_packet_streams() {
            self.pass_on_packets(observer);
        }
        let now_ms = observer.now_ms();
        let sampled = self.packets.sampled();
        if self.views.values().any(|figures| figures.due_at_ms <= now_ms) {
            self.end_streams_without_access();
        }
        for (view, figures) in &mut self.views {
            if figures.due_at_ms > now_ms {
                continue;
            }
            let step_ms = if figures.is_large { FIGURES_OF_NODE_MS } else { view.figures_ms() };
            figures.due_at_ms = now_ms + step_ms;
            let queues = self.streams.iter().filter(|stream| stream.caller.view == *view);
            let queues: Vec<_> = queues.map(|stream| &stream.queue).collect();
            figures.pass_on(observer, view, (now_ms, sampled), &queues);
        }
        self.keep_history(observer, now_ms);
    }

    /// Adds a second to the history, and looks at the limits, if that is due.
    pub(super) fn keep_history(&mut self, observer: &Observer, now_ms: u64) {
        if self.history_due_at_ms > now_ms {
            return;
        }
        // A second after the last one, unless that was long ago.
        let next = self.history_due_at_ms + HISTORY_STEP_MS;
        self.history_due_at_ms = if next > now_ms { next } else { now_ms + HISTORY_STEP_MS };
        let nodes = observer.nodes(&ApiView::Network);
        let reports: Vec<_> = nodes.iter().map(|node| node.context().connector.report()).collect();
        self.limits.check(&observer.events, &reports);
        self.history.record(now_ms, format_time(SystemTime::now()), &reports);
    }

    fn pass_on_events(&mut self, observer: &Observer) {
        let new = observer.events.after(self.last_event);
        let Some((last, _)) = new.items.last() else { return };
        if new.lost > 0 {
            let ids = (None, new.lost_last.map(|number| observer.ids.id(number)));
            let gap = gap("events", new.lost, ids, GapCause::Ring);
            self.streams.iter().for_each(|stream| stream.queue.add_gap(&gap));
        }
        self.last_event = *last;
        for (_, event) in &new.items {
            let mut message = None;
            for stream in &self.streams {
                if let Some(event) = stream.caller.view.event(event) {
                    stream.queue.add_event(message.get_or_insert_with(|| encode_event(event)));
                }
            }
        }
    }
}

impl Watch {
    fn tell_sample(&self) {
        let body = StreamMessage::Sample(SampleBody::new(self.packets.sample()));
        let message = EncodedMessage::new("sample", None, &body);
        self.streams.iter().for_each(|stream| stream.queue.add_sample(&message));
    }

    /// Reads the records of all nodes, and passes them on.
    pub(super) fn pass_on_packets(&mut self, observer: &Observer) {
        let sample = self.packets.sample();
        self.read_packets(observer);
        if self.packets.sample() != sample {
            // What comes next was recorded with another threshold.
            self.tell_sample();
        }
    }

    fn read_packets(&mut self, observer: &Observer) {
        let nodes = observer.nodes(&ApiView::Network);
        let now_ms = observer.now_ms();
        let remote = observer.remotes.list();
        for (_, packet) in self.packets.read((&nodes, &remote), &observer.ids, now_ms) {
            let mut message = None;
            for stream in &self.streams {
                let Some(shown) = stream.caller.view.packet(&packet) else { continue };
                if !stream.queue.wants(&shown) {
                    continue;
                }
                let is_whole = Arc::ptr_eq(&shown, &packet);
                let message = match is_whole {
                    true => message.get_or_insert_with(|| encode_packet(&packet)),
                    false => &encode_packet(&shown),
                };
                stream.queue.add_packet(message, now_ms / 1000);
            }
        }
    }
}

impl ViewFigures {
    fn pass_on(
        &mut self,
        observer: &Observer,
        view: &ApiView,
        (now_ms, sampled): (u64, SampledBody),
        queues: &[&Arc<StreamQueue>],
    ) {
        let (state, reports) = observer.sample(view);
        let head = (format_time(SystemTime::now()), sampled);
        let rates = match observer.remotes.is_empty() {
            true => self.meter.measure(now_ms, &reports, &state, head),
            false => Some(observer.remotes.rates(&state, head)),
        };
        self.is_large = state.links.len() > LARGE_NETWORK_LINKS;
        let fingerprint = fingerprint_of(&state);
        let has_changed = self.state.is_none() || self.fingerprint != fingerprint;
        if has_changed || queues.iter().any(|queue| queue.needs_state()) {
            self.fingerprint = fingerprint;
            let message = EncodedMessage::new("state", None, &StreamMessage::State(state));
            for queue in queues.iter().filter(|queue| has_changed || queue.needs_state()) {
                queue.set_state(&message);
            }
            self.state = Some(message);
        }
        let rates =
            rates.map(|rates| EncodedMessage::new("rates", None, &StreamMessage::Rates(rates)));
        queues.iter().for_each(|queue| queue.set_rates(rates.as_ref(), now_ms / 1000));
    }
}

fn gap(
    topic: &str,
    lost: u64,
    (from_id, to_id): (Option<String>, Option<String>),
    why: GapCause,
) -> GapBody {
    GapBody { topic: topic.to_owned(), lost, from_id, to_id, why }
}

fn encode_packet(packet: &Arc<PacketBody>) -> Arc<EncodedMessage> {
    let id = Some(packet.id.clone());
    EncodedMessage::new("packet", id, &StreamMessage::Packet(PacketBody::clone(packet)))
}

fn encode_event(event: &Arc<EventBody>) -> Arc<EncodedMessage> {
    let id = Some(event.id.clone());
    EncodedMessage::new("event", id, &StreamMessage::Event(EventBody::clone(event)))
}

/// Differs if a node, a peer or a link has come, gone, or changed its state.
fn fingerprint_of(state: &StateBody) -> u64 {
    let mut hasher = DefaultHasher::new();
    for node in &state.nodes {
        (&node.id, &node.status, &node.reasons, &node.address, &node.started_at).hash(&mut hasher);
        for peer in &node.peers {
            (&peer.id, &peer.state, &peer.since, peer.configured, peer.required).hash(&mut hasher);
            (&peer.last_error, peer.sessions.len()).hash(&mut hasher);
        }
    }
    for one in &state.overrides {
        one.id.hash(&mut hasher);
    }
    for fault in &state.faults {
        fault.id.hash(&mut hasher);
    }
    for link in &state.links {
        (&link.id, link.state, link.kind, &link.transport).hash(&mut hasher);
    }
    hasher.finish()
}
