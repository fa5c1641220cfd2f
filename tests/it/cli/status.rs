//! `status` over real nodes, and `graph`.

use std::process::Command;

use serde_json::Value;

use super::{Line, check_ended, command, ended};
use crate::peer::TestNode;
use crate::process::{Process, TIMEOUT, free_port, path_text, temp_folder, write_file};
use crate::support::{PROGRAM, combined_output, eventually, run, skip, text};

fn url(node: &TestNode) -> String {
    format!("http://127.0.0.1:{}", node.health_port)
}

#[test]
fn a_line_of_nodes_and_then_one_stops() {
    let line = Line::start("", "", "");
    let (a, b, c) = (url(&line.a), url(&line.b), url(&line.c));
    let via = super::via(&line.a);
    let sent = command(&["send", "test.c", "--count", "5", "--amount", "1000", "--via", &via]);
    assert!(sent.status.success(), "{}", combined_output(&sent));

    let arguments = ["status", &a, &b, &c];
    let said = check_ended(
        ended(&command(&arguments)),
        0,
        &[
            "3 nodes, all healthy\n",
            "NODE  STATE    PEERS  ADDRESS",
            "NODE  PEER       STATE ",
            "LAST ERROR\n",
            "USD/9",
            " 5,000  USD/9  -\n",
            " -5,000  USD/9  -\n",
        ],
    );
    // Tools have disconnected.
    assert!(said.contains("\na     healthy    1/1  test.a"), "{said}");
    let output = command(&[&arguments[..], &["--json"]].concat());
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["healthy"], true, "{report}");
    assert_eq!(report["nodes"][1]["id"], "b");
    assert_eq!(report["nodes"][1]["peers"][0]["state"], "connected");
    assert_eq!(report["nodes"][1]["peers"][0]["balance"], "5000");

    let (status, _) = line.b.stop("TERM");
    assert_eq!(status.code(), Some(0));
    eventually("a reports b", TIMEOUT, || {
        let said = combined_output(&command(&arguments));
        if said.contains("required peer b is not connected") { Ok(()) } else { Err(said) }
    });
    let said = check_ended(
        ended(&command(&arguments)),
        1,
        &["2 of 3 unhealthy:\n", "  a: required peer b is not connected", "Connection refused"],
    );
    assert!(said.contains("is the node running?"), "{said}");
    // Nodes with problems come first; an id that no answer has said is the address.
    let first = said.lines().skip_while(|line| !line.starts_with("NODE")).nth(1).unwrap();
    assert!(!first.starts_with("c "), "{said}");
    let report: Value =
        serde_json::from_slice(&command(&[&arguments[..], &["--json"]].concat()).stdout).unwrap();
    assert_eq!(
        (&report["healthy"], &report["nodes"][1]["status"]),
        (&false.into(), &"no answer".into())
    );
}

#[test]
fn balances_need_the_token_of_the_node() {
    let node = TestNode::with_peers(&["p"], "apiToken: right-token-of-the-node\n");
    let folder = temp_folder();
    let right = write_file(&folder, "right", "right-token-of-the-node\n");
    let wrong = write_file(&folder, "wrong", "wrong-token\n");
    let missing = folder.path().join("none");
    let url = url(&node);
    let check = |more: &[&str], code: i32, expected: &str| {
        let output = command(&[&["status", &url, "--all"], more].concat());
        let said = check_ended(ended(&output), code, &[expected]);
        assert!(!said.contains("-token-of") && !said.contains("wrong-token"), "a secret: {said}");
        said
    };
    // Health is open to all.
    let said = check(&[], 0, "no balances of n: it has an apiToken; give it with --token-file");
    assert!(said.contains("1 node, healthy") && said.contains("n     p     waiting"), "{said}");
    check(&["--token-file", path_text(&wrong)], 0, "no balances of n: it refuses the token");
    let said = check(&["--token-file", path_text(&right)], 0, "USD/9");
    assert!(!said.contains("no balances"), "{said}");
    check(&["--token-file", path_text(&missing)], 64, "--token-file ");
    let output = run(Command::new(PROGRAM)
        .args(["status", &url])
        .env_clear()
        .env("API_TOKEN", "right-token-of-the-node"));
    assert!(!text(&output.stdout).contains("no balances"), "{}", combined_output(&output));
}

#[test]
fn no_node_and_no_answer() {
    let folder = temp_folder();
    let (port, other) = (free_port(), free_port());
    let file = write_file(
        &folder,
        "net.yaml",
        &format!(
            "nodes:\n  - {{ id: a, healthCheckPort: {port} }}\n  - {{ id: b, healthCheckPort: {other} }}\n\
             links: [{{ from: a, to: b, secret: s3cret-a-b }}]\n"
        ),
    );
    let check = |arguments: &[&str], code: i32, expected: &[&str]| {
        check_ended(ended(&command(&[&["status"], arguments].concat())), code, expected)
    };
    let start = format!("start it with `ilp-connector up {}`", path_text(&file));
    let said = check(&[path_text(&file)], 1, &["2 of 2 unhealthy:", "  b: no answer: ", &start]);
    assert!(said.contains("\na     no answer"), "{said}");
    check(&["--config", path_text(&file), "--node", "b"], 1, &["1 of 1 unhealthy: b: no answer"]);
    check(&["--config", path_text(&file), "--node", "x"], 64, &["nodes: a, b"]);

    // A server that accepts and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    check(&[&url, "--timeout", "0.2"], 1, &["no answer: no answer within 200ms"]);
    // Another program.
    let node = TestNode::start("nodeId: z\n");
    let url = format!("http://127.0.0.1:{}", node.port);
    check(&[&url], 1, &["1 of 1 unhealthy: "]);

    check(&["ftp://h"], 64, &["the URL of a node's pages looks like"]);
    check(&["/nowhere.yaml"], 64, &["/nowhere.yaml"]);
    check(&["http://h", "--config", "x"], 64, &["x: no such file"]);
    check(&["http://h", "--node", "a"], 64, &["leave it out, or name only files"]);
    check(&["http://127.0.0.1:1", "--watch"], 64, &["--watch draws on a terminal"]);
}

#[test]
fn another_node_at_the_port_is_said() {
    let node = TestNode::start("nodeId: z\n");
    let folder = temp_folder();
    let file = format!("nodeId: a\nhealthCheckPort: {}\n", node.health_port);
    let file = write_file(&folder, "a.yaml", &file);
    check_ended(
        ended(&command(&["status", path_text(&file)])),
        1,
        &["a: another node: the node z answers at http://127.0.0.1:"],
    );
}

#[test]
fn a_watch_draws_until_q() {
    if let Err(error) = Command::new("script").arg("--version").output() {
        return skip("status --watch", &format!("`script` does not run: {error}"));
    }
    let node = TestNode::start("nodeId: z\n").wait_healthy();
    let watch = format!("exec {PROGRAM} status {} --watch", url(&node));
    let mut terminal = Process::spawn(
        Command::new("script").args(["-qec", &watch, "/dev/null"]).env("TERM", "xterm"),
    );
    terminal
        .wait_for_line("the node is shown", |line| line.contains("1 node, healthy").then_some(()));
    // The keys may come before the terminal gives them one by one.
    terminal.write_stdin("q\n");
    let (status, lines) = terminal.wait_exit();
    assert_eq!(status.code(), Some(0), "{lines:#?}");
    let screen = lines.join("\n");
    assert!(screen.contains("\x1b[?1049h") && screen.contains("\x1b[?1049l"), "{screen}");
}

#[test]
fn a_graph_needs_no_node() {
    check_ended(
        ended(&command(&["graph", "examples/ring.yaml"])),
        0,
        &["flowchart LR\n", "[\"a<br/>test.a\"]"],
    );
    let dot = command(&["graph", "examples/ring.yaml", "--as", "dot"]);
    check_ended(ended(&dot), 0, &["digraph network {\n"]);
    check_ended(ended(&command(&["graph", "/nowhere.yaml"])), 64, &["/nowhere.yaml"]);
    check_ended(ended(&command(&["graph", "a.yaml", "--as", "svg"])), 64, &["mermaid, dot"]);
}
