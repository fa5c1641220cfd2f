//! Which files a command reads: several, and the one of the Debian package if it names none.

use std::process::Command;

use serde_json::Value;

use super::{check_ended, command, ended};
use crate::process::{Process, TIMEOUT, free_port, path_text, temp_folder, write_file};
use crate::support::{PROGRAM, combined_output, eventually, run, skip};

/// Two nodes with files of their own, which run.
struct Pair {
    a: String,
    b: String,
    _folder: tempfile::TempDir,
    _nodes: [Process; 2],
}

impl Pair {
    fn start() -> Self {
        let folder = temp_folder();
        let [btp_a, btp_b] = [free_port(), free_port()];
        let start = |id: &str, btp: u16, rest: &str| {
            let text = format!(
                "nodeId: {id}\nilpAddress: test.{id}\nbtpServerHost: 127.0.0.1\nbtpServerPort: {btp}\n\
                 healthCheckHost: 127.0.0.1\nhealthCheckPort: {}\n{rest}",
                free_port()
            );
            let file = write_file(&folder, &format!("{id}.yaml"), &text);
            let file = path_text(&file).to_owned();
            (Process::start(&["run", "--config", &file], []), file)
        };
        let (node_b, b) = start(
            "b",
            btp_b,
            "peers:\n  - { id: a, authToken: ab, required: true }\n  - { id: far, authToken: x }\n\
             routes:\n  - { prefix: test.a, nextHop: a }\n  - { prefix: test.far, nextHop: far }\n",
        );
        let (node_a, a) = start(
            "a",
            btp_a,
            &format!(
                "peers:\n  - {{ id: b, url: 'ws://127.0.0.1:{btp_b}', authToken: ab }}\n  \
                   - {{ id: cli, relation: child, authToken: t }}\n\
                 routes:\n  - {{ prefix: test.b, nextHop: b }}\n  - {{ prefix: test.b, nextHop: cli, priority: -1 }}\n"
            ),
        );
        let pair = Self { a, b, _folder: folder, _nodes: [node_a, node_b] };
        for file in [&pair.a, &pair.b] {
            eventually("it is healthy", TIMEOUT, || {
                let output = command(&["healthcheck", "--config", file]);
                if output.status.success() { Ok(()) } else { Err(combined_output(&output)) }
            });
        }
        pair
    }
}

#[test]
fn each_command_that_looks_at_nodes_takes_several_files() {
    let pair = Pair::start();
    let (a, b) = (pair.a.as_str(), pair.b.as_str());
    let check = |arguments: &[&str], code: i32, expected: &[&str]| {
        check_ended(ended(&command(arguments)), code, expected)
    };
    let link = ["\na - b    up "];
    let flags = ["--config", a, "--config", b];
    let of_both = |arguments: &[&'static str]| [arguments, &flags[..]].concat();
    check(&of_both(&["top"]), 0, &link);
    let way = ["a  forwards to b: ", "\nb  delivers: ", "\nthe packet arrives"];
    check(&of_both(&["explain", "test.b"]), 0, &way);
    // Without a number of packets: of the first ones, it may see one node only.
    let tap = Process::start(&of_both(&["tap", "--path"]), []);
    eventually("a packet over both nodes", TIMEOUT, || {
        command(&["ping", "test.b", "-c", "1", "--config", a]);
        let lines = tap.output_lines();
        // A line of its own is before each packet.
        let is_of_both =
            |pair: &[String]| pair[0].starts_with("  a ") && pair[1].starts_with("  b ");
        if lines.windows(2).any(is_of_both) { Ok(()) } else { Err(lines.join("\n")) }
    });
    // The others take them without a flag as well, and mixed.
    let all = ["2 nodes, all healthy"];
    check(&["status", a, b], 0, &all);
    check(&of_both(&["status"]), 0, &all);
    for named in [&[a, b][..], &[a, "--config", b][..], &flags[..]] {
        check(&[&["edges"], named].concat(), 0, &link);
        check(&[&["events"], named].concat(), 0, &["  a         info   b connected"]);
        check(&[&["rates"], named].concat(), 0, &["no rate is needed"]);
    }
    // One of them.
    check(&["status", a, b, "--node", "b"], 0, &["1 node, healthy"]);
    check(&["events", a, b, "--node", "b"], 0, &["  b         info   a connected"]);
    check(&["edges", a, b, "--node", "z"], 64, &["none of these files has the node z"]);
    check(&["edges", "http://127.0.0.1:1", "--node", "b"], 64, &["--node is a node of a file"]);
}

#[test]
fn routes_of_several_nodes_and_of_one_address() {
    let pair = Pair::start();
    let (a, b) = (pair.a.as_str(), pair.b.as_str());
    let check = |arguments: &[&str], code: i32, expected: &[&str]| {
        check_ended(ended(&command(arguments)), code, expected)
    };
    let said = check(&["routes", a, b], 0, &["NODE  PREFIX", " of 2 nodes"]);
    let words = |node: &str, prefix: &str, hop: &str| -> Vec<String> {
        let rows = said.lines().map(|line| {
            line.split("  ")
                .map(str::trim)
                .filter(|cell| !cell.is_empty())
                .map(str::to_owned)
                .collect::<Vec<_>>()
        });
        let mut found = rows.filter(|row| row.len() > 3 && row[..3] == [node, prefix, hop]);
        found.next().unwrap_or_else(|| panic!("no {node} {prefix} {hop} in {said}"))
    };
    assert_eq!(
        words("a", "test.b", "b")[3..],
        ["configured", "peer", "0", "used", "priority 0 is the highest"]
    );
    assert_eq!(
        words("a", "test.b", "cli")[3..],
        ["configured", "child", "-1", "down", "not connected"]
    );
    assert_eq!(
        words("b", "test.far", "far")[3..],
        ["configured", "peer", "0", "down", "not connected"]
    );
    check(
        &["routes", a, b, "--node", "b", "--limit", "1"],
        0,
        &["b has 1 more (see --limit)", "1 prefix of 1 node"],
    );

    let to = "test.b.shop";
    check(&["routes", a, "--destination", to], 0, &["a: forwards to b: longest prefix \"test.b\""]);
    check(&["routes", a, b, "--destination", "test.b"], 0, &["b: delivers: it is this node's own"]);
    check(&["routes", b, "--destination", "test.far"], 1, &["b: rejects with T01: "]);
    check(&["routes", b, "--destination", "test.zebra"], 1, &["b: rejects with F02: "]);
    check(&["routes", b, "--destination", "nowhere"], 64, &["--destination"]);
    check(&["routes", "http://127.0.0.1:1"], 1, &["is the node running?"]);

    let json = |arguments: &[&str]| -> Value {
        serde_json::from_slice(&command(arguments).stdout).unwrap()
    };
    let tables = json(&["routes", a, b, "--json"]);
    let nodes = tables["nodes"].as_array().unwrap();
    assert_eq!((&nodes[0]["nodeId"], &nodes[1]["nodeId"]), (&"a".into(), &"b".into()), "{tables}");
    assert_eq!(nodes[0]["total"], nodes[0]["routes"].as_array().unwrap().len());
    let route = json(&["routes", a, "--destination", to, "--json"]);
    assert_eq!(route["nodes"][0]["nextHop"], "b", "{route}");
}

/// The namespaces have an empty `/etc`, which the file of the package is put into.
const SCRIPT: &str = r#"
mount -t tmpfs none /etc || exit 99
ip link set lo up || exit 99
"$PROGRAM" status; echo "before: $?"
mkdir /etc/ilp-connector
cp node.yaml /etc/ilp-connector/node.yaml
"$PROGRAM" run --config node.yaml > log 2>&1 &
node=$!
timeout 20 sh -c 'until "$PROGRAM" healthcheck; do :; done' > health.log 2>&1 || cat health.log log
"$PROGRAM" status; echo "after: $?"
"$PROGRAM" ping test.n -c 1; echo "ping: $?"
"$PROGRAM" ledger balances; echo "ledger: $?"
NODE_ID=m "$PROGRAM" status; echo "another: $?"
CONFIG_FILE=none.yaml "$PROGRAM" status; echo "named: $?"
kill "$node"
"#;

#[test]
fn the_file_of_the_package_is_the_last_place_to_look() {
    let folder = temp_folder();
    let store = folder.path().join("n.db");
    let text = format!(
        "nodeId: n\nbtpServerPort: 3333\nhealthCheckPort: 8888\nstore: {}\n\
         peers: [{{ id: cli, relation: child, authToken: a-token-of-tools }}]\n",
        path_text(&store)
    );
    write_file(&folder, "node.yaml", &text);
    let alone = ["--user", "--map-root-user", "--net", "--mount", "sh", "-c", SCRIPT];
    let mut command = Command::new("unshare");
    let command = command.args(alone).current_dir(folder.path()).env_clear();
    let path = std::env::var("PATH").unwrap_or_default();
    let command = command.env("PROGRAM", PROGRAM).env("PATH", path);
    if let Err(error) = Command::new("unshare").arg("--version").output() {
        return skip("the file of the package", &format!("`unshare` does not run: {error}"));
    }
    let output = run(command);
    let said = combined_output(&output);
    if output.status.code() == Some(99) || said.contains("unshare failed") {
        return skip("the file of the package", "no namespaces can be made here (unshare, mount)");
    }
    let expected = ["before: 1", "after: 0", "ping: 0", "ledger: 0", "another: 1", "named: 64"];
    check_ended((Some(0), said.clone()), 0, &expected);
    assert!(said.contains("8080: ") && said.contains("1 node, healthy"), "{said}");
}
