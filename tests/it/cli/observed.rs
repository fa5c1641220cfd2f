//! `tap`, `top`, `edges`, `events` and `explain` over nodes that are processes of their own.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::{Line, check_ended, command, ended, start_on_terminal, via};
use crate::peer::{Peer, TestNode, prepare_to};
use crate::process::{Process, TIMEOUT, free_port, path_text, temp_folder, write_file};
use crate::proxy::Proxy;
use crate::support::{PROGRAM, combined_output, eventually};

const PEERS: &str = "ilpAddress: test.n\npeers:\n  \
                     - { id: alice, relation: child, authToken: t }\n  \
                     - { id: bob, relation: child, authToken: u }\n  \
                     - { id: carol, relation: child, authToken: v }\n";

fn url(node: &TestNode) -> String {
    format!("http://127.0.0.1:{}", node.health_port)
}

/// The arguments that name all nodes of a line.
fn all(line: &Line) -> Vec<String> {
    let urls = [&line.a, &line.b, &line.c].map(url);
    urls.into_iter().flat_map(|url| ["--via".to_owned(), url]).collect()
}

fn with<'a>(arguments: &[&'a str], nodes: &'a [String]) -> Vec<&'a str> {
    arguments.iter().copied().chain(nodes.iter().map(String::as_str)).collect()
}

/// Sends packets until the tap has printed a line for which `found` is true.
fn send_until(line: &Line, tap: &Process, to: &str, what: &str, found: impl Fn(&str) -> bool) {
    let via = via(&line.a);
    eventually(what, TIMEOUT, || {
        command(&["ping", to, "-c", "1", "--via", &via]);
        let lines = tap.output_lines();
        if lines.iter().any(|line| found(line)) { Ok(()) } else { Err(lines.join("\n")) }
    });
}

#[test]
fn packets_are_seen_at_each_node_and_counted_at_the_end() {
    let line = Line::start("", "", "");
    let nodes = all(&line);
    let tap = Process::start(&with(&["tap"], &nodes), []);
    for (node, way) in [("a", "cli -> b"), ("b", "a -> c")] {
        let what = format!("{node} forwards");
        send_until(&line, &tap, "test.c", &what, |text| {
            text.contains(&format!("  {node}         forwarded  {way}")) && text.contains("test.c")
        });
    }
    send_until(&line, &tap, "test.nobody", "a Reject and its reason", |text| {
        text.contains("  b         rejected   a -> ") && text.contains("F02 here: ")
    });
    tap.signal("INT");
    let (status, lines) = tap.wait_exit();
    assert_eq!(status.code(), Some(0), "{lines:#?}");
    let last = lines.last().unwrap();
    assert!(last.contains(" shown, ") && last.ends_with(" not sampled, 0 lost"), "{last}");

    // Only what the filter says, as JSON.
    let rejects = Process::start(&with(&["tap", "code=F02", "--json", "-n", "1"], &nodes), []);
    send_until(&line, &rejects, "test.nobody", "a Reject", |text| {
        text.contains("\"code\":\"F02\"")
    });
    let (status, lines) = rejects.wait_exit();
    assert_eq!((status.code(), lines.len()), (Some(0), 1), "{lines:#?}");
    let packet: Value = serde_json::from_str(&lines[0]).unwrap();
    assert_eq!(packet["phase"], "rejected", "{packet}");

    // One packet as a whole.
    let path = Process::start(&with(&["tap", "--path", "-n", "1"], &nodes), []);
    send_until(&line, &path, "test.c", "a path", |text| text.ends_with(" to test.c"));
    let (status, lines) = path.wait_exit();
    assert_eq!(status.code(), Some(0), "{lines:#?}");
    // Of the first packets, it may see some nodes only.
    let is_of_a_node = ["  a ", "  b ", "  c "].iter().any(|node| lines[1].starts_with(node));
    assert!(lines[0].contains("  packet ") && is_of_a_node, "{lines:#?}");
}

#[test]
fn links_events_and_ways() {
    let line = Line::start("", "", "");
    let nodes = all(&line);
    let check = |arguments: &[&str], code: i32, expected: &[&str]| {
        check_ended(ended(&command(&with(arguments, &nodes))), code, expected)
    };
    // Both ends are one link.
    let said = check(&["edges"], 0, &["LINK   STATE  THERE/S", "\na - b  up ", "\nb - c  up "]);
    assert!(said.contains("2 links, 1 unused account not shown"), "{said}");
    let output = command(&with(&["edges", "--json"], &nodes));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["links"][0]["link"]["bState"], "connected", "{report}");
    assert!(report["links"][0]["rates"]["balanceB"].is_string(), "{report}");

    check(&["top"], 0, &["LINK   STATE  THERE/S", "\na - b  up "]);
    check(&["top", "nodes"], 0, &["NODE  STATE    PACKETS/S", "\nb     healthy"]);
    check(
        &["top", "peers", "--sort", "rejects"],
        0,
        &["NODE  PEER  STATE", "\nc     b     connected"],
    );
    command(&["ping", "test.nobody", "-c", "1", "--via", &via(&line.a)]);
    check(&["top", "reasons"], 0, &["NODE  COUNT  CODE  FROM", "\nb         1  F02   a "]);
    let output = command(&with(&["top", "--json"], &nodes));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["nodes"].as_array().map(Vec::len), Some(3), "{report}");

    check(&["events"], 0, &["  a         info   b connected\n", " shown, 0 no longer kept"]);
    let follow = Process::start(&with(&["events", "-f"], &nodes), []);
    follow.wait_for_line("the kept events", |line| line.contains("b connected").then_some(()));

    let way =
        ["a  forwards to b: ", "\nb  forwards to c: ", "\nc  delivers: ", "\nthe packet arrives"];
    check(&["explain", "test.c"], 0, &way);
    check(&["explain", "test.nobody"], 1, &["b  rejects with F02: ", "the packet is rejected"]);
    check(
        &["explain", "test.a.x", "--from", "c"],
        1,
        &["c  forwards to b: ", "\na  rejects with F02: "],
    );
    check(&["explain", "test.c", "--from", "z"], 64, &["there are a, b, c"]);
    let output = command(&with(&["explain", "test.c", "--json"], &nodes));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["ends"], &report["steps"][2]["node"]), (&"delivered".into(), &"c".into()));
    check_ended(
        ended(&command(&["explain", "test.c", "--via", &url(&line.a)])),
        0,
        &["the packet leaves these nodes: b is not one of them"],
    );

    let (status, _) = line.c.stop("TERM");
    assert_eq!(status.code(), Some(0));
    follow.wait_for_line("b reports c", |line| {
        (line.contains("  b         ") && line.contains("c disconnected")).then_some(())
    });
    // The nodes that still run are shown.
    let said = check(&["explain", "test.c"], 1, &["note: not shown: ", "is the node running?"]);
    assert!(said.contains("b  rejects with T01"), "{said}");
    follow.signal("TERM");
    assert_eq!(follow.wait_exit().0.code(), Some(0));
}

#[test]
fn wrong_usage_and_nodes_that_do_not_answer() {
    let check = |arguments: &[&str], code: i32, expected: &str| {
        let said = check_ended(ended(&command(arguments)), code, &[expected]);
        assert!(said.starts_with("error: "), "{said}");
    };
    let closed = format!("http://127.0.0.1:{}", free_port());
    for name in ["tap", "edges", "events", "top"] {
        check(&[name, "--via", &closed], 1, "is the node running?");
    }
    check(&["explain", "test.c", "--via", &closed], 1, "is the node running?");
    check(&["tap", "code", "--via", &closed], 64, "is not a term; write for example code=F02");
    check(&["tap", "colour=red", "--via", &closed], 64, "there is no field");
    check(&["tap", "--via", "net.yaml"], 64, "write --config net.yaml");
    check(&["tap", "--rate", "0", "--via", &closed], 64, "--rate");

    let folder = temp_folder();
    let port = free_port();
    let file = write_file(&folder, "a.yaml", &format!("nodeId: a\nhealthCheckPort: {port}\n"));
    let hint = format!("start it with `ilp-connector run --config {}`", path_text(&file));
    check(&["edges", "--config", path_text(&file)], 1, &hint);

    let node = TestNode::start("nodeId: n\napiToken: right-token-of-the-node\n");
    check(&["tap", "--via", &url(&node)], 1, "it has an apiToken; give it with --token-file");
    let wrong = write_file(&folder, "token", "wrong-token\n");
    let wrong = ["events", "--via", &url(&node), "--token-file", path_text(&wrong)];
    check(&wrong, 1, "it refuses the token");
    let right = write_file(&folder, "right", "right-token-of-the-node\n");
    let output = command(&["events", "--via", &url(&node), "--token-file", path_text(&right)]);
    assert!(output.status.success(), "{}", combined_output(&output));
}

/// Follows the events of the node with its pages at this port. Notes are among its lines.
fn follow_events(port: u64) -> Process {
    let follow = format!("exec {PROGRAM} events -f --via http://127.0.0.1:{port} 2>&1");
    Process::spawn(Command::new("sh").args(["-c", &follow]).env_clear())
}

fn is_event(line: &str, text: &str) -> bool {
    line.ends_with(&format!("  n         info   {text}"))
}

#[test]
fn a_stream_that_breaks_goes_on_after_the_last_event() {
    let node = TestNode::start(&format!("nodeId: n\n{PEERS}"));
    let proxy = Proxy::start(u16::try_from(node.health_port).unwrap());
    let _alice = Peer::log_in(node.port, "alice", "t");
    node.wait_connected("alice");
    let follow = follow_events(proxy.port.into());
    let seen = |text: &str| {
        follow.wait_for_line(text, |line| is_event(line, text).then_some(()));
    };
    seen("alice connected");
    let _carol = Peer::log_in(node.port, "carol", "v");
    seen("carol connected");
    // Bob's event is on its way, and lost with the connection.
    proxy.freeze();
    let _bob = Peer::log_in(node.port, "bob", "u");
    node.wait_connected("bob");
    proxy.cut();
    proxy.thaw();
    seen("bob connected");
    follow.signal("INT");
    let (status, lines) = follow.wait_exit();
    assert_eq!(status.code(), Some(0), "{lines:#?}");
    for text in ["alice connected", "carol connected", "bob connected"] {
        assert_eq!(lines.iter().filter(|line| is_event(line, text)).count(), 1, "{lines:#?}");
    }
    let notes: Vec<_> = lines.iter().filter(|line| line.starts_with("note: ")).collect();
    assert!(notes.len() == 1 && notes[0].starts_with("note: asked again: "), "{notes:?}");
}

/// Starts a node whose file has a port for its pages; also returns its BTP port.
fn start_node(file: &Path) -> (Process, u64) {
    let node = Process::start(&["run", "--config", path_text(file)], []);
    let port = node.wait_for_log("BTP server listening", "port").as_u64().unwrap();
    node.wait_for_log("health server listening", "port");
    (node, port)
}

#[test]
fn followers_notice_that_a_node_has_restarted() {
    let (folder, port) = (temp_folder(), free_port());
    let ports = format!("nodeId: n\nbtpServerPort: 0\nhealthCheckPort: {port}\n");
    let file = write_file(&folder, "node.yaml", &format!("{ports}{PEERS}"));
    let (node, btp) = start_node(&file);
    let _bob = Peer::log_in(btp, "bob", "u");
    let follow = follow_events(port.into());
    let bob = "bob connected";
    follow.wait_for_line(bob, |line| is_event(line, bob).then_some(()));
    let top = format!("top reasons --via http://127.0.0.1:{port}");
    let top = start_on_terminal("the keys of `top`", &top);
    let frames =
        |top: &Process| top.output_lines().iter().filter(|line| line.contains("q stops")).count();
    let wait_frames = |more: usize| {
        if let Some(top) = &top {
            let wanted = frames(top) + more;
            eventually("frames", TIMEOUT, || match frames(top) {
                drawn if drawn >= wanted => Ok(()),
                drawn => Err(drawn.to_string()),
            });
        }
    };
    wait_frames(1);
    node.signal("TERM");
    node.wait_exit();
    // The reasons are asked for at least once while the node is away.
    wait_frames(3);
    let (_node, btp) = start_node(&file);
    follow.wait_for_line("the restart", |line| {
        line.starts_with("note: a node has restarted; ").then_some(())
    });
    let mut alice = Peer::log_in(btp, "alice", "t");
    let connected = "alice connected";
    follow.wait_for_line(connected, |line| is_event(line, connected).then_some(()));
    let lines = follow.output_lines();
    assert!(
        !lines.iter().any(|line| line.contains(" lost") && !line.contains("may be")),
        "{lines:#?}"
    );
    let Some(mut top) = top else { return };
    alice.send_prepare(1, &prepare_to("test.n.nowhere"));
    top.wait_for_line("the reason", |line| line.starts_with("n         1  F02").then_some(()));
    for (key, heading) in [("n", "NODE  STATE"), ("p", "NODE  PEER"), ("l", "LINK ")] {
        top.write_stdin(key);
        top.wait_for_line(heading, |line| line.contains(heading).then_some(()));
    }
    top.write_stdin("q");
    let (status, lines) = top.wait_exit();
    assert_eq!(status.code(), Some(0), "{lines:#?}");
    assert!(lines.last().is_some_and(|line| line.ends_with("\x1b[?1049l")), "{lines:#?}");
}
