//! One connection of the listener.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::{ConnectionLimits, KNOWN_STREAMS, NARROW_STREAMS, WIDE_STREAMS};
use crate::account::AccountId;
use crate::time::MonoTime;

/// One connection.
#[derive(Debug)]
pub(crate) struct Guest {
    /// Where it comes from.
    pub(crate) remote: SocketAddr,
    pub(super) id: u64,
    pub(super) came: MonoTime,
    /// A peer had logged in from there when it came.
    pub(crate) is_known: bool,
    /// It takes many requests side by side over HTTP/2.
    pub(super) is_wide: bool,
    pub(super) owner: Mutex<Option<AccountId>>,
    /// Requests that have not been answered.
    pub(super) busy: AtomicUsize,
    pub(super) requests: AtomicU64,
    pub(super) wrong_tokens: AtomicU32,
    /// Frames and reads before a peer authenticated.
    pub(super) frames: AtomicU32,
    /// When a request came or was answered last (nanoseconds).
    pub(super) used: AtomicU64,
    pub(super) leave: Notify,
    /// It has to make room for another one.
    pub(super) evicted: AtomicBool,
    /// It is to end when its requests are answered.
    pub(super) asked: AtomicBool,
    /// A peer wants more requests side by side than it takes.
    pub(super) outgrown: AtomicBool,
    /// Its place among strangers is lost, and it has a moment left to log in.
    pub(super) may_only_log_in: AtomicBool,
}

/// What a connection is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    /// Its place is taken: it ends at once.
    Evicted,
    /// It ends when its requests are answered.
    Leave,
    /// It takes no further requests, but those that it has are answered.
    Outgrown,
    /// It is a peer's now.
    Owned,
}

impl Guest {
    pub(super) fn new(
        id: u64,
        remote: SocketAddr,
        (is_known, is_wide): (bool, bool),
        now: MonoTime,
    ) -> Self {
        Self {
            remote,
            id,
            came: now,
            is_known,
            is_wide,
            owner: Mutex::default(),
            busy: AtomicUsize::new(0),
            requests: AtomicU64::new(0),
            wrong_tokens: AtomicU32::new(0),
            frames: AtomicU32::new(0),
            used: AtomicU64::new(now.0),
            leave: Notify::new(),
            evicted: AtomicBool::new(false),
            asked: AtomicBool::new(false),
            outgrown: AtomicBool::new(false),
            may_only_log_in: AtomicBool::new(false),
        }
    }

    /// A request came that is no login.
    pub(crate) fn asks_as_stranger(&self) {
        if self.may_only_log_in.load(Ordering::Relaxed) && !self.is_owned() {
            self.evicted.store(true, Ordering::Relaxed);
            self.leave.notify_one();
        }
    }

    /// A request came.
    pub(crate) fn begins(&self, now: MonoTime) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.busy.fetch_add(1, Ordering::Relaxed);
        self.used.store(now.0, Ordering::Relaxed);
        if self.is_outgrown() && !self.outgrown.swap(true, Ordering::Relaxed) {
            self.leave.notify_one();
        }
    }

    /// A request was answered, or given up.
    pub(crate) fn ends(&self, now: MonoTime) {
        self.busy.fetch_sub(1, Ordering::Relaxed);
        self.used.store(now.0, Ordering::Relaxed);
    }

    /// It is to end as soon as its requests are answered.
    pub(crate) fn end(&self) {
        self.asked.store(true, Ordering::Relaxed);
        self.leave.notify_one();
    }

    /// How many requests it takes side by side over HTTP/2.
    pub(crate) fn streams(&self) -> u32 {
        match (self.is_known, self.is_wide) {
            (_, true) => WIDE_STREAMS,
            (true, false) => KNOWN_STREAMS,
            (false, false) => NARROW_STREAMS,
        }
    }

    /// Whether a peer has authenticated on it.
    pub(crate) fn is_owned(&self) -> bool {
        self.owner.lock().is_some()
    }

    /// Whether anything was asked on it.
    pub(super) fn has_asked(&self) -> bool {
        self.requests.load(Ordering::Relaxed) > 0
    }

    pub(super) fn is_idle(&self) -> bool {
        self.busy.load(Ordering::Relaxed) == 0
    }

    pub(super) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Whether a peer wants more requests side by side than the connection takes, which another one may take.
    pub(super) fn is_outgrown(&self) -> bool {
        let streams = NARROW_STREAMS as usize;
        !self.is_known && self.busy.load(Ordering::Relaxed) >= streams && self.is_owned()
    }

    /// When it has to leave as things stand; looked at again then, for things change.
    pub(crate) fn leaves_at(&self, bounds: &ConnectionLimits) -> MonoTime {
        if self.requests.load(Ordering::Relaxed) == 0 {
            return self.came.after(bounds.head_time);
        }
        if !self.is_owned() {
            return self.came.after(bounds.stranger_time);
        }
        if !self.is_idle() {
            // Its answer comes, or its deadline does; then it is looked at again.
            return MonoTime::MAX;
        }
        MonoTime(self.used()).after(bounds.idle_time)
    }
}
