//! Whole nodes in one process, over real sockets.

mod rate_sources;
mod rotation;
mod stored_node;

use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

pub(in crate::node) use self::stored_node::{StoredNode, save_cut, save_cuts};
use super::command::NodeCommand;
use super::start::{ListeningNode, Node};
use super::*;
use crate::account::AccountId;
use crate::api::{ConfigValues, HealthStatus, Observer};
use crate::config::{FileContent, NodeConfig, Source};
use crate::link::Outcome;
use crate::net::Descriptors;
use crate::peers::RECONFIGURED;
use crate::telemetry::{LogTo, Logs, parse_level};
use crate::testing::until;
use crate::topology::load_content;
use crate::wire::btp::{BtpFrame, RequestId, put_auth, put_empty_response};
use crate::wire::ilp::Prepare;
use crate::wire::{Address, Amount, Condition};

fn logs() -> Logs {
    static LOGS: OnceLock<Logs> = OnceLock::new();
    let start = || {
        let levels = parse_level("warn").unwrap();
        let (logs, writer) = Logs::start(&LogTo::Stderr, &levels).unwrap();
        // It lasts as long as the process.
        std::mem::forget(LogThread::start(&logs, writer).unwrap());
        logs
    };
    LOGS.get_or_init(start).clone()
}

pub(super) fn config(yaml: &str) -> NodeConfig {
    let content = FileContent { path: "node.yaml".into(), bytes: yaml.as_bytes().to_vec() };
    match load_content(&Source::default(), Some(&content)) {
        Ok(loaded) => loaded.config,
        Err(problems) => panic!("{problems}"),
    }
}

/// A node on ports that the system chooses; `rest` follows in its file.
fn config_of(id: &str, rest: &str) -> NodeConfig {
    config(&format!(
        "nodeId: {id}\nbtpServerHost: 127.0.0.1\nbtpServerPort: 0\nhealthCheckHost: 127.0.0.1\nhealthCheckPort: 0\n{rest}"
    ))
}

async fn start(id: &str, rest: &str) -> Node {
    let (config, descriptors) = (config_of(id, rest), Descriptors::default());
    let listening = ListeningNode::start(config, logs(), descriptors, Observer::new()).await;
    listening.unwrap().run()
}

async fn reload(node: &Node, rest: &str) {
    let config = config_of(node.handle().id.as_str(), rest);
    assert!(
        node.handle().send(NodeCommand::Reload(Box::new(config), ConfigValues::default())).await
    );
}

fn connected(node: &Node, peer: &str) -> bool {
    let account = node.handle().context.connector.account(peer);
    account.is_some_and(|account| account.is_connected())
}

/// Sends a ping from a node by one of its peers, and returns the answer.
async fn ping(node: &Node, by: &str, destination: &str, amount: u64) -> Result<(), String> {
    let context = &node.handle().context;
    let now = context.clock.now();
    let destination: Address = destination.parse().unwrap();
    let by: AccountId = by.parse().unwrap();
    let (sender, answer) = oneshot::channel();
    let prepare = Prepare {
        amount: Amount(amount),
        expires_at: now.wall.saturating_add_millis(10_000),
        condition: Condition::PING,
        destination: destination.view(),
        data: b"ping",
    };
    context.connector.originate_prepare(&by, &prepare, now, move |got| {
        let _ = sender.send(got);
    });
    match answer.await.unwrap() {
        Outcome::Fulfilled { .. } => Ok(()),
        Outcome::Rejected(rejection) => Err(rejection.code.to_string()),
        Outcome::NotSent(cause) | Outcome::NoAnswer(cause) => Err(cause.code.to_string()),
    }
}

async fn stop(node: Node) {
    node.handle().send(NodeCommand::Stop).await;
    node.stopped().await;
}

#[tokio::test]
async fn three_nodes_in_a_line() {
    let c = start("c", &format!("peers: [{{id: b, authToken: bc}}]\n{ALL_BY_B}")).await;
    let to_c = c.handle().btp_address;
    let b = start(
        "b",
        &format!(
            "peers: [{{id: a, authToken: ab}}, {{id: c, url: \"ws://{to_c}\", authToken: bc}}]\n\
         routes: [{{prefix: test.a, nextHop: a}}, {{prefix: test.c, nextHop: c}}]\n"
        ),
    )
    .await;
    let a = start("a", &leaf(&b, "ab")).await;
    // The dialling end attaches its session later than the accepting one.
    until("the links", || {
        connected(&a, "b") && connected(&b, "a") && connected(&b, "c") && connected(&c, "b")
    })
    .await;
    assert_eq!(ping(&a, "b", "test.c", 10).await, Ok(()));
    assert_eq!(ping(&c, "b", "test.a", 3).await, Ok(()));
    assert_eq!(ping(&a, "b", "test.b", 1).await, Ok(()));
    assert_eq!(ping(&a, "b", "test.nobody", 1).await, Err("F02".into()));
    let balance = |node: &Node, id: &str| {
        let report = node.handle().context.connector.report();
        report.accounts.into_iter().find(|a| a.settings.id.as_str() == id).unwrap().balance
    };
    assert_eq!((balance(&a, "b"), balance(&b, "a")), (-8, 8));
    assert_eq!((balance(&b, "c"), balance(&c, "b")), (-7, 7));
    stop(c).await;
    until("the loss", || !connected(&b, "c")).await;
    assert_eq!(ping(&a, "b", "test.c", 10).await, Err("T01".into()));
    stop(a).await;
    stop(b).await;
}

#[tokio::test]
async fn a_node_is_not_healthy_before_its_peers_are_connected() {
    // No server listens on port 1.
    let node = start("a", "peers: [{id: b, url: \"ws://127.0.0.1:1\", authToken: ab}]\n").await;
    assert_eq!(node.handle().status.observe_health(), HealthStatus::Starting);
    tokio::task::yield_now().await;
    assert_eq!(node.handle().status.observe_health(), HealthStatus::Starting);
    stop(node).await;
}

#[tokio::test]
async fn a_child_gets_its_address_and_asset_from_its_parent() {
    let parent = start("top", "ilpAddress: test.top\nassetCode: EUR\nassetScale: 4\npeers: [{id: kid, relation: child, authToken: s}]\n").await;
    let url = parent.handle().btp_address;
    let kid = start(
        "kid",
        &format!("peers: [{{id: top, relation: parent, url: \"ws://{url}\", authToken: s}}]\n"),
    )
    .await;
    let connector = &kid.handle().context.connector;
    until("the address", || connector.address().is_some()).await;
    assert_eq!(connector.address().unwrap().view().as_str(), "test.top.kid");
    let asset = connector.report().accounts.remove(0).settings.asset;
    assert_eq!(asset.to_string(), "EUR/4");
    assert_eq!(ping(&parent, "kid", "test.top.kid", 1).await, Ok(()));
    stop(kid).await;
    stop(parent).await;
}

#[tokio::test]
async fn a_reload_changes_what_it_must_and_disturbs_no_other_peer() {
    let b_with = |peers: &str| {
        format!(
            "peers: [{{id: a, authToken: ab}}{peers}]\nroutes: [{{prefix: test.a, nextHop: a}}]\n"
        )
    };
    let b = start("b", &b_with("")).await;
    let a = start("a", &leaf(&b, "ab")).await;
    let c = start("c", &leaf(&b, "bc")).await;
    until("a", || connected(&b, "a") && connected(&a, "b")).await;
    let sessions = |node: &Node, id: &str| {
        let snapshot = node.handle().context.peers.snapshot();
        snapshot
            .into_iter()
            .find(|peer| peer.id.as_str() == id)
            .map_or(0, |peer| peer.counts.sessions)
    };
    reload(&b, &b_with(", {id: c, authToken: bc}")).await;
    until("c", || connected(&b, "c") && connected(&c, "b")).await;
    assert_eq!(ping(&c, "b", "test.a", 5).await, Ok(()));
    reload(&b, &b_with(", {id: c, authToken: bc, enabled: false}")).await;
    until("c's suspension", || !connected(&b, "c")).await;
    reload(&b, &b_with("")).await;
    until("c's removal", || {
        b.handle().context.connector.report().accounts.iter().any(|a| a.removed)
    })
    .await;
    assert_eq!(ping(&a, "b", "test.b", 5).await, Ok(()));
    assert_eq!(sessions(&b, "a"), 1, "a's session was never touched");
    b.handle().send(NodeCommand::DropLinks).await;
    until("all links gone", || !connected(&b, "a")).await;
    for node in [a, b, c] {
        stop(node).await;
    }
}

#[tokio::test]
async fn a_stop_waits_for_answers_up_to_the_grace_period() {
    let b = start("b", "peers: [{id: a, authToken: ab}]\nshutdownGraceMs: 100\n").await;
    let a = start("a", &leaf(&b, "ab")).await;
    until("the link", || connected(&a, "b") && connected(&b, "a")).await;
    let context = b.handle().context.clone();
    stop(b).await;
    assert!(!context.connector.account("a").unwrap().is_connected());
    until("a's notice", || !connected(&a, "b")).await;
    stop(a).await;
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// The peer `b` that a node dials.
fn dialled_peer(address: SocketAddr, token: &str) -> String {
    format!("peers: [{{id: b, url: \"ws://{address}\", authToken: {token}}}]\n")
}

const ALL_BY_B: &str = "routes: [{prefix: test, nextHop: b}]\n";

/// A node that dials `b` and sends all packets there.
fn leaf(b: &Node, token: &str) -> String {
    dialled_peer(b.handle().btp_address, token) + ALL_BY_B
}

/// Waits until the node has taken all commands.
async fn until_idle(node: &Node) {
    let commands = &node.handle().commands;
    until("the reload", || commands.capacity() == commands.max_capacity()).await;
}

/// Sends a packet from a node to one of its peers, which receives it.
async fn send_packet(node: &Node, peer: &str, far: &mut WebSocketStream<TcpStream>) {
    let (context, now) = (&node.handle().context, node.handle().context.clock.now());
    let request = crate::wire::ildcp::request(now.wall.saturating_add_millis(20_000));
    context.connector.originate_prepare(&peer.parse().unwrap(), &request, now, |_| {});
    assert!(far.next().await.unwrap().unwrap().is_binary());
}

/// The code and the reason of the close frame, which is the next frame.
async fn receive_close(far: &mut WebSocketStream<TcpStream>) -> (u16, String) {
    let next = tokio::time::timeout(Duration::from_secs(10), far.next()).await;
    let close = next.expect("the session is closed").unwrap().unwrap();
    let Message::Close(Some(close)) = close else { panic!("{close:?}") };
    (u16::from(close.code), close.reason.to_string())
}

fn reconfigured() -> (u16, String) {
    (RECONFIGURED.code, RECONFIGURED.reason.to_owned())
}

/// Accepts a node's login; after that this end reads nothing.
async fn accept_login(listener: &TcpListener) -> WebSocketStream<TcpStream> {
    let (stream, _) = listener.accept().await.unwrap();
    let mut far = tokio_tungstenite::accept_async(stream).await.unwrap();
    let login = far.next().await.unwrap().unwrap().into_data();
    let mut frame = Vec::new();
    put_empty_response(BtpFrame::parse(&login).unwrap().request_id, &mut frame);
    far.send(Message::binary(frame)).await.unwrap();
    far
}

async fn log_in(node: &Node, name: &str, token: &str) -> WebSocketStream<TcpStream> {
    let stream = TcpStream::connect(node.handle().btp_address).await.unwrap();
    let mut far = tokio_tungstenite::client_async("ws://node/", stream).await.unwrap().0;
    let mut frame = Vec::new();
    put_auth(RequestId(1), Some(name), token, &mut frame);
    far.send(Message::binary(frame)).await.unwrap();
    assert!(far.next().await.unwrap().unwrap().is_binary());
    far
}

#[tokio::test]
async fn a_stop_closes_the_port_first_and_all_sessions_at_the_end() {
    let (listener, to_b) = listen().await;
    let node = start("a", &format!(
        "peers: [{{id: b, url: \"ws://{to_b}\", authToken: ab}}, {{id: c, authToken: ac}}]\nshutdownGraceMs: 400\n"
    )).await;
    let _b = accept_login(&listener).await;
    let mut c = log_in(&node, "c", "ac").await;
    until("the links", || connected(&node, "b") && connected(&node, "c")).await;
    let (context, port) = (node.handle().context.clone(), node.handle().btp_address);
    let mut unanswered = Box::pin(ping(&node, "b", "test.b", 1));
    let in_flight = async { until("the packet", || context.connector.in_flight() == 1).await };
    tokio::select! {
        answer = &mut unanswered => panic!("{answer:?}"),
        () = in_flight => {}
    }
    node.handle().send(NodeCommand::Stop).await;
    until("the port is closed", || std::net::TcpStream::connect(port).is_err()).await;
    assert_eq!(context.connector.in_flight(), 1, "it still waits for the answer");
    assert_eq!(receive_close(&mut c).await, (1001, "stopping".to_owned()));
    assert!(connected(&node, "b"), "c was not kept waiting until b was given up");
    assert_eq!(unanswered.await, Err("T00".into()));
    node.stopped().await;
}

#[tokio::test]
async fn a_peer_that_comes_back_with_another_secret_must_show_it() {
    let node = start("a", "peers: [{id: c, authToken: old}]\nshutdownGraceMs: 300\n").await;
    let mut c = log_in(&node, "c", "old").await;
    // Its packet in flight keeps c draining.
    send_packet(&node, "c", &mut c).await;
    reload(&node, "shutdownGraceMs: 60000\n").await;
    reload(&node, "peers: [{id: c, authToken: new}]\nshutdownGraceMs: 300\n").await;
    assert_eq!(receive_close(&mut c).await, reconfigured());
    stop(node).await;
}

#[tokio::test]
async fn a_session_that_was_dialled_ends_in_the_same_way() {
    let (listener, address) = listen().await;
    let node = start("a", &dialled_peer(address, "old")).await;
    let mut b = accept_login(&listener).await;
    until("the link", || connected(&node, "b")).await;
    reload(&node, &dialled_peer(address, "new")).await;
    assert_eq!(receive_close(&mut b).await, reconfigured());
    stop(node).await;
}

#[tokio::test]
async fn the_values_of_a_removed_parent_are_dropped() {
    let top =
        start("top", "ilpAddress: test.top\npeers: [{id: kid, relation: child, authToken: s}]\n")
            .await;
    let url = top.handle().btp_address;
    let peers = |id: &str, url: &str| {
        format!("peers: [{{id: {id}, relation: parent, url: \"ws://{url}\", authToken: s}}]\n")
    };
    let kid = start("kid", &peers("top", &url.to_string())).await;
    let connector = &kid.handle().context.connector;
    until("the address", || connector.address().is_some()).await;
    // No server listens on port 1.
    reload(&kid, &peers("other", "127.0.0.1:1")).await;
    until("no address", || connector.address().is_none()).await;
    stop(kid).await;
    stop(top).await;
}

#[tokio::test]
async fn a_reload_tries_peers_that_are_away_at_once() {
    let (listener, address) = listen().await;
    let peers = dialled_peer(address, "s");
    let node = start("a", &peers).await;
    let status = node.handle().context.peers.status(&"b".parse().unwrap());
    // Without reloads these attempts take more than half a minute.
    for failed in 1..=6 {
        drop(listener.accept().await.unwrap());
        until("the failure", || status.snapshot().counts.failed_attempts >= failed).await;
        reload(&node, &peers).await;
    }
    let _b = accept_login(&listener).await;
    until("the link", || connected(&node, "b")).await;
    stop(node).await;
}

#[tokio::test]
async fn a_peer_whose_port_changes_keeps_its_session_until_it_moves() {
    let ((before, old_address), (after, new_address)) = (listen().await, listen().await);
    let node = start("a", &dialled_peer(old_address, "s")).await;
    let mut b = accept_login(&before).await;
    until("the link", || connected(&node, "b")).await;
    reload(&node, &dialled_peer(new_address, "s")).await;
    until_idle(&node).await;
    // The session's next frame is a packet, and not a close frame.
    send_packet(&node, "b", &mut b).await;
    drop(b);
    let _b = accept_login(&after).await;
    until("the link again", || connected(&node, "b")).await;
    stop(node).await;
}
