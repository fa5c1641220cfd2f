//! Webhooks of a running node, received by npm `standardwebhooks`.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::http::Server;
use crate::interop::packages;
use crate::peer::ask;
use crate::process::{Process, TIMEOUT, path_text, temp_folder, write_file};
use crate::support::{eventually, skip};

const TOKEN: &str = "an-operators-token";
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// The next secret, which receivers do not know yet.
const NEXT_SECRET: &str = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

fn receiver(folder: &Path, more: &[&str]) -> (Process, u64) {
    let mut command = Command::new("node");
    command.args(["webhook.js", "--secret", SECRET]).args(more).current_dir(folder);
    let process = Process::spawn(&mut command);
    let port = process.wait_for_line("a receiver", |line| {
        serde_json::from_str::<Value>(line).ok()?["port"].as_u64()
    });
    (process, port)
}

/// The event that the receiver has printed and answered with this status.
fn received(receiver: &Process, status: u16) -> Value {
    receiver.wait_for_line("an event", |line| {
        let line: Value = serde_json::from_str(line).ok()?;
        (line["status"] == status).then_some(line)
    })
}

/// A node in `folder` with these webhooks.
fn node(folder: &TempDir, webhooks: &str) -> (Process, u64) {
    let yaml = format!(
        "nodeId: n\nilpAddress: test.n\nbtpServerHost: 127.0.0.1\nbtpServerPort: 0\nhealthCheckHost: 127.0.0.1\n\
         healthCheckPort: 0\napiToken: {TOKEN}\nstore: n.db\nwebhooks:\n{webhooks}"
    );
    let file = write_file(folder, "node.yaml", &yaml);
    let process = Process::start(&["run", "--config", path_text(&file)], []);
    let port = process.wait_for_log("health server listening", "port").as_u64().unwrap();
    (process, port)
}

fn hook(id: &str, port: u64) -> String {
    let secrets = format!("[{NEXT_SECRET}, {SECRET}]");
    format!("  - {{ id: {id}, url: \"http://127.0.0.1:{port}/hidden\", secrets: {secrets} }}\n")
}

/// Sends a test, and returns its id.
fn send_test(port: u64, webhook: &str) -> Value {
    let path = format!("POST /api/v1/nodes/n/webhooks/{webhook}/test");
    let body = json!({ "reason": "a test" }).to_string();
    let (status, answer) = ask(port, &path, Some(TOKEN), &body);
    assert_eq!(status, 200, "{answer}");
    answer["event"].clone()
}

fn wait_for_webhook(port: u64, id: &str, holds: impl Fn(&Value) -> bool) {
    eventually("the state of a webhook", TIMEOUT, || {
        let (_, page) = ask(port, "GET /api/v1/nodes/n/webhooks", Some(TOKEN), "");
        assert!(!page.to_string().contains("hidden"), "{page}");
        let webhooks = page["webhooks"].as_array().cloned().unwrap_or_default();
        let found = webhooks.iter().find(|one| one["id"] == id);
        if found.is_some_and(&holds) { Ok(()) } else { Err(page.to_string()) }
    });
}

#[test]
fn an_event_arrives_signed_is_repeated_after_a_failure_and_waits_for_no_other_webhook() {
    let scripts = match packages() {
        Ok(folder) => folder,
        Err(why) => return skip("webhooks", &why),
    };
    let (receiver, port) = receiver(&scripts, &["--fail", "1"]);
    // It takes connections, and answers none.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent_port = silent.local_addr().unwrap().port();
    let folder = temp_folder();
    let webhooks = hook("silent", silent_port.into()) + &hook("ops", port);
    let (_node, api) = node(&folder, &webhooks);
    send_test(api, "silent");
    let id = send_test(api, "ops");
    for status in [500, 204] {
        let got = received(&receiver, status);
        assert_eq!(got["id"], id);
        assert_eq!(got["event"]["type"], "webhook.test");
        assert_eq!(got["event"]["data"]["node"], "n");
        assert_eq!(got["event"]["data"]["fields"]["by"], "apiToken");
    }
    wait_for_webhook(api, "ops", |ops| ops["delivered"] == 1 && ops["failing"] == false);
    wait_for_webhook(api, "silent", |silent| silent["pending"] == 1);
}

/// Only a receiver whose certificate the node trusts gets events; its name is part of that.
#[test]
fn events_go_over_tls_to_receivers_that_are_trusted_and_to_no_others() {
    let scripts = match packages() {
        Ok(folder) => folder,
        Err(why) => return skip("webhooks", &why),
    };
    let folder = temp_folder();
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = |name: &str| {
        let params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.self_signed(&key).unwrap().pem()
    };
    let pem = |name: &str, text: &str| path_text(&write_file(&folder, name, text)).to_owned();
    let key_file = pem("key.pem", &key.serialize_pem());
    let (trusted, misnamed) =
        (pem("cert.pem", &certificate("127.0.0.1")), pem("other.pem", &certificate("192.0.2.1")));
    let (all, both) = (
        pem("all.pem", &(certificate("127.0.0.1") + &certificate("192.0.2.1"))),
        [&trusted, &misnamed],
    );
    let receivers = both.map(|cert| receiver(&scripts, &["--cert", cert, "--key", &key_file]));
    let hooks = hook("right", receivers[0].1) + &hook("misnamed", receivers[1].1);
    let hooks = hooks.replace("http://", "https://");
    let failing = |id: &str, api: u64| {
        wait_for_webhook(api, id, |one| {
            one["failing"] == true && one["lastError"].to_string().contains("certificate")
        });
    };
    let (node_process, api) = node(&folder, &hooks);
    let id = send_test(api, "right");
    failing("right", api);
    node_process.signal("TERM");
    node_process.wait_exit();
    let (_node, api) = node(&folder, &format!("{hooks}caFile: {all}\n"));
    assert_eq!(received(&receivers[0].0, 204)["id"], id);
    send_test(api, "misnamed");
    failing("misnamed", api);
    assert_eq!(receivers[1].0.output_lines().len(), 1, "only the port");
}

#[test]
fn after_a_crash_between_the_delivery_and_its_mark_the_event_comes_again_with_its_id() {
    let scripts = match packages() {
        Ok(folder) => folder,
        Err(why) => return skip("webhooks", &why),
    };
    let (holding, port) = receiver(&scripts, &["--hold"]);
    let folder = temp_folder();
    let (node_process, api) = node(&folder, &hook("ops", port));
    let id = send_test(api, "ops");
    assert_eq!(received(&holding, 204)["id"], id);
    node_process.signal("KILL");
    node_process.wait_exit();
    let (answering, port) = receiver(&scripts, &[]);
    let (_node, api) = node(&folder, &hook("ops", port));
    assert_eq!(received(&answering, 204)["id"], id);
    wait_for_webhook(api, "ops", |ops| ops["delivered"] == 1 && ops["pending"] == 0);
}

#[test]
fn while_the_store_fails_events_are_delivered_from_memory_and_none_twice() {
    let server = Server::start();
    let server_port = server.port();
    let requests = server.accept_all();
    let receive = || -> Value {
        let request = requests.recv_timeout(TIMEOUT).unwrap();
        let event: Value = serde_json::from_slice(&request.body).unwrap();
        assert_eq!(event["data"]["id"], request.header("webhook-id").unwrap());
        event
    };
    let folder = temp_folder();
    let (_node, api) = node(&folder, &hook("ops", server_port.into()));
    let (store, elsewhere) = (folder.path().join("n.db"), folder.path().join("elsewhere.db"));
    std::fs::rename(&store, &elsewhere).unwrap();
    let path = "POST /api/v1/nodes/n/webhooks/ops/test";
    let (status, problem) = ask(api, path, Some(TOKEN), r#"{"reason":"a test"}"#);
    assert_eq!(status, 503, "{problem}");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.starts_with("it is done, but not saved yet"), "{detail}");
    let mut kinds = [receive(), receive()].map(|event| event["type"].as_str().unwrap().to_owned());
    kinds.sort_unstable();
    assert_eq!(kinds, ["store.failing", "webhook.test"]);
    std::fs::rename(&elsewhere, &store).unwrap();
    assert_eq!(receive()["type"], "store.recovered");
    wait_for_webhook(api, "ops", |ops| ops["delivered"] == 3 && ops["pending"] == 0);
    assert!(requests.try_recv().is_err(), "an event came twice");
}
