//! Holds bytes back until a cut of the ledger is durable. What is behind a gate waits too, so that the order is kept.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;

use super::super::{CutNumber, DurableCuts};
use super::QueuedFrame;

/// The gates of one outbox, in the order of their offsets and of their cuts.
#[derive(Debug, Default)]
pub(super) struct Gates {
    /// Set once the outbox belongs to an account.
    durable: Option<Arc<DurableCuts>>,
    closed: VecDeque<Gate>,
    /// The newest durable cut when the task was last registered to be woken.
    registered_at: Option<CutNumber>,
}

#[derive(Debug)]
struct Gate {
    /// The offset of the first byte behind it.
    at: usize,
    cut: CutNumber,
    /// The bytes of the Prepares between this gate and the next one.
    prepare_bytes: usize,
}

impl Gates {
    pub(super) fn set_durable(&mut self, durable: Arc<DurableCuts>) {
        self.durable = Some(durable);
    }

    /// Whether this cut is durable. Without a store there is nothing to wait for.
    pub(super) fn is_open(&self, cut: CutNumber) -> bool {
        self.durable.as_ref().is_none_or(|durable| cut <= durable.newest())
    }

    /// Whether this process may still write to peers.
    pub(super) fn has_lease(&self) -> bool {
        self.durable.as_ref().is_none_or(|durable| durable.has_lease())
    }

    /// Has the task woken when the lease is valid again. Returns `false` if it is valid now.
    pub(super) fn wake_with_lease(&self, waker: Option<&Waker>) -> bool {
        self.durable.as_ref().is_some_and(|durable| durable.wake_with_lease(waker))
    }

    /// Adds a gate in front of the bytes from `at` on, unless an earlier one waits for this cut or the cut is durable.
    #[inline(never)]
    pub(super) fn add(&mut self, at: usize, cut: CutNumber) {
        let waits_already = self.closed.back().is_some_and(|last| cut <= last.cut);
        if !waits_already && !self.is_open(cut) && !planted!(EarlyProof) {
            self.closed.push_back(Gate { at, cut, prepare_bytes: 0 });
        }
    }

    /// A frame was added at the end.
    pub(super) fn count_frame(&mut self, frame: &QueuedFrame) {
        if let Some(last) = self.closed.back_mut() {
            last.prepare_bytes += frame.prepare_bytes();
        }
    }

    /// The bytes of the Prepares behind closed gates. There are few gates: one for each cut on its way.
    pub(super) fn prepare_bytes(&self) -> usize {
        self.closed.iter().map(|gate| gate.prepare_bytes).sum()
    }

    /// Removes the gates whose cut is durable. Returns the offset of the first gate that is still closed.
    pub(super) fn open_durable(&mut self) -> Option<usize> {
        let newest = self.durable.as_ref()?.newest();
        while self.closed.pop_front_if(|gate| gate.cut <= newest).is_some() {}
        self.closed.front().map(|gate| gate.at)
    }

    /// Has the task woken when the first closed gate may open. Returns `false` if the gate can be passed now.
    pub(super) fn wake_when_open(&mut self, waker: Option<&Waker>) -> bool {
        let (Some(durable), Some(gate)) = (&self.durable, self.closed.front()) else {
            return false;
        };
        wake_when_durable(durable, gate.cut, waker, &mut self.registered_at)
    }

    /// Has the task woken when this cut may be durable. Returns `false` if it is durable now.
    pub(super) fn wake_when_durable(&mut self, cut: CutNumber, waker: Option<&Waker>) -> bool {
        let Some(durable) = &self.durable else { return false };
        wake_when_durable(durable, cut, waker, &mut self.registered_at)
    }

    /// The bytes before `count` were removed.
    pub(super) fn shift(&mut self, count: usize) {
        for gate in &mut self.closed {
            gate.at -= count;
        }
    }

    /// The task is not woken any more.
    pub(super) fn forget_task(&mut self, waker: Option<&Waker>) {
        self.registered_at = None;
        if let (Some(durable), Some(waker)) = (&self.durable, waker) {
            durable.forget(waker);
        }
    }

    /// Removes all gates. Returns which cut the bytes at an offset wait for. Ask for offsets in ascending order.
    pub(super) fn take_all(&mut self) -> impl FnMut(usize) -> CutNumber + use<> {
        let mut gates = std::mem::take(&mut self.closed);
        let mut cut = CutNumber::NONE;
        move |at| {
            while let Some(gate) = gates.pop_front_if(|gate| gate.at <= at) {
                cut = gate.cut;
            }
            cut
        }
    }
}

/// Registers the task, but only once between two durable cuts: a session that goes on reading must not fill the list.
fn wake_when_durable(
    durable: &DurableCuts,
    cut: CutNumber,
    waker: Option<&Waker>,
    registered_at: &mut Option<CutNumber>,
) -> bool {
    let newest = durable.newest();
    if newest >= cut {
        return false;
    }
    // Without a waker the task has not run yet; it looks by itself once it does.
    let Some(waker) = waker else { return true };
    if *registered_at == Some(newest) {
        return true;
    }
    *registered_at = Some(newest);
    durable.wake_later(cut, waker)
}
