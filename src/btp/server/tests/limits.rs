//! Slow, silent and hostile peers: each harms only itself.

use futures_util::{SinkExt, StreamExt};
use tokio::io::AsyncWriteExt;
use tokio_tungstenite::tungstenite::Message;

use super::*;
use crate::btp::socket::FRAMES_BEFORE_LOGIN_MAX;
use crate::net::KeepAliveSettings;
use crate::peers::Timeout;
use crate::wire::btp::ProtocolEntry;

fn keep_alive(interval_ms: u64, timeout_ms: u64, write_stall_ms: u64) -> TransportSettings {
    let keep_alive = KeepAliveSettings {
        interval: Duration::from_millis(interval_ms),
        timeout: Duration::from_millis(timeout_ms),
        write_stall: Duration::from_millis(write_stall_ms),
    };
    TransportSettings { keep_alive, ..TransportSettings::default() }
}

/// A node whose outboxes are full at 4 KiB.
fn narrow_node(settings: TransportSettings) -> Node {
    limited_node(Limits { outbox_bytes_max: 4096, ..Limits::default() }, settings)
}

#[tokio::test]
async fn a_message_that_is_too_long_closes_the_session() {
    for claimed in [65_537_u64, 4 << 30, (1 << 63) - 1] {
        let mut node = node();
        let mut alice = node.log_in("alice").await;
        let mut header = vec![0x82, 0xff];
        header.extend(claimed.to_be_bytes());
        header.extend([0; 4]);
        alice.0.get_mut().write_all(&header).await.unwrap();
        assert_eq!(alice.close_frame().await, (1009, "message too long".to_owned()), "{claimed}");
        drop(alice);
        assert_eq!(node.closed().await, 1009);
    }
    let mut node = node();
    let mut alice = node.log_in("alice").await;
    alice.send(&[0; 65_536]).await;
    assert_eq!(alice.frames_so_far().await, [""; 0], "the longest message that is read");
}

#[tokio::test]
async fn broken_websocket_frames_close_the_session() {
    for (bytes, code) in [
        // Unmasked; reserved bits; unknown opcode; a continuation of nothing; text that is not UTF-8.
        (&b"\x82\x01x"[..], 1002),
        (b"\xf2\x80\0\0\0\0", 1002),
        (b"\x83\x80\0\0\0\0", 1002),
        (b"\x80\x80\0\0\0\0", 1002),
        (b"\x81\x81\0\0\0\0\xff", 1007),
    ] {
        let mut node = node();
        let mut alice = node.log_in("alice").await;
        alice.0.get_mut().write_all(bytes).await.unwrap();
        assert_eq!(alice.close_frame().await.0, code, "{bytes:?}");
        drop(alice);
        assert_eq!(node.closed().await, code);
    }
}

#[tokio::test]
async fn a_connection_that_breaks_is_noticed_at_once() {
    let mut node = node();
    let (mut alice, mut bob) = (node.log_in("alice").await, node.log_in("bob").await);
    alice.send(&request(1, &payment("test.bob"))).await;
    bob.prepare_id().await;
    drop(bob);
    assert!(matches!(node.ended().await, Ok(CloseReason::Broken(_))));
    alice.send(&request(2, &payment("test.bob"))).await;
    assert_eq!(alice.frame().await, "RESPONSE 2 Reject T01");
    let in_flight = account(&node.context, "bob").in_flight_to;
    assert_eq!(in_flight, 1, "what was written may still be answered");
}

#[tokio::test]
async fn a_silent_peer_is_pinged_and_then_times_out() {
    let mut node = node_with(testing::context("node", &PEERS, keep_alive(40, 1000, 30_000)));
    let mut alice = node.log_in("alice").await;
    assert_eq!(alice.receive().await, Received::Ping);
    // Having read the ping, the client answered it; so there is another one.
    assert_eq!(alice.receive().await, Received::Ping);
    // Bob reads nothing.
    let bob = node.log_in("bob").await;
    let reading = async {
        loop {
            alice.receive().await;
        }
    };
    let ended = tokio::select! {
        () = reading => unreachable!(),
        ended = node.ended() => ended,
    };
    assert_eq!(ended.unwrap(), CloseReason::TimedOut(Timeout::Silent));
    assert!(!node.is_connected("bob") && node.is_connected("alice"));
    drop(bob);
}

#[tokio::test]
async fn a_peer_that_stops_reading_delays_no_other_and_its_queue_is_bounded() {
    let mut node = narrow_node(keep_alive(30_000, 30_000, 3000));
    let mut alice = node.log_in("alice").await;
    let mut carol = node.log_in("carol").await;
    let mut bob = node.connect_to("/", 1024).await;
    bob.log_in("bob").await;
    // Bob reads nothing: first the pipe fills, then the outbox, then Prepares are refused.
    let mut id = 0;
    let refused = loop {
        alice.send(&request(id, &payment("test.bob"))).await;
        let frames = alice.frames_so_far().await;
        if !frames.is_empty() {
            break frames;
        }
        id += 1;
        assert!(id < 1000, "the outbox has a bound");
    };
    assert_eq!(refused, [format!("RESPONSE {id} Reject T03")]);
    assert!(account(&node.context, "bob").outbox_bytes < 2 * 4096);
    // Other peers are not affected.
    alice.send(&request(5000, &payment("test.carol"))).await;
    let at_carol = carol.prepare_id().await;
    carol.send(&response(at_carol, &fulfillment())).await;
    assert_eq!(alice.frame().await, "RESPONSE 5000 Fulfill");
    // Finally bob times out, and the unsent Prepares are rejected.
    assert_eq!(node.ended().await.unwrap(), CloseReason::TimedOut(Timeout::Stalled));
    let lost = alice.frames_so_far().await;
    assert!(!lost.is_empty(), "some were never sent");
    assert!(lost.iter().all(|frame| frame.ends_with("Reject T01")), "{lost:?}");
    drop(bob);
}

#[tokio::test]
async fn a_peer_that_does_not_read_its_answers_is_no_longer_read() {
    const COUNT: u32 = 5_000;
    let mut node = narrow_node(TransportSettings::default());
    let mut alice = node.connect_to("/", 8 * 1024).await;
    alice.log_in("alice").await;
    // A flood of requests whose answers are longer than the requests, and which the peer does not read.
    let (mut sending, mut reading) = alice.0.split();
    let mut flood = std::pin::pin!(async {
        for _ in 0..COUNT {
            let empty = message(7, &[ProtocolEntry::octets("ilp", b"")]);
            sending.send(Message::binary(empty)).await.unwrap();
        }
    });
    let blocked = tokio::time::timeout(Duration::from_millis(100), &mut flood).await;
    assert!(blocked.is_err(), "the node read everything");
    // What one system call can read is handled before the bound is looked at again.
    assert!(account(&node.context, "alice").outbox_bytes < 1024 * 1024);
    // As soon as the answers are read, everything goes on: nothing was lost.
    let read = async {
        for _ in 0..COUNT {
            let next = reading.next().await.unwrap().unwrap();
            assert_eq!(describe(&next.into_data()), "RESPONSE 7 Reject F01");
        }
    };
    let all = async { tokio::join!(flood, read) };
    assert!(tokio::time::timeout(Duration::from_secs(10), all).await.is_ok(), "the session hangs");
}

#[tokio::test]
async fn a_flood_of_pings_without_reading_is_bounded_too() {
    let mut node = narrow_node(TransportSettings::default());
    let mut alice = node.connect_to("/", 8 * 1024).await;
    alice.log_in("alice").await;
    let flood = async {
        loop {
            alice.send_message(Message::Ping([7; 125][..].to_vec().into())).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_millis(100), flood).await.is_err());
    assert!(account(&node.context, "alice").outbox_bytes < 1024 * 1024);
}

/// A client that pings before its login and does not read its pongs is not read either: its pongs are not kept.
#[tokio::test]
async fn pings_before_the_login_wait_until_their_pongs_are_taken() {
    let mut node = node();
    let mut client = node.connect_to("/", 1024).await;
    let mut sent = 0;
    let flood = async {
        loop {
            client.send_message(Message::Ping([7; 125][..].to_vec().into())).await;
            sent += 1;
        }
    };
    assert!(tokio::time::timeout(Duration::from_millis(100), flood).await.is_err());
    // A pipe full each way, and what one read takes.
    assert!(sent <= 3 * 1024 / 125, "{sent} pings were read");
    assert!(sent < FRAMES_BEFORE_LOGIN_MAX, "the test means something else");
    for _ in 0..sent {
        assert_eq!(client.receive().await, Received::Pong);
    }
    // The ping that was not sent whole is still in the buffer of the client, which sends it with the login.
    client.send(&auth(1, "alice", &token("alice"))).await;
    while client.receive().await == Received::Pong {}
    assert!(node.is_connected("alice"));
}

#[tokio::test]
async fn frames_before_the_login_are_counted() {
    let ping = || Message::Ping(b"x"[..].into());
    let pong = || Message::Pong(b""[..].into());
    for (first, other) in [
        (ping(), ping()),
        (pong(), pong()),
        (fragment(Data::Binary, b"", false), fragment(Data::Continue, b"", false)),
    ] {
        let what = format!("{other:?}");
        let mut node = node();
        let mut client = node.connect().await;
        client.send_message(first).await;
        for _ in 0..FRAMES_BEFORE_LOGIN_MAX {
            client.send_message(other.clone()).await;
        }
        let expected = (POLICY_VIOLATION, "too many frames before the login".to_owned());
        assert_eq!(client.close_frame().await, expected);
        drop(client);
        let refused = node.ended().await;
        let is_ours = matches!(refused, Err(AcceptError::Ended(CloseReason::ByUs { .. })));
        assert!(is_ours, "{what}: {refused:?}");
    }
    // A few pings are accepted.
    let mut node = node();
    let mut client = node.connect().await;
    for _ in 1..FRAMES_BEFORE_LOGIN_MAX {
        client.send_message(ping()).await;
        assert_eq!(client.receive().await, Received::Pong);
    }
    client.log_in("alice").await;
}

/// Two nodes whose outboxes to each other are full would otherwise both stop reading, and wait for each other.
#[tokio::test]
async fn a_peer_that_does_not_read_its_requests_is_still_read() {
    let mut node = narrow_node(TransportSettings::default());
    let mut alice = node.log_in("alice").await;
    let mut bob = node.connect_to("/", 1024).await;
    bob.log_in("bob").await;
    alice.send(&request(0, &payment("test.bob"))).await;
    let at_bob = bob.prepare_id().await;
    for id in 1.. {
        assert!(id < 1000, "the outbox has a bound");
        alice.send(&request(id, &payment("test.bob"))).await;
        if !alice.frames_so_far().await.is_empty() {
            break;
        }
    }
    bob.send(&response(at_bob, &fulfillment())).await;
    assert_eq!(alice.frame().await, "RESPONSE 0 Fulfill");
    bob.send(&request(7, &payment("test.alice"))).await;
    alice.prepare_id().await;
}
