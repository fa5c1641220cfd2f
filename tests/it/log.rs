//! The log from outside: whatever becomes of its reader, its file or its disk, the node goes on.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::peer::{Peer, TIMEOUT, TestNode, config_of, http_get, prepare_to, try_http_get};
use crate::process::{Process, free_port, path_text, temp_folder, write_file};
use crate::support::{PROGRAM, eventually, run_successfully};

/// A node whose log goes where a test decides. It is gone with this value.
struct LoggingNode {
    child: Child,
    port: u64,
    health: u64,
    folder: tempfile::TempDir,
}

impl LoggingNode {
    fn start(more: &str, arguments: &[&str], stdout: impl Into<Stdio>) -> Self {
        let (port, health) = (free_port(), free_port());
        let folder = temp_folder();
        let yaml = config_of(&["alice", "bob"], more);
        let ports = format!(
            "btpServerHost: 127.0.0.1\nbtpServerPort: {port}\nhealthCheckHost: 127.0.0.1\nhealthCheckPort: {health}\n"
        );
        let file = write_file(&folder, "node.yaml", &format!("{ports}{yaml}"));
        let child = Command::new(PROGRAM)
            .args(["run", "--config", path_text(&file)])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let node = Self { child, port: port.into(), health: health.into(), folder };
        eventually("the node is there", TIMEOUT, || try_http_get(node.health, "GET /health/live"));
        node
    }

    fn peer(&self, id: &str) -> Peer {
        Peer::log_in(self.port, id, &format!("{id}-token"))
    }

    /// Value of a metric without labels.
    fn metric(&self, name: &str) -> f64 {
        let text = http_get(self.health, "GET /metrics").1;
        let line = text.lines().find(|line| line.starts_with(&format!("{name} ")));
        line.and_then(|line| line.split(' ').nth(1)?.parse().ok())
            .unwrap_or_else(|| panic!("{text}"))
    }

    fn signal(&self, name: &str) {
        run_successfully(
            Command::new("sh").args(["-c", &format!("kill -{name} {}", self.child.id())]),
        );
    }

    /// Its exit code.
    fn ended(mut self) -> Option<i32> {
        let look = || match self.child.try_wait() {
            Ok(Some(status)) => Ok(status.code()),
            other => Err(format!("{other:?}")),
        };
        eventually("the node ends", TIMEOUT, look).0
    }
}

impl Drop for LoggingNode {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_reader_that_stops_stops_neither_packets_nor_pages_nor_the_end() {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let node =
        LoggingNode::start("packetLog: true\nshutdownGraceMs: 500\n", &[], OwnedFd::from(writer));
    let (mut alice, mut bob) = (node.peer("alice"), node.peer("bob"));
    // More than the pipe, the queue and the writer's hands hold: 64 KiB and twice 1 MiB.
    let began = Instant::now();
    let mut packets = 0_u32;
    while node.metric("ilp_packet_log_records_dropped_total") == 0.0 {
        for _ in 0..500 {
            packets += 1;
            alice.send_prepare(packets, &prepare_to("test.nowhere"));
            assert_eq!(alice.receive_described(), format!("RESPONSE {packets} Reject F02"));
        }
        assert!(
            began.elapsed() < Duration::from_secs(120),
            "nothing is lost after {packets} packets"
        );
        // Other lines still have room, as the packet log leaves some.
        assert_eq!(http_get(node.health, "GET /health/live").0, 200);
    }
    alice.send_prepare(1, &prepare_to("test.bob"));
    let (held, _) = bob.receive_prepare();
    bob.answer(held, &crate::peer::fulfill(&crate::peer::PREIMAGE));
    assert_eq!(alice.receive_described(), "RESPONSE 1 Fulfill");
    drop((alice, bob));
    let stopping = Instant::now();
    node.signal("TERM");
    assert_eq!(node.ended(), Some(0));
    assert!(stopping.elapsed() < Duration::from_secs(10), "{:?}", stopping.elapsed());
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert!(text.len() < 1024 * 1024, "what the pipe held: {} bytes", text.len());
}

#[test]
fn what_was_lost_is_reported_when_the_reader_goes_on() {
    let (reader, writer) = std::io::pipe().unwrap();
    let node = LoggingNode::start("logLevel: debug,packets=off\n", &[], OwnedFd::from(writer));
    let began = Instant::now();
    // Every request is a line, as long as its path.
    let long = format!("GET /{}", "page/".repeat(38));
    while node.metric("ilp_log_lines_lost_total") == 0.0 {
        for _ in 0..200 {
            let _ = try_http_get(node.health, &long);
        }
        assert!(began.elapsed() < Duration::from_secs(120), "nothing is lost");
    }
    let lost = node.metric("ilp_log_lines_lost_total");
    let mut reader = BufReader::new(reader);
    let mut text = String::new();
    // Until the queue has room again: otherwise the last lines may be lost too.
    let mut begin = 0;
    while !text[begin..].contains("log lines lost") {
        begin = text.len();
        assert_ne!(reader.read_line(&mut text).unwrap(), 0, "the loss is not reported");
    }
    let lines = std::thread::spawn(move || {
        reader.read_to_string(&mut text).unwrap();
        text
    });
    node.signal("TERM");
    assert_eq!(node.ended(), Some(0));
    let text = lines.join().unwrap();
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    let told: f64 = lines
        .iter()
        .filter(|line| line["message"].as_str().unwrap().starts_with("log lines lost"))
        .map(|line| line["lines"].as_f64().unwrap())
        .sum();
    assert!(told >= lost && told < lost + 1000.0, "{told} told, {lost} counted before");
    assert_eq!(lines.last().unwrap()["message"], "stopped", "and nothing after that is lost");
}

#[test]
fn a_full_disk_loses_lines_and_nothing_else() {
    // Every write to it fails with ENOSPC.
    let Ok(full) = File::options().write(true).open("/dev/full") else {
        return crate::support::skip("a full disk", "there is no /dev/full");
    };
    let node = LoggingNode::start("", &[], full);
    let mut alice = node.peer("alice");
    alice.send_prepare(1, &prepare_to("test.nowhere"));
    assert_eq!(alice.receive_described(), "RESPONSE 1 Reject F02");
    eventually("the lines are counted", TIMEOUT, || {
        match node.metric("ilp_log_lines_lost_total") {
            3.0.. => Ok(()),
            lost => Err(lost.to_string()),
        }
    });
    drop(alice);
    node.signal("TERM");
    assert_eq!(node.ended(), Some(0));
}

#[test]
fn run_logs_to_a_file_that_may_be_moved_away() {
    let logs = temp_folder();
    let (log, moved) = (logs.path().join("n.log"), logs.path().join("n.log.1"));
    let node = LoggingNode::start("", &["--log-file", path_text(&log)], Stdio::null());
    let text = |file| std::fs::read_to_string(file).unwrap_or_default();
    eventually("the file has the start", TIMEOUT, || {
        if text(&log).contains("health server listening") { Ok(()) } else { Err(text(&log)) }
    });
    let first: Value = serde_json::from_str(text(&log).lines().next().unwrap()).unwrap();
    assert_eq!(first["message"], "starting");
    assert_eq!((&first["node"], &first["address"]), (&"n".into(), &"test.n".into()));
    assert_eq!(first["version"], env!("CARGO_PKG_VERSION"));
    assert!(first["file"].as_str().unwrap().ends_with("node.yaml"), "{first}");
    let ping = prepare_to("test.n").amount(7).condition(ilp_connector::wire::Condition::PING);
    assert_eq!(node.peer("alice").request(1, &ping), "RESPONSE 1 Fulfill");
    std::fs::rename(&log, &moved).unwrap();
    node.signal("HUP");
    eventually("the file is there again", TIMEOUT, || {
        if log.exists() { Ok(()) } else { Err(text(&moved)) }
    });
    node.signal("TERM");
    assert_eq!(node.ended(), Some(0));
    assert!(text(&moved).contains("SIGHUP: reading the configuration again"));
    let last = text(&log);
    let last: Vec<Value> = last.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(last.last().unwrap()["message"], "stopped");
    let balances: Vec<_> = last
        .iter()
        .filter(|line| line["message"] == "balance at the stop")
        .map(|line| format!("{} {}", line["peer"].as_str().unwrap(), line["balance"]))
        .collect();
    assert!(
        ["alice \"7\"", "bob \"0\"", "own:USD/9 \"-7\""]
            .iter()
            .all(|one| balances.iter().any(|b| b == one)),
        "{balances:?}"
    );
}

#[test]
fn a_reload_that_lowers_the_level_shows_its_warnings() {
    let logs = temp_folder();
    let log = logs.path().join("n.log");
    let node =
        LoggingNode::start("logLevel: error\n", &["--log-file", path_text(&log)], Stdio::null());
    let file = node.folder.path().join("node.yaml");
    let yaml = std::fs::read_to_string(&file).unwrap();
    let lower = yaml.replace("logLevel: error", "logLevel: 'info,h2=debug'");
    write_file(&node.folder, "node.yaml", &lower);
    node.signal("HUP");
    eventually("the warning", TIMEOUT, || {
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        let is_shown = text.contains("these libraries log less than logLevel sets");
        if is_shown { Ok(()) } else { Err(text) }
    });
}

#[test]
fn a_mistake_at_the_start_is_written_before_the_end() {
    let (reader, writer) = std::io::pipe().unwrap();
    let folder = temp_folder();
    let file = write_file(&folder, "node.yaml", "nodeId: [\n");
    let mut command = Command::new(PROGRAM);
    command.args(["run", "--config", path_text(&file)]).stdin(Stdio::null()).stderr(Stdio::null());
    let mut child = command.stdout(OwnedFd::from(writer)).spawn().unwrap();
    drop(command);
    let mut text = String::new();
    let mut reader = reader;
    reader.read_to_string(&mut text).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(64));
    assert!(text.contains("node.yaml:1"), "{text}");
}

#[test]
fn hops_of_a_packet_are_in_their_order() {
    let folder = temp_folder();
    let log = folder.path().join("up.log");
    let ports: Vec<u16> = (0..6).map(|_| free_port()).collect();
    let mut yaml = "nodes:\n".to_owned();
    for (number, id) in ["a", "b", "c"].iter().enumerate() {
        let (btp, health) = (ports[2 * number], ports[2 * number + 1]);
        yaml += &format!("  - {{ id: {id}, btpServerPort: {btp}, healthCheckPort: {health} }}\n");
    }
    yaml += "links:\n  - { from: a, to: b, secret: s-a-b }\n  - { from: b, to: c, secret: s-b-c }\n\
             defaults:\n  packetLog: true\n  peers:\n    - { id: cli, relation: child, authToken: cli-token }\n";
    let file = write_file(&folder, "t.yaml", &yaml);
    let network = Process::start(
        &["up", path_text(&file), "--ping", "--for", "0.1", "--log-file", path_text(&log)],
        [],
    );
    let (status, lines) = network.wait_exit();
    assert!(status.success(), "{lines:#?}");
    let text = std::fs::read_to_string(&log).unwrap();
    let packets: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|line: &Value| line["target"] == "packets")
        .collect();
    let times: Vec<_> = packets.iter().map(|line| line["timestamp"].as_str().unwrap()).collect();
    assert!(times.iter().all(|time| time.len() == "2026-03-01T12:00:00.101274Z".len()));
    // The ping from a to c: known by the time at which a sent it on, as all pings have one condition.
    let hops: Vec<_> = packets
        .iter()
        .filter(|line| line["destination"].as_str().is_some_and(|to| to.starts_with("test.c")))
        .map(|line| {
            format!("{} {}", line["node"].as_str().unwrap(), line["event"].as_str().unwrap())
        })
        .collect();
    let way = ["a forwarded", "b forwarded", "c fulfilled", "b fulfilled", "a fulfilled"];
    assert!(
        hops.windows(way.len()).any(|hops| hops == way),
        "the hops of a packet from a to c are not in their order: {hops:#?}"
    );
    for line in packets.iter().filter(|line| line["event"] == "fulfilled") {
        assert!(line["destination"].is_string() && line["amount"].is_string(), "{line}");
    }
}

#[test]
fn a_configuration_out_of_a_pipe_is_read_once_and_holds_up_nothing() {
    let folder = temp_folder();
    let pipe = folder.path().join("node.yaml");
    run_successfully(Command::new("mkfifo").arg(&pipe));
    let node = Process::start(&["run", "--config", path_text(&pipe)], []);
    let yaml = config_of(&["alice"], "shutdownGraceMs: 500\n");
    let ports = "btpServerHost: 127.0.0.1\nbtpServerPort: 0\nhealthCheckHost: 127.0.0.1\nhealthCheckPort: 0\n";
    // Opens when the node reads it.
    let mut writing = File::options().write(true).open(&pipe).unwrap();
    writing.write_all(format!("{ports}{yaml}").as_bytes()).unwrap();
    drop(writing);
    let health = node.wait_for_log("health server listening", "port").as_u64().unwrap();
    node.wait_for_line("it says so", |line| line.contains("it is read only once").then_some(()));
    node.signal("HUP");
    node.wait_for_line("it says why not", |line| {
        line.contains("so it was read once").then_some(())
    });
    eventually("/health says so", TIMEOUT, || {
        let config = &crate::peer::get_json(health, "/health")["config"];
        let error = config["error"].as_str().unwrap_or_default();
        let is_said = config["successful"] == false && error.contains("regular file");
        if is_said { Ok(()) } else { Err(config.to_string()) }
    });
    node.signal("TERM");
    let (status, lines) = node.wait_exit();
    assert_eq!(status.code(), Some(0), "{lines:#?}");
}

#[test]
fn authorities_that_never_come_hold_up_neither_packets_nor_the_stop() {
    let folder = temp_folder();
    let pipe = folder.path().join("authorities");
    run_successfully(Command::new("mkfifo").arg(&pipe));
    // Takes connections, so that the next step of a dial is TLS.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let ports = "btpServerHost: 127.0.0.1\nbtpServerPort: 0\nhealthCheckHost: 127.0.0.1\nhealthCheckPort: 0\n";
    let peers = config_of(&["alice"], "shutdownGraceMs: 500\nauthTimeoutMs: 3000\n");
    let dialled = format!("  - {{ id: far, authToken: t, url: 'wss://127.0.0.1:{port}/' }}\n");
    let yaml = peers.replace("peers:\n", &format!("peers:\n{dialled}"));
    assert_ne!(yaml, peers);
    let file = write_file(&folder, "node.yaml", &format!("{ports}{yaml}"));
    let node = Process::start(
        &["run", "--config", path_text(&file)],
        [("SSL_CERT_FILE", path_text(&pipe))],
    );
    let port = node.wait_for_log("BTP server listening", "port").as_u64().unwrap();
    node.wait_for_line("the dial waits in vain", |line| {
        line.contains("cannot connect").then_some(())
    });
    let mut alice = crate::peer::Peer::log_in(port, "alice", "alice-token");
    assert_eq!(alice.drain_frames(), [""; 0]);
    node.signal("TERM");
    let (status, lines) = node.wait_exit();
    assert_eq!(status.code(), Some(0), "{lines:#?}");
}

#[test]
fn a_file_that_becomes_a_pipe_holds_up_neither_reloads_nor_the_stop() {
    let node = TestNode::with_peers(&["alice"], "shutdownGraceMs: 500\n");
    std::fs::remove_file(&node.file).unwrap();
    run_successfully(Command::new("mkfifo").arg(&node.file));
    node.process.signal("HUP");
    node.process.wait_for_line("it is told", |line| {
        line.contains("the configuration file cannot be read").then_some(())
    });
    // A file again: it is read, so nothing waits for the pipe.
    std::fs::remove_file(&node.file).unwrap();
    node.rewrite_config(&config_of(&["alice", "bob"], "shutdownGraceMs: 500\n"));
    node.process.signal("HUP");
    node.process
        .wait_for_line("reloaded", |line| line.contains("configuration reloaded").then_some(()));
    std::fs::remove_file(&node.file).unwrap();
    run_successfully(Command::new("mkfifo").arg(&node.file));
    node.process.signal("HUP");
    let (status, log) = node.stop("TERM");
    assert_eq!(status.code(), Some(0), "{log}");
}
