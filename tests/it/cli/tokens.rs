//! Each command that reads a file with a token, and another program in the place of the node that the file names.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;

use crate::peer::{TestNode, ask, bind_listener};
use crate::process::{Process, TIMEOUT, free_port, path_text, temp_folder, write_file};
use crate::support::{PROGRAM, combined_output, eventually, run};

const TOKEN: &str = "Qz7xKv2RtW9LmB4nYd8HsJ6gVcF3pU1o";

/// Each command that sends a token as docs/COMMANDS.md names it, and the rest of its command line. `ledger` does so
/// while the node runs.
const SENDING: [(&str, &[&str]); 26] = [
    ("status", &[]),
    ("tap", &["--for", "1s"]),
    ("top", &[]),
    ("edges", &[]),
    ("events", &[]),
    ("routes", &[]),
    ("rates", &[]),
    ("rates accept", &["https://rates.example/usd.json", "XRP"]),
    ("explain", &["test.c"]),
    ("ledger resolve", &["c", "--concede", "5", "--reason", "x"]),
    ("ledger adjust", &["c", "-5", "--reason", "x"]),
    ("webhook list", &[]),
    ("webhook test", &["ops"]),
    ("webhook retry", &["ops"]),
    ("settlement list", &[]),
    ("settlement record", &["c", "--sent", "1 USD", "--reference", "x"]),
    ("settlement pause", &["c"]),
    ("settlement resume", &["c"]),
    ("settlement retry", &["c"]),
    ("suspend", &["c"]),
    ("resume", &["c"]),
    ("reconcile", &["c"]),
    ("reconnect", &["c"]),
    ("log-level", &["debug"]),
    ("report", &[]),
    ("watch", &[]),
];

/// Each other command that reads such a file, in the same way. None has a use for the token.
const SILENT: [(&str, &[&str]); 14] = [
    ("run", &[]),
    ("healthcheck", &[]),
    ("ping", &["test.c", "-c", "1"]),
    ("trace", &["test.c"]),
    ("pay", &["test.c", "1"]),
    ("send", &["test.c", "--count", "1"]),
    ("ledger balances", &[]),
    ("ledger payments", &[]),
    ("ledger statement", &["c"]),
    ("ledger income", &[]),
    ("ledger verify", &[]),
    ("ledger export", &["--format", "hledger"]),
    ("ledger backup", &["b.db"]),
    ("ledger restore", &["b.db"]),
];

/// A program that says of itself that it is the node z, and notes what it is sent.
fn serve_another_node() -> (u16, Arc<Mutex<Vec<String>>>) {
    let (listener, port) = bind_listener();
    let heads = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&heads);
    // It ends with the test program.
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let noted = Arc::clone(&noted);
            thread::spawn(move || answer_all(stream, &noted));
        }
    });
    (port, heads)
}

fn answer_all(stream: TcpStream, heads: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while reader.read_line(&mut head).is_ok_and(|bytes| bytes > 0) {
        if !head.ends_with("\r\n\r\n") {
            continue;
        }
        let is_health = head.starts_with("GET /health ");
        heads.lock().unwrap().push(std::mem::take(&mut head));
        let body = match is_health {
            true => r#"{"status":"healthy","nodeId":"z"}"#,
            false => "{}",
        };
        let length = body.len();
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}");
        if reader.get_mut().write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

/// The commands of docs/COMMANDS.md that read the file of a node, and with it the token.
fn commands_with_files() -> BTreeSet<&'static str> {
    let mut found = BTreeSet::new();
    let mut heading = "";
    for line in include_str!("../../../docs/COMMANDS.md").lines() {
        if let Some(name) = line.strip_prefix("## ").or_else(|| line.strip_prefix("### ")) {
            heading = name;
        }
        if line.starts_with("| `--config FILE`") {
            found.insert(heading);
        }
    }
    found
}

#[test]
fn no_command_sends_the_token_of_a_file_to_another_node() {
    let known: BTreeSet<&str> = SENDING.iter().chain(&SILENT).map(|(name, _)| *name).collect();
    assert_eq!(commands_with_files(), known, "each is tried here");
    let (port, heads) = serve_another_node();
    let folder = temp_folder();
    // The node runs, so that its store is in use; its pages are not where the file of the commands says.
    let store = format!("store: {}\n", folder.path().join("a.db").display());
    let _node = TestNode::start(&format!("nodeId: a\n{store}"));
    let file = format!("nodeId: a\nhealthCheckPort: {port}\napiToken: {TOKEN}\n{store}");
    let file = write_file(&folder, "a.yaml", &file);
    let archive = folder.path().join("r.tar.gz");
    let is_silent = |name: &str| SILENT.iter().any(|(silent, _)| *silent == name);
    for (name, rest) in SENDING.iter().chain(&SILENT).copied() {
        let mut arguments: Vec<&str> = name.split(' ').chain(rest.iter().copied()).collect();
        arguments.extend(["--config", path_text(&file)]);
        if name == "report" {
            arguments.extend(["-o", path_text(&archive)]);
        }
        heads.lock().unwrap().clear();
        let said = match name {
            "watch" => {
                let page = free_port();
                let text = page.to_string();
                arguments.extend(["--port", &text]);
                let _watch = Process::start(&arguments, []);
                shown_by_watch(page)
            }
            _ => {
                let mut program = Command::new(PROGRAM);
                program.args(&arguments).env_clear().current_dir(folder.path());
                combined_output(&run(&mut program))
            }
        };
        let sent = heads.lock().unwrap().clone();
        for head in &sent {
            let is_health = head.starts_with("GET /health ");
            let has_token = head.contains(TOKEN) || head.to_lowercase().contains("authorization");
            assert!(is_health && !has_token, "{name}: {head}");
        }
        if !is_silent(name) {
            assert!(!sent.is_empty(), "{name} asks nothing: {said}");
            assert!(said.contains("the node z answers"), "{name}: {said}");
        }
    }
}

/// What the page of `watch` says of the node, which it asks only then.
fn shown_by_watch(page: u16) -> String {
    let (shown, _) = eventually("the page of watch names the other node", TIMEOUT, || {
        TcpStream::connect(("127.0.0.1", page)).map_err(|error| error.to_string())?;
        let (_, nodes) = ask(page.into(), "GET /api/v1/nodes", None, "");
        let text = nodes.to_string();
        match text.contains("the node z answers") {
            true => Ok(text),
            false => Err(text),
        }
    });
    shown
}
