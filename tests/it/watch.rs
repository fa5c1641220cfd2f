//! `watch`: one page for nodes that are processes of their own.

use std::io::Write as _;

use serde_json::Value;

use crate::cli::Line;
use crate::network::TestNetwork;
use crate::observer::{Reader, start_network};
use crate::peer::{TIMEOUT, TestNode, ask, get_json};
use crate::process::{Process, free_port, path_text, temp_folder, write_file};
use crate::support::eventually;

/// Starts `watch` with these arguments; also returns its port.
pub(crate) fn start_watch(arguments: &[&str]) -> (Process, u64) {
    let watch = Process::start(&[&["watch", "--port", "0"], arguments].concat(), []);
    let port = watch.wait_for_line("the page", |line| {
        let (_, url) = line.split_once("http://")?;
        url.split_once('/')?.0.rsplit_once(':')?.1.parse().ok()
    });
    (watch, port)
}

pub(crate) fn url(node: &TestNode) -> String {
    format!("http://127.0.0.1:{}", node.health_port)
}

fn ids<'v>(list: &'v Value, field: &str) -> Vec<&'v str> {
    list.as_array().unwrap().iter().map(|one| one[field].as_str().unwrap()).collect()
}

fn node<'v>(state: &'v Value, id: &str) -> &'v Value {
    state["nodes"].as_array().unwrap().iter().find(|node| node["id"] == id).unwrap()
}

#[test]
fn processes_are_one_network() {
    let line = Line::start("", "", "");
    let urls = [&line.a, &line.b, &line.c].map(url);
    let (watch, port) = start_watch(&[&urls[0], &urls[1], &urls[2]]);
    let top = get_json(port, "GET /api/v1");
    assert_eq!(top["nodes"], serde_json::json!(["a", "b", "c"]), "{top}");
    let links = get_json(port, "GET /api/v1/links");
    let known = ids(&links["links"], "id");
    assert!(known.contains(&"a~b") && known.contains(&"b~c"), "{links}");
    let nodes = get_json(port, "GET /api/v1/nodes");
    assert_eq!(node(&nodes, "b")["status"], "healthy", "{nodes}");
    assert_eq!(get_json(port, "GET /api/v1/nodes/c")["address"], "test.c");

    let mut reader = Reader::open(port, "topics=packets,rates,state,events");
    let hello = reader.find("hello", |_| true);
    assert_eq!(hello["nodes"], serde_json::json!(["a", "b", "c"]), "{hello}");
    reader.find("state", |state| node(state, "c")["status"] == "healthy");
    // Packets are seen once the streams of the nodes are open.
    let last = eventually("the way of a ping", TIMEOUT, || {
        line.ping("test.c");
        let packets = get_json(port, "GET /api/v1/packets?filter=node=c");
        let packet = packets["packets"][0].clone();
        let id = packet["id"].as_str().ok_or("no packet at c")?;
        let path = get_json(port, &format!("GET /api/v1/packets/{id}"));
        let hops = ids(&path["hops"], "node");
        if hops == ["a", "b", "c"] { Ok(packet) } else { Err(path.to_string()) }
    });
    let last = last.0;
    let streamed = reader.find("packet", |packet| packet["node"] == "c");
    assert_eq!(streamed["condition"], last["condition"]);
    let rates = reader.find("rates", |rates| {
        let links = rates["links"].as_array().unwrap();
        let has_passed =
            links.iter().any(|link| link["id"] == "b~c" && link["ab"]["fulfills"] != 0);
        // The figures of each node come over a stream of its own.
        has_passed && links[0]["balanceB"].is_string()
    });
    assert_eq!(rates["sampled"]["lost"], 0, "{rates}");

    let walk = get_json(port, "GET /api/v1/explain?node=a&destination=test.c&from=cli&amount=10");
    assert_eq!(ids(&walk["steps"], "node"), ["a", "b", "c"], "{walk}");
    assert_eq!(walk["ends"], "delivered");
    let routes = get_json(port, "GET /api/v1/nodes/b/routes");
    assert_eq!((&routes["nodeId"], &routes["total"]), (&"b".into(), &2.into()), "{routes}");
    line.ping("test.nobody");
    let reasons = get_json(port, "GET /api/v1/reasons");
    let rows = reasons["reasons"].as_array().unwrap();
    let of_b = rows.iter().find(|row| row["node"] == "b");
    assert_eq!(of_b.unwrap()["kind"], "noRoute", "{reasons}");
    let money = get_json(port, "GET /api/v1/money");
    assert!(ids(&money["peers"], "node").contains(&"c"), "{money}");
    let events = get_json(port, "GET /api/v1/events");
    assert!(ids(&events["events"], "node").contains(&"b"), "{events}");

    // A node that stops is never shown as it was.
    let (status, _) = line.b.stop("TERM");
    assert_eq!(status.code(), Some(0));
    // Events come at once, the state four times a second.
    reader.find("event", |event| event["kind"] == "node.unreachable" && event["node"] == "b");
    let state = reader.find("state", |state| node(state, "b")["status"] == "unreachable");
    let b = node(&state, "b");
    assert!(b["seenAt"].is_string() && b["reasons"][0].is_string(), "{b}");
    assert_eq!(b["peers"][0]["state"], "unknown", "{b}");
    let walk = get_json(port, "GET /api/v1/explain?node=a&destination=test.c");
    assert_eq!(walk["steps"][0]["node"], "a", "{walk}");
    let money = get_json(port, "GET /api/v1/money");
    let rows = money["peers"].as_array().unwrap();
    assert!(rows.iter().any(|row| row["node"] == "b" && row["seenAt"].is_string()), "{money}");

    watch.signal("TERM");
    let bye = reader.find("bye", |_| true);
    assert_eq!(bye["why"], "the page stops", "{bye}");
    assert_eq!(watch.wait_exit().0.code(), Some(0));
}

#[test]
fn each_node_gets_its_own_token_and_the_file_is_followed() {
    let folder = temp_folder();
    let start = |id: &str, token: &str| {
        let port = free_port();
        let yaml =
            format!("nodeId: {id}\nbtpServerPort: 0\nhealthCheckPort: {port}\napiToken: {token}\n");
        let file = write_file(&folder, &format!("{id}.yaml"), &yaml);
        let node = Process::start(&["run", "--config", path_text(&file)], []);
        node.wait_for_log("health server listening", "port");
        (node, file, u64::from(port))
    };
    let (_a, a_file, _) = start("a", "token-of-the-node-a");
    let (_b, b_file, b_port) = start("b", "token-of-the-node-b");
    let (watch, port) = start_watch(&[path_text(&a_file), path_text(&b_file)]);
    let status = |id: &str| {
        let nodes = get_json(port, "GET /api/v1/nodes");
        node(&nodes, id)["status"].as_str().unwrap().to_owned()
    };
    assert_eq!((status("a"), status("b")), ("healthy".to_owned(), "healthy".to_owned()));
    // Nothing that the page serves has a token.
    for page in
        ["GET /api/v1", "GET /api/v1/nodes", "GET /api/v1/events", "GET /api/v1/nodes/a/routes"]
    {
        let text = get_json(port, page).to_string();
        assert!(!text.contains("token-of-the-node"), "{page}: {text}");
    }

    // The file of b has another token than the node, which is refused.
    let text = std::fs::read_to_string(&b_file).unwrap();
    let mut file = std::fs::File::create(&b_file).unwrap();
    file.write_all(text.replace("token-of-the-node-b", "token-that-is-wrong").as_bytes()).unwrap();
    drop(file);
    // The node follows its file, so that the token of before is refused, and `watch` does too.
    eventually("b has its new token", TIMEOUT, || {
        match ask(b_port, "GET /api/v1", Some("token-of-the-node-b"), "") {
            (401, _) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
    eventually("b is read with its new token", TIMEOUT, || match status("b").as_str() {
        "healthy" => Ok(()),
        other => Err(other.to_owned()),
    });
    drop(watch);
}

#[test]
fn a_node_that_the_file_gains_is_read_and_one_that_it_loses_is_not() {
    let network = TestNetwork::from_example("examples/linear-3.yaml");
    let (_up, _) = start_network(&network, &[]);
    let text = std::fs::read_to_string(network.file()).unwrap();
    let without_c = |line: &&str| !line.contains("id: c,") && !line.contains("to: c,");
    let mut short = text.lines().filter(without_c).collect::<Vec<_>>().join("\n");
    short.push('\n');
    let folder = temp_folder();
    let file = write_file(&folder, "network.yaml", &short);
    let (_watch, port) = start_watch(&[path_text(&file)]);
    let wait_for = |expected: &[&str]| {
        eventually("the nodes of the file", TIMEOUT, || {
            let nodes = get_json(port, "GET /api/v1/nodes");
            let shown = ids(&nodes["nodes"], "id");
            if shown == expected { Ok(()) } else { Err(nodes.to_string()) }
        });
    };
    wait_for(&["a", "b"]);
    write_file(&folder, "network.yaml", &text);
    wait_for(&["a", "b", "c"]);
    write_file(&folder, "network.yaml", &short);
    wait_for(&["a", "b"]);
}

#[test]
fn two_readers_see_the_same_packets_of_busy_nodes() {
    let line = Line::start("", "", "");
    let urls = [&line.a, &line.b, &line.c].map(url);
    let (_watch, port) = start_watch(&[&urls[0], &urls[1], &urls[2]]);
    let mut readers = [0, 1].map(|_| Reader::open(port, "topics=packets"));
    for reader in &mut readers {
        reader.find("hello", |_| true);
    }
    // The first packets come before the streams of the nodes are open.
    eventually("a packet at c", TIMEOUT, || {
        line.ping("test.c");
        let packets = get_json(port, "GET /api/v1/packets?filter=node=c");
        match &packets["packets"][0] {
            Value::Object(_) => Ok(()),
            other => Err(other.to_string()),
        }
    });
    for _ in 0..20 {
        line.ping("test.c");
    }
    let newest = eventually("the last packet at c", TIMEOUT, || {
        let packets = get_json(port, "GET /api/v1/packets?filter=node=c");
        packets["packets"]
            .as_array()
            .filter(|all| all.len() > 20)
            .map(|all| all[0].clone())
            .ok_or_else(|| packets.to_string())
    });
    let newest = newest.0;
    let [first, second] = readers.map(|mut reader| {
        let mut seen = Vec::new();
        loop {
            let packet = reader.find("packet", |packet| packet["node"] == "c");
            seen.push(packet["id"].clone());
            if packet["id"] == newest["id"] {
                return seen;
            }
        }
    });
    assert_eq!(first, second);
    assert!(first.len() > 20, "{first:?}");
}

#[test]
fn a_page_for_others_needs_a_token_for_more_than_reading() {
    let node = TestNode::start("nodeId: n\n");
    let (_watch, port) = start_watch(&["--host", "0.0.0.0", &url(&node)]);
    let scopes = |port| get_json(port, "GET /api/v1")["scopes"].clone();
    assert_eq!(scopes(port), serde_json::json!(["read", "packets"]));
    let (_watch, port) = start_watch(&[&url(&node)]);
    assert_eq!(scopes(port).as_array().unwrap().len(), 4);

    let folder = temp_folder();
    let token = write_file(&folder, "page-token", "token-of-the-page\n");
    let arguments = ["--host", "0.0.0.0", "--page-token-file", path_text(&token), &url(&node)];
    let (_watch, port) = start_watch(&arguments);
    let refused = get_json(port, "GET /api/v1");
    assert_eq!(refused["status"], 401, "{refused}");
    assert!(refused["detail"].as_str().unwrap().contains("--page-token-file"), "{refused}");
    assert_eq!(get_json(port, "GET /health")["status"], "healthy");
    let with_token = |token| ask(port, "GET /api/v1", Some(token), "");
    assert_eq!(with_token("token-of-a-page").0, 401);
    let (status, top) = with_token("token-of-the-page");
    assert_eq!((status, top["scopes"].as_array().map(Vec::len)), (200, Some(4)), "{top}");
}

#[test]
fn of_two_processes_with_one_id_the_one_that_answers_is_shown() {
    let (first, second) = (TestNode::start("nodeId: n\n"), TestNode::start("nodeId: n\n"));
    let (_watch, port) = start_watch(&[&url(&first), &url(&second)]);
    let shown = || {
        let state = get_json(port, "GET /api/v1/nodes");
        let nodes = state["nodes"].as_array().unwrap();
        assert_eq!(nodes.len(), 1, "{state}");
        (nodes[0]["status"].clone(), nodes[0]["reasons"].clone())
    };
    eventually("the node names the other one", TIMEOUT, || match shown() {
        (status, reasons) if status == "healthy" && reasons[0].is_string() => {
            let expected =
                format!("{} is a node with this id, too; name each node once", url(&second));
            assert_eq!(reasons, serde_json::json!([expected]));
            Ok(())
        }
        other => Err(format!("{other:?}")),
    });
    let (status, _) = first.stop("TERM");
    assert_eq!(status.code(), Some(0));
    eventually("only the second one is left", TIMEOUT, || match shown() {
        (status, reasons) if status == "healthy" && reasons == serde_json::json!([]) => Ok(()),
        other => Err(format!("{other:?}")),
    });
    let routes = get_json(port, "GET /api/v1/nodes/n/routes");
    assert_eq!(routes["nodeId"], "n", "{routes}");
}

#[test]
fn the_page_of_watch_does_not_read_itself() {
    let port = free_port();
    let own = format!("http://127.0.0.1:{port}");
    let text = port.to_string();
    let watch = Process::start(&["watch", "--port", &text, &own], []);
    watch.wait_for_line("the page", |line| line.contains("http://").then_some(()));
    let nodes = get_json(port.into(), "GET /api/v1/nodes");
    let reason = nodes["nodes"][0]["reasons"][0].as_str().unwrap();
    assert!(reason.contains("this is the page itself"), "{nodes}");
}
