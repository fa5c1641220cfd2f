//! The packets of a bare outbox: one queue for each account that asked, served in turn.
//!
//! One asker with much to send waits behind itself, not before the others.

use std::collections::{HashMap, VecDeque};

use super::super::Slot;
use super::{Outbox, TakenPacket};
use crate::wire::btp::FrameKind;

/// See [`TakenPacket::requester`].
type Asker = Option<Slot>;

impl Outbox {
    /// Takes the next packet out of a bare outbox. `None`: there is none; the next one wakes the task again.
    pub fn take_packet(&self) -> Option<TakenPacket> {
        self.take_packet_of(|_| true)
    }

    /// Takes the first packet of the next asker that `admits` lets through. `None`: there is none; the next packet of any
    /// asker wakes the task again.
    pub fn take_packet_of(&self, admits: impl FnMut(Option<Slot>) -> bool) -> Option<TakenPacket> {
        let mut inner = self.inner.lock();
        debug_assert!(inner.queues.is_some(), "what has a WebSocket header is written, not taken");
        let taken = inner.queues.as_mut().and_then(|queues| queues.take(admits));
        match &taken {
            Some(taken) => {
                if let (Some(crowd), Some(asker)) = (&mut inner.shares, taken.requester) {
                    crowd.remove(asker, taken.packet.len());
                }
            }
            None => inner.woken = false,
        }
        if inner.waiting_bytes() == 0 {
            inner.shares = None;
        }
        taken
    }
}

/// Packets by asker. Only askers with packets are kept.
#[derive(Debug, Default)]
pub(super) struct PacketQueues {
    by_asker: HashMap<Asker, Queue>,
    /// The askers with packets, the next one first.
    order: VecDeque<Asker>,
    bytes: usize,
    prepares: usize,
}

#[derive(Debug, Default)]
struct Queue {
    packets: VecDeque<TakenPacket>,
    bytes: usize,
}

impl PacketQueues {
    /// Bytes of all packets.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes of the Prepares among them.
    pub(super) fn prepares(&self) -> usize {
        self.prepares
    }

    /// Bytes that each account has waiting.
    pub(super) fn bytes_of_askers(&self) -> impl Iterator<Item = (Slot, usize)> {
        self.by_asker.iter().filter_map(|(asker, queue)| Some(((*asker)?, queue.bytes)))
    }

    /// Appends a packet to its asker's queue.
    pub(super) fn put(&mut self, taken: TakenPacket) {
        let asker = taken.requester;
        let len = taken.packet.len();
        let queue = self.by_asker.entry(asker).or_default();
        if queue.packets.is_empty() {
            self.order.push_back(asker);
        }
        self.bytes += len;
        self.prepares += prepare_bytes(&taken);
        queue.bytes += len;
        queue.packets.push_back(taken);
    }

    /// The first packet of the next asker that `admits` lets through; askers that it does not keep their turn.
    pub(super) fn take(&mut self, mut admits: impl FnMut(Asker) -> bool) -> Option<TakenPacket> {
        let at = self.order.iter().position(|asker| admits(*asker))?;
        let asker = self.order.remove(at)?;
        let queue = self.by_asker.get_mut(&asker)?;
        let taken = queue.packets.pop_front()?;
        queue.bytes -= taken.packet.len();
        self.bytes -= taken.packet.len();
        self.prepares -= prepare_bytes(&taken);
        if queue.packets.is_empty() {
            self.by_asker.remove(&asker);
        } else {
            self.order.push_back(asker);
        }
        Some(taken)
    }

    /// Takes everything, in no particular order of askers.
    pub(super) fn take_all(&mut self) -> impl Iterator<Item = TakenPacket> + use<> {
        let all = std::mem::take(self);
        all.by_asker.into_values().flat_map(|queue| queue.packets)
    }
}

fn prepare_bytes(taken: &TakenPacket) -> usize {
    if taken.kind == FrameKind::Message { taken.packet.len() } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::btp::RequestId;

    fn packet(asker: u32, id: u32) -> TakenPacket {
        TakenPacket {
            kind: FrameKind::Message,
            id: RequestId(id),
            requester: Some(Slot(asker)),
            packet: vec![0; 10],
        }
    }

    fn ids(queues: &mut PacketQueues, count: usize, admits: impl Fn(Asker) -> bool) -> Vec<u32> {
        (0..count).map_while(|_| queues.take(&admits).map(|taken| taken.id.0)).collect()
    }

    #[test]
    fn askers_are_served_in_turn_and_each_in_its_own_order() {
        let mut queues = PacketQueues::default();
        for id in 0..5 {
            queues.put(packet(1, id));
        }
        queues.put(packet(2, 20));
        queues.put(packet(3, 30));
        queues.put(packet(2, 21));
        assert_eq!(ids(&mut queues, 6, |_| true), [0, 20, 30, 1, 21, 2]);
        queues.put(packet(2, 22));
        assert_eq!(ids(&mut queues, 9, |_| true), [3, 22, 4]);
        assert_eq!((queues.bytes(), queues.prepares()), (0, 0));
        assert!(queues.by_asker.is_empty() && queues.order.is_empty());
    }

    #[test]
    fn who_is_not_admitted_keeps_its_turn() {
        let mut queues = PacketQueues::default();
        for (asker, id) in [(1, 10), (2, 20), (1, 11), (2, 21)] {
            queues.put(packet(asker, id));
        }
        assert_eq!(ids(&mut queues, 9, |asker| asker != Some(Slot(1))), [20, 21]);
        assert_eq!(queues.bytes(), 20);
        assert_eq!(ids(&mut queues, 9, |_| true), [10, 11]);
    }

    #[test]
    fn everything_can_be_taken_at_once() {
        let mut queues = PacketQueues::default();
        for id in 0..10 {
            queues.put(packet(id % 3, id));
        }
        assert_eq!(queues.take_all().count(), 10);
        assert_eq!((queues.bytes(), queues.prepares()), (0, 0));
        assert_eq!(queues.take(|_| true), None);
    }
}
