//! Commands that run nodes or connect to them.

use std::process::Command;

use serde_json::Value;

use super::{Line, check_ended, command, ended, start_on_terminal, via};
use crate::network::TestNetwork;
use crate::peer::TestNode;
use crate::process::{Process, TIMEOUT, free_port, path_text, temp_folder, write_file};
use crate::support::{PROGRAM, combined_output, eventually, run, text};

#[test]
fn ping_and_send_through_three_nodes() {
    let line = Line::start("", "", "");
    let via = via(&line.a);
    let check = |arguments: &[&str], code: i32, expected: &[&str]| {
        let output = command(&[arguments, &["--via", &via]].concat());
        let said = check_ended(ended(&output), code, expected);
        assert!(!said.contains("cli-token"), "a secret: {said}");
    };
    let quick = ["-c", "2", "-i", "0.01"];
    let ping = |address: &'static str, more: &[&'static str]| {
        [&["ping", address], &quick[..], more].concat()
    };
    check(
        &ping("test.c", &[]),
        0,
        &["reply from test.c: seq=2 time=", "2 sent, 2 fulfilled, 0 rejected, 0 % loss"],
    );
    check(&ping("test.a", &[]), 0, &["2 sent, 2 fulfilled"]);
    check(
        &ping("test.c", &["--echo", "--amount", "5"]),
        0,
        &["echo to test.a.cli", "2 sent, 2 fulfilled"],
    );
    check(
        &ping("test.nobody", &[]),
        1,
        &["F02 Unreachable from test.b: seq=1", "no route to the destination", "100 % loss"],
    );
    // Less time than the first hop keeps for itself and the rest of the way.
    check(&["ping", "test.c", "-c", "1", "-W", "1"], 1, &["R02 Insufficient Timeout from test.a"]);

    check(
        &["send", "test.c", "--count", "500", "--window", "64", "--amount", "3"],
        0,
        &["500 packets of amount 3 to test.c", "fulfilled", "100 %"],
    );
    check(
        &["send", "test.b.x", "--count", "3"],
        1,
        &["F02 Unreachable", "test.b: no route", "100 %"],
    );
    check(
        &["send", "test.c", "--data", "hello", "--condition", &"ab".repeat(32)],
        1,
        &["F06 Unexpected Payment"],
    );
    let ping_preimage = "70696e67".repeat(8);
    check(&["send", "test.c", "--fulfillment", &ping_preimage], 0, &["fulfilled"]);
    check(
        &["send", "test.c", "--count", "3", "--rate", "1000", "--data-hex", "00ff"],
        0,
        &["fulfilled"],
    );

    let output = command(&["send", "test.c", "--count", "20", "--json", "--via", &via]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&report["fulfilled"], &report["unanswered"]),
        (&Value::from(20), &Value::from(0)),
        "{report}"
    );
    assert_eq!(report["results"][0]["result"], "fulfilled");
}

#[test]
fn logging_in_fails_with_a_reason() {
    let node =
        TestNode::start("nodeId: a\npeers:\n  - { id: cli, relation: child, authToken: right }\n");
    let check = |arguments: &[&str], code: i32, expected: &str| {
        let output = command(arguments);
        let said = check_ended(ended(&output), code, &[expected]);
        assert!(said.starts_with("error: ") && said.lines().count() == 1, "one line: {said}");
        assert_eq!(text(&output.stdout), "");
    };
    let url = |token: &str| format!("btp+ws://cli:{token}@127.0.0.1:{}", node.port);
    check(&["ping", "test.a", "--via", &url("wrong")], 1, "authentication failed");
    check(&["ping", "test.a", "--via", &url("")], 64, "has no token");
    let closed = format!("btp+ws://cli:x@127.0.0.1:{}", free_port());
    check(&["send", "test.a", "--via", &closed], 1, "is the node running?");
    check(&["ping", "test.a"], 64, "which node? Give --via");
    check(
        &["ping", "test.a", "--config", path_text(&node.file)],
        64,
        "set the variable BTP_SERVER_PORT=PORT",
    );
    let folder = temp_folder();
    let without = write_file(&folder, "without.yaml", "nodeId: a\n");
    check(
        &["ping", "test.a", "--config", path_text(&without)],
        64,
        "add to its peers: { id: cli, relation: child,",
    );
    let peer = write_file(&folder, "peer.yaml", "nodeId: a\npeers: [{ id: cli, authToken: x }]\n");
    check(&["ping", "test.a", "--config", path_text(&peer)], 64, "is a peer, not a child");
}

#[test]
fn the_nodes_of_a_network_listen_before_they_dial() {
    let network = TestNetwork::from_example("examples/linear-3.yaml");
    let process = network.start_all();
    process.wait_for_log("connected", "peer");
    let lines = process.output_lines();
    let failed: Vec<_> = lines.iter().filter(|line| line.contains("cannot connect")).collect();
    assert!(failed.is_empty(), "{failed:?}");
}

#[test]
fn an_interrupted_ping_prints_its_summary() {
    let node =
        TestNode::start("nodeId: a\npeers:\n  - { id: cli, relation: child, authToken: t }\n");
    let via = format!("btp+ws://cli:t@127.0.0.1:{}", node.port);
    let ping = Process::start(&["ping", "test.a", "--via", &via, "-i", "0.05"], []);
    ping.wait_for_line("a second reply", |line| line.contains("seq=2 time=").then_some(()));
    ping.signal("INT");
    let (status, lines) = ping.wait_exit();
    assert_eq!(status.code(), Some(0));
    assert!(lines.iter().any(|line| line == "--- test.a ping ---"), "{lines:#?}");
    assert!(
        lines.last().is_some_and(|line| line.starts_with("round trip min/avg/max/mdev = ")),
        "{lines:#?}"
    );
}

#[test]
fn healthcheck_finds_a_node_without_a_file() {
    let port = free_port().to_string();
    let environment =
        [("HEALTH_CHECK_PORT", port.as_str()), ("BTP_SERVER_PORT", "0"), ("NODE_ID", "lonely")];
    let node = Process::start(&[], environment);
    assert_eq!(node.wait_for_log("health server listening", "node"), "lonely");
    let healthcheck =
        || run(Command::new(PROGRAM).arg("healthcheck").env_clear().envs(environment));
    eventually("healthcheck finds the port by itself", TIMEOUT, || {
        let output = healthcheck();
        if output.status.success() { Ok(()) } else { Err(combined_output(&output)) }
    });
    assert_eq!(text(&healthcheck().stdout), "healthy\n");
    node.signal("TERM");
    let (status, lines) = node.wait_exit();
    assert_eq!(status.code(), Some(0));
    let all_json = lines
        .iter()
        .all(|line| serde_json::from_str::<Value>(line).is_ok_and(|line| line.is_object()));
    assert!(all_json, "{lines:#?}");
    let output = healthcheck();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("is the node running?"), "{}", combined_output(&output));
}

#[test]
fn errors_at_the_start_are_log_lines() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let check = |arguments: &[&str], code: i32, expected: &[&str]| {
        let (status, lines) = Process::start(arguments, []).wait_exit();
        let last: Value = serde_json::from_str(lines.last().unwrap()).unwrap();
        assert_eq!(last["level"], "ERROR", "{arguments:?} {lines:#?}");
        let message = last["message"].as_str().unwrap().to_owned();
        check_ended((status.code(), message), code, expected);
    };
    check(
        &["run", "--btp-host", "127.0.0.1", "--btp-port", &port, "--health-port", "0"],
        1,
        &[&port, "in use"],
    );
    check(
        &["--health-host", "127.0.0.1", "--health-port", &port, "--btp-port", "0"],
        1,
        &[&port, "in use"],
    );
    check(&["--btp-port", "70000"], 64, &["--btp-port = 70000", "0 to 65535"]);
    check(&["--config", "/nowhere/node.yaml"], 64, &["/nowhere/node.yaml"]);
    check(&["up", "/nowhere/network.yaml"], 64, &["/nowhere/network.yaml"]);
    check(&["up", "examples/node-listening.yaml"], 64, &["not a topology"]);
}

/// The linear network on ports of its own.
fn topology() -> String {
    let nodes = ["a", "b", "c"].map(|id| {
        let (btp, health) = (free_port(), free_port());
        format!("  - {{ id: {id}, btpServerPort: {btp}, healthCheckPort: {health} }}\n")
    });
    format!(
        "nodes:\n{}links:\n  - {{ from: a, to: b, secret: ab }}\n  - {{ from: b, to: c, secret: bc }}\n\
         defaults:\n  peers:\n    - {{ id: cli, relation: child, authToken: cli-token }}\n",
        nodes.concat()
    )
}

#[test]
fn a_network_in_one_process() {
    let folder = temp_folder();
    let file = write_file(&folder, "network.yaml", &topology());
    let network = Process::start(&["up", path_text(&file)], []);
    network.wait_for_log("health server listening", "port");
    let ping = |address: &str, node: &str| {
        eventually(&format!("{node} reaches {address}"), TIMEOUT, || {
            let file = path_text(&file);
            let output = command(&["ping", address, "--config", file, "--node", node, "-c", "1"]);
            if output.status.success() { Ok(()) } else { Err(combined_output(&output)) }
        });
    };
    ping("test.c", "a");
    ping("test.a", "c");
    let output = command(&["healthcheck", "--config", path_text(&file), "--node", "b"]);
    assert_eq!(text(&output.stdout), "healthy\n", "{}", combined_output(&output));
    network.signal("INT");
    let (status, lines) = network.wait_exit();
    assert_eq!(status.code(), Some(0), "{lines:#?}");
    assert!(lines.iter().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{lines:#?}");
    assert!(!lines.concat().contains("cli-token"), "{lines:#?}");
}

#[test]
fn a_network_for_a_while() {
    let folder = temp_folder();
    let file = write_file(&folder, "network.yaml", &topology());
    let (status, lines) =
        Process::start(&["up", path_text(&file), "--for", "100ms"], []).wait_exit();
    assert_eq!(status.code(), Some(0), "{lines:#?}");
    assert!(lines.iter().any(|line| line.contains("BTP server listening")), "{lines:#?}");
}

#[test]
fn the_live_view_restores_the_terminal() {
    let folder = temp_folder();
    let file = write_file(&folder, "network.yaml", &topology());
    let log = folder.path().join("up.log");
    let up = format!("up {} --log-file {}", path_text(&file), path_text(&log));
    let Some(mut terminal) = start_on_terminal("the live view", &up) else { return };
    let healthy = "\x1b[32mhealthy\x1b[0m";
    terminal.wait_for_line("node c is healthy", |line| {
        (line.starts_with("c ") && line.contains(healthy)).then_some(())
    });
    terminal.write_stdin("l");
    terminal
        .wait_for_line("the links alone", |line| line.contains("q stops   n nodes").then_some(()));
    terminal.write_stdin("q");
    let (status, lines) = terminal.wait_exit();
    let screen = lines.join("\n");
    assert_eq!(status.code(), Some(0), "{screen}");
    let (before, rest) =
        screen.split_once("\x1b[?1049h").unwrap_or_else(|| panic!("no view: {screen}"));
    assert_eq!(before, "");
    let (view, after) =
        rest.rsplit_once("\x1b[?1049l").unwrap_or_else(|| panic!("not restored: {screen}"));
    for expected in ["3 nodes, 2 links", "a - b", "b - c", "try: ilp-connector ping test.c"] {
        assert!(view.contains(expected), "{expected:?} is not in {view}");
    }
    assert!(after.contains("stopped after") && after.contains(path_text(&log)), "{after}");
    let logged = std::fs::read_to_string(&log).unwrap();
    assert!(logged.lines().count() > 6, "{logged}");
    assert!(logged.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{logged}");
}

#[test]
fn a_removed_node_leaves_the_live_view() {
    let folder = temp_folder();
    let file = write_file(&folder, "network.yaml", &topology());
    let log = folder.path().join("up.log");
    let up = format!("up {} --log-file {}", path_text(&file), path_text(&log));
    let Some(mut terminal) = start_on_terminal("a removed node", &up) else { return };
    let healthy = "\x1b[32mhealthy\x1b[0m";
    let is_c = |line: &str| line.starts_with("c ") || line.contains("b - c");
    terminal.wait_for_line("node c is healthy", |line| {
        (is_c(line) && line.contains(healthy)).then_some(())
    });
    let lines = std::fs::read_to_string(&file).unwrap();
    let lines = lines.lines().filter(|line| !line.contains("id: c,") && !line.contains("to: c,"));
    let text: String = lines.flat_map(|line| [line, "\n"]).collect();
    write_file(&folder, "network.yaml", &text);
    terminal.wait_for_line("the event", |line| {
        line.contains("c        removed from the file").then_some(())
    });
    terminal.write_stdin("q");
    let (status, lines) = terminal.wait_exit();
    assert_eq!(status.code(), Some(0), "{lines:#?}");
    let last = lines.iter().rposition(|line| line.contains("ilp-connector up ")).unwrap();
    let (title, frame) = lines[last..].split_first().unwrap();
    assert!(title.contains("2 nodes, 1 link, "), "{title}");
    assert!(!frame.iter().any(|line| is_c(line)), "{frame:#?}");
}

#[test]
fn bench_measures_a_node() {
    let output =
        command(&["bench", "--seconds", "0.3", "--window", "16", "--routes", "10", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", combined_output(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(report["sent"].as_u64().unwrap() > 16, "{report}");
    assert_eq!(report["sent"], report["fulfilled"], "{report}");
    assert!(report["p50Ms"].as_f64().unwrap() > 0.0, "{report}");
}

#[test]
fn up_notes_the_ports_that_replace_those_in_use() {
    let taken = [(); 2].map(|()| std::net::TcpListener::bind("127.0.0.1:0").unwrap());
    let [btp, http] = taken.each_ref().map(|taken| taken.local_addr().unwrap().port());
    let folder = temp_folder();
    let file = write_file(
        &folder,
        "net.yaml",
        &format!(
            "nodes:\n  - {{ id: a, btpServerPort: {btp}, healthCheckPort: 0 }}\n  \
             - {{ id: b, btpServerPort: 0, httpServerPort: {http}, healthCheckPort: 0 }}\n\
             links: [{{ from: b, to: a, secret: ab }}, {{ from: a, to: b, secret: ab }}]\n\
             defaults: {{ peers: [{{ id: cli, relation: child, authToken: s }}] }}\n"
        ),
    );
    let output = command(&["up", path_text(&file), "--ping", "--for", "0.1"]);
    let said = combined_output(&output);
    assert!(output.status.success(), "{said}");
    for expected in [
        format!("note: port {btp} (btpServerPort of a) is in use; a has "),
        format!("BTP_SERVER_PORT=... ilp-connector ... --config {} --node a", path_text(&file)),
        format!("note: port {http} (httpServerPort of b) is in use; b has "),
        "10 packets sent, 10 fulfilled".to_owned(),
    ] {
        let found = expected.split("...").all(|part| said.contains(part));
        assert!(found, "{expected}: {said}");
    }
}
