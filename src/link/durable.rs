//! Which cut of the ledger is durable, whether the books are still this process's own, and the sessions that wait for
//! either.
//!
//! With `durability: strict`, a packet that moves money names the cut that must be durable before the packet leaves.
//! The outbox holds it back until then; the packet path does not wait (ADR 25).

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

/// The number of a cut: a copy of the accounts that the store saves in one transaction. Cuts are numbered from 1
/// upwards, without gaps, as long as the store exists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CutNumber(pub u64);

impl CutNumber {
    /// Before the first cut. A packet that names it waits for nothing.
    pub const NONE: Self = Self(0);

    /// The cut after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// Whether no other process can have taken the books. It reads the time, as the one who calls it may have been frozen.
pub struct LeaseCheck(pub Box<dyn Fn() -> bool + Send + Sync>);

impl fmt::Debug for LeaseCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LeaseCheck")
    }
}

/// The newest durable cut of a node. Its outboxes share it.
#[derive(Debug, Default)]
pub struct DurableCuts {
    newest: AtomicU64,
    /// Tasks of sessions with a packet that waits for a later cut: at most one entry of each session for each cut. And
    /// tasks that wait for the cut with a change by an operator, once each.
    waiting: Mutex<Vec<Waker>>,
    /// Only if another process can take the books.
    lease: OnceLock<LeaseCheck>,
    /// Tasks of sessions that wait for the lease, once each.
    waiting_for_lease: Mutex<Vec<Waker>>,
}

impl DurableCuts {
    /// The newest durable cut.
    pub fn newest(&self) -> CutNumber {
        CutNumber(self.newest.load(Ordering::Acquire))
    }

    /// Notes that all cuts up to this one are durable, and wakes the sessions that wait.
    pub fn publish(&self, cut: CutNumber) {
        let waiting = {
            let mut waiting = self.waiting.lock();
            self.newest.fetch_max(cut.0, Ordering::Release);
            std::mem::take(&mut *waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }

    /// From now on, packets leave only while the lease is valid.
    pub fn set_lease(&self, check: LeaseCheck) {
        // A second call leaves the first one in use: a process takes the books once.
        let _ = self.lease.set(check);
    }

    /// The lease is valid: wakes the sessions that wait for it.
    pub fn wake_for_lease(&self) {
        let waiting = std::mem::take(&mut *self.waiting_for_lease.lock());
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Whether packets may leave. Without a lease, always.
    pub(super) fn has_lease(&self) -> bool {
        self.lease.get().is_none_or(|LeaseCheck(is_valid)| is_valid())
    }

    /// Has `waker` woken by the next [`DurableCuts::wake_for_lease`]. Returns `false` if the lease is valid now.
    pub(super) fn wake_with_lease(&self, waker: Option<&Waker>) -> bool {
        if let Some(waker) = waker {
            let mut waiting = self.waiting_for_lease.lock();
            if !waiting.iter().any(|known| known.will_wake(waker)) {
                waiting.push(waker.clone());
            }
        }
        // Only now: a lease that was renewed before the task was registered does not wake it.
        !self.has_lease()
    }

    /// Waits until a cut is durable.
    pub fn poll_durable(&self, cut: CutNumber, cx: &Context<'_>) -> Poll<()> {
        let mut waiting = self.waiting.lock();
        if self.newest() >= cut {
            return Poll::Ready(());
        }
        if !waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Has `waker` woken by the next [`DurableCuts::publish`]. Returns `false` if the cut is durable already.
    pub(super) fn wake_later(&self, cut: CutNumber, waker: &Waker) -> bool {
        let mut waiting = self.waiting.lock();
        // Under the lock: a cut that is published from now on finds the waker.
        if self.newest() >= cut {
            return false;
        }
        waiting.push(waker.clone());
        true
    }

    /// The task has ended: otherwise its memory would stay until the next cut is durable or the lease is valid, which a
    /// store that fails delays, while the peer may begin and end further sessions.
    pub(super) fn forget(&self, waker: &Waker) {
        for waiting in [&self.waiting, &self.waiting_for_lease] {
            waiting.lock().retain(|waiting| !waiting.will_wake(waker));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A waker, how often it was woken, and how often it is kept somewhere.
    fn counted() -> (Waker, impl Fn() -> usize, impl Fn() -> usize) {
        let count = Arc::new(Count::default());
        let (waker, kept) = (Waker::from(Arc::clone(&count)), Arc::downgrade(&count));
        (waker, move || count.0.load(Ordering::Relaxed), move || kept.strong_count() - 2)
    }

    #[test]
    fn cuts_are_numbered_from_one_without_gaps() {
        assert_eq!(CutNumber::NONE.next(), CutNumber(1));
        assert_eq!(CutNumber(7).next(), CutNumber(8));
    }

    #[test]
    fn a_task_waits_until_its_cut_is_durable() {
        let (durable, (waker, wakes, kept)) = (DurableCuts::default(), counted());
        let is_durable =
            |cut| durable.poll_durable(CutNumber(cut), &Context::from_waker(&waker)).is_ready();
        assert!(is_durable(0) && !is_durable(2) && !is_durable(2));
        assert_eq!((kept(), wakes()), (1, 0), "it is registered once");
        durable.publish(CutNumber(1));
        assert_eq!((kept(), wakes()), (0, 1));
        assert!(is_durable(1) && !is_durable(2));
        durable.publish(CutNumber(2));
        assert_eq!((wakes(), is_durable(2)), (2, true));
        durable.publish(CutNumber(1));
        assert_eq!(durable.newest(), CutNumber(2), "what is durable stays so");
    }

    #[test]
    fn a_second_task_waits_too() {
        let (durable, (one, of_one, _), (other, of_other, _)) =
            (DurableCuts::default(), counted(), counted());
        for waker in [&one, &other] {
            assert!(durable.poll_durable(CutNumber(1), &Context::from_waker(waker)).is_pending());
        }
        durable.publish(CutNumber(1));
        assert_eq!((of_one(), of_other()), (1, 1));
    }

    #[test]
    fn a_task_that_comes_too_late_is_not_registered() {
        let (durable, (waker, wakes, kept)) = (DurableCuts::default(), counted());
        durable.publish(CutNumber(3));
        assert!(!durable.wake_later(CutNumber(2), &waker));
        assert!(!durable.wake_later(CutNumber(3), &waker));
        assert_eq!(kept(), 0);
        assert!(durable.wake_later(CutNumber(4), &waker));
        durable.publish(CutNumber(4));
        assert_eq!((wakes(), kept()), (1, 0));
    }

    #[test]
    fn tasks_wait_for_a_lease_that_is_not_valid() {
        let (durable, (waker, wakes, kept)) = (DurableCuts::default(), counted());
        assert!(durable.has_lease() && !durable.wake_with_lease(None));
        durable.set_lease(LeaseCheck(Box::new(|| false)));
        assert!(!durable.has_lease() && durable.wake_with_lease(None));
        assert!(durable.wake_with_lease(Some(&waker)) && durable.wake_with_lease(Some(&waker)));
        let (other, of_other, _) = counted();
        assert!(durable.wake_with_lease(Some(&other)));
        assert_eq!(kept(), 1, "it is registered once");
        durable.wake_for_lease();
        assert_eq!((wakes(), of_other(), kept()), (1, 1, 0));
        durable.set_lease(LeaseCheck(Box::new(|| true)));
        assert!(!durable.has_lease(), "the first one stays");
    }

    #[test]
    fn a_task_that_has_ended_is_forgotten_and_others_are_not() {
        let (durable, (ended, wakes, kept), (other, of_other, _)) =
            (DurableCuts::default(), counted(), counted());
        for waker in [&ended, &other] {
            assert!(durable.wake_later(CutNumber(1), waker));
            durable.wake_with_lease(Some(waker));
        }
        durable.forget(&ended);
        assert_eq!(kept(), 0);
        durable.publish(CutNumber(1));
        durable.wake_for_lease();
        assert_eq!((wakes(), of_other()), (0, 2));
    }
}
