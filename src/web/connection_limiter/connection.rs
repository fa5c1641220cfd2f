//! One connection of a listener.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::{ConnectionLimits, KNOWN_STREAMS, NARROW_STREAMS, Owner, WIDE_STREAMS};
use crate::net::RemoteAddress;
use crate::time::MonoTime;

/// What is known about one connection. Requests carry it as an extension.
#[derive(Debug)]
pub(crate) struct Connection {
    /// Of the client, if a header of the PROXY protocol has named it. A request may come from elsewhere: it carries a
    /// [`RemoteAddress`] of its own.
    pub(crate) remote: RemoteAddress,
    pub(super) id: u64,
    accepted_at: MonoTime,
    /// A peer had logged in from this address before the connection was accepted.
    pub(crate) is_known: bool,
    /// Takes [`WIDE_STREAMS`] concurrent requests over HTTP/2.
    pub(super) is_wide: bool,
    pub(super) owner: Mutex<Option<Owner>>,
    unanswered: AtomicUsize,
    requests: AtomicU64,
    pub(super) wrong_tokens: AtomicU32,
    /// Frames and reads before a peer authenticated.
    pub(super) frames: AtomicU32,
    /// When the last request came or was answered (nanoseconds).
    used_at: AtomicU64,
    /// Wakes [`next_event`](super::ConnectionGuard::next_event).
    pub(super) changed: Notify,
    pub(super) evicted: AtomicBool,
    pub(super) close_requested: AtomicBool,
    pub(super) outgrown: AtomicBool,
    /// Its answer is a stream without an end, which the handler has counted.
    is_stream: AtomicBool,
    /// Since when the client takes no byte of the stream (nanoseconds); 0: it does.
    blocked_at: AtomicU64,
    /// Its permit is evicted: only a login within the grace period saves it.
    pub(super) may_only_log_in: AtomicBool,
}

/// What changes for an open connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConnectionEvent {
    /// Another connection was admitted instead: close at once.
    Evicted,
    /// Close when all requests are answered.
    Close,
    /// A peer sends more concurrent requests than this connection may carry: accept no further ones (GOAWAY).
    Outgrown,
    /// A peer has authenticated.
    Owned,
    /// Its answer is a stream: it has left the limit of unauthenticated connections.
    Streams,
}

impl Connection {
    pub(super) fn new(
        id: u64,
        remote: RemoteAddress,
        (is_known, is_wide): (bool, bool),
        now: MonoTime,
    ) -> Self {
        Self {
            remote,
            id,
            accepted_at: now,
            is_known,
            is_wide,
            owner: Mutex::default(),
            unanswered: AtomicUsize::new(0),
            requests: AtomicU64::new(0),
            wrong_tokens: AtomicU32::new(0),
            frames: AtomicU32::new(0),
            used_at: AtomicU64::new(now.0),
            changed: Notify::new(),
            evicted: AtomicBool::new(false),
            close_requested: AtomicBool::new(false),
            outgrown: AtomicBool::new(false),
            is_stream: AtomicBool::new(false),
            blocked_at: AtomicU64::new(0),
            may_only_log_in: AtomicBool::new(false),
        }
    }

    /// The same connection, counted at another address. What was decided about it stays, and so does its time.
    pub(super) fn at(&self, remote: RemoteAddress, is_known: bool, is_wide: bool) -> Self {
        let moved = Self::new(self.id, remote, (is_known, is_wide), self.accepted_at);
        for (from, to) in [
            (&self.evicted, &moved.evicted),
            (&self.close_requested, &moved.close_requested),
            (&self.may_only_log_in, &moved.may_only_log_in),
        ] {
            to.store(from.load(Ordering::Relaxed), Ordering::Relaxed);
        }
        moved
    }

    /// A request without a login came. It ends a connection that may only log in.
    pub(crate) fn record_anonymous_request(&self) {
        if self.may_only_log_in.load(Ordering::Relaxed) && !self.is_owned() {
            self.evict();
        }
    }

    pub(crate) fn begin_request(&self, now: MonoTime) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.unanswered.fetch_add(1, Ordering::Relaxed);
        self.used_at.store(now.0, Ordering::Relaxed);
        if self.is_full() && !self.outgrown.swap(true, Ordering::Relaxed) {
            self.changed.notify_one();
        }
    }

    /// A request was answered, or cancelled.
    pub(crate) fn end_request(&self, now: MonoTime) {
        self.unanswered.fetch_sub(1, Ordering::Relaxed);
        self.used_at.store(now.0, Ordering::Relaxed);
    }

    /// Closes the connection as soon as its requests are answered.
    pub(crate) fn close_when_idle(&self) {
        self.close_requested.store(true, Ordering::Relaxed);
        self.changed.notify_one();
    }

    /// Closes the connection at once: requests without an answer never get one.
    pub(crate) fn abort(&self) {
        self.evict();
    }

    /// The answer of the current request is a stream without an end. It does not count among the unauthenticated
    /// connections any more, and has no age limit; the caller limits the number of streams.
    pub(crate) fn become_stream(&self) {
        self.is_stream.store(true, Ordering::Relaxed);
        self.changed.notify_one();
    }

    pub(crate) fn is_stream(&self) -> bool {
        self.is_stream.load(Ordering::Relaxed)
    }

    /// The client has taken bytes, or (`is_blocked`) does not at the moment.
    pub(crate) fn record_write(&self, is_blocked: bool, now: impl FnOnce() -> MonoTime) {
        if !self.is_stream() {
            return;
        }
        if !is_blocked {
            self.blocked_at.store(0, Ordering::Relaxed);
        } else if self.blocked_at.load(Ordering::Relaxed) == 0 {
            self.blocked_at.store(now().0.max(1), Ordering::Relaxed);
        }
    }

    pub(super) fn evict(&self) {
        self.evicted.store(true, Ordering::Relaxed);
        self.changed.notify_one();
    }

    /// Concurrent requests that it may carry over HTTP/2.
    pub(crate) fn streams_max(&self) -> u32 {
        match (self.is_known, self.is_wide || self.is_of_proxy()) {
            (_, true) => WIDE_STREAMS,
            (true, false) => KNOWN_STREAMS,
            (false, false) => NARROW_STREAMS,
        }
    }

    /// Whether it is one of a named proxy, and brings requests of many clients.
    pub(crate) fn is_of_proxy(&self) -> bool {
        *self.owner.lock() == Some(Owner::Proxies)
    }

    /// Whether a peer has authenticated on it, or it is one of a named proxy.
    pub(crate) fn is_owned(&self) -> bool {
        self.owner.lock().is_some()
    }

    pub(super) fn has_had_requests(&self) -> bool {
        self.requests.load(Ordering::Relaxed) > 0
    }

    pub(super) fn is_idle(&self) -> bool {
        self.unanswered.load(Ordering::Relaxed) == 0
    }

    pub(super) fn used_at(&self) -> MonoTime {
        MonoTime(self.used_at.load(Ordering::Relaxed))
    }

    pub(super) fn is_older_than(&self, age: std::time::Duration, now: MonoTime) -> bool {
        now.since(self.accepted_at) >= age
    }

    /// Whether a peer uses all streams of a connection from an unknown address: a new connection would get more.
    fn is_full(&self) -> bool {
        let streams = NARROW_STREAMS as usize;
        !self.is_known
            && !self.is_of_proxy()
            && self.unanswered.load(Ordering::Relaxed) >= streams
            && self.is_owned()
    }

    /// When it must close if nothing else happens before.
    pub(crate) fn deadline(&self, limits: &ConnectionLimits) -> MonoTime {
        if self.is_stream() {
            return match self.blocked_at.load(Ordering::Relaxed) {
                0 => MonoTime::MAX,
                at => MonoTime(at).after(limits.stream_write_time),
            };
        }
        if !self.has_had_requests() {
            return self.accepted_at.after(limits.head_time);
        }
        if !self.is_owned() {
            return self.accepted_at.after(limits.unauthenticated_time);
        }
        if !self.is_idle() {
            // Every packet is answered by its expiry.
            return MonoTime::MAX;
        }
        self.used_at().after(limits.idle_time)
    }
}
