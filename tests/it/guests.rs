//! The guests' door: programs of this machine without any settings have accounts of their own. Its bounds, attacks on
//! it, and an application that is not ours.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpStream, UdpSocket};
use std::process::Command;
use std::time::Instant;

use serde_json::Value;

use crate::interop::packages;
use crate::peer::{
    PREIMAGE, Peer, TIMEOUT, TestNode, auth_frame, config_of, describe_frame, fulfill, get_json,
    http_get, prepare_to,
};
use crate::process::{Process, path_text, temp_folder, write_file};
use crate::support::{PROGRAM, combined_output, eventually, run, skip};

/// A node with the peer alice, and a door with these settings.
fn node(guests: &str, more: &str) -> (TestNode, u64) {
    let more = format!("guests: {{ port: 0, {guests} }}\n{more}");
    let node = TestNode::with_peers(&["alice"], &more);
    let door = node.process.wait_for_log("listening to guests", "port").as_u64().unwrap();
    (node, door)
}

/// The answer to a login, and the session.
fn try_log_in(door: u64, user: Option<&str>, token: &str) -> (String, Peer) {
    let mut guest = Peer::connect(door);
    guest.send(&auth_frame(7, user, token));
    let answer = guest.receive();
    let text = String::from_utf8_lossy(&answer.raw).into_owned();
    (format!("{} {text}", describe_frame(&answer)), guest)
}

fn log_in(door: u64, token: &str) -> Peer {
    let (answer, guest) = try_log_in(door, Some(""), token);
    assert!(answer.starts_with("RESPONSE 7"), "{answer}");
    guest
}

/// The guests in `/peers` that are not removed, as `printf TOKEN | sha256sum` names them.
fn guests(node: &TestNode) -> Vec<Value> {
    let peers = get_json(node.health_port, "/peers")["peers"].as_array().cloned().unwrap();
    let is_guest = |peer: &Value| peer["id"].as_str().unwrap().starts_with("guest~");
    peers.into_iter().filter(|peer| is_guest(peer) && peer["configured"] != false).collect()
}

/// The account of a token.
fn id_of(token: &str) -> String {
    use base64::Engine as _;
    let hash = ring::digest::digest(&ring::digest::SHA256, token.as_bytes());
    format!("guest~{}", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(hash))
}

fn wait_until_away(node: &TestNode, token: &str) {
    node.wait_for_account("the guest has left", &id_of(token), |peer| peer["state"] != "connected");
}

/// Alice pays a guest, or is paid by one.
fn pay(from: &mut Peer, to: &mut Peer, destination: &str, amount: u64) -> String {
    from.send_prepare(9, &prepare_to(destination).amount(amount));
    let (id, _) = to.receive_prepare();
    to.answer(id, &fulfill(&PREIMAGE));
    from.receive_described()
}

#[test]
fn a_guest_pays_is_paid_and_stays_within_its_limits() {
    let (node, door) = node("maxPacketAmount: 60, maxBalance: 100, minBalance: -50", "");
    let mut alice = node.connect_peer("alice");
    let (mut one, mut two) = (log_in(door, "one"), log_in(door, "two"));
    assert_eq!(pay(&mut one, &mut alice, "test.alice.x", 60), "RESPONSE 9 Fulfill");
    assert_eq!(one.request(1, &prepare_to("test.alice").amount(61)), "RESPONSE 1 Reject F08");
    assert_eq!(one.request(2, &prepare_to("test.alice").amount(41)), "RESPONSE 2 Reject T04");
    let to_two = format!("test.n.{}", id_of("two"));
    assert_eq!(pay(&mut one, &mut two, &to_two, 40), "RESPONSE 9 Fulfill");
    assert_eq!(pay(&mut alice, &mut two, &to_two, 10), "RESPONSE 9 Fulfill");
    assert_eq!(alice.request(3, &prepare_to(&to_two).amount(1)), "RESPONSE 3 Reject T04");
    assert_eq!(node.balance(&id_of("one"))[0], "100");
    assert_eq!(node.balance(&id_of("two"))[0], "-50");
    assert_eq!(node.account(&id_of("one"))["relation"], "child");
    let (_, metrics) = http_get(node.health_port, "GET /metrics");
    assert!(!metrics.contains("guest~"), "new guests would be new labels for ever");
    for line in
        ["ilp_guests 2", "ilp_guests_connected 2", "ilp_guests_owe 100", "ilp_guests_owed 50"]
    {
        assert!(metrics.lines().any(|found| found.starts_with(line)), "{line}: {metrics}");
    }
}

#[test]
fn a_token_is_an_account_whatever_name_comes_with_it() {
    let (node, door) = node("", "");
    for user in [None, Some(""), Some("alice"), Some("an application"), Some(id_of("two").as_str())]
    {
        let (answer, _guest) = try_log_in(door, user, "one");
        assert!(answer.starts_with("RESPONSE 7"), "{user:?}: {answer}");
        let ids: Vec<_> = guests(&node).iter().map(|guest| guest["id"].clone()).collect();
        assert_eq!(ids, [id_of("one")], "{user:?}");
    }
    for (user, token, why) in [
        (Some("alice"), "alice-token", "too many new guests at the same time"),
        (None, "alice-token", "too many new guests at the same time"),
        (None, "", "auth_token is empty"),
    ] {
        let (answer, _) = try_log_in(door, user, token);
        assert!(answer.starts_with("ERROR 7 F00") && answer.contains(why), "{user:?}: {answer}");
    }
    let (answer, _) = try_log_in(node.port, Some(&id_of("one")), "one");
    assert!(answer.starts_with("ERROR 7 F00"), "a guest has no account elsewhere: {answer}");
    assert!(!node.account("alice")["state"].is_null());
    assert!(!node.log().contains("alice-token"), "{}", node.log());
}

#[test]
fn one_guest_too_many_waits_until_another_has_left_without_a_balance() {
    let (node, door) = node("max: 2", "");
    let mut alice = node.connect_peer("alice");
    let (mut one, two) = (log_in(door, "one"), log_in(door, "two"));
    let full = || {
        let (answer, _) = try_log_in(door, None, "three");
        assert!(answer.starts_with("ERROR 7 F00") && answer.contains("2 guests"), "{answer}");
    };
    full();
    assert_eq!(pay(&mut one, &mut alice, "test.alice.x", 5), "RESPONSE 9 Fulfill");
    drop(one);
    wait_until_away(&node, "one");
    full();
    drop(two);
    wait_until_away(&node, "two");
    let _three = log_in(door, "three");
    let ids: Vec<_> = guests(&node).iter().map(|guest| guest["id"].clone()).collect();
    assert!(ids.contains(&id_of("one").into()) && ids.contains(&id_of("three").into()), "{ids:?}");
    assert_eq!(ids.len(), 2);
    let (_, metrics) = http_get(node.health_port, "GET /metrics");
    assert!(metrics.contains("ilp_guests_refused_total 2"), "{metrics}");
}

#[test]
fn a_forgotten_guest_leaves_its_balance_in_the_log_and_finds_it_again() {
    let (node, door) = node("forgetAfterMs: 1000", "");
    let mut alice = node.connect_peer("alice");
    let mut one = log_in(door, "one");
    assert_eq!(pay(&mut one, &mut alice, "test.alice.x", 5), "RESPONSE 9 Fulfill");
    drop(one);
    let forgotten = "a guest that stayed away is forgotten; the books keep what it leaves";
    assert_eq!(node.process.wait_for_log(forgotten, "unsettled"), "a balance of 5");
    assert_eq!(guests(&node).len(), 0);
    let _one = log_in(door, "one");
    assert_eq!(node.balance(&id_of("one"))[0], "5");
}

#[test]
fn a_guest_is_the_same_account_after_a_crash() {
    let folder = temp_folder();
    let file = write_file(
        &folder,
        "node.yaml",
        "nodeId: n\nilpAddress: test.n\nstore: books.db\ndurability: strict\nbtpServerHost: 127.0.0.1\n\
         btpServerPort: 0\nhealthCheckHost: 127.0.0.1\nhealthCheckPort: 0\nguests: { port: 0 }\n\
         receivers: [{ id: wallet }]\npeers: [{ id: alice, authToken: alice-token }]\n\
         routes: [{ prefix: test.alice, nextHop: alice }]\n",
    );
    let start = || {
        let process = Process::start(&["run", "--config", path_text(&file)], []);
        let port = |message| process.wait_for_log(message, "port").as_u64().unwrap();
        let ports =
            ["BTP server listening", "health server listening", "listening to guests"].map(port);
        (process, ports)
    };
    let (process, [btp, _, door]) = start();
    let (mut alice, mut one) = (Peer::log_in(btp, "alice", "alice-token"), log_in(door, "one"));
    assert_eq!(pay(&mut one, &mut alice, "test.alice.x", 5), "RESPONSE 9 Fulfill");
    process.signal("KILL");
    process.wait_exit();
    let (process, [btp, health, door]) = start();
    assert_eq!(process.wait_for_log("the store has balances of guests", "guests"), 1);
    let (mut alice, mut one) = (Peer::log_in(btp, "alice", "alice-token"), log_in(door, "one"));
    assert_eq!(pay(&mut one, &mut alice, "test.alice.x", 2), "RESPONSE 9 Fulfill");
    let peers = get_json(health, "/peers")["peers"].as_array().cloned().unwrap();
    let guest = peers.iter().find(|peer| peer["id"] == id_of("one").as_str()).unwrap();
    assert_eq!(guest["balance"], "7");
    let log = process.output_lines().join("\n");
    assert!(!log.contains("an account that is not configured"), "{log}");
}

#[test]
fn an_operator_suspends_a_guest() {
    let token = "an-operators-token";
    let (node, door) = node("", &format!("apiToken: {token}\n"));
    let one = log_in(door, "one");
    let ask = |verb: &str| {
        let path = format!("POST /api/v1/nodes/n/peers/{}/{verb}", id_of("one"));
        crate::peer::ask(
            node.health_port,
            &path,
            Some(token),
            r#"{"reason":"a test","ttlSeconds":600}"#,
        )
    };
    let (status, body) = ask("suspend");
    assert!(status == 200 || status == 201, "{status} {body}");
    drop(one);
    eventually("the guest is refused", TIMEOUT, || {
        let (answer, _) = try_log_in(door, None, "one");
        if answer.contains("an operator has suspended this guest") { Ok(()) } else { Err(answer) }
    });
    let (status, body) = ask("resume");
    assert!(status == 200 || status == 201, "{status} {body}");
    let _one = log_in(door, "one");
}

#[test]
fn the_door_is_on_loopback_alone_and_closed_to_web_pages() {
    let (node, door) = node("", "");
    let port = u16::try_from(door).unwrap();
    let loopback = |ip: IpAddr| TcpStream::connect((ip, port)).is_ok();
    assert!(loopback(Ipv4Addr::LOCALHOST.into()));
    let has_v6 = std::net::TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok();
    assert_eq!(loopback(Ipv6Addr::LOCALHOST.into()), has_v6);
    // No packet is sent: this asks for the address that this machine would send from.
    let outside = UdpSocket::bind("0.0.0.0:0").and_then(|socket| {
        socket.connect("192.0.2.1:9")?;
        socket.local_addr()
    });
    if let Ok(outside) = outside.map(|address| address.ip())
        && !outside.is_loopback()
    {
        assert!(TcpStream::connect((outside, port)).is_err(), "{outside}");
    }
    for (table, allowed) in [("tcp", "0100007F"), ("tcp6", "00000000000000000000000001000000")] {
        let Ok(table) = std::fs::read_to_string(format!("/proc/net/{table}")) else { continue };
        for line in table.lines().filter(|line| line.contains(" 0A ")) {
            let local = line.split_whitespace().nth(1).unwrap();
            if let Some(address) = local.strip_suffix(&format!(":{port:04X}")) {
                assert_eq!(address, allowed, "{line}");
            }
        }
    }
    let request = |origin: &str| {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        let head = format!(
            "GET / HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n{origin}\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).unwrap();
        String::from_utf8(answer.to_vec()).unwrap()
    };
    assert_eq!(request(""), "HTTP/1.1 101");
    for origin in ["https://example.com", "http://localhost:7768", "null"] {
        assert_eq!(request(&format!("Origin: {origin}\r\n")), "HTTP/1.1 403", "{origin}");
    }
    assert_eq!(guests(&node).len(), 0);
}

#[test]
fn a_port_in_use_is_named_with_its_key() {
    let taken = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    let folder = temp_folder();
    let text = format!(
        "{}guests: {{ port: {port} }}\nbtpServerPort: 0\nhealthCheckPort: 0\n",
        config_of(&["alice"], "")
    );
    let file = write_file(&folder, "node.yaml", &text);
    let output = run(Command::new(PROGRAM).args(["run", "--config", path_text(&file)]));
    let printed = combined_output(&output);
    assert!(!output.status.success());
    let expected = format!("port {port} on 127.0.0.1 is already in use");
    assert!(printed.contains(&expected) && printed.contains("guests"), "{printed}");
}

/// Each token is a new guest: the node must not grow, log or answer others later because of that.
#[test]
fn ten_thousand_tokens_leave_a_peer_and_the_node_alone() {
    let (node, door) = node("max: 5", "");
    let mut alice = node.connect_peer("alice");
    assert_eq!(alice.request(1, &prepare_to("test.nowhere")), "RESPONSE 1 Reject F02");
    let stay = log_in(door, "stays");
    let before = node.memory_kib();
    let started = Instant::now();
    std::thread::scope(|threads| {
        for thread in 0..4 {
            threads.spawn(move || {
                for number in 0..2_500 {
                    let (answer, _) = try_log_in(door, None, &format!("{thread}-{number}"));
                    assert!(
                        answer.starts_with("RESPONSE 7") || answer.starts_with("ERROR 7 F00"),
                        "{answer}"
                    );
                }
            });
        }
        for id in 2..200 {
            assert_eq!(
                alice.request(id, &prepare_to("test.nowhere")),
                format!("RESPONSE {id} Reject F02")
            );
        }
    });
    let seconds = started.elapsed().as_secs();
    drop(stay);
    assert!(guests(&node).len() <= 5);
    let all = get_json(node.health_port, "/peers")["peers"].as_array().unwrap().len();
    assert!(all < 40, "{all} accounts are left");
    let grown = node.memory_kib().saturating_sub(before);
    assert!(grown < 40_000, "{grown} KiB more");
    // Ten lines a minute of each kind, and two for each guest that came in: ten of them in a second.
    let lines = node.process.output_lines().len() as u64;
    assert!(lines < 100 + 60 * (seconds + 2), "{lines} lines in {seconds} s");
}

/// `ilp-plugin` and `ilp-plugin-btp` as they are, with nothing set: they find the node by themselves.
#[test]
fn an_unmodified_application_finds_the_node_pays_and_is_paid() {
    let modules = match packages() {
        Ok(folder) => folder.join("node_modules"),
        Err(why) => return skip("an application with nothing set", &why),
    };
    let folder = temp_folder();
    write_file(
        &folder,
        "node.yaml",
        "nodeId: n\nilpAddress: test.n\nbtpServerHost: 127.0.0.1\nhealthCheckHost: 127.0.0.1\n\
         httpServerHost: 127.0.0.1\nhttpServerPort: 7770\nreceivers: [{ id: wallet }]\nguests: {}\n",
    );
    let script = format!("{}/tests/interop/guests.js", env!("CARGO_MANIFEST_DIR"));
    // A network of its own, in which the port that applications look for is free.
    let inside = format!(
        "ip link set lo up && ('{PROGRAM}' run --config node.yaml >node.log 2>&1 & echo $! >pid) && \
         node '{script}'; code=$?; kill $(cat pid); exit $code"
    );
    let mut sandbox = Command::new("unshare");
    sandbox
        .args(["--user", "--map-root-user", "--net", "sh", "-c", &inside])
        .env("NODE_PATH", &modules)
        .env_remove("CONFIG_FILE")
        .current_dir(folder.path());
    let probe = run(Command::new("sh")
        .args(["-c", "command -v ip && unshare --user --map-root-user --net true"]));
    if !probe.status.success() {
        return skip("an application with nothing set", "no network namespace can be made here");
    }
    let output = run(&mut sandbox);
    let log = std::fs::read_to_string(folder.path().join("node.log")).unwrap_or_default();
    let printed = combined_output(&output);
    assert!(output.status.success(), "{printed}\n{log}");
    let seen: Value = serde_json::from_str(printed.lines().last().unwrap()).unwrap();
    let address = |name: &str| seen[name]["address"].as_str().unwrap().to_owned();
    assert!(
        address("shop").starts_with("test.n.guest~") && address("shop") != address("payer"),
        "{seen}"
    );
    assert_eq!(
        (&seen["payer"]["asset"], &seen["shop"]["asset"]),
        (&"USD/9".into(), &"USD/9".into())
    );
    assert_eq!((&seen["paidWallet"], &seen["paidShop"]), (&"5000".into(), &"700".into()), "{seen}");
    let balance = |name: &str| seen["balances"][address(name).rsplit('.').next().unwrap()].clone();
    assert_eq!((balance("payer"), balance("shop")), ("5700".into(), "-700".into()), "{seen}");
    assert_eq!(seen["balances"]["wallet"], "-5000", "{seen}");
}
