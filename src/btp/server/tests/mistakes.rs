//! Answers and frames that no connector sends, and what the operator learns of them.

use tokio_tungstenite::tungstenite::Message;

use super::*;
use crate::testing::Log;
use crate::wire::Amount;
use crate::wire::btp::{FrameBody, ProtocolEntry};

/// An operator finds the reason, but no flood of lines, when interledger-rs meets a node without `lenientBtpTypes`.
#[tokio::test]
async fn a_peer_that_swaps_types_is_logged_once_with_the_key_that_helps() {
    let log = Log::of_this_thread();
    let mut node = node();
    let mut alice = node.log_in("alice").await;
    for id in 0..20 {
        alice.send(&response(id, &payment("test.bob"))).await;
        alice.send(&request(id, &fulfillment())).await;
        assert_eq!(alice.frames_so_far().await, [format!("ERROR {id} F00")]);
    }
    let error = node.status("alice").last_error;
    assert!(error.is_some_and(|error| error.contains("for it, set lenientBtpTypes: true")));
    let log = log.text();
    let lines: Vec<_> = log.lines().filter(|line| line.contains("lenientBtpTypes")).collect();
    assert_eq!(lines.len(), 1, "{log}");
    assert!(lines[0].starts_with("WARN ") && lines[0].contains("peer=alice"), "{log}");
    // A later session begins without the error.
    drop(alice);
    assert!(node.ended().await.is_ok());
    let _again = node.log_in("alice").await;
    assert_eq!(node.status("alice").last_error, None);
}

#[tokio::test]
async fn answers_without_a_usable_packet_become_t00() {
    let mut node = node();
    let (mut alice, mut bob) = (node.log_in("alice").await, node.log_in("bob").await);
    let fulfill = fulfillment();
    let twice = [ProtocolEntry::octets("ilp", &fulfill), ProtocolEntry::octets("ilp", b"")];
    let answers: [&dyn Fn(u32) -> Vec<u8>; 4] = [
        &|id| empty_response(id),
        &|id| framed(id, &FrameBody::Response, &twice),
        &|id| response(id, b"garbage"),
        &|id| error(id, b"{}"),
    ];
    let log = Log::of_this_thread();
    for (n, wrong) in (0..).zip(answers) {
        alice.send(&request(n, &payment("test.bob"))).await;
        let id = bob.prepare_id().await;
        bob.send(&wrong(id)).await;
        assert_eq!(alice.frame().await, format!("RESPONSE {n} Reject T00"));
    }
    // The operator of this node learns what is wrong with them, as over HTTP.
    let status = node.status("bob");
    assert_eq!(status.counts.wrong_answers, 4);
    let last = "it answers with a BTP ERROR instead of a Fulfill or a Reject";
    assert_eq!(status.last_error.as_deref(), Some(last));
    let log = log.text();
    let warned: Vec<_> = log.lines().filter(|line| line.starts_with("WARN")).collect();
    assert_eq!(warned.len(), 1, "{log}");
    assert!(warned[0].contains("no ILP packet"), "{log}");
    assert!(log.contains("neither a Fulfill nor a Reject: "), "{log}");
    alice.send(&request(9, &payment("test.bob"))).await;
    let id = bob.prepare_id().await;
    bob.send(&response(id, &fulfillment())).await;
    assert_eq!(alice.frame().await, "RESPONSE 9 Fulfill");
    assert_eq!(node.status("bob").last_error, None, "a right answer ends it");
    // A second answer, and an ERROR that answers nothing.
    let log = Log::of_this_thread();
    bob.send(&response(id, &fulfillment())).await;
    bob.send(&error(id, b"{}")).await;
    assert_eq!(bob.frames_so_far().await, [""; 0]);
    let log = log.text();
    for answer in ["Fulfill", "BTP ERROR"] {
        let line = format!("request_id={id} answer={answer}");
        assert!(log.contains(&line) && log.contains("answers nothing"), "{log}");
    }
}

/// The packet must not wait for its expiry, 30 seconds later.
#[tokio::test]
async fn an_unreadable_answer_fails_its_request_at_once() {
    let mut node = node();
    let (mut alice, mut bob) = (node.log_in("alice").await, node.log_in("bob").await);
    let cut_off = |mut frame: Vec<u8>| {
        frame.pop();
        frame
    };
    let spoilt = |id, part: &[u8]| {
        let mut frame = error(id, b"{}");
        let at = frame.windows(part.len()).position(|found| found == part).expect("has this part");
        frame[at] = 0xff;
        frame
    };
    let answers: [&dyn Fn(u32) -> Vec<u8>; 5] = [
        &|id| spoilt(id, b"1970"),
        &|id| cut_off(error(id, b"{}")),
        &|id| spoilt(id, b"NotAccepted"),
        &|id| cut_off(response(id, &fulfillment())),
        // Only the type and the id.
        &|id| [&[2], &id.to_be_bytes()[..]].concat(),
    ];
    for (n, unreadable) in (0..).zip(answers) {
        alice.send(&request(n, &payment("test.bob"))).await;
        let id = bob.prepare_id().await;
        bob.send(&unreadable(id)).await;
        assert_eq!(alice.frame().await, format!("RESPONSE {n} Reject T00"));
        // Nothing is in flight with this id now.
        bob.send(&unreadable(id)).await;
        assert_eq!(bob.frames_so_far().await, [""; 0]);
    }
    let status = node.status("bob");
    assert_eq!((status.counts.wrong_answers, status.counts.unreadable_frames), (5, 5));
    let error = status.last_error.unwrap_or_default();
    assert!(error.starts_with("it answers with a BTP frame that cannot be read: "), "{error}");
    // A request of the peer with the same id is no answer.
    alice.send(&request(9, &payment("test.bob"))).await;
    let id = bob.prepare_id().await;
    bob.send(&cut_off(request(id, &payment("test.alice")))).await;
    assert_eq!(bob.frames_so_far().await, [""; 0]);
    bob.send(&response(id, &fulfillment())).await;
    assert_eq!(alice.frame().await, "RESPONSE 9 Fulfill");
    assert_eq!(node.status("bob").counts.unreadable_frames, 6);
}

#[tokio::test]
async fn each_kind_of_mistake_has_a_debug_line_with_its_number() {
    let log = Log::of_this_thread();
    let mut node = node();
    let mut alice = node.log_in("alice").await;
    let info = ProtocolEntry::octets("info", b"");
    let transfer = framed(4, &FrameBody::Transfer { amount: Amount(5) }, &[]);
    for frame in [message(3, &[info]), message(3, &[info]), transfer, message(5, &[info, info])] {
        alice.send(&frame).await;
    }
    alice.send(&[9]).await;
    alice.send_message(Message::text("hello")).await;
    alice.frames_so_far().await;
    let log = log.text();
    let kinds: Vec<_> = log.lines().filter(|line| line.contains("since the last such")).collect();
    assert_eq!(kinds.len(), 5, "{log}");
    for what in ["no sub-protocol", "TRANSFER", "same name", "a text message"] {
        assert_eq!(kinds.iter().filter(|line| line.contains(what)).count(), 1, "{what}: {log}");
    }
    assert!(kinds.iter().all(|line| line.contains("count=1")), "{log}");
}
