//! The answers to frames and logins (RFC 23 "Flow", "Authentication").

use futures_util::SinkExt;
use tokio_tungstenite::tungstenite::Message;

use super::*;
use crate::peers::LoginDirectory;
use crate::peers::PeerChange::{Connected, Disconnected};
use crate::testing::Log;
use crate::wire::btp::{BtpFrame, ContentType, FrameBody, ProtocolEntry, RequestId};
use crate::wire::{Amount, vectors};

/// The right answers to a vector on an open session, by the description in the vector.
fn expected_answers(entry: &serde_json::Value) -> Vec<String> {
    if vectors::expect(entry) == vectors::Expect::Reject {
        return Vec::new();
    }
    if vectors::text(entry, "name") == "300-entries" {
        // Described by its note instead of its fields.
        return vec!["ERROR 16 F00".to_owned()];
    }
    let fields = &entry["fields"];
    let id = fields["requestId"].as_u64().unwrap();
    let entries = fields["protocolData"].as_array().unwrap();
    let names: Vec<&str> =
        entries.iter().map(|entry| entry["protocolName"].as_str().unwrap()).collect();
    let unique: std::collections::BTreeSet<&&str> = names.iter().collect();
    let ilp = entries.iter().find(|entry| entry["protocolName"] == "ilp");
    let answer = match fields["type"].as_u64().unwrap() {
        1 | 2 => return Vec::new(),
        7 => format!("ERROR {id} F00"),
        6 if unique.len() < names.len() => format!("ERROR {id} F00"),
        6 => match ilp.map(|entry| entry["data"].as_str().unwrap()) {
            // It requests nothing. Another login has another token.
            None if names.is_empty() => format!("RESPONSE {id}"),
            None => format!("ERROR {id} F00"),
            Some(hex) if hex.starts_with("0c") => format!("RESPONSE {id} Reject F02"),
            Some(hex) if hex.starts_with("0d") => format!("ERROR {id} F00"),
            Some(_) => format!("RESPONSE {id} Reject F01"),
        },
        other => panic!("type {other}"),
    };
    vec![answer]
}

#[tokio::test]
async fn every_vector_gets_its_answer_and_the_session_stays() {
    let file = vectors::load("btp");
    let mut node = node();
    let mut answers = 0;
    for entry in vectors::list(&file, "frames") {
        let mut alice = node.log_in("alice").await;
        alice.send(&vectors::bytes(entry, "hex")).await;
        let expected = expected_answers(entry);
        assert_eq!(alice.frames_so_far().await, expected, "{}", vectors::text(entry, "name"));
        answers += expected.len();
    }
    assert!(answers > 20, "{answers} answers");
}

#[tokio::test]
async fn a_truncated_frame_gets_no_answer() {
    let mut node = node();
    let whole = request(9, &payment("test.nowhere"));
    let mut alice = node.log_in("alice").await;
    for length in 0..whole.len() {
        // More unreadable frames would close the session.
        if length % 15 == 14 {
            alice = node.log_in("alice").await;
        }
        alice.send(&whole[..length]).await;
        assert_eq!(alice.frames_so_far().await, [""; 0], "{length} bytes");
    }
    alice.send(&whole).await;
    assert_eq!(alice.frames_so_far().await, ["RESPONSE 9 Reject F02"]);
    let counts = node.status("alice").counts;
    assert_eq!(counts.unreadable_frames, whole.len() as u64);
}

#[tokio::test]
async fn too_many_unreadable_and_text_messages_close_the_session() {
    let mut node = node();
    let mut alice = node.log_in("alice").await;
    for n in 0..15 {
        if n % 2 == 0 {
            alice.send(b"\x06garbage").await;
        } else {
            alice.send_message(Message::text("hello")).await;
        }
    }
    assert_eq!(alice.frames_so_far().await, [""; 0]);
    alice.send_message(Message::text("hello")).await;
    assert_eq!(
        alice.close_frame().await,
        (POLICY_VIOLATION, "too many unreadable frames".to_owned())
    );
    assert_eq!(node.closed().await, POLICY_VIOLATION);
    assert!(!node.is_connected("alice"));
}

#[tokio::test]
async fn a_refused_login_gets_an_error_and_is_closed() {
    let ilp = request(7, &payment("test.bob"));
    let transfer = framed(7, &FrameBody::Transfer { amount: Amount(5) }, &[]);
    let no_token = message(7, &[ProtocolEntry::octets("auth", b"")]);
    for first in [
        auth(7, "alice", "wrong"),
        auth(7, "unknown", &token("alice")),
        auth(7, "alice", ""),
        no_token,
        ilp,
        transfer,
    ] {
        let mut node = node();
        let mut client = node.connect().await;
        // Frames after a refused login get no answer.
        client.send_all(&[first, request(8, &payment("test.nowhere"))]).await;
        assert_eq!(client.frame().await, "ERROR 7 F00");
        assert_eq!(
            client.receive().await,
            Received::close(POLICY_VIOLATION, "authentication failed")
        );
        drop(client);
        assert!(matches!(node.ended().await, Err(AcceptError::Login { .. })));
        assert!(!node.is_connected("alice"));
    }
}

#[tokio::test]
async fn a_first_message_that_is_no_frame_gets_no_answer() {
    for first in [Message::text("hello"), Message::binary(&b"\x06x"[..]), Message::binary(&b""[..])]
    {
        let mut node = node();
        let mut client = node.connect().await;
        client.send_message(first).await;
        assert_eq!(client.receive().await, Received::close(POLICY_VIOLATION, "not a BTP frame"));
        drop(client);
        assert!(matches!(node.ended().await, Err(AcceptError::Unreadable)));
    }
}

#[tokio::test]
async fn a_silent_client_is_closed_in_time() {
    let auth_timeout = Duration::from_millis(500);
    let settings = TransportSettings { auth_timeout, ..TransportSettings::default() };
    let mut node = node_with(testing::context("node", &PEERS, settings));
    let mut client = node.connect().await;
    assert_eq!(
        client.receive().await,
        Received::close(POLICY_VIOLATION, "not authenticated in time")
    );
    drop(client);
    assert!(matches!(node.ended().await, Err(AcceptError::Timeout)));
    // The timeout includes the WebSocket's opening handshake.
    let (_client, server) = tokio::io::duplex(64);
    let deadline = Instant::now() + auth_timeout;
    let slow = upgrade_and_log_in(ByteStream::Memory(server), "pipe", deadline, &node.shared).await;
    assert!(matches!(slow, Err(AcceptError::Timeout)));
}

#[tokio::test]
async fn frames_that_arrive_with_the_login_wait_for_it() {
    let mut node = node();
    let mut client = node.connect().await;
    // ilp-plugin-btp pings first; interledger-rs does not wait for the answer.
    client.send_message(Message::Ping(b"x"[..].into())).await;
    let first = auth(0, "alice", &token("alice"));
    client
        .send_all(&[first, request(1, &payment("test.nowhere")), request(u32::MAX, b"garbage")])
        .await;
    assert_eq!(client.receive().await, Received::Pong);
    assert_eq!(client.frame().await, "RESPONSE 0");
    assert_eq!(client.frame().await, "RESPONSE 1 Reject F02");
    assert_eq!(client.frame().await, format!("RESPONSE {} Reject F01", u32::MAX));
    // A second login changes nothing, and a wrong one gets an error.
    client.send(&auth(9, "alice", &token("alice"))).await;
    assert_eq!(client.frame().await, "RESPONSE 9");
    for (name, wrong) in [("alice", "wrong"), ("bob", &*token("bob")), ("alice", "")] {
        client.send(&auth(9, name, wrong)).await;
        assert_eq!(client.frame().await, "ERROR 9 F00");
    }
    client.send(&message(9, &[ProtocolEntry::octets("auth", b"")])).await;
    assert_eq!(client.frame().await, "ERROR 9 F00");
    client.send(&request(2, &payment("test.nowhere"))).await;
    assert_eq!(client.frame().await, "RESPONSE 2 Reject F02");
    assert!(node.is_connected("alice") && !node.is_connected("bob"));
}

#[tokio::test]
async fn the_path_names_the_peer_where_the_frame_does_not() {
    let mut node = node();
    let mut client = node.connect_to("/accounts/bob/ilp/btp", 4096).await;
    client.send(&auth(1, "", &token("bob"))).await;
    assert_eq!(client.frame().await, "RESPONSE 1");
    assert!(node.is_connected("bob"));
}

/// An empty RESPONSE to what we do not understand would say that it was done: ilp-plugin-ethereum takes it for money
/// that was accepted, and ilp-plugin-xrp-paychan reads what is not there.
#[tokio::test]
async fn a_message_without_a_packet_is_refused_unless_it_is_empty() {
    let mut node = node();
    let mut alice = node.log_in("alice").await;
    let info = ProtocolEntry { name: "info", content_type: ContentType::JSON, data: b"{}" };
    alice.send(&message(3, &[info])).await;
    let bytes = alice.bytes().await;
    assert_eq!(describe(&bytes), "ERROR 3 F00");
    let FrameBody::Error { name, data, .. } = BtpFrame::parse(&bytes).unwrap().body else {
        panic!("no ERROR");
    };
    assert_eq!((name, data), ("NotAcceptedError", &b"the MESSAGE has no sub-protocol `ilp`"[..]));
    alice.send(&message(4, &[])).await;
    assert_eq!(alice.frame().await, "RESPONSE 4");
    let counts = node.status("alice").counts;
    assert_eq!((counts.refused_frames, counts.unreadable_frames), (1, 0));
}

#[tokio::test]
async fn requests_go_both_ways_and_each_end_has_its_own_ids() {
    let mut node = node();
    let (mut alice, mut bob) = (node.log_in("alice").await, node.log_in("bob").await);
    alice.send(&request(5, &payment("test.bob.x"))).await;
    let id = bob.prepare_id().await;
    // Bob uses the id of our pending request for one of his.
    bob.send(&request(id, &payment("test.alice.y"))).await;
    let back = alice.prepare_id().await;
    bob.send(&response(id, &fulfillment())).await;
    assert_eq!(alice.frame().await, "RESPONSE 5 Fulfill");
    alice.send(&response(back, &fulfillment())).await;
    assert_eq!(bob.frame().await, format!("RESPONSE {id} Fulfill"));
    // A second answer changes nothing.
    bob.send(&response(id, &fulfillment())).await;
    assert_eq!(bob.frames_so_far().await, [""; 0]);
    assert_eq!(alice.frames_so_far().await, [""; 0]);
    assert_eq!(account(&node.context, "alice").balance, 0);
    assert_eq!(account(&node.context, "bob").stats.unexpected_answers, 1);
}

#[tokio::test]
async fn fragments_are_one_message_and_control_frames_may_come_between() {
    let mut node = node();
    let mut alice = node.log_in("alice").await;
    let whole = request(3, &payment("test.nowhere"));
    let (one, rest) = whole.split_at(10);
    let (two, three) = rest.split_at(1);
    alice.send_message(fragment(Data::Binary, one, false)).await;
    alice.send_message(Message::Ping(b"between"[..].into())).await;
    alice.send_message(fragment(Data::Continue, two, false)).await;
    alice.send_message(fragment(Data::Continue, three, true)).await;
    assert_eq!(alice.receive().await, Received::Pong);
    assert_eq!(alice.frame().await, "RESPONSE 3 Reject F02");
}

#[tokio::test]
async fn a_peer_that_closes_gets_its_answers_first() {
    let mut node = node();
    let mut events = node.context.peers.subscribe();
    let mut alice = node.log_in("alice").await;
    alice.0.feed(Message::binary(request(1, &payment("test.nowhere")))).await.unwrap();
    alice.0.close(None).await.unwrap();
    assert_eq!(alice.frame().await, "RESPONSE 1 Reject F02");
    let ended = CloseReason::ByPeer { code: None, reason: String::new() };
    assert_eq!(node.ended().await.unwrap(), ended);
    assert!(!node.is_connected("alice"));
    let changes: Vec<_> = std::iter::from_fn(|| events.try_recv().ok()).map(|e| e.change).collect();
    assert_eq!(changes, [Connected, Disconnected(ended)]);
}

#[tokio::test]
async fn a_later_login_replaces_the_session() {
    let mut node = node();
    let mut first = node.log_in("alice").await;
    let mut second = node.log_in("alice").await;
    assert_eq!(first.receive().await, Received::close(1008, "replaced"));
    assert_eq!(first.receive().await, Received::End);
    assert!(matches!(node.ended().await, Ok(CloseReason::ByUs { code: 1008, reason: "replaced" })));
    let mut bob = node.log_in("bob").await;
    bob.send(&request(1, &payment("test.alice"))).await;
    let id = second.prepare_id().await;
    second.send(&response(id, &fulfillment())).await;
    assert_eq!(bob.frame().await, "RESPONSE 1 Fulfill");
    assert!(node.is_connected("alice"));
    assert_eq!(node.status("alice").sessions, 1);
}

#[tokio::test]
async fn a_session_in_the_middle_of_a_frame_can_be_replaced() {
    let mut node = node();
    let mut first = node.connect_to("/", 200).await;
    first.log_in("alice").await;
    let mut bob = node.log_in("bob").await;
    // More than the pipe holds: the last frame is written in part.
    for id in 0..20 {
        bob.send(&request(id, &payment("test.alice"))).await;
    }
    assert_eq!(bob.frames_so_far().await, [""; 0]);
    let mut second = node.log_in("alice").await;
    let unsent = bob.frames_so_far().await;
    assert!(unsent.iter().all(|frame| frame.ends_with("Reject T01")), "{unsent:?}");
    let mut sent = 0;
    let closed = loop {
        match first.receive().await {
            Received::Frame(_) => sent += 1,
            other => break other,
        }
    };
    assert_eq!(closed, Received::close(1008, "replaced"));
    assert_eq!(sent + unsent.len(), 20, "every Prepare was either sent or refused");
    assert_eq!(second.frames_so_far().await, [""; 0]);
}

#[tokio::test]
async fn a_failed_login_leaves_the_session_alone() {
    let mut node = node();
    let mut first = node.log_in("alice").await;
    let mut second = node.connect().await;
    second.send(&auth(1, "alice", "wrong")).await;
    assert_eq!(second.frame().await, "ERROR 1 F00");
    assert_eq!(first.frames_so_far().await, [""; 0]);
}

#[tokio::test]
async fn the_close_frame_comes_after_the_answers() {
    let mut node = node();
    let mut alice = node.log_in("alice").await;
    alice.send(&request(1, &payment("test.nowhere"))).await;
    let refused = || account(&node.context, "alice").stats.sent.rejects.iter().sum::<u64>() == 1;
    until("the packet is refused", refused).await;
    let peer = node.context.connector.account("alice").unwrap();
    node.context.connector.close_sessions(&peer, CloseRequest { code: 1001, reason: "going away" });
    assert_eq!(alice.frame().await, "RESPONSE 1 Reject F02");
    assert_eq!(alice.receive().await, Received::close(1001, "going away"));
    assert_eq!(alice.receive().await, Received::End);
    assert_eq!(node.closed().await, 1001);
}

#[tokio::test]
async fn an_answer_that_crosses_our_close_frame_counts_and_a_request_does_not() {
    let mut node = node();
    let (mut alice, mut bob) = (node.log_in("alice").await, node.log_in("bob").await);
    alice.send(&request(1, &payment("test.bob"))).await;
    let at_bob = bob.prepare_id().await;
    let peer = node.context.connector.account("bob").unwrap();
    node.context.connector.close_sessions(&peer, RECONFIGURED);
    bob.send_all(&[request(2, &payment("test.alice")), response(at_bob, &fulfillment())]).await;
    assert_eq!(alice.frame().await, "RESPONSE 1 Fulfill");
    assert_eq!(alice.frames_so_far().await, [""; 0]);
    assert_eq!(bob.close_frame().await, (1008, "reconfigured".to_owned()));
}

#[tokio::test]
async fn dropping_the_task_detaches_the_session() {
    let mut node = node();
    let _alice = node.log_in("alice").await;
    node.sessions.shutdown().await;
    assert!(!node.is_connected("alice"));
    assert_eq!(node.status("alice").sessions, 0);
}

#[tokio::test]
async fn the_log_has_the_peer_and_the_reason_but_no_secret() {
    let log = Log::of_this_thread();
    let mut node = node();
    let mut alice = node.log_in("alice").await;
    alice.send(b"garbage").await;
    alice.frames_so_far().await;
    alice.0.close(None).await.unwrap();
    node.ended().await.unwrap();
    let mut mallory = node.connect().await;
    mallory.send(&auth(1, "mallory\nINFO connected", "S3CRET guess")).await;
    mallory.close_frame().await;
    drop(mallory);
    let refused = node.ended().await.unwrap_err();
    node.shared.report_refusal(RemoteAddress::new([192, 0, 2, 1].into(), Some(7)), &refused);

    let log = log.text();
    for expected in [
        "message=connected peer=alice side=\"accepted\" remote=\"pipe\"",
        "message=disconnected peer=alice side=\"accepted\" code=1005 reason=\"closed by the peer\"",
        "message=frames that cannot be read, since the last such line peer=alice count=1",
        "message=connection refused remote=192.0.2.1:7 user=\"mallory\\\\nINFO connected\"",
        "reason=login refused: no peer has this name as its id",
    ] {
        assert!(log.contains(expected), "{expected} is not in:\n{log}");
    }
    for secret in ["S3CRET", &token("alice")] {
        assert!(!log.contains(secret), "{secret} is in:\n{log}");
    }
}

/// With several threads a reload may swap the directory before the session is attached.
#[tokio::test]
async fn a_login_by_a_directory_that_was_swapped_meanwhile_is_closed() {
    let node = node();
    let account = node.context.connector.account("bob").unwrap();
    let log_in = |directory: &Arc<LoginDirectory>| {
        let outbox = Outbox::new(Framing::Server, 1000);
        let login = AcceptedLogin {
            request_id: RequestId(1),
            account: Arc::clone(&account),
            token: directory.fingerprint(token("bob").as_bytes()),
            directory: Arc::clone(directory),
        };
        let frame = auth(1, "bob", &token("bob"));
        let session = open_session(&node.shared, login, &frame, "/", Arc::clone(&outbox), "pipe");
        drop(session);
        outbox.close_request()
    };
    let old = node.shared.logins.load_full();
    assert_eq!(log_in(&old), None);
    node.shared.logins.store(Arc::new(directory(&["bob"])));
    assert_eq!(log_in(&old), None, "bob's token is still valid");
    node.shared.logins.store(Arc::new(directory(&["alice"])));
    assert_eq!(log_in(&old), Some(RECONFIGURED));
    assert_eq!(log_in(&node.shared.logins.load_full()), None);
}
