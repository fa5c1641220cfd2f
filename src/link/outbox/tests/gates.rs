//! What waits for a cut: order, wake-ups, and what it does to the bounds.

use std::sync::atomic::AtomicBool;

use super::super::answers::{ANSWERS_NOT_READ, ANSWERS_NOT_SAVED};
use super::*;
use crate::link::LeaseCheck;

/// An outbox whose packets can wait for cuts.
fn gated(
    framing: Framing,
    bytes_max: usize,
) -> (Arc<Outbox>, Arc<DurableCuts>, impl Fn() -> usize) {
    let (outbox, wakes) = counted(framing, bytes_max);
    let durable = Arc::new(DurableCuts::default());
    outbox.set_durable_cuts(Arc::clone(&durable));
    (outbox, durable, wakes)
}

fn put_after(outbox: &Outbox, id: u32, cut: u64) {
    let (id, amount) = (RequestId(id), Amount(id.into()));
    assert!(outbox.put_reply(id, &FULFILL, CutNumber(cut), amount));
}

/// The ids of the frames in `bytes`.
fn ids(mut bytes: &[u8]) -> Vec<u32> {
    let frame_len = {
        let outbox = Outbox::new(Framing::Server, 1 << 20);
        put(&outbox, PacketKind::Reply, 1);
        outbox.waiting_bytes()
    };
    let mut ids = Vec::new();
    while let Some((frame, rest)) = bytes.split_at_checked(frame_len) {
        ids.push(BtpFrame::parse(&payload_in(frame).unwrap()).unwrap().request_id.0);
        bytes = rest;
    }
    assert!(bytes.is_empty(), "only whole frames");
    ids
}

#[test]
fn a_packet_and_all_behind_it_wait_for_their_cut() {
    let (outbox, durable, wakes) = gated(Framing::Server, 1 << 20);
    put_after(&outbox, 1, 0);
    put_after(&outbox, 2, 1);
    put_after(&outbox, 3, 0);
    put_after(&outbox, 4, 2);
    put_after(&outbox, 5, 2);
    assert_eq!(wakes(), 1);
    let (bytes, done) = write(&outbox, usize::MAX);
    assert!(done.is_ready(), "the socket is not the reason");
    assert_eq!(ids(&bytes), [1]);
    assert!(outbox.waiting_bytes() > 0);
    put_after(&outbox, 6, 2);
    assert_eq!(wakes(), 1, "a packet behind a closed gate wakes nothing");
    durable.publish(CutNumber(1));
    assert_eq!(wakes(), 2);
    assert_eq!(ids(&write(&outbox, usize::MAX).0), [2, 3]);
    durable.publish(CutNumber(3));
    assert_eq!(wakes(), 3);
    assert_eq!(ids(&write(&outbox, usize::MAX).0), [4, 5, 6]);
    assert_eq!(outbox.waiting_bytes(), 0);
    put_after(&outbox, 7, 3);
    assert_eq!(ids(&write(&outbox, usize::MAX).0), [7], "the cut is durable already");
}

#[test]
fn a_task_that_writes_often_is_registered_once_for_each_cut() {
    let (outbox, durable, wakes) = gated(Framing::Server, 1 << 20);
    put_after(&outbox, 1, 2);
    for _ in 0..100 {
        assert!(write(&outbox, usize::MAX).0.is_empty());
    }
    let before = wakes();
    durable.publish(CutNumber(1));
    assert_eq!(wakes(), before + 1);
    assert!(write(&outbox, usize::MAX).0.is_empty());
    durable.publish(CutNumber(2));
    assert_eq!(wakes(), before + 2);
    assert_eq!(ids(&write(&outbox, usize::MAX).0), [1]);
}

#[test]
fn bytes_written_in_parts_move_the_gates() {
    let (outbox, durable, _) = gated(Framing::Server, 1 << 20);
    for id in 1..=4 {
        put_after(&outbox, id, u64::from(id) / 4);
    }
    let mut bytes = Vec::new();
    while bytes.len() < outbox.waiting_bytes() * 3 {
        let (some, _) = write(&outbox, 7);
        if some.is_empty() {
            break;
        }
        bytes.extend(some);
    }
    assert_eq!(ids(&bytes), [1, 2, 3]);
    put_after(&outbox, 5, 2);
    durable.publish(CutNumber(1));
    assert_eq!(ids(&write(&outbox, usize::MAX).0), [4]);
    durable.publish(CutNumber(2));
    assert_eq!(ids(&write(&outbox, usize::MAX).0), [5]);
}

#[test]
fn a_lost_session_returns_what_waits_for_a_cut() {
    for (framing, after_second) in [(Framing::Server, 1), (Framing::None, 0)] {
        let (outbox, _, _) = gated(framing, 1 << 20);
        put_after(&outbox, 1, 1);
        put_after(&outbox, 2, 0);
        put_after(&outbox, 3, 2);
        let unsent = outbox.end_session();
        let second = unsent_reply(2, after_second, 2);
        assert_eq!(unsent.replies, [unsent_reply(1, 1, 1), second, unsent_reply(3, 2, 3)]);
        assert_eq!(outbox.waiting_bytes(), 0);
    }
}

#[test]
fn a_packet_behind_a_later_cut_waits_for_that_one() {
    let (outbox, durable, _) = gated(Framing::Server, 1 << 20);
    put_after(&outbox, 1, 2);
    put_after(&outbox, 2, 1);
    durable.publish(CutNumber(1));
    assert!(write(&outbox, usize::MAX).0.is_empty());
    put_after(&outbox, 3, 1);
    let unsent = outbox.end_session();
    let expected = [unsent_reply(1, 2, 1), unsent_reply(2, 2, 2), unsent_reply(3, 2, 3)];
    assert_eq!(unsent.replies, expected);
    let (outbox, _, _) = gated(Framing::Server, 1 << 20);
    put_after(&outbox, 1, 2);
    put_after(&outbox, 2, 1);
    assert_eq!(outbox.end_session().replies, [unsent_reply(1, 2, 1), unsent_reply(2, 2, 2)]);
}

#[test]
fn a_prepare_waits_for_its_cut_too() {
    let (outbox, durable, _) = gated(Framing::Server, 1 << 20);
    let prepare = prepare();
    let request = PermitRequest { requester: Some(Slot(1)), requesters: 1, prepare: &prepare };
    let permit = outbox.request_permit(&request).unwrap();
    permit.put_prepare(RequestId(4), &prepare, CutNumber(1));
    assert!(write(&outbox, usize::MAX).0.is_empty());
    durable.publish(CutNumber(1));
    let payload = payload_in(&write(&outbox, usize::MAX).0).unwrap();
    let frame = BtpFrame::parse(&payload).unwrap();
    assert_eq!((frame.request_id, frame.ilp()), (RequestId(4), Some(&encode(&prepare)[..])));
}

#[test]
fn a_task_that_has_ended_does_not_wait_for_its_cut() {
    let durable = Arc::new(DurableCuts::default());
    let count = Arc::new(Count::default());
    for id in 0..3 {
        let outbox = Outbox::new(Framing::Server, 1 << 20);
        outbox.set_durable_cuts(Arc::clone(&durable));
        outbox.set_waker(&Waker::from(Arc::clone(&count)));
        put_after(&outbox, id, 1);
        assert!(write(&outbox, usize::MAX).0.is_empty());
        assert_eq!(Arc::strong_count(&count), 3, "of the outbox, and of the cut");
        outbox.end_session();
        assert_eq!(Arc::strong_count(&count), 1);
    }
}

#[test]
fn packets_that_are_taken_one_by_one_wait_too() {
    let (outbox, durable, wakes) = gated(Framing::None, 1 << 20);
    put_after(&outbox, 1, 1);
    put_after(&outbox, 2, 0);
    assert_eq!(outbox.take_packet(), None);
    let before = wakes();
    durable.publish(CutNumber(1));
    assert_eq!(wakes(), before + 1);
    assert_eq!(outbox.take_packet().map(|taken| taken.id), Some(RequestId(1)));
    assert_eq!(outbox.take_packet().map(|taken| taken.id), Some(RequestId(2)));
}

#[test]
fn answers_that_wait_for_a_cut_do_not_pause_reading() {
    let (outbox, durable, _) = gated(Framing::Server, 500);
    for id in 0..20 {
        put(&outbox, PacketKind::Prepare, id);
    }
    for id in 0..30 {
        put(&outbox, PacketKind::Prepare, id);
        put_after(&outbox, id, 1 + u64::from(id) / 15);
    }
    assert!(outbox.waiting_bytes() > 2_000);
    assert!(!outbox.is_full_of_answers(), "the peer cannot read them");
    for (cut, frames) in [(1, 20 + 2 * 15 + 1), (2, 2 * 15 - 1)] {
        durable.publish(CutNumber(cut));
        assert!(outbox.is_full_of_answers(), "now it can");
        assert_eq!(ids(&write(&outbox, usize::MAX).0).len(), frames);
        assert!(!outbox.is_full_of_answers());
    }
}

#[test]
fn a_session_with_too_many_answers_closes_with_the_reason() {
    for framing in [Framing::Server, Framing::None] {
        let (outbox, _, _) = gated(framing, 100);
        for id in 0..100 {
            put_after(&outbox, id, 1);
        }
        assert_eq!(outbox.close_request(), Some(ANSWERS_NOT_SAVED));
    }
    // The peer could read the first ones.
    let (outbox, _, _) = gated(Framing::Server, 100);
    for id in 0..100 {
        put_after(&outbox, id, u64::from(id) / 10);
    }
    assert_eq!(outbox.close_request(), Some(ANSWERS_NOT_READ));
}

#[test]
fn answers_that_the_peer_could_read_up_to_the_bound_are_the_reason() {
    for (readable, reason) in [(99, ANSWERS_NOT_SAVED), (100, ANSWERS_NOT_READ)] {
        let (outbox, _, _) = gated(Framing::Server, 100);
        outbox.put_ws_frames(&vec![0; readable]);
        for id in 0..100 {
            put_after(&outbox, id, 1);
        }
        assert_eq!(outbox.close_request(), Some(reason), "{readable} bytes");
    }
}

/// Durable cuts with a lease that ends and is renewed as the test says.
fn set_lease(durable: &DurableCuts) -> Arc<AtomicBool> {
    let is_valid = Arc::new(AtomicBool::new(true));
    let asked = Arc::clone(&is_valid);
    durable.set_lease(LeaseCheck(Box::new(move || asked.load(Ordering::Relaxed))));
    is_valid
}

#[test]
fn nothing_is_written_without_the_lease() {
    let (outbox, durable, wakes) = gated(Framing::Server, 1 << 20);
    let lease = set_lease(&durable);
    put_after(&outbox, 1, 0);
    assert_eq!(ids(&write(&outbox, usize::MAX).0), [1]);
    put_after(&outbox, 2, 0);
    let before = wakes();
    lease.store(false, Ordering::Relaxed);
    for _ in 0..2 {
        let (bytes, done) = write(&outbox, usize::MAX);
        assert!(bytes.is_empty() && done.is_ready(), "the socket is not the reason");
    }
    durable.publish(CutNumber(1));
    put_after(&outbox, 3, 0);
    assert_eq!(wakes(), before, "nothing but the lease helps");
    lease.store(true, Ordering::Relaxed);
    durable.wake_for_lease();
    assert_eq!(wakes(), before + 1);
    assert_eq!(ids(&write(&outbox, usize::MAX).0), [2, 3]);
    durable.wake_for_lease();
    assert_eq!(wakes(), before + 1, "nobody waits any more");
}

#[test]
fn a_task_that_has_ended_does_not_wait_for_the_lease() {
    let durable = Arc::new(DurableCuts::default());
    set_lease(&durable).store(false, Ordering::Relaxed);
    let count = Arc::new(Count::default());
    for framing in [Framing::Server, Framing::None] {
        let outbox = Outbox::new(framing, 1 << 20);
        let nothing_leaves = || match outbox.is_unframed() {
            true => outbox.take_packet().is_none(),
            false => write(&outbox, usize::MAX).0.is_empty(),
        };
        outbox.set_durable_cuts(Arc::clone(&durable));
        outbox.set_waker(&Waker::from(Arc::clone(&count)));
        put_after(&outbox, 1, 0);
        assert!(nothing_leaves());
        assert_eq!(Arc::strong_count(&count), 3, "of the outbox, and of the lease");
        outbox.end_session();
        assert_eq!(Arc::strong_count(&count), 1);
        // The task of a session that was replaced closes the connection only now.
        outbox.set_waker(&Waker::from(Arc::clone(&count)));
        outbox.put_ws_frames(&[0x88, 0x00]);
        assert!(nothing_leaves());
        drop(outbox);
        assert_eq!(Arc::strong_count(&count), 1);
    }
}

#[test]
fn a_lease_that_ends_leaves_the_gates_as_they_are() {
    let (outbox, durable, wakes) = gated(Framing::Server, 1 << 20);
    let lease = set_lease(&durable);
    put_after(&outbox, 1, 0);
    put_after(&outbox, 2, 1);
    lease.store(false, Ordering::Relaxed);
    assert!(write(&outbox, usize::MAX).0.is_empty());
    lease.store(true, Ordering::Relaxed);
    durable.wake_for_lease();
    assert_eq!(ids(&write(&outbox, usize::MAX).0), [1]);
    durable.wake_for_lease();
    let before = wakes();
    durable.publish(CutNumber(1));
    assert_eq!(wakes(), before + 1);
    assert_eq!(ids(&write(&outbox, usize::MAX).0), [2]);
}

#[test]
fn no_packet_is_taken_without_the_lease() {
    let (outbox, durable, wakes) = gated(Framing::None, 1 << 20);
    let lease = set_lease(&durable);
    put_after(&outbox, 1, 0);
    lease.store(false, Ordering::Relaxed);
    assert_eq!(outbox.take_packet(), None);
    let before = wakes();
    lease.store(true, Ordering::Relaxed);
    durable.wake_for_lease();
    assert_eq!(wakes(), before + 1);
    assert_eq!(outbox.take_packet().map(|taken| taken.id), Some(RequestId(1)));
}
