//! How far answers may fill an outbox: what pauses reading from the peer, and what closes the session.

use super::{CloseRequest, Inner, Outbox, POLICY_VIOLATION};

/// Answers may fill the outbox up to this many times `outboxBytesMax`, which CONFIG and SECURITY promise too. Beyond it
/// the session is closed.
const ANSWERS_FACTOR: usize = 16;
/// The code that IANA has registered for a server that cannot serve the client at the moment.
const TRY_AGAIN_LATER: u16 = 1013;
pub(super) const ANSWERS_NOT_READ: CloseRequest =
    CloseRequest { code: POLICY_VIOLATION, reason: "does not read its answers" };
pub(super) const ANSWERS_NOT_SAVED: CloseRequest =
    CloseRequest { code: TRY_AGAIN_LATER, reason: "too many answers wait for the store" };

impl Outbox {
    /// Whether reading from this session must pause (D19), because each request adds an answer that the peer does not
    /// read. Prepares do not count (ADR 8): two nodes with full outboxes would wait for each other. Frames that wait
    /// for a cut do not count either: the peer cannot read them, and its answers to us must not wait for the store too.
    pub fn is_full_of_answers(&self) -> bool {
        self.inner.lock().unread_answers() >= self.bytes_max
    }

    /// Only answers can fill an outbox this far: the peer sends requests and does not read the answers, or the answers
    /// wait for a cut.
    #[inline]
    pub(super) fn close_if_overfull(&self, inner: &mut Inner) {
        if inner.waiting_bytes() > self.bytes_max.saturating_mul(ANSWERS_FACTOR) {
            self.close_overfull(inner);
        }
    }

    #[cold]
    fn close_overfull(&self, inner: &mut Inner) {
        if inner.close_request.is_none() {
            inner.close_request = Some(match inner.answers_wait_for_cut(self.bytes_max) {
                true => ANSWERS_NOT_SAVED,
                false => ANSWERS_NOT_READ,
            });
            // The task waits for the socket, so it would not notice the request.
            inner.is_woken = false;
        }
    }
}

impl Inner {
    /// Whether the store, and not the peer, keeps the answers here.
    fn answers_wait_for_cut(&mut self, bytes_max: usize) -> bool {
        match &self.queues {
            Some(queues) => queues.first_cut(None).is_some_and(|cut| !self.gates.is_open(cut)),
            None => self.unread_answers() < bytes_max,
        }
    }

    /// Bytes that the peer could read, without those of Prepares. In an unframed outbox, what waits for a cut counts
    /// too: nothing of the peer is read slowly then, but its next posts are refused.
    fn unread_answers(&mut self) -> usize {
        match &self.queues {
            Some(queues) => queues.bytes() - queues.prepare_bytes(),
            None => {
                let end = self.gates.open_durable().unwrap_or(self.buffer.len());
                let prepares = self.prepare_bytes - self.gates.prepare_bytes();
                end - self.written - prepares
            }
        }
    }
}
