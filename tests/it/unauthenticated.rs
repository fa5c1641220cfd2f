//! Unauthenticated clients and a lack of open files do not stop a running node.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, crypto};

use crate::peer::{TestNode, config_of, http_get};
use crate::process::{Process, TIMEOUT, path_text, temp_folder, write_file};
use crate::support::{PROGRAM, eventually};

fn connect(port: u64) -> TcpStream {
    let port = u16::try_from(port).unwrap();
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap()
}

/// A node with a limit on open files, and the ports of its BTP and health listeners.
struct NodeWithFileLimit {
    running: Process,
    port: u64,
    health: u64,
    _folder: tempfile::TempDir,
}

impl NodeWithFileLimit {
    fn start(limit: u32, yaml: &str) -> Self {
        let folder = temp_folder();
        let ports = "btpServerHost: 127.0.0.1\nbtpServerPort: 0\nhealthCheckHost: 127.0.0.1\nhealthCheckPort: 0\n";
        let file = write_file(&folder, "node.yaml", &format!("{ports}{yaml}"));
        let command =
            format!("ulimit -n {limit} && exec '{PROGRAM}' run --config '{}'", path_text(&file));
        let running = Process::spawn(Command::new("sh").args(["-c", &command]).env_clear());
        let port = |message| running.wait_for_log(message, "port").as_u64().unwrap();
        let (port, health) = (port("BTP server listening"), port("health server listening"));
        Self { running, port, health, _folder: folder }
    }

    fn open_files(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.running.pid())).unwrap().count()
    }
}

#[test]
fn unauthenticated_sockets_cannot_take_the_last_open_files() {
    let node = NodeWithFileLimit::start(64, &config_of(&["alice", "bob"], ""));
    let login = |id: &str| crate::peer::Peer::log_in(node.port, id, &format!("{id}-token"));
    let mut alice = login("alice");
    let clients: Vec<_> = (0..200).map(|_| connect(node.port)).collect();
    let accepted = || {
        let metrics = http_get(node.health, "/metrics").1;
        let is_all = metrics.contains("\nilp_server_sockets_total 201\n");
        if is_all { Ok(()) } else { Err(metrics) }
    };
    eventually("all clients are accepted", TIMEOUT, accepted);
    assert!(node.open_files() < 56, "{} open files", node.open_files());
    assert_eq!(http_get(node.health, "/health/live").0, 200);
    assert_eq!(alice.drain_frames(), [""; 0], "the session stays");
    // A peer can log in while they are connected.
    assert_eq!(login("bob").drain_frames(), [""; 0]);
    drop(clients);
    assert!(!node.running.output_lines().join("\n").contains("cannot accept connections"));
}

#[test]
fn health_answers_while_dialled_sessions_take_all_open_files() {
    // A listener that never answers, so that attempts keep their open files.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let mut yaml = "nodeId: n\nilpAddress: test.n\nauthTimeoutMs: 600000\npeers:\n".to_owned();
    for n in 0..48 {
        yaml += &format!("  - {{ id: p{n}, url: 'ws://127.0.0.1:{port}', authToken: t }}\n");
    }
    let node = NodeWithFileLimit::start(48, &yaml);
    let none_left = |line: &str| {
        line.contains("cannot connect to").then_some(()).filter(|()| line.contains("open files"))
    };
    node.running.wait_for_line("open files run out", none_left);
    for _ in 0..3 {
        assert_eq!(http_get(node.health, "/health/live").0, 200);
    }
}

/// The directory in `/proc` of the thread with this name.
fn thread_directory(pid: u32, name: &str) -> PathBuf {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let of_name = tasks.map(|task| task.unwrap().path()).find(|task| {
        fs::read_to_string(task.join("comm")).is_ok_and(|comm| comm.trim_end() == name)
    });
    of_name.unwrap_or_else(|| panic!("there is no thread {name}"))
}

/// The nanoseconds that the thread with this name has run.
fn run_time_ns(pid: u32, name: &str) -> u64 {
    let stat = fs::read_to_string(thread_directory(pid, name).join("schedstat")).unwrap();
    stat.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap()
}

#[test]
fn tls_handshakes_run_on_their_own_thread_on_both_ports() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let folder = temp_folder();
    let certificate = write_file(&folder, "cert.pem", &made.cert.pem());
    let key = write_file(&folder, "key.pem", &made.signing_key.serialize_pem());
    let tls = format!(
        "tls: {{ certificate: '{}', key: '{}' }}\nhttpServerHost: 127.0.0.1\nhttpServerPort: 0\n",
        path_text(&certificate),
        path_text(&key)
    );
    let node = TestNode::start(&config_of(&["alice"], &tls));
    let http = node.process.wait_for_log("HTTP server listening", "port").as_u64().unwrap();
    let provider = Arc::new(crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let config = Arc::new(config);
    for port in [node.port, http] {
        let before = run_time_ns(node.process.pid(), "tls");
        for _ in 0..20 {
            let name = ServerName::try_from("localhost").unwrap();
            let mut client = ClientConnection::new(Arc::clone(&config), name).unwrap();
            let mut stream = connect(port);
            client.complete_io(&mut stream).unwrap();
        }
        let ran = run_time_ns(node.process.pid(), "tls") - before;
        assert!(ran > 1_000_000, "20 handshakes took the thread {ran} ns");
    }
    // The thread has a lower priority: its nice value, the 19th field and the 17th after the name, is higher.
    let nice = |name| {
        let stat =
            fs::read_to_string(thread_directory(node.process.pid(), name).join("stat")).unwrap();
        let values = stat.rsplit_once(") ").unwrap().1;
        values.split(' ').nth(16).unwrap().parse::<i32>().unwrap()
    };
    assert!(nice("tls") > nice("ilp-connector"), "{} {}", nice("tls"), nice("ilp-connector"));
    // Unfinished handshakes delay no other.
    let unfinished: Vec<_> = (0..50)
        .map(|_| {
            let mut stream = connect(node.port);
            stream.write_all(&[22, 3, 1, 2, 0, 1]).unwrap();
            stream
        })
        .collect();
    let name = ServerName::try_from("localhost").unwrap();
    let mut client = ClientConnection::new(config, name).unwrap();
    let mut stream = connect(node.port);
    client.complete_io(&mut stream).unwrap();
    client.writer().write_all(b"HEAD / HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    client.complete_io(&mut stream).unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        client.complete_io(&mut stream).unwrap();
        let mut bytes = [0; 1024];
        match client.reader().read(&mut bytes) {
            Ok(count) => answer.extend(&bytes[..count]),
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock),
        }
    }
    assert!(answer.starts_with(b"HTTP/1.1 426 "), "{}", String::from_utf8_lossy(&answer));
    drop(unfinished);
}
