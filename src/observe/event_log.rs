//! The events of all nodes of a process.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;

use super::accounts::format_time;
use super::model::EventBody;
use super::ring::{Resumed, Ring};
use crate::books::{EventKind, NewEvent, clip_text};

/// Events that are kept.
pub const EVENTS_KEPT: usize = 10_000;
/// Events of one kind about one peer in a [`PERIOD`]: a peer may reconnect at any rate. Further ones are counted in the
/// next that is kept.
const EVENTS_PER_PERIOD: u32 = 20;
const PERIOD: Duration = Duration::from_secs(60);
/// Pairs of kinds and peers whose events are counted. Beyond, all counts begin again.
const COUNTED_MAX: usize = 40_000;

/// The ids of an observer's events and packets: they rise.
#[derive(Debug)]
pub struct ObjectIds {
    boot: u32,
    last: AtomicU64,
}

impl ObjectIds {
    /// Ids of this boot, from 1.
    pub fn new(boot: u32) -> Self {
        Self { boot, last: AtomicU64::new(0) }
    }

    /// The name of the boot.
    pub fn boot(&self) -> String {
        format!("{:08x}", self.boot)
    }

    /// The next number.
    pub fn next(&self) -> u64 {
        self.last.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The id of a number.
    pub fn id(&self, number: u64) -> String {
        format!("{:08x}-{number}", self.boot)
    }

    /// The number of an id; `Err`: it is of another boot. `None`: it is no id.
    pub fn number(&self, id: &str) -> Option<Result<u64, OtherBoot>> {
        let (boot, number) = id.split_once('-')?;
        let is_boot = boot.len() == 8 && boot.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = number.parse().ok().filter(|_| is_boot)?;
        let is_ours = u32::from_str_radix(boot, 16).ok()? == self.boot;
        let is_known = number <= self.last.load(Ordering::Relaxed);
        Some(if is_ours && is_known { Ok(number) } else { Err(OtherBoot) })
    }
}

/// The id belongs to another boot of the observer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OtherBoot;

/// The newest events.
#[derive(Debug)]
pub struct EventLog {
    ids: Arc<ObjectIds>,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    ring: Ring<EventBody>,
    /// By node, peer and kind.
    periods: HashMap<(String, Option<String>, EventKind), Period>,
}

/// The events of one kind about one peer.
#[derive(Debug)]
struct Period {
    began: SystemTime,
    kept: u32,
    suppressed: u64,
}

impl EventLog {
    /// An empty log.
    pub fn new(ids: Arc<ObjectIds>) -> Self {
        let inner = Inner { ring: Ring::new(EVENTS_KEPT), periods: HashMap::new() };
        Self { ids, inner: Mutex::new(inner) }
    }

    /// Adds an event of a node, unless there were many of its kind about the same peer.
    pub fn record(&self, node: &str, at: SystemTime, event: NewEvent) {
        let fields = event.fields.into_iter();
        let mut fields: BTreeMap<_, _> =
            fields.map(|(name, value)| (name.to_owned(), clip_text(&value))).collect();
        let mut inner = self.inner.lock();
        let key = (node.to_owned(), event.peer.clone(), event.kind);
        let Some(suppressed) = inner.admit(key, at) else { return };
        if suppressed > 0 {
            fields.insert("suppressed".to_owned(), suppressed.to_string());
        }
        // Under the lock, so that the numbers in the ring rise.
        let number = self.ids.next();
        let body = EventBody {
            id: self.ids.id(number),
            at: format_time(at),
            node: node.to_owned(),
            level: event.level,
            kind: event.kind.as_str().to_owned(),
            text: clip_text(&event.text),
            peer: event.peer,
            fields,
        };
        inner.ring.push(number, Arc::new(body));
    }

    /// Adds an event of another observer, which has limited it. Its id becomes one of this log.
    pub fn add(&self, event: EventBody) {
        let mut inner = self.inner.lock();
        let number = self.ids.next();
        inner.ring.push(number, Arc::new(EventBody { id: self.ids.id(number), ..event }));
    }

    /// The events after a number.
    pub fn after(&self, number: u64) -> Resumed<EventBody> {
        self.inner.lock().ring.after(number)
    }
}

impl Inner {
    /// `Some`: the event is kept, and so many before it were not.
    fn admit(&mut self, key: (String, Option<String>, EventKind), at: SystemTime) -> Option<u64> {
        if self.periods.len() >= COUNTED_MAX {
            self.periods.clear();
        }
        let new = || Period { began: at, kept: 0, suppressed: 0 };
        let period = self.periods.entry(key).or_insert_with(new);
        // A clock that was set back begins a new period, too.
        if at.duration_since(period.began).is_ok_and(|age| age < PERIOD) {
            if period.kept >= EVENTS_PER_PERIOD {
                period.suppressed += 1;
                return None;
            }
        } else {
            (period.began, period.kept) = (at, 0);
        }
        period.kept += 1;
        Some(std::mem::take(&mut period.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::books::EventLevel;

    #[test]
    fn ids_name_the_boot_and_rise() {
        let ids = ObjectIds::new(0xa1);
        let first = ids.next();
        assert_eq!(ids.id(first), "000000a1-1");
        assert_eq!(ids.number("000000a1-1"), Some(Ok(1)));
        assert_eq!(ids.number("000000a1-0"), Some(Ok(0)));
        // A number that was never given is of another life of this boot's name.
        assert_eq!(ids.number("000000a1-2"), Some(Err(OtherBoot)));
        assert_eq!(ids.number("000000a2-1"), Some(Err(OtherBoot)));
        for wrong in ["", "1", "a1-1", "000000a1-", "000000a1-x", "000000a1--1", "+00000a1-1"] {
            assert_eq!(ids.number(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn events_have_bounded_texts() {
        let log = EventLog::new(Arc::new(ObjectIds::new(1)));
        let event = NewEvent {
            level: EventLevel::Warn,
            kind: EventKind::PeerDialFailed,
            text: "ä".repeat(501),
            peer: Some("bob".to_owned()),
            fields: vec![("error", "refused".to_owned())],
        };
        log.record("a", SystemTime::UNIX_EPOCH, event);
        let found = log.after(0);
        let (number, event) = &found.items[0];
        assert_eq!((*number, event.id.as_str()), (1, "00000001-1"));
        assert_eq!(event.text.chars().count(), 501);
        assert_eq!(event.fields["error"], "refused");
        assert!(log.after(1).items.is_empty());
    }
    #[test]
    fn a_peer_that_reconnects_all_the_time_fills_no_log() {
        let log = EventLog::new(Arc::new(ObjectIds::new(1)));
        let record = |second, peer: &str| {
            let (level, kind, text) = (EventLevel::Info, EventKind::PeerConnected, String::new());
            let peer = Some(peer.to_owned());
            let event = NewEvent { level, kind, text, peer, fields: Vec::new() };
            log.record("a", SystemTime::UNIX_EPOCH + Duration::from_secs(second), event);
        };
        (0..50).for_each(|_| record(1, "bob"));
        record(1, "carol");
        record(61, "bob");
        let found = log.after(0).items;
        assert_eq!(found.len(), EVENTS_PER_PERIOD as usize + 2);
        let (_, last) = found.last().unwrap();
        assert_eq!(last.fields["suppressed"], "30");
    }
}
