//! The lab of a real `up --lab`: each fault breaks what it says, and everything is as before when it is over.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::network::TestNetwork;
use crate::observer::start_network;
use crate::peer::{TIMEOUT, TestNode, ask, get_json, try_http_get};
use crate::process::{Process, path_text, temp_folder};
use crate::support::{PROGRAM, combined_output, eventually, run};

/// A line of three nodes without balances that survive, and its page.
struct LabNetwork {
    network: TestNetwork,
    port: u64,
    process: Process,
}

impl LabNetwork {
    fn start(network: TestNetwork) -> Self {
        Self::start_with(network, &["--lab"])
    }

    fn start_with(network: TestNetwork, flags: &[&str]) -> Self {
        let (process, port) = start_network(&network, flags);
        Self { network, port, process }
    }

    fn line() -> Self {
        let started = Self::start(TestNetwork::from_example("examples/linear-3.yaml"));
        started.network.wait_reachable("a", "test.c");
        started
    }

    /// Sends a request of the lab. Returns status and body.
    fn request(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        self.request_with(method, path, body, None)
    }

    /// The same with a token.
    fn request_with(
        &self,
        method: &str,
        path: &str,
        body: &Value,
        token: Option<&str>,
    ) -> (u16, Value) {
        let request = format!("{method} /api/v1/lab{path}");
        ask(self.port, &request, token, &body.to_string())
    }

    /// Breaks something.
    fn set(&self, body: Value) -> Value {
        let (status, fault) = self.request("POST", "", &body);
        assert_eq!(status, 200, "{body}: {fault}");
        fault
    }

    fn refused(&self, body: Value, status: u16, part: &str) {
        let answer = self.request("POST", "", &body);
        let detail = answer.1["detail"].as_str().unwrap_or_default();
        assert!(answer.0 == status && detail.contains(part), "{body}: {answer:?}");
    }

    fn undo(&self, fault: &Value) {
        let (status, undone) =
            self.request("DELETE", &format!("/{}", fault["id"].as_str().unwrap()), &json!({}));
        assert_eq!((status, &undone["id"]), (200, &fault["id"]), "{undone}");
    }

    /// Null: there is none.
    fn link(&self, id: &str) -> Value {
        let links = get_json(self.port, "/api/v1/links");
        let mut links = links["links"].as_array().unwrap().iter();
        links.find(|link| link["id"] == id).cloned().unwrap_or_default()
    }

    fn wait_link(&self, id: &str, state: &str) -> Value {
        let what = format!("{id} is {state}");
        let found = eventually(&what, TIMEOUT, || {
            let link = self.link(id);
            if link["state"] == state { Ok(link) } else { Err(link.to_string()) }
        });
        found.0
    }

    /// The faults that are over, the newest first.
    fn ended(&self) -> Vec<Value> {
        get_json(self.port, "/api/v1/lab")["ended"].as_array().unwrap().clone()
    }

    fn faults(&self) -> usize {
        get_json(self.port, "/api/v1/lab")["faults"].as_array().unwrap().len()
    }

    fn wait_ended(&self, fault: &Value, how: &str) -> Value {
        let what = format!("{fault} is over");
        let found = eventually(&what, TIMEOUT, || {
            let ended = self.ended();
            let found = ended.iter().find(|ended| ended["id"] == fault["id"]);
            found.cloned().ok_or_else(|| format!("{ended:?}"))
        });
        assert_eq!(found.0["how"], how, "{}", found.0);
        found.0
    }

    /// Sends packets from `a` to `c`, and returns what became of them.
    fn burst(&self, count: u64) -> Value {
        let burst = self.set(json!({
            "kind": "burst", "from": "a", "to": "c", "count": count, "perSecond": 10_000, "amount": "3",
        }));
        self.wait_ended(&burst, "done")["result"].clone()
    }

    fn kinds_of_events(&self, of: &str) -> Vec<String> {
        let events = get_json(self.port, "/api/v1/events");
        let events = events["events"].as_array().unwrap();
        let of = events.iter().filter(|event| event["fields"]["id"] == of);
        of.map(|event| event["kind"].as_str().unwrap().to_owned()).collect()
    }
}

#[test]
fn a_cut_link_is_down_until_it_is_over() {
    let lab = LabNetwork::line();
    assert_eq!(
        get_json(lab.port, "/api/v1")["features"],
        json!(["lab", "probes", "settlements", "books"])
    );
    let cut = lab.set(json!({ "kind": "cut", "link": "b~c", "ttlSeconds": 3600 }));
    let link = lab.wait_link("b~c", "down");
    let error = link["lastError"].as_str().unwrap();
    assert!(error.starts_with("the lab has cut this link"), "{error}");
    let refused = lab.burst(2);
    assert_eq!(refused["rejected"], json!({ "T01": 2 }), "{refused}");
    let reasons = get_json(lab.port, "/api/v1/reasons");
    assert!(reasons.to_string().contains("next hop c is not connected"), "{reasons}");
    lab.undo(&cut);
    lab.wait_link("b~c", "up");
    assert_eq!(lab.burst(2)["fulfilled"], 2);
    assert_eq!(lab.kinds_of_events(cut["id"].as_str().unwrap()), ["lab.set", "lab.ended"]);

    let short = lab.set(json!({ "kind": "cut", "link": "b~c", "ttlSeconds": 1 }));
    lab.wait_link("b~c", "down");
    lab.wait_ended(&short, "expired");
    lab.wait_link("b~c", "up");
    assert_eq!(lab.burst(2)["fulfilled"], 2);
    // The history goes on without a stream.
    eventually("the history has the packets", TIMEOUT, || {
        let history = get_json(lab.port, "/api/v1/links/a~b/history");
        let points = history["points"].as_array().unwrap();
        let busy = points.iter().filter(|point| point["abPerSecond"] != 0.0).count();
        let buckets = history["buckets"].as_array().unwrap();
        let answers: u64 = buckets.iter().map(|bucket| bucket["count"].as_u64().unwrap()).sum();
        if busy > 0 && answers >= 4 { Ok(()) } else { Err(history.to_string()) }
    });
    let nodes = get_json(lab.port, "/api/v1/history");
    assert_eq!(nodes["nodes"].as_array().unwrap().len(), 3, "{nodes}");
    assert_eq!(lab.kinds_of_events(short["id"].as_str().unwrap()), ["lab.set", "lab.expired"]);
    assert_eq!(lab.faults(), 0);
}

#[test]
fn a_slow_link_takes_longer_both_ways_and_loses_nothing() {
    let lab = LabNetwork::line();
    let round_trip = || {
        let burst = lab.burst(1);
        assert_eq!(burst["fulfilled"], 1, "{burst}");
        let ended = &lab.ended()[0];
        let time = |key: &str| {
            let text = ended[key].as_str().unwrap();
            let (_, seconds) = text.rsplit_once(':').unwrap();
            seconds.trim_end_matches('Z').parse::<f64>().unwrap()
        };
        (time("endedAt") - time("setAt")).rem_euclid(60.0)
    };
    let slow = lab.set(json!({ "kind": "delay", "link": "a~b", "delayMs": 300, "ttlSeconds": 60 }));
    assert_eq!(slow["value"], "300 ms");
    assert!(round_trip() >= 0.59, "there and back");
    let slower =
        lab.set(json!({ "kind": "delay", "link": "a~b", "delayMs": 500, "ttlSeconds": 60 }));
    lab.wait_ended(&slow, "replaced");
    assert!(round_trip() >= 0.99);
    lab.undo(&slower);
    eventually("a round trip without the delay", TIMEOUT, || match round_trip() {
        fast if fast < 0.99 => Ok(()),
        slow => Err(format!("{slow} s")),
    });
    assert_eq!(lab.link("a~b")["state"], "up");
}

#[test]
fn a_lossy_link_loses_packets_which_then_expire() {
    let example = include_str!("../../examples/linear-3.yaml");
    // A hop keeps a packet for little more than a second, so that lost ones expire soon.
    let folder = temp_folder();
    let logs = path_text(folder.path());
    let more = format!(
        "defaults:\n  minMessageWindowMs: 10\n  maxHoldTimeMs: 2000\n  maxPacketsInFlight: 5\n  auditLog: {logs}/\n"
    );
    let text = example.replacen("defaults:\n", &more, 1);
    let lab = LabNetwork::start(TestNetwork::from_text(&text));
    lab.network.wait_reachable("a", "test.c");
    let lossy =
        lab.set(json!({ "kind": "drop", "link": "b~c", "dropPercent": 100, "ttlSeconds": 60 }));
    assert_eq!(lossy["value"], "100 %");
    assert_eq!(lab.burst(5)["rejected"], json!({ "R00": 5 }));
    let packets = get_json(lab.port, "/api/v1/packets?filter=code%3DR00%20from%3Da");
    let packet = &packets["packets"][0];
    assert_eq!(packet["reason"]["text"], "next hop c did not answer in time", "{packets}");
    assert_eq!(lab.link("b~c")["state"], "up", "its sessions live");
    // No client has a stream.
    eventually("the limit on packets in flight was near", TIMEOUT, || {
        let events = get_json(lab.port, "/api/v1/events").to_string();
        if events.contains("100 % of maxPacketsInFlight is used") { Ok(()) } else { Err(events) }
    });
    lab.undo(&lossy);
    assert_eq!(lab.burst(5)["fulfilled"], 5);
    lab.refused(json!({ "kind": "drop", "link": "b~c", "dropPercent": 101 }), 400, "from 1 to 100");
    for node in ["b", "c"] {
        let log = folder.path().join(format!("{node}.audit.jsonl"));
        eventually("the log has all verbs", TIMEOUT, || {
            let log = std::fs::read_to_string(&log).unwrap();
            let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            let verbs = lines.filter(|line| line["kind"] == "verb").map(|line| {
                let text = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
                [text("verb"), text("target"), text("outcome")].join(" ")
            });
            let expected = ["lab.set b~c accepted", "lab.undo b~c accepted", "lab.set b~c refused"];
            if verbs.collect::<Vec<_>>() == expected { Ok(()) } else { Err(log) }
        });
    }
}

#[test]
fn a_stopped_node_is_gone_and_starts_again() {
    let lab = LabNetwork::line();
    let before = lab.burst(10);
    assert_eq!(before["fulfilled"], 10);
    let stop = lab.set(json!({ "kind": "stopNode", "node": "b", "ttlSeconds": 3600 }));
    assert!(stop["note"].as_str().unwrap().contains("has no store"), "{stop}");
    let port = u64::from(lab.network.ports("b").1);
    eventually("b does not listen", TIMEOUT, || match try_http_get(port, "/health") {
        Err(_) => Ok(()),
        Ok(answer) => Err(format!("{answer:?}")),
    });
    let node = get_json(lab.port, "/api/v1/nodes/b");
    assert_eq!(node["status"], "stopped");
    assert!(node["reasons"][0].as_str().unwrap().contains("stopped by the lab until"), "{node}");
    for link in ["a~b", "b~c"] {
        assert_eq!(lab.wait_link(link, "down")["kind"], "peer", "links keep their names");
    }
    assert_eq!(lab.burst(2)["rejected"], json!({ "T01": 2 }));
    lab.refused(json!({ "kind": "burst", "from": "b", "to": "c" }), 400, "stopped by the lab");
    // A reload does not start it.
    lab.network.edit(|text| text.replacen("  - id: c\n", "  - id: c\n  - id: d\n", 1));
    lab.network.wait_health("d", 200);
    assert!(try_http_get(port, "/health").is_err());

    let again = lab.set(json!({ "kind": "stopNode", "node": "b", "ttlSeconds": 1 }));
    lab.wait_ended(&stop, "replaced");
    lab.wait_ended(&again, "expired");
    lab.network.wait_health("b", 200);
    for link in ["a~b", "b~c"] {
        lab.wait_link(link, "up");
    }
    assert_eq!(lab.burst(10)["fulfilled"], 10);
    assert_eq!(get_json(lab.port, "/api/v1/nodes/b")["status"], "healthy");
    // Ten packets of 3 before, ten after: a remembers both, b only those since its start.
    let money = get_json(lab.port, "/api/v1/money");
    let out = |node: &str, peer: &str, key: &str| {
        let peers = money["peers"].as_array().unwrap();
        let row = peers.iter().find(|row| row["node"] == node && row["peer"] == peer).unwrap();
        row[key].as_str().unwrap().parse::<u64>().unwrap()
    };
    assert!(out("a", "b", "volumeOut") >= 60, "{money}");
    assert_eq!(out("b", "c", "volumeOut"), 30, "{money}");
}

#[test]
fn commands_say_that_the_lab_has_stopped_a_node_and_how_it_starts() {
    let lab = LabNetwork::line();
    lab.set(json!({ "kind": "stopNode", "node": "b", "ttlSeconds": 3600 }));
    let port = u64::from(lab.network.ports("b").1);
    eventually("b does not listen", TIMEOUT, || match try_http_get(port, "/health") {
        Err(_) => Ok(()),
        Ok(answer) => Err(format!("{answer:?}")),
    });
    let page = format!("when you undo that in the lab of http://127.0.0.1:{}/", lab.port);
    for arguments in [&["explain", "test.c"][..], &["edges"], &["status"], &["routes"]] {
        let arguments = [arguments, &["--config", lab.network.file()]].concat();
        let said = combined_output(&run(Command::new(PROGRAM).args(&arguments).env_clear()));
        assert!(said.contains("stopped by the lab until"), "{arguments:?}: {said}");
        assert!(said.contains(&page) && !said.contains("start it with"), "{arguments:?}: {said}");
    }
}

#[test]
fn faults_end_with_what_they_broke() {
    let lab = LabNetwork::line();
    let cut = lab.set(json!({ "kind": "cut", "link": "b~c", "ttlSeconds": 3600 }));
    let slow = lab.set(json!({ "kind": "delay", "link": "a~b", "delayMs": 1, "ttlSeconds": 3600 }));
    lab.network.edit(|text| {
        text.lines()
            .filter(|line| !line.contains("to: c"))
            .map(|line| format!("{line}\n"))
            .collect()
    });
    lab.wait_ended(&cut, "gone");
    assert_eq!(lab.faults(), 1, "the other link is still there");
    lab.undo(&slow);
    lab.network.edit(|text| {
        text.replacen("links:\n", "links:\n  - { from: b, to: c, secret: again }\n", 1)
    });
    lab.wait_link("b~c", "up");
    let (status, _) =
        lab.request("DELETE", &format!("/{}", cut["id"].as_str().unwrap()), &json!({}));
    assert_eq!(status, 404, "it is over already");
}

#[test]
fn links_over_http_can_be_cut_and_slow() {
    let lab = LabNetwork::start(TestNetwork::from_example("examples/http-links.yaml"));
    let links = get_json(lab.port, "/api/v1/links");
    let links = links["links"].as_array().unwrap();
    let link =
        links.iter().find(|link| link["kind"] == "peer" && link["transport"] != "btp").unwrap();
    let id = link["id"].as_str().unwrap().to_owned();
    lab.refused(json!({ "kind": "drop", "link": id, "dropPercent": 5 }), 400, "over HTTP");
    let cut = lab.set(json!({ "kind": "cut", "link": id, "ttlSeconds": 3600 }));
    lab.wait_link(&id, "down");
    lab.undo(&cut);
    lab.wait_link(&id, "up");
    lab.network.wait_reachable("b", "test.c");
    let slow = lab.set(json!({ "kind": "delay", "link": id, "delayMs": 200, "ttlSeconds": 60 }));
    let began = Instant::now();
    let burst = lab.set(json!({ "kind": "burst", "from": "b", "to": "c", "count": 1 }));
    assert_eq!(lab.wait_ended(&burst, "done")["result"]["fulfilled"], 1);
    assert!(began.elapsed() >= Duration::from_millis(400), "there and back");
    lab.undo(&slow);
}

/// Its log is closed, and its token still guards the pages.
#[test]
fn a_stopped_node_with_a_token_still_requires_it() {
    let text = "nodes:\n  - id: a\nlinks: []\ndefaults:\n  apiToken: only-for-tests-of-the-lab\n";
    let network = TestNetwork::from_text(text);
    let lab = LabNetwork::start(network);
    let stop = json!({ "kind": "stopNode", "node": "a", "ttlSeconds": 3600 });
    assert_eq!(lab.request("POST", "", &stop).0, 401);
    let with_token = |method: &str, path: &str, body: &Value| {
        lab.request_with(method, path, body, Some("only-for-tests-of-the-lab"))
    };
    let (status, fault) = with_token("POST", "", &stop);
    assert_eq!((status, &fault["by"]), (200, &"apiToken".into()), "{fault}");
    let own = u64::from(lab.network.ports("a").1);
    eventually("a does not listen", TIMEOUT, || match try_http_get(own, "/health") {
        Err(_) => Ok(()),
        Ok(answer) => Err(format!("{answer:?}")),
    });
    assert_eq!(try_http_get(lab.port, "/api/v1/nodes").unwrap().0, 401);
    let id = format!("/{}", fault["id"].as_str().unwrap());
    assert_eq!(lab.request("DELETE", &id, &json!({})).0, 401);
    assert_eq!(with_token("DELETE", &id, &json!({})).0, 200);
    lab.network.wait_health("a", 200);
    // The program ends at once, also while a node is stopped.
    assert_eq!(with_token("POST", "", &stop).0, 200);
    lab.process.signal("TERM");
    assert!(lab.process.wait_exit().0.success());
}

#[test]
fn mistakes_say_what_is_possible() {
    let lab = LabNetwork::line();
    lab.refused(json!({ "kind": "cut", "link": "a~z" }), 404, "no link");
    lab.refused(json!({ "kind": "cut" }), 400, "link is needed");
    lab.refused(json!({ "kind": "cut", "link": "a~b", "count": 1 }), 400, "cut has no count");
    lab.refused(json!({ "kind": "cut", "link": "a~b", "ttlSeconds": 0 }), 400, "from 1 to 3600");
    lab.refused(json!({ "kind": "cut", "link": "a~wallet" }), 400, "inside its node");
    lab.refused(json!({ "kind": "cut", "link": "a~cli" }), 400, "no node of this network dials");
    lab.refused(json!({ "kind": "delay", "link": "a~b", "delayMs": 10_001 }), 400, "10000");
    lab.refused(json!({ "kind": "stopNode", "node": "z" }), 404, "a, b, c");
    lab.refused(json!({ "kind": "burst", "from": "a", "to": "a" }), 400, "same node");
    lab.refused(json!({ "kind": "burst", "from": "a", "to": "!" }), 400, "neither a node");
    lab.refused(
        json!({ "kind": "burst", "from": "a", "to": "c", "count": 100_001 }),
        400,
        "100000",
    );
    lab.refused(json!({ "kind": "melt" }), 400, "stopNode");
    assert_eq!(lab.faults(), 0);
    let unknown = lab.burst_to("test.z");
    assert_eq!(unknown["rejected"], json!({ "F02": 1 }));
}

impl LabNetwork {
    fn burst_to(&self, to: &str) -> Value {
        let burst = self.set(json!({ "kind": "burst", "from": "a", "to": to, "count": 1 }));
        self.wait_ended(&burst, "done")["result"].clone()
    }
}

#[test]
fn without_the_flag_there_is_no_lab() {
    let network = TestNetwork::from_example("examples/linear-3.yaml");
    let lab = LabNetwork::start_with(network, &[]);
    lab.refused(json!({ "kind": "stopNode", "node": "a" }), 404, "up --lab");
    let (status, answer) = lab.request("DELETE", "/lab-1", &json!({}));
    assert_eq!(status, 404, "{answer}");
    assert_eq!(
        get_json(lab.port, "/api/v1")["features"],
        json!(["probes", "settlements", "books"])
    );
    let node = TestNode::start("nodeId: n\n");
    let (status, body) = try_http_get(node.health_port, "/api/v1/lab").unwrap();
    assert!(status == 404 && body.contains("up --lab"), "{status} {body}");
    let output =
        run(Command::new(PROGRAM).args(["up", lab.network.file(), "--lab", "--no-ui"]).env_clear());
    assert_eq!(output.status.code(), Some(64), "{}", combined_output(&output));
}
