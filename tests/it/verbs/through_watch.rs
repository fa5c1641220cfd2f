//! What operators change through the page of `watch`.

use serde_json::json;

use super::{TOKEN, file, long, peer};
use crate::observer::Reader;
use crate::peer::{TIMEOUT, TestNode, ask};
use crate::process::{path_text, temp_folder, write_file};
use crate::support::eventually;
use crate::watch::{start_watch, url};

#[test]
fn a_page_of_nodes_elsewhere_shows_and_undoes_what_they_have() {
    let folder = temp_folder();
    let log = folder.path().join("audit.jsonl");
    let audit = format!("auditLog: {}\n", log.display());
    let node = TestNode::start(&file(&peer("p"), &audit));
    let other = TestNode::start(&format!("nodeId: m\napiToken: {TOKEN}\n"));
    let token = write_file(&folder, "token", TOKEN);
    let (_watch, port) =
        start_watch(&["--token-file", path_text(&token), &url(&node), &url(&other)]);
    let get = |path: &str| ask(port, &format!("GET {path}"), None, "");
    let suspend = "POST /api/v1/nodes/n/peers/p/suspend";
    let (status, set) = ask(port, suspend, None, &long("through the page").to_string());
    assert_eq!(status, 200, "{set}");
    let id = set["id"].as_str().unwrap();

    // Without a stream, and in one.
    let (_, listed) = get("/api/v1/overrides");
    assert_eq!(listed["overrides"][0]["id"], id, "{listed}");
    let mut reader = Reader::open(port, "topics=state,rates");
    reader.find("state", |state| state["overrides"][0]["id"] == id);
    let (status, lines) = get("/api/v1/audit?node=n");
    assert_eq!((status, &lines["node"]), (200, &json!("n")), "{lines}");
    assert!(lines["lines"].to_string().contains("through the page"), "{lines}");
    eventually("the history of the link", TIMEOUT, || match get("/api/v1/links/n~p/history") {
        (200, found) if found["points"].as_array().is_some_and(|all| !all.is_empty()) => Ok(()),
        other => Err(format!("{other:?}")),
    });
    let (_, history) = get("/api/v1/history");
    let known: Vec<_> = history["nodes"].as_array().unwrap().iter().map(|one| &one["id"]).collect();
    assert_eq!(known, ["m", "n"], "{history}");

    let (status, ended) = ask(port, &format!("DELETE /api/v1/overrides/{id}"), None, "{}");
    assert!(status == 200 && ended["endedAt"].is_string(), "{status} {ended}");
    reader.find("state", |state| state["overrides"] == json!([]));
    assert_eq!(get("/api/v1/overrides").1["overrides"], json!([]));
}
