//! The accounts that have changed since the last cut. The packet path adds each of them once.

use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

use crate::link::Slot;

/// The memory of a longer list is not kept.
const SLOTS_REUSED_MAX: usize = 1_000;

/// The accounts that have changed since the last cut.
#[derive(Debug, Default)]
pub(super) struct ChangedAccounts(Mutex<ChangedSlots>);

#[derive(Debug, Default)]
struct ChangedSlots {
    slots: Vec<Slot>,
    /// The accounts that were paid since the last cut with flows, once each; [`Slot::NONE`] is an own account.
    paid: Vec<Slot>,
    /// Something that has no slot has changed, too.
    has_others: bool,
    waker: Option<Waker>,
}

impl ChangedAccounts {
    /// The caller holds the lock of the account.
    #[cold]
    pub(super) fn note(&self, slot: Slot) {
        let mut changed = self.0.lock();
        changed.slots.push(slot);
        if let Some(waker) = changed.waker.take() {
            waker.wake();
        }
    }

    /// Something that has no slot has changed: an account that is not configured, or the node's own.
    pub(super) fn note_other(&self) {
        let mut changed = self.0.lock();
        changed.has_others = true;
        if let Some(waker) = changed.waker.take() {
            waker.wake();
        }
    }

    /// An account was paid, for the first time since the last cut with flows. The caller holds its lock.
    pub(super) fn note_paid(&self, slot: Slot) {
        self.0.lock().paid.push(slot);
    }

    pub(super) fn take_paid(&self) -> Vec<Slot> {
        std::mem::take(&mut self.0.lock().paid)
    }

    pub(super) fn has_paid(&self) -> bool {
        !self.0.lock().paid.is_empty()
    }

    pub(super) fn take(&self) -> Vec<Slot> {
        let mut changed = self.0.lock();
        changed.has_others = false;
        std::mem::take(&mut changed.slots)
    }

    /// Takes a list back for the next accounts, so that a cut allocates none.
    pub(super) fn reuse(&self, mut slots: Vec<Slot>) {
        let mut changed = self.0.lock();
        if changed.slots.is_empty() && slots.capacity() <= SLOTS_REUSED_MAX {
            slots.clear();
            changed.slots = slots;
        }
    }

    pub(super) fn poll(&self, cx: &Context<'_>) -> Poll<()> {
        let mut changed = self.0.lock();
        if changed.slots.is_empty() && !changed.has_others {
            changed.waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_a_list_is_used_again_unless_it_is_long() {
        for (count, is_kept) in [(SLOTS_REUSED_MAX, true), (SLOTS_REUSED_MAX + 1, false)] {
            let changed = ChangedAccounts::default();
            changed.reuse(Vec::with_capacity(count));
            let kept = changed.take();
            assert_eq!((kept.len(), kept.capacity() == count), (0, is_kept), "{count}");
        }
    }

    #[test]
    fn a_list_that_is_taken_back_leaves_no_account_out() {
        let changed = ChangedAccounts::default();
        changed.note(Slot::from_index(1));
        let taken = changed.take();
        changed.note(Slot::from_index(2));
        changed.reuse(taken);
        assert_eq!(changed.take(), [Slot::from_index(2)]);
        changed.reuse(vec![Slot::from_index(2)]);
        assert_eq!(changed.take(), [], "it was in the last cut");
    }
}
