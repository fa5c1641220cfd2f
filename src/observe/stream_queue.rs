//! What waits for one reader of the stream. It is bounded in bytes: what does not fit is counted, and the reader learns
//! how much it has lost. State and figures are never queued twice: only the newest ones matter.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use parking_lot::{Mutex, MutexGuard};

use super::filter::PacketFilter;
use super::model::{ByeBody, GapBody, GapCause, PacketBody, StreamMessage};

/// Bytes of objects that wait for one reader. A larger object waits only if no other one does.
pub const QUEUE_BYTES_MAX: usize = 1024 * 1024;
/// Packets per second of a stream that sets no limit, and the highest limit that it may set.
pub const STREAM_PACKETS_PER_SECOND: u32 = 1_000;
/// See [`STREAM_PACKETS_PER_SECOND`].
pub const STREAM_PACKETS_PER_SECOND_MAX: u32 = 10_000;
/// What a waiting object costs beside its text.
const OVERHEAD_BYTES: usize = 64;

/// What one reader wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// The objects.
    pub topics: Topics,
    /// The packets.
    pub filter: PacketFilter,
    /// At most so many packets.
    pub packets_per_second: u32,
    /// The seed that the reader asks for, because it reads other nodes too. It is told each change of the sample.
    pub seed: Option<u64>,
}

/// Kinds of objects that a reader chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Topics {
    /// Nodes and links.
    pub state: bool,
    /// Figures.
    pub rates: bool,
    /// Events.
    pub events: bool,
    /// Packets.
    pub packets: bool,
}

/// An object of the stream as text. Readers share it.
#[derive(Debug, PartialEq, Eq)]
pub struct EncodedMessage {
    /// Its `type`.
    pub kind: &'static str,
    /// Of events and packets.
    pub id: Option<String>,
    /// JSON on one line.
    pub json: String,
}

/// The objects that wait for one reader. The observer adds, the reader takes.
#[derive(Debug)]
pub struct StreamQueue {
    subscription: Subscription,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    /// Hello, events, packets and gaps, in order.
    objects: VecDeque<Arc<EncodedMessage>>,
    bytes: usize,
    state: Option<Arc<EncodedMessage>>,
    rates: Option<Arc<EncodedMessage>>,
    /// Not told yet.
    lost: BTreeMap<(&'static str, GapCause), Lost>,
    /// After what was lost, the reader needs the state again.
    needs_state: bool,
    /// The second of the budget, and packets in it.
    second: u64,
    packets: u32,
    /// Packets above the budget, which are reported once a second.
    over_budget: Lost,
    bye: Option<Arc<EncodedMessage>>,
    has_ended: bool,
    reader: Option<Waker>,
}

#[derive(Clone, Debug, Default)]
struct Lost {
    count: u64,
    first: Option<String>,
    last: Option<String>,
}

impl Lost {
    fn add(&mut self, id: Option<&str>) {
        self.count += 1;
        if self.first.is_none() {
            self.first = id.map(str::to_owned);
        }
        self.last = id.map(str::to_owned);
    }

    fn append(&mut self, other: Self) {
        self.count += other.count;
        self.first = self.first.take().or(other.first);
        self.last = other.last.or(self.last.take());
    }
}

const EVENTS: &str = "events";
const PACKETS: &str = "packets";

impl StreamQueue {
    /// An empty queue.
    pub fn new(subscription: Subscription) -> Arc<Self> {
        Arc::new(Self { subscription, waiting: Mutex::default() })
    }

    /// What the reader wants.
    pub fn subscription(&self) -> &Subscription {
        &self.subscription
    }

    /// Whether the reader wants this packet.
    pub fn wants(&self, packet: &PacketBody) -> bool {
        self.subscription.topics.packets && self.subscription.filter.matches(packet)
    }

    /// Adds the greeting.
    pub fn add_hello(&self, message: &Arc<EncodedMessage>) {
        let mut waiting = self.waiting.lock();
        waiting.add(message, None);
        waiting.wake();
    }

    /// Adds an event.
    pub fn add_event(&self, message: &Arc<EncodedMessage>) {
        if self.subscription.topics.events
            && let Some(mut waiting) = self.open()
        {
            waiting.add(message, Some(EVENTS));
            waiting.wake();
        }
    }

    /// Adds a packet that the reader [wants](Self::wants), in this second of a monotonic clock.
    pub fn add_packet(&self, message: &Arc<EncodedMessage>, second: u64) {
        let Some(mut waiting) = self.open() else { return };
        if waiting.second != second {
            (waiting.second, waiting.packets) = (second, 0);
            waiting.tell_over_budget();
        }
        if waiting.packets >= self.subscription.packets_per_second {
            waiting.over_budget.add(message.id.as_deref());
            return;
        }
        waiting.packets += 1;
        waiting.add(message, Some(PACKETS));
        waiting.wake();
    }

    /// Adds a packet that a reader has missed. The budget does not concern it.
    pub fn add_missed_packet(&self, message: &Arc<EncodedMessage>) {
        let Some(mut waiting) = self.open() else { return };
        waiting.add(message, Some(PACKETS));
        waiting.wake();
    }

    /// Tells a reader that has asked for a seed what the sample is from now on.
    pub fn add_sample(&self, message: &Arc<EncodedMessage>) {
        if self.subscription.seed.is_some()
            && let Some(mut waiting) = self.open()
        {
            waiting.add(message, None);
            waiting.wake();
        }
    }

    /// Replaces the state that waits, if one does.
    pub fn set_state(&self, message: &Arc<EncodedMessage>) {
        let Some(mut waiting) = self.open() else { return };
        waiting.needs_state = false;
        if self.subscription.topics.state {
            waiting.state = Some(Arc::clone(message));
            waiting.wake();
        }
    }

    /// Replaces the figures that wait, if any do. Called at least once a second, so it also tells how many packets were
    /// above the budget.
    pub fn set_rates(&self, message: Option<&Arc<EncodedMessage>>, second: u64) {
        let Some(mut waiting) = self.open() else { return };
        if waiting.second != second {
            waiting.tell_over_budget();
        }
        if self.subscription.topics.rates && message.is_some() {
            waiting.rates = message.cloned();
        }
        waiting.wake();
    }

    /// Tells the reader what it has lost of its topics before it was added to this queue.
    pub fn add_gap(&self, gap: &GapBody) {
        let Topics { events, packets, .. } = self.subscription.topics;
        let (topic, is_wanted) =
            if gap.topic == EVENTS { (EVENTS, events) } else { (PACKETS, packets) };
        if !is_wanted {
            return;
        }
        let Some(mut waiting) = self.open() else { return };
        let (first, last) = (gap.from_id.clone(), gap.to_id.clone());
        let lost = waiting.lost.entry((topic, gap.why)).or_default();
        lost.append(Lost { count: gap.lost, first, last });
        waiting.tell_lost();
        waiting.needs_state = true;
    }

    /// Whether the reader has lost something since the last state.
    pub fn needs_state(&self) -> bool {
        self.subscription.topics.state && self.open().is_some_and(|waiting| waiting.needs_state)
    }

    /// What waits; `None`: the stream ends. Nothing is added then, so that a reader that is always behind cannot go on.
    fn open(&self) -> Option<MutexGuard<'_, Waiting>> {
        let waiting = self.waiting.lock();
        (waiting.bye.is_none() && !waiting.has_ended).then_some(waiting)
    }

    /// Ends the stream after what waits.
    pub fn end(&self, why: &str, retry_ms: u64) {
        let bye = StreamMessage::Bye(ByeBody { why: why.to_owned(), retry_ms });
        let mut waiting = self.waiting.lock();
        waiting.bye.get_or_insert_with(|| EncodedMessage::new("bye", None, &bye));
        waiting.wake();
    }

    /// The next object; `None`: the stream has ended.
    pub fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Option<Arc<EncodedMessage>>> {
        let mut waiting = self.waiting.lock();
        if let Some(message) = waiting.take() {
            return Poll::Ready(Some(message));
        }
        if waiting.has_ended {
            return Poll::Ready(None);
        }
        waiting.reader = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Waiting {
    /// Adds an object, or counts it as lost. An object without a topic is never lost.
    fn add(&mut self, message: &Arc<EncodedMessage>, topic: Option<&'static str>) {
        let cost = message.cost();
        let fits = self.objects.is_empty() || self.bytes + cost <= QUEUE_BYTES_MAX;
        match topic {
            Some(topic) if !fits => {
                let lost = self.lost.entry((topic, GapCause::Slow)).or_default();
                lost.add(message.id.as_deref());
                self.needs_state = true;
            }
            _ => {
                self.bytes += cost;
                self.objects.push_back(Arc::clone(message));
            }
        }
    }

    fn tell_over_budget(&mut self) {
        let over = std::mem::take(&mut self.over_budget);
        if over.count > 0 {
            self.lost.entry((PACKETS, GapCause::Budget)).or_default().append(over);
        }
    }

    /// Queues one object for each cause. Their number is small, so they need no limit.
    fn tell_lost(&mut self) {
        for ((topic, why), lost) in std::mem::take(&mut self.lost) {
            let gap = GapBody {
                topic: topic.to_owned(),
                lost: lost.count,
                from_id: lost.first,
                to_id: lost.last,
                why,
            };
            let message = EncodedMessage::new("gap", None, &StreamMessage::Gap(gap));
            self.add(&message, None);
        }
    }

    fn take(&mut self) -> Option<Arc<EncodedMessage>> {
        if self.objects.is_empty() {
            // Once the reader has caught up, so that a slow one gets one gap and not many.
            self.tell_lost();
        }
        if let Some(message) = self.objects.pop_front() {
            self.bytes = self.bytes.saturating_sub(message.cost());
            return Some(message);
        }
        let newest = self.state.take().or_else(|| self.rates.take());
        newest.or_else(|| {
            let bye = self.bye.take();
            self.has_ended |= bye.is_some();
            bye
        })
    }

    fn wake(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}

impl EncodedMessage {
    /// The object as text.
    pub fn new(kind: &'static str, id: Option<String>, message: &StreamMessage) -> Arc<Self> {
        let json = serde_json::to_string(message).expect("structs of texts and numbers are JSON");
        Arc::new(Self { kind, id, json: crate::net::sanitize_json(json) })
    }

    fn cost(&self) -> usize {
        self.json.len() + OVERHEAD_BYTES
    }
}

#[cfg(test)]
mod tests;
