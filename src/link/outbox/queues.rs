//! The packets of an unframed outbox: one queue for each requester, served in turn. So a requester with many packets
//! delays only itself.

use std::collections::{HashMap, VecDeque};

use super::super::{CutNumber, PacketKind, Slot};
use super::{Outbox, Requester, TakenPacket};
use crate::wire::Amount;

impl Outbox {
    /// Takes the next packet out of an unframed outbox. `None`: there is none; the next one wakes the task again.
    pub fn take_packet(&self) -> Option<TakenPacket> {
        self.take_packet_if(|_| true)
    }

    /// Takes the first packet of the next requester for which `admits` is true. `None`: there is none; the next packet
    /// of any requester wakes the task again.
    ///
    /// A packet that waits for a cut counts as not there; the cut wakes the task.
    pub fn take_packet_if(&self, mut admits: impl FnMut(Requester) -> bool) -> Option<TakenPacket> {
        let mut guard = self.inner.lock();
        let inner = &mut *guard;
        let queues = inner.queues.as_mut().expect("frames are written, not taken");
        let gates = &mut inner.gates;
        // After the end there is nothing to take, and the task must not stay in the list of those that wait.
        if !inner.has_ended && !gates.has_lease() && gates.wake_with_lease(inner.waker.as_ref()) {
            inner.is_woken = false;
            return None;
        }
        let mut next_cut: Option<CutNumber> = None;
        let taken = loop {
            let taken = queues.take_packet(|requester, after| {
                let is_open = gates.is_open(after);
                if !is_open {
                    next_cut = Some(next_cut.map_or(after, |next| next.min(after)));
                }
                is_open && admits(requester)
            });
            // `false`: the cut has become durable in the meantime.
            match next_cut.take() {
                Some(cut)
                    if taken.is_none() && !gates.wake_when_durable(cut, inner.waker.as_ref()) => {}
                _ => break taken,
            }
        };
        match &taken {
            Some(taken) => {
                if let (Some(shares), Some(requester)) = (&mut inner.shares, taken.requester) {
                    shares.remove(requester, taken.packet.len());
                }
            }
            None => inner.is_woken = false,
        }
        if inner.waiting_bytes() == 0 {
            inner.shares = None;
        }
        taken
    }
}

/// Packets by requester. Each requester in it has packets.
#[derive(Debug, Default)]
pub(super) struct PacketQueues {
    by_requester: HashMap<Requester, RequesterQueue>,
    /// The requesters with packets, the next one first.
    order: VecDeque<Requester>,
    bytes: usize,
    prepare_bytes: usize,
}

#[derive(Debug, Default)]
struct RequesterQueue {
    packets: VecDeque<QueuedPacket>,
    bytes: usize,
}

#[derive(Debug)]
pub(super) struct QueuedPacket {
    pub(super) packet: TakenPacket,
    /// The cut that must be durable before the packet is taken.
    pub(super) after: CutNumber,
    /// See [`UnsentReply::amount`](super::UnsentReply::amount).
    pub(super) amount: Amount,
}

impl PacketQueues {
    /// Bytes of all packets.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes of the Prepares among them.
    pub(super) fn prepare_bytes(&self) -> usize {
        self.prepare_bytes
    }

    /// The bytes of each account's packets.
    pub(super) fn bytes_by_requester(&self) -> impl Iterator<Item = (Slot, usize)> {
        self.by_requester.iter().filter_map(|(requester, queue)| Some(((*requester)?, queue.bytes)))
    }

    /// Adds a packet to its requester's queue.
    pub(super) fn put_packet(&mut self, queued: QueuedPacket) {
        let requester = queued.packet.requester;
        let len = queued.packet.packet.len();
        let queue = self.by_requester.entry(requester).or_default();
        if queue.packets.is_empty() {
            self.order.push_back(requester);
        }
        self.bytes += len;
        self.prepare_bytes += prepare_bytes(&queued.packet);
        queue.bytes += len;
        queue.packets.push_back(queued);
    }

    /// Takes the first packet of the next requester for which `admits` is true. The others keep their turn.
    pub(super) fn take_packet(
        &mut self,
        mut admits: impl FnMut(Requester, CutNumber) -> bool,
    ) -> Option<TakenPacket> {
        let at = self.order.iter().position(|requester| {
            self.first_cut(*requester).is_some_and(|after| admits(*requester, after))
        })?;
        let requester = self.order.remove(at)?;
        let queue = self.by_requester.get_mut(&requester)?;
        let taken = queue.packets.pop_front()?.packet;
        queue.bytes -= taken.packet.len();
        self.bytes -= taken.packet.len();
        self.prepare_bytes -= prepare_bytes(&taken);
        if queue.packets.is_empty() {
            self.by_requester.remove(&requester);
        } else {
            self.order.push_back(requester);
        }
        Some(taken)
    }

    /// The cut that the first packet of a requester waits for, if it has packets. The replies are in the queue of
    /// `None`.
    pub(super) fn first_cut(&self, requester: Requester) -> Option<CutNumber> {
        Some(self.by_requester.get(&requester)?.packets.front()?.after)
    }

    /// Takes all packets, in no particular order of requesters.
    pub(super) fn take_all(&mut self) -> impl Iterator<Item = QueuedPacket> + use<> {
        let all = std::mem::take(self);
        all.by_requester.into_values().flat_map(|queue| queue.packets)
    }
}

fn prepare_bytes(taken: &TakenPacket) -> usize {
    if taken.kind == PacketKind::Prepare { taken.packet.len() } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::btp::RequestId;

    fn packet(requester: u32, id: u32) -> QueuedPacket {
        let packet = TakenPacket {
            kind: PacketKind::Prepare,
            id: RequestId(id),
            requester: Some(Slot(requester)),
            packet: vec![0; 10],
        };
        QueuedPacket { packet, after: CutNumber::NONE, amount: Amount::ZERO }
    }

    fn ids(
        queues: &mut PacketQueues,
        count: usize,
        admits: impl Fn(Requester) -> bool,
    ) -> Vec<u32> {
        (0..count)
            .map_while(|_| {
                queues.take_packet(|requester, _| admits(requester)).map(|taken| taken.id.0)
            })
            .collect()
    }

    #[test]
    fn requesters_are_served_in_turn_and_each_in_its_own_order() {
        let mut queues = PacketQueues::default();
        for id in 0..5 {
            queues.put_packet(packet(1, id));
        }
        queues.put_packet(packet(2, 20));
        queues.put_packet(packet(3, 30));
        queues.put_packet(packet(2, 21));
        assert_eq!(ids(&mut queues, 6, |_| true), [0, 20, 30, 1, 21, 2]);
        queues.put_packet(packet(2, 22));
        assert_eq!(ids(&mut queues, 9, |_| true), [3, 22, 4]);
        assert_eq!((queues.bytes(), queues.prepare_bytes()), (0, 0));
        assert!(queues.by_requester.is_empty() && queues.order.is_empty());
    }

    #[test]
    fn a_requester_that_is_not_admitted_keeps_its_turn() {
        let mut queues = PacketQueues::default();
        for (requester, id) in [(1, 10), (2, 20), (1, 11), (2, 21)] {
            queues.put_packet(packet(requester, id));
        }
        assert_eq!(ids(&mut queues, 9, |requester| requester != Some(Slot(1))), [20, 21]);
        assert_eq!(queues.bytes(), 20);
        assert_eq!(ids(&mut queues, 9, |_| true), [10, 11]);
    }

    #[test]
    fn bytes_are_counted_by_requester_and_for_prepares() {
        let mut queues = PacketQueues::default();
        queues.put_packet(packet(1, 10));
        queues.put_packet(packet(2, 20));
        queues.put_packet(packet(1, 11));
        let mut reply = packet(0, 30);
        (reply.packet.kind, reply.packet.requester) = (PacketKind::Reply, None);
        reply.packet.packet = vec![0; 7];
        reply.after = CutNumber(4);
        queues.put_packet(reply);
        let mut by_requester: Vec<_> = queues.bytes_by_requester().collect();
        by_requester.sort_unstable();
        assert_eq!(by_requester, [(Slot(1), 20), (Slot(2), 10)]);
        assert_eq!((queues.bytes(), queues.prepare_bytes()), (37, 30));
        assert_eq!(queues.first_cut(None), Some(CutNumber(4)));
        assert_eq!(queues.first_cut(Some(Slot(1))), Some(CutNumber::NONE));
        assert_eq!(queues.first_cut(Some(Slot(3))), None);
        assert_eq!(ids(&mut queues, 1, |requester| requester.is_none()), [30]);
        assert_eq!((queues.bytes(), queues.prepare_bytes()), (30, 30));
        assert_eq!(ids(&mut queues, 1, |_| true), [10]);
        assert_eq!((queues.bytes(), queues.prepare_bytes()), (20, 20));
        assert_eq!(queues.bytes_by_requester().find(|of| of.0 == Slot(1)), Some((Slot(1), 10)));
    }

    #[test]
    fn all_packets_can_be_taken_at_once() {
        let mut queues = PacketQueues::default();
        for id in 0..10 {
            queues.put_packet(packet(id % 3, id));
        }
        assert_eq!(queues.take_all().count(), 10);
        assert_eq!((queues.bytes(), queues.prepare_bytes()), (0, 0));
        assert_eq!(queues.take_packet(|_, _| true), None);
    }
}
