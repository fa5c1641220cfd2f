//! Order, bounds, wake-ups, and the unsent packets of a lost session.

mod gates;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;

use super::*;
use crate::link::framing::payload_in;
use crate::testing::encode;
use crate::wire::Fulfillment;
use crate::wire::btp::BtpFrame;
use crate::wire::ilp::{Fulfill, Prepare};

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

const FULFILL: Reply<'_> =
    Reply::Fulfill(Fulfill { fulfillment: Fulfillment([7; 32]), data: b"data" });

/// An outbox, and the number of times that its task was woken.
fn counted(framing: Framing, bytes_max: usize) -> (Arc<Outbox>, impl Fn() -> usize) {
    let (outbox, count) = (Outbox::new(framing, bytes_max), Arc::new(Count::default()));
    outbox.set_waker(&Waker::from(count.clone()));
    (outbox, move || count.0.load(Ordering::Relaxed))
}

fn put(outbox: &Outbox, kind: PacketKind, id: u32) -> bool {
    outbox.put_packet(kind, RequestId(id), &FULFILL, CutNumber::NONE, Amount::ZERO)
}

/// The Prepare of a permit request. A Fulfill stands for it in the outbox.
fn prepare() -> Prepare<'static> {
    Prepare {
        amount: crate::wire::Amount(1),
        expires_at: crate::wire::Timestamp::EPOCH,
        condition: crate::wire::Condition([0; 32]),
        destination: crate::wire::AddressRef::new("test.a").unwrap(),
        data: b"",
    }
}

/// Adds a Prepare of a requester, one of `requesters`, if it gets a permit.
fn put_if_permitted(outbox: &Outbox, requester: u32, requesters: usize) -> Result<(), NoPermit> {
    let prepare = prepare();
    let request = PermitRequest { requester: Some(Slot(requester)), requesters, prepare: &prepare };
    outbox
        .request_permit(&request)
        .map(|permit| permit.put_packet(PacketKind::Prepare, RequestId(requester), &FULFILL))
}

fn write(outbox: &Outbox, mut space: usize) -> (Vec<u8>, Poll<io::Result<()>>) {
    let (mut bytes, mut written) = (Vec::new(), 0);
    let done = outbox.write_to(
        |chunk| {
            let count = chunk.len().min(space);
            if count == 0 {
                return Poll::Pending;
            }
            space -= count;
            bytes.extend_from_slice(&chunk[..count]);
            Poll::Ready(Ok(count))
        },
        &mut written,
    );
    assert_eq!(written, bytes.len());
    (bytes, done)
}

#[test]
fn bytes_of_prepares_are_those_that_wait_without_answers() {
    for framing in [Framing::Server, Framing::None] {
        let (outbox, _) = counted(framing, 1_000_000);
        put_if_permitted(&outbox, 1, 1).unwrap();
        let of_prepare = outbox.waiting_bytes();
        assert!(of_prepare > 0);
        assert!(put(&outbox, PacketKind::Reply, 2));
        assert_eq!(outbox.waiting_prepare_bytes(), of_prepare);
        assert!(outbox.waiting_bytes() > of_prepare);
    }
}

fn unsent_reply(id: u32, after: u64, amount: u64) -> UnsentReply {
    let (id, packet) = (RequestId(id), encode(&FULFILL));
    UnsentReply { id, packet, after: CutNumber(after), amount: Amount(amount) }
}

#[test]
fn the_task_is_woken_once_until_everything_is_written() {
    let (outbox, wakes) = counted(Framing::Server, 1 << 20);
    put(&outbox, PacketKind::Prepare, 1);
    put(&outbox, PacketKind::Prepare, 2);
    assert_eq!(wakes(), 1);
    assert!(write(&outbox, 10).1.is_pending());
    put(&outbox, PacketKind::Prepare, 3);
    assert_eq!(wakes(), 1, "the task waits for the socket, not for more to write");
    assert!(write(&outbox, usize::MAX).1.is_ready());
    put(&outbox, PacketKind::Prepare, 4);
    assert_eq!(wakes(), 2);
    outbox.request_close(CloseRequest { code: 1001, reason: "stopping" });
    assert_eq!(wakes(), 3, "a close request wakes the task again");
}

#[test]
fn bytes_are_written_in_order_even_in_small_pieces() {
    for framing in [Framing::Server, Framing::Client([1; 32])] {
        let outbox = Outbox::new(framing, 1 << 20);
        let mut all = Vec::new();
        for id in 0..200 {
            put(&outbox, PacketKind::Reply, id);
            all.extend(write(&outbox, 37).0);
        }
        all.extend(write(&outbox, usize::MAX).0);
        assert_eq!(outbox.waiting_bytes(), 0);
        let mut rest = &all[..];
        for id in 0..200 {
            let payload = payload_in(rest).unwrap();
            assert_eq!(BtpFrame::parse(&payload).unwrap().request_id, RequestId(id));
            let masked = rest[1] & 0x80 != 0;
            rest = &rest[payload.len() + if masked { 6 } else { 2 }..];
        }
        assert!(rest.is_empty());
    }
}

#[test]
fn a_lost_session_returns_the_packets_that_were_not_written() {
    let outbox = Outbox::new(Framing::Client([9; 32]), 1 << 20);
    for id in 0..3 {
        put(&outbox, PacketKind::Prepare, id);
    }
    put(&outbox, PacketKind::Reply, 7);
    let other = Outbox::new(Framing::Client([9; 32]), 1 << 20);
    put(&other, PacketKind::Prepare, 0);
    let (one_frame, _) = write(&other, usize::MAX);
    let _ = write(&outbox, one_frame.len() + 1);
    let unsent = outbox.end_session();
    assert_eq!(unsent.prepares, [RequestId(2)]);
    assert_eq!(unsent.replies, [unsent_reply(7, 0, 0)]);
    assert!(!put(&outbox, PacketKind::Prepare, 9), "nothing is added to a lost session");
    // The frame that was begun is finished, so that a close frame can follow it.
    outbox.put_ws_frames(&[0x88, 0x00]);
    let (rest, _) = write(&outbox, usize::MAX);
    assert_eq!(rest.len(), one_frame.len() - 1 + 2);
    assert!(rest.ends_with(&[0x88, 0x00]));
}

#[test]
fn a_packet_is_unsent_until_its_first_byte_is_written() {
    let frame_len = {
        let outbox = Outbox::new(Framing::Server, 1 << 20);
        put(&outbox, PacketKind::Prepare, 0);
        outbox.waiting_bytes()
    };
    for written in 0..=4 * frame_len {
        let outbox = Outbox::new(Framing::Server, 1 << 20);
        for id in 0..4 {
            put(&outbox, PacketKind::Prepare, id);
        }
        assert_eq!(write(&outbox, written).0.len(), written);
        let begun = written.div_ceil(frame_len);
        let ids: Vec<_> = outbox.end_session().prepares.iter().map(|id| id.0 as usize).collect();
        assert_eq!(ids, (begun..4).collect::<Vec<_>>(), "after {written} bytes");
        let rest = write(&outbox, usize::MAX).0.len();
        assert_eq!(rest, begun * frame_len - written, "of the frame that was begun");
    }
}

#[test]
fn written_bytes_are_removed_once_they_are_the_larger_part() {
    for (bytes, written, kept) in [
        (10, 0, (10, 0)),
        (10, 4, (10, 4)),
        (10, 5, (10, 5)),
        (10, 6, (4, 0)),
        (11, 5, (11, 5)),
        (11, 6, (5, 0)),
    ] {
        let outbox = Outbox::new(Framing::Server, 1 << 20);
        outbox.put_ws_frames(&vec![0; bytes]);
        assert!(write(&outbox, written).1.is_pending());
        let inner = outbox.inner.lock();
        assert_eq!((inner.buffer.len(), inner.written), kept, "{written} of {bytes} bytes");
    }
}

#[test]
fn prepares_are_refused_before_answers_close_the_session() {
    let outbox = Outbox::new(Framing::Server, 100);
    while put_if_permitted(&outbox, 1, 1).is_ok() {}
    assert_eq!(put_if_permitted(&outbox, 1, 1), Err(NoPermit::Full));
    assert!(!outbox.is_full_of_answers(), "waiting Prepares do not pause reading");
    while !outbox.is_full_of_answers() {
        put(&outbox, PacketKind::Reply, 1);
    }
    let _ = write(&outbox, usize::MAX);
    assert!(put_if_permitted(&outbox, 1, 1).is_ok() && !outbox.is_full_of_answers());
    for id in 0..100 {
        put(&outbox, PacketKind::Reply, id);
    }
    assert_eq!(outbox.close_request().map(|request| request.code), Some(POLICY_VIOLATION));
}

#[test]
fn a_prepare_counts_as_waiting_until_its_first_byte_is_written() {
    let outbox = Outbox::new(Framing::Server, 100);
    put(&outbox, PacketKind::Prepare, 1);
    let one = outbox.waiting_bytes();
    put(&outbox, PacketKind::Prepare, 2);
    put(&outbox, PacketKind::Reply, 3);
    let prepares = || outbox.inner.lock().prepare_bytes;
    assert_eq!(prepares(), 2 * one);
    let _ = write(&outbox, 1);
    assert_eq!(prepares(), one);
    outbox.end_session();
    assert_eq!(prepares(), 0);
}

#[test]
fn a_peer_that_reads_no_answers_is_closed_while_the_task_waits_for_the_socket() {
    let (outbox, wakes) = counted(Framing::Server, 100);
    put(&outbox, PacketKind::Reply, 0);
    assert!(write(&outbox, 10).1.is_pending());
    for id in 1..100 {
        put(&outbox, PacketKind::Reply, id);
    }
    assert!(outbox.close_request().is_some());
    assert_eq!(wakes(), 2, "once to write, once to close");
}

#[test]
fn memory_follows_recent_use() {
    let outbox = Outbox::new(Framing::Server, 1 << 30);
    for id in 0..100_000 {
        put(&outbox, PacketKind::Reply, id);
    }
    let _ = write(&outbox, usize::MAX);
    assert!(outbox.inner.lock().buffer.capacity() > 1 << 20);
    for id in 0..100 {
        put(&outbox, PacketKind::Reply, id);
        let _ = write(&outbox, usize::MAX);
    }
    assert!(outbox.inner.lock().buffer.capacity() <= 2 * RETAINED_BYTES_MAX);
}

#[test]
fn memory_for_many_packets_shrinks_with_the_buffer() {
    let outbox = Outbox::new(Framing::Server, 1 << 30);
    // Just too many for a half of its capacity.
    for id in 0..16_500 {
        put(&outbox, PacketKind::Reply, id);
    }
    let _ = write(&outbox, usize::MAX);
    let before = outbox.inner.lock().buffer.capacity();
    put(&outbox, PacketKind::Reply, 2);
    let _ = write(&outbox, usize::MAX);
    let inner = outbox.inner.lock();
    let (bytes, frames) = (inner.buffer.capacity(), inner.frames.capacity());
    assert!(bytes < before && frames < 100, "{bytes} bytes, {frames} frames");
}

#[test]
fn packets_are_taken_out_of_an_unframed_outbox_one_by_one() {
    let (outbox, wakes) = counted(Framing::None, 1 << 20);
    assert_eq!(outbox.take_packet(), None);
    for id in 0..200 {
        put(&outbox, if id % 2 == 0 { PacketKind::Prepare } else { PacketKind::Reply }, id);
    }
    assert_eq!(wakes(), 1);
    for id in 0..150 {
        let kind = if id % 2 == 0 { PacketKind::Prepare } else { PacketKind::Reply };
        let expected =
            TakenPacket { kind, id: RequestId(id), requester: None, packet: encode(&FULFILL) };
        assert_eq!(outbox.take_packet(), Some(expected));
    }
    let unsent = outbox.end_session();
    let ids = |from: u32| (from..200).step_by(2).map(RequestId).collect::<Vec<_>>();
    assert_eq!(unsent.prepares, ids(150));
    let replies: Vec<_> = ids(151).into_iter().map(|id| unsent_reply(id.0, 0, 0)).collect();
    assert_eq!(unsent.replies, replies);
    assert_eq!(outbox.take_packet(), None);
    assert_eq!(outbox.waiting_bytes(), 0);
}

#[test]
fn an_empty_unframed_outbox_wakes_again() {
    let (outbox, wakes) = counted(Framing::None, 1 << 20);
    for round in 1..4 {
        put(&outbox, PacketKind::Prepare, 1);
        put(&outbox, PacketKind::Prepare, 2);
        assert_eq!(wakes(), round);
        while outbox.take_packet().is_some() {}
    }
}

#[test]
fn space_is_reserved_for_other_requesters_during_a_flood() {
    for requesters in [2, 3, 10] {
        let outbox = Outbox::new(Framing::Server, 100_000);
        let mut flood = 0;
        while put_if_permitted(&outbox, 0, requesters).is_ok() {
            flood += 1;
        }
        let frame = outbox.waiting_bytes() / flood;
        assert_eq!(put_if_permitted(&outbox, 0, requesters), Err(NoPermit::Reserved));
        assert!(outbox.waiting_bytes() >= 50_000, "half of it is first come, first served");
        let share = 100_000 / (2 * requesters) / frame;
        for requester in 1..u32::try_from(requesters).unwrap() {
            for n in 0..share {
                assert_eq!(
                    put_if_permitted(&outbox, requester, requesters),
                    Ok(()),
                    "packet {n} of requester {requester}"
                );
                assert!(
                    put_if_permitted(&outbox, 0, requesters).is_err(),
                    "the flood takes none of it"
                );
            }
        }
        let newcomer = 100_000 / (2 * (requesters + 1)) / frame;
        for n in 0..newcomer {
            assert_eq!(
                put_if_permitted(&outbox, 99, requesters + 1),
                Ok(()),
                "packet {n} of a newcomer"
            );
        }
        assert!(outbox.waiting_bytes() <= 100_000 + OVERSHOOT_BYTES);
        // Written bytes make space again, for each requester in its own share.
        let half = outbox.waiting_bytes() / 2;
        let _ = write(&outbox, half);
        for _ in 0..newcomer {
            assert_eq!(put_if_permitted(&outbox, 1, requesters + 1), Ok(()));
        }
    }
}

#[test]
fn the_node_itself_may_exceed_a_full_outbox_within_bounds() {
    let outbox = Outbox::new(Framing::Server, 1_000);
    while put_if_permitted(&outbox, 0, 1).is_ok() {}
    let packet = Reply::Fulfill(Fulfill { fulfillment: Fulfillment([7; 32]), data: b"" });
    let prepare = prepare();
    let request = PermitRequest { requester: None, requesters: 1, prepare: &prepare };
    let mut own = 0;
    while let Ok(permit) = outbox.request_permit(&request) {
        permit.put_packet(PacketKind::Prepare, RequestId(1), &packet);
        own += 1;
    }
    assert!((100..2_000).contains(&own), "{own}");
    assert!(outbox.waiting_bytes() < 1_000 + OVERSHOOT_BYTES + 1_000);
}

#[test]
fn the_bounds_of_prepares_are_exact() {
    use NoPermit::{Full, Reserved};
    const MAX: usize = 100_000;
    const HARD_MAX: usize = MAX + 64 * 1024;
    for (requester, requesters, waiting, expected) in [
        // One requester has all of the outbox, and no more.
        (Some(1), 1, MAX - 1, Ok(())),
        (Some(1), 1, MAX, Err(Full)),
        // Within its share, and for the node itself, there is space beyond that.
        (Some(1), 2, HARD_MAX - 1, Ok(())),
        (Some(1), 2, HARD_MAX, Err(Full)),
        (None, 2, HARD_MAX - 1, Ok(())),
        (None, 2, HARD_MAX, Err(Full)),
        // A Prepare is longer than this share of 5 bytes, and the other 9999 have nothing of theirs yet.
        (Some(1), 10_000, MAX - 9_999 * 5 - 1, Ok(())),
        (Some(1), 10_000, MAX - 9_999 * 5, Err(Reserved)),
        (Some(1), 10_000, MAX - 1, Err(Reserved)),
        (Some(1), 10_000, MAX, Err(Full)),
    ] {
        let (outbox, prepare) = (Outbox::new(Framing::Server, MAX), prepare());
        outbox.put_ws_frames(&vec![0; waiting]);
        let requester = requester.map(Slot);
        let request = PermitRequest { requester, requesters, prepare: &prepare };
        let permit = outbox.request_permit(&request).map(drop);
        assert_eq!(permit, expected, "{requester:?} of {requesters}, behind {waiting} bytes");
    }
}

#[test]
fn requesters_are_told_apart_only_in_an_outbox_that_is_half_full() {
    for (waiting, is_counted) in [(49, false), (50, true)] {
        let outbox = Outbox::new(Framing::Server, 100);
        outbox.put_ws_frames(&vec![0; waiting]);
        assert_eq!(put_if_permitted(&outbox, 1, 2), Ok(()));
        assert_eq!(outbox.inner.lock().shares.is_some(), is_counted, "behind {waiting} bytes");
    }
}

#[test]
fn frames_of_the_session_itself_end_with_it() {
    let (outbox, wakes) = counted(Framing::Server, 1 << 20);
    let put = || outbox.put_frame(2, |out| out.extend_from_slice(b"hi"));
    assert!(put());
    assert_eq!((wakes(), write(&outbox, usize::MAX).0), (1, b"\x82\x02hi".to_vec()));
    outbox.end_session();
    assert!(!put());
    assert_eq!((wakes(), outbox.waiting_bytes()), (1, 0));
}

#[test]
fn a_packet_larger_than_its_share_fits_an_outbox_that_is_not_full() {
    let outbox = Outbox::new(Framing::Server, 100);
    assert_eq!(put_if_permitted(&outbox, 0, 50), Ok(()));
    let _ = write(&outbox, usize::MAX);
    assert_eq!(put_if_permitted(&outbox, 1, 50), Ok(()));
}

#[test]
fn a_requester_that_is_not_admitted_does_not_delay_others() {
    let (outbox, wakes) = counted(Framing::None, 1 << 20);
    for requester in [1, 1, 1] {
        put_if_permitted(&outbox, requester, 2).unwrap();
    }
    let only_two = |requester| requester == Some(Slot(2));
    assert_eq!(outbox.take_packet_if(only_two), None);
    put_if_permitted(&outbox, 2, 2).unwrap();
    assert_eq!(wakes(), 2, "although packets of another requester wait");
    assert_eq!(outbox.take_packet_if(only_two).map(|taken| taken.id), Some(RequestId(2)));
    assert_eq!(outbox.take_packet().map(|taken| taken.id), Some(RequestId(1)));
    assert_eq!(outbox.end_session().prepares, [RequestId(1); 2]);
}

#[test]
fn space_is_reserved_in_an_unframed_outbox_too() {
    let outbox = Outbox::new(Framing::None, 10_000);
    while put_if_permitted(&outbox, 0, 2).is_ok() {}
    let flood = outbox.waiting_bytes();
    assert!((5_000..10_000).contains(&flood), "{flood}");
    assert_eq!(put_if_permitted(&outbox, 1, 2), Ok(()));
    while outbox.take_packet_if(|requester| requester == Some(Slot(0))).is_some() {}
    assert_eq!(put_if_permitted(&outbox, 0, 2), Ok(()), "packets that were taken make space");
}

#[test]
fn answers_pause_reading_and_close_the_session_at_their_bounds() {
    for framing in [Framing::Server, Framing::Client([1; 32])] {
        let outbox = Outbox::new(framing, 100);
        outbox.put_ws_frames(&[0; 99]);
        assert!(!outbox.is_full_of_answers());
        outbox.put_ws_frames(&[0; 1]);
        assert!(outbox.is_full_of_answers());
        let _ = write(&outbox, 1);
        assert!(!outbox.is_full_of_answers(), "what is written does not count");
        outbox.put_ws_frames(&[0; 16 * 100 - 99]);
        assert_eq!((outbox.waiting_bytes(), outbox.close_request()), (16 * 100, None));
        outbox.put_ws_frames(&[0; 1]);
        assert!(outbox.close_request().is_some());
    }
}

#[test]
fn the_first_close_request_stands() {
    let first = CloseRequest { code: 1001, reason: "stopping" };
    let outbox = Outbox::new(Framing::Server, 1);
    outbox.request_close(first);
    outbox.request_close(CloseRequest { code: 1000, reason: "done" });
    outbox.put_ws_frames(&[0; 100]);
    assert_eq!(outbox.close_request(), Some(first));
}

#[test]
fn only_answers_pause_reading_in_an_unframed_outbox_too() {
    let outbox = Outbox::new(Framing::None, 100);
    for id in 0..5 {
        put(&outbox, PacketKind::Prepare, id);
    }
    assert!(outbox.waiting_bytes() > 100 && !outbox.is_full_of_answers());
    let answer = encode(&FULFILL).len();
    for id in 0..100_usize.div_ceil(answer) {
        assert!(!outbox.is_full_of_answers(), "after {id} answers of {answer} bytes");
        put(&outbox, PacketKind::Reply, 10);
    }
    assert!(outbox.is_full_of_answers());
}
