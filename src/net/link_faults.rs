//! Faults of the connections that one node dials: cut, delayed, or without some of their packets. Only `up --lab` sets
//! them, and only connections that were dialled with [`NodeFaults`] at hand read them.

use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use parking_lot::Mutex;

/// Why nothing passes.
pub const LINK_IS_CUT: &str = "the lab has cut this link";

/// What a dialled connection carries, which decides what can be done to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkCarrier {
    /// Frames of WebSocket, each with one packet.
    Frames,
    /// Bytes whose borders are not known: HTTP.
    Bytes,
}

/// What is wrong with a link. By default nothing is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultSettings {
    /// Connections are closed, and none is opened.
    pub is_cut: bool,
    /// What is sent in either direction arrives so much later.
    pub delay: Duration,
    /// So many of a hundred packets are lost, in each direction.
    pub drop_percent: u8,
}

/// The faults of all connections that one node dials, by peer. They outlive the node's restarts.
#[derive(Debug, Default)]
pub struct NodeFaults(Mutex<HashMap<String, Arc<LinkFaults>>>);

/// The faults of the connections with one peer.
#[derive(Debug)]
pub struct LinkFaults {
    state: Mutex<LinkState>,
}

#[derive(Debug)]
struct LinkState {
    carrier: LinkCarrier,
    settings: FaultSettings,
    /// Of the tasks that use the faults, by the number of each. A link has few.
    wakers: Vec<(u64, Waker)>,
    next_number: u64,
}

/// A user of the faults, who is woken when they change.
#[derive(Debug)]
pub struct FaultWatch {
    faults: Arc<LinkFaults>,
    number: u64,
}

impl NodeFaults {
    /// The faults of a peer that the node dials. They stay when a reload changes the protocol; over HTTP, no packets
    /// are lost.
    pub fn add_dialled(&self, peer: &str, carrier: LinkCarrier) -> Arc<LinkFaults> {
        let mut all = self.0.lock();
        let new = || LinkState {
            carrier,
            settings: FaultSettings::default(),
            wakers: Vec::new(),
            next_number: 0,
        };
        let faults = all
            .entry(peer.to_owned())
            .or_insert_with(|| Arc::new(LinkFaults { state: Mutex::new(new()) }));
        faults.state.lock().carrier = carrier;
        Arc::clone(faults)
    }

    /// The faults of a peer. `None`: the node has never dialled it.
    pub fn of_peer(&self, peer: &str) -> Option<Arc<LinkFaults>> {
        self.0.lock().get(peer).cloned()
    }
}

impl LinkFaults {
    /// What new connections carry.
    pub fn carrier(&self) -> LinkCarrier {
        self.state.lock().carrier
    }

    /// What is wrong now.
    pub fn settings(&self) -> FaultSettings {
        self.state.lock().settings
    }

    /// Changes what is wrong, at once.
    pub fn change(&self, change: impl FnOnce(&mut FaultSettings)) {
        let mut state = self.state.lock();
        change(&mut state.settings);
        let wakers = std::mem::take(&mut state.wakers);
        drop(state);
        wakers.into_iter().for_each(|(_, waker)| waker.wake());
    }

    /// A watch of its own.
    pub fn watch(self: &Arc<Self>) -> FaultWatch {
        let mut state = self.state.lock();
        state.next_number += 1;
        FaultWatch { faults: Arc::clone(self), number: state.next_number }
    }

    /// Waits until the link is cut. Cancel safe.
    pub async fn until_cut(self: &Arc<Self>) {
        self.until(|settings| settings.is_cut).await;
    }

    /// Waits until the link is cut no more. Cancel safe.
    pub async fn until_joined(self: &Arc<Self>) {
        self.until(|settings| !settings.is_cut).await;
    }

    async fn until(self: &Arc<Self>, wanted: impl Fn(FaultSettings) -> bool) {
        let watch = self.watch();
        let is_so = |cx: &mut Context<'_>| wanted(watch.settings(cx));
        poll_fn(|cx| if is_so(cx) { Poll::Ready(()) } else { Poll::Pending }).await;
    }
}

impl FaultWatch {
    /// What is wrong now. The task is woken when that changes.
    pub fn settings(&self, cx: &Context<'_>) -> FaultSettings {
        let mut state = self.faults.state.lock();
        match state.wakers.iter_mut().find(|(number, _)| *number == self.number) {
            Some((_, waker)) => waker.clone_from(cx.waker()),
            None => state.wakers.push((self.number, cx.waker().clone())),
        }
        state.settings
    }
}

impl Drop for FaultWatch {
    fn drop(&mut self) {
        self.faults.state.lock().wakers.retain(|(number, _)| *number != self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_stay_when_a_peer_is_reached_over_another_protocol() {
        let node = NodeFaults::default();
        let before = node.add_dialled("b", LinkCarrier::Frames);
        before.change(|settings| settings.is_cut = true);
        let after = node.add_dialled("b", LinkCarrier::Bytes);
        assert_eq!((after.settings().is_cut, after.carrier()), (true, LinkCarrier::Bytes));
        before.change(|settings| settings.is_cut = false);
        assert!(!node.of_peer("b").unwrap().settings().is_cut);
        assert!(node.of_peer("c").is_none());
    }
}
