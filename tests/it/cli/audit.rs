//! `audit verify` on the log of a real node.

use std::fs;

use super::{check_ended, command, ended};
use crate::peer::TestNode;
use crate::process::{path_text, temp_folder};

#[test]
fn a_log_is_checked_and_each_mistake_has_its_place() {
    let folder = temp_folder();
    let log = folder.path().join("n.jsonl");
    let file = format!(
        "nodeId: n\nilpAddress: test.n\napiToken: an-operators-token\nauditLog: {}\n\
         peers: [{{ id: alice, relation: child, authToken: t }}]\n",
        log.display()
    );
    let node = TestNode::start(&file);
    let url = format!("http://127.0.0.1:{}", node.health_port);
    let token = folder.path().join("token");
    fs::write(&token, "an-operators-token").unwrap();
    for verb in ["suspend", "resume", "suspend"] {
        let reason = format!("the {verb} of a test");
        let arguments = [verb, "alice", "--via", &url, "--token-file", path_text(&token)];
        let arguments = [&arguments[..], &["--reason", &reason]].concat();
        check_ended(ended(&command(&arguments)), 0, &["n: alice is "]);
    }
    let log = path_text(&log);
    // While the node runs.
    let text = check_ended(ended(&command(&["audit", "verify", log])), 0, &["ok: 4 lines from 20"]);
    let head = text.rsplit_once("hash ").unwrap().1.trim().to_owned();
    check_ended(ended(&command(&["audit", "verify", log, "--head", &head])), 0, &["head: line 4"]);
    node.stop("TERM");
    check_ended(ended(&command(&["audit", "verify", log])), 0, &["ok: 5 lines"]);

    let written = fs::read_to_string(log).unwrap();
    let check = |text: &str, expected: &str| {
        fs::write(log, text).unwrap();
        let expected = format!("error: {log}:{expected}");
        check_ended(ended(&command(&["audit", "verify", log])), 1, &[&expected]);
    };
    check(
        &written.replace("the resume of", "the suspend of"),
        "3: altered: it is not what was written",
    );
    let lines: Vec<&str> = written.split_inclusive('\n').collect();
    check(
        &[&lines[..1], &lines[2..]].concat().concat(),
        "2: removed lines: lines 2 to 2 are missing",
    );
    let swapped = [lines[0], lines[2], lines[1], lines[3], lines[4]].concat();
    check(&swapped, "2: reordered: it is line 3; line 2 is at ");
    check(&lines[..3].concat(), "3: truncated: line 3 is the last one here, but the head");
    check("", "1: unreadable: the file has no line");
    let other = "0".repeat(64);
    fs::write(log, &written).unwrap();
    let noted = ended(&command(&["audit", "verify", log, "--head", &other]));
    check_ended(noted, 1, &["another chain: no line has the hash 0000"]);
    check_ended(ended(&command(&["audit", "verify", log, "--head", "x"])), 64, &["64 digits"]);
    check_ended(ended(&command(&["audit", "verify"])), 64, &["<FILE>..."]);
    check_ended(ended(&command(&["audit", "verify", "/nowhere"])), 1, &["/nowhere:1: unreadable"]);
}
