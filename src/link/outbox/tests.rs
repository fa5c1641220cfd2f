//! Order, bounds, wake-ups and what a lost session leaves behind.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;

use super::*;
use crate::wire::Fulfillment;
use crate::wire::btp::BtpFrame;
use crate::wire::ilp::{Fulfill, Reply};

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn put(outbox: &Outbox, kind: FrameKind, id: u32) -> bool {
    let fulfill = Fulfill { fulfillment: Fulfillment([7; 32]), data: b"data" };
    outbox.put_packet(kind, RequestId(id), &Reply::Fulfill(fulfill))
}

/// A Prepare for the question whether there is room. A Fulfill stands for it in the outbox.
fn prepare() -> Prepare<'static> {
    Prepare {
        amount: crate::wire::Amount(1),
        expires_at: crate::wire::Timestamp::EPOCH,
        condition: crate::wire::Condition([0; 32]),
        destination: crate::wire::AddressRef::new("test.a").unwrap(),
        data: b"",
    }
}

/// Appends a Prepare of an asker, one of `askers`, if there is room for it.
fn ask(outbox: &Outbox, asker: u32, askers: usize) -> Result<(), NoPermit> {
    let fulfill = Fulfill { fulfillment: Fulfillment([7; 32]), data: b"data" };
    let packet = Reply::Fulfill(fulfill);
    let prepare = prepare();
    let asking =
        PermitRequest { requester: Some(Slot(asker)), requesters: askers, prepare: &prepare };
    outbox
        .request_permit(&asking)
        .map(|room| room.put_packet(FrameKind::Message, RequestId(asker), &packet))
}

fn write(outbox: &Outbox, mut room: usize) -> (Vec<u8>, Poll<io::Result<()>>) {
    let (mut bytes, mut written) = (Vec::new(), 0);
    let done = outbox.write_to(
        |chunk| {
            let count = chunk.len().min(room);
            if count == 0 {
                return Poll::Pending;
            }
            room -= count;
            bytes.extend_from_slice(&chunk[..count]);
            Poll::Ready(Ok(count))
        },
        &mut written,
    );
    assert_eq!(written, bytes.len());
    (bytes, done)
}

#[test]
fn the_task_is_woken_once_until_everything_is_written() {
    let outbox = Outbox::new(Framing::Server, 1 << 20);
    let count = Arc::new(Count::default());
    outbox.set_waker(&Waker::from(count.clone()));
    let woken = || count.0.load(Ordering::Relaxed);
    put(&outbox, FrameKind::Message, 1);
    put(&outbox, FrameKind::Message, 2);
    assert_eq!(woken(), 1);
    assert!(write(&outbox, 10).1.is_pending());
    put(&outbox, FrameKind::Message, 3);
    assert_eq!(woken(), 1, "the task waits for the socket, not for more to write");
    assert!(write(&outbox, usize::MAX).1.is_ready());
    put(&outbox, FrameKind::Message, 4);
    assert_eq!(woken(), 2);
    outbox.request_close(1001, "stopping");
    assert_eq!(woken(), 3, "a wish to close is heard although the outbox is dirty");
}

#[test]
fn bytes_leave_in_order_however_small_the_pieces() {
    for framing in [Framing::Server, Framing::Client([1; 32])] {
        let outbox = Outbox::new(framing, 1 << 20);
        let mut all = Vec::new();
        for id in 0..200 {
            put(&outbox, FrameKind::Response, id);
            all.extend(write(&outbox, 37).0);
        }
        all.extend(write(&outbox, usize::MAX).0);
        assert_eq!(outbox.waiting_bytes(), 0);
        let mut rest = &all[..];
        for id in 0..200 {
            let payload = frames::payload_of(rest).unwrap();
            assert_eq!(BtpFrame::parse(&payload).unwrap().request_id, RequestId(id));
            let masked = rest[1] & 0x80 != 0;
            rest = &rest[payload.len() + if masked { 6 } else { 2 }..];
        }
        assert!(rest.is_empty());
    }
}

#[test]
fn a_lost_session_says_what_nobody_saw() {
    let outbox = Outbox::new(Framing::Client([9; 32]), 1 << 20);
    for id in 0..3 {
        put(&outbox, FrameKind::Message, id);
    }
    put(&outbox, FrameKind::Response, 7);
    let (one_frame, _) = write(&Outbox::clone_of_one_frame(), usize::MAX);
    let _ = write(&outbox, one_frame.len() + 1);
    let unwritten = outbox.end_session();
    assert_eq!(unwritten.prepares, [RequestId(2)]);
    let (id, frame) = &unwritten.replies[0];
    assert_eq!((*id, BtpFrame::parse(frame).unwrap().request_id), (RequestId(7), RequestId(7)));
    assert!(!put(&outbox, FrameKind::Message, 9), "nothing is appended to a lost session");
    // What was begun is finished, so that a close frame can be understood.
    outbox.put_ws_frames(&[0x88, 0x00]);
    let (rest, _) = write(&outbox, usize::MAX);
    assert_eq!(rest.len(), one_frame.len() - 1 + 2);
    assert!(rest.ends_with(&[0x88, 0x00]));
}

#[test]
fn full_is_about_what_waits_and_answers_may_pass_it_only_so_far() {
    let outbox = Outbox::new(Framing::Server, 100);
    while ask(&outbox, 1, 1).is_ok() {}
    assert_eq!(ask(&outbox, 1, 1), Err(NoPermit::Full));
    assert!(!outbox.is_full_of_answers(), "who is asked much is still heard");
    while !outbox.is_full_of_answers() {
        put(&outbox, FrameKind::Response, 1);
    }
    let _ = write(&outbox, usize::MAX);
    assert!(ask(&outbox, 1, 1).is_ok() && !outbox.is_full_of_answers());
    for id in 0..100 {
        put(&outbox, FrameKind::Response, id);
    }
    assert_eq!(outbox.close_request().map(|order| order.code), Some(POLICY_VIOLATION));
}

#[test]
fn what_is_being_written_counts_as_no_prepare_that_waits() {
    let outbox = Outbox::new(Framing::Server, 100);
    put(&outbox, FrameKind::Message, 1);
    let one = outbox.waiting_bytes();
    put(&outbox, FrameKind::Message, 2);
    put(&outbox, FrameKind::Response, 3);
    let prepares = || outbox.inner.lock().prepare_bytes;
    assert_eq!(prepares(), 2 * one);
    let _ = write(&outbox, 1);
    assert_eq!(prepares(), one);
    outbox.end_session();
    assert_eq!(prepares(), 0);
}

#[test]
fn who_does_not_read_its_answers_is_closed_although_the_task_waits_for_the_socket() {
    let outbox = Outbox::new(Framing::Server, 100);
    let count = Arc::new(Count::default());
    outbox.set_waker(&Waker::from(count.clone()));
    put(&outbox, FrameKind::Response, 0);
    assert!(write(&outbox, 10).1.is_pending());
    for id in 1..100 {
        put(&outbox, FrameKind::Response, id);
    }
    assert!(outbox.close_request().is_some());
    assert_eq!(count.0.load(Ordering::Relaxed), 2, "once to write, once to close");
}

#[test]
fn memory_follows_recent_use() {
    let outbox = Outbox::new(Framing::Server, 1 << 30);
    for id in 0..100_000 {
        put(&outbox, FrameKind::Response, id);
    }
    let _ = write(&outbox, usize::MAX);
    assert!(outbox.inner.lock().buffer.capacity() > 1 << 20);
    for id in 0..100 {
        put(&outbox, FrameKind::Response, id);
        let _ = write(&outbox, usize::MAX);
    }
    assert!(outbox.inner.lock().buffer.capacity() <= 2 * KEPT_BYTES);
}

impl Outbox {
    fn clone_of_one_frame() -> Arc<Outbox> {
        let outbox = Outbox::new(Framing::Client([9; 32]), 1 << 20);
        put(&outbox, FrameKind::Message, 0);
        outbox
    }
}

#[test]
fn packets_are_taken_out_of_a_bare_outbox_one_by_one() {
    let outbox = Outbox::new(Framing::Bare, 1 << 20);
    let count = Arc::new(Count::default());
    outbox.set_waker(&Waker::from(count.clone()));
    let woken = || count.0.load(Ordering::Relaxed);
    assert_eq!(outbox.take_packet(), None);
    let mut packet = Vec::new();
    Reply::Fulfill(Fulfill { fulfillment: Fulfillment([7; 32]), data: b"data" })
        .encode(&mut packet);
    for id in 0..200 {
        put(&outbox, if id % 2 == 0 { FrameKind::Message } else { FrameKind::Response }, id);
    }
    assert_eq!(woken(), 1);
    for id in 0..150 {
        let kind = if id % 2 == 0 { FrameKind::Message } else { FrameKind::Response };
        let expected =
            TakenPacket { kind, id: RequestId(id), requester: None, packet: packet.clone() };
        assert_eq!(outbox.take_packet(), Some(expected));
    }
    let unwritten = outbox.end_session();
    let ids = |from: u32| (from..200).step_by(2).map(RequestId).collect::<Vec<_>>();
    assert_eq!(unwritten.prepares, ids(150));
    for (id, frame) in &unwritten.replies {
        let frame = BtpFrame::parse(frame).unwrap();
        assert_eq!((frame.request_id, frame.ilp()), (*id, Some(&packet[..])));
    }
    assert_eq!(unwritten.replies.len(), 25);
    assert_eq!(outbox.take_packet(), None);
    assert_eq!(outbox.waiting_bytes(), 0);
}

#[test]
fn an_empty_bare_outbox_wakes_again() {
    let outbox = Outbox::new(Framing::Bare, 1 << 20);
    let count = Arc::new(Count::default());
    outbox.set_waker(&Waker::from(count.clone()));
    for round in 1..4 {
        put(&outbox, FrameKind::Message, 1);
        put(&outbox, FrameKind::Message, 2);
        assert_eq!(count.0.load(Ordering::Relaxed), round);
        while outbox.take_packet().is_some() {}
    }
}

#[test]
fn room_is_kept_for_those_who_ask_besides_one_who_floods() {
    for askers in [2, 3, 10] {
        let outbox = Outbox::new(Framing::Server, 100_000);
        let mut flood = 0;
        while ask(&outbox, 0, askers).is_ok() {
            flood += 1;
        }
        let frame = outbox.waiting_bytes() / flood;
        assert_eq!(ask(&outbox, 0, askers), Err(NoPermit::Kept));
        assert!(outbox.waiting_bytes() >= 50_000, "half of it is for the first who comes");
        let share = 100_000 / (2 * askers) / frame;
        for asker in 1..u32::try_from(askers).unwrap() {
            for n in 0..share {
                assert_eq!(ask(&outbox, asker, askers), Ok(()), "packet {n} of asker {asker}");
                assert!(ask(&outbox, 0, askers).is_err(), "the flood takes nothing of it");
            }
        }
        let newcomer = 100_000 / (2 * (askers + 1)) / frame;
        for n in 0..newcomer {
            assert_eq!(ask(&outbox, 99, askers + 1), Ok(()), "packet {n} of a newcomer");
        }
        assert!(outbox.waiting_bytes() <= 100_000 + OVERSHOOT_BYTES);
        // What is written makes room again, for each the room that was its own.
        let half = outbox.waiting_bytes() / 2;
        let _ = write(&outbox, half);
        for _ in 0..newcomer {
            assert_eq!(ask(&outbox, 1, askers + 1), Ok(()));
        }
    }
}

#[test]
fn the_node_itself_finds_room_in_a_full_outbox_but_not_without_end() {
    let outbox = Outbox::new(Framing::Server, 1_000);
    while ask(&outbox, 0, 1).is_ok() {}
    let packet = Reply::Fulfill(Fulfill { fulfillment: Fulfillment([7; 32]), data: b"" });
    let prepare = prepare();
    let asking = PermitRequest { requester: None, requesters: 1, prepare: &prepare };
    let mut own = 0;
    while let Ok(room) = outbox.request_permit(&asking) {
        room.put_packet(FrameKind::Message, RequestId(1), &packet);
        own += 1;
    }
    assert!((100..2_000).contains(&own), "{own}");
    assert!(outbox.waiting_bytes() < 1_000 + OVERSHOOT_BYTES + 1_000);
}

#[test]
fn a_packet_larger_than_a_share_finds_an_outbox_that_is_not_full() {
    let outbox = Outbox::new(Framing::Server, 100);
    assert_eq!(ask(&outbox, 0, 50), Ok(()));
    let _ = write(&outbox, usize::MAX);
    assert_eq!(ask(&outbox, 1, 50), Ok(()));
}

#[test]
fn who_is_not_admitted_keeps_nobody_from_being_taken_and_new_packets_wake() {
    let outbox = Outbox::new(Framing::Bare, 1 << 20);
    let count = Arc::new(Count::default());
    outbox.set_waker(&Waker::from(count.clone()));
    for asker in [1, 1, 1] {
        ask(&outbox, asker, 2).unwrap();
    }
    let only_two = |asker| asker == Some(Slot(2));
    assert_eq!(outbox.take_packet_of(only_two), None);
    ask(&outbox, 2, 2).unwrap();
    assert_eq!(count.0.load(Ordering::Relaxed), 2, "although another's packets wait");
    assert_eq!(outbox.take_packet_of(only_two).map(|taken| taken.id), Some(RequestId(2)));
    assert_eq!(outbox.take_packet().map(|taken| taken.id), Some(RequestId(1)));
    assert_eq!(outbox.end_session().prepares, [RequestId(1); 2]);
}

#[test]
fn room_is_kept_in_a_bare_outbox_too() {
    let outbox = Outbox::new(Framing::Bare, 10_000);
    while ask(&outbox, 0, 2).is_ok() {}
    let flood = outbox.waiting_bytes();
    assert!((5_000..10_000).contains(&flood), "{flood}");
    assert_eq!(ask(&outbox, 1, 2), Ok(()));
    while outbox.take_packet_of(|asker| asker == Some(Slot(0))).is_some() {}
    assert_eq!(ask(&outbox, 0, 2), Ok(()), "what was taken makes room");
}
